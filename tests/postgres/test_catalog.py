"""The snapshot of a real database, and what the plan makes of it."""

from __future__ import annotations

import asyncio

import pytest

from changeover.core import catalog as catalogs
from changeover.core import proofs
from changeover.core.catalog import Catalog
from changeover.core.connect import Connection, Connector
from changeover.core.judge import Entry, Judged, judge
from changeover.core.object_kinds import KEPT
from changeover.core.precheck import Decision, Verdict
from changeover.core.relation_state import State
from changeover.core.script import parse
from changeover.core.settings import Retry
from changeover.core.sql import query
from changeover.core.target import Target
from changeover.core.touches import Ref
from changeover.core.world import World

SCENE = """
CREATE SCHEMA app; CREATE SCHEMA hidden;
CREATE TYPE app.mood AS ENUM ('a'); CREATE TYPE hidden.mood AS ENUM ('a');
CREATE DOMAIN app.positive AS int CHECK (VALUE > 0); CREATE DOMAIN app.plain AS int;
CREATE TABLE app."Big Users" (id int PRIMARY KEY, mail varchar(80) NOT NULL, at timestamptz(3), n numeric(10,2),
    tags text[], m app.mood, h hidden.mood);
CREATE TABLE app.gifts (id uuid PRIMARY KEY, u int, c int CONSTRAINT sure CHECK (c IS NOT NULL),
    CONSTRAINT fk FOREIGN KEY (u) REFERENCES app."Big Users" (id));
CREATE INDEX gifts_u ON app.gifts (u); CREATE UNIQUE INDEX gifts_expr ON app.gifts (lower(id::text)) WHERE c > 1;
CREATE VIEW app.v AS SELECT 1 AS one; CREATE SEQUENCE app.s; CREATE MATERIALIZED VIEW app.mv AS SELECT 1 AS one;
CREATE TABLE app.parted (k int) PARTITION BY RANGE (k);
CREATE FUNCTION app.tick() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER tick BEFORE INSERT ON app.gifts FOR EACH ROW EXECUTE FUNCTION app.tick();
INSERT INTO app."Big Users" SELECT g, 'x' FROM generate_series(1, 500) AS g;
ANALYZE;
"""


async def connect(target: Target) -> Connection:
    return await Connector(target, Retry(retries=0), emit=lambda _: None)("look")


async def read(connection: Connection) -> Catalog:
    await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        return await catalogs.read(connection)
    finally:
        await connection.execute("ROLLBACK")


def judged(sql: str, catalog: Catalog) -> tuple[Judged, ...]:
    statements = parse(sql.encode(), file="0001_x.sql").statements
    return judge([Entry(version="0001", statements=statements)], catalog)[0]


async def test_the_snapshot_has_everything_that_a_plan_asks_for(any_database: Target) -> None:
    connection = await connect(any_database)
    try:
        await connection.execute(SCENE)
        await connection.execute("SET search_path = app, public")
        catalog = await read(connection)
    finally:
        await connection.close()
    assert catalog.search_path == ("pg_catalog", "app", "public")
    users, gifts = catalog.relations["app", "Big Users"], catalog.relations["app", "gifts"]
    assert (users.kind, users.rows, users.qualified) == ("table", 500, 'app."Big Users"')
    assert users.bytes > 0
    types = {column.name: column.type for column in catalog.columns_of(users.oid).values()}
    assert types == {
        "id": "integer",
        "mail": "character varying(80)",
        "at": "timestamp(3) with time zone",
        "n": "numeric(10,2)",
        "tags": "text[]",
        "m": "mood",
        "h": "hidden.mood",
    }
    assert catalog.columns_of(users.oid)["mail"].not_null
    keys = {c.name: c for c in catalog.constraints_of(gifts.oid).values() if c.type != "n"}
    assert set(keys) == {"gifts_pkey", "sure", "fk"}
    assert (keys["fk"].referenced, keys["fk"].columns) == (users.oid, ("u",))
    assert keys["sure"].proves == ("c",)
    indexes = catalog.indexes_of(gifts.oid)
    assert (indexes["gifts_u"].columns, indexes["gifts_u"].valid) == (("u",), True)
    assert (indexes["gifts_expr"].columns, indexes["gifts_expr"].partial) == (None, True)
    kinds = {name: catalog.relations["app", name].kind for name in ("v", "s", "mv", "parted", "gifts_u")}
    assert kinds == {
        "v": "view",
        "s": "sequence",
        "mv": "materialized view",
        "parted": "partitioned table",
        "gifts_u": "index",
    }
    assert catalog.types["app", "positive"].constrained
    assert not catalog.types["app", "plain"].constrained
    assert catalog.functions["app", "tick"]
    assert ("trigger", "tick") in catalog.members[gifts.oid]
    assert {"app", "hidden", "public"} <= catalog.schemas
    assert any_database.user in catalog.roles
    assert "plpgsql" in catalog.extensions
    assert "plpgsql" in catalog.available_extensions
    assert "TimeZone" in catalog.settings


