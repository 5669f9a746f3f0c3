"""CREATE INDEX, REINDEX, CLUSTER, VACUUM, REFRESH MATERIALIZED VIEW.

See https://www.postgresql.org/docs/18/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY and the commands' pages.
"""

from __future__ import annotations

from postgast import pg_query_pb2 as pb

from .. import tree
from ..catalog_objects import Index
from ..default_names import free_name
from ..estimate import Tally
from ..locks import LockMode
from ..relation_state import State
from . import queries
from .family import family, is_taken, leaves, lock_all, partitions, target
from .partitions import twin


def create(tally: Tally, node: pb.IndexStmt) -> None:
    """CREATE INDEX: on every partition, too, unless ONLY stands before the table."""
    state = target(tally, node.relation)
    if state is None:
        return
    mode = LockMode.SHARE_UPDATE_EXCLUSIVE if node.concurrent else LockMode.SHARE
    tally.lock(state, mode)
    if node.if_not_exists and tally.world.relation((state.key[0], node.idxname)) is not None:
        return
    columns = [item.index_elem.name or "expr" for item in (*node.index_params, *node.index_including_params)]
    if state.kind != "partitioned table":
        name = node.idxname or free_name(state.key[1], columns, "idx", is_taken(tally.world, state))
        tally.build(state, name, "index", concurrent=node.concurrent)
        return
    if not node.relation.inh:
        return
    lock_all(tally, partitions(tally.world, state), mode)
    wanted = _index(node)
    for leaf in leaves(tally.world, state):
        alike = twin(leaf, wanted, _attached(tally, leaf))
        if alike is not None:
            found = tally.world.relation((leaf.key[0], alike))
            if found is not None:
                tally.lock(found, mode)
            continue
        name = free_name(leaf.key[1], columns, "idx", is_taken(tally.world, leaf))
        tally.build(leaf, name, "index")


def _attached(tally: Tally, leaf: State) -> set[str]:
    """Return the indexes of a partition that are a share of another one already."""
    known = tally.world.catalog.parents
    return {index.key[1] for index in tally.world.indexes(leaf) if known.get(index.oid)}


def _index(node: pb.IndexStmt) -> Index:
    keys = [item.index_elem for item in node.index_params]
    return Index(
        name=node.idxname,
        valid=True,
        ready=True,
        unique=node.unique,
        method=node.access_method or "btree",
        columns=tuple(key.name for key in keys) if all(key.name for key in keys) else None,
        partial=node.HasField("where_clause"),
        included=tuple(item.index_elem.name for item in node.index_including_params),
    )


def reindex(tally: Tally, node: pb.ReindexStmt) -> None:
    """REINDEX: nobody writes meanwhile, and who plans a query on the table waits for the indexes, too."""
    concurrent = tree.option(node.params, "concurrently")
    world = tally.world
    if node.kind == pb.REINDEX_OBJECT_INDEX:
        state = target(tally, node.relation)
        table = world.relation(state.table) if state is not None and state.table is not None else None
        if state is not None and table is not None:
            _rebuild(tally, table, [state], concurrent=concurrent)
        return
    if node.HasField("relation"):
        state = target(tally, node.relation)
        tables = family(world, state) if state is not None else []
    else:
        schema = node.name if node.kind == pb.REINDEX_OBJECT_SCHEMA else None
        kinds = {"table", "materialized view"}
        tables = world.matching(lambda one: one.kind in kinds and schema in {None, one.schema})
        tables = [table for table in tables if table.complete and table.columns]
    for table in tables:
        _rebuild(tally, table, world.indexes(table), concurrent=concurrent)


def _rebuild(tally: Tally, table: State, found: list[State], *, concurrent: bool) -> None:
    tally.lock(table, LockMode.SHARE_UPDATE_EXCLUSIVE if concurrent else LockMode.SHARE)
    for index in found:
        # CONCURRENTLY drops the old one at the end
        tally.lock(index, LockMode.ACCESS_EXCLUSIVE)
        tally.build(table, index.key[1], "reindex", concurrent=concurrent)


def cluster(tally: Tally, node: pb.ClusterStmt) -> None:
    """CLUSTER."""
    state = target(tally, node.relation) if node.HasField("relation") else None
    for table in leaves(tally.world, state) if state is not None else []:
        tally.lock(table, LockMode.ACCESS_EXCLUSIVE)
        tally.rewrite(table, "cluster")


def vacuum(tally: Tally, node: pb.VacuumStmt) -> None:
    """VACUUM and ANALYZE; without names, of every table."""
    full = tree.option(node.options, "full")
    analyze = not node.is_vacuumcmd or tree.option(node.options, "analyze")
    for table in _vacuumed(tally, node):
        if full and table.kind != "partitioned table":
            tally.lock(table, LockMode.ACCESS_EXCLUSIVE)
            tally.rewrite(table, "vacuum")
            continue
        tally.lock(table, LockMode.SHARE_UPDATE_EXCLUSIVE)
        if analyze and tally.version < 18 and table.kind == "table":
            # the statistics of a table and those that inherit from it are taken together
            lock_all(tally, tally.world.descendants(table), LockMode.ACCESS_SHARE)
        if analyze and not node.is_vacuumcmd and table.kind != "partitioned table":
            lock_all(tally, tally.world.indexes(table), LockMode.ACCESS_SHARE)


def _vacuumed(tally: Tally, node: pb.VacuumStmt) -> list[State]:
    if not node.rels:
        kinds = {"table", "materialized view"}
        found = tally.world.matching(lambda one: one.kind in kinds)
        return [table for table in found if table.columns]
    tables: list[State] = []
    for item in node.rels:
        relation = item.vacuum_relation.relation
        state = target(tally, relation) if item.vacuum_relation.HasField("relation") else None
        if state is not None:
            # inheriting tables are processed, too, from 18 on
            everyone = tally.version >= 18 and relation.inh
            tables.extend(family(tally.world, state) if everyone else [state, *partitions(tally.world, state)])
    return tables


def refresh(tally: Tally, node: pb.RefreshMatViewStmt) -> None:
    """REFRESH MATERIALIZED VIEW: with CONCURRENTLY it can be read meanwhile, but not written."""
    state = target(tally, node.relation)
    if state is None:
        return
    if not node.skip_data:
        for source in tally.world.sources(state):
            queries.read(tally, source, LockMode.ACCESS_SHARE, scanned=True)
    if not node.concurrent:
        tally.lock(state, LockMode.ACCESS_EXCLUSIVE)
        tally.rewrite(state, "refresh")
        return
    tally.lock(state, LockMode.EXCLUSIVE)
    lock_all(tally, tally.world.indexes(state), LockMode.ROW_EXCLUSIVE)
    tally.scan(state, "refresh")
