"""Statements that differ in nothing but the values of the rows that they add: what is known of one holds for all. Pure.

Files of data are thousands of INSERTs into the same columns. Which relations they name, which rights and locks they
need and which dangers there are does not depend on a number or a text in them, so it is worked out once.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from . import tree
from .names import Parts
from .script import Statement

_OF_INSERT: Final = frozenset({"relation", "cols", "select_stmt", "override"})
_OF_VALUES: Final = frozenset({"values_lists", "limit_option", "op"})
_OF_RELATION: Final = frozenset({"schemaname", "relname", "inh", "relpersistence", "location"})
# The parser has cut longer names to 63 bytes or, before a whole character, a few less: the text may have another one.
_LONGEST: Final = 59


class Shape(NamedTuple):
    """What such statements have in common."""

    table: Parts
    columns: tuple[str, ...]
    override: int


def shape_of(statement: Statement) -> Shape | None:
    """Return the shape of an INSERT of plain constants; None for any other statement, and below a directive."""
    if statement.kind != "INSERT" or statement.condition is not None or statement.allows:
        return None
    node = tree.inner(statement.tree)
    if tree.kind(statement.tree) != "insert_stmt" or not _has_only(node, _OF_INSERT):
        return None
    if not _has_only(node.relation, _OF_RELATION) or not _are_constants(node.select_stmt):
        return None
    columns = [item.res_target for item in node.cols]
    shape = Shape(
        table=tree.parts(node.relation), columns=tuple(column.name for column in columns), override=node.override
    )
    if any(column.indirection for column in columns):
        return None
    return shape if all(len(name.encode()) <= _LONGEST for name in (*shape.table, *shape.columns)) else None


def _has_only(node: Any, names: frozenset[str]) -> bool:
    return all(field.name in names for field, _ in node.ListFields())


def _are_constants(source: Any) -> bool:
    """Whether the source of an INSERT is VALUES with nothing but numbers, texts, truth values and NULL."""
    if tree.kind(source) != "select_stmt" or not _has_only(source.select_stmt, _OF_VALUES):
        return False
    rows = source.select_stmt.values_lists
    return bool(rows) and all(item.WhichOneof("node") == "a_const" for row in rows for item in row.list.items)