async def test_reading_does_not_wait_behind_a_migration_that_waits(any_database: Target) -> None:
    connections = [await connect(any_database) for _ in range(3)]
    reader, holder, waiter = connections
    try:
        await reader.execute(SCENE)
        await holder.execute("BEGIN; SELECT FROM app.gifts")
        stuck = asyncio.create_task(waiter.execute("BEGIN; LOCK TABLE app.gifts IN ACCESS EXCLUSIVE MODE"))
        while await reader.execute("SELECT 1 FROM pg_locks WHERE NOT granted") != "SELECT 1":
            await asyncio.sleep(0.02)
        catalog = await asyncio.wait_for(read(reader), 5)
        await holder.execute("ROLLBACK")
        await stuck
        held = await asyncio.wait_for(read(reader), 5)
    finally:
        await asyncio.gather(*(connection.close() for connection in connections))
    assert catalog.relations["app", "gifts"].oid == held.relations["app", "gifts"].oid


async def test_the_number_of_queries_does_not_grow_with_the_database(database: Target) -> None:
    connection = await connect(database)
    asked: list[str] = []
    fetch = connection.fetch

    class Counting:
        facts = connection.facts

        async def fetch(self, sql: str) -> object:
            asked.append(sql)
            return await fetch(sql)

    try:
        await catalogs.read(Counting())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        few = len(asked)
        await connection.execute(SCENE)
        await catalogs.read(Counting())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    finally:
        await connection.close()
    assert len(asked) == 2 * few
    assert len(set(asked)) == few


STEPS = """
CREATE TABLE IF NOT EXISTS gifts (id uuid);
ALTER TABLE gifts ADD COLUMN IF NOT EXISTS u int;
ALTER TABLE gifts DROP COLUMN IF EXISTS gone, DROP CONSTRAINT IF EXISTS nope;
CREATE INDEX IF NOT EXISTS gifts_u ON gifts (u);
DROP TABLE IF EXISTS nowhere;
DROP TRIGGER IF EXISTS nope ON gifts;
CREATE SCHEMA IF NOT EXISTS app;
DROP FUNCTION IF EXISTS nope();
DROP TYPE IF EXISTS app.nope;
ALTER TABLE "Big Users" ALTER mail TYPE varchar(80);
CREATE EXTENSION IF NOT EXISTS plpgsql;
DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'fk' AND conrelid = 'app.gifts'::regclass)
    THEN ALTER TABLE gifts ADD CONSTRAINT fk CHECK (true); END IF; END $$;
DO $$ BEGIN IF EXISTS (SELECT 1 FROM information_schema.tables WHERE table_name = 'sessions')
    THEN ALTER TABLE gifts ADD s int; ELSE RAISE NOTICE 'later'; END IF; END $$;
DO $$ BEGIN IF to_regclass('app.sessions') IS NOT NULL THEN ALTER TABLE gifts ADD s int; END IF; END $$;
"""


async def test_the_server_agrees_with_every_proof(any_database: Target) -> None:
    connection = await connect(any_database)
    try:
        await connection.execute(SCENE)
        await connection.execute("SET search_path = app, public")
        found = judged(STEPS, await read(connection))
        decisions = [one.decision for one in found]
        assert decisions == [*[Decision.SKIP] * 12, *[Decision.DEFER] * 2]
        for one in found:
            assert one.proof is not None
            assert await connection.execute(one.proof) == "SELECT 1", one.statement.sql
        await connection.execute("CREATE TABLE sessions (); DROP TABLE gifts CASCADE; DROP EXTENSION plpgsql CASCADE")
        for one in [*found[:2], found[3], *found[10:14]]:
            assert one.proof is not None
            assert await connection.execute(one.proof) == "SELECT 0", one.statement.sql
    finally:
        await connection.close()


