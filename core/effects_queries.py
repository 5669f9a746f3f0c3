"""Effects of SELECT, INSERT, UPDATE, DELETE, MERGE, TRUNCATE, COPY, and of whatever else names relations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from postgast import pg_query_pb2 as pb

from . import tree
from .effects_reading import Reading
from .locks import LockMode
from .names import Parts
from .touches import Act, Work, WorkKind

# See https://www.postgresql.org/docs/18/ddl-system-columns.html.
_SYSTEM_COLUMNS: Final = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid", "oid"})

# LOCK TABLE's modes by number, as in the server's lockdefs.h.
_MODES: Final = tuple(LockMode)


def any_relations(reading: Reading, node: Any, *, mode: LockMode | None = None) -> list[Any]:
    """Need every relation that a tree names, but for the names that its WITH clauses make, and return them."""
    relations: list[Any] = []
    shadows: set[str] = set()
    for found in tree.walk(node):
        if isinstance(found, pb.CommonTableExpr):
            shadows.add(found.ctename)
        elif isinstance(found, pb.RangeVar) and found.relname:
            relations.append(found)
    real = [item for item in relations if item.schemaname or item.relname not in shadows]
    for item in real:
        name = reading.relation(Act.NEED, item)
        if mode is not None:
            reading.lock(name, mode)
    return real


def query(reading: Reading, node: Any) -> None:
    """SELECT, VALUES, TABLE; also SELECT INTO."""
    locking = any(isinstance(found, pb.LockingClause) for found in tree.walk(node))
    made: Any = node.into_clause.rel if node.HasField("into_clause") else None
    shown = _copy_without(node, "into_clause") if made is not None else node
    relations = any_relations(reading, shown, mode=LockMode.ROW_SHARE if locking else LockMode.ACCESS_SHARE)
    _sole_columns(reading, shown, relations)
    if made is not None:
        reading.relation(Act.MAKE, made, detail="query")


def _copy_without(node: Any, field: str) -> Any:
    copy = type(node)()
    copy.CopyFrom(node)
    copy.ClearField(field)
    return copy


def _sole_columns(reading: Reading, node: Any, relations: list[Any]) -> None:
    """Need the columns of a query over exactly one relation: only there a bare name has one possible meaning."""
    if len(relations) != 1 or reading.in_block:
        return
    sole = relations[0]
    blurred = (pb.SubLink, pb.RangeSubselect, pb.RangeFunction, pb.RangeTableFunc, pb.CommonTableExpr, pb.JoinExpr)
    aliases: set[str] = set()
    references: list[tuple[Parts, Any]] = []
    for found in tree.walk(node):
        if isinstance(found, blurred):
            return
        if isinstance(found, pb.ResTarget) and found.name:
            aliases.add(found.name)
        if isinstance(found, pb.ColumnRef):
            name = tree.column_names(found)
            if name is not None:
                references.append((name, found))
    table = tree.parts(sole)
    shown = sole.alias.aliasname if sole.HasField("alias") else sole.relname
    if sole.HasField("alias") and sole.alias.colnames:
        return
    for name, found in references:
        bare = len(name) == 1 and name[0] != shown and name[0] not in aliases
        if (bare or (len(name) == 2 and name[0] == shown)) and name[-1] not in _SYSTEM_COLUMNS:
            reading.member(Act.NEED, "column", table, name[-1], found)


def insert(reading: Reading, node: pb.InsertStmt) -> None:
    """INSERT, with the columns that it names."""
    table = _target(reading, node)
    for item in node.cols:
        reading.member(Act.NEED, "column", table, item.res_target.name, item.res_target)


def update(reading: Reading, node: pb.UpdateStmt) -> None:
    """UPDATE, with the columns that it sets."""
    table = _target(reading, node)
    for item in node.target_list:
        if item.res_target.name:
            reading.member(Act.NEED, "column", table, item.res_target.name, item.res_target)
    if not node.HasField("with_clause"):
        _sole_columns(reading, node.where_clause, [node.relation, *_relations(node.from_clause)])


def delete(reading: Reading, node: pb.DeleteStmt) -> None:
    """DELETE."""
    _target(reading, node)
    if not node.HasField("with_clause"):
        _sole_columns(reading, node.where_clause, [node.relation, *_relations(node.using_clause)])


def merge(reading: Reading, node: pb.MergeStmt) -> None:
    """MERGE."""
    _target(reading, node)


def _relations(nodes: Any) -> list[Any]:
    return [item for node in nodes for item in tree.walk(node) if isinstance(item, pb.RangeVar)]


def _target(reading: Reading, node: Any) -> Parts:
    """Change the rows of the target; the relations that it only reads are needed."""
    table = reading.relation(Act.CHANGE, node.relation, detail="rows")
    reading.lock(table, LockMode.ROW_EXCLUSIVE)
    any_relations(reading, _copy_without(node, "relation"), mode=LockMode.ACCESS_SHARE)
    return table


def truncate(reading: Reading, node: pb.TruncateStmt) -> None:
    """TRUNCATE."""
    for item in node.relations:
        name = reading.relation(Act.CHANGE, item.range_var, cascade=node.behavior == pb.DROP_CASCADE, detail="rows")
        reading.lock(name, LockMode.ACCESS_EXCLUSIVE)


def copy(reading: Reading, node: pb.CopyStmt) -> None:
    """COPY between a table or query and a file of the server."""
    if not node.HasField("relation"):
        any_relations(reading, node, mode=LockMode.ACCESS_SHARE)
        return
    act = Act.CHANGE if node.is_from else Act.NEED
    table = reading.relation(act, node.relation, detail="rows" if node.is_from else "")
    reading.lock(table, LockMode.ROW_EXCLUSIVE if node.is_from else LockMode.ACCESS_SHARE)
    for column in tree.strings(node.attlist):
        reading.member(Act.NEED, "column", table, column, node.relation)


def lock(reading: Reading, node: pb.LockStmt) -> None:
    """LOCK TABLE."""
    mode = _MODES[node.mode - 1] if 1 <= node.mode <= len(_MODES) else LockMode.ACCESS_EXCLUSIVE
    for item in node.relations:
        reading.lock(reading.relation(Act.NEED, item.range_var), mode)


def _whole(reading: Reading, relation: Any, mode: LockMode, kind: WorkKind) -> None:
    name = reading.relation(Act.CHANGE, relation)
    reading.lock(name, mode)
    place = reading.place_of(tree.location(relation))
    reading.gather.work(Work(kind=kind, relation=name, place=place))


def vacuum(reading: Reading, node: pb.VacuumStmt) -> None:
    """VACUUM and ANALYZE; only VACUUM FULL rewrites."""
    full = tree.option(node.options, "full")
    for item in node.rels:
        relation = item.vacuum_relation.relation
        if full:
            _whole(reading, relation, LockMode.ACCESS_EXCLUSIVE, WorkKind.REWRITE)
        else:
            reading.lock(reading.relation(Act.NEED, relation), LockMode.SHARE_UPDATE_EXCLUSIVE)


def cluster(reading: Reading, node: pb.ClusterStmt) -> None:
    """CLUSTER."""
    if node.HasField("relation"):
        _whole(reading, node.relation, LockMode.ACCESS_EXCLUSIVE, WorkKind.REWRITE)


def refresh(reading: Reading, node: pb.RefreshMatViewStmt) -> None:
    """REFRESH MATERIALIZED VIEW."""
    mode = LockMode.EXCLUSIVE if node.concurrent else LockMode.ACCESS_EXCLUSIVE
    _whole(reading, node.relation, mode, WorkKind.REWRITE)


def table_as(reading: Reading, node: pb.CreateTableAsStmt) -> None:
    """CREATE TABLE AS and CREATE MATERIALIZED VIEW."""
    any_relations(reading, node.query, mode=LockMode.ACCESS_SHARE)
    kind = "materialized view" if node.objtype == pb.OBJECT_MATVIEW else "table"
    reading.relation(Act.MAKE, node.into.rel, kind=kind, guarded=node.if_not_exists, detail="query")


def view(reading: Reading, node: pb.ViewStmt) -> None:
    """CREATE VIEW."""
    any_relations(reading, node.query, mode=LockMode.ACCESS_SHARE)
    reading.relation(Act.MAKE, node.view, kind="view", replace=node.replace, detail="query")


HANDLERS: Final[dict[str, Callable[[Reading, Any], None]]] = {
    "select_stmt": query,
    "insert_stmt": insert,
    "update_stmt": update,
    "delete_stmt": delete,
    "merge_stmt": merge,
    "truncate_stmt": truncate,
    "copy_stmt": copy,
    "lock_stmt": lock,
    "vacuum_stmt": vacuum,
    "cluster_stmt": cluster,
    "refresh_mat_view_stmt": refresh,
    "create_table_as_stmt": table_as,
    "view_stmt": view,
}
