"""A plan with what its rehearsal found: measured in place of estimated, and a failure as one more refusal. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from msgspec.structs import replace

from .errors import Fault, Place
from .hazards.allowances import OVERRIDE
from .plan import Measurement, Plan, PlannedMigration, PlannedStatement, Rehearsal

MEASURED: Final = "measured"


def with_rehearsal(plan: Plan, rehearsal: Rehearsal | None, *, overridden: bool = False) -> Plan:
    """Return the plan with what was measured in place of what was estimated.

    A rehearsal that failed is one more reason why the plan cannot run, unless that is `overridden`. One of another
    plan changes nothing.
    """
    if rehearsal is None or rehearsal.digest != plan.digest:
        return plan
    known = {(it.entry, it.number): it for it in rehearsal.statements}
    migrations = tuple(
        replace(planned, statements=tuple(_measured(one, known.get((entry, one.number))) for one in planned.statements))
        for entry, planned in enumerate(plan.migrations)
    )
    refusals = tuple(it for it in plan.refusals if it.id != OVERRIDE)
    if (fault := failure_of(plan, rehearsal)) and not overridden:
        refusals = (*refusals, fault)
    return replace(plan, migrations=migrations, refusals=refusals, rehearsal=rehearsal)


def is_overridden(allowed: Collection[str]) -> bool:
    """Whether the settings allow a plan whose rehearsal failed; "all" is about hazards, and a failure is none."""
    return OVERRIDE in allowed


def failure_of(plan: Plan, rehearsal: Rehearsal) -> Fault | None:
    """Return the first failure, with its place in the file and what to do; None where nothing failed."""
    failed = next((it for it in rehearsal.statements if it.error is not None), None)
    if failed is None or failed.error is None:
        return None
    planned = plan.migrations[failed.entry]
    statement = next((it for it in planned.statements if it.number == failed.number), None)
    place = _place(planned, statement)
    return replace(
        failed.error,
        id=OVERRIDE,
        summary=f"{statement.kind if statement else 'COMMIT'} fails in the rehearsal: {failed.error.summary}",
        advice=(
            "Correct the file and rehearse again. Where only the shadow is to blame (it has no rows), allow it with "
            f"--allow {OVERRIDE}."
        ),
        file=place.file,
        line=place.line,
        column=place.column,
    )


def _place(planned: PlannedMigration, statement: PlannedStatement | None) -> Place:
    if statement is None:
        return Place(file=planned.migration.file, line=1, column=1)
    return Place(file=statement.file, line=statement.line, column=statement.column)


def _measured(one: PlannedStatement, found: Measurement | None) -> PlannedStatement:
    if found is None or found.unknowable:
        return one
    if found.error is not None:
        return replace(one, error=found.error.summary)
    return replace(
        one,
        locks=found.locks,
        rewrites=found.rewrites,
        scans=found.scans,
        builds=found.builds,
        long=found.long,
        source=MEASURED if found.complete else one.source,
    )