KINDS = (
    "table,base table,view,materialized view,index,sequence,relation,schema,role,extension,type,function,"
    "column,constraint,trigger,policy,rule"
)


@pytest.mark.parametrize("kind", KINDS.split(","))
async def test_every_proof_is_a_query_that_the_server_takes(kind: str, database: Target) -> None:
    name = ("We\\ird", 'it\'s "quoted"') if kind not in {"schema", "role", "extension"} else ("it's",)
    member = "m'\\" if kind in {"column", "constraint", "trigger", "policy", "rule"} else None
    connection = await connect(database)
    try:
        for anywhere in (False, True):
            fact = proofs.exists(Ref(kind=kind, name=name, member=member), anywhere=anywhere)
            assert await connection.execute(proofs.proof([fact])) == "SELECT 0"
            assert await connection.execute(proofs.proof([proofs.negated(fact)])) == "SELECT 1"
    finally:
        await connection.close()


async def test_an_invalid_index_is_a_conflict_and_never_satisfied(database: Target) -> None:
    connection = await connect(database)
    try:
        await connection.execute("CREATE TABLE t (a int); INSERT INTO t VALUES (1), (1)")
        with pytest.raises(Exception, match="could not create unique index"):
            await connection.execute("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)")
        catalog = await read(connection)
    finally:
        await connection.close()
    sql = "-- changeover: transaction=off\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a)"
    (one,) = judged(sql, catalog)
    assert one.decision is Decision.RUN
    assert {row.verdict for row in one.rows if row.kind == "index"} == {Verdict.CONFLICT}


def test_every_query_says_what_it_returns() -> None:
    for name in ("relations", "columns", "constraints", "indexes", "members", "names"):
        assert query(f"catalog_{name}").startswith("-- ")


FAMILY = """
CREATE SCHEMA app; SET search_path = app;
CREATE DOMAIN low AS varchar(9) CONSTRAINT low_ok CHECK (VALUE <> ''); CREATE DOMAIN lower_still AS low;
ALTER DOMAIN low ADD CONSTRAINT low_later CHECK (VALUE <> 'x') NOT VALID;
CREATE TABLE p (id int PRIMARY KEY, v low COLLATE "C", w lower_still[]);
CREATE TABLE parted (id int, k int, r int CONSTRAINT r_fk REFERENCES p (id)) PARTITION BY RANGE (k);
CREATE TABLE one PARTITION OF parted FOR VALUES FROM (0) TO (9); CREATE TABLE rest PARTITION OF parted DEFAULT;
CREATE INDEX on_k ON parted (k); CREATE INDEX on_expr ON p ((id + 1)) INCLUDE (v) WHERE v > 'a';
CREATE UNLOGGED TABLE above (id serial); CREATE TABLE below () INHERITS (above);
CREATE VIEW shown AS SELECT id FROM p; CREATE VIEW again AS SELECT * FROM shown;
CREATE STATISTICS st ON id, v FROM p; CREATE PUBLICATION pub FOR TABLE p;
CREATE FUNCTION tick() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER t BEFORE INSERT ON p FOR EACH ROW EXECUTE FUNCTION tick();
CREATE COLLATION mine FROM "C"; CREATE TYPE comp AS (a int); CREATE TABLE typed OF comp;
"""


