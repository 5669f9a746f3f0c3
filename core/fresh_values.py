"""Values that a transaction adds to an enum and uses before it is committed: the server refuses that (55P04).

Only uses that are certain count: a cast, a constant in a column of that type. From 17 on, a type that the same
transaction makes is exempt. See https://www.postgresql.org/docs/18/sql-altertype.html (ADD VALUE).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct, field
from postgast import pg_query_pb2 as pb

from . import tree
from .errors import Place
from .findings import Finding
from .names import Parts, written
from .precheck import Verdict
from .relation_state import State
from .script import Statement
from .typenames import type_of
from .world import World


class FreshValues(Struct):
    """What one transaction has added so far."""

    world: World
    # full name of a type, value -> where it was added
    _added: dict[tuple[Parts, str], Place] = field(default_factory=dict)
    # types that the transaction makes
    _made: set[Parts] = field(default_factory=set)

    def conflicts(self, statement: Statement) -> list[tuple[Place, Finding]]:
        """Return the certain uses in a statement of values that were added before it, each once, with their places."""
        found: dict[tuple[Parts, str], tuple[Place, Finding]] = {}
        if statement.tree is None:
            return []
        for offset, name, value in self._uses(statement.tree) if self._added else ():
            added = self._added.get((name, value))
            if added is not None and (name, value) not in found:
                found[name, value] = (
                    statement.place_of(offset),
                    Finding(
                        verdict=Verdict.CONFLICT,
                        object=written(name),
                        expected=f"value '{value}', committed",
                        found=f"added at {added.file}:{added.line}, in the same transaction",
                    ),
                )
        return list(found.values())

    def take(self, statement: Statement) -> None:
        """Take note of what a statement adds; `world` is as it is after it."""
        kind, node = tree.kind(statement.tree), tree.inner(statement.tree)
        if kind == "create_enum_stmt" and self.world.catalog.server.version_num >= 170000:
            full = self.world.named("type", tree.strings(node.type_name))
            self._made |= {full} if full is not None else set()
        elif kind == "alter_enum_stmt" and node.new_val and not node.old_val and not node.skip_if_new_val_exists:
            full = self.world.named("type", tree.strings(node.type_name))
            if full is not None and full not in self._made:
                self._added[full, node.new_val] = statement.place

    # -- uses

    def _uses(self, node: Any) -> Iterator[tuple[int, Parts, str]]:
        """Yield the constants that are certainly of a type that got a value: offset, full name, value."""
        tables = [s for it in tree.walk(node) if isinstance(it, pb.RangeVar) and (s := self.world.find(tree.parts(it)))]
        for item in tree.walk(node):
            match item:
                case pb.TypeCast():
                    yield from self._cast(item)
                case pb.InsertStmt():
                    yield from self._inserted(item)
                case pb.UpdateStmt():
                    table = self.world.find(tree.parts(item.relation))
                    for target in item.target_list:
                        yield from self._in_column(table, target.res_target.name, target.res_target.val)
                case pb.AlterTableStmt():
                    yield from self._defaults(item)
                case pb.ColumnDef():
                    yield from self._column(item)
                case pb.A_Expr():
                    yield from self._compared(item, tables)
                case _:
                    pass

    def _cast(self, cast: pb.TypeCast) -> Iterator[tuple[int, Parts, str]]:
        use = type_of(cast.type_name)
        full = self.world.named("type", use.name) if use is not None and not use.array else None
        if full is not None:
            yield from _constant(cast.arg, full)

    def _inserted(self, insert: pb.InsertStmt) -> Iterator[tuple[int, Parts, str]]:
        table = self.world.find(tree.parts(insert.relation))
        if table is None or tree.kind(insert.select_stmt) != "select_stmt":
            return
        columns = [item.res_target.name for item in insert.cols] or list(table.columns)
        select = insert.select_stmt.select_stmt
        rows = [list(row.list.items) for row in select.values_lists]
        rows += [[item.res_target.val for item in select.target_list]] if select.target_list else []
        for row in rows:
            for column, value in zip(columns, row, strict=False):
                yield from self._in_column(table, column, value)

    def _defaults(self, alter: pb.AlterTableStmt) -> Iterator[tuple[int, Parts, str]]:
        table = self.world.find(tree.parts(alter.relation))
        for item in alter.cmds:
            command = item.alter_table_cmd
            if command.subtype == pb.AT_ColumnDefault:
                yield from self._in_column(table, command.name, getattr(command, "def"))

    def _column(self, column: pb.ColumnDef) -> Iterator[tuple[int, Parts, str]]:
        use = type_of(column.type_name)
        full = self.world.named("type", use.name) if use is not None and not use.array else None
        for item in column.constraints:
            if full is not None and item.constraint.contype == pb.CONSTR_DEFAULT:
                yield from _constant(item.constraint.raw_expr, full)

    def _compared(self, expression: pb.A_Expr, tables: list[State]) -> Iterator[tuple[int, Parts, str]]:
        sides = (expression.lexpr, expression.rexpr)
        for side, other in (sides, sides[::-1]):
            if tree.kind(side) != "column_ref":
                continue
            name = (tree.column_names(side.column_ref) or ("",))[-1]
            # what has the name in several tables is certain only where it is the same everywhere
            having = [table for table in tables if name in table.columns]
            if len({table.columns[name].type for table in having}) == 1:
                values = other.list.items if tree.kind(other) == "list" else [other]
                for value in values:
                    yield from self._in_column(having[0], name, value)

    def _in_column(self, table: State | None, column: str, value: Any) -> Iterator[tuple[int, Parts, str]]:
        there = table.columns.get(column) if table is not None else None
        if there is None:
            return
        for full in {name for name, _ in self._added}:
            if there.type == self._as_format_type(full):
                yield from _constant(value, full)

    def _as_format_type(self, full: Parts) -> str:
        bare = self.world.named("type", (full[-1],)) == full
        return written((full[-1],) if bare else full)


def _constant(node: Any, full: Parts) -> Iterator[tuple[int, Parts, str]]:
    if tree.kind(node) == "a_const" and node.a_const.HasField("sval"):
        yield tree.location(node.a_const), full, node.a_const.sval.sval
