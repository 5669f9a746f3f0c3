"""The catalog to be looked through: its relations in a list, and one of them in full. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from .catalog import Catalog
from .catalog_objects import Column, Constraint, Index, Relation
from .inspection import Comments

_SHOWN: Final = frozenset(
    {"table", "partitioned table", "view", "materialized view", "foreign table", "sequence", "composite type"}
)
_SYSTEM: Final = frozenset({"pg_catalog", "information_schema"})
# pg_constraint.contype in the manual's words.
_CONSTRAINTS: Final = {
    "p": "PRIMARY KEY",
    "u": "UNIQUE",
    "f": "FOREIGN KEY",
    "c": "CHECK",
    "x": "EXCLUDE",
    "n": "NOT NULL",
    "t": "CONSTRAINT TRIGGER",
}
_GENERATED: Final = {"s": "generated, stored", "v": "generated, virtual"}
_IDENTITY: Final = {"a": "identity, always", "d": "identity, by default"}


class ColumnLine(Struct, frozen=True, kw_only=True):
    """A column, with what is said of it in words."""

    name: str
    type: str
    notes: str
    comment: str


class Named(Struct, frozen=True, kw_only=True):
    """An index, constraint or relation beside this one: its name, what it is, and its comment."""

    name: str
    what: str
    comment: str = ""


class RelationDetails(Struct, frozen=True, kw_only=True):
    """A relation in full."""

    relation: Relation
    comment: str
    columns: tuple[ColumnLine, ...]
    indexes: tuple[Named, ...]
    constraints: tuple[Named, ...]
    referenced_by: tuple[Named, ...]
    partitions: tuple[Named, ...]


def browsable(catalog: Catalog) -> tuple[Relation, ...]:
    """Return what the browser lists, by schema and name; indexes stand with their tables."""
    found = (
        relation
        for relation in catalog.relations.values()
        if relation.kind in _SHOWN and relation.schema not in _SYSTEM and not relation.schema.startswith("pg_toast")
    )
    return tuple(sorted(found, key=lambda relation: (relation.schema, relation.name)))


def whole_size(catalog: Catalog, relation: Relation) -> int:
    """Return the estimated bytes of a relation with its indexes, by pg_class: as of the last VACUUM or ANALYZE.

    Never pg_relation_size: that opens the relation, and waits behind a migration that waits for ACCESS EXCLUSIVE.
    """
    indexes = (catalog.by_oid.get(row["oid"]) for row in catalog.indexes.get(relation.oid, ()))
    return relation.bytes + sum(index.bytes for index in indexes if index is not None)


def details(catalog: Catalog, comments: Comments, relation: Relation) -> RelationDetails:
    """Return a relation in full."""
    oid = relation.oid
    columns = catalog.columns_of(oid).values()
    children = [child for _, child in catalog.dependents.get("child", {}).get(oid, ())]
    return RelationDetails(
        relation=relation,
        comment=comments.of_columns.get((oid, 0), ""),
        columns=tuple(
            ColumnLine(
                name=column.name,
                type=column.type,
                notes=_column_notes(column),
                comment=comments.of_columns.get((oid, column.number), ""),
            )
            for column in columns
        ),
        indexes=tuple(
            Named(name=index.name, what=_index_words(index), comment=comments.of_columns.get((index.oid, 0), ""))
            for index in catalog.indexes_of(oid).values()
        ),
        constraints=tuple(
            Named(
                name=constraint.name,
                what=_constraint_words(catalog, constraint),
                comment=comments.of_constraints.get((oid, constraint.name), ""),
            )
            for constraint in catalog.constraints_of(oid).values()
        ),
        referenced_by=_named(catalog, sorted(set(catalog.referencing.get(oid, ()))), "has a foreign key to it"),
        partitions=_named(catalog, children, "partition or child"),
    )


def _named(catalog: Catalog, oids: Sequence[int], what: str) -> tuple[Named, ...]:
    found = (catalog.by_oid.get(oid) for oid in oids)
    return tuple(Named(name=relation.qualified, what=what) for relation in found if relation is not None)


def _column_notes(column: Column) -> str:
    notes = ["not null"] if column.not_null else []
    if column.generated:
        notes.append(_GENERATED.get(column.generated, "generated"))
    elif column.has_default:
        notes.append("default")
    if column.identity:
        notes.append(_IDENTITY.get(column.identity, "identity"))
    if column.collation:
        notes.append(f"collation {column.collation}")
    return ", ".join(notes)


def _index_words(index: Index) -> str:
    keys = ", ".join(index.columns) if index.columns is not None else "an expression"
    said = [f"{'unique ' if index.unique else ''}{index.method} ({keys})"]
    said += [f"includes {', '.join(index.included)}"] if index.included else []
    said += ["partial"] if index.partial else []
    said += [] if index.valid else ["INVALID"]
    return ", ".join(said)


def _constraint_words(catalog: Catalog, constraint: Constraint) -> str:
    said = f"{_CONSTRAINTS.get(constraint.type, constraint.type)} ({', '.join(constraint.columns)})"
    other = catalog.by_oid.get(constraint.referenced) if constraint.referenced else None
    if other is not None:
        said += f" to {other.qualified} ({', '.join(constraint.references)})"
    return said if constraint.validated else f"{said}, NOT VALID"
