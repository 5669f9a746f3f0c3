"""What a statement does, object by object and in order; the words that `effects`, `world` and `precheck` share."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from .alike import Shape
from .errors import Place
from .names import Parts, written
from .typenames import TypeUse


class Act(StrEnum):
    """What is done to an object."""

    NEED = "needs"
    MAKE = "makes"
    CHANGE = "changes"
    DROP = "drops"


class Ref(Struct, frozen=True, kw_only=True):
    """An object as a statement names it.

    `kind` is table, view, materialized view, index, sequence, column, constraint, trigger, type, schema, function,
    extension or role. A `table` is whatever can stand where a table can. `member` names a column, constraint,
    trigger, policy or rule of the relation `name`.
    """

    kind: str
    name: Parts
    member: str | None = None

    def __str__(self) -> str:
        return written(self.name if self.member is None else (*self.name, self.member))


class Test(Struct, frozen=True, kw_only=True):
    """A guard on the catalog: whether `ref` exists; `holds` is the answer that lets the guarded part run."""

    __test__ = False  # pytest: this is no test class

    ref: Ref
    holds: bool = True
    # the guard did not say in which schema
    anywhere: bool = False


class Touch(Struct, frozen=True, kw_only=True):
    """One act on one object. What is not said by the statement is None or empty."""

    act: Act
    ref: Ref
    place: Place
    # IF EXISTS on what is needed or dropped, IF NOT EXISTS on what is made
    guarded: bool = False
    # OR REPLACE
    replace: bool = False
    # CASCADE
    cascade: bool = False
    type: TypeUse | None = None
    not_null: bool | None = None
    # of an index or constraint; None where they are expressions
    columns: tuple[str, ...] | None = None
    # of an index
    unique: bool = False
    # p, u, f, c, x, n as pg_constraint.contype
    constraint: str = ""
    # the relation of an index, the referenced table of a foreign key
    other: Parts | None = None
    valid: bool = True
    # of a CHECK: columns that it says are never null
    proves: tuple[str, ...] = ()
    # relations that a view reads
    reads: tuple[Parts, ...] = ()
    # columns that a view, an index's expressions and predicate, or a foreign key's other side have; None: any may be
    mentions: tuple[str, ...] | None = ()
    # the server makes it, under a name that the statement does not say
    implied: bool = False
    # whether it happens at all, or may fail without harm, only running the statement tells
    uncertain: bool = False
    # the new name, in the same schema
    renamed: str | None = None
    # ALTER ... SET SCHEMA
    moved: str | None = None
    # guards that must hold for this to happen
    tests: tuple[Test, ...] = ()
    # of a table in CREATE TABLE: whether it is a partition, a view's kind, ...
    detail: str = ""


class WorkKind(StrEnum):
    """Work on rows that are there."""

    REWRITE = "rewrite"
    SCAN = "scan"
    BUILD = "build"


class Work(Struct, frozen=True, kw_only=True):
    """Work that a statement does on the rows of a relation.

    `rule` says why: type (a column's type changes), default (a volatile one), generated (identity, serial or a stored
    expression), domain, not null, check, foreign key, unique, primary key, exclude, index, rebuild (of an index whose
    column changes), storage (tablespace, persistence, access method), cluster, vacuum, refresh, reindex, validate,
    partition (bounds are verified), query.
    """

    kind: WorkKind
    rule: str
    column: str | None = None
    type: TypeUse | None = None
    # of a build: the index, without its schema (it is the table's); of a scan: the constraint that is verified
    index: str = ""
    constraint: str = ""
    # CONCURRENTLY: writes go on
    concurrent: bool = False


class Step(Struct, frozen=True, kw_only=True):
    """One SQL statement that runs: the whole statement, or one inside a block or function, where its `tests` hold."""

    # a node of the parse tree
    node: Any
    tests: tuple[Test, ...] = ()
    # which loop it runs in again and again, together with the steps beside it; 0 where it runs once
    loop: int = 0


class Effects(Struct, frozen=True, kw_only=True):
    """Everything that is known of a statement without a database, in the order in which it happens."""

    touches: tuple[Touch, ...] = ()
    # what runs, in order
    steps: tuple[Step, ...] = ()
    # why running it is the only way to know all of it; empty where it is known
    unknowable: str = ""
    # DO: the conditions around all that it does, where nothing but messages stands outside of them
    guard: tuple[Test, ...] = ()
    # what the statements have in common that share these effects, with none that is unlike them in between; None where
    # they are of one alone
    shape: Shape | None = None

    def of(self, act: Act) -> tuple[Touch, ...]:
        """Return the touches of one kind."""
        return tuple(touch for touch in self.touches if touch.act is act)


class Gather(Struct, kw_only=True):
    """Collects the effects of one statement."""

    touches: list[Touch] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    unknowable: str = ""
    guard: tuple[Test, ...] = ()

    def add(self, touch: Touch) -> None:
        """Add a touch; the same one twice is one (a table named twice in a query)."""
        if not self.touches or touch != self.touches[-1]:
            self.touches.append(touch)

    def done(self) -> Effects:
        """Return what was collected."""
        return Effects(
            touches=tuple(self.touches),
            steps=tuple(self.steps),
            unknowable=self.unknowable,
            guard=self.guard,
        )
