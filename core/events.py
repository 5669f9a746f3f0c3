"""One frozen struct per fact; `Event`, `Emit`.

Facts are pushed: `emit` is called on the event loop and only queues or writes. Events carry durations and what the
server said, never a time of their own: the session log stamps them on arrival, and a face renders `(view, now)`.
The module is as long as the list of facts: whoever adds one is told by the type checkers which readers to teach.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Final, TypeAlias, get_args

from msgspec import Struct, field

from .errors import Fault
from .schema_difference import Change


class StatementState(StrEnum):
    """How far a statement of a run has come."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    DEFERRED = "deferred"
    FAILED = "failed"


class Result(StrEnum):
    """How a migration, or a whole run, ended."""

    APPLIED = "applied"
    REVERTED = "reverted"
    # marked as applied, not run
    BASELINED = "baselined"
    # an operator's word was written down, or what a failed build left was dropped
    REPAIRED = "repaired"
    NOTHING_TO_DO = "nothing_to_do"
    ROLLED_BACK = "rolled_back"
    STOPPED = "stopped"
    PARTIAL = "partial"
    IN_DOUBT = "in_doubt"
    REFUSED = "refused"


# What becomes of an entry of a plan that is done.
RESULTS: Final[dict[str, Result]] = {
    "migration": Result.APPLIED,
    "deferred": Result.APPLIED,
    "revert": Result.REVERTED,
    "baseline": Result.BASELINED,
    "repair": Result.REPAIRED,
}


class Who(Struct, frozen=True, kw_only=True):
    """Which person, through which account and line, sits at this session."""

    os_user: str
    sudo_user: str | None
    host: str
    ssh_connection: str | None
    tty: str | None


class ServerFacts(Struct, frozen=True, kw_only=True):
    """The server and the role that a connection really reached, as the server says."""

    version: str
    version_num: int
    database: str
    user: str
    # where the client went: a host name, an address or a socket folder
    host: str
    port: int
    system_identifier: str
    timeline: int
    in_recovery: bool
    tls: bool
    pooled: bool
    superuser: bool
    read_only: bool
    # the server's own address, as it sees this connection; empty over a Unix socket
    address: str = ""
    # of the database, which one that was made anew under its name does not have; 0 in old logs
    database_oid: int = 0


class SessionOpened(Struct, frozen=True, kw_only=True):
    """The first line of a session log."""

    session: str
    who: Who
    changeover: str
    command: str
    # name, host, port, database and user of the target, never a password
    target: str


class SessionClosed(Struct, frozen=True, kw_only=True):
    """The sitting ended, with this exit code."""

    exit_code: int
    reason: str = ""


class AttemptStarted(Struct, frozen=True, kw_only=True):
    """A connection attempt begins; `deadline` is its limit in seconds, from DNS to authentication.

    `purpose` is what the connection is for: `look`, `migration`, `watch`, `guard` or `settle`.
    """

    number: int
    of: int
    address: str
    deadline: float
    purpose: str = "look"


class AttemptFailed(Struct, frozen=True, kw_only=True):
    """A connection attempt failed; `wait` seconds until the next one, None where there is none."""

    number: int
    of: int
    fault: Fault
    elapsed: float
    wait: float | None


class WaitCut(Struct, frozen=True, kw_only=True):
    """The wait before the next attempt was ended by the operator: try now, or give up."""

    give_up: bool


class Connected(Struct, frozen=True, kw_only=True):
    """A connection is up."""

    purpose: str
    attempts: int
    elapsed: float
    server: ServerFacts


class ConnectionsClosed(Struct, frozen=True, kw_only=True):
    """Every connection of this session is closed; `count` of them."""

    count: int


class PreChecked(Struct, frozen=True, kw_only=True):
    """The pre-check table was made: how many rows of each verdict."""

    verdicts: dict[str, int]
    ready: bool


class AllowedHazard(Struct, frozen=True, kw_only=True):
    """A hazard in a statement that is run all the same; `by` is file, settings, flag or operator."""

    id: str
    relation: str
    by: str
    reason: str


class RehearsalStep(Struct, frozen=True, kw_only=True):
    """A rehearsal has come to this part; `done` of `of` migrations where it goes through them."""

    part: str
    version: str = ""
    done: int = 0
    of: int = 0


