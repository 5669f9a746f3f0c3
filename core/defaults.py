"""Whether two expressions say the same default, by PostgreSQL's own parser: true, false, or not to be told. Pure.

The server stores a default as it understood it: `'x'` comes back as `'x'::text`, `-1` as `'-1'::integer`.
So a cast of a constant says nothing new. Two constants of a plain type differ where their values do; anything else that
is not written alike may still mean the same, and is not guessed at.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any, Final

import postgast
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from postgast import pg_query_pb2 as pb

from . import tree

_PLAIN: Final = ("integer", "bigint", "smallint", "numeric", "real", "double precision", "text", "character", "boolean")
_NUMBERS: Final = _PLAIN[:6]
_TRUE: Final = frozenset({"t", "true", "y", "yes", "on", "1"})
_NOW: Final = ("function", "now")


def same_default(expected: str, found: str | None, column_type: str) -> bool | None:
    """Return whether a written default is the stored one (None: there is none); None where it cannot be told.

    `column_type` is as format_type says it.
    """
    wanted, there = _value(expected), _value("NULL" if found is None else found)
    if wanted is None or there is None:
        return None
    if wanted == there:
        return True
    if "null" in {wanted[0], there[0]}:
        return False
    plain = column_type.split("(", maxsplit=1)[0].removesuffix(" varying") in _PLAIN
    if plain and wanted[0] == there[0] == "constant":
        return _equal(wanted[1], there[1], column_type)
    return None


def written_default(node: Any) -> str:
    """Return an expression's tree as SQL, empty where it cannot be written."""
    statement = pb.ParseResult()
    statement.stmts.add().stmt.select_stmt.target_list.add().res_target.val.CopyFrom(node)
    try:
        return str(postgast.deparse(statement)).removeprefix("SELECT ")
    except postgast.PgQueryError:
        return ""


def _equal(one: Any, other: Any, column_type: str) -> bool:
    if column_type.startswith(_NUMBERS):
        try:
            return Decimal(str(one)) == Decimal(str(other))
        except InvalidOperation:
            return str(one) == str(other)
    if column_type == "boolean":
        return (str(one).lower() in _TRUE) is (str(other).lower() in _TRUE)
    if column_type.startswith("character(") or column_type == "character":
        return str(one).rstrip(" ") == str(other).rstrip(" ")
    return str(one) == str(other)


def _value(expression: str) -> tuple[Any, ...] | None:
    """Return the normal form of an expression, None where it cannot be read."""
    try:
        parsed = postgast.parse(f"SELECT {expression}")
        return _normal(parsed.stmts[0].stmt.select_stmt.target_list[0].res_target.val)
    except (postgast.PgQueryError, DecodeError, RecursionError, IndexError):
        return None


def _normal(node: Any) -> tuple[Any, ...]:
    inner = tree.inner(node)
    match tree.kind(node):
        case "a_const":
            return _constant(inner)
        case "type_cast":
            below = _normal(inner.arg)
            return (
                below if below[0] in {"constant", "null"} else ("cast", tree.strings(inner.type_name.names)[-1], below)
            )
        case "a_expr" if not inner.HasField("lexpr") and tree.strings(inner.name) == ("-",):
            below = _normal(inner.rexpr)
            return ("constant", f"-{below[1]}") if below[0] == "constant" else ("minus", below)
        case "sqlvalue_function" if inner.op == pb.SVFOP_CURRENT_TIMESTAMP:
            return _NOW
        case "func_call" if not inner.args and tree.strings(inner.funcname)[-1] in {"now", "transaction_timestamp"}:
            return _NOW
        case _:
            return _structure(inner)


def _constant(node: Any) -> tuple[Any, ...]:
    if node.isnull:
        return ("null",)
    match node.WhichOneof("val"):
        case "ival":
            return ("constant", str(node.ival.ival))
        case "fval":
            return ("constant", str(node.fval.fval))
        case "boolval":
            return ("constant", "true" if node.boolval.boolval else "false")
        case "sval":
            return ("constant", str(node.sval.sval))
        case _:
            return ("bits", str(node.bsval.bsval))


def _structure(message: Message) -> tuple[Any, ...]:
    """Return a message without its places, nodes in it in their normal form."""
    parts: list[Any] = [message.DESCRIPTOR.name]
    for field, value in message.ListFields():
        if field.name in {"location", "funcformat"}:
            continue
        if field.type != FieldDescriptor.TYPE_MESSAGE:
            parts.append((field.name, value if isinstance(value, (str, int, float, bool)) else tuple(value)))
            continue
        below = [value] if isinstance(value, Message) else list(value)
        parts.append((field.name, tuple(_normal(it) if isinstance(it, pb.Node) else _structure(it) for it in below)))
    return tuple(parts)
