"""Runs that have no honest end in the session logs: what their files still tell. Reads files only.

A run's file without `RunFinished` whose writer is gone was left by a runner that was killed, or whose host went down;
one that ended in doubt could not ask a primary. Every migration of the plan whose end the file does not have may be
committed: its last lines may have been lost with the host, but never the plan, which is synced before the first BEGIN.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct, field

from .directories import log_root
from .events import (
    RESULTS,
    Event,
    MigrationApplied,
    MigrationBrief,
    MigrationCommitting,
    MigrationEnded,
    MigrationStarted,
    PlanConfirmed,
    Result,
    RunFinished,
    RunStarted,
    SegmentEnded,
    ServerFacts,
    StatementFailed,
    StatementFinished,
    StatementStarted,
)
from .journal import is_written, last_event, read_file
from .session_log import SESSION_ID, SETTLED_FILE
from .target import is_local_host

log = logging.getLogger(__name__)


class UnfinishedRun(Struct, kw_only=True):
    """What the file of a run tells that has no honest end."""

    session: str
    folder: Path
    run: str = ""
    schema: str = "changeover"
    # killed or in_doubt
    cause: str = "killed"
    # None where it came to no plan: then nothing of it ran
    server: ServerFacts | None = None
    plan: tuple[MigrationBrief, ...] = ()
    # of the history that it writes: its format, and schema and name of another tool's table
    format: str = "native"
    table: tuple[str, str] = ("", "")
    # version -> id of the transaction that would have recorded it, as far as the file has it
    xids: dict[str, str] = field(default_factory=dict)
    # version -> statement -> running, or how it ended: in another tool's history, nothing else tells of them
    steps: dict[str, dict[int, str]] = field(default_factory=dict)
    # version -> attempts that were begun
    attempts: dict[str, int] = field(default_factory=dict)
    # version -> how it ended, as far as that is known for sure
    ended: dict[str, Result] = field(default_factory=dict)
    # version -> statements inside a transaction of the file's own, by number; empty until it is asked for
    _segmented: dict[str, frozenset[int]] = field(default_factory=dict)
    # seconds since the epoch
    first_at: float = 0.0
    last_at: float = 0.0

    def take(self, event: Event) -> None:
        """Take one more event of the run into account."""
        match event:
            case RunStarted():
                self.run, self.schema = event.run, event.schema
            case PlanConfirmed():
                self.server, self.plan = event.server, event.migrations
                self.format, self.table = event.format, event.table
                self._segmented.clear()
            case StatementStarted():
                self.steps.setdefault(event.version, {})[event.number] = "running"
            case StatementFinished():
                self._finished(event)
            case StatementFailed():
                self._failed(event)
            case SegmentEnded():
                became = "done" if event.committed else "waiting"
                known = self.steps.setdefault(event.version, {})
                inside = range(event.first, event.last + 1)
                known.update({it: became for it in inside if known.get(it) == "running"})
            case MigrationCommitting():
                if event.xid is not None:
                    self.xids[event.version] = event.xid
            case MigrationStarted():
                self.attempts[event.version] = event.attempt
            case MigrationApplied():
                self.ended[event.version] = RESULTS[event.entry]
            case MigrationEnded() if event.result is not Result.IN_DOUBT:
                self.ended[event.version] = event.result
            case RunFinished():
                self.cause = "in_doubt" if event.result is Result.IN_DOUBT else "finished"
            case _:
                pass

    def _finished(self, event: StatementFinished) -> None:
        """Take a statement's end in: inside a transaction of the file's own it is done once that is committed."""
        known = self.steps.setdefault(event.version, {})
        inside = self._within(event.version)
        for number in range(event.number, (event.last or event.number) + 1):
            known[number] = "running" if number in inside else str(event.state)

    def _failed(self, event: StatementFailed) -> None:
        """Take a failure in: what the server refused is not there, but for what a concurrent build leaves."""
        briefs = (it for brief in self.plan if brief.version == event.version for it in brief.statements)
        brief = next((it for it in briefs if it.number == event.number), None)
        if brief is not None and event.fault.sqlstate and "CONCURRENTLY" not in brief.kind:
            self.steps.setdefault(event.version, {})[event.number] = "waiting"

    def _within(self, version: str) -> frozenset[int]:
        if not self._segmented:
            # once for the whole plan: it is asked for at the end of each statement, and a plan may be long
            self._segmented.update({brief.version: frozenset[int]() for brief in self.plan})
            for brief in self.plan:
                self._segmented[brief.version] |= {it.number for it in brief.statements if it.segment}
        return self._segmented.get(version, frozenset())

    @property
    def open(self) -> tuple[MigrationBrief, ...]:
        """The migrations of the plan whose end is not known, in the plan's order."""
        return tuple(brief for brief in self.plan if brief.version not in self.ended)

    @property
    def begun(self) -> tuple[str, ...]:
        """The versions among those that are known to have begun."""
        return tuple(brief.version for brief in self.open if brief.version in self.attempts)


