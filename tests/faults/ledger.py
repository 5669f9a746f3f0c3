"""Three migrations whose effects can be counted, and what must be true of them after every fault.

The second one builds an index CONCURRENTLY, outside a transaction. The others add a row to a table that takes any
number of rows: done twice, it is seen.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import asyncpg
from msgspec import Struct
from msgspec.structs import replace

from changeover.core.actions import Action
from changeover.core.connect import Connector
from changeover.core.errors import ChangeoverError, Refused
from changeover.core.events import Event, MigrationApplied, Result, RunFinished
from changeover.core.journal import read_file
from changeover.core.limits import Limits
from changeover.core.plan import Approval
from changeover.core.requests import Assignment, Command, RunRequest
from changeover.core.runner import Runner
from changeover.core.session_log import SessionLog
from changeover.core.settings import Retry, Settings
from changeover.core.survey import look
from changeover.core.target import Target
from changeover.tui.format import visible
from changeover.tui.lines import result_words
from changeover.tui.tables import receipt_lines
from tests.runs import Finished
from tests.servers import connect

FILES: Final = {
    "0001_one.sql": "CREATE TABLE one (n int);\nINSERT INTO effect VALUES (1);",
    "0002_two.sql": "-- changeover: transaction=off\nCREATE INDEX CONCURRENTLY effect_n ON effect (n);",
    "0003_three.sql": "ALTER TABLE one ADD COLUMN m int;\nINSERT INTO effect VALUES (3);",
}
VERSIONS: Final = ("0001", "0002", "0003")

# Seconds stand where an operator has tens of seconds: a cell of a black hole waits for each of them.
BRIEF: Final = Retry(retries=3, timeout=1.0, first_wait=0.05, last_wait=0.2)
LIMITS: Final = Limits(lock_timeout=0.5, lock_attempts=3, lock_pause=(0.05, 0.1))
# Past all faults nothing is in a hurry.
CALM: Final = Retry(retries=3, timeout=20.0, first_wait=0.05, last_wait=0.2)
# The operator's word on an invalid index that a fault left: build it again.
ACTION: Final = Action(rebuild_invalid=True)

# whatever time-outs a test gives to the role
_UNHURRIED: Final = {"statement_timeout": "0", "lock_timeout": "0", "idle_session_timeout": "0"}
_SCENE: Final = "CREATE TABLE effect (n int)"
_CLEARED: Final = (
    f"SET synchronous_commit = on; DROP SCHEMA IF EXISTS changeover CASCADE; DROP TABLE IF EXISTS one, effect; {_SCENE}"
)
_OURS: Final = (
    "SELECT pid, application_name, state, query FROM pg_stat_activity "
    "WHERE datname = current_database() AND application_name LIKE 'changeover %'"
)


class State(Struct, frozen=True, kw_only=True):
    """What the server has."""

    # versions in the history table
    history: tuple[str, ...]
    # how often each version's effect is there
    effects: tuple[int, int, int]
    # of the index that the second migration builds
    invalid: bool

    @property
    def done(self) -> tuple[str, ...]:
        """The versions whose effect is there."""
        return tuple(version for version, times in zip(VERSIONS, self.effects, strict=True) if times)


class Ledger:
    """The three migrations in a database of their own."""

    def __init__(self, target: Target, folder: Path, admin: asyncpg.Connection) -> None:
        # as whom the migrations run
        self.target = target
        self.folder = folder
        self.settings = Settings(migrations=folder / "migrations", retry=BRIEF, limits=LIMITS)
        # whether the sessions are where every run of this user looks for what earlier ones left
        self.at_home = False
        self._superuser = target
        self._admin = admin
        self._runs = 0
        self._runner: Runner | None = None

    async def clear(self) -> None:
        """Begin anew: no history, no effect."""
        await self._admin.execute(_CLEARED)

    def close(self) -> None:
        """Let go of the database."""
        self._admin.terminate()

    async def reconnect(self) -> None:
        """Have a connection again after the server was down; a minute is enough for any recovery."""
        self._admin.terminate()
        deadline = time.monotonic() + 60
        while True:
            try:
                self._admin = await connect(self._superuser, **_UNHURRIED)
                return
            except (OSError, asyncpg.PostgresError):
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.05)

    async def move_to(self, target: Target) -> None:
        """Go on with another server that has the same database."""
        self.target = self._superuser = target
        await self.reconnect()

    async def forget(self) -> None:
        """End every backend of ours, so that the next fault is judged by itself."""
        await self._admin.execute(f"SELECT pg_terminate_backend(pid) FROM ({_OURS}) AS ours")

    async def execute(self, sql: str) -> None:
        """Do something beside the run, as its superuser."""
        await self._admin.execute(sql, timeout=60)

    def write(self, files: Mapping[str, str]) -> None:
        """Put other text into some of the files."""
        for name, sql in files.items():
            (self.folder / "migrations" / name).write_text(sql)

    async def approve(self) -> Approval | None:
        """Look past all faults and approve what is there to do; None where that is nothing. Raises as `look` does."""
        connect_ = Connector(self.target, CALM, emit=lambda _: None)
        try:
            plan = (await look(await connect_("look"), self.settings, action=ACTION)).plan
        finally:
            await connect_.close()
        if not plan.ready:
            raise Refused(plan.refusals[0].summary, advice=plan.refusals[0].advice)
        if not plan.migrations:
            return None
        return plan.approve(digest=plan.digest, by="test", how="--yes", on_hangup="finish")

    async def fetch(self, sql: str) -> list[asyncpg.Record]:
        """Ask the server, past all faults."""
        rows: list[asyncpg.Record] = await self._admin.fetch(sql)
        return rows

    async def run(
        self, approval: Approval, *, through: Target | None = None, stopped_after: float | None = None
    ) -> Finished:
        """Do what the runner process does, inside this one; `stopped_after` so many seconds it is told to stop now."""
        self._runs += 1
        root = None if self.at_home else self.folder / f"log-{self._runs}"
        log = SessionLog.open(command="test", target=str(self.target), root=root)
        request = RunRequest(target=through or self.target, settings=self.settings, approval=approval, action=ACTION)
        assignment = Assignment(request=request, folder=log.folder, session=log.id, name="run-1", operator="test")
        self._runner = Runner(assignment)
        serving = asyncio.create_task(self._runner.serve())
        if stopped_after is not None:
            await asyncio.sleep(stopped_after)
            self.stop_now()
        await serving
        log.close(0)
        return Finished(stamped=[it for it, _ in read_file(log.folder / "run-1.jsonl")], folder=log.folder)

    def stop_now(self) -> None:
        """Tell the run to stop, as a viewer does."""
        assert self._runner is not None
        self._runner._obey(Command(command="stop", when="now", by="test"))

    async def state(self) -> State:
        """Return what the server has now."""
        row = await self._admin.fetchrow(
            "SELECT (SELECT count(*) FROM effect WHERE n = 1) AS one,"
            " (SELECT count(*) FROM effect WHERE n = 3) AS three,"
            " (SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('effect_n')) AS two,"
            " (SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass('one') AND attnum > 0) AS columns,"
            " to_regclass('changeover.migration') IS NOT NULL AS history"
        )
        assert row is not None
        versions = (
            await self._admin.fetch("SELECT version FROM changeover.migration ORDER BY 1") if row["history"] else []
        )
        assert row["columns"] == row["one"] + row["three"], f"half of a migration is there: {dict(row)}"
        return State(
            history=tuple(it["version"] for it in versions),
            effects=(row["one"], int(bool(row["two"])), row["three"]),
            invalid=row["two"] is False,
        )

    async def left(self, *, within: float = 5.0) -> list[str]:
        """Return the backends of ours, and the keys, that are there after so many seconds."""
        deadline = time.monotonic() + within
        while True:
            backends = [str(dict(row)) for row in await self._admin.fetch(_OURS)]
            if not backends or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.05)
        keys = await self._admin.fetch(
            "SELECT pid, objid FROM pg_locks WHERE locktype = 'advisory'"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        prepared = await self._admin.fetch("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()")
        return backends + [str(dict(row)) for row in [*keys, *prepared]]

    async def finish(self) -> Finished | None:
        """Apply what is left, without faults; None where nothing is."""
        hurried, self.settings = self.settings, replace(self.settings, retry=CALM)
        try:
            approval = await self.approve()
            return None if approval is None else await self.run(approval)
        finally:
            self.settings = hurried


@asynccontextmanager
async def opened(target: Target, folder: Path) -> AsyncIterator[Ledger]:
    """Yield the ledger of a database, whose files it writes."""
    migrations = folder / "migrations"
    migrations.mkdir(parents=True)
    for name, sql in FILES.items():
        (migrations / name).write_text(sql)
    ledger = Ledger(target, folder, await connect(target))
    try:
        yield ledger
    finally:
        ledger.close()


def reported(events: list[Event]) -> tuple[str, ...]:
    """Return the versions that runs said to have applied."""
    return tuple(event.version for event in events if isinstance(event, MigrationApplied))


async def violations(ledger: Ledger, done: Finished) -> list[str]:
    """Return in which respects a run with a fault, and a second one without, are not as promised."""
    found: list[str] = []
    end, said = done.end, reported([it.event for it in done.stamped])
    state = await ledger.state()
    found += await _left(ledger, "the run")
    found += _disagreement(end, said, state)
    found += _untold(done)
    return found + await unfinished(ledger)


async def unfinished(ledger: Ledger) -> list[str]:
    """Return in which respects a second run, without a fault, does not bring it to its end."""
    found: list[str] = []
    try:
        second = await ledger.finish()
    except ChangeoverError as error:
        return [*found, f"the second run is refused: {error} {error.advice}"]
    if second is not None and second.end.result is not Result.APPLIED:
        found.append(f"the second run ended {second.end.result}: {second.end.fault}")
    after = await ledger.state()
    if after.history != VERSIONS or after.effects != (1, 1, 1):
        found.append(f"after the second run: {after}")
    found += await _left(ledger, "the second run")
    return found


def _untold(done: Finished) -> list[str]:
    """Return what the receipt does not say."""
    told = "\n".join(receipt_lines(done.view))
    wanted = [
        result_words(done.end.result),
        *done.end.left_behind,
        *([done.end.fault.summary] if done.end.fault else []),
    ]
    return [f"the receipt does not say {words!r}:\n{told}" for words in wanted if visible(words) not in told]


async def _left(ledger: Ledger, what: str) -> list[str]:
    left = await ledger.left()
    return [f"{what} left {left}"] if left else []


def _disagreement(end: RunFinished, said: tuple[str, ...], state: State) -> list[str]:
    found = []
    if end.result is Result.IN_DOUBT or end.exit_code == 1:
        found.append(f"unknown outcome: {end.fault}")
    if any(times > 1 for times in state.effects):
        found.append(f"an effect is there twice: {state}")
    if said != state.history or end.applied != len(said):
        found.append(f"said {said}, {end.applied} applied; the history has {state.history}")
    partial = end.result is Result.PARTIAL
    # A step outside a transaction may be done without its record: then the run says so, and names what is there.
    expected = {state.history, (*state.history, "0002")} if partial else {state.history}
    if tuple(sorted(state.done)) not in {tuple(sorted(it)) for it in expected}:
        found.append(f"the effects of {state.done} are there, the history has {state.history}, the run {end}")
    if partial and not end.left_behind:
        found.append(f"partly applied, and nothing is named: {end}")
    # by its name, or as one that may be there where no server could be asked
    if state.invalid and not any("effect_n" in line or "invalid index" in line for line in end.left_behind):
        found.append(f"an invalid index is not named: {end}")
    if (end.result is Result.APPLIED) != (state.history == VERSIONS):
        found.append(f"the run ended {end.result}, and the history has {state.history}")
    return found
