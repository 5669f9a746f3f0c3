"""One consistent snapshot of what a database has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from .connect import Connection
from .events import ServerFacts
from .names import written
from .node_trees import never_null
from .sql import query

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

_Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
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

    @property
    def qualified(self) -> str:
        """The name with its schema, as PostgreSQL would quote it."""
        return written((self.schema, self.name))

    @property
    def is_empty(self) -> bool:
        """Whether it was analysed and found empty; of a table that never was, nothing is known."""
        return self.bytes == 0 and self.rows == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """A constraint of a table; `type` is pg_constraint.contype."""

    name: str
    type: str
    validated: bool
    columns: tuple[str, ...]
    # of a foreign key
    referenced: int = 0
    # columns that a CHECK says are never null
    proves: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index of a table."""

    name: str
    valid: bool
    ready: bool
    unique: bool
    method: str
    # None where one of them is an expression
    columns: tuple[str, ...] | None
    partial: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeFacts:
    """A type: `kind` is pg_type.typtype."""

    kind: str
    # a domain with CHECK or NOT NULL
    constrained: bool = False


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """What a database has. Names are looked up through the search_path that the server resolved."""

    server: ServerFacts
    # schemas in which a bare name is looked up, pg_catalog among them
    search_path: tuple[str, ...]
    relations: Mapping[tuple[str, str], Relation]
    columns: Mapping[int, Sequence[Mapping[str, Any]]] = field(repr=False)
    constraints: Mapping[int, Sequence[Mapping[str, Any]]] = field(repr=False)
    indexes: Mapping[int, Sequence[Mapping[str, Any]]] = field(repr=False)
    members: Mapping[int, frozenset[tuple[str, str]]] = field(repr=False)
    schemas: frozenset[str]
    types: Mapping[tuple[str, str], TypeFacts] = field(repr=False)
    # whether one of the functions of that name is volatile
    functions: Mapping[tuple[str, str], bool] = field(repr=False)
    # name -> installed version
    extensions: Mapping[str, str]
    # name -> default version
    available_extensions: Mapping[str, str] = field(repr=False)
    roles: frozenset[str]
    settings: Mapping[str, str]

    @cached_property
    def by_oid(self) -> Mapping[int, Relation]:
        """Relations by their oid."""
        return {relation.oid: relation for relation in self.relations.values()}

    def columns_of(self, oid: int) -> dict[str, Column]:
        """Return the columns of a relation by name, in their order. The system's relations have none here."""
        return {
            row["name"]: Column(
                number=row["number"],
                name=row["name"],
                type=row["type"],
                not_null=row["not_null"],
                has_default=row["has_default"],
                identity=row["identity"],
                generated=row["generated"],
            )
            for row in self.columns.get(oid, ())
        }

    def constraints_of(self, oid: int) -> dict[str, Constraint]:
        """Return the constraints of a table by name."""
        names = self._names(oid)
        return {
            row["name"]: Constraint(
                name=row["name"],
                type=row["type"],
                validated=row["validated"],
                columns=tuple(names.get(number, "") for number in row["columns"] or ()),
                referenced=row["referenced"] or 0,
                proves=tuple(names.get(number, "") for number in never_null(row["tree"] or "")),
            )
            for row in self.constraints.get(oid, ())
        }

    def indexes_of(self, oid: int) -> dict[str, Index]:
        """Return the indexes of a table by name."""
        names = self._names(oid)
        found: dict[str, Index] = {}
        for row in self.indexes.get(oid, ()):
            relation = self.by_oid.get(row["oid"])
            if relation is None:
                continue
            keys = list(row["columns"])[: row["keys"]]
            found[relation.name] = Index(
                name=relation.name,
                valid=row["valid"],
                ready=row["ready"],
                unique=row["unique"],
                method=row["method"],
                columns=tuple(names.get(key, "") for key in keys) if all(keys) else None,
                partial=row["partial"],
            )
        return found

    @cached_property
    def index_tables(self) -> Mapping[int, int]:
        """Oid of an index -> oid of its table."""
        return {row["oid"]: table for table, rows in self.indexes.items() for row in rows}

    def _names(self, oid: int) -> dict[int, str]:
        return {row["number"]: row["name"] for row in self.columns.get(oid, ())}


async def read(connection: Connection) -> Catalog:
    """Return what the database has, by a fixed number of queries, whatever its size.

    Run it inside a REPEATABLE READ transaction, or the queries see different moments. Takes no lock on any relation but
    the catalogs', and calls nothing that waits behind one. Raises `ServerError` or `ConnectionLost`.
    """
    relations = await connection.fetch(query("catalog_relations"))
    columns = await connection.fetch(query("catalog_columns"))
    constraints = await connection.fetch(query("catalog_constraints"))
    indexes = await connection.fetch(query("catalog_indexes"))
    members = await connection.fetch(query("catalog_members"))
    others = await connection.fetch(query("catalog_names"))
    return build(
        server=connection.facts,
        relations=relations,
        columns=columns,
        constraints=constraints,
        indexes=indexes,
        members=members,
        names=others,
    )


def build(
    *,
    server: ServerFacts,
    relations: _Rows,
    columns: _Rows,
    constraints: _Rows,
    indexes: _Rows,
    members: _Rows,
    names: _Rows,
) -> Catalog:
    """Put the answers of the queries together; columns and the like become objects only where they are asked for."""
    by_kind: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for row in names:
        by_kind[row["kind"]].append((row["schema"], row["name"], row["detail"]))
    belonging: dict[int, set[tuple[str, str]]] = defaultdict(set)
    for row in members:
        belonging[row["relation"]].add((row["kind"], row["name"]))
    path = sorted(by_kind["search_path"], key=lambda entry: int(entry[2]))
    return Catalog(
        server=server,
        search_path=tuple(name for _, name, _ in path),
        relations={(row["schema"], row["name"]): _relation(row, server.version_num) for row in relations},
        columns=_grouped(columns),
        constraints=_grouped(constraints),
        indexes=_grouped(indexes),
        members={oid: frozenset(found) for oid, found in belonging.items()},
        schemas=frozenset(name for _, name, _ in by_kind["schema"]),
        types={
            (schema, name): TypeFacts(kind=detail[:1], constrained=detail.endswith("!"))
            for schema, name, detail in by_kind["type"]
        },
        functions={(schema, name): bool(detail) for schema, name, detail in by_kind["function"]},
        extensions={name: detail for _, name, detail in by_kind["extension"]},
        available_extensions={name: detail for _, name, detail in by_kind["available extension"]},
        roles=frozenset(name for _, name, _ in by_kind["role"]),
        settings={name: detail for _, name, detail in by_kind["setting"]},
    )


def _relation(row: Mapping[str, Any], version_num: int) -> Relation:
    # before 14, a table that was never analysed had 0 rows on 0 pages, as an empty one has
    unknown = version_num < 140000 and row["rows"] == 0 and row["bytes"] == 0
    return Relation(
        oid=row["oid"],
        schema=row["schema"],
        name=row["name"],
        kind=RELATION_KINDS[row["kind"]],
        rows=-1.0 if unknown else row["rows"],
        bytes=row["bytes"],
        owner=row["owner"],
        partition=row["partition"],
    )


def _grouped(rows: _Rows) -> dict[int, list[Mapping[str, Any]]]:
    found: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row["relation"]].append(row)
    return dict(found)
