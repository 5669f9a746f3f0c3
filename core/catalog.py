"""One consistent snapshot of what a database has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .catalog_objects import RELATION_KINDS, Column, Constraint, Domain, Index, Relation, TypeFacts
from .connect import Connection
from .events import ServerFacts
from .node_trees import columns_in, never_null
from .sql import query

_Rows = Sequence[Mapping[str, Any]]


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
    # oid of a relation -> (columns, oid of what depends on it), by kind: child, view, sequence, default
    dependents: Mapping[str, Mapping[int, Sequence[tuple[tuple[int, ...], int]]]] = field(
        default_factory=dict[str, Mapping[int, Sequence[tuple[tuple[int, ...], int]]]], repr=False
    )
    domains: Mapping[int, Domain] = field(default_factory=dict[int, Domain], repr=False)
    # name of an extended statistics object -> oid of its table
    statistics: Mapping[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int], repr=False)
    # name -> oids of the tables that are named in it
    publications: Mapping[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]], repr=False)
    # function -> oids of the tables with a trigger that calls it
    trigger_functions: Mapping[tuple[str, str], frozenset[int]] = field(
        default_factory=dict[tuple[str, str], frozenset[int]], repr=False
    )
    # pairs of types whose values are the same bytes
    binary_casts: frozenset[tuple[str, str]] = field(default=frozenset(), repr=False)
    # kind -> schema (empty where it has none) and name of whatever else there is
    others: Mapping[str, frozenset[tuple[str, str]]] = field(
        default_factory=dict[str, frozenset[tuple[str, str]]], repr=False
    )
    # the tablespace of the database itself
    tablespace: str = "pg_default"

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
                type_oid=row["type_oid"],
                collation=row["collation"],
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
                references=self._referenced_columns(row),
                index=row["index"] or 0,
                inherited=bool(row["parent"]),
                no_inherit=row["no_inherit"],
                tree=row["tree"] or "",
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
            numbers = list(row["columns"])
            keys, included = numbers[: row["keys"]], numbers[row["keys"] :]
            found[relation.name] = Index(
                name=relation.name,
                valid=row["valid"],
                ready=row["ready"],
                unique=row["unique"],
                method=row["method"],
                columns=tuple(names.get(key, "") for key in keys) if all(keys) else None,
                partial=row["partial"],
                oid=row["oid"],
                included=tuple(names.get(number, "") for number in included),
                mentioned=tuple(names.get(number, "") for number in columns_in(row["tree"])),
            )
        return found

    @cached_property
    def index_tables(self) -> Mapping[int, int]:
        """Oid of an index -> oid of its table."""
        return {row["oid"]: table for table, rows in self.indexes.items() for row in rows}

    @cached_property
    def parents(self) -> Mapping[int, tuple[int, ...]]:
        """Oid of a partition, inheriting table or index of a partition -> oids of its parents."""
        found: dict[int, tuple[int, ...]] = {}
        for parent, rows in self.dependents.get("child", {}).items():
            for _, child in rows:
                found[child] = (*found.get(child, ()), parent)
        return found

    @cached_property
    def view_sources(self) -> Mapping[int, tuple[int, ...]]:
        """Oid of a view -> oids of the relations that it reads."""
        found: dict[int, tuple[int, ...]] = {}
        for source, rows in self.dependents.get("view", {}).items():
            for _, view in rows:
                found[view] = (*found.get(view, ()), source)
        return found

    @cached_property
    def referencing(self) -> Mapping[int, tuple[int, ...]]:
        """Oid of a table -> oids of the tables with a foreign key to it."""
        found: dict[int, tuple[int, ...]] = {}
        for table, rows in self.constraints.items():
            for other in {row["referenced"] for row in rows if row["referenced"]}:
                found[other] = (*found.get(other, ()), table)
        return found

    @cached_property
    def type_users(self) -> Mapping[int, tuple[tuple[int, str], ...]]:
        """Oid of a type that is not the system's -> oid of the relation and name of each column of it."""
        wanted = {facts.oid for facts in self.types.values()} | {facts.array for facts in self.types.values()}
        wanted -= {facts.oid for (schema, _), facts in self.types.items() if schema == "pg_catalog"}
        found: dict[int, list[tuple[int, str]]] = defaultdict(list)
        for table, rows in self.columns.items():
            for row in rows:
                if row["type_oid"] in wanted:
                    found[row["type_oid"]].append((table, row["name"]))
        return {oid: tuple(users) for oid, users in found.items()}

    def _referenced_columns(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        if not row["referenced"]:
            return ()
        names = self._names(row["referenced"])
        return tuple(names.get(number, "") for number in row["referenced_columns"] or ())

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
    dependents = await connection.fetch(query("catalog_dependents"))
    domains = await connection.fetch(query("catalog_domains"))
    objects = await connection.fetch(query("catalog_objects"))
    return build(
        server=connection.facts,
        relations=relations,
        columns=columns,
        constraints=constraints,
        indexes=indexes,
        members=members,
        names=others,
        dependents=dependents,
        domains=domains,
        objects=objects,
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
    dependents: _Rows = (),
    domains: _Rows = (),
    objects: _Rows = (),
) -> Catalog:
    """Put the answers of the queries together; columns and the like become objects only where they are asked for."""
    by_kind: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for row in names:
        by_kind[row["kind"]].append((row["schema"], row["name"], row["detail"]))
    belonging: dict[int, set[tuple[str, str]]] = defaultdict(set)
    for row in members:
        belonging[row["relation"]].add((row["kind"], row["name"]))
    callers: dict[tuple[str, str], set[int]] = defaultdict(set)
    for row in members:
        if row["kind"] == "trigger":
            callers[row["function_schema"], row["function"]].add(row["relation"])
    on: dict[str, dict[int, list[tuple[tuple[int, ...], int]]]] = defaultdict(dict)
    for row in dependents:
        on[row["kind"]].setdefault(row["relation"], []).append((tuple(row["columns"]), row["dependent"]))
    others: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for row in objects:
        others[row["kind"]].add((row["schema"], row["name"]))
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
        types={(schema, name): _type(detail) for schema, name, detail in by_kind["type"]},
        functions={(schema, name): bool(detail) for schema, name, detail in by_kind["function"]},
        extensions={name: detail for _, name, detail in by_kind["extension"]},
        available_extensions={name: detail for _, name, detail in by_kind["available extension"]},
        roles=frozenset(name for _, name, _ in by_kind["role"]),
        settings={name: detail for _, name, detail in by_kind["setting"]},
        dependents=dict(on),
        domains={row["oid"]: _domain(row) for row in domains},
        statistics={(schema, name): int(detail) for schema, name, detail in by_kind["statistics"]},
        publications={name: tuple(map(int, detail.split())) for _, name, detail in by_kind["publication"]},
        trigger_functions={function: frozenset(tables) for function, tables in callers.items()},
        binary_casts=frozenset((name, detail) for _, name, detail in by_kind["binary cast"]),
        others={kind: frozenset(found) for kind, found in others.items()},
        tablespace=next((name for _, name, _ in by_kind["database tablespace"]), "pg_default"),
    )


def _type(detail: str) -> TypeFacts:
    oid, array, kind = detail.split()
    return TypeFacts(kind=kind[:1], constrained=kind.endswith("!"), oid=int(oid), array=int(array))


def _domain(row: Mapping[str, Any]) -> Domain:
    return Domain(
        oid=row["oid"],
        base=row["base"],
        base_oid=row["base_oid"],
        not_null=row["not_null"],
        checks={check[:-1]: check.endswith("!") for check in row["checks"]},
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
        persistence=row["persistence"],
        method=row["method"],
        tablespace=row["tablespace"],
        row_type=row["row_type"],
        of_type=row["of_type"],
        strategy=row["strategy"],
        partition_keys=tuple(row["partition_keys"] or ()),
    )


def _grouped(rows: _Rows) -> dict[int, list[Mapping[str, Any]]]:
    found: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row["relation"]].append(row)
    return dict(found)
