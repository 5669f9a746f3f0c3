"""Partitions that come and go, and tables that begin or cease to inherit.

See https://www.postgresql.org/docs/18/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE.
"""

from __future__ import annotations

from typing import Any

from ..catalog_objects import Index
from ..default_names import free_name
from ..estimate import Tally
from ..locks import LockMode
from ..relation_state import State
from . import bounds, foreign_keys
from .family import family, is_taken, leaves, lock_all

_EXCLUSIVE = LockMode.ACCESS_EXCLUSIVE


def attach(tally: Tally, parent: State, child: State, bound: Any) -> None:
    """ATTACH PARTITION: rows are read that no CHECK proves, and indexes built that the partition does not have."""
    world = tally.world
    tally.lock(parent, LockMode.SHARE_UPDATE_EXCLUSIVE)
    lock_all(tally, family(world, child), _EXCLUSIVE)
    for leaf in leaves(world, child):
        if not bounds.is_proven(world, parent, leaf, bound):
            tally.scan(leaf, "partition")
    _spill(tally, parent, bound, lock_only=False)
    _indexes(tally, parent, child)
    for key in parent.constraints.values():
        other = world.of(key.referenced) if key.type == "f" else None
        if other is not None and not _has_key(child, key.referenced, key.columns):
            foreign_keys.reference(tally, other, key.references)
            if key.validated:
                foreign_keys.check(tally, child, other, rule="partition")
    _referenced(tally, parent)


def _has_key(child: State, referenced: int, columns: tuple[str, ...]) -> bool:
    return any(
        c.type == "f" and c.referenced == referenced and c.columns == columns for c in child.constraints.values()
    )


def create(tally: Tally, parent: State, bound: Any) -> None:
    """CREATE TABLE ... PARTITION OF: the rows of the DEFAULT partition are read."""
    tally.lock(parent, _EXCLUSIVE)
    _spill(tally, parent, bound, lock_only=False)
    for index in tally.world.indexes(parent):
        tally.lock(index, LockMode.SHARE_UPDATE_EXCLUSIVE)
    for key in parent.constraints.values():
        other = tally.world.of(key.referenced) if key.type == "f" else None
        if other is not None:
            foreign_keys.reference(tally, other, key.references)
    _referenced(tally, parent)


def detach(tally: Tally, parent: State, child: State, *, concurrent: bool) -> None:
    """DETACH PARTITION; CONCURRENTLY waits without a strong lock, and takes one on the partition at its end."""
    world = tally.world
    tally.lock(parent, LockMode.SHARE_UPDATE_EXCLUSIVE if concurrent else _EXCLUSIVE)
    old = tally.version < 14
    lock_all(tally, family(world, child), LockMode.SHARE_UPDATE_EXCLUSIVE if old else _EXCLUSIVE)
    if concurrent:
        return
    _spill(tally, parent, None, lock_only=True)
    attached = {index.oid for one in world.indexes(parent) for index in world.children(one)}
    for index in world.indexes(child):
        if index.oid in attached:
            tally.lock(index, _EXCLUSIVE)
    for key in parent.constraints.values():
        other = world.of(key.referenced) if key.type == "f" else None
        if other is not None:
            lock_all(tally, family(world, other), LockMode.SHARE_ROW_EXCLUSIVE)


def _spill(tally: Tally, parent: State, bound: Any, *, lock_only: bool) -> None:
    """Lock the DEFAULT partition, and read the rows of it that may belong into a new one."""
    others = tally.world.default_partition(parent)
    if others is None:
        return
    lock_all(tally, family(tally.world, others) if not lock_only else [others], _EXCLUSIVE)
    for leaf in leaves(tally.world, others):
        if not lock_only and not bounds.is_excluded(tally.world, parent, leaf, bound):
            tally.scan(leaf, "partition")


def _referenced(tally: Tally, parent: State) -> None:
    """Lock the tables with a foreign key to the partitioned table: theirs gets a share for the new partition."""
    for table, _ in tally.world.referencing(parent):
        tally.lock(table, LockMode.SHARE_ROW_EXCLUSIVE)


def _indexes(tally: Tally, parent: State, child: State) -> None:
    """Give the partition an index for each of the parent's, one that is there where it is alike."""
    world = tally.world
    used: set[str] = set()
    for name, index in parent.indexes.items():
        above = world.relation((parent.key[0], name))
        if above is None or above.kind != "partitioned index":
            continue
        tally.lock(above, LockMode.SHARE_UPDATE_EXCLUSIVE)
        alike = twin(child, index, used)
        if alike is not None:
            used.add(alike)
            found = world.relation((child.key[0], alike))
            if found is not None:
                tally.lock(found, LockMode.ACCESS_SHARE)
            continue
        key = next((c for c in parent.constraints.values() if c.index == above.oid and c.type in {"p", "u", "x"}), None)
        label = {"p": "pkey", "u": "key", "x": "excl"}[key.type] if key is not None else "idx"
        columns = () if label == "pkey" else (*(index.columns or ("expr",)), *index.included)
        for leaf in leaves(world, child):
            made = free_name(leaf.key[1], columns, label, is_taken(world, leaf))
            tally.build(leaf, made, "partition")


def twin(child: State, index: Index, used: set[str]) -> str | None:
    """Return an index of a partition that serves as its share of one of the partitioned table."""
    for name, other in child.indexes.items():
        same = (other.columns, other.included, other.unique, other.method, other.partial) == (
            index.columns, index.included, index.unique, index.method, index.partial,
        )  # fmt: skip
        if same and other.valid and index.columns is not None and not index.partial and name not in used:
            return name
    return None
