"""Values and events as the engine makes them, for screens to be shown without a server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from changeover.core.codec import event_line
from changeover.core.errors import Fault, Place
from changeover.core.events import (
    AttemptFailed,
    AttemptStarted,
    Backend,
    ConnectionsClosed,
    Event,
    LocksSeen,
    MigrationApplied,
    MigrationBrief,
    MigrationEnded,
    MigrationRolledBack,
    MigrationStarted,
    NoticeRaised,
    PlanConfirmed,
    Result,
    RunFinished,
    RunKeyTaken,
    RunStarted,
    ServerFacts,
    SessionOpened,
    StatementBrief,
    StatementFailed,
    StatementFinished,
    StatementStarted,
    StatementState,
    Who,
)
from changeover.core.history import History
from changeover.core.limits import Limits
from changeover.core.locks import LockMode
from changeover.core.migration import Checksums, Migration
from changeover.core.plan import HazardFinding, LockClaim, Plan, PlannedMigration, PlannedStatement
from changeover.core.precheck import Decision, Row, Verdict
from changeover.core.script import Script
from changeover.core.session_reader import SessionReader
from changeover.core.target import Target
from changeover.core.view import Stamped
from changeover.tui.log_lines import LogLines
from changeover.tui.widgets.banner import Standing

TARGET = Target(
    name="orders",
    host="db1.example",
    port=5432,
    database="donations",
    user="deployer",
    sslmode="verify-full",
    environment="production",
    protected=True,
    sources={"host": "DATABASE_URL"},
)

SERVER = ServerFacts(
    version="18.6",
    version_num=180006,
    database="donations",
    user="deployer",
    host="db1.example",
    port=5432,
    system_identifier="7301",
    timeline=1,
    in_recovery=False,
    tls=True,
    pooled=False,
    superuser=False,
    read_only=False,
)

STANDING = Standing(target=TARGET, server=SERVER)

SQL = "ALTER TABLE donations\n    ADD COLUMN session_id uuid REFERENCES sessions (id)"
HOSTILE = "evil[/foo]\x1b]0;owned\x07\x1b[2J\nname\u202e[@click=app.quit]x[/]\x9b31m"


SESSION = "20261123T140327Z-orders-7f3a"


def recorded(events: Sequence[Stamped], root: Path) -> Path:
    """Write events as the one run of a session, behind what was written before; return the file."""
    folder = root / SESSION
    folder.mkdir(exist_ok=True)
    file = folder / "run-1.jsonl"
    with file.open("ab") as lines:
        lines.writelines(event_line(each) for each in events)
    return file


def lines_of(root: Path) -> LogLines:
    """Return the lines of that session, read to their end."""
    lines = LogLines(SessionReader(SESSION, root))
    lines.read(10_000)
    return lines


def planned_statement(
    number: int = 1, *, sql: str = SQL, hazard: bool = False, allowed: bool = True
) -> PlannedStatement:
    """Return a statement that takes ACCESS EXCLUSIVE on donations."""
    finding = HazardFinding(
        id="foreign-key-validates",
        severity="severe",
        title="A new foreign key reads both tables",
        relation="public.donations",
        text="Adding the key scans the table while writes wait.",
        instead="ADD CONSTRAINT ... NOT VALID, then VALIDATE CONSTRAINT",
        allowed_by="file" if allowed else None,
        reason="we looked" if allowed else "",
    )
    return PlannedStatement(
        number=number,
        file="0002_complete_donations.sql",
        line=3 * number,
        column=1,
        sql=sql,
        kind="ALTER TABLE",
        outside_transaction=False,
        decision=Decision.RUN,
        reason="",
        condition=None,
        proof=None,
        guards_itself=False,
        needs=("public.donations",),
        makes=(),
        changes=("public.donations",),
        drops=(),
        locks=(LockClaim(relation="public.donations", mode=LockMode.ACCESS_EXCLUSIVE),),
        rewrites=(),
        scans=("public.donations",),
        builds=(),
        long=True,
        source="estimated",
        error=None,
        hazards=(finding,) if hazard else (),
    )


def planned(
    version: str = "0002", name: str = "complete_donations", *, hazard: bool = False, allowed: bool = True
) -> PlannedMigration:
    """Return a pending migration of two statements."""
    migration = Migration(
        version=version,
        name=name,
        file=f"{version}_{name}.sql",
        content=SQL.encode(),
        checksums=Checksums(exact="a" * 64, normalised="b" * 64),
        script=Script(statements=(), transactional=True, allows=()),
    )
    statements = (
        planned_statement(1, hazard=hazard, allowed=allowed),
        replace(planned_statement(2), decision=Decision.DEFER, reason="table sessions does not exist"),
    )
    return PlannedMigration(migration=migration, entry="migration", transactional=True, statements=statements)


def row(name: str, verdict: Verdict, *, statement: int = 1, expected: str = "uuid", found: str = "absent") -> Row:
    """Return a row of the pre-check table."""
    return Row(
        object=name,
        kind="column",
        needed_by=Place(file="0002_complete_donations.sql", line=3, column=1),
        version="0002",
        statement=statement,
        expected=expected,
        found=found,
        verdict=verdict,
    )


def plan(*refusals: Fault, hazard: bool = False, allowed: bool = True, empty: bool = False) -> Plan:
    """Return a plan of one migration."""
    return Plan(
        digest="3f9a1c0b77e2" + "0" * 52,
        database="donations",
        system_identifier="7301",
        limits=Limits(),
        history=History(format="native", table="changeover.migration", exists=True),
        migrations=() if empty else (planned(hazard=hazard, allowed=allowed),),
        rows=()
        if empty
        else (
            row("public.donations", Verdict.READY, expected="table", found="table"),
            row("public.donations.session_id", Verdict.READY),
            row("public.donations.amount", Verdict.DIFFERENT, expected="numeric", found="integer"),
            row("public.sessions", Verdict.DEFERRED, statement=2, expected="table"),
        ),
        refusals=refusals,
    )


MISSING = Fault(
    id="not-ready",
    summary="public.users.email is missing.",
    advice="Add it in an earlier migration, or take the statement out.",
    file="0002_complete_donations.sql",
    line=7,
    column=5,
)

HAZARD = Fault(
    id="hazard",
    summary="foreign-key-validates: Adding the key scans the table while writes wait.",
    advice="Do it the safe way (see the plan), or allow it.",
    file="0002_complete_donations.sql",
    line=3,
    column=1,
)

BRIEFS = (
    MigrationBrief(
        version="0001",
        name="complete_users",
        file="0001_complete_users.sql",
        entry="migration",
        transactional=True,
        statements=(
            StatementBrief(
                number=1,
                line=4,
                column=1,
                kind="ALTER TABLE",
                sql="ALTER TABLE users ADD COLUMN email text",
                decision="run",
                reason="",
            ),
            StatementBrief(
                number=2,
                line=6,
                column=1,
                kind="ALTER TABLE",
                sql="ALTER TABLE users ADD COLUMN IF NOT EXISTS name text",
                decision="skip",
                reason="column users.name is there",
            ),
        ),
    ),
    MigrationBrief(
        version="0002",
        name="complete_donations",
        file="0002_complete_donations.sql",
        entry="migration",
        transactional=True,
        statements=(
            StatementBrief(number=1, line=3, column=1, kind="ALTER TABLE", sql=SQL, decision="run", reason=""),
            StatementBrief(
                number=2,
                line=9,
                column=1,
                kind="DO",
                sql="DO $$ BEGIN RAISE NOTICE 'later'; END $$",
                decision="defer",
                reason="table sessions does not exist",
            ),
        ),
    ),
)

BLOCKER = Backend(
    pid=4123,
    user="report",
    application="nightly report",
    kind="client backend",
    state="active",
    xact_age=731.0,
    wait=None,
    query="SELECT count(*) FROM donations",
    blocked_by=(),
)
WAITER = Backend(
    pid=4188,
    user="web",
    application="donate",
    kind="client backend",
    state="active",
    xact_age=1.4,
    wait="Lock/relation",
    query="INSERT INTO donations (id) VALUES ($1)",
    blocked_by=(4001,),
)

FAULT = Fault(
    id="server",
    summary='relation "public.nowhere" does not exist',
    advice="The migration was rolled back; nothing of it is there. Mend the file and run it again.",
    sqlstate="42P01",
    detail="There is a table somewhere.",
    hint="Perhaps you meant somewhere.",
    file="0002_complete_donations.sql",
    line=3,
    column=13,
)

REFUSED = Fault(
    id="connect",
    summary="Nothing listens at db1.example:5432: connection refused.",
    advice="Start the server, or check host and port.",
)
# Two attempts that were refused, and the wait for the third.
TWICE: tuple[Event, ...] = (
    AttemptStarted(number=1, of=4, address="db1.example:5432", deadline=30),
    AttemptFailed(number=1, of=4, fault=REFUSED, elapsed=0.01, wait=1.0),
    AttemptStarted(number=2, of=4, address="db1.example:5432", deadline=30),
    AttemptFailed(number=2, of=4, fault=REFUSED, elapsed=0.02, wait=8.0),
)

BEGUN: tuple[Event, ...] = (
    SessionOpened(
        session="20261123T140327Z-orders-7f3a",
        who=Who(os_user="ada", sudo_user=None, host="bastion", ssh_connection=None, tty=None),
        changeover="0.1.0",
        command="apply",
        target="deployer@db1.example:5432/donations",
    ),
    RunStarted(run="run-1", digest="3f9a1c0b77e2", by="ada", how="typed database name", pid=77, on_hangup="finish"),
    RunKeyTaken(waited=0.01),
    PlanConfirmed(digest="3f9a1c0b77e2", server=SERVER, migrations=BRIEFS),
    MigrationStarted(version="0001", entry="migration", attempt=1, of=10, backend=4001),
    StatementStarted(version="0001", number=1),
    StatementFinished(version="0001", number=1, state=StatementState.DONE, tag="ALTER TABLE", elapsed=0.012),
    StatementStarted(version="0001", number=2),
    StatementFinished(
        version="0001",
        number=2,
        state=StatementState.SKIPPED,
        tag="",
        elapsed=0.0,
        reason="column users.name is there",
    ),
    MigrationApplied(version="0001", entry="migration", attempts=1, elapsed=0.05, xid="811"),
    MigrationStarted(version="0002", entry="migration", attempt=1, of=10, backend=4002),
    StatementStarted(version="0002", number=1),
)

WAITS: tuple[Event, ...] = (
    *BEGUN,
    NoticeRaised(version="0002", number=1, severity="NOTICE", sqlstate="00000", message="a word from the server"),
    LocksSeen(
        version="0002",
        waiting_for="ACCESS EXCLUSIVE on public.donations",
        waited=1.8,
        blockers=(BLOCKER,),
        waiters=(WAITER, replace(WAITER, pid=4189), replace(WAITER, pid=4190)),
    ),
)

GIVES_WAY: tuple[Event, ...] = (
    *WAITS,
    MigrationRolledBack(
        version="0002",
        attempt=1,
        fault=Fault(id="server", summary="canceling statement due to lock timeout", sqlstate="55P03"),
        blockers=(BLOCKER,),
        wait=4.0,
    ),
)

FAILS: tuple[Event, ...] = (
    *BEGUN,
    StatementFailed(version="0002", number=1, fault=FAULT, elapsed=0.02),
    MigrationRolledBack(version="0002", attempt=1, fault=FAULT, blockers=(), wait=None),
    MigrationEnded(version="0002", result=Result.ROLLED_BACK, attempts=1, elapsed=0.1, fault=FAULT),
    ConnectionsClosed(count=3),
    RunFinished(run="run-1", result=Result.ROLLED_BACK, exit_code=6, applied=1, elapsed=0.4, fault=FAULT),
)

APPLIES: tuple[Event, ...] = (
    *BEGUN,
    StatementFinished(version="0002", number=1, state=StatementState.DONE, tag="ALTER TABLE", elapsed=0.2),
    StatementStarted(version="0002", number=2),
    StatementFinished(
        version="0002",
        number=2,
        state=StatementState.DEFERRED,
        tag="DO",
        elapsed=0.001,
        reason="table sessions does not exist",
    ),
    MigrationApplied(version="0002", entry="migration", attempts=1, elapsed=0.3, xid="812", deferred=(2,)),
    ConnectionsClosed(count=3),
    RunFinished(run="run-1", result=Result.APPLIED, exit_code=0, applied=2, elapsed=0.6, fault=None),
)


def stamped(events: tuple[Event, ...], *, start: float = 1_795_000_000.0, step: float = 0.1) -> tuple[Stamped, ...]:
    """Return the events as a session log has them, `step` seconds apart."""
    return tuple(Stamped(seq=i + 1, at=start + i * step, event=event) for i, event in enumerate(events))


FOLDER = Path("log") / "20261123T140327Z-orders-7f3a"
