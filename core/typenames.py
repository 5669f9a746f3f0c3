"""Type names as people write them, against `format_type`'s."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from . import tree
from .names import Parts, written

# The grammar's and the catalog's short names -> what format_type says.
# See https://www.postgresql.org/docs/18/datatype.html#DATATYPE-TABLE.
_SPELLED: Final = {
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float4": "real",
    "float8": "double precision",
    "bool": "boolean",
    "varchar": "character varying",
    "bpchar": "character",
    "timestamptz": "timestamp with time zone",
    "timestamp": "timestamp without time zone",
    "timetz": "time with time zone",
    "time": "time without time zone",
    "varbit": "bit varying",
    "char": '"char"',
    "bit": "bit",
    "numeric": "numeric",
    "interval": "interval",
    "decimal": "numeric",
    "json": "json",
}
_SERIALS: Final = {
    "serial": "int4",
    "serial4": "int4",
    "bigserial": "int8",
    "serial8": "int8",
    "smallserial": "int2",
    "serial2": "int2",
}


class TypeUse(Struct, frozen=True, kw_only=True):
    """A type as a statement uses it."""

    # as written, without pg_catalog; a serial is its integer
    name: Parts
    # the numbers in parentheses
    modifiers: tuple[int, ...] = ()
    array: bool = False
    # serial: with a sequence and a default of its own
    serial: bool = False
    # named by the grammar or by pg_catalog itself, so that no search_path can change it
    system: bool = False

    def text(self, shown: str | None = None) -> str:
        """Return it as format_type would; `shown` is the name of a type of the database where it is known."""
        base = _SPELLED.get(self.name[0]) if len(self.name) == 1 else None
        if base is None or shown is not None:
            base = shown or written(self.name)
        brackets = "[]" if self.array else ""
        if not self.modifiers:
            return base + brackets
        numbers = self.modifiers
        if self.name == ("numeric",) and len(numbers) == 1:
            numbers = (*numbers, 0)
        inside = "(" + ",".join(str(number) for number in numbers) + ")"
        # timestamp(3) without time zone
        head, space, tail = base.partition(" ")
        if head in {"timestamp", "time"}:
            return f"{head}{inside}{space}{tail}{brackets}"
        return f"{base}{inside}{brackets}"

    def __str__(self) -> str:
        return self.text()


def type_of(node: Any) -> TypeUse | None:
    """Return the type that a TypeName node names; None for `table.column%TYPE`, which only the server resolves."""
    names = tree.strings(node.names)
    if not names or node.pct_type:
        return None
    last = names[-1]
    system = names == ("pg_catalog", last)
    serial = names == (last,) and last in _SERIALS
    if system or serial:
        names = (_SERIALS[last] if serial else last,)
    numbers = _numbers(node.typmods)
    if names == ("interval",) and numbers:
        # a mask of fields comes first, and the precision after it; only plain interval(p) is told apart
        numbers = numbers[1:] if len(numbers) == 2 else ()
    return TypeUse(
        name=names,
        modifiers=numbers,
        array=bool(node.array_bounds),
        serial=serial,
        system=system or serial,
    )


def _numbers(nodes: Any) -> tuple[int, ...]:
    return tuple(int(node.a_const.ival.ival) for node in nodes if tree.kind(node) == "a_const")


def is_grammars(name: Parts) -> bool:
    """Whether a type's name is one of the grammar's own, there in every database."""
    return len(name) == 1 and name[0] in _SPELLED
