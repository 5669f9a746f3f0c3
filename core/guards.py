"""Conditions of IF in DO blocks that ask the catalog whether something exists.

A condition is understood only where every word of it is: one that asks for more is left to the server.
"""

from __future__ import annotations

from typing import Any, Final

import postgast
from google.protobuf.message import DecodeError
from msgspec import Struct
from msgspec.structs import replace
from postgast import pg_query_pb2 as pb

from . import names, tree
from .names import Parts
from .touches import Ref, Test


class _View(Struct, frozen=True, kw_only=True):
    """A catalog or view of it: which of its columns say what."""

    kind: str
    name: str
    schema: str = ""
    member: str = ""
    # columns that may be compared with these constants and add nothing
    harmless: dict[str, frozenset[str]]
    # the column holds a regclass of the relation
    by_oid: str = ""


_TABLE_TYPES: Final = {"table_type": frozenset({"BASE TABLE"}), "table_catalog": frozenset[str]()}
_ATTRIBUTES: Final[dict[str, frozenset[str]]] = {}

_VIEWS: Final = {
    ("information_schema", "tables"): _View(
        kind="table", name="table_name", schema="table_schema", harmless=_TABLE_TYPES
    ),
    ("information_schema", "views"): _View(kind="view", name="table_name", schema="table_schema", harmless={}),
    ("information_schema", "columns"): _View(
        kind="column", name="table_name", schema="table_schema", member="column_name", harmless={}
    ),
    ("information_schema", "table_constraints"): _View(
        kind="constraint", name="table_name", schema="table_schema", member="constraint_name", harmless={}
    ),
    ("information_schema", "schemata"): _View(kind="schema", name="schema_name", harmless={}),
    ("information_schema", "sequences"): _View(
        kind="sequence", name="sequence_name", schema="sequence_schema", harmless={}
    ),
    ("pg_catalog", "pg_tables"): _View(kind="base table", name="tablename", schema="schemaname", harmless={}),
    ("pg_catalog", "pg_views"): _View(kind="view", name="viewname", schema="schemaname", harmless={}),
    ("pg_catalog", "pg_matviews"): _View(
        kind="materialized view", name="matviewname", schema="schemaname", harmless={}
    ),
    ("pg_catalog", "pg_sequences"): _View(kind="sequence", name="sequencename", schema="schemaname", harmless={}),
    ("pg_catalog", "pg_indexes"): _View(kind="index", name="indexname", schema="schemaname", harmless={}),
    ("pg_catalog", "pg_type"): _View(kind="type", name="typname", harmless={"typtype": frozenset("ecdr")}),
    ("pg_catalog", "pg_namespace"): _View(kind="schema", name="nspname", harmless={}),
    ("pg_catalog", "pg_extension"): _View(kind="extension", name="extname", harmless={}),
    ("pg_catalog", "pg_roles"): _View(kind="role", name="rolname", harmless={}),
    ("pg_catalog", "pg_proc"): _View(kind="function", name="proname", harmless={}),
    ("pg_catalog", "pg_constraint"): _View(
        kind="constraint", name="", member="conname", by_oid="conrelid", harmless={"contype": frozenset("pufcx")}
    ),
    ("pg_catalog", "pg_trigger"): _View(kind="trigger", name="", member="tgname", by_oid="tgrelid", harmless={}),
    ("pg_catalog", "pg_attribute"): _View(
        kind="column", name="", member="attname", by_oid="attrelid", harmless=_ATTRIBUTES
    ),
}
# Letters of relkind, sorted and joined, in the words of a reference; none asks for anything of that name.
_RELKINDS: Final = {
    "": "relation",
    "r": "base table",
    "p": "base table",
    "pr": "base table",
    "i": "index",
    "Ii": "index",
    "S": "sequence",
    "v": "view",
    "m": "materialized view",
}
_KINDS_WITHOUT_SCHEMA: Final = frozenset({"schema", "extension", "role"})
_PROBES: Final = {
    "to_regclass": "table",
    "to_regtype": "type",
    "to_regproc": "function",
    "to_regnamespace": "schema",
    "to_regrole": "role",
}


