"""Effects of CREATE TABLE, ALTER TABLE and CREATE INDEX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace
from postgast import pg_query_pb2 as pb

from . import tree
from .default_names import object_name
from .effects_constraints import constraint, mentioned
from .effects_reading import Reading
from .names import Parts
from .touches import Act, Ref, Test
from .typenames import TypeUse, type_of

# Subcommands with an IF [NOT] EXISTS of their own, which may leave them nothing to do.
_GUARDABLE: Final = frozenset({pb.AT_AddColumn, pb.AT_DropColumn, pb.AT_DropConstraint, pb.AT_AlterColumnType})

_OF_COLUMN: Final = frozenset({
    pb.AT_ColumnDefault, pb.AT_DropNotNull, pb.AT_SetStatistics, pb.AT_SetOptions, pb.AT_ResetOptions,
    pb.AT_SetStorage, pb.AT_SetCompression, pb.AT_SetIdentity,
    pb.AT_DropExpression, pb.AT_SetExpression,
})  # fmt: skip


def create_table(reading: Reading, node: pb.CreateStmt) -> None:
    """CREATE TABLE, also PARTITION OF and INHERITS."""
    schema_of(reading, node.relation)
    parents = [item.range_var for item in node.inh_relations]
    for parent in parents:
        reading.relation(Act.NEED, parent)
    detail = "partition" if node.HasField("partbound") else "inherits" if parents else ""
    if not detail and node.HasField("partspec"):
        detail = "partitioned"
    if node.HasField("of_typename"):
        reading.type(node.of_typename)
        detail = "typed"
    name = reading.relation(
        Act.MAKE,
        node.relation,
        guarded=node.if_not_exists,
        detail=detail,
        other=tree.parts(parents[0]) if parents else None,
    )
    for parent in parents[1:]:
        reading.touch(
            Act.CHANGE, Ref(kind="table", name=name), node.relation, detail="inherit", other=tree.parts(parent)
        )
    later: list[tuple[Any, tuple[str, ...] | None]] = []
    for item in node.table_elts:
        match tree.kind(item):
            case "column_def":
                column = item.column_def
                _column(reading, name, column, guarded=node.if_not_exists)
                later.extend((c.constraint, (column.colname,)) for c in column.constraints)
            case "constraint":
                later.append((item.constraint, None))
            case "table_like_clause":
                like = item.table_like_clause.relation
                reading.relation(Act.NEED, like)
                reading.touch(
                    Act.CHANGE, Ref(kind="table", name=name), node.relation, detail="like", other=tree.parts(like)
                )
    start = len(reading.gather.touches)
    for item in node.table_elts:
        if tree.kind(item) == "column_def":
            _own_sequence(reading, name, item.column_def)
    for item, columns in later:
        constraint(reading, name, item, columns=columns, fresh=True)
    if node.if_not_exists:
        _guard_from(reading, start, Test(ref=Ref(kind="table", name=name), holds=False))


def schema_of(reading: Reading, relation: Any) -> None:
    """Need the schema that a new relation goes into, where it is named."""
    if relation.schemaname and relation.schemaname != "pg_temp":
        reading.touch(Act.NEED, Ref(kind="schema", name=(relation.schemaname,)), relation)


def _is_not_null(column: Any, use: TypeUse | None) -> bool:
    implied = {pb.CONSTR_NOTNULL, pb.CONSTR_PRIMARY, pb.CONSTR_IDENTITY}
    return bool(use and use.serial) or any(c.constraint.contype in implied for c in column.constraints)


def _column(reading: Reading, table: Parts, column: Any, *, guarded: bool) -> TypeUse | None:
    use = reading.type(column.type_name)
    reading.member(
        Act.MAKE, "column", table, column.colname, column, guarded=guarded, type=use, not_null=_is_not_null(column, use)
    )
    return use


def _own_sequence(reading: Reading, table: Parts, column: Any) -> None:
    """Make the sequence that a serial or identity column owns."""
    use = type_of(column.type_name)
    identity = next((c.constraint for c in column.constraints if c.constraint.contype == pb.CONSTR_IDENTITY), None)
    if identity is not None or (use is not None and use.serial):
        _sequence_of(reading, table, column.colname, identity, column)


def _sequence_of(reading: Reading, table: Parts, column: str, identity: Any, node: Any) -> None:
    options = identity.options if identity is not None else ()
    said = [tree.strings(item.def_elem.arg.list.items) for item in options if item.def_elem.defname == "sequence_name"]
    name = said[0] if said else (*table[:-1], object_name(table[-1], column, "seq"))
    reading.touch(
        Act.MAKE,
        Ref(kind="sequence", name=name),
        node,
        other=table,
        columns=(column,),
        implied=True,
        replace=not said,
    )


def alter_table(reading: Reading, node: pb.AlterTableStmt) -> None:
    """ALTER TABLE and its subcommands; also ALTER INDEX, VIEW, SEQUENCE with the same tree."""
    kind = {
        pb.OBJECT_INDEX: "index",
        pb.OBJECT_VIEW: "view",
        pb.OBJECT_SEQUENCE: "sequence",
        pb.OBJECT_TYPE: "type",
    }.get(node.objtype, "table")
    name = reading.relation(Act.CHANGE, node.relation, kind=kind, guarded=node.missing_ok)
    start = len(reading.gather.touches)
    for item in node.cmds:
        command = item.alter_table_cmd
        if kind == "type":
            _attribute(reading, command)
            continue
        if command.subtype not in _GUARDABLE:
            reading.touch(Act.CHANGE, Ref(kind=kind, name=name), node.relation, detail="alter")
        handler = _SUBCOMMANDS.get(command.subtype)
        if handler is not None:
            handler(reading, name, command, node.relation)
        elif command.subtype in _OF_COLUMN:
            reading.member(Act.CHANGE, "column", name, command.name, node.relation)
    if node.missing_ok:
        _guard_from(reading, start, Test(ref=Ref(kind=kind, name=name)))


def _guard_from(reading: Reading, start: int, test: Test) -> None:
    """Let what was added since `start` happen only where `test` holds before the statement."""
    touches = reading.gather.touches
    touches[start:] = [replace(touch, tests=(*touch.tests, test)) for touch in touches[start:]]


def _definition(command: Any) -> Any:
    return getattr(command, "def")


def _attribute(reading: Reading, command: Any) -> None:
    definition = _definition(command)
    if tree.kind(definition) == "column_def" and definition.column_def.HasField("type_name"):
        reading.type(definition.column_def.type_name)


def _add_column(reading: Reading, table: Parts, command: Any, _node: Any) -> None:
    column = _definition(command).column_def
    _column(reading, table, column, guarded=command.missing_ok)
    start = len(reading.gather.touches)
    _own_sequence(reading, table, column)
    for item in column.constraints:
        constraint(reading, table, item.constraint, columns=(column.colname,))
    if command.missing_ok:
        _guard_from(reading, start, Test(ref=Ref(kind="column", name=table, member=column.colname), holds=False))


def _drop_column(reading: Reading, table: Parts, command: Any, node: Any) -> None:
    reading.member(
        Act.DROP,
        "column",
        table,
        command.name,
        node,
        guarded=command.missing_ok,
        cascade=command.behavior == pb.DROP_CASCADE,
    )


def _column_type(reading: Reading, table: Parts, command: Any, node: Any) -> None:
    definition = _definition(command).column_def
    use = reading.type(definition.type_name)
    # the same type may come with other values, or in another order
    detail = "using" if definition.HasField("raw_default") or definition.HasField("coll_clause") else ""
    reading.member(Act.CHANGE, "column", table, command.name, node, type=use, detail=detail)


def _set_not_null(reading: Reading, table: Parts, command: Any, node: Any) -> None:
    reading.member(Act.CHANGE, "column", table, command.name, node, not_null=True)


def _drop_not_null(reading: Reading, table: Parts, command: Any, node: Any) -> None:
    reading.member(Act.CHANGE, "column", table, command.name, node, not_null=False)


def _set_expression(reading: Reading, table: Parts, command: Any, node: Any) -> None:
    reading.member(Act.CHANGE, "column", table, command.name, node)


def _add_constraint(reading: Reading, table: Parts, command: Any, _node: Any) -> None:
    constraint(reading, table, _definition(command).constraint)


def _drop_constraint(reading: Reading, table: Parts, command: Any, node: Any) -> None:
    cascade = command.behavior == pb.DROP_CASCADE
    reading.member(Act.DROP, "constraint", table, command.name, node, guarded=command.missing_ok, cascade=cascade)


def _add_identity(reading: Reading, table: Parts, command: Any, node: Any) -> None:
    reading.member(Act.CHANGE, "column", table, command.name, node)
    _sequence_of(reading, table, command.name, _definition(command).constraint, node)


def _drop_identity(reading: Reading, table: Parts, command: Any, node: Any) -> None:
    reading.member(Act.CHANGE, "column", table, command.name, node, detail="no identity")


def _alter_constraint(reading: Reading, table: Parts, command: Any, node: Any) -> None:
    definition = _definition(command)
    name = command.name
    if not name and tree.kind(definition) == "atalter_constraint":
        name = definition.atalter_constraint.conname
    if not name and tree.kind(definition) == "constraint":
        name = definition.constraint.conname
    if name:
        reading.member(Act.CHANGE, "constraint", table, name, node)


def _validate(reading: Reading, table: Parts, command: Any, node: Any) -> None:
    reading.member(Act.CHANGE, "constraint", table, command.name, node, detail="validate")


def _attach(reading: Reading, table: Parts, command: Any, node: Any) -> None:
    child = reading.relation(Act.CHANGE, _definition(command).partition_cmd.name)
    reading.touch(Act.CHANGE, Ref(kind="relation", name=table), node, detail="attach", other=child)


def _detach(reading: Reading, table: Parts, command: Any, node: Any) -> None:
    child = reading.relation(Act.CHANGE, _definition(command).partition_cmd.name)
    reading.touch(Act.CHANGE, Ref(kind="relation", name=table), node, detail="detach", other=child)


def _owner(reading: Reading, _table: Parts, command: Any, node: Any) -> None:
    reading.role(command.newowner, node)


def _trigger(reading: Reading, table: Parts, command: Any, node: Any) -> None:
    reading.member(Act.CHANGE, "trigger", table, command.name, node)


_SUBCOMMANDS: Final[dict[int, Callable[[Reading, Parts, Any, Any], None]]] = {
    pb.AT_AddColumn: _add_column,
    pb.AT_DropColumn: _drop_column,
    pb.AT_AlterColumnType: _column_type,
    pb.AT_SetNotNull: _set_not_null,
    pb.AT_DropNotNull: _drop_not_null,
    pb.AT_AddIdentity: _add_identity,
    pb.AT_DropIdentity: _drop_identity,
    pb.AT_SetExpression: _set_expression,
    pb.AT_AddConstraint: _add_constraint,
    pb.AT_DropConstraint: _drop_constraint,
    pb.AT_AlterConstraint: _alter_constraint,
    pb.AT_ValidateConstraint: _validate,
    pb.AT_AttachPartition: _attach,
    pb.AT_DetachPartition: _detach,
    pb.AT_DetachPartitionFinalize: _detach,
    pb.AT_ChangeOwner: _owner,
    pb.AT_EnableTrig: _trigger,
    pb.AT_EnableAlwaysTrig: _trigger,
    pb.AT_EnableReplicaTrig: _trigger,
    pb.AT_DisableTrig: _trigger,
}


def _label(expression: Any) -> str:
    """Return what stands for an expression in the name of an index: the function that is called, if any is."""
    while tree.kind(expression) in {"type_cast", "collate_clause"}:
        expression = tree.inner(expression).arg
    match tree.kind(expression):
        case "func_call":
            return tree.strings(expression.func_call.funcname)[-1]
        case "coalesce_expr":
            return "coalesce"
        case _:
            return "expr"


def create_index(reading: Reading, node: pb.IndexStmt) -> None:
    """CREATE INDEX; an index is in the schema of its table."""
    table = reading.relation(Act.NEED, node.relation)
    keys = [item.index_elem for item in node.index_params]
    for key in [*keys, *(item.index_elem for item in node.index_including_params)]:
        if key.name:
            reading.member(Act.NEED, "column", table, key.name, node.relation)
    for expression in (*(key.expr for key in keys), node.where_clause):
        for found in tree.walk(expression):
            name = tree.column_names(found) if isinstance(found, pb.ColumnRef) else None
            if name is not None and len(name) == 1:
                reading.member(Act.NEED, "column", table, name[0], found)
    plain = tuple(key.name for key in keys) if all(key.name for key in keys) else None
    index = node.idxname or object_name(table[-1], "_".join(key.name or _label(key.expr) for key in keys), "idx")
    others = [item.index_elem.name for item in node.index_including_params]
    for expression in (*(key.expr for key in keys), node.where_clause):
        others.extend(mentioned(expression))
    others.extend(key.name for key in keys if plain is None and key.name)
    reading.touch(
        Act.MAKE,
        Ref(kind="index", name=(*table[:-1], index)),
        node.relation,
        guarded=node.if_not_exists,
        replace=not node.idxname,
        columns=plain,
        mentions=tuple(dict.fromkeys(others)),
        unique=node.unique,
        other=table,
        detail="partial" if node.HasField("where_clause") else "",
    )


HANDLERS: Final[dict[str, Callable[[Reading, Any], None]]] = {
    "create_stmt": create_table,
    "alter_table_stmt": alter_table,
    "index_stmt": create_index,
}
