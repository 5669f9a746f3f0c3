"""Compares the database that a plan foresees with the one that a server has once the statements have run."""

from __future__ import annotations

from changeover.core import catalog as catalogs
from changeover.core.catalog import Catalog
from changeover.core.connect import Connection
from changeover.core.effects import effects_of
from changeover.core.effects_routines import Routines
from changeover.core.relation_state import Key, State
from changeover.core.script import parse
from changeover.core.world import World


def foreseen(sql: str, catalog: Catalog) -> World:
    """Return the world after the statements of `sql`, as a plan thinks of it."""
    world, routines = World(catalog), Routines()
    world.begin()
    for statement in parse(sql.encode(), file="x.sql").statements:
        for touch in effects_of(statement, routines).touches:
            if all(world.holds(test) is not False for test in touch.tests):
                world.apply(touch)
    return world


async def differences(connection: Connection, sql: str, before: Catalog) -> list[str]:
    """Run `sql` inside a transaction that is rolled back; return what is there and not foreseen, or the other way."""
    await connection.execute("BEGIN")
    try:
        await connection.execute(sql)
        after = World(await catalogs.read(connection))
    finally:
        await connection.execute("ROLLBACK")
    world = foreseen(sql, before)
    found: list[str] = []
    for key in sorted({*before.relations, *after.catalog.relations, *world._relations}):
        if key[0].startswith("pg_") or key[0] == "information_schema":
            continue
        found.extend(_of_relation(key, world.relation(key), after.relation(key), world))
    return found


def _of_relation(key: Key, ours: State | None, theirs: State | None, world: World) -> list[str]:
    name = ".".join(key)
    if ours is None or theirs is None:
        vague = theirs is not None and theirs.kind in {"index", "sequence", "partitioned index"} and world.may_be(key)
        missing = "not foreseen" if ours is None else "not there"
        return [] if ours is theirs or vague else [f"{name}: {missing}"]
    return [
        f"{name}: {what} {side}: {sorted(names)}"
        for what in ("columns", "constraints", "indexes")
        for side, names in _sides(set(getattr(ours, what)), set(getattr(theirs, what)))
        if names and (what != "columns" or ours.complete) and not all(_excused(one, world) for one in names)
    ]


def _excused(name: str, world: World) -> bool:
    return name.endswith("_not_null") or world.may_be((name,))


def _sides(ours: set[str], theirs: set[str]) -> list[tuple[str, set[str]]]:
    return [("not there", ours - theirs), ("not foreseen", theirs - ours)]
