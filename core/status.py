"""Folder x history -> the state of every migration. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from .history import AppliedMigration, AttemptRecord, History
from .migration import Folder, Migration, SideScript


class State(StrEnum):
    """Where a migration stands.

    CHANGED: the file is not the one that was applied. LINE_ENDINGS: it is, but for its line ends. DEFERRED: in
    force, with a conditional step still to do. FAILED: the last attempt was rolled back; it is pending, and may have
    been edited since. PARTIAL: an attempt outside a transaction stopped half-way. IN_DOUBT: an attempt began and its
    end is not known. MISSING_FILE: in force, and its file is gone. UNKNOWN: a file or row that cannot be read.
    """

    APPLIED = "applied"
    PENDING = "pending"
    CHANGED = "changed"
    LINE_ENDINGS = "line_endings"
    DEFERRED = "deferred"
    FAILED = "failed"
    PARTIAL = "partial"
    IN_DOUBT = "in_doubt"
    MISSING_FILE = "missing_file"
    UNKNOWN = "unknown"


PENDING_STATES = frozenset({State.PENDING, State.FAILED})
# What a person has to look at before anything else.
ODD_STATES = frozenset({State.CHANGED, State.PARTIAL, State.IN_DOUBT, State.MISSING_FILE, State.UNKNOWN})


class MigrationStatus(Struct, frozen=True, kw_only=True):
    """One line of `changeover status`."""

    version: str
    name: str
    file: str | None
    state: State
    applied_at: datetime | None = None
    operator: str | None = None
    duration_ms: int | None = None
    checksum: str | None = None
    # what a person needs to know beside the state
    note: str = ""


def statuses(folder: Folder, history: History) -> tuple[MigrationStatus, ...]:
    """Return one status for each migration of the folder, in its order, then the rows whose file is gone."""
    applied = {row.version: row for row in history.applied}
    attempts = {row.version: row for row in history.attempts}
    here = [
        _of_file(migration, applied.get(migration.version), attempts.get(migration.version))
        for migration in folder.migrations
    ]
    files = {migration.version for migration in folder.migrations}
    gone = [_of_row(row) for row in history.applied if row.version not in files]
    return (*here, *gone)


def pending_at_a_glance(statuses: Iterable[MigrationStatus]) -> int | None:
    """Return how many migrations would run; None where the catalog has a say in it.

    It has where a deferred step waits for its condition, and where an attempt stopped half-way.
    """
    states = [status.state for status in statuses]
    if any(state in {State.DEFERRED, State.PARTIAL, State.IN_DOUBT} for state in states):
        return None
    return sum(state in PENDING_STATES for state in states)


def _of_file(migration: Migration, row: AppliedMigration | None, attempt: AttemptRecord | None) -> MigrationStatus:
    if row is None:
        state, note = _unapplied(migration, attempt)
        return MigrationStatus(
            version=migration.version,
            name=migration.name,
            file=migration.file,
            state=state,
            operator=attempt.operator if attempt else None,
            checksum=migration.checksums.exact,
            note=note,
        )
    state, note = _compared(migration, row)
    if attempt is not None:
        state, note = State.PARTIAL, f"its revert stopped half-way: {_steps_words(migration.revert, attempt)}"
    elif state is not State.CHANGED and row.deferred:
        numbers = ", ".join(str(number) for number in row.deferred)
        state, note = State.DEFERRED, f"statement {numbers} waits for its condition"
    return MigrationStatus(
        version=migration.version,
        name=migration.name,
        file=migration.file,
        state=state,
        applied_at=row.applied_at,
        operator=row.operator,
        duration_ms=row.duration_ms,
        checksum=row.checksum,
        note=note,
    )


def _compared(migration: Migration, row: AppliedMigration) -> tuple[State, str]:
    """Return whether the file is the one that was applied, as far as the history can tell."""
    if row.checksums is None:
        if migration.has_checksum(row.recorded):
            return State.APPLIED, ""
        if migration.is_repeatable:
            return State.PENDING, "it has changed since it was applied, and is due again"
        return State.CHANGED, "the file was edited after it was applied"
    if row.checksums.exact == migration.checksums.exact:
        return State.APPLIED, ""
    if row.checksums.normalised == migration.checksums.normalised:
        return State.LINE_ENDINGS, "only the line endings differ from what was applied"
    return State.CHANGED, "the file was edited after it was applied"


def _unapplied(migration: Migration, attempt: AttemptRecord | None) -> tuple[State, str]:
    if attempt is None:
        return State.PENDING, ""
    if attempt.state == "failed" and attempt.entry == "repair":
        return State.PENDING, f"settled as not applied by {attempt.operator}: {attempt.error or 'no reason given'}"
    if attempt.state == "failed":
        return State.FAILED, f"the last attempt was rolled back: {attempt.error or 'no message'}"
    if attempt.state == "partial" or any(step.state == "done" for step in attempt.steps):
        return State.PARTIAL, _steps_words(migration, attempt)
    return State.IN_DOUBT, "an attempt began and its end is not recorded"


def _steps_words(file: Migration | SideScript | None, attempt: AttemptRecord) -> str:
    # an invalid index that was dropped on the way is a step of the attempt, behind those of the file
    steps = [step for step in attempt.steps if file is None or step.number <= len(file.script.statements)]
    done = sum(step.state == "done" for step in steps)
    return f"{done} of {len(steps)} steps outside a transaction are done"


def _of_row(row: AppliedMigration) -> MigrationStatus:
    return MigrationStatus(
        version=row.version,
        name=row.name,
        file=None,
        state=State.MISSING_FILE,
        applied_at=row.applied_at,
        operator=row.operator,
        duration_ms=row.duration_ms,
        checksum=row.checksum,
        note="it is in force, and its file is not in the folder",
    )
