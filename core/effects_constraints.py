"""Effects of constraints: of a new table, of a new column, and added to a table that is there."""

from __future__ import annotations

from typing import Any, Final

from postgast import pg_query_pb2 as pb

from . import tree
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
    """Return the name that PostgreSQL gives to a constraint or index without one, when it is free.

    Long names are cut by the server so that 63 bytes hold them; those are not foretold and the plain name is returned.
    """
    middle = () if kind == "p" else columns
    return "_".join((table, *middle, _SUFFIXES.get(kind, kind)))


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
    keys = tree.strings(node.fk_attrs if kind == "f" else node.keys) or columns
    name = node.conname or default_name(table[-1], keys or (), kind)
    other: Parts | None = None
    if columns is None and kind != "c":
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
    valid = not node.skip_validation
    if node.conname or not fresh:
        reading.member(
            Act.MAKE,
            "constraint",
            table,
            name,
            node,
            constraint=kind,
            columns=keys,
            other=other,
            valid=valid,
            proves=_proven(node.raw_expr) if kind == "c" else (),
            # the server finds another name where the one it would give is taken
            replace=not node.conname,
        )


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