class Rehearsed(Struct, frozen=True, kw_only=True):
    """A plan was rehearsed on a shadow: how many statements were measured, and how many could not be."""

    digest: str
    shadow: str
    measured: int
    unknowable: int
    # of the catalog
    changes: int
    elapsed: float
    # the first statement that failed
    fault: Fault | None


class StatementBrief(Struct, frozen=True, kw_only=True):
    """A statement as a run shows it."""

    number: int
    line: int
    column: int
    kind: str
    # PASSWORD literals are masked, and long text is cut
    sql: str
    decision: str
    reason: str
    allowed: tuple[AllowedHazard, ...] = ()
    # which of several transactions of the file it is in, from 1; 0 where it is in none of them
    segment: int = 0
    # of a migration outside a transaction: what the step is known by, and whether an earlier attempt did it
    sha256: str = ""
    done_before: bool = False
    # empty where it stands in the migration's own file, and not in one that this puts in
    file: str = ""


class MigrationBrief(Struct, frozen=True, kw_only=True):
    """A migration, or a deferred step of one, as a run shows it."""

    version: str
    name: str
    file: str
    entry: str
    transactional: bool
    statements: tuple[StatementBrief, ...]


class Planned(Struct, frozen=True, kw_only=True):
    """A plan was made."""

    digest: str
    migrations: int
    statements: int
    refusals: tuple[Fault, ...]


class Approved(Struct, frozen=True, kw_only=True):
    """A person, or a script in a person's name, approved the plan with this digest."""

    digest: str
    by: str
    how: str
    # letter by letter, where something was typed
    typed: str = ""
    # hazards that the operator allowed on the way to it, with the reasons
    allowed: dict[str, str] = field(default_factory=dict)


class RunStarted(Struct, frozen=True, kw_only=True):
    """The runner begins; `pid` is its process on this host, `schema` is where the history is."""

    run: str
    digest: str
    by: str
    how: str
    pid: int
    on_hangup: str
    schema: str = "changeover"
    # whether the target's settings let a viewer end who blocks us
    end_blockers: bool = False
    # for who attaches: user@host:port/database
    target: str = ""
    # and what is said of it: production, staging, ...; empty where nobody has said
    environment: str = ""
    protected: bool = False


class RunKeyAwaited(Struct, frozen=True, kw_only=True):
    """Somebody else holds the run key, `holder` in words; it is asked for until `limit` seconds are over."""

    holder: str
    waited: float
    limit: float


class RunKeyTaken(Struct, frozen=True, kw_only=True):
    """The run key is held: no other run can begin on this database."""

    waited: float


class PlanConfirmed(Struct, frozen=True, kw_only=True):
    """The plan was made anew under the run key and is the approved one; what will run."""

    digest: str
    server: ServerFacts
    migrations: tuple[MigrationBrief, ...]
    # of the history that it writes
    format: str = "native"
    # schema and name of its table, of another tool's history
    table: tuple[str, str] = ("", "")


class MigrationStarted(Struct, frozen=True, kw_only=True):
    """An attempt at a migration begins; `backend` is 0 where a pooler stands between and it is not known yet."""

    version: str
    entry: str
    attempt: int
    of: int
    backend: int
    # where the server's log was before it, as 0/16B3748; see https://www.postgresql.org/docs/18/wal-internals.html
    wal: str | None = None


class StatementStarted(Struct, frozen=True, kw_only=True):
    """A statement is about to be sent, or skipped, or deferred; all from `number` to `last` in one message."""

    version: str
    number: int
    # None where it goes alone
    last: int | None = None


class StatementFinished(Struct, frozen=True, kw_only=True):
    """A statement ended well; `tag` is the server's command tag, `state` done, skipped or deferred.

    All from `number` to `last` where they went in one message: of these the server tells no tags, and `elapsed` is of
    all of them.
    """

    version: str
    number: int
    state: StatementState
    tag: str
    elapsed: float
    reason: str = ""
    # that the server says it touched, None where it says nothing of rows
    rows: int | None = None
    # None where it went alone
    last: int | None = None


class StatementFailed(Struct, frozen=True, kw_only=True):
    """A statement failed; the fault has the server's words and the place."""

    version: str
    number: int
    fault: Fault
    elapsed: float


