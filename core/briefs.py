"""A plan as a run shows it, and as the log keeps it: statements cut to a readable length, passwords masked."""

from __future__ import annotations

from typing import Final

from .events import AllowedHazard, Approved, MigrationBrief, StatementBrief
from .masking import masked
from .plan import Approval, Plan
from .resume import step_hash

# Characters of a statement that events carry; the file has the rest.
_SHOWN: Final = 4000


def briefs_of(plan: Plan) -> tuple[MigrationBrief, ...]:
    """Return what events say about the migrations of a plan."""
    return tuple(
        MigrationBrief(
            version=planned.migration.version,
            name=planned.migration.name,
            file=planned.migration.file,
            entry=planned.entry,
            transactional=planned.transactional,
            statements=tuple(
                StatementBrief(
                    number=statement.number,
                    line=statement.line,
                    column=statement.column,
                    kind=statement.kind,
                    sql=shown(statement.sql),
                    decision=statement.decision.value,
                    reason=statement.reason,
                    allowed=tuple(
                        AllowedHazard(id=it.id, relation=it.relation, by=it.allowed_by, reason=it.reason)
                        for it in statement.hazards
                        if it.allowed_by is not None
                    ),
                    segment=statement.segment,
                    sha256="" if planned.transactional else step_hash(statement.sql, statement.data),
                    done_before=statement.done_before,
                    file="" if statement.file == planned.migration.file else statement.file,
                )
                for statement in planned.statements
            ),
        )
        for planned in plan.migrations
    )


def approved(approval: Approval) -> Approved:
    """Return what the session log keeps of an approval."""
    return Approved(
        digest=approval.digest, by=approval.by, how=approval.how, typed=approval.typed, allowed=approval.allowed
    )


def shown(sql: str) -> str:
    """Return the text of a statement for a screen or a log."""
    text = masked(sql)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} ... ({len(text)} characters)"
