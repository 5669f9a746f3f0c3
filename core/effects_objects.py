"""Effects of DROP, RENAME, COMMENT, GRANT and of the statements for types, functions, schemas, triggers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from postgast import pg_query_pb2 as pb

from . import tree
from .effects_queries import any_relations
from .effects_reading import Reading
from .effects_tables import role, schema_of
from .names import Parts
from .touches import Act, Ref

# Objects with a name of their own, in a schema or in the database.
_KINDS: Final = {
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
}
# Objects that belong to a relation: the last name is their own.
_MEMBERS: Final = {
    pb.OBJECT_COLUMN: "column",
    pb.OBJECT_TABCONSTRAINT: "constraint",
    pb.OBJECT_TRIGGER: "trigger",
    pb.OBJECT_POLICY: "policy",
    pb.OBJECT_RULE: "rule",
}
_RELATIONS: Final = frozenset({"table", "view", "materialized view", "index", "sequence"})


def drop(reading: Reading, node: pb.DropStmt) -> None:
    """DROP of anything but roles, databases and tablespaces."""
    cascade = node.behavior == pb.DROP_CASCADE
    member = _MEMBERS.get(node.remove_type)
    kind = _KINDS.get(node.remove_type)
    for item in node.objects:
        name = tree.object_parts(item)
        if member is not None and len(name) > 1:
            reading.touch(Act.CHANGE, Ref(kind="table", name=name[:-1]), guarded=node.missing_ok)
            reading.member(Act.DROP, member, name[:-1], name[-1], guarded=node.missing_ok)
        elif kind is not None and name:
            reading.touch(Act.DROP, Ref(kind=kind, name=name), guarded=node.missing_ok, cascade=cascade)


def rename(reading: Reading, node: pb.RenameStmt) -> None:
    """ALTER ... RENAME."""
    kind = _KINDS.get(node.rename_type)
    member = {pb.OBJECT_ATTRIBUTE: None, **_MEMBERS}.get(node.rename_type)
    if member is not None:
        table = reading.relation(Act.CHANGE, node.relation, guarded=node.missing_ok)
        if node.subname:
            reading.member(
                Act.CHANGE, member, table, node.subname, node.relation, renamed=node.newname, guarded=node.missing_ok
            )
    elif kind in _RELATIONS and node.HasField("relation"):
        reading.relation(Act.CHANGE, node.relation, kind=kind, renamed=node.newname, guarded=node.missing_ok)
    elif kind is not None:
        named = tree.object_parts(node.object) or ((node.subname,) if node.subname else ())
        if named:
            reading.touch(Act.CHANGE, Ref(kind=kind, name=named), renamed=node.newname, guarded=node.missing_ok)


def set_schema(reading: Reading, node: pb.AlterObjectSchemaStmt) -> None:
    """ALTER ... SET SCHEMA."""
    reading.touch(Act.NEED, Ref(kind="schema", name=(node.newschema,)))
    kind = _KINDS.get(node.object_type)
    if node.HasField("relation"):
        reading.relation(Act.CHANGE, node.relation, kind=kind or "table", moved=node.newschema, guarded=node.missing_ok)
    elif kind is not None and (named := tree.object_parts(node.object)):
        reading.touch(Act.CHANGE, Ref(kind=kind, name=named), moved=node.newschema, guarded=node.missing_ok)


def set_owner(reading: Reading, node: pb.AlterOwnerStmt) -> None:
    """ALTER ... OWNER TO, for what is not a relation."""
    role(reading, node.newowner)
    kind = _KINDS.get(node.object_type)
    if kind is not None and (named := tree.object_parts(node.object)):
        reading.touch(Act.CHANGE, Ref(kind=kind, name=named))


def comment(reading: Reading, node: pb.CommentStmt) -> None:
    """COMMENT ON."""
    name = tree.object_parts(node.object)
    kind, member = _KINDS.get(node.objtype), _MEMBERS.get(node.objtype)
    if member is not None and len(name) > 1:
        reading.member(Act.CHANGE, member, name[:-1], name[-1])
    elif kind is not None and name:
        reading.touch(Act.CHANGE, Ref(kind=kind, name=name))


def grant(reading: Reading, node: pb.GrantStmt) -> None:
    """GRANT and REVOKE."""
    kind = _KINDS.get(node.objtype)
    if node.targtype == pb.ACL_TARGET_ALL_IN_SCHEMA:
        kind = "schema"
    for item in node.objects:
        name = tree.object_parts(item)
        if kind is not None and name:
            place = item.range_var if tree.kind(item) == "range_var" else None
            reading.touch(Act.CHANGE, Ref(kind=kind, name=name), place, detail="rights")
    for item in node.grantees:
        role(reading, item.role_spec)


def create_schema(reading: Reading, node: pb.CreateSchemaStmt) -> None:
    """CREATE SCHEMA."""
    name = node.schemaname or (node.authrole.rolename if node.HasField("authrole") else "")
    if node.HasField("authrole"):
        role(reading, node.authrole)
    if name:
        reading.touch(Act.MAKE, Ref(kind="schema", name=(name,)), guarded=node.if_not_exists)


def create_extension(reading: Reading, node: pb.CreateExtensionStmt) -> None:
    """CREATE EXTENSION; what it brings along is known to the server alone."""
    reading.touch(Act.MAKE, Ref(kind="extension", name=(node.extname,)), guarded=node.if_not_exists)
    for item in node.options:
        if item.def_elem.defname == "schema":
            reading.touch(Act.NEED, Ref(kind="schema", name=(tree.string(item.def_elem.arg),)))


def create_sequence(reading: Reading, node: pb.CreateSeqStmt) -> None:
    """CREATE SEQUENCE."""
    schema_of(reading, node.sequence)
    reading.relation(Act.MAKE, node.sequence, kind="sequence", guarded=node.if_not_exists)
    _owned_by(reading, node.options)


def alter_sequence(reading: Reading, node: pb.AlterSeqStmt) -> None:
    """ALTER SEQUENCE."""
    reading.relation(Act.CHANGE, node.sequence, kind="sequence", guarded=node.missing_ok)
    _owned_by(reading, node.options)


def _owned_by(reading: Reading, options: Any) -> None:
    for item in options:
        if item.def_elem.defname == "owned_by" and tree.kind(item.def_elem.arg) == "list":
            name = tree.strings(item.def_elem.arg.list.items)
            if len(name) > 1:
                reading.touch(Act.NEED, Ref(kind="table", name=name[:-1]))
                reading.member(Act.NEED, "column", name[:-1], name[-1])


def _make_type(reading: Reading, name: Parts, detail: str) -> None:
    if len(name) > 1:
        reading.touch(Act.NEED, Ref(kind="schema", name=name[:-1]))
    reading.touch(Act.MAKE, Ref(kind="type", name=name), detail=detail)


def create_enum(reading: Reading, node: pb.CreateEnumStmt) -> None:
    """CREATE TYPE ... AS ENUM."""
    _make_type(reading, tree.strings(node.type_name), "enum")


def create_range(reading: Reading, node: pb.CreateRangeStmt) -> None:
    """CREATE TYPE ... AS RANGE."""
    _make_type(reading, tree.strings(node.type_name), "range")


def create_composite(reading: Reading, node: pb.CompositeTypeStmt) -> None:
    """CREATE TYPE ... AS (...)."""
    for item in node.coldeflist:
        reading.type(item.column_def.type_name)
    _make_type(reading, tree.parts(node.typevar), "composite")


def create_domain(reading: Reading, node: pb.CreateDomainStmt) -> None:
    """CREATE DOMAIN."""
    reading.type(node.type_name)
    limiting = {pb.CONSTR_CHECK, pb.CONSTR_NOTNULL}
    constrained = any(item.constraint.contype in limiting for item in node.constraints)
    _make_type(reading, tree.strings(node.domainname), "constrained domain" if constrained else "domain")


def alter_type(reading: Reading, node: Any) -> None:
    """ALTER TYPE ... ADD VALUE and its like, ALTER DOMAIN."""
    reading.touch(Act.CHANGE, Ref(kind="type", name=tree.strings(node.type_name)))


def create_function(reading: Reading, node: pb.CreateFunctionStmt) -> None:
    """CREATE FUNCTION and PROCEDURE."""
    for item in node.parameters:
        reading.type(item.function_parameter.arg_type)
    if node.HasField("return_type"):
        reading.type(node.return_type)
    name = tree.strings(node.funcname)
    if len(name) > 1:
        reading.touch(Act.NEED, Ref(kind="schema", name=name[:-1]))
    # another signature is another function: an existing name alone is no conflict
    volatile = not any(
        item.def_elem.defname == "volatility" and tree.string(item.def_elem.arg) != "volatile" for item in node.options
    )
    reading.touch(Act.MAKE, Ref(kind="function", name=name), replace=True, detail="volatile" if volatile else "")


def create_trigger(reading: Reading, node: pb.CreateTrigStmt) -> None:
    """CREATE TRIGGER."""
    table = reading.relation(Act.CHANGE, node.relation)
    reading.touch(Act.NEED, Ref(kind="function", name=tree.strings(node.funcname)), node.relation)
    for column in tree.strings(node.columns):
        reading.member(Act.NEED, "column", table, column, node.relation)
    reading.member(Act.MAKE, "trigger", table, node.trigname, node.relation, replace=node.replace)


def create_rule(reading: Reading, node: Any) -> None:
    """CREATE RULE."""
    reading.relation(Act.CHANGE, node.relation)
    for action in node.actions:
        for item in tree.walk(action):
            if isinstance(item, pb.RangeVar) and item.relname not in {"old", "new"} and item.relname:
                reading.relation(Act.NEED, item)


def policy(reading: Reading, node: Any) -> None:
    """CREATE POLICY and ALTER POLICY."""
    reading.relation(Act.CHANGE, node.table)
    for item in node.roles:
        role(reading, item.role_spec)
    for expression in (node.qual, node.with_check):
        any_relations(reading, expression)


def reindex(reading: Reading, node: pb.ReindexStmt) -> None:
    """REINDEX of an index or a table."""
    if not node.HasField("relation"):
        return
    kind = "index" if node.kind == pb.REINDEX_OBJECT_INDEX else "table"
    reading.relation(Act.CHANGE, node.relation, kind=kind)


def explain(reading: Reading, node: pb.ExplainStmt) -> None:
    """EXPLAIN, which runs the statement where it says ANALYZE."""
    any_relations(reading, node.query)


def create_role(reading: Reading, node: pb.CreateRoleStmt) -> None:
    """CREATE ROLE."""
    reading.touch(Act.MAKE, Ref(kind="role", name=(node.role,)))


def drop_role(reading: Reading, node: pb.DropRoleStmt) -> None:
    """DROP ROLE."""
    for item in node.roles:
        if item.role_spec.rolename:
            reading.touch(Act.DROP, Ref(kind="role", name=(item.role_spec.rolename,)), guarded=node.missing_ok)


def nothing(_reading: Reading, _node: Any) -> None:
    """SET, SHOW, NOTIFY and the like touch no object of the schema."""


HANDLERS: Final[dict[str, Callable[[Reading, Any], None]]] = {
    "drop_stmt": drop,
    "rename_stmt": rename,
    "alter_object_schema_stmt": set_schema,
    "alter_owner_stmt": set_owner,
    "comment_stmt": comment,
    "grant_stmt": grant,
    "create_schema_stmt": create_schema,
    "create_extension_stmt": create_extension,
    "create_seq_stmt": create_sequence,
    "alter_seq_stmt": alter_sequence,
    "create_enum_stmt": create_enum,
    "create_range_stmt": create_range,
    "composite_type_stmt": create_composite,
    "create_domain_stmt": create_domain,
    "alter_enum_stmt": alter_type,
    "alter_domain_stmt": alter_type,
    "create_function_stmt": create_function,
    "create_trig_stmt": create_trigger,
    "rule_stmt": create_rule,
    "create_policy_stmt": policy,
    "alter_policy_stmt": policy,
    "reindex_stmt": reindex,
    "explain_stmt": explain,
    "create_role_stmt": create_role,
    "drop_role_stmt": drop_role,
    "variable_set_stmt": nothing,
}
