"""A statement -> what it needs, makes, changes and drops; which locks it takes and which rows it works on.

Nothing here asks a database, and nothing raises: a statement that is not known in detail needs the relations that it
names. Lock modes are those of https://www.postgresql.org/docs/18/explicit-locking.html, checked by measurement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from msgspec.structs import replace

from . import (
    effects_blocks,
    effects_definitions,
    effects_foreign,
    effects_objects,
    effects_queries,
    effects_roles,
    effects_tables,
    tree,
)
from .alike import Shape, shape_of
from .effects_reading import Reading
from .effects_routines import Routines
from .script import Statement
from .touches import Effects, Step

_HANDLERS: Final[dict[str, Callable[[Reading, Any], None]]] = {
    **effects_tables.HANDLERS,
    **effects_objects.HANDLERS,
    **effects_definitions.HANDLERS,
    **effects_roles.HANDLERS,
    **effects_foreign.HANDLERS,
    **effects_queries.HANDLERS,
}
# Statements about the session or the server, which touch nothing that has a name in the database.
_QUIET: Final = frozenset({
    "variable_set_stmt", "variable_show_stmt", "transaction_stmt", "notify_stmt", "listen_stmt", "unlisten_stmt",
    "load_stmt", "alter_system_stmt", "check_point_stmt", "discard_stmt", "constraints_set_stmt", "deallocate_stmt",
    "close_portal_stmt", "fetch_stmt",
})  # fmt: skip


def effects_of(statement: Statement, routines: Routines | None = None) -> Effects:
    """Return the effects of a statement; never raises.

    `routines` holds the functions that the statements before it have made, and learns what this one makes.
    """
    if statement.tree is None:
        return Effects(unknowable=statement.unread or "the statement is nested too deeply to be analysed")
    routines = routines if routines is not None else Routines()
    reading = Reading(place_of=statement.place_of, read=read_node, routines=routines)
    if tree.kind(statement.tree) == "do_stmt":
        effects_blocks.read_block(reading, statement)
    else:
        read_node(reading, statement.tree)
    routines.learn(statement)
    return reading.gather.done()


def effects_of_all(statements: Iterable[Statement], routines: Routines) -> Iterator[Effects]:
    """Yield the effects of statements one after another; those that are alike share theirs.

    Only as long as no other statement stands between them: what is known of the first is then known of all. Places and
    trees in what is shared are those of the first.
    """
    known: dict[Shape, Effects] = {}
    for statement in statements:
        shape = shape_of(statement)
        if shape is None:
            known.clear()
            yield effects_of(statement, routines)
            continue
        if shape not in known:
            known[shape] = replace(effects_of(statement, routines), shape=shape)
        yield known[shape]


def read_node(reading: Reading, node: Any) -> None:
    """Add the effects of the statement in a node."""
    handler = _HANDLERS.get(tree.kind(node))
    inner = tree.inner(node)
    if inner is None:
        return
    reading.gather.steps.append(Step(node=node))
    if handler is not None:
        handler(reading, inner)
    elif tree.kind(node) == "execute_stmt":
        reading.gather.unknowable = "EXECUTE runs a statement that was prepared elsewhere"
    elif tree.kind(node) not in _QUIET:
        effects_queries.any_relations(reading, inner)
