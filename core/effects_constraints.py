"""Effects of constraints: of a new table, of a new column, and added to a table that is there."""

from __future__ import annotations

from typing import Any, Final

from postgast import pg_query_pb2 as pb

from . import tree
from .default_names import object_name
from .effects_reading import Reading
from .names import Parts
from .touches import Act, Ref

_KINDS: Final = {
    pb.CONSTR_PRIMARY: "p",
    pb.CONSTR_UNIQUE: "u",
    pb.CONSTR_FOREIGN: "f",
    pb.CONSTR_CHECK: "c",
    pb.CONSTR_EXCLUSION: "x",
    pb.CONSTR_NOTNULL: "n",
}
_SUFFIXES: Final = {"p": "pkey", "u": "key", "f": "fkey", "c": "check", "x": "excl", "n": "not_null"}


def default_name(table: str, columns: tuple[str, ...], kind: str) -> str:
    """Return the name that PostgreSQL gives to a constraint or index without one, when it is free."""
    # a CHECK on several columns is named after none of them
    named = () if kind == "p" or (kind == "c" and len(columns) != 1) else columns
    return object_name(table, "_".join(named), _SUFFIXES.get(kind, kind))


def constraint(
    reading: Reading,
    table: Parts,
    node: Any,
    *,
    columns: tuple[str, ...] | None = None,
    fresh: bool = False,
) -> None:
    """Read a constraint: of a new table (`fresh`), of a new column (`columns`), or added to a table."""
    kind = _KINDS.get(node.contype)
    if kind is None or (kind == "n" and columns is not None):
        return
    keys = _keys(node, kind) or columns
    named = (*(keys or ()), *tree.strings(node.including))
    name = node.conname or node.indexname or default_name(table[-1], named, kind)
    other: Parts | None = None
    if columns is None and kind not in {"c", "x"}:
        for key in keys or ():
            reading.member(Act.NEED, "column", table, key, node)
    if kind == "f":
        other = tree.parts(node.pktable)
        if other != table or not fresh:
            reading.relation(Act.NEED, node.pktable)
        for key in tree.strings(node.pk_attrs):
            reading.member(Act.NEED, "column", other, key, node.pktable)
    if kind == "c" and columns is None:
        _check_columns(reading, table, node)
    if node.indexname:
        reading.touch(Act.NEED, Ref(kind="index", name=(*table[:-1], node.indexname)), node, other=table)
    reading.member(
        Act.MAKE,
        "constraint",
        table,
        name,
        node,
        constraint=kind,
        columns=keys,
        other=other,
        mentions=tree.strings(node.pk_attrs),
        valid=not node.skip_validation,
        proves=_proven(node.raw_expr) if kind == "c" else (),
        # USING INDEX: an index that is there, and gets the constraint's name
        reads=((*table[:-1], node.indexname),) if node.indexname else (),
        detail="no inherit" if node.is_no_inherit else "",
        # the server finds another name where the one it would give is taken
        replace=not (node.conname or node.indexname),
        implied=fresh and not node.conname,
    )


def _keys(node: Any, kind: str) -> tuple[str, ...]:
    """Return the columns that a constraint is on."""
    match kind:
        case "c":
            return mentioned(node.raw_expr)
        case "f":
            return tree.strings(node.fk_attrs)
        case "x":
            elements = (item.list.items[0].index_elem for item in node.exclusions)
            return tuple(element.name or "expr" for element in elements)
        case _:
            return tree.strings(node.keys)


def mentioned(expression: Any) -> tuple[str, ...]:
    """Return the columns that an expression of one table names, each once."""
    names = (tree.column_names(found) for found in tree.walk(expression) if isinstance(found, pb.ColumnRef))
    return tuple(dict.fromkeys(name[-1] for name in names if name))


def _proven(expression: Any) -> tuple[str, ...]:
    """Return the columns that a CHECK says are never null, alone or joined by AND to other conditions."""
    found: list[str] = []
    waiting = [expression]
    while waiting:
        node = waiting.pop()
        if tree.kind(node) == "bool_expr" and node.bool_expr.boolop == pb.AND_EXPR:
            waiting.extend(node.bool_expr.args)
        elif tree.kind(node) == "null_test" and node.null_test.nulltesttype == pb.IS_NOT_NULL:
            name = tree.column_names(node.null_test.arg.column_ref)
            found.extend(name[-1:] if name else ())
    return tuple(found)


def _check_columns(reading: Reading, table: Parts, node: Any) -> None:
    for found in tree.walk(node.raw_expr):
        if isinstance(found, pb.ColumnRef):
            name = tree.column_names(found)
            if name is not None and len(name) == 1:
                reading.member(Act.NEED, "column", table, name[0], found)
