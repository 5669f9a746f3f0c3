"""A relation as it will be at one statement of a plan."""

from __future__ import annotations

from typing import Final

from msgspec import Struct, field

from .catalog_objects import Column, Constraint, Index, Relation
from .errors import Place
from .names import written

Key = tuple[str, str]

# Kinds of relation by the kind of a reference; a `table` is whatever can stand where a table can.
TABLES: Final = frozenset({"table", "partitioned table", "view", "materialized view", "foreign table"})
FITTING: Final = {
    "table": TABLES,
    "base table": frozenset({"table", "partitioned table"}),
    "view": frozenset({"view", "materialized view"}),
    "materialized view": frozenset({"materialized view"}),
    "index": frozenset({"index", "partitioned index"}),
    "sequence": frozenset({"sequence"}),
}
RELATION_REFS: Final = frozenset({*FITTING, "relation"})
MEMBERS: Final = frozenset({"column", "constraint", "trigger", "policy", "rule"})


class State(Struct, kw_only=True):
    """A relation as it will be."""

    key: Key
    kind: str
    # as it is in the database; None where the plan makes it
    relation: Relation | None
    # of what the plan makes, a number below zero
    oid: int = 0
    columns: dict[str, Column] = field(default_factory=dict)
    constraints: dict[str, Constraint] = field(default_factory=dict)
    indexes: dict[str, Index] = field(default_factory=dict)
    members: set[tuple[str, str]] = field(default_factory=set)
    # where the plan makes it
    made: Place | None = None
    # whether `columns` holds them all: not of a view, a table made from a query, or one of the system's
    complete: bool = True
    # made LIKE another: what it has of constraints and indexes is not known by name
    copied: bool = False
    # of an index: its table
    table: Key | None = None

    @property
    def qualified(self) -> str:
        """The name with its schema, as PostgreSQL would quote it."""
        return written(self.key)
