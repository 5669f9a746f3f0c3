"""The plan on a copy of the shadow, each statement in a transaction of its own: there its locks are its own."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from .errors import ConnectionLost, ServerError
from .events import RehearsalStep
from .measure import Meter
from .plan import Measurement, PlannedMigration, PlannedStatement
from .rehearse_work import RENAMES, RehearsalWork, as_new, in_own_transaction


class Apart(Struct, kw_only=True):
    """The plan statement by statement, each in a transaction of its own."""

    work: RehearsalWork
    meter: Meter

    async def all(self, together: Mapping[tuple[int, int], Measurement]) -> dict[tuple[int, int], Measurement]:
        """Return `together`, with what was measured apart where that went as well."""
        found = dict(together)
        migrations = self.work.plan.migrations
        for entry, planned in enumerate(migrations):
            self.work.emit(
                RehearsalStep(part="measure", version=planned.migration.version, done=entry, of=len(migrations))
            )
            local: tuple[str, ...] = ()
            for one in planned.statements:
                measured = found.get((entry, one.number))
                if measured is None or measured.error is not None or measured.unknowable:
                    continue
                found[entry, one.number] = await self.one(entry, planned, one, measured, local)
                if one.kind == "SET" and planned.transactional:
                    local = (*local, one.sql)
            await as_new(self.meter.connection)
        return found

    async def one(
        self,
        entry: int,
        planned: PlannedMigration,
        one: PlannedStatement,
        measured: Measurement,
        local: tuple[str, ...],
    ) -> Measurement:
        """Run one statement, after the `local` settings of its migration, and return what it does by itself."""
        try:
            if one.outside_transaction:
                await self.meter.connection.execute(one.sql)
                await self.meter.look_anew()
                return measured
            inside = local if planned.transactional else ()
            effect = await in_own_transaction(self.meter, one, before=inside)
        except ConnectionLost:
            raise
        except ServerError:
            # it needs the transaction of its migration
            return measured
        if one.kind in RENAMES:
            await self.meter.look_anew()
        return replace(self.work.measurement(entry, one, effect), notices=measured.notices)
