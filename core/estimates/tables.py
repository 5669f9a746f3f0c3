"""CREATE TABLE, RENAME, SET SCHEMA, TRUNCATE, LOCK."""

from __future__ import annotations

from typing import Any, Final

from postgast import pg_query_pb2 as pb

from .. import tree
from ..estimate import Tally
from ..locks import LockMode
from ..relation_state import State
from . import foreign_keys, partitions, sequences
from .family import expand, family, lock_all, target

# LOCK TABLE's modes by number, as in the server's lockdefs.h.
_MODES: Final = tuple(LockMode)
_EXCLUSIVE: Final = LockMode.ACCESS_EXCLUSIVE


def create(tally: Tally, node: pb.CreateStmt) -> None:
    """CREATE TABLE: what it is a partition of, inherits from, is made like or references."""
    name = tree.parts(node.relation)
    if node.if_not_exists and tally.world.relation(tally.world.new_key(name)) is not None:
        return
    for item in node.inh_relations:
        parent = target(tally, item.range_var)
        if parent is None:
            continue
        if node.HasField("partbound"):
            partitions.create(tally, parent, node.partbound)
        else:
            tally.lock(parent, LockMode.SHARE_UPDATE_EXCLUSIVE)
    if node.HasField("of_typename"):
        composite = tally.world.find(tree.strings(node.of_typename.names))
        if composite is not None:
            tally.lock(composite, LockMode.ACCESS_SHARE)
    for item in node.table_elts:
        match tree.kind(item):
            case "column_def":
                for part in item.column_def.constraints:
                    _reference(tally, part.constraint, name)
            case "constraint":
                _reference(tally, item.constraint, name)
            case "table_like_clause":
                model = target(tally, item.table_like_clause.relation)
                if model is not None:
                    tally.lock(model, LockMode.ACCESS_SHARE)


def _reference(tally: Tally, node: Any, name: tuple[str, ...]) -> None:
    if node.contype == pb.CONSTR_FOREIGN and tree.parts(node.pktable) != name:
        referenced = target(tally, node.pktable)
        if referenced is not None:
            foreign_keys.reference(tally, referenced, tree.strings(node.pk_attrs))


def rename(tally: Tally, node: pb.RenameStmt) -> None:
    """ALTER ... RENAME."""
    if node.rename_type in {pb.OBJECT_TYPE, pb.OBJECT_DOMAIN} and not node.HasField("relation"):
        state = tally.world.find(tree.object_parts(node.object) or ("",))
        if state is not None and state.kind == "composite type":
            tally.lock(state, _EXCLUSIVE)
        return
    state = target(tally, node.relation) if node.HasField("relation") else None
    if state is None:
        return
    if node.rename_type == pb.OBJECT_INDEX:
        tally.lock(state, LockMode.SHARE_UPDATE_EXCLUSIVE)
        return
    tally.lock(state, _EXCLUSIVE)
    alone = not node.relation.inh
    if node.rename_type == pb.OBJECT_COLUMN:
        lock_all(tally, family(tally.world, state, alone=alone), _EXCLUSIVE)
    elif node.rename_type == pb.OBJECT_TABCONSTRAINT:
        _rename_constraint(tally, state, node.subname, alone=alone)
    elif node.rename_type == pb.OBJECT_TRIGGER:
        mirrored = [c for c in tally.world.descendants(state) if ("trigger", node.subname) in c.members]
        lock_all(tally, mirrored, _EXCLUSIVE)
    elif node.rename_type == pb.OBJECT_ATTRIBUTE and state.relation is not None:
        row_type = state.relation.row_type
        lock_all(tally, tally.world.matching(lambda one: one.of_type == row_type and bool(row_type)), _EXCLUSIVE)


def _rename_constraint(tally: Tally, state: State, name: str, *, alone: bool) -> None:
    found = state.constraints.get(name)
    if found is None:
        return
    if found.type in {"p", "u", "x"} and (index := tally.world.relation((state.key[0], name))) is not None:
        tally.lock(index, LockMode.SHARE_UPDATE_EXCLUSIVE)
    if found.type in {"c", "n"} and not found.no_inherit and not alone:
        lock_all(tally, tally.world.descendants(state), _EXCLUSIVE)


def set_schema(tally: Tally, node: pb.AlterObjectSchemaStmt) -> None:
    """ALTER ... SET SCHEMA: the sequences that a table owns go with it."""
    state = target(tally, node.relation) if node.HasField("relation") else None
    if state is not None:
        lock_all(tally, [state, *tally.world.sequences(state)], _EXCLUSIVE)


def truncate(tally: Tally, node: pb.TruncateStmt) -> None:
    """TRUNCATE: the tables, with CASCADE those that reference them, and their indexes, which all get new files."""
    world = tally.world
    waiting: list[State] = []
    for item in node.relations:
        state = target(tally, item.range_var)
        if state is not None:
            waiting.extend(family(world, state, alone=not item.range_var.inh))
    seen: set[int] = set()
    while waiting:
        state = waiting.pop()
        if state.oid in seen:
            continue
        seen.add(state.oid)
        tally.lock(state, _EXCLUSIVE)
        if tally.version < 14:
            lock_all(tally, world.parents(state), LockMode.ACCESS_SHARE)
        if state.kind != "partitioned table":
            lock_all(tally, world.indexes(state), _EXCLUSIVE)
        if node.restart_seqs:
            lock_all(tally, world.sequences(state), _EXCLUSIVE)
        if node.behavior == pb.DROP_CASCADE:
            waiting.extend(one for table, _ in world.referencing(state) for one in family(world, table))


def lock(tally: Tally, node: pb.LockStmt) -> None:
    """LOCK TABLE: of a view, what it reads too; of a table, its partitions too."""
    mode = _MODES[node.mode - 1] if 1 <= node.mode <= len(_MODES) else _EXCLUSIVE
    for item in node.relations:
        state = target(tally, item.range_var)
        if state is None:
            continue
        for table in expand(tally, state, mode):
            lock_all(tally, family(tally.world, table, alone=not item.range_var.inh), mode)


def depends(tally: Tally, node: pb.AlterObjectDependsStmt) -> None:
    """ALTER INDEX, MATERIALIZED VIEW or TRIGGER ... DEPENDS ON EXTENSION."""
    state = target(tally, node.relation) if node.HasField("relation") else None
    if state is not None:
        weak = node.object_type == pb.OBJECT_TRIGGER
        tally.lock(state, LockMode.ACCESS_SHARE if weak else _EXCLUSIVE)


def create_sequence(tally: Tally, node: pb.CreateSeqStmt) -> None:
    """CREATE SEQUENCE ... OWNED BY."""
    sequences.owner(tally, node.options)