def unfinished_runs(root: Path | None = None) -> tuple[UnfinishedRun, ...]:
    """Return the runs of this user that have no honest end, oldest first; their writers are gone."""
    return tuple(run for path in run_files(root or log_root()) if (run := _read(path)) is not None)


def is_unfinished(folder: Path) -> bool:
    """Whether a session has a run without an honest end."""
    return any(_read(path) is not None for path in sorted(folder.glob("run-*.jsonl")))


def is_settled(folder: Path, run: str) -> bool:
    """Whether somebody has found out since what became of a run."""
    path = folder / SETTLED_FILE
    try:
        return path.exists() and any(
            isinstance(it.event, RunFinished) and it.event.run == run for it, _ in read_file(path)
        )
    except OSError:
        return False


def is_here(run: UnfinishedRun, server: ServerFacts, *, elsewhere: bool) -> bool:
    """Whether the run was on this database.

    The system identifier alone would take a copy for the original, so the address has to be the same as well: in a
    copy, the row of a migration that was applied to the original is not there.
    """
    there = run.server
    if there is None:
        # It came to no plan, so there is nothing to ask for.
        return True
    if there.database != server.database:
        return False
    if there.system_identifier and server.system_identifier and there.system_identifier != server.system_identifier:
        return False
    same = (there.host, there.port) == (server.host, server.port)
    same = same or (bool(there.address) and there.address == server.address)
    local = is_local_host(there.host) and is_local_host(server.host) and bool(server.system_identifier)
    return same or local or elsewhere


def run_files(base: Path) -> Iterator[Path]:
    """Yield the files of all runs of this user, oldest session first."""
    try:
        with os.scandir(base) as entries:
            names = sorted(entry.name for entry in entries if SESSION_ID.fullmatch(entry.name))
    except OSError:
        return
    for name in names:
        # a session without a run is most of them: no pattern, no object for each file
        try:
            files = sorted(file for file in os.listdir(base / name) if file.startswith("run-"))  # noqa: PTH208
        except OSError:
            continue
        yield from (base / name / file for file in files if file.endswith(".jsonl"))


def _read(path: Path) -> UnfinishedRun | None:
    """Return what a run's file tells, None where the run has its end, goes on, or never began."""
    try:
        result = _last_result(path)
        if (result is not None and result is not Result.IN_DOUBT) or is_written(path):
            return None
        found = UnfinishedRun(session=path.parent.name, folder=path.parent)
        for stamped, _ in read_file(path):
            found.first_at = found.first_at or stamped.at
            found.last_at = max(found.last_at, stamped.at)
            found.take(stamped.event)
    except OSError as error:
        log.warning("%s cannot be read: %s", path, error.strerror)
        return None
    if not found.run or found.cause == "finished" or is_settled(path.parent, found.run):
        return None
    return found


def _last_result(path: Path) -> Result | None:
    """Return how the run ended, None where the end of its file does not say."""
    last = last_event(path, RunFinished.__name__)
    return last.event.result if last is not None and isinstance(last.event, RunFinished) else None
