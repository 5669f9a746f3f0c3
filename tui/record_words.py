"""What a repair or a baseline writes into the history, in words. Pure."""

from __future__ import annotations

from typing import Final

from ..core.history.ledger import Record
from ..core.plan import Plan, PlannedMigration
from ..core.precheck import Decision
from .format import numbered

_WRITTEN: Final = {
    Record.APPLIED: "is written down as applied",
    Record.REVERTED: "is written down as reverted: it is pending again",
    Record.KEPT: "stays in force",
    Record.NOT_APPLIED: "is written down as not applied: it is pending again",
    Record.PARTIAL: "stays half-way, for the next apply to go on with",
}


def record_lines(plan: Plan) -> list[str]:
    """Return what is written of each migration that is settled or marked: its version, the answer, the reason."""
    return [_line(planned) for planned in plan.migrations if planned.entry in {"repair", "baseline"}]


def _line(planned: PlannedMigration) -> str:
    migration = planned.migration
    said = f"{numbered(migration.version)} {migration.name} {_WRITTEN.get(planned.record, planned.record.value)}"
    runs = any(statement.decision is Decision.RUN for statement in planned.statements)
    nothing = "" if runs else "; no statement runs"
    reason = f". Reason: {planned.reason}" if planned.reason else ""
    return f"{said}{nothing}{reason}"
