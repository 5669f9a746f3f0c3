"""SELECT, INSERT, UPDATE, DELETE, MERGE, COPY: what a query locks, and what it probably reads from end to end.

Whether it does is the planner's choice. Here a table is read from end to end unless a condition asks for a column that
leads one of its indexes.
"""

from __future__ import annotations

from typing import Any, Final

from postgast import pg_query_pb2 as pb

from .. import tree
from ..estimate import Tally
from ..locks import LockMode
from ..names import Parts
from ..relation_state import State
from . import sequences
from .family import expand, family, lock_all, target

_NARROWING: Final = (("=",), ("<",), (">",), ("<=",), (">=",))
_CHANGES: Final = (pb.InsertStmt, pb.UpdateStmt, pb.DeleteStmt, pb.MergeStmt)


def read(tally: Tally, state: State, mode: LockMode, *, scanned: bool, alone: bool = False) -> None:
    """Read a table or view, by a query that is planned."""
    for table in expand(tally, state, mode):
        for member in family(tally.world, table, alone=alone and table is state):
            tally.plan(member, mode)
            if scanned or table is not state:
                tally.scan(member, "query")


def run(tally: Tally, node: Any) -> None:
    """Plan and run a query or a change of rows, with all that its WITH clauses and subqueries do."""
    _changes(tally, node, planned=True)
    _reads(tally, node, planned=True, run=True)
    sequences.asked(tally, node)


def explain(tally: Tally, node: pb.ExplainStmt) -> None:
    """EXPLAIN plans a query; only with ANALYZE it runs."""
    inner = tree.inner(node.query)
    if isinstance(inner, pb.CreateTableAsStmt):
        inner = tree.inner(inner.query)
    _changes(tally, inner, planned=True, run=tree.option(node.options, "analyze"))
    _reads(tally, inner, planned=True, run=tree.option(node.options, "analyze"))


def name(tally: Tally, node: Any) -> None:
    """Look up what a query names, without planning it: views, rules, policies and functions are only written down."""
    _changes(tally, node, planned=False, run=False)
    _reads(tally, node, planned=False, run=False)


def _changes(tally: Tally, node: Any, *, planned: bool, run: bool = True) -> None:
    for found in tree.walk(node):
        if not isinstance(found, _CHANGES):
            continue
        state = target(tally, found.relation)
        if state is None:
            continue
        inserts = isinstance(found, pb.InsertStmt)
        if not planned:
            tally.lock(state, LockMode.ROW_EXCLUSIVE)
            continue
        for table in expand(tally, state, LockMode.ROW_EXCLUSIVE):
            # rows go into partitions, but not into tables that inherit
            alone = not found.relation.inh or (inserts and table.kind != "partitioned table")
            for member in family(tally.world, table, alone=alone):
                if inserts:
                    tally.lock(member, LockMode.ROW_EXCLUSIVE)
                    continue
                tally.plan(member, LockMode.ROW_EXCLUSIVE)
                if run and (isinstance(found, pb.MergeStmt) or not _is_narrow(member, found.where_clause, found)):
                    tally.scan(member, "query")
            if inserts and found.on_conflict_clause.HasField("infer"):
                tally.plan(table, LockMode.ROW_EXCLUSIVE)
        if run:
            _keys(tally, state, found)


def _keys(tally: Tally, state: State, node: Any) -> None:
    """Lock the tables in which the foreign keys of new rows are looked up."""
    if isinstance(node, pb.DeleteStmt):
        return
    inserts = isinstance(node, pb.InsertStmt)
    written = {item.res_target.name for item in (node.cols if inserts else getattr(node, "target_list", ()))}
    for key in state.constraints.values():
        concerned = not written or bool(written.intersection(key.columns))
        if key.type == "f" and concerned and (other := tally.world.of(key.referenced)) is not None:
            for member in family(tally.world, other):
                tally.plan(member, LockMode.ROW_SHARE)


