"""Who is using the relations that a plan locks, now: sizes, traffic, and who would be in the way.

A sample is two queries in one read-only transaction, whatever the size of the plan. It never enters the digest.
What is counted, and no more: connections that held or awaited a lock on a relation at the moments of the samples, and
how far the server's own counters moved between them (a busy connection adds to those about once a second).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct, field

from .catalog import Catalog
from .connect import Connection, Connector
from .locks import LockMode
from .masking import masked
from .names import read
from .plan import Plan
from .precheck import Decision
from .sql import query
from .traffic import Exposure, RelationExposure, User

# A look must never wait behind a migration, or hold anybody up.
_PATIENCE: Final = "SET LOCAL lock_timeout = '200ms'; SET LOCAL statement_timeout = '2s'"
# Between two samples on a screen, and for a single answer; seconds. Counters move about once a second.
PERIOD: Final = 2.0
ONCE: Final = 1.1
# Samples that "in the last seconds" covers.
_WINDOW: Final = 6


class Watched(Struct, frozen=True, kw_only=True):
    """A relation that a plan locks, with the strongest mode, and whether a CONCURRENTLY step works on it."""

    oid: int
    relation: str
    kind: str
    mode: LockMode
    concurrently: bool = False


def targets_of(plan: Plan, catalog: Catalog) -> tuple[Watched, ...]:
    """Return the tables and their like that the plan's statements lock, as far as they are there now."""
    found: dict[int, Watched] = {}
    for planned in plan.migrations:
        for one in planned.statements:
            if one.decision is not Decision.RUN:
                continue
            for claim in one.locks:
                parts = read(claim.relation)
                relation = catalog.relations.get((parts[-2], parts[-1])) if len(parts) > 1 else None
                if relation is None or relation.kind in {"index", "partitioned index", "sequence", "composite type"}:
                    continue
                known = found.get(relation.oid)
                stronger = known is None or claim.mode.strength > known.mode.strength
                found[relation.oid] = Watched(
                    oid=relation.oid,
                    relation=relation.qualified,
                    kind=relation.kind,
                    mode=claim.mode if known is None or stronger else known.mode,
                    concurrently="CONCURRENTLY" in one.kind or (known is not None and known.concurrently),
                )
    return tuple(found.values())


class Sampler(Struct):
    """Takes samples over one connection and keeps those of the last seconds."""

    targets: Sequence[Watched]
    _past: deque[_Sample] = field(default_factory=lambda: deque(maxlen=_WINDOW))
    _taken: int = 0

    async def sample(self, connection: Connection) -> Exposure:
        """Return what is there now; raises `ServerError` or `ConnectionLost`."""
        oids = [target.oid for target in self.targets]
        await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY")
        try:
            await connection.execute(_PATIENCE)
            relations = await connection.fetch(query("exposure_relations"), oids)
            holders = await connection.fetch(query("exposure_holders"), oids)
        finally:
            if not connection.is_closed:
                await connection.execute("ROLLBACK")
        self._taken += 1
        self._past.append(_Sample(relations={row["oid"]: row for row in relations}, holders=holders))
        return exposure_of(self.targets, list(self._past), samples=self._taken)


class _Sample(Struct, frozen=True, kw_only=True):
    relations: Mapping[int, Mapping[str, Any]]
    holders: Sequence[Mapping[str, Any]]


async def measure(connection: Connection, targets: Sequence[Watched]) -> Exposure:
    """Return one answer from two samples, a second apart; without relations there is nothing to ask."""
    sampler = Sampler(targets)
    if not targets:
        return Exposure(samples=0, relations=(), snapshot=None, hidden="")
    await sampler.sample(connection)
    await asyncio.sleep(ONCE)
    return await sampler.sample(connection)


async def follow(connect: Connector, targets: Sequence[Watched], tell: Callable[[Exposure], object]) -> None:
    """Tell the exposure every two seconds, over a connection of its own, until cancelled; it is closed then.

    Raises what connecting and sampling raise.
    """
    sampler = Sampler(targets)
    try:
        connection = await connect("look")
        while True:
            tell(await sampler.sample(connection))
            await asyncio.sleep(PERIOD)
    finally:
        await connect.close()


def exposure_of(targets: Sequence[Watched], past: Sequence[_Sample], *, samples: int) -> Exposure:
    """Put samples together, the last of them as now. Pure."""
    shown = [_relation(target, past) for target in targets if target.oid in past[-1].relations]
    shown.sort(key=lambda one: (-one.mode.strength, -one.bytes, one.relation))
    concurrent = any(target.concurrently for target in targets)
    snapshots = [_user(row) for row in past[-1].holders if row["relation"] is None and not row["autovacuum"]]
    blind = any(not row["visible"] for row in past[-1].holders)
    return Exposure(
        samples=samples,
        relations=tuple(shown),
        snapshot=snapshots[0] if concurrent and snapshots else None,
        hidden="ages and queries of others are hidden from this role: GRANT pg_monitor shows them" if blind else "",
    )


def _relation(target: Watched, past: Sequence[_Sample]) -> RelationExposure:
    last, first = past[-1].relations[target.oid], past[0].relations.get(target.oid)
    held = [row for row in past[-1].holders if row["relation"] == target.oid]
    pids = {row["pid"] for each in past for row in each.holders if row["relation"] == target.oid}
    seconds = last["at"] - first["at"] if first is not None else 0.0
    moved = first is not None and seconds > 0.5
    in_the_way = [row for row in held if row["granted"] and target.mode.conflicts(LockMode.of(row["mode"]))]
    # hidden ages come last in the answer: whoever is known to be old is told first
    blockers = list({row["pid"]: row for row in reversed(in_the_way)}.values())[::-1]
    vacuum = next((row for row in held if row["autovacuum"] and row["granted"]), None)
    return RelationExposure(
        relation=target.relation,
        kind=target.kind,
        mode=target.mode,
        rows=None if last["rows"] < 0 else round(last["rows"]),
        bytes=last["bytes"],
        index_bytes=last["index_bytes"],
        toast_bytes=last["toast_bytes"],
        looks=len(past),
        sessions=len(pids),
        sessions_now=len({row["pid"] for row in held}),
        seconds=round(seconds, 1),
        scans_per_second=_rate(first, last, "scans", seconds) if moved and first is not None else None,
        writes_per_second=_rate(first, last, "writes", seconds) if moved and first is not None else None,
        waiting=len({row["pid"] for row in held if not row["granted"]}),
        blocker=_user(blockers[0]) if blockers else None,
        blockers=len(blockers),
        autovacuum=_user(vacuum) if vacuum is not None else None,
    )


def _rate(first: Mapping[str, Any], last: Mapping[str, Any], name: str, seconds: float) -> float:
    # a reset of the statistics sets counters back
    moved: int = max(0, last[name] - first[name])
    return round(moved / seconds, 1)


def _user(row: Mapping[str, Any]) -> User:
    return User(
        pid=row["pid"],
        user=row["user"],
        application=row["application"],
        state=row["state"],
        xact_age=row["xact_age"],
        query=masked(row["query"] or "") if row["visible"] else None,
        mode=LockMode.of(row["mode"]) if row["mode"] else None,
        visible=row["visible"],
        autovacuum=row["autovacuum"],
        wraparound=row["wraparound"],
    )
