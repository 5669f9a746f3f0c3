"""Relations that go together: a table with its partitions, a view with what it reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import tree
from ..estimate import Tally
from ..locks import LockMode
from ..relation_state import State
from ..world import World


def target(tally: Tally, node: Any) -> State | None:
    """Return the relation in a RangeVar, None where it is not there."""
    return tally.world.find(tree.parts(node)) if node.relname else None


def family(world: World, state: State, *, alone: bool = False) -> list[State]:
    """Return a table and, unless ONLY stands before it, all that are partitions of it or inherit from it."""
    return [state] if alone else [state, *world.descendants(state)]


def partitions(world: World, state: State) -> list[State]:
    """Return the partitions of a partitioned table at all levels, nothing for another table."""
    return world.descendants(state) if state.kind == "partitioned table" else []


def leaves(world: World, state: State) -> list[State]:
    """Return where the rows of a table are: the table itself, or the partitions that are not partitioned."""
    return [one for one in (state, *partitions(world, state)) if one.kind != "partitioned table"]


def is_taken(world: World, table: State) -> Callable[[str], bool]:
    """Return whether a name is not free for a new index or constraint of a table."""

    def taken(name: str) -> bool:
        return world.relation((table.key[0], name)) is not None or name in table.constraints

    return taken


def lock_all(tally: Tally, states: list[State], mode: LockMode) -> None:
    """Lock each of the relations."""
    for state in states:
        tally.lock(state, mode)


def expand(tally: Tally, state: State, mode: LockMode) -> list[State]:
    """Lock a relation for a query, and where it is a view what it reads, down to the tables; return those."""
    if state.kind != "view":
        return [state]
    tally.lock(state, mode)
    tables: list[State] = []
    seen = {state.oid}
    waiting = tally.world.sources(state)
    while waiting:
        source = waiting.pop(0)
        if source.oid in seen:
            continue
        seen.add(source.oid)
        if source.kind == "view":
            tally.lock(source, mode)
            waiting.extend(tally.world.sources(source))
        else:
            tables.append(source)
    return tables
