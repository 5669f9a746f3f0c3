"""Walking a statement's parse tree, as libpg_query gives it.

Trees may be deep (a chain of operators is one level each), so nothing here recurses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from msgspec import Struct
from postgast import pg_query_pb2 as pb

from .names import Parts


def kind(node: Any) -> str:
    """Return which node a wrapper holds, as `alter_table_stmt`; empty for None and for an empty wrapper."""
    return (node.WhichOneof("node") or "") if node is not None else ""


def inner(node: Any) -> Any:
    """Return the node inside a wrapper, or None."""
    name = kind(node)
    return getattr(node, name) if name else None


def walk(node: Message, *, stop: frozenset[str] = frozenset()) -> Iterator[Any]:
    """Yield `node` and every message below it, parents first; does not go below the types named in `stop`."""
    if stop:
        return _walk(node, stop)
    if _LATEST.node is not node:
        _LATEST.node, _LATEST.below = node, tuple(_walk(node, stop))
    return iter(_LATEST.below)


class _Walked(Struct):
    """The tree that was walked last: every rule walks through a statement, one after another."""

    node: Message | None = None
    below: tuple[Any, ...] = ()


_LATEST: Final = _Walked()


def _walk(node: Message, stop: frozenset[str]) -> Iterator[Any]:
    stack: list[Message] = [node]
    while stack:
        message = stack.pop()
        name = message.DESCRIPTOR.name
        if name != "Node":
            yield message
        if name in stop:
            continue
        below: list[Message] = []
        for field, value in message.ListFields():
            if field.type != FieldDescriptor.TYPE_MESSAGE:
                continue
            if isinstance(value, Message):
                below.append(value)
            else:
                below.extend(value)
        stack.extend(reversed(below))


def string(node: Any) -> str:
    """Return the text of a String node, an identifier in most lists."""
    return str(node.string.sval)


def strings(nodes: Iterable[Any]) -> Parts:
    """Return the texts of a list of String nodes: a qualified name or a list of columns."""
    return tuple(string(node) for node in nodes)


def parts(relation: Any) -> Parts:
    """Return the name in a RangeVar, without the database's name (it can only be the current one)."""
    if relation.schemaname:
        return (relation.schemaname, relation.relname)
    return (relation.relname,)


def object_parts(node: Any) -> Parts:
    """Return the name in the object of DROP, COMMENT and the like: a list, a type, a function with arguments."""
    match kind(node):
        case "list":
            return strings(node.list.items)
        case "type_name":
            return strings(node.type_name.names)
        case "object_with_args":
            return strings(node.object_with_args.objname)
        case "string":
            return (string(node),)
        case "range_var":
            return parts(node.range_var)
        case _:
            return ()


def option(options: Iterable[Any], name: str, *, default: bool = False) -> bool:
    """Return a boolean option of a parenthesised list, as in REINDEX (CONCURRENTLY)."""
    for item in options:
        element = item.def_elem
        if element.defname != name:
            continue
        match kind(element.arg):
            case "":
                return True
            case "boolean":
                return bool(element.arg.boolean.boolval)
            case "integer":
                return bool(element.arg.integer.ival)
            case _:
                return string(element.arg).lower() in {"true", "on", "1", "yes"}
    return default


def location(node: Any) -> int:
    """Return the byte offset of a node in the parsed text, or -1."""
    return int(getattr(node, "location", -1))


def column_names(node: pb.ColumnRef) -> Parts | None:
    """Return the parts of a column reference, None where it ends with a star."""
    if any(kind(field) != "string" for field in node.fields):
        return None
    return strings(node.fields)


def is_temporary(node: Any) -> bool:
    """Whether a statement makes something temporary."""
    for field_name in ("relation", "view", "sequence"):
        relation = getattr(node, field_name, None)
        if getattr(relation, "relpersistence", "") == "t":
            return True
    into = getattr(node, "into", None)
    return getattr(getattr(into, "rel", None), "relpersistence", "") == "t"


def reads_columns(expression: Any) -> bool:
    """Whether an expression names a column."""
    return any(isinstance(found, pb.ColumnRef) for found in walk(expression))
