"""ALTER TABLE and its like: the strongest lock of the subcommands, on the table and on what they reach.

See https://www.postgresql.org/docs/18/sql-altertable.html.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from postgast import pg_query_pb2 as pb

from .. import tree
from ..estimate import Tally
from ..locks import LockMode
from ..relation_state import State
from . import constraints, drops, foreign_keys, new_columns, partitions, storage, type_changes
from .family import family, lock_all, target

_WEAK: Final = dict.fromkeys(
    (
        pb.AT_SetStatistics, pb.AT_SetOptions, pb.AT_ResetOptions, pb.AT_ValidateConstraint, pb.AT_ClusterOn,
        pb.AT_DropCluster, pb.AT_AttachPartition,
    ),
    LockMode.SHARE_UPDATE_EXCLUSIVE,
) | dict.fromkeys(
    (
        pb.AT_EnableTrig, pb.AT_EnableAlwaysTrig, pb.AT_EnableReplicaTrig, pb.AT_DisableTrig, pb.AT_EnableTrigAll,
        pb.AT_DisableTrigAll, pb.AT_EnableTrigUser, pb.AT_DisableTrigUser,
    ),
    LockMode.SHARE_ROW_EXCLUSIVE,
)  # fmt: skip
# Subcommands that do to the partitions and inheriting tables what they do to the table.
_REACHING: Final = frozenset({
    pb.AT_ColumnDefault, pb.AT_DropNotNull, pb.AT_SetStatistics, pb.AT_SetStorage, pb.AT_DropExpression,
    pb.AT_SetExpression,
})  # fmt: skip
_IDENTITY: Final = frozenset({pb.AT_AddIdentity, pb.AT_SetIdentity, pb.AT_DropIdentity})
_NAMED_TRIGGER: Final = frozenset({
    pb.AT_EnableTrig, pb.AT_EnableAlwaysTrig, pb.AT_EnableReplicaTrig, pb.AT_DisableTrig,
})  # fmt: skip
_USER_TRIGGERS: Final = frozenset({pb.AT_EnableTrigUser, pb.AT_DisableTrigUser})
_ALL_TRIGGERS: Final = frozenset({pb.AT_EnableTrigAll, pb.AT_DisableTrigAll})


def alter(tally: Tally, node: pb.AlterTableStmt) -> None:
    """ALTER TABLE, INDEX, VIEW, SEQUENCE, MATERIALIZED VIEW, TYPE of a composite."""
    state = target(tally, node.relation)
    if state is None:
        return
    alone = not node.relation.inh
    commands = [item.alter_table_cmd for item in node.cmds]
    # what is dropped is dropped first
    dropped = {command.name for command in commands if command.subtype == pb.AT_DropConstraint}
    for command in commands:
        mode = lock_of(command)
        if node.objtype == pb.OBJECT_INDEX and command.subtype == pb.AT_AttachPartition:
            _attach_index(tally, state, command)
            continue
        if mode is not None:
            tally.lock(state, mode)
            if not alone and _reaches(state, command):
                lock_all(tally, tally.world.descendants(state), mode)
        handler = _HANDLERS.get(command.subtype)
        if command.subtype == pb.AT_SetNotNull:
            constraints.set_not_null(tally, state, command.name, alone=alone, without=dropped)
        elif handler is not None:
            handler(tally, state, command, alone)
        if node.objtype == pb.OBJECT_TYPE:
            _typed(tally, state)


def _reaches(state: State, command: Any) -> bool:
    """Whether a subcommand does to the partitions and inheriting tables what it does to the table."""
    kind = command.subtype
    if kind in _REACHING or state.kind != "partitioned table":
        return kind in _REACHING
    triggers = {name for member, name in state.members if member == "trigger"}
    if kind in _NAMED_TRIGGER:
        return command.name in triggers
    keys = any(c.type == "f" for c in state.constraints.values())
    return (
        kind in _IDENTITY
        or (kind in _USER_TRIGGERS and bool(triggers))
        or (kind in _ALL_TRIGGERS and (keys or bool(triggers)))
    )


def lock_of(command: Any) -> LockMode | None:
    """Return the lock of a subcommand on the table itself; a foreign key takes its own on both tables, here None."""
    kind, definition = command.subtype, getattr(command, "def")
    if kind == pb.AT_AddConstraint and definition.constraint.contype == pb.CONSTR_FOREIGN:
        return None
    if kind in {pb.AT_SetRelOptions, pb.AT_ResetRelOptions, pb.AT_ReplaceRelOptions}:
        return storage.parameter_lock(definition.list.items)
    if kind == pb.AT_DetachPartition and definition.partition_cmd.concurrent:
        return LockMode.SHARE_UPDATE_EXCLUSIVE
    if kind == pb.AT_DetachPartitionFinalize:
        return LockMode.SHARE_UPDATE_EXCLUSIVE
    return _WEAK.get(kind, LockMode.ACCESS_EXCLUSIVE)


def _typed(tally: Tally, composite: State) -> None:
    """Reach the tables that are OF a composite type (CASCADE; without it, there may be none)."""
    row_type = composite.relation.row_type if composite.relation is not None else 0
    if row_type:
        lock_all(tally, tally.world.matching(lambda one: one.of_type == row_type), LockMode.ACCESS_EXCLUSIVE)


def _drop_column(tally: Tally, state: State, command: Any, alone: bool) -> None:
    members = family(tally.world, state, alone=alone)
    lock_all(tally, members, LockMode.ACCESS_EXCLUSIVE)
    drops.columns(tally, members, command.name)


def _drop_constraint(tally: Tally, state: State, command: Any, alone: bool) -> None:
    found = state.constraints.get(command.name)
    if state.kind == "partitioned table" or (found is not None and found.type in {"c", "n"} and not found.no_inherit):
        lock_all(tally, family(tally.world, state, alone=alone), LockMode.ACCESS_EXCLUSIVE)
    drops.constraint(tally, state, command.name)


def _add_constraint(tally: Tally, state: State, command: Any, alone: bool) -> None:
    constraints.add(tally, state, getattr(command, "def").constraint, alone=alone)


def _validate(tally: Tally, state: State, command: Any, alone: bool) -> None:
    constraints.validate(tally, state, command.name, alone=alone)


def _alter_constraint(tally: Tally, state: State, command: Any, _alone: bool) -> None:
    definition = getattr(command, "def").atalter_constraint
    found = state.constraints.get(definition.conname)
    if found is not None and found.type == "f" and definition.alter_enforceability:
        foreign_keys.loosen(tally, [found])
        other = tally.world.of(found.referenced)
        if definition.is_enforced and other is not None:
            foreign_keys.check(tally, state, other, constraint=found.name)


def _add_column(tally: Tally, state: State, command: Any, alone: bool) -> None:
    new_columns.add(tally, state, command, alone=alone)


def _type(tally: Tally, state: State, command: Any, alone: bool) -> None:
    type_changes.change(tally, state, command, alone=alone)


def _expression(tally: Tally, state: State, command: Any, alone: bool) -> None:
    for member in family(tally.world, state, alone=alone):
        column = member.columns.get(command.name)
        if column is not None and column.generated != "v":
            tally.rewrite(member, "generated", column=command.name)


def _attach(tally: Tally, state: State, command: Any, _alone: bool) -> None:
    part = getattr(command, "def").partition_cmd
    child = target(tally, part.name)
    if child is not None:
        partitions.attach(tally, state, child, part.bound)


def _attach_index(tally: Tally, state: State, command: Any) -> None:
    child = target(tally, getattr(command, "def").partition_cmd.name)
    tally.lock(state, LockMode.SHARE_UPDATE_EXCLUSIVE)
    if child is not None:
        tally.lock(child, LockMode.ACCESS_EXCLUSIVE)
    for index in (state, child):
        table = tally.world.relation(index.table) if index is not None and index.table is not None else None
        if table is not None:
            tally.lock(table, LockMode.ACCESS_SHARE)


def _detach(tally: Tally, state: State, command: Any, _alone: bool) -> None:
    part = getattr(command, "def").partition_cmd
    child = target(tally, part.name)
    if child is not None:
        concurrent = part.concurrent or command.subtype == pb.AT_DetachPartitionFinalize
        partitions.detach(tally, state, child, concurrent=concurrent)


def _tablespace(tally: Tally, state: State, command: Any, _alone: bool) -> None:
    if storage.other_tablespace(tally.world, state, command.name):
        tally.move(state)


def _method(tally: Tally, state: State, command: Any, _alone: bool) -> None:
    if storage.other_method(tally.world, state, command.name):
        tally.rewrite(state, "storage")


def _persistence(tally: Tally, state: State, command: Any, _alone: bool) -> None:
    wanted = "p" if command.subtype == pb.AT_SetLogged else "u"
    if storage.other_persistence(state, wanted):
        tally.rewrite(state, "storage")
        if tally.version >= 15:
            lock_all(tally, tally.world.sequences(state), LockMode.ACCESS_EXCLUSIVE)


def _owner(tally: Tally, state: State, command: Any, _alone: bool) -> None:
    spec = command.newowner
    new = spec.rolename if spec.roletype == pb.ROLESPEC_CSTRING else tally.world.catalog.server.user
    if state.relation is not None and state.relation.owner != new:
        take_over(tally, state)


def take_over(tally: Tally, state: State) -> None:
    """Give a relation another owner, and with it its indexes and sequences."""
    tally.lock(state, LockMode.ACCESS_EXCLUSIVE)
    lock_all(tally, [*tally.world.indexes(state), *tally.world.sequences(state)], LockMode.ACCESS_EXCLUSIVE)


def _identity(tally: Tally, state: State, command: Any, _alone: bool) -> None:
    drop = command.subtype == pb.AT_DropIdentity
    mode = LockMode.ACCESS_EXCLUSIVE if drop else LockMode.SHARE_ROW_EXCLUSIVE
    column = state.columns.get(command.name)
    if column is not None and column.identity:
        lock_all(tally, tally.world.sequences(state, command.name), mode)


def _index(mode: LockMode) -> Callable[[Tally, State, Any, bool], None]:
    def lock(tally: Tally, state: State, command: Any, _alone: bool) -> None:
        definition = getattr(command, "def")
        chosen = tree.kind(definition) == "replica_identity_stmt"
        name = definition.replica_identity_stmt.name if chosen else command.name
        index = tally.world.relation((state.key[0], name)) if name else None
        if index is not None and index.table == state.key:
            tally.lock(index, mode)

    return lock


def _inherit(mode: LockMode) -> Callable[[Tally, State, Any, bool], None]:
    def lock(tally: Tally, _state: State, command: Any, _alone: bool) -> None:
        parent = target(tally, getattr(command, "def").range_var)
        if parent is not None:
            tally.lock(parent, mode)

    return lock


def _of(tally: Tally, _state: State, command: Any, _alone: bool) -> None:
    composite = tally.world.find(tree.strings(getattr(command, "def").type_name.names))
    if composite is not None:
        tally.lock(composite, LockMode.ACCESS_SHARE)


_HANDLERS: Final[dict[int, Callable[[Tally, State, Any, bool], None]]] = {
    pb.AT_AddColumn: _add_column,
    pb.AT_DropColumn: _drop_column,
    pb.AT_AlterColumnType: _type,
    pb.AT_SetExpression: _expression,
    pb.AT_AddConstraint: _add_constraint,
    pb.AT_AlterConstraint: _alter_constraint,
    pb.AT_ValidateConstraint: _validate,
    pb.AT_DropConstraint: _drop_constraint,
    pb.AT_AttachPartition: _attach,
    pb.AT_DetachPartition: _detach,
    pb.AT_DetachPartitionFinalize: _detach,
    pb.AT_SetTableSpace: _tablespace,
    pb.AT_SetAccessMethod: _method,
    pb.AT_SetLogged: _persistence,
    pb.AT_SetUnLogged: _persistence,
    pb.AT_ChangeOwner: _owner,
    pb.AT_SetIdentity: _identity,
    pb.AT_DropIdentity: _identity,
    pb.AT_ClusterOn: _index(LockMode.SHARE_UPDATE_EXCLUSIVE),
    pb.AT_ReplicaIdentity: _index(LockMode.SHARE),
    pb.AT_AddInherit: _inherit(LockMode.SHARE_UPDATE_EXCLUSIVE),
    pb.AT_DropInherit: _inherit(LockMode.ACCESS_SHARE),
    pb.AT_AddOf: _of,
}