class NoticeRaised(Struct, frozen=True, kw_only=True):
    """The server sent a notice, warning or info message; `number` is the statement's, or 0 between statements.

    It is one of those from `number` to `last` where several went in one message.
    """

    version: str
    number: int
    severity: str
    sqlstate: str
    message: str
    last: int | None = None


class Backend(Struct, frozen=True, kw_only=True):
    """Another connection to the server, as far as our rights let us see it; ages in seconds by the server's clock."""

    pid: int
    user: str | None
    application: str | None
    kind: str | None
    state: str | None
    xact_age: float | None
    wait: str | None
    query: str | None
    blocked_by: tuple[int, ...]
    prevents_wraparound: bool = False
    # how long it has waited for a lock
    waiting: float | None = None
    # whether our role may see what it does; a role without pg_monitor sees little more than the pid of another's
    visible: bool = True
    # when it began, as the server writes it: with the pid it names this backend and never a later one
    started: str | None = None
    # whether a viewer of this run may end it, and else why not
    endable: bool = False
    why_not: str = ""


class Stalled(Struct, frozen=True, kw_only=True):
    """How many application sessions waited behind a migration, and for how long; seconds by the server's clock."""

    sessions: int = 0
    longest: float = 0.0
    # of all waits together
    total: float = 0.0


class LocksSeen(Struct, frozen=True, kw_only=True):
    """One look of the watch: who blocks the migration, who waits behind it, what it waits for.

    `waiting_for` is None and `blockers` is empty while it works and others wait for it. `waiters` are the ones that
    have waited longest; `waiting` is how many there are.
    """

    version: str
    waiting_for: str | None
    waited: float
    blockers: tuple[Backend, ...]
    waiters: tuple[Backend, ...]
    waiting: int = 0

    @property
    def behind(self) -> int:
        """How many wait behind the migration."""
        return max(self.waiting, len(self.waiters))


class ProgressSeen(Struct, frozen=True, kw_only=True):
    """How far the server says that the statement in hand is, from a pg_stat_progress_... view.

    `share` (0 to 1) is of this phase, None where the server does not count in it.
    See https://www.postgresql.org/docs/18/progress-reporting.html.
    """

    version: str
    command: str
    phase: str
    share: float | None
    # what is counted: "blocks 120 of 4,000"; empty where nothing is
    counted: str = ""


class BlockerEndAsked(Struct, frozen=True, kw_only=True):
    """A viewer asked to end a blocker: `how` is cancel (its statement) or terminate (its connection)."""

    how: str
    by: str
    pid: int
    # None where it is not one that blocks us
    blocker: Backend | None


class BlockerEndAnswered(Struct, frozen=True, kw_only=True):
    """What became of that: the signal was sent, or why it was not."""

    how: str
    pid: int
    sent: bool
    reason: str = ""


class MigrationCommitting(Struct, frozen=True, kw_only=True):
    """COMMIT is about to be sent; from here on the migration is not cancelled."""

    version: str
    xid: str | None


class SegmentEnded(Struct, frozen=True, kw_only=True):
    """One of several transactions of a file is committed or rolled back, with its statements from first to last."""

    version: str
    first: int
    last: int
    committed: bool


class MigrationApplied(Struct, frozen=True, kw_only=True):
    """An entry is done (`entry` says which): COMMIT was answered with COMMIT, or settling found our row."""

    version: str
    entry: str
    attempts: int
    elapsed: float
    xid: str | None
    deferred: tuple[int, ...] = ()
    # where the server's log was after it
    wal: str | None = None
    # behind all of its attempts
    stalled: Stalled = Stalled()


class MigrationRolledBack(Struct, frozen=True, kw_only=True):
    """The server acknowledged the rollback; tried again after `wait` seconds, or not if None."""

    version: str
    attempt: int
    fault: Fault
    blockers: tuple[Backend, ...]
    wait: float | None
    # behind this attempt
    stalled: Stalled = Stalled()


class MigrationEnded(Struct, frozen=True, kw_only=True):
    """A migration ended without being applied."""

    version: str
    result: Result
    attempts: int
    elapsed: float
    fault: Fault | None
    left_behind: tuple[str, ...] = ()
    # behind all of its attempts
    stalled: Stalled = Stalled()


