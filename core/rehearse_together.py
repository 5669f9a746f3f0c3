"""The plan on a shadow as a run would send it: each migration in one transaction, or outside of any."""

from __future__ import annotations

import contextlib
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from .errors import ConnectionLost, ServerError, fault_of
from .events import RehearsalStep
from .locks import LockMode
from .measure import Effect, Known, Meter
from .plan import LockClaim, Measurement, PlannedMigration, PlannedStatement
from .rehearse_work import RENAMES, RehearsalWork, as_new, in_own_transaction, strongest_of
from .sampling import sampled
from .sending import is_sent
from .silence import send

# How often a migration is begun again without a statement that cannot be run, before the rest of it is given up.
_RESTARTS: Final = 25
# It takes ACCESS EXCLUSIVE on the index at its very end, too short to be seen for sure.
_DROP_INDEX: Final = "DROP INDEX CONCURRENTLY"


class Restart(Exception):
    """A statement of the transaction in hand cannot be run: begin again without it."""


class Together(Struct, kw_only=True):
    """The plan as a run would send it."""

    work: RehearsalWork
    meter: Meter
    found: dict[tuple[int, int], Measurement] = field(default_factory=dict)

    async def all(self) -> dict[tuple[int, int], Measurement]:
        """Return what was measured, up to the first failure."""
        migrations = self.work.plan.migrations
        for entry, planned in enumerate(migrations):
            version = planned.migration.version
            self.work.emit(RehearsalStep(part="run", version=version, done=entry, of=len(migrations)))
            inside = planned.transactional
            failed = await (self.transaction(entry, planned) if inside else self.steps(entry, planned))
            if failed:
                break
            await self.renew(planned)
        return dict(sorted(self.found.items()))

    async def renew(self, planned: PlannedMigration) -> None:
        """Give the next migration a connection as new, with the defaults that this one may have changed."""
        if any(one.kind in {"ALTER DATABASE", "ALTER ROLE"} for one in planned.statements):
            old, made = self.meter.connection, self.work.shadow
            await old.close()
            self.meter.connection = await made.connect(old.facts.database)
            self.meter.listen()
        else:
            await as_new(self.meter.connection)

    async def transaction(self, entry: int, planned: PlannedMigration) -> bool:
        """Run a migration in one transaction; return whether it failed."""
        for number in range(_RESTARTS):
            try:
                return await self.attempt(entry, planned)
            except Restart:
                if number == _RESTARTS - 1:
                    break
        for one in planned.statements:
            if is_sent(one) and (entry, one.number) not in self.work.left:
                self.unknowable(entry, one, "too much of its migration cannot be run on the shadow")
        return False

    async def attempt(self, entry: int, planned: PlannedMigration) -> bool:
        """Send the statements that can be run, and COMMIT; return whether one failed."""
        connection, known = self.meter.connection, dict(self.meter.known)
        await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
        last: PlannedStatement | None = None
        for one in planned.statements:
            if not is_sent(one):
                continue
            if why := await self.work.leave(entry, planned, one):
                self.unknowable(entry, one, why)
                continue
            held = await self.meter.held()
            await self.meter.begin(first=last is None)
            last = one
            try:
                await send(connection, one.sql, one.data)
                _check(connection.in_transaction, "It ends the transaction of its migration on the way.")
            except ServerError as error:
                await self.undo(error, known)
                return self.failed(entry, one, error)
            self.put(entry, one, await self.meter.inside(held, empties=one.kind == "TRUNCATE"), held=bool(held))
            if one.kind in RENAMES:
                await self.meter.look_anew()
        return await self.commit(entry, last, known)

    async def commit(self, entry: int, last: PlannedStatement | None, known: dict[int, Known]) -> bool:
        """End the transaction; a failure is that of its `last` statement. Return whether there was one."""
        try:
            tag = await self.meter.connection.execute("COMMIT")
            _check(tag == "COMMIT", f"COMMIT was answered with {tag}.")
        except ServerError as error:
            await self.undo(error, known)
            return last is not None and self.failed(entry, last, error)
        return False

    async def undo(self, error: ServerError, known: dict[int, Known]) -> None:
        """Roll back; a shadow that is gone is no failure of a migration."""
        if isinstance(error, ConnectionLost):
            raise error
        if self.meter.connection.in_transaction:
            await self.meter.connection.execute("ROLLBACK")
        self.meter.known = known

    def failed(self, entry: int, one: PlannedStatement, error: ServerError) -> bool:
        """Write a failure down: a real one, or one more statement that cannot be run."""
        if why := self.work.judge(error, one):
            self.unknowable(entry, one, why)
            self.work.skip(entry, one, why)
            raise Restart
        self.found[entry, one.number] = Measurement(entry=entry, number=one.number, error=fault_of(error))
        return True

    async def steps(self, entry: int, planned: PlannedMigration) -> bool:
        """Run a migration outside a transaction; return whether it failed."""
        for one in planned.statements:
            if not is_sent(one):
                continue
            if why := await self.work.leave(entry, planned, one):
                self.unknowable(entry, one, why)
                continue
            try:
                if one.outside_transaction:
                    await self.step(entry, one)
                else:
                    await self.alone(entry, one)
            except ServerError as error:
                if isinstance(error, ConnectionLost):
                    raise
                with contextlib.suppress(Restart):
                    return self.failed(entry, one, error)
        return False

    async def alone(self, entry: int, one: PlannedStatement) -> None:
        """Run a statement in a transaction of its own, which is what the server does with it."""
        self.put(entry, one, await in_own_transaction(self.meter, one))

    async def step(self, entry: int, one: PlannedStatement) -> None:
        """Run a statement that takes no transaction, and look at its locks meanwhile."""
        made = self.work.shadow
        hold = await made.connect(self.meter.connection.facts.database)
        try:
            await self.meter.begin(first=False)
            known = dict(self.meter.known)
            relations = [claim.relation for claim in one.locks]
            seen, error = await sampled(self.meter, one.sql, hold=hold, relations=relations)
        finally:
            await hold.close()
        if error is not None:
            raise error
        effect = await self.meter.outside(seen)
        documented = tuple(
            LockClaim(relation=it.name, mode=LockMode.ACCESS_EXCLUSIVE)
            for oid in seen
            if one.kind == _DROP_INDEX and (it := known.get(oid)) and it.kind in "iI"
        )
        claims = strongest_of((*effect.locks, *documented, *one.locks))
        self.found[entry, one.number] = replace(
            self.work.measurement(entry, one, effect),
            locks=claims,
            complete=claims == strongest_of((*effect.locks, *documented)),
        )

    def unknowable(self, entry: int, one: PlannedStatement, why: str) -> None:
        """Write down that only the target tells what a statement does."""
        self.found[entry, one.number] = Measurement(entry=entry, number=one.number, unknowable=why)

    def put(self, entry: int, one: PlannedStatement, effect: Effect, *, held: bool = False) -> None:
        """Write a measurement down; with locks `held` before it, those that it takes again are as estimated."""
        measured = self.work.measurement(entry, one, effect)
        if held:
            measured = replace(measured, locks=strongest_of((*measured.locks, *one.locks)))
        self.found[entry, one.number] = measured


def _check(well: bool, otherwise: str) -> None:
    if not well:
        raise ServerError(otherwise, advice="")
