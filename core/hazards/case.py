"""What a rule looks at: one statement, the database as it will be before it, and what its transaction did before."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct
from postgast import pg_query_pb2 as pb

from .. import tree
from ..catalog_objects import Relation
from ..estimate import Toil
from ..judge import Judged
from ..locks import LockMode
from ..names import Parts, written
from ..relation_state import State
from ..script import Statement
from ..touches import WorkKind
from ..world import World
from .rates import size_of

_TABLES = frozenset({"table", "partitioned table", "materialized view"})


class Command(Struct, frozen=True, kw_only=True):
    """One subcommand of an ALTER TABLE on a table that was there, with rows or perhaps with rows."""

    name: Parts
    state: State
    # AlterTableStmt
    node: Any
    # AlterTableCmd
    cmd: Any

    @property
    def table(self) -> str:
        """The table's qualified name."""
        return self.state.qualified

    @property
    def definition(self) -> Any:
        """The wrapper around what the subcommand adds or sets."""
        return getattr(self.cmd, "def")

    @property
    def column(self) -> str | None:
        """The column that it is about, where it is about one."""
        if tree.kind(self.definition) == "column_def" and self.definition.column_def.colname:
            return str(self.definition.column_def.colname)
        return str(self.cmd.name) if self.cmd.name else None

    @property
    def constraint(self) -> Any:
        """The constraint that ADD CONSTRAINT adds; None for other subcommands."""
        return self.definition.constraint if self.cmd.subtype == pb.AT_AddConstraint else None


