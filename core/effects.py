"""A statement -> what it needs, makes, changes and drops; which locks it takes and which rows it works on.

Nothing here asks a database, and nothing raises: a statement that is not known in detail needs the relations that it
names. Lock modes are those of https://www.postgresql.org/docs/18/explicit-locking.html, checked by measurement.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from . import effects_blocks, effects_objects, effects_queries, effects_tables, tree
from .effects_reading import Reading
from .script import Statement
from .touches import Effects, Step

_HANDLERS: Final[dict[str, Callable[[Reading, Any], None]]] = {
    **effects_tables.HANDLERS,
    **effects_objects.HANDLERS,
    **effects_queries.HANDLERS,
}


def effects_of(statement: Statement) -> Effects:
    """Return the effects of a statement; never raises."""
    if statement.tree is None:
        return Effects(unknowable="the statement is nested too deeply to be analysed")
    reading = Reading(place_of=statement.place_of)
    if tree.kind(statement.tree) == "do_stmt":
        effects_blocks.read_block(reading, statement, read=read_node)
    else:
        read_node(reading, statement.tree)
    return reading.gather.done()


def read_node(reading: Reading, node: Any) -> None:
    """Add the effects of the statement in a node."""
    handler = _HANDLERS.get(tree.kind(node))
    inner = tree.inner(node)
    if inner is None:
        return
    reading.gather.steps.append(Step(node=node))
    if handler is None:
        effects_queries.any_relations(reading, inner)
    else:
        handler(reading, inner)
