"""What a database has, one at a time: relations, columns, constraints, indexes, types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from .names import written

# pg_class.relkind in the manual's words.
RELATION_KINDS: Final = {
    "r": "table",
    "p": "partitioned table",
    "v": "view",
    "m": "materialized view",
    "f": "foreign table",
    "S": "sequence",
    "c": "composite type",
    "i": "index",
    "I": "partitioned index",
}


class Relation(Struct, frozen=True, kw_only=True):
    """A table, view, index, sequence or composite type."""

    oid: int
    schema: str
    name: str
    kind: str
    # the planner's estimate; -1 where the table was never analysed
    rows: float
    # of the main fork, at the last VACUUM or ANALYZE
    bytes: int
    owner: str | None
    partition: bool = False
    # p permanent, u unlogged, t temporary
    persistence: str = "p"
    # the access method's name
    method: str = ""
    # empty: the database's own
    tablespace: str = ""
    # the oid of the type of its rows, and of the type that a typed table is of
    row_type: int = 0
    of_type: int = 0
    # of a partitioned table: r, l or h, and the numbers of the columns (0: an expression)
    strategy: str = ""
    partition_keys: tuple[int, ...] = ()

    @property
    def qualified(self) -> str:
        """The name with its schema, as PostgreSQL would quote it."""
        return written((self.schema, self.name))

    @property
    def is_empty(self) -> bool:
        """Whether it was analysed and found empty; of a table that never was, nothing is known."""
        return self.bytes == 0 and self.rows == 0


class Column(Struct, frozen=True, kw_only=True):
    """A column of a relation."""

    number: int
    name: str
    # as format_type says it
    type: str
    not_null: bool
    has_default: bool = False
    # a, d or empty
    identity: str = ""
    # s, v or empty
    generated: str = ""
    # 0 where the plan makes it
    type_oid: int = 0
    # where it is not the type's own
    collation: str = ""


class Constraint(Struct, frozen=True, kw_only=True):
    """A constraint of a table; `type` is pg_constraint.contype."""

    name: str
    type: str
    validated: bool
    columns: tuple[str, ...]
    # of a foreign key
    referenced: int = 0
    # columns that a CHECK says are never null
    proves: tuple[str, ...] = ()
    # of a foreign key: the columns that it references
    references: tuple[str, ...] = ()
    # the index behind it, or the one that a foreign key looks its keys up in
    index: int = 0
    # it is the partition's share of a constraint of the partitioned table
    inherited: bool = False
    no_inherit: bool = False
    # of a CHECK: its stored tree
    tree: str = ""


class Index(Struct, frozen=True, kw_only=True):
    """An index of a table."""

    name: str
    valid: bool
    ready: bool
    unique: bool
    method: str
    # None where one of them is an expression
    columns: tuple[str, ...] | None
    partial: bool = False
    # 0 where the plan makes it
    oid: int = 0
    # of INCLUDE
    included: tuple[str, ...] = ()
    # columns in its expressions and its predicate; with any, a change of their type builds it anew
    mentioned: tuple[str, ...] = ()

    @property
    def touched(self) -> frozenset[str]:
        """Every column that it depends on."""
        return frozenset((*(self.columns or ()), *self.included, *self.mentioned))


class TypeFacts(Struct, frozen=True, kw_only=True):
    """A type: `kind` is pg_type.typtype."""

    kind: str
    # a domain with CHECK or NOT NULL
    constrained: bool = False
    oid: int = 0
    # the type of arrays of it
    array: int = 0


class Domain(Struct, frozen=True, kw_only=True):
    """A domain: what it is over, as format_type says it, and what it refuses."""

    oid: int
    base: str
    base_oid: int
    not_null: bool
    # name of a constraint -> whether it was validated
    checks: Mapping[str, bool]
