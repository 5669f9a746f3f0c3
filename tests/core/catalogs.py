"""Catalogs for tests without a database, from the DDL that would make them; and the words of these tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from changeover.core import catalog as catalogs
from changeover.core.actions import Action
from changeover.core.catalog import Catalog
from changeover.core.catalog_objects import RELATION_KINDS
from changeover.core.effects import effects_of
from changeover.core.events import ServerFacts
from changeover.core.hazards.allowances import Allowances
from changeover.core.history import History
from changeover.core.judge import Entry, Judged, judge
from changeover.core.limits import Limits
from changeover.core.migration import Folder, Migration, checksums_of
from changeover.core.plan import Plan
from changeover.core.planning import make_plan
from changeover.core.precheck import Row
from changeover.core.relation_state import State
from changeover.core.script import parse
from changeover.core.world import World

SYSTEM_TYPES = ("text", "uuid", "int4", "date", "jsonb", "oid", "name", "bytea", "json", "inet", "cidr")
BINARY_CASTS = (("text", "character varying"), ("character varying", "text"), ("cidr", "inet"))
OBJECTS = (
    *(("language", "", name) for name in ("internal", "c", "sql", "plpgsql")),
    *(("access method", "", name) for name in ("heap", "btree", "hash", "gist", "gin", "spgist", "brin")),
    *(("tablespace", "", name) for name in ("pg_default", "pg_global")),
    *(("collation", "pg_catalog", name) for name in ("default", "C", "POSIX", "en_US")),
    ("text search configuration", "pg_catalog", "english"),
)
# `c IS NOT NULL` as PostgreSQL 18 stores it, c by its number.
_NOT_NULL = (
    "{{NULLTEST :arg {{VAR :varno 1 :varattno {} :vartype 23 :vartypmod -1 :varcollid 0 :varnullingrels (b) "
    ":varlevelsup 0 :varreturningtype 0 :varnosyn 1 :varattnosyn 1 :location 37}} :nulltesttype 1 :argisrow false "
    ":location 39}}"
)
NO_HISTORY = History(format="native", table="changeover.migration", exists=False)


def server(*, version_num: int = 180000, in_recovery: bool = False, database: str = "donations") -> ServerFacts:
    """Return facts of a server that is nowhere."""
    return ServerFacts(
        version="18.0",
        version_num=version_num,
        database=database,
        user="app",
        host="db.example",
        port=5432,
        system_identifier="7000000000000000001",
        timeline=1,
        in_recovery=in_recovery,
        tls=True,
        pooled=False,
        superuser=False,
        read_only=False,
    )


def catalog(
    ddl: str = "",
    *,
    rows: float = 1000,
    facts: ServerFacts | None = None,
    invalid: tuple[str, ...] = (),
    schemas: tuple[str, ...] = ("public",),
) -> Catalog:
    """Return what a database has after `ddl`, with `rows` rows in every table.

    `invalid` names indexes that a failed build left.
    """
    names = [
        *(_name("search_path", "", name, str(number)) for number, name in enumerate(("pg_catalog", "public"), 1)),
        *(_name("schema", "", name) for name in ("pg_catalog", "information_schema", *schemas)),
        *(_name("type", "pg_catalog", name, "0 0 b") for name in SYSTEM_TYPES),
        _name("function", "pg_catalog", "now"),
        _name("function", "pg_catalog", "gen_random_uuid", "volatile"),
        _name("available extension", "", "pgcrypto", "1.3"),
        _name("role", "", "app"),
        _name("setting", "", "TimeZone", "Europe/Berlin"),
        *(_name("binary cast", "", old, new) for old, new in BINARY_CASTS),
    ]
    tables: dict[str, list[dict[str, Any]]] = {
        key: [] for key in ("relations", "columns", "constraints", "indexes", "members")
    }
    objects = [{"kind": kind, "schema": schema, "name": name} for kind, schema, name in OBJECTS]
    bare = catalogs.build(server=facts or server(), names=names, objects=objects, **tables)
    world = World(bare)
    states: list[State] = []
    for statement in parse(ddl.encode(), file="schema.sql").statements:
        for touch in effects_of(statement).touches:
            world.apply(touch)
            if touch.ref.kind == "type" and touch.act == "makes":
                names.append(
                    _name("type", "public", touch.ref.name[-1], "0 0 d!" if "constrained" in touch.detail else "0 0 e")
                )
            if touch.ref.kind == "function" and touch.act == "makes":
                names.append(_name("function", "public", touch.ref.name[-1], touch.detail))
            state = world.find(touch.ref.name)
            if state is not None and state not in states:
                states.append(state)
            table = world.find(touch.other) if touch.ref.kind == "constraint" and touch.other else None
            if table is not None and table not in states:
                states.append(table)
    states = [state for state in states if world.relation(state.key) is state and state.kind != "index"]
    oids = {state.key: 1000 + number for number, state in enumerate(states)}
    for state in states:
        _export(state, oids, tables, rows=rows, invalid=invalid, world=world)
    return catalogs.build(server=facts or server(), names=names, objects=objects, **tables)


def _name(kind: str, schema: str, name: str, detail: str = "") -> dict[str, str]:
    return {"kind": kind, "schema": schema, "name": name, "detail": detail}


def _export(
    state: State,
    oids: dict[tuple[str, str], int],
    tables: dict[str, list[dict[str, Any]]],
    *,
    rows: float,
    invalid: tuple[str, ...],
    world: World,
) -> None:
    oid = oids[state.key]
    letter = next(letter for letter, kind in RELATION_KINDS.items() if kind == state.kind)
    size = 0 if rows == 0 else 8192 * 10
    tables["relations"].append(_relation(oid, *state.key, letter, rows, size))
    numbers = {name: number for number, name in enumerate(state.columns, 1)}
    for column in state.columns.values():
        tables["columns"].append(
            {
                "relation": oid,
                "number": numbers[column.name],
                "name": column.name,
                "type": column.type,
                "not_null": column.not_null,
                "has_default": False,
                "identity": "",
                "generated": "",
                "type_oid": 0,
                "collation": "",
            }
        )
    for constraint in state.constraints.values():
        target = next((c for c in _references(state, constraint.name, world)), None)
        tables["constraints"].append(
            {
                "relation": oid,
                "name": constraint.name,
                "type": constraint.type,
                "validated": constraint.validated,
                "referenced": oids.get(target, 0) if target else 0,
                "columns": [numbers[name] for name in constraint.columns if name in numbers],
                "tree": "".join(_NOT_NULL.format(numbers[name]) for name in constraint.proves[:1]),
                "referenced_columns": None,
                "index": 0,
                "parent": 0,
                "no_inherit": False,
            }
        )
    for number, index in enumerate(state.indexes.values()):
        identity = oid * 100 + number
        tables["relations"].append(_relation(identity, state.key[0], index.name, "i", 0, 0))
        tables["indexes"].append(
            {
                "oid": identity,
                "relation": oid,
                "valid": index.name not in invalid,
                "ready": True,
                "unique": index.unique,
                "method": "btree",
                "columns": [numbers.get(name, 0) for name in index.columns or ("",)],
                "keys": len(index.columns or ("",)),
                "partial": index.partial,
                "tree": "",
            }
        )


def _references(state: State, name: str, world: World) -> list[tuple[str, str]]:
    """Foreign keys in these tests are named after what they reference: fk_users."""
    if not name.startswith("fk_"):
        return []
    found = world.find((name.removeprefix("fk_"),))
    return [found.key] if found is not None else []


def _relation(oid: int, schema: str, name: str, kind: str, rows: float, size: int) -> dict[str, Any]:
    return {
        "oid": oid,
        "schema": schema,
        "name": name,
        "kind": kind,
        "rows": rows,
        "bytes": size,
        "owner": "app",
        "partition": False,
        "persistence": "p",
        "method": "heap",
        "tablespace": "",
        "row_type": 0,
        "of_type": 0,
        "strategy": "",
        "partition_keys": None,
    }


def migration(sql: str, *, version: str = "0001", name: str = "step") -> Migration:
    """Return a migration with this text."""
    file = f"{version}_{name}.sql"
    content = sql.encode()
    return Migration(
        version=version,
        name=name,
        file=file,
        content=content,
        checksums=checksums_of(content),
        script=parse(content, file=file),
    )


def folder(*texts: str) -> Folder:
    """Return a folder with one migration for each text, numbered from 0001."""
    return Folder(
        path=Path("migrations"),
        format="native",
        migrations=tuple(migration(text, version=f"{number:04}") for number, text in enumerate(texts, 1)),
    )


def plan_of(
    *texts: str,
    at: Catalog | None = None,
    history: History = NO_HISTORY,
    allowed: dict[str, str] | None = None,
    operator: dict[str, str] | None = None,
    out_of_order: bool = False,
    to: str | None = None,
    action: Action | None = None,
    limits: Limits | None = None,
) -> Plan:
    """Return the plan of these migrations on a database."""
    return make_plan(
        folder=folder(*texts),
        history=history,
        catalog=at or catalog(),
        limits=limits or Limits(),
        allowances=Allowances(settings=allowed or {}, operator=operator or {}),
        out_of_order=out_of_order,
        action=action or Action(to=to),
    )


def plan_from(folder: Folder, *, at: Catalog) -> Plan:
    """Return the plan of a folder on a database without a history."""
    return make_plan(
        folder=folder,
        history=NO_HISTORY,
        catalog=at,
        limits=Limits(),
        allowances=Allowances(),
        out_of_order=False,
    )


def judged(sql: str, *, at: Catalog | None = None) -> tuple[Judged, ...]:
    """Return what becomes of the statements of one file."""
    statements = parse(sql.encode(), file="0001_step.sql").statements
    return judge([Entry(version="0001", statements=statements)], at or catalog())[0]


def row_of(sql: str, thing: str, *, at: Catalog | None = None) -> Row:
    """Return the pre-check row of an object, the last where there are several."""
    rows = [row for one in judged(sql, at=at) for row in one.rows if row.object == thing]
    assert rows, f"no row for {thing}"
    return rows[-1]
