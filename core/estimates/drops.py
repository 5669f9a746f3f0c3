"""DROP, and what goes with it: indexes, partitions, sequences, views, and the other ends of foreign keys."""

from __future__ import annotations

from typing import Final

from postgast import pg_query_pb2 as pb

from .. import tree
from ..estimate import Tally
from ..locks import LockMode
from ..names import Parts
from ..relation_state import State
from . import foreign_keys
from .family import family

_RELATIONS: Final = frozenset({
    pb.OBJECT_TABLE, pb.OBJECT_FOREIGN_TABLE, pb.OBJECT_VIEW, pb.OBJECT_MATVIEW, pb.OBJECT_SEQUENCE,
})  # fmt: skip
_FUNCTIONS: Final = frozenset({pb.OBJECT_FUNCTION, pb.OBJECT_PROCEDURE, pb.OBJECT_ROUTINE})
_EXCLUSIVE: Final = LockMode.ACCESS_EXCLUSIVE


def drop(tally: Tally, node: pb.DropStmt) -> None:
    """DROP of whatever has a name."""
    for item in node.objects:
        name = tree.object_parts(item)
        if not name:
            continue
        if node.remove_type == pb.OBJECT_INDEX:
            _index(tally, name, concurrent=node.concurrent)
        elif node.remove_type in _RELATIONS:
            state = tally.world.find(name)
            if state is not None:
                relation(tally, state)
        elif node.remove_type in {pb.OBJECT_TYPE, pb.OBJECT_DOMAIN}:
            _type(tally, name)
        elif node.remove_type in _FUNCTIONS:
            _function(tally, name)
        elif node.remove_type == pb.OBJECT_SCHEMA:
            _schema(tally, name[-1])
        elif node.remove_type == pb.OBJECT_STATISTIC_EXT:
            _statistics(tally, name)
        elif node.remove_type in {pb.OBJECT_TRIGGER, pb.OBJECT_POLICY, pb.OBJECT_RULE}:
            _member(tally, node.remove_type, name)


def relation(tally: Tally, state: State) -> None:
    """Drop a table, view or sequence, and with CASCADE what depends on it (without it, nothing may)."""
    world = tally.world
    if state.oid in tally.gone:
        return
    tally.gone.add(state.oid)
    tally.lock(state, _EXCLUSIVE)
    for parent in world.parents(state):
        if parent.kind == "partitioned table":
            tally.lock(parent, _EXCLUSIVE)
            others = world.default_partition(parent)
            if others is not None:
                tally.lock(others, _EXCLUSIVE)
    for index in world.indexes(state):
        tally.lock(index, _EXCLUSIVE)
    foreign_keys.loosen(tally, list(state.constraints.values()))
    foreign_keys.cut(tally, state)
    for table in world.asking(state):
        tally.lock(table, _EXCLUSIVE)
    for other in (*world.children(state), *world.sequences(state), *world.views_on(state)):
        _dependent(tally, other)


def _dependent(tally: Tally, state: State) -> None:
    if state.kind not in {"index", "partitioned index"}:
        relation(tally, state)


def columns(tally: Tally, states: list[State], name: str) -> None:
    """Drop a column of each table, and what depends on it."""
    world = tally.world
    for state in states:
        gone = frozenset({name})
        if name not in state.columns:
            continue
        for index_name, index in state.indexes.items():
            found = world.relation((state.key[0], index_name))
            if name in index.touched and found is not None:
                tally.lock(found, _EXCLUSIVE)
        foreign_keys.loosen(tally, [c for c in state.constraints.values() if name in c.columns])
        foreign_keys.cut(tally, state, gone)
        for other in (*world.sequences(state, name), *world.views_on(state, gone)):
            _dependent(tally, other)


def constraint(tally: Tally, state: State, name: str) -> None:
    """Drop a constraint: with its index and the foreign keys that look their keys up in it, or the other's triggers."""
    world = tally.world
    found = state.constraints.get(name)
    if found is None:
        return
    foreign_keys.loosen(tally, [found])
    index = world.relation((state.key[0], name)) if found.type in {"p", "u", "x"} else None
    if index is not None:
        for one in family(world, index):
            tally.lock(one, _EXCLUSIVE)
        foreign_keys.cut(tally, state, index=index.oid)


def _schema(tally: Tally, schema: str) -> None:
    _all(tally, tally.world.matching(lambda one: one.schema == schema))


def _index(tally: Tally, name: Parts, *, concurrent: bool) -> None:
    state = tally.world.find(name)
    table = tally.world.relation(state.table) if state is not None and state.table is not None else None
    if state is None or table is None:
        return
    if concurrent:
        tally.lock(table, LockMode.SHARE_UPDATE_EXCLUSIVE)
        tally.lock(state, _EXCLUSIVE)
        return
    for one in family(tally.world, state):
        tally.lock(one, _EXCLUSIVE)
        owner = tally.world.relation(one.table) if one.table is not None else None
        if owner is not None:
            tally.lock(owner, _EXCLUSIVE)
    foreign_keys.cut(tally, table, index=state.oid)


def _type(tally: Tally, name: Parts) -> None:
    for oid in tally.world.type_family(name):
        for table, _ in tally.world.catalog.type_users.get(oid, ()):
            state = tally.world.of(table)
            if state is not None:
                tally.lock(state, _EXCLUSIVE)
    state = tally.world.find(name)
    if state is not None and state.kind == "composite type" and state.relation is not None:
        tally.lock(state, _EXCLUSIVE)
        row_type = state.relation.row_type
        _all(tally, tally.world.matching(lambda one: one.of_type == row_type))


def _function(tally: Tally, name: Parts) -> None:
    full = tally.world.named("function", name)
    for oid in tally.world.catalog.trigger_functions.get((full[0], full[-1]), ()) if full else ():
        state = tally.world.of(oid)
        if state is not None:
            tally.lock(state, _EXCLUSIVE)


def _statistics(tally: Tally, name: Parts) -> None:
    known = tally.world.catalog.statistics
    schemas = name[-2:-1] or tally.world.search_path
    table = next((known[schema, name[-1]] for schema in schemas if (schema, name[-1]) in known), 0)
    state = tally.world.of(table)
    if state is not None:
        tally.lock(state, LockMode.SHARE_UPDATE_EXCLUSIVE)


def _member(tally: Tally, kind: pb.ObjectType, name: Parts) -> None:
    state = tally.world.find(name[:-1])
    word = {pb.OBJECT_TRIGGER: "trigger", pb.OBJECT_POLICY: "policy", pb.OBJECT_RULE: "rule"}[kind]
    if state is not None and (word, name[-1]) in state.members:
        tally.lock(state, _EXCLUSIVE)
        for child in tally.world.descendants(state) if kind == pb.OBJECT_TRIGGER else ():
            if (word, name[-1]) in child.members:
                tally.lock(child, _EXCLUSIVE)


def _all(tally: Tally, states: list[State]) -> None:
    for state in states:
        _dependent(tally, state)


def owned(tally: Tally, node: pb.DropOwnedStmt) -> None:
    """DROP OWNED BY: every relation of those roles."""
    roles = {item.role_spec.rolename for item in node.roles}
    mine = tally.world.matching(lambda one: one.owner in roles)
    _all(tally, mine)