async def test_the_snapshot_knows_what_belongs_together(any_database: Target) -> None:
    connection = await connect(any_database)
    try:
        await connection.execute(FAMILY)
        catalog = await read(connection)
    finally:
        await connection.close()
    world = World(catalog)

    def named(states: list[State]) -> set[str]:
        return {state.key[1] for state in states}

    p, parted, one = (world.relation(("app", name)) for name in ("p", "parted", "one"))
    assert p is not None
    assert parted is not None
    assert one is not None
    assert named(world.children(parted)) == {"one", "rest"}
    rest = world.default_partition(parted)
    assert rest is not None
    assert rest.key == ("app", "rest")
    assert named(world.parents(one)) == {"parted"}
    assert {(t.key[1], c.inherited, c.references) for t, c in world.referencing(p)} == {
        ("parted", False, ("id",)), ("one", True, ("id",)), ("rest", True, ("id",)),
    }  # fmt: skip
    on_k = world.relation(("app", "on_k"))
    assert on_k is not None
    assert named(world.children(on_k)) == {"one_k_idx", "rest_k_idx"}
    assert named(world.views_on(p, frozenset({"id"}))) == {"shown"}
    assert named(world.views_on(p, frozenset({"v"}))) == set()
    again = world.relation(("app", "again"))
    assert again is not None
    assert named(world.sources(again)) == {"shown"}
    assert (p.indexes["on_expr"].mentioned, p.indexes["on_expr"].included) == (("id", "v"), ("v",))
    assert (p.columns["v"].collation, p.columns["id"].collation) == ("C", "")
    above = world.relation(("app", "above"))
    assert above is not None
    assert above.relation is not None
    assert (above.relation.persistence, above.relation.method) == ("u", "heap")
    assert named(world.sequences(above, "id")) == {"above_id_seq"}
    assert named(world.asking(world.sequences(above)[0])) == {"above", "below"}
    low = catalog.domains[catalog.types["app", "low"].oid]
    assert (low.base, dict(low.checks)) == ("character varying(9)", {"low_ok": True, "low_later": False})
    family = [catalog.type_users.get(oid, ()) for oid in world.type_family(("app", "low"))]
    users = {catalog.by_oid[table].name for found in family for table, _ in found}
    assert users == {"p"}
    assert catalog.statistics["app", "st"] == p.oid
    assert catalog.publications["pub"] == (p.oid,)
    assert catalog.trigger_functions["app", "tick"] == {p.oid}
    assert ("text", "character varying") in catalog.binary_casts
    assert ("app", "mine") in catalog.others["collation"]
    assert parted.relation is not None
    assert (parted.relation.strategy, parted.relation.partition_keys) == ("r", (2,))
    typed, comp = catalog.relations["app", "typed"], catalog.relations["app", "comp"]
    assert typed.of_type == comp.row_type


async def test_every_kind_of_object_can_be_proven(any_database: Target) -> None:
    connection = await connect(any_database)
    try:
        catalog = await read(connection)
        for kind, kept in KEPT.items():
            for name in (("no such",), ("app", "no such")):
                if kept.schema or len(name) == 1:
                    asked = proofs.proof([proofs.exists(Ref(kind=kind, name=name))])
                    assert await connection.execute(asked) == "SELECT 0", kind
        there = {
            kind: next(iter(sorted(found)))
            for kind, found in {**catalog.others, "role": {("", any_database.user)}}.items()
        }
        for kind, (schema, own) in there.items():
            asked = proofs.proof([proofs.exists(Ref(kind=kind, name=(schema, own) if schema else (own,)))])
            assert await connection.execute(asked) == "SELECT 1", kind
    finally:
        await connection.close()


async def test_statements_see_families_that_earlier_ones_have_changed(any_database: Target) -> None:
    connection = await connect(any_database)
    try:
        await connection.execute(FAMILY)
        await connection.execute("SET search_path = app")
        catalog = await read(connection)
    finally:
        await connection.close()
    done = judged(
        """
        CREATE TABLE two (id int, k int, r int);
        ALTER TABLE parted DETACH PARTITION rest;
        ALTER TABLE parted ATTACH PARTITION two FOR VALUES FROM (9) TO (99);
        ALTER TABLE parted RENAME TO parts;
        ALTER TABLE parts ALTER k TYPE bigint;
        ALTER TABLE parted ADD x int;
        ALTER TABLE parts DROP CONSTRAINT r_fk;
        DROP TABLE p CASCADE;
        """,
        catalog,
    )
    changed, missing, dropped, last = (one.estimate for one in (done[4], done[5], done[6], done[7]))
    assert {claim.relation for claim in changed.locks} >= {"app.parts", "app.one", "app.two"}
    assert "app.rest" not in {claim.relation for claim in changed.locks}
    assert missing.locks == ()
    assert {claim.relation for claim in dropped.locks} == {"app.parts", "app.one", "app.two", "app.p"}
    assert not {"app.parts", "app.one"} & {claim.relation for claim in last.locks}
