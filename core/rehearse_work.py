"""What both ways of a rehearsal through a plan share: what is left out and why, and how one statement is measured."""

from __future__ import annotations

from typing import Final

from msgspec import Struct, field

from .connect import Connection
from .errors import ServerError
from .events import Emit
from .locks import LockMode, strongest
from .measure import Effect, Meter
from .other_version import Estimates, as_on_target
from .plan import LockClaim, Measurement, Plan, PlannedMigration, PlannedStatement
from .script import Statement
from .sending import is_sent
from .shadow import HARMLESS, STATEMENT_WITHIN, Shadow
from .silence import send
from .unrehearsed import extension_of, role_of, why_not_run, why_unknowable

# Statements after which names may have changed under no lock of the relations.
RENAMES: Final = frozenset({"ALTER SCHEMA", "DROP SCHEMA", "DROP OWNED"})
BEFOREHAND: Final = "the extension was created beforehand"
_QUERIES: Final = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"})
# What such a statement makes, only running it tells.
_OPAQUE: Final = frozenset({"DO", "CALL", "SELECT", "CREATE EXTENSION"})


class RehearsalWork(Struct, kw_only=True):
    """What both ways through the plan share."""

    plan: Plan
    shadow: Shadow
    # bare names that the target has, or would have by now, and the shadow lacks
    lacking: set[str]
    emit: Emit
    # what the locks would be on the shadow, where it is another release than the target
    on_shadow: Estimates
    # a statement was not run of which nobody can say what it makes
    gaps: bool = False
    # (entry, number) -> why it is not run
    left: dict[tuple[int, int], str] = field(default_factory=dict)

    @property
    def wants_apart(self) -> bool:
        """Whether an earlier statement of a transaction may hold a lock that a later one takes too."""
        return self.shadow.boss is not None and any(
            planned.transactional and sum(is_sent(it) and it.kind != "SET" for it in planned.statements) > 1
            for planned in self.plan.migrations
        )

    def statement_of(self, planned: PlannedMigration, one: PlannedStatement) -> Statement | None:
        """Return the parsed statement of the file; None for one that is ours."""
        if one.added:
            return None
        found = planned.migration.script.statements
        near = found[one.number - 1] if 0 < one.number <= len(found) else None
        return near if near is not None and near.number == one.number else None

    async def leave(self, entry: int, planned: PlannedMigration, one: PlannedStatement) -> str:
        """Return why a statement is not run; what it would make for the others is made in its place."""
        if (entry, one.number) in self.left:
            return self.left[entry, one.number]
        statement = self.statement_of(planned, one)
        if statement is None:
            return ""
        why = why_not_run(statement, self.shadow.available)
        if (extension := extension_of(statement)) and extension[0] in HARMLESS and not why:
            self.left[entry, one.number] = BEFOREHAND
            return self.left[entry, one.number]
        if why:
            self.skip(entry, one, why)
            if role := role_of(statement):
                await self.shadow.stand_in_role(role)
        return why

    def skip(self, entry: int, one: PlannedStatement, why: str) -> None:
        """Leave a statement out from now on; what it would have made is not there for the others."""
        self.left[entry, one.number] = why
        self.lacking |= {name.rpartition(".")[2].strip('"') for name in one.makes}
        self.gaps = self.gaps or one.kind in _OPAQUE

    def measurement(self, entry: int, one: PlannedStatement, effect: Effect) -> Measurement:
        """Return what a statement did, as a plan tells it."""
        elsewhere = self.on_shadow.get((entry, one.number), one.locks)
        return Measurement(
            entry=entry,
            number=one.number,
            locks=as_on_target(effect.locks, on_target=one.locks, on_shadow=elsewhere),
            rewrites=effect.rewrites,
            scans=scans_on_target(one, effect),
            builds=effect.builds,
            long=effect.long,
            notices=effect.notices,
        )

    def judge(self, error: ServerError, one: PlannedStatement) -> str:
        """Return why a failure says nothing about the target, empty where it is a real one."""
        reads = bool(one.locks or one.needs or one.changes)
        return why_unknowable(
            error.report,
            lacking=self.lacking,
            extensions=bool(self.shadow.lacking),
            gaps=self.gaps or one.added,
            reads=reads,
        )


async def in_own_transaction(meter: Meter, one: PlannedStatement, *, before: tuple[str, ...] = ()) -> Effect:
    """Run a statement, after what it depends on, in a transaction of its own; raises `ServerError`."""
    connection = meter.connection
    known = dict(meter.known)
    try:
        await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
        for each in before:
            await connection.execute(each)
        await meter.begin(first=True)
        await send(connection, one.sql, one.data)
        effect = await meter.inside({}, empties=one.kind == "TRUNCATE")
        await connection.execute("COMMIT")
    except ServerError:
        if connection.in_transaction:
            await connection.execute("ROLLBACK")
        meter.known = known
        raise
    return effect


async def as_new(connection: Connection) -> None:
    """Make a connection forget what a migration set in it."""
    await connection.execute("DISCARD ALL")
    await connection.execute(f"SET statement_timeout = '{STATEMENT_WITHIN}s'")


def scans_on_target(one: PlannedStatement, effect: Effect) -> tuple[str, ...]:
    """Return which tables a statement reads whole on the target.

    For a query the planner decides that by the rows, which a shadow does not have: it stays as estimated.
    """
    return one.scans if one.kind in _QUERIES else effect.scans


def strongest_of(claims: tuple[LockClaim, ...]) -> tuple[LockClaim, ...]:
    """Return one claim for each relation: the strongest."""
    modes: dict[str, list[LockMode]] = {}
    for claim in claims:
        modes.setdefault(claim.relation, []).append(claim.mode)
    return tuple(LockClaim(relation=name, mode=strongest(found)) for name, found in sorted(modes.items()))
