"""OBJECT_* of the grammar in the words of a reference."""

from __future__ import annotations

from typing import Any, Final

from postgast import pg_query_pb2 as pb

from . import tree
from .names import Parts
from .typenames import type_of

# Objects with a name of their own, in a schema or in the database.
KINDS: Final = {
    pb.OBJECT_TABLE: "table",
    pb.OBJECT_FOREIGN_TABLE: "table",
    pb.OBJECT_VIEW: "view",
    pb.OBJECT_MATVIEW: "materialized view",
    pb.OBJECT_INDEX: "index",
    pb.OBJECT_SEQUENCE: "sequence",
    pb.OBJECT_TYPE: "type",
    pb.OBJECT_DOMAIN: "type",
    pb.OBJECT_SCHEMA: "schema",
    pb.OBJECT_EXTENSION: "extension",
    pb.OBJECT_FUNCTION: "function",
    pb.OBJECT_PROCEDURE: "function",
    pb.OBJECT_ROUTINE: "function",
    pb.OBJECT_AGGREGATE: "function",
    pb.OBJECT_ROLE: "role",
    pb.OBJECT_ACCESS_METHOD: "access method",
    pb.OBJECT_COLLATION: "collation",
    pb.OBJECT_CONVERSION: "conversion",
    pb.OBJECT_DATABASE: "database",
    pb.OBJECT_EVENT_TRIGGER: "event trigger",
    pb.OBJECT_FDW: "foreign-data wrapper",
    pb.OBJECT_FOREIGN_SERVER: "server",
    pb.OBJECT_LANGUAGE: "language",
    pb.OBJECT_OPCLASS: "operator class",
    pb.OBJECT_OPERATOR: "operator",
    pb.OBJECT_OPFAMILY: "operator family",
    pb.OBJECT_PUBLICATION: "publication",
    pb.OBJECT_STATISTIC_EXT: "statistics",
    pb.OBJECT_SUBSCRIPTION: "subscription",
    pb.OBJECT_TABLESPACE: "tablespace",
    pb.OBJECT_TSCONFIGURATION: "text search configuration",
    pb.OBJECT_TSDICTIONARY: "text search dictionary",
    pb.OBJECT_TSPARSER: "text search parser",
    pb.OBJECT_TSTEMPLATE: "text search template",
    pb.OBJECT_CAST: "cast",
    pb.OBJECT_TRANSFORM: "transform",
    pb.OBJECT_USER_MAPPING: "user mapping",
    pb.OBJECT_LARGEOBJECT: "large object",
}
# Objects that belong to a relation: the last name is their own.
MEMBERS: Final = {
    pb.OBJECT_COLUMN: "column",
    pb.OBJECT_TABCONSTRAINT: "constraint",
    pb.OBJECT_TRIGGER: "trigger",
    pb.OBJECT_POLICY: "policy",
    pb.OBJECT_RULE: "rule",
}
_BY_METHOD: Final = frozenset({pb.OBJECT_OPCLASS, pb.OBJECT_OPFAMILY})


def named(objtype: int, node: Any) -> Parts:
    """Return the name of an object in DROP, COMMENT, ALTER ... OWNER and the like; empty where it has none."""
    if objtype in _BY_METHOD and tree.kind(node) == "list":
        # the access method comes first
        return tree.strings(node.list.items)[1:]
    if objtype == pb.OBJECT_CAST and tree.kind(node) == "list":
        return (cast_name(*(item.type_name for item in node.list.items)),)
    if objtype == pb.OBJECT_TRANSFORM and tree.kind(node) == "list":
        return (f"{_type(node.list.items[0].type_name)} FOR {tree.string(node.list.items[1])}",)
    if objtype == pb.OBJECT_DOMCONSTRAINT and tree.kind(node) == "list":
        return tree.strings(node.list.items[0].type_name.names)
    if objtype == pb.OBJECT_LARGEOBJECT:
        return ()
    return tree.object_parts(node)


def cast_name(source: Any, target: Any) -> str:
    """Return `integer AS text`."""
    return f"{_type(source)} AS {_type(target)}"


def _type(node: Any) -> str:
    use = type_of(node)
    return str(use) if use is not None else "?"