class StopAsked(Struct, frozen=True, kw_only=True):
    """Somebody asked the run to stop; `when` is now, after-statement, after-migration or give-up (no more attempts)."""

    when: str
    by: str


class StopConfirmed(Struct, frozen=True, kw_only=True):
    """The watch connection saw that the migration's backend is idle or gone and holds no lock."""

    backend: int
    elapsed: float


class Settled(Struct, frozen=True, kw_only=True):
    """A migration in doubt was settled under the fate key by reading its history row."""

    version: str
    applied: bool
    elapsed: float


class PostCheck(Struct, frozen=True, kw_only=True):
    """Something that a run should not leave behind: what, what was expected of it, and what it is."""

    object: str
    expected: str
    found: str
    # whether it came with this run; else it was there before, on a table that the run touched
    new: bool = True


class PostChecked(Struct, frozen=True, kw_only=True):
    """The database was looked at after the run.

    Without findings all is as it should be, unless `fault` says why nobody looked.
    """

    findings: tuple[PostCheck, ...]
    elapsed: float
    fault: Fault | None = None


class RehearsalCompared(Struct, frozen=True, kw_only=True):
    """What the run changed in the catalog, against what its rehearsal had said; `fault` says why nobody could tell."""

    # rehearsed, and not so on the target
    missing: tuple[Change, ...]
    # on the target, and not rehearsed
    unexpected: tuple[Change, ...]
    # what the run has changed
    changes: tuple[Change, ...]
    elapsed: float
    fault: Fault | None = None

    @property
    def as_rehearsed(self) -> bool:
        """Whether the target changed as the shadow did."""
        return self.fault is None and not (self.missing or self.unexpected)


class RunRecovered(Struct, frozen=True, kw_only=True):
    """A run that had no honest end was settled later, by another session or by a runner before its own run.

    `cause` is killed (the runner is gone without a word) or in_doubt (no primary could be asked at the time).
    """

    session: str
    run: str
    cause: str
    result: Result
    # versions: what the run has committed, what it had in hand and was rolled back, what is half-done
    applied: tuple[str, ...]
    not_applied: tuple[str, ...]
    partial: tuple[str, ...]
    elapsed: float
    # who settled it, in which session
    by: str
    settled_in: str


class BackendsFound(Struct, frozen=True, kw_only=True):
    """Backends of runs whose runner is gone still work on the server; `ended` of them were ended, under the run key."""

    pids: tuple[int, ...]
    sessions: tuple[str, ...]
    ended: tuple[int, ...] = ()


class Verified(Struct, frozen=True, kw_only=True):
    """The verify script of a migration was run and rolled back; `fault` is None where it found all well."""

    version: str
    file: str
    elapsed: float
    fault: Fault | None


class RunFinished(Struct, frozen=True, kw_only=True):
    """The last fact of a run."""

    run: str
    result: Result
    exit_code: int
    applied: int
    elapsed: float
    fault: Fault | None
    left_behind: tuple[str, ...] = ()


Event: TypeAlias = (
    SessionOpened
    | SessionClosed
    | AttemptStarted
    | AttemptFailed
    | WaitCut
    | Connected
    | ConnectionsClosed
    | PreChecked
    | Planned
    | Approved
    | RunStarted
    | RunKeyAwaited
    | RunKeyTaken
    | PlanConfirmed
    | MigrationStarted
    | StatementStarted
    | StatementFinished
    | StatementFailed
    | NoticeRaised
    | LocksSeen
    | ProgressSeen
    | BlockerEndAsked
    | BlockerEndAnswered
    | SegmentEnded
    | MigrationCommitting
    | MigrationApplied
    | MigrationRolledBack
    | MigrationEnded
    | StopAsked
    | StopConfirmed
    | Settled
    | PostChecked
    | RehearsalStep
    | Rehearsed
    | RehearsalCompared
    | RunRecovered
    | BackendsFound
    | Verified
    | RunFinished
)

# The word that stands for each event in a session log.
EVENTS: Final[dict[str, type[Event]]] = {kind.__name__: kind for kind in get_args(Event)}

Emit: TypeAlias = Callable[[Event], object]
