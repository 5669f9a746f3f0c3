"""The forms of the lock matrix: an empty shadow of PostgreSQL 18 shows what filled tables do, on every server here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import asyncpg

from changeover.core import shadow_needs
from changeover.core.connect import Connector
from changeover.core.errors import ServerError
from changeover.core.locks import LockMode, strongest
from changeover.core.measure import Effect, Meter
from changeover.core.names import written
from changeover.core.postgres_binaries import embedded
from changeover.core.schema_dump import dump
from changeover.core.settings import Retry
from changeover.core.shadow import shadow
from changeover.core.shadow_schema import load
from changeover.core.target import Target
from tests.servers import Server, connect

SCENE: Final = """
CREATE SCHEMA t; SET search_path = t;
CREATE TYPE e AS ENUM ('a', 'b'); CREATE DOMAIN d AS int; CREATE DOMAIN dck AS int CHECK (VALUE > 0);
CREATE SEQUENCE s;
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TABLE p (id int PRIMARY KEY);
INSERT INTO p SELECT generate_series(1, 1000);
CREATE TABLE c (
    id int PRIMARY KEY, pid int CONSTRAINT c_pid_fk REFERENCES p, pid2 int, a int, b text, vi varchar(10),
    vc varchar(10) CONSTRAINT c_chk CHECK (vc <> 'x'), n numeric(10, 2), nn int NOT NULL, u int UNIQUE, ts timestamp,
    bt bit varying(5), ch char(5)
);
INSERT INTO c SELECT g, g, g, g, 'b', 'v', 'v', g, g, g, '2020-01-01', B'1', 'c' FROM generate_series(1, 1000) AS g;
ALTER TABLE c ADD CONSTRAINT c_pid2_fk FOREIGN KEY (pid2) REFERENCES p NOT VALID;
ALTER TABLE c ADD CONSTRAINT c_nv CHECK (a > 0) NOT VALID;
CREATE INDEX c_a_idx ON c (a); CREATE INDEX c_vi_idx ON c (vi); CREATE INDEX c_n_idx ON c (n);
CREATE TRIGGER trg BEFORE UPDATE ON c FOR EACH ROW EXECUTE FUNCTION f();
CREATE TABLE nopk (id int, k int NOT NULL);
INSERT INTO nopk SELECT g, g FROM generate_series(1, 1000) AS g;
CREATE UNIQUE INDEX nopk_id_idx ON nopk (id); CREATE UNIQUE INDEX nopk_k_idx ON nopk (k);
CREATE TABLE et (val e); INSERT INTO et SELECT 'a' FROM generate_series(1, 1000);
CREATE TABLE dt (v d); INSERT INTO dt SELECT generate_series(1, 1000);
CREATE TABLE ul (id int); INSERT INTO ul SELECT generate_series(1, 1000);
CREATE TABLE gen (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v int, g int GENERATED ALWAYS AS (v * 2) STORED);
INSERT INTO gen (v) SELECT generate_series(1, 1000);
CREATE TABLE part (id int, v int, pid int) PARTITION BY RANGE (id);
CREATE TABLE part1 PARTITION OF part FOR VALUES FROM (0) TO (1000);
CREATE TABLE part2 PARTITION OF part FOR VALUES FROM (1000) TO (2000);
INSERT INTO part SELECT g, g, g % 1000 + 1 FROM generate_series(0, 1999) AS g;
CREATE INDEX part_v_idx ON part (v);
ALTER TABLE part ADD CONSTRAINT pfk FOREIGN KEY (pid) REFERENCES p;
CREATE TABLE att (id int, v int, pid int); INSERT INTO att SELECT g, g, 1 FROM generate_series(2000, 2999) AS g;
CREATE TABLE pdef (id int) PARTITION BY RANGE (id);
CREATE TABLE pdef1 PARTITION OF pdef FOR VALUES FROM (0) TO (1000);
CREATE TABLE pdefd PARTITION OF pdef DEFAULT; INSERT INTO pdef SELECT generate_series(0, 2999);
CREATE TABLE att2 (id int); INSERT INTO att2 SELECT generate_series(5000, 5999);
CREATE VIEW v AS SELECT id, a FROM c;
CREATE MATERIALIZED VIEW mv AS SELECT id, b FROM c; CREATE UNIQUE INDEX mv_id ON mv (id);
CREATE TABLE "Größe" ("Maß" int); INSERT INTO "Größe" SELECT generate_series(1, 1000);
ANALYZE;
"""

# One a line. What a server is too old for is left out there.
FORMS: Final = """
ALTER TABLE c ADD COLUMN z int
ALTER TABLE c ADD COLUMN z int DEFAULT 5
ALTER TABLE c ADD COLUMN z int NOT NULL DEFAULT 5
ALTER TABLE c ADD COLUMN z timestamptz DEFAULT clock_timestamp()
ALTER TABLE c ADD COLUMN z serial
ALTER TABLE c ADD COLUMN z int DEFAULT 1 CHECK (z > 0)
ALTER TABLE c ADD COLUMN z int UNIQUE
ALTER TABLE c ADD COLUMN z int REFERENCES p
ALTER TABLE c ADD COLUMN z int DEFAULT 1 REFERENCES p
ALTER TABLE c ADD COLUMN z dck
ALTER TABLE c ADD COLUMN z int GENERATED ALWAYS AS (a * 2) STORED
ALTER TABLE nopk ADD COLUMN z serial PRIMARY KEY
ALTER TABLE part ADD COLUMN z int
ALTER TABLE c DROP COLUMN pid2
ALTER TABLE c DROP COLUMN IF EXISTS nope
ALTER TABLE c ALTER a SET DEFAULT 1
ALTER TABLE c ALTER a SET NOT NULL
ALTER TABLE c ALTER nn DROP NOT NULL
ALTER TABLE c ALTER pid2 TYPE bigint
ALTER TABLE c ALTER vi TYPE varchar(20)
ALTER TABLE c ALTER vc TYPE varchar(20)
ALTER TABLE c ALTER vi TYPE text
ALTER TABLE c ALTER vi TYPE varchar(8)
ALTER TABLE c ALTER n TYPE numeric(12, 2)
ALTER TABLE c ALTER n TYPE numeric(12, 3)
ALTER TABLE c ALTER ts TYPE timestamptz
ALTER TABLE c ALTER ts TYPE timestamp(3)
ALTER TABLE c ALTER bt TYPE bit varying(10)
ALTER TABLE c ALTER ch TYPE char(10)
ALTER TABLE c ALTER vi TYPE varchar(10) COLLATE "C"
ALTER TABLE c ALTER pid2 TYPE d
ALTER TABLE c ALTER pid2 TYPE dck
ALTER TABLE et ALTER val TYPE text
ALTER TABLE c ALTER a SET STATISTICS 500
ALTER TABLE c ALTER a SET (n_distinct = 5)
ALTER TABLE c ALTER b SET STORAGE external
ALTER TABLE c ALTER nn ADD GENERATED BY DEFAULT AS IDENTITY
ALTER TABLE gen ALTER id SET GENERATED BY DEFAULT
ALTER TABLE gen ALTER id DROP IDENTITY
ALTER TABLE gen ALTER g DROP EXPRESSION
ALTER TABLE gen ALTER g SET EXPRESSION AS (v * 3)
ALTER TABLE c ADD CONSTRAINT k CHECK (a > 0)
ALTER TABLE c ADD CONSTRAINT k CHECK (a > 0) NOT VALID
ALTER TABLE c ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES p (id)
ALTER TABLE c ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES p (id) NOT VALID
ALTER TABLE c ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES p (id) NOT ENFORCED
ALTER TABLE c ADD CONSTRAINT k UNIQUE (a)
ALTER TABLE nopk ADD PRIMARY KEY (id)
ALTER TABLE nopk ADD PRIMARY KEY USING INDEX nopk_k_idx
ALTER TABLE nopk ADD PRIMARY KEY USING INDEX nopk_id_idx
ALTER TABLE c ADD CONSTRAINT k EXCLUDE USING btree (id WITH =)
ALTER TABLE c VALIDATE CONSTRAINT c_pid2_fk
ALTER TABLE c VALIDATE CONSTRAINT c_nv
ALTER TABLE c VALIDATE CONSTRAINT c_pid_fk
ALTER TABLE c VALIDATE CONSTRAINT c_nv, ALTER a SET DEFAULT 1
ALTER TABLE c DROP CONSTRAINT c_pid_fk
ALTER TABLE c DROP CONSTRAINT IF EXISTS nope
ALTER TABLE c RENAME COLUMN b TO b9
ALTER TABLE c RENAME TO c9
ALTER TABLE ul SET UNLOGGED
ALTER TABLE c SET (fillfactor = 80)
ALTER TABLE c DISABLE TRIGGER trg
ALTER TABLE c ENABLE ROW LEVEL SECURITY
ALTER TABLE c REPLICA IDENTITY FULL
ALTER TABLE c CLUSTER ON c_a_idx
ALTER TABLE part ALTER v SET NOT NULL
ALTER TABLE part ADD CHECK (v >= 0)
ALTER TABLE part ATTACH PARTITION att FOR VALUES FROM (2000) TO (3000)
ALTER TABLE pdef ATTACH PARTITION att2 FOR VALUES FROM (5000) TO (6000)
ALTER TABLE part DETACH PARTITION part2
CREATE TABLE pdef9 PARTITION OF pdef FOR VALUES FROM (5000) TO (6000)
DROP TABLE part2
TRUNCATE part2
TRUNCATE part
CREATE INDEX k ON c (b)
CREATE UNIQUE INDEX k ON c (id, b)
CREATE INDEX IF NOT EXISTS c_a_idx ON c (a)
CREATE INDEX k ON mv (b)
CREATE INDEX k ON part (pid)
CREATE INDEX k ON ONLY part (pid)
CREATE INDEX "K" ON "Größe" ("Maß")
DROP INDEX c_a_idx
DROP INDEX IF EXISTS nope
ALTER INDEX c_a_idx RENAME TO c_a_idx9
ALTER INDEX c_a_idx SET (fillfactor = 70)
REINDEX INDEX c_a_idx
REINDEX TABLE c
CLUSTER c USING c_a_idx
CREATE TRIGGER k AFTER INSERT ON c FOR EACH ROW EXECUTE FUNCTION f()
DROP TRIGGER trg ON c
CREATE POLICY k ON c USING (true)
CREATE OR REPLACE VIEW v AS SELECT id, a FROM c
DROP VIEW v
REFRESH MATERIALIZED VIEW mv
CREATE MATERIALIZED VIEW k AS SELECT * FROM c
CREATE TABLE k (id int PRIMARY KEY, pid int REFERENCES p)
CREATE TABLE k (LIKE c INCLUDING ALL)
CREATE TABLE IF NOT EXISTS c (id int)
DROP TABLE c CASCADE
ALTER TYPE e RENAME VALUE 'a' TO 'z'
DROP TYPE e CASCADE
ALTER DOMAIN d ADD CONSTRAINT k CHECK (VALUE > 0)
ALTER DOMAIN d ADD CONSTRAINT k CHECK (VALUE > 0) NOT VALID
ALTER DOMAIN d SET NOT NULL
ALTER DOMAIN dck DROP CONSTRAINT dck_check
ALTER SEQUENCE s INCREMENT BY 2
DROP SEQUENCE s
COMMENT ON TABLE c IS 'x'
COMMENT ON COLUMN c.a IS 'x'
DROP FUNCTION f() CASCADE
LOCK TABLE c IN SHARE MODE
UPDATE c SET b = 'z'
DELETE FROM c
SELECT * FROM c WHERE id = 1 FOR UPDATE
"""

# In the server's own words, on the filled table itself.
RELATIONS: Final = """
    SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind,
        c.relfilenode::bigint AS file, pg_stat_get_xact_tuples_returned(c.oid) AS read
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
"""
LOCKS: Final = "SELECT relation::bigint AS oid, mode FROM pg_locks WHERE pid = $1 AND locktype = 'relation'"
MODES: Final = {f"{mode.value.title().replace(' ', '')}Lock": mode for mode in LockMode}


@dataclass(frozen=True, slots=True)
class Told:
    """Locks, rewrites and scans of tables, as the filled database or the shadow tells them."""

    locks: dict[str, LockMode]
    rewrites: tuple[str, ...]
    scans: tuple[str, ...]


def strong(told: Told) -> dict[str, LockMode]:
    return {name: mode for name, mode in told.locks.items() if mode is not LockMode.ACCESS_SHARE}


async def on_filled(target: Target, forms: Sequence[str]) -> dict[str, Told]:
    runner, observer = await connect(target, search_path="t"), await connect(target)
    found: dict[str, Told] = {}
    for form in forms:
        await runner.execute("BEGIN")
        before: dict[int, Any] = {row["oid"]: row for row in await runner.fetch(RELATIONS)}
        try:
            await runner.execute("SAVEPOINT one; " + form)
        except asyncpg.PostgresError:
            await runner.execute("ROLLBACK")
            continue
        held = await observer.fetch(LOCKS, runner.get_server_pid())
        after: dict[int, Any] = {row["oid"]: row for row in await runner.fetch(RELATIONS)}
        await runner.execute("ROLLBACK")
        names = {oid: written((row["schema"], row["name"])) for oid, row in before.items()}
        modes: dict[str, list[LockMode]] = {}
        for row in held:
            if row["oid"] in before:
                modes.setdefault(names[row["oid"]], []).append(MODES[row["mode"]])
        kept = {oid: row for oid, row in after.items() if oid in before and before[oid]["kind"] in "rm"}
        files = {oid for oid, row in kept.items() if row["file"] != before[oid]["file"] and "TRUNCATE" not in form}
        read = {oid for oid, row in kept.items() if row["read"] - before[oid]["read"] >= 500} - files
        found[form] = Told(
            {name: strongest(all_of) for name, all_of in modes.items()},
            tuple(sorted(names[oid] for oid in files)),
            tuple(sorted(names[oid] for oid in read)),
        )
    await runner.close()
    await observer.close()
    return found


async def on_shadow(target: Target, forms: Sequence[str]) -> dict[str, Effect]:
    connector = Connector(target, Retry(retries=0), emit=lambda _: None)
    needs = await shadow_needs.read(await connector("look"))
    text = await dump(target, needs.server)
    await connector.close()
    found: dict[str, Effect] = {}
    async with shadow(needs, binaries=embedded()) as made:
        assert (await load(made, text, as_superuser=True)).failed == ()
        other = made.version_num // 10000 != needs.server.version_num // 10000
        meter = Meter(
            connection=await made.connect(made.database), observer=await made.look(made.database), other_major=other
        )
        await meter.prepare()
        known = dict(meter.known)
        for form in forms:
            meter.known = dict(known)
            await meter.connection.execute("BEGIN; SET LOCAL search_path = t")
            await meter.begin(first=True)
            try:
                await meter.connection.execute(form)
                found[form] = await meter.inside({}, empties=form.startswith("TRUNCATE"))
            except ServerError:
                pass
            await meter.connection.execute("ROLLBACK")
    return found


async def test_an_empty_shadow_tells_what_the_filled_tables_do(any_server: Server, any_database: Target) -> None:
    any_server.psql(SCENE, any_database.database)
    any_server.psql(f"ALTER DATABASE {any_database.database} SET timezone = 'Europe/Berlin'")
    forms = FORMS.strip().splitlines()
    truth = await on_filled(any_database, forms)
    assert len(truth) >= 105
    measured = await on_shadow(any_database, list(truth))
    wrong: dict[str, object] = {}
    for form, told in truth.items():
        effect = measured.get(form)
        if effect is None:
            wrong[form] = (None, told)
            continue
        got = Told({it.relation: it.mode for it in effect.locks}, effect.rewrites, effect.scans)
        # which index is opened on the way differs between minor versions too, and is in nobody's way
        if replace(got, locks=strong(got)) != replace(told, locks=strong(told)):
            wrong[form] = (got, told)
    share = 1 - len(wrong) / len(truth)
    print(f"PostgreSQL {any_server.major}: {len(truth)} forms, {share:.1%} right")
    assert share >= 0.98, wrong
