"""What the history says once an entry of a plan is done: SQL for the transaction that ends it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .history import StepRecord
from .history import native as history
from .plan import PlannedMigration, Record
from .precheck import Decision
from .work import Work

# What the attempt log calls it.
_STATES: Final = {
    Record.APPLIED: "applied",
    Record.DEFERRED: "applied",
    Record.REVERTED: "reverted",
    Record.KEPT: "applied",
    Record.NOT_APPLIED: "failed",
    Record.PARTIAL: "partial",
}


def deferred_after(work: Work, planned: PlannedMigration) -> tuple[int, ...]:
    """Return the numbers of the statements that wait for their condition once the entry is done."""
    if planned.record is Record.DEFERRED:
        done = {it.number for it in planned.statements if it.decision is not Decision.DEFER}
        return tuple(number for number in work.in_force[planned.migration.version][1] if number not in done)
    if planned.record is not Record.APPLIED:
        return ()
    return tuple(it.number for it in planned.statements if it.decision is Decision.DEFER)


def recording(work: Work, planned: PlannedMigration, *, duration_ms: int, steps: Sequence[StepRecord] = ()) -> str:
    """Return the statements that write an entry into the history; they go into the entry's own transaction.

    `steps` are those of an entry outside a transaction.
    """
    migration, schema = planned.migration, work.schema
    deferred = deferred_after(work, planned)
    log = history.record_attempt(
        schema,
        migration.version,
        work.by,
        entry=planned.entry,
        state=_STATES[planned.record],
        with_xid=True,
        error=planned.reason or None,
        steps=steps,
    )
    match planned.record:
        case Record.APPLIED:
            row = history.record_applied(schema, migration, work.by, duration_ms=duration_ms, deferred=deferred)
        case Record.DEFERRED:
            row = history.record_deferred(schema, migration.version, work.by, still=deferred)
        case Record.REVERTED:
            row = history.record_reverted(schema, migration.version)
        case Record.KEPT | Record.NOT_APPLIED | Record.PARTIAL:
            return log
    return f"{row}; {log}"


def expect(work: Work, planned: PlannedMigration) -> None:
    """Take over into what this run knows of the history that the entry was recorded."""
    version = planned.migration.version
    match planned.record:
        case Record.APPLIED | Record.DEFERRED:
            work.in_force[version] = (planned.migration.checksums.exact, deferred_after(work, planned))
        case Record.REVERTED:
            work.in_force.pop(version, None)
        case Record.KEPT | Record.NOT_APPLIED | Record.PARTIAL:
            pass
