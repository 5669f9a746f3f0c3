"""Plan x surroundings -> the plan with the rows and refusals that come from around it. Pure.

None of it is in the digest: rights, settings and traffic may change without a plan being another one.
"""

from __future__ import annotations

from msgspec.structs import replace

from .catalog import Catalog
from .column_checks import with_sides
from .errors import Place
from .plan import Plan, PlannedMigration, PlannedStatement
from .precheck import STOPPING, Decision, Row, Verdict
from .refusals import of_rows, of_surroundings
from .right_checks import right_rows
from .server_checks import server_rows
from .setting_checks import setting_rows
from .surroundings import Surroundings


def surrounded(plan: Plan, catalog: Catalog, around: Surroundings) -> Plan:
    """Return the plan with what is around it: what stops it first, then objects, then what is as it should be."""
    objects = with_sides(plan.rows, plan.columns, around.columns)
    harder = [row for before, row in zip(plan.rows, objects, strict=True) if row.verdict is not before.verdict]
    plan = replace(plan, rows=objects, refusals=(*plan.refusals, *of_rows(tuple(harder))))
    first = _First.of(plan)
    if first is None:
        return plan
    rows = [
        *server_rows(plan, catalog, around, first.row),
        *setting_rows(plan, around, first.row),
        *right_rows(plan.rights, around, catalog.server),
    ]
    stops = [row for row in rows if row.verdict in STOPPING]
    bites = [row for row in rows if row.verdict in {Verdict.DIFFERENT, Verdict.UNKNOWABLE}]
    fine = [row for row in rows if row not in stops and row not in bites]
    return replace(
        plan,
        rows=(*stops, *bites, *plan.rows, *fine),
        refusals=(*plan.refusals, *of_surroundings(stops)),
    )


class _First:
    """The first statement of a plan that runs: what the whole plan needs is needed by it."""

    def __init__(self, planned: PlannedMigration, one: PlannedStatement) -> None:
        self._planned = planned
        self._one = one

    @classmethod
    def of(cls, plan: Plan) -> _First | None:
        for planned in plan.migrations:
            for one in planned.statements:
                if one.decision is Decision.RUN:
                    return cls(planned, one)
        return None

    def row(
        self,
        name: str,
        kind: str,
        expected: str,
        found: str,
        verdict: Verdict,
        *,
        remedy: str = "",
        planned: PlannedMigration | None = None,
        one: PlannedStatement | None = None,
    ) -> Row:
        """Return a row of this statement, or of another one where that is given."""
        planned, one = planned or self._planned, one or self._one
        return Row(
            object=name,
            kind=kind,
            needed_by=Place(file=one.file, line=one.line, column=one.column),
            version=planned.migration.version,
            statement=one.number,
            expected=expected,
            found=found,
            verdict=verdict,
            remedy=remedy,
        )