class Past(Struct, frozen=True, kw_only=True):
    """A statement that ran earlier in the same transaction."""

    line: int
    kind: str
    # locks on tables that were there before the plan and are not known to be empty
    locks: tuple[tuple[str, LockMode], ...]
    # tables whose rows it went through
    worked: tuple[str, ...]
    # enum types that got a value
    enum_values: tuple[tuple[str, str], ...] = ()
    # ALTER TABLE: table and tree
    altered: tuple[tuple[str, Any], ...] = ()
    dropped_indexes: tuple[tuple[str, tuple[str, ...] | None], ...] = ()

    @property
    def matters(self) -> bool:
        """Whether a later statement can be a danger because of it."""
        held = any(mode.blocks_writes for _, mode in self.locks)
        return held or bool(self.enum_values or self.altered or self.dropped_indexes)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One statement that will run, before the world as it is when its turn comes."""

    judged: Judged
    world: World
    # work on tables that were there and are not known to be empty
    toils: tuple[Toil, ...]
    # the tree of the statement; of a DO block the trees of those inside that run
    nodes: tuple[Any, ...]
    # server_version_num
    version: int
    transactional: bool
    past: tuple[Past, ...] = ()
    # what the statement locks of what was there before the plan, by qualified name
    locked: Mapping[str, Relation] = dataclasses.field(default_factory=dict)
    # tables that the plan gives a primary key, by their last name
    keyed: frozenset[str] = frozenset()
    # the trees by their kind: sixty rules ask for theirs
    _kinds: dict[str, tuple[Any, ...]] = dataclasses.field(init=False, default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        for node in self.nodes:
            kind = tree.kind(node)
            self._kinds[kind] = (*self._kinds.get(kind, ()), tree.inner(node))

    @property
    def statement(self) -> Statement:
        """The statement itself."""
        return self.judged.statement

    def of(self, kind: str) -> Iterator[Any]:
        """Return the trees of one kind, as `index_stmt`."""
        return iter(self._kinds.get(kind, ()))

    def there(self, name: Parts) -> State | None:
        """Return a relation that was there before the plan."""
        state = self.world.find(name)
        return state if state is not None and state.relation is not None else None

    def filled(self, name: Parts) -> State | None:
        """Return a table that was there before the plan and is not known to be empty."""
        state = self.there(name)
        if state is None or state.kind not in _TABLES or self.is_empty(state):
            return None
        return state

    def is_empty(self, state: State) -> bool:
        """Whether a table, with all its partitions, is known to be empty, or made by the plan."""
        return all(one.relation is None or one.relation.is_empty for one in self.stored(state))

    def stored(self, state: State) -> list[State]:
        """Return where the rows of a table are: in itself, or in its partitions."""
        if state.kind != "partitioned table":
            return [state]
        return [one for one in self.world.descendants(state) if one.kind != "partitioned table"]

    def size(self, *states: State) -> str:
        """Return rows and size of tables in words."""
        return size_of(*(leaf for state in states for leaf in self.stored(state)))

    def commands(self, *subtypes: int) -> Iterator[Command]:
        """Yield the subcommands of ALTER TABLE on filled tables; of these subtypes, or all."""
        for node in self.of("alter_table_stmt"):
            if node.objtype not in {pb.OBJECT_TABLE, pb.OBJECT_MATVIEW}:
                continue
            name = tree.parts(node.relation)
            state = self.filled(name)
            if state is None:
                continue
            for item in node.cmds:
                if not subtypes or item.alter_table_cmd.subtype in subtypes:
                    yield Command(name=name, state=state, node=node, cmd=item.alter_table_cmd)

    def added_constraints(self, *types: int) -> Iterator[tuple[Command, Any]]:
        """Yield the constraints that ALTER TABLE adds, alone and inline with a new column."""
        for command in self.commands(pb.AT_AddConstraint):
            if command.constraint.contype in types:
                yield command, command.constraint
        for command in self.new_columns():
            for item in command.definition.column_def.constraints:
                if item.constraint.contype in types:
                    yield command, item.constraint

    def new_columns(self) -> Iterator[Command]:
        """Yield the ADD COLUMNs that add a column which is not there yet."""
        for command in self.commands(pb.AT_AddColumn):
            if not (command.cmd.missing_ok and command.column in command.state.columns):
                yield command

    def dropped(self, *kinds: int) -> Iterator[tuple[Parts, Any]]:
        """Yield names in DROP statements of these kinds, with the statement."""
        for node in self.of("drop_stmt"):
            if node.remove_type in kinds:
                for item in node.objects:
                    yield tree.object_parts(item), node

    def toils_of(self, name: Parts, kind: WorkKind, *rules: str, column: str | None = None) -> list[Toil]:
        """Return the work on a table and on what is below it, for these reasons; for `column` where it is named."""
        state = self.world.find(name)
        if state is None:
            return []
        family = {state.oid, *(child.oid for child in self.world.descendants(state))}
        return [
            toil
            for toil in self.toils
            if toil.work.kind is kind
            and toil.work.rule in rules
            and toil.state.oid in family
            and (column is None or toil.work.column in {None, column})
        ]

    def lock_on(self, table: str) -> LockMode | None:
        """Return the lock that the statement takes on a table, by its qualified name."""
        return next((claim.mode for claim in self.judged.estimate.locks if claim.relation == table), None)

    def qualified(self, name: Parts) -> str:
        """Return a relation's name with its schema, also of one that is not there."""
        return written(self.world.key(name))

    def dependents(
        self, state: State, column: str | None, *, typed: bool, but: frozenset[int] = frozenset()
    ) -> Iterator[str]:
        """Yield what depends on a relation, or on one column of it, and is not dropped together with it.

        With `typed`, what keeps the column from changing its type: a foreign key does not. `but` are the oids of what
        goes as well.
        """
        columns = frozenset([column]) if column is not None else None
        for view in self.world.views_on(state, columns):
            if view.oid not in but:
                yield f"the {view.kind} {view.qualified}"
        for other, key in self.world.referencing(state) if not typed else ():
            named = column is None or column in key.references
            if other is not state and other.oid not in but and named and not key.inherited:
                yield f"the foreign key {written((key.name,))} of {other.qualified}"
        if column is None and state.kind == "table":
            yield from (f"the table {child.qualified}" for child in self.world.children(state) if child.oid not in but)

    def held(self) -> dict[str, Past]:
        """Return the tables that the transaction has locked against writing, each with the statement that did it."""
        found: dict[str, Past] = {}
        for past in self.past:
            for table, mode in past.locks:
                if mode.blocks_writes:
                    found.setdefault(table, past)
        return found


def nodes_of(judged: Judged, world: World) -> tuple[Any, ...]:
    """Return the trees of what runs: the statement, or those inside a block or function, where their guards hold."""
    if judged.effects.shape is not None:
        # those in effects that are shared are of the first that has them
        return (judged.statement.tree,)
    steps = judged.effects.steps
    return tuple(step.node for step in steps if not any(world.holds(test) is False for test in step.tests))


def is_table(case: Case, name: str) -> bool:
    """Whether a relation that the statement locks is a table that was there and is not known to be empty."""
    relation = case.locked.get(name)
    state = case.world.of(relation.oid) if relation is not None else None
    return state is not None and state.kind in _TABLES and not case.is_empty(state)