def tests_of(condition: str) -> tuple[Test, ...] | None:
    """Return the tests whose conjunction a condition is; None where it is not understood completely."""
    if not condition:
        return None
    try:
        parsed = postgast.parse(f"SELECT {condition}")
    except (postgast.PgQueryError, DecodeError):
        return None
    if len(parsed.stmts) != 1 or len(parsed.stmts[0].stmt.select_stmt.target_list) != 1:
        return None
    select = parsed.stmts[0].stmt.select_stmt
    if {field.name for field, _ in select.ListFields()} - {"target_list", "limit_option", "op"}:
        return None
    return _tests(select.target_list[0].res_target.val)


def _tests(node: Any) -> tuple[Test, ...] | None:
    match tree.kind(node):
        case "bool_expr" if node.bool_expr.boolop == pb.AND_EXPR:
            found: list[Test] = []
            for item in node.bool_expr.args:
                inner = _tests(item)
                if inner is None:
                    return None
                found.extend(inner)
            return tuple(found)
        case "bool_expr" if node.bool_expr.boolop == pb.NOT_EXPR:
            inner = _tests(node.bool_expr.args[0])
            if inner is None or len(inner) != 1:
                return None
            return (replace(inner[0], holds=not inner[0].holds),)
        case "null_test":
            return _probe(node.null_test)
        case "sub_link" if node.sub_link.sub_link_type == pb.EXISTS_SUBLINK:
            return _exists(node.sub_link.subselect.select_stmt)
        case _:
            return None


def _probe(test: pb.NullTest) -> tuple[Test, ...] | None:
    """`to_regclass('public.sessions') IS NOT NULL`."""
    if tree.kind(test.arg) != "func_call" or len(test.arg.func_call.args) != 1:
        return None
    called = tree.strings(test.arg.func_call.funcname)
    kind = _PROBES.get(called[-1]) if called[:-1] in {(), ("pg_catalog",)} else None
    text = _constant(test.arg.func_call.args[0])
    if kind is None or text is None:
        return None
    try:
        name = names.read(text)
    except ValueError:
        return None
    holds = test.nulltesttype == pb.IS_NOT_NULL
    return (Test(ref=Ref(kind=kind, name=name), holds=holds),)


def _exists(select: Any) -> tuple[Test, ...] | None:
    """`EXISTS (SELECT ... FROM a catalog WHERE column = constant AND ...)`."""
    known = {"target_list", "from_clause", "where_clause", "limit_option", "op", "limit_count"}
    if {field.name for field, _ in select.ListFields()} - known or len(select.from_clause) != 1:
        return None
    if tree.kind(select.from_clause[0]) != "range_var":
        return None
    name = tree.parts(select.from_clause[0].range_var)
    if len(name) == 1:
        name = ("pg_catalog", name[0])
    if name == ("pg_catalog", "pg_class"):
        return _pg_class(select.where_clause)
    view = _VIEWS.get((name[0], name[1]))
    facts = _facts(select.where_clause)
    return None if view is None or facts is None else _of_view(view, facts)


def _of_view(view: _View, facts: dict[str, str]) -> tuple[Test, ...] | None:
    relation: Parts = ()
    if view.by_oid:
        if view.kind == "column":
            # a dropped column keeps its row under another name, so these two add nothing to a name
            facts = {k: v for k, v in facts.items() if k not in {"attisdropped", "attnum"}}
        owner = facts.pop(view.by_oid, None)
        if owner is not None:
            try:
                relation = names.read(owner.removeprefix("regclass:"))
            except ValueError:
                return None
    elif view.name in facts:
        relation = (facts.pop(view.name),)
    schema = facts.pop(view.schema, None) if view.schema else None
    member = facts.pop(view.member, None) if view.member else None
    for column, value in facts.items():
        if value not in view.harmless.get(column, frozenset()):
            return None
    if view.member and member is None:
        return None
    if not relation and not view.by_oid:
        return None
    anywhere = view.kind not in _KINDS_WITHOUT_SCHEMA and len(relation) == 1 and not view.by_oid and schema is None
    if schema is not None and schema != _CURRENT:
        relation = (schema, *relation)
    ref = Ref(kind=view.kind, name=relation, member=member)
    return (Test(ref=ref, anywhere=anywhere or not relation),)


