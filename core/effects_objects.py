"""Effects of DROP, RENAME, COMMENT, GRANT and of the statements for types, functions, schemas, triggers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from postgast import pg_query_pb2 as pb

from . import tree
from .effects_kinds import KINDS, MEMBERS, named
from .effects_queries import any_relations
from .effects_reading import Reading
from .effects_tables import schema_of
from .names import Parts
from .touches import Act, Ref

_RELATIONS: Final = frozenset({"table", "view", "materialized view", "index", "sequence"})


def drop(reading: Reading, node: pb.DropStmt) -> None:
    """DROP of anything but roles, databases and tablespaces."""
    cascade = node.behavior == pb.DROP_CASCADE
    member = MEMBERS.get(node.remove_type)
    kind = KINDS.get(node.remove_type)
    for item in node.objects:
        name = named(node.remove_type, item)
        if member is not None and len(name) > 1:
            reading.touch(Act.CHANGE, Ref(kind="table", name=name[:-1]), guarded=node.missing_ok)
            reading.member(Act.DROP, member, name[:-1], name[-1], guarded=node.missing_ok)
        elif kind is not None and name:
            reading.touch(Act.DROP, Ref(kind=kind, name=name), guarded=node.missing_ok, cascade=cascade)


def rename(reading: Reading, node: pb.RenameStmt) -> None:
    """ALTER ... RENAME."""
    kind = KINDS.get(node.rename_type)
    member = {pb.OBJECT_ATTRIBUTE: None, **MEMBERS}.get(node.rename_type)
    if member is not None:
        table = reading.relation(Act.CHANGE, node.relation, guarded=node.missing_ok)
        if node.subname:
            reading.member(
                Act.CHANGE, member, table, node.subname, node.relation, renamed=node.newname, guarded=node.missing_ok
            )
    elif kind in _RELATIONS and node.HasField("relation"):
        reading.relation(Act.CHANGE, node.relation, kind=kind, renamed=node.newname, guarded=node.missing_ok)
    elif kind is not None:
        name = named(node.rename_type, node.object) or ((node.subname,) if node.subname else ())
        if name:
            reading.touch(Act.CHANGE, Ref(kind=kind, name=name), renamed=node.newname, guarded=node.missing_ok)


def set_schema(reading: Reading, node: pb.AlterObjectSchemaStmt) -> None:
    """ALTER ... SET SCHEMA."""
    reading.touch(Act.NEED, Ref(kind="schema", name=(node.newschema,)))
    kind = KINDS.get(node.object_type)
    if node.HasField("relation"):
        reading.relation(Act.CHANGE, node.relation, kind=kind or "table", moved=node.newschema, guarded=node.missing_ok)
    elif kind is not None and (name := named(node.object_type, node.object)):
        reading.touch(Act.CHANGE, Ref(kind=kind, name=name), moved=node.newschema, guarded=node.missing_ok)


def set_owner(reading: Reading, node: pb.AlterOwnerStmt) -> None:
    """ALTER ... OWNER TO, for what is not a relation."""
    reading.role(node.newowner)
    kind = KINDS.get(node.object_type)
    if kind is not None and (name := named(node.object_type, node.object)):
        reading.touch(Act.CHANGE, Ref(kind=kind, name=name))


def comment(reading: Reading, node: Any) -> None:
    """COMMENT ON and SECURITY LABEL ON."""
    name = named(node.objtype, node.object)
    kind, member = KINDS.get(node.objtype), MEMBERS.get(node.objtype)
    if member is not None and len(name) > 1:
        reading.member(Act.CHANGE, member, name[:-1], name[-1])
    elif kind is not None and name:
        reading.touch(Act.CHANGE, Ref(kind=kind, name=name))


def create_schema(reading: Reading, node: pb.CreateSchemaStmt) -> None:
    """CREATE SCHEMA."""
    name = node.schemaname or (node.authrole.rolename if node.HasField("authrole") else "")
    if node.HasField("authrole"):
        reading.role(node.authrole)
    if name:
        reading.touch(Act.MAKE, Ref(kind="schema", name=(name,)), guarded=node.if_not_exists)
    for item in node.schema_elts:
        reading.read(reading, _in_schema(item, name))


def _in_schema(node: Any, schema: str) -> Any:
    """Return a statement of CREATE SCHEMA with what it makes in that schema."""
    copy = type(node)()
    copy.CopyFrom(node)
    inner = tree.inner(copy)
    for name in ("relation", "view", "sequence"):
        target = getattr(inner, name, None)
        if isinstance(target, pb.RangeVar) and not target.schemaname:
            target.schemaname = schema
    return copy


def create_extension(reading: Reading, node: pb.CreateExtensionStmt) -> None:
    """CREATE EXTENSION; what it brings along is known to the server alone."""
    reading.touch(Act.MAKE, Ref(kind="extension", name=(node.extname,)), guarded=node.if_not_exists)
    for item in node.options:
        if item.def_elem.defname == "schema":
            reading.touch(Act.NEED, Ref(kind="schema", name=(tree.string(item.def_elem.arg),)))


def alter_extension(reading: Reading, node: Any) -> None:
    """ALTER EXTENSION, also ADD and DROP of what it holds."""
    reading.touch(Act.CHANGE, Ref(kind="extension", name=(node.extname,)))
    kind = KINDS.get(node.objtype) if isinstance(node, pb.AlterExtensionContentsStmt) else None
    name = named(node.objtype, node.object) if kind is not None else ()
    if kind is not None and name:
        reading.touch(Act.NEED, Ref(kind=kind, name=name))


def depends(reading: Reading, node: pb.AlterObjectDependsStmt) -> None:
    """ALTER ... DEPENDS ON EXTENSION."""
    reading.touch(Act.NEED, Ref(kind="extension", name=(node.extname.sval,)))
    member, kind = MEMBERS.get(node.object_type), KINDS.get(node.object_type)
    if node.HasField("relation"):
        table = reading.relation(Act.CHANGE, node.relation, kind=kind or "table")
        name = named(node.object_type, node.object)
        if member is not None and name:
            reading.member(Act.CHANGE, member, table, name[-1], node.relation)
    elif kind is not None and (name := named(node.object_type, node.object)):
        reading.touch(Act.CHANGE, Ref(kind=kind, name=name))


def create_sequence(reading: Reading, node: pb.CreateSeqStmt) -> None:
    """CREATE SEQUENCE."""
    schema_of(reading, node.sequence)
    reading.relation(Act.MAKE, node.sequence, kind="sequence", guarded=node.if_not_exists)
    _owned_by(reading, node.sequence, node.options)


def alter_sequence(reading: Reading, node: pb.AlterSeqStmt) -> None:
    """ALTER SEQUENCE."""
    reading.relation(Act.CHANGE, node.sequence, kind="sequence", guarded=node.missing_ok)
    _owned_by(reading, node.sequence, node.options)


def _owned_by(reading: Reading, sequence: Any, options: Any) -> None:
    for item in options:
        if item.def_elem.defname == "owned_by" and tree.kind(item.def_elem.arg) == "list":
            name = tree.strings(item.def_elem.arg.list.items)
            if len(name) > 1:
                reading.touch(Act.NEED, Ref(kind="table", name=name[:-1]))
                reading.member(Act.NEED, "column", name[:-1], name[-1])
                ref = Ref(kind="sequence", name=tree.parts(sequence))
                reading.touch(Act.CHANGE, ref, sequence, other=name[:-1], columns=name[-1:], detail="owned")


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
        reading.role(item.role_spec)
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


HANDLERS: Final[dict[str, Callable[[Reading, Any], None]]] = {
    "drop_stmt": drop,
    "rename_stmt": rename,
    "alter_object_schema_stmt": set_schema,
    "alter_owner_stmt": set_owner,
    "comment_stmt": comment,
    "sec_label_stmt": comment,
    "create_schema_stmt": create_schema,
    "create_extension_stmt": create_extension,
    "alter_extension_stmt": alter_extension,
    "alter_extension_contents_stmt": alter_extension,
    "alter_object_depends_stmt": depends,
    "create_seq_stmt": create_sequence,
    "alter_seq_stmt": alter_sequence,
    "create_enum_stmt": create_enum,
    "create_range_stmt": create_range,
    "composite_type_stmt": create_composite,
    "create_domain_stmt": create_domain,
    "create_trig_stmt": create_trigger,
    "rule_stmt": create_rule,
    "create_policy_stmt": policy,
    "alter_policy_stmt": policy,
    "reindex_stmt": reindex,
    "explain_stmt": explain,
}
