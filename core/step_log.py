"""How far a migration outside a transaction came, where its history has no place for it: the session logs tell.

The history of another tool has no row of what stopped half-way, or none that says how far. What this user's runs did on
the very same database is in their logs, statement by statement; the newest run that had the migration counts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from . import formats
from .directories import log_root
from .events import MigrationBrief, Result, ServerFacts
from .history import AttemptRecord, History, StepRecord
from .journal import is_written, read_file
from .migration import Folder, Migration
from .session_log import newest_first
from .unfinished import UnfinishedRun, is_here, run_files

log = logging.getLogger(__name__)


def with_logged_steps(history: History, folder: Folder, server: ServerFacts, *, root: Path | None = None) -> History:
    """Return the history with the attempts that only the session logs know; itself where there are none."""
    wanted = {it.version: it for it in _untold(history, folder)}
    if not wanted:
        return history
    place = history.place
    table = (place.schema, place.name) if place else ("", "")
    found: dict[str, AttemptRecord] = {}
    for run in _runs(root or log_root(), server):
        if (run.format, run.table) != (history.format, table):
            continue
        for brief in run.plan:
            if brief.version in wanted and brief.version in run.attempts and not _says_nothing(run, brief):
                wanted.pop(brief.version)
                if (attempt := _attempt(run, brief)) is not None:
                    found[brief.version] = attempt
        if not wanted:
            break
    return replace(history, attempts=(*history.attempts, *found.values())) if found else history


def _untold(history: History, folder: Folder) -> Iterable[Migration]:
    """Return the migrations outside a transaction that are not in force, and of which the history tells nothing."""
    if history.format == formats.NATIVE.name:
        return ()
    told = {row.version for row in history.applied} | {it.version for it in history.attempts}
    return (it for it in folder.migrations if not it.script.transactional and it.version not in told)


def _runs(root: Path, server: ServerFacts) -> Iterator[UnfinishedRun]:
    """Yield what this user's runs on this very database tell, the newest first; none that goes on."""
    for path in newest_first(run_files(root)):
        try:
            if is_written(path):
                continue
            run = UnfinishedRun(session=path.parent.name, folder=path.parent)
            for stamped, _ in read_file(path):
                run.last_at = max(run.last_at, stamped.at)
                run.take(stamped.event)
        except OSError as error:
            log.warning("%s cannot be read: %s", path, error.strerror)
            continue
        there = run.server
        if there is None or not is_here(run, server, elsewhere=False):
            continue
        # a database that was dropped and made anew has nothing of what was done
        if there.database_oid == server.database_oid and there.system_identifier == server.system_identifier:
            yield run


def _says_nothing(run: UnfinishedRun, brief: MigrationBrief) -> bool:
    """Whether an older run tells more: a repair that dropped an invalid index, or that did not come to its end."""
    return brief.entry == "repair" and (not brief.transactional or run.ended.get(brief.version) is not Result.REPAIRED)


def _attempt(run: UnfinishedRun, brief: MigrationBrief) -> AttemptRecord | None:
    if brief.entry != "migration" or brief.transactional or run.ended.get(brief.version) is Result.APPLIED:
        return None
    if not all(it.sha256 for it in brief.statements):
        return None
    known = run.steps.get(brief.version, {})
    states = {it.number: "done" if it.done_before else known.get(it.number, "waiting") for it in brief.statements}
    if not any(state in {"done", "running"} for state in states.values()):
        return None
    return AttemptRecord(
        version=brief.version,
        state="partial",
        run=run.run,
        started_at=datetime.fromtimestamp(run.last_at, UTC),
        operator="",
        error=f"it stopped half-way in session {run.session}",
        steps=tuple(StepRecord(number=it.number, sha256=it.sha256, state=states[it.number]) for it in brief.statements),
    )
