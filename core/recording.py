"""An entry of a plan as the history sees it."""

from __future__ import annotations

from .history.ledger import Deed, Ledger, Record
from .plan import PlannedMigration
from .precheck import Decision


def deed_of(ledger: Ledger, planned: PlannedMigration) -> Deed:
    """Return what the history is to say once the entry is done."""
    return Deed(
        migration=planned.migration,
        entry=planned.entry,
        record=planned.record,
        reason=planned.reason,
        deferred=_deferred_after(ledger, planned),
    )


def _deferred_after(ledger: Ledger, planned: PlannedMigration) -> tuple[int, ...]:
    """Return the numbers of the statements that wait for their condition once the entry is done."""
    if planned.record is Record.DEFERRED:
        done = {it.number for it in planned.statements if it.decision is not Decision.DEFER}
        return tuple(number for number in ledger.waiting(planned.migration.version) if number not in done)
    if planned.record is not Record.APPLIED:
        return ()
    return tuple(it.number for it in planned.statements if it.decision is Decision.DEFER)
