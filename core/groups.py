"""Which statements of a migration may go to the server in one message, and how many of them. Pure.

Small statements one by one cost a round trip each. In one message of the simple protocol each is still a command of its
own, with a snapshot and a statement_timeout of its own; what is lost is the command tag of all but the last. See
https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-FLOW-MULTI-STATEMENT.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from . import tree
from .plan import PlannedMigration, PlannedStatement
from .precheck import Decision

# How long a message should take on the server; seconds.
AIM: Final = 0.1
# Of SQL in a message: the server keeps its parse trees in memory, and writes all of it to its log where it fails.
_BYTES: Final = 256 * 1024
# Statements in the first message of their kind.
_AT_FIRST: Final = 16.0
# How much more may go into a message than went into the last.
_GROWTH: Final = 4.0
# So many times the aim, and what was in the message is not taken for short any more.
_LONG: Final = 5.0
# What changes rows and nothing else.
DATA: Final = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE"})
# A SELECT that only moves sequences, as dumps of data end with.
_OF_SEQUENCES: Final = frozenset({"setval", "nextval", "currval"})
# What tells statements of one message apart from statements of several, or sets what holds for those after it.
_ALONE: Final = ("statement_timestamp", "set_config")


class Groups:
    """Hands out the statements of a migration in order: those that may share a message in groups, the others alone.

    Rows that stand in the file are short work. What else a statement does to a table is known to be short once one like
    it was; until then it goes alone, so that a long one is seen and can be stopped behind.
    """

    def __init__(self, planned: PlannedMigration) -> None:
        self._statements = planned.statements
        self._at = 0
        self._trees = _trees_of(planned)
        self._pace = _AT_FIRST
        self._short: set[_Shape] = set()
        self._ended = False

    def end(self) -> None:
        """Hand out no more groups: one has failed."""
        self._ended = True

    def next(self) -> tuple[PlannedStatement, ...]:
        """Return what goes next; empty after the last."""
        first = self._at
        room = _BYTES
        while self._at < len(self._statements):
            statement = self._statements[self._at]
            room -= len(statement.sql)
            taken = self._at - first
            if taken and (taken >= int(self._pace) or room < 0 or not self._may_share(statement)):
                break
            self._at += 1
            if not taken and not self._may_share(statement):
                break
        return self._statements[first : self._at]

    def took(self, group: Sequence[PlannedStatement], work: float) -> None:
        """Learn how long the server worked at a group, in seconds: that says how many go together next."""
        shapes = {shape for it in group if (shape := self._shape(it)) is not None}
        if work > _LONG * AIM:
            self._short -= shapes
        elif work < AIM:
            self._short |= shapes
        if shapes:
            self._pace = max(_AT_FIRST if len(group) == 1 else 1.0, len(group) * min(_GROWTH, AIM / max(work, 0.001)))

    def _may_share(self, statement: PlannedStatement) -> bool:
        shape = None if self._ended else self._shape(statement)
        return shape is not None and (shape.rows or shape in self._short)

    def _shape(self, statement: PlannedStatement) -> _Shape | None:
        """Return what a statement that may share a message does to which table, None for any other."""
        if statement.decision is not Decision.RUN or statement.proof is not None or statement.added:
            return None
        node = tree.inner(self._trees.get((statement.number, statement.sql)))
        if node is None:
            return None
        if statement.kind in DATA:
            # a text that only looks like it goes alone too, which costs nothing but time
            if any(word in statement.sql.lower() for word in _ALONE):
                return None
            rows = statement.kind == "INSERT" and bool(node.select_stmt.select_stmt.values_lists)
            return _Shape(kind=statement.kind, table=tree.parts(node.relation), rows=rows)
        if statement.kind == "SELECT" and _moves_sequences(node):
            return _Shape(kind="SELECT", table=(), rows=False)
        return None


class _Shape(NamedTuple):
    """What statements that are equally long have in common."""

    kind: str
    table: tuple[str, ...]
    # that stand in the file: INSERT ... VALUES
    rows: bool


def _trees_of(planned: PlannedMigration) -> dict[tuple[int, str], Any]:
    migration = planned.migration
    sides = [side.script for side in (migration.revert, migration.verify) if side is not None]
    return {(it.number, it.sql): it.tree for script in (migration.script, *sides) for it in script.statements}


def _moves_sequences(node: Any) -> bool:
    """Whether a SELECT calls functions that move sequences and does nothing else."""
    if node is None:
        return False
    calls = 0
    for it in tree.walk(node):
        match it.DESCRIPTOR.name:
            case "FuncCall":
                name = tree.strings(it.funcname)
                if name[-1] not in _OF_SEQUENCES or name[:-1] not in {(), ("pg_catalog",)}:
                    return False
                calls += 1
            case "IntoClause" | "LockingClause" | "CommonTableExpr":
                return False
    return calls > 0