def _pg_class(where: Any) -> tuple[Test, ...] | None:
    facts = _facts(where)
    if facts is None:
        return None
    kinds = facts.pop("relkind", "")
    kind = _RELKINDS.get(kinds)
    if kind is None:
        return None
    if "oid" in facts:
        try:
            name = names.read(facts.pop("oid").removeprefix("regclass:"))
        except ValueError:
            return None
        return None if facts else (Test(ref=Ref(kind=kind, name=name)),)
    if "relname" not in facts:
        return None
    name = (facts.pop("relname"),)
    namespace = facts.pop("relnamespace", "").removeprefix("regnamespace:")
    if facts:
        return None
    return (Test(ref=Ref(kind=kind, name=(namespace, *name) if namespace else name), anywhere=not namespace),)


# Stands for current_schema() among the facts.
_CURRENT: Final = "\0current"


def _facts(where: Any) -> dict[str, str] | None:
    """Return column -> constant of a conjunction of equalities; None where there is anything else."""
    if tree.kind(where) == "":
        return {}
    found: dict[str, str] = {}
    conjunction = tree.kind(where) == "bool_expr" and where.bool_expr.boolop == pb.AND_EXPR
    for item in where.bool_expr.args if conjunction else [where]:
        fact = _fact(item)
        if fact is None or fact[0] in found:
            return None
        found[fact[0]] = fact[1]
    return found


def _fact(node: Any) -> tuple[str, str] | None:
    if tree.kind(node) == "bool_expr" and node.bool_expr.boolop == pb.NOT_EXPR:
        column = _column(node.bool_expr.args[0])
        return ("attisdropped", "false") if column == "attisdropped" else None
    if tree.kind(node) != "a_expr":
        return None
    expression = node.a_expr
    operator = tree.strings(expression.name)
    column = _column(expression.lexpr)
    if column == "attnum" and operator == (">",):
        return ("attnum", "> 0")
    if column is None or operator != ("=",):
        return None
    if expression.kind == pb.AEXPR_OP_ANY:
        # schemaname = ANY (current_schemas(false)): the schemas that a bare name is looked up in
        return (column, _CURRENT) if _is_search_path(expression.rexpr) else None
    if expression.kind == pb.AEXPR_IN and tree.kind(expression.rexpr) == "list":
        values = [_constant(item) for item in expression.rexpr.list.items]
        known = [value for value in values if value is not None]
        return (column, "".join(sorted(known))) if column == "relkind" and len(known) == len(values) else None
    if expression.kind != pb.AEXPR_OP:
        return None
    value = _constant(expression.rexpr)
    return None if value is None else (column, value)


def _is_search_path(node: Any) -> bool:
    return tree.kind(node) == "func_call" and _called(node) == "current_schemas"


def _called(node: Any) -> str:
    return tree.strings(node.func_call.funcname)[-1]


def _column(node: Any) -> str | None:
    if tree.kind(node) == "type_cast":
        return _column(node.type_cast.arg)
    if tree.kind(node) != "column_ref":
        return None
    name = tree.column_names(node.column_ref)
    return name[-1] if name else None


def _constant(node: Any) -> str | None:
    match tree.kind(node):
        case "a_const" if node.a_const.HasField("sval"):
            return str(node.a_const.sval.sval)
        case "type_cast":
            text = _constant(node.type_cast.arg)
            use = tree.strings(node.type_cast.type_name.names)[-1]
            if text is None or use not in {"regclass", "regnamespace"}:
                return text
            return f"{use}:{text}"
        case "func_call" if _called(node) == "to_regclass" and len(node.func_call.args) == 1:
            text = _constant(node.func_call.args[0])
            return None if text is None else f"regclass:{text}"
        case "func_call" if _called(node) == "current_schema":
            return _CURRENT
        case "sqlvalue_function" if node.sqlvalue_function.op == pb.SVFOP_CURRENT_SCHEMA:
            return _CURRENT
        case _:
            return None