def _reads(tally: Tally, node: Any, *, planned: bool, run: bool) -> None:
    shadows: set[str] = set()
    skipped: set[int] = set()
    relations: list[Any] = []
    locking: set[str] | None = None
    where: list[Any] = []
    limited = isinstance(node, pb.SelectStmt) and tree.kind(node.limit_count) == "a_const"
    for found in tree.walk(node):
        if isinstance(found, pb.CommonTableExpr):
            shadows.add(found.ctename)
        elif isinstance(found, _CHANGES):
            skipped.add(_mark(found.relation))
        elif isinstance(found, pb.IntoClause):
            skipped.add(_mark(found.rel))
        elif isinstance(found, pb.LockingClause):
            locking = (locking or set()) | {item.range_var.relname for item in found.locked_rels}
            skipped |= {_mark(item.range_var) for item in found.locked_rels}
        elif isinstance(found, pb.RangeVar) and found.relname:
            relations.append(found)
        if isinstance(found, (pb.SelectStmt, pb.UpdateStmt, pb.DeleteStmt)) and found.HasField("where_clause"):
            where.append(found.where_clause)
    for relation in relations:
        if _mark(relation) in skipped or (not relation.schemaname and relation.relname in shadows):
            continue
        state = target(tally, relation)
        if state is None:
            continue
        called = relation.alias.aliasname if relation.HasField("alias") else relation.relname
        locked = locking is not None and (not locking or called in locking)
        mode = LockMode.ROW_SHARE if locked else LockMode.ACCESS_SHARE
        if not planned:
            tally.lock(state, mode)
            continue
        several = len(relations) > 1
        narrow = limited or any(_is_narrow(state, clause, relation, qualified=several) for clause in where)
        read(tally, state, mode, scanned=run and not narrow, alone=not relation.inh)


def _mark(relation: Any) -> int:
    return int(relation.location) if relation.relname else -2


def _is_narrow(state: State, where: Any, relation: Any, *, qualified: bool = False) -> bool:
    """Whether a condition compares a column that leads an index with something that is no column."""
    if tree.kind(where) == "":
        return False
    relation = relation if isinstance(relation, pb.RangeVar) else relation.relation
    called = relation.alias.aliasname if relation.HasField("alias") else relation.relname
    leading = {index.columns[0] for index in state.indexes.values() if index.columns and not index.partial}
    for found in tree.walk(where):
        if not isinstance(found, pb.A_Expr) or tree.strings(found.name)[-1:] not in _NARROWING:
            continue
        for side, other in ((found.lexpr, found.rexpr), (found.rexpr, found.lexpr)):
            name: Parts = (tree.column_names(side.column_ref) or ()) if tree.kind(side) == "column_ref" else ()
            ours = name[-2:-1] == (called,) or (len(name) == 1 and not qualified)
            if ours and leading.intersection(name[-1:]) and tree.kind(other) != "column_ref":
                return True
    return False


def declare(tally: Tally, node: pb.DeclareCursorStmt) -> None:
    """DECLARE: planned at once, read as it is fetched."""
    _reads(tally, tree.inner(node.query), planned=True, run=False)


def prepare(tally: Tally, node: pb.PrepareStmt) -> None:
    """PREPARE: planned when it is executed."""
    name(tally, tree.inner(node.query))


def copy(tally: Tally, node: pb.CopyStmt) -> None:
    """COPY between a table or query and a file or the client."""
    if not node.HasField("relation"):
        run(tally, tree.inner(node.query))
        return
    state = target(tally, node.relation)
    if state is None:
        return
    if not node.is_from:
        tally.lock(state, LockMode.ACCESS_SHARE)
        tally.scan(state, "query")
        return
    lock_all(tally, family(tally.world, state), LockMode.ROW_EXCLUSIVE)
    _keys(tally, state, pb.InsertStmt())


def table_as(tally: Tally, node: pb.CreateTableAsStmt) -> None:
    """CREATE TABLE AS and CREATE MATERIALIZED VIEW."""
    there = tally.world.relation(tally.world.new_key(tree.parts(node.into.rel))) is not None
    if node.into.skip_data or (node.if_not_exists and there):
        name(tally, node.query)
    else:
        run(tally, node.query)


def view(tally: Tally, node: pb.ViewStmt) -> None:
    """CREATE VIEW: replaced, it is locked as if it were altered."""
    made = tree.parts(node.view)
    _changes(tally, node.query, planned=False, run=False)
    _reads(tally, node.query, planned=False, run=False)
    known = tally.world.relation(tally.world.new_key(made))
    if node.replace and known is not None:
        tally.lock(known, LockMode.ACCESS_EXCLUSIVE)
