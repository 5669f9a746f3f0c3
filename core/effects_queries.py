"""Effects of SELECT, INSERT, UPDATE, DELETE, MERGE, TRUNCATE, COPY, and of whatever else names relations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from postgast import pg_query_pb2 as pb

from . import tree
from .effects_calls import call, calls
from .effects_reading import Reading
from .names import Parts
from .touches import Act

# See https://www.postgresql.org/docs/18/ddl-system-columns.html.
_SYSTEM_COLUMNS: Final = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid", "oid"})


def any_relations(reading: Reading, node: Any) -> list[Any]:
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
        reading.relation(Act.NEED, item)
    return real


def query(reading: Reading, node: Any) -> None:
    """SELECT, VALUES, TABLE; also SELECT INTO."""
    made: Any = node.into_clause.rel if node.HasField("into_clause") else None
    shown = _copy_without(node, "into_clause") if made is not None else node
    relations = any_relations(reading, shown)
    _sole_columns(reading, shown, relations)
    calls(reading, shown)
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
    any_relations(reading, _copy_without(node, "relation"))
    calls(reading, node)
    return table


def truncate(reading: Reading, node: pb.TruncateStmt) -> None:
    """TRUNCATE."""
    for item in node.relations:
        reading.relation(Act.CHANGE, item.range_var, cascade=node.behavior == pb.DROP_CASCADE, detail="rows")


def copy(reading: Reading, node: pb.CopyStmt) -> None:
    """COPY between a table or query and a file of the server."""
    if not node.HasField("relation"):
        any_relations(reading, node)
        return
    act = Act.CHANGE if node.is_from else Act.NEED
    table = reading.relation(act, node.relation, detail="rows" if node.is_from else "")
    for column in tree.strings(node.attlist):
        reading.member(Act.NEED, "column", table, column, node.relation)


def lock(reading: Reading, node: pb.LockStmt) -> None:
    """LOCK TABLE."""
    for item in node.relations:
        reading.relation(Act.NEED, item.range_var)


def vacuum(reading: Reading, node: pb.VacuumStmt) -> None:
    """VACUUM and ANALYZE; only VACUUM FULL changes the table."""
    act = Act.CHANGE if tree.option(node.options, "full") else Act.NEED
    for item in node.rels:
        if item.vacuum_relation.HasField("relation"):
            reading.relation(act, item.vacuum_relation.relation)


def cluster(reading: Reading, node: pb.ClusterStmt) -> None:
    """CLUSTER."""
    if node.HasField("relation"):
        reading.relation(Act.CHANGE, node.relation)


def refresh(reading: Reading, node: pb.RefreshMatViewStmt) -> None:
    """REFRESH MATERIALIZED VIEW."""
    reading.relation(Act.CHANGE, node.relation, kind="materialized view")


def table_as(reading: Reading, node: pb.CreateTableAsStmt) -> None:
    """CREATE TABLE AS and CREATE MATERIALIZED VIEW."""
    sources = any_relations(reading, node.query)
    calls(reading, node.query)
    if node.objtype != pb.OBJECT_MATVIEW:
        reading.relation(Act.MAKE, node.into.rel, guarded=node.if_not_exists, detail="query")
        return
    reading.relation(
        Act.MAKE,
        node.into.rel,
        kind="materialized view",
        guarded=node.if_not_exists,
        detail="query",
        reads=tuple(tree.parts(source) for source in sources),
        mentions=_mentions(node.query),
    )


def _mentions(query: Any) -> tuple[str, ...] | None:
    """Return the names of the columns in a query; None where it has them all (`*`), or whole rows."""
    names: set[str] = set()
    for found in tree.walk(query):
        if isinstance(found, pb.ColumnRef):
            name = tree.column_names(found)
            if name is None:
                return None
            names.update(name)
    return tuple(sorted(names))


def view(reading: Reading, node: pb.ViewStmt) -> None:
    """CREATE VIEW."""
    sources = any_relations(reading, node.query)
    reading.relation(
        Act.MAKE,
        node.view,
        kind="view",
        replace=node.replace,
        detail="query",
        reads=tuple(tree.parts(source) for source in sources),
        mentions=_mentions(node.query),
    )


def prepared(reading: Reading, node: Any) -> None:
    """PREPARE and DECLARE: what the query names."""
    any_relations(reading, node.query)


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
    "call_stmt": call,
    "prepare_stmt": prepared,
    "declare_cursor_stmt": prepared,
}
