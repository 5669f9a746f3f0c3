"""A rehearsal on a real shadow: what it measures, what it leaves alone, and what it leaves behind."""

from __future__ import annotations

import asyncio
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from changeover.core import kept_rehearsals, postmaster
from changeover.core.directories import data_root
from changeover.core.errors import ConnectError, UsageError
from changeover.core.events import RehearsalCompared, RehearsalStep, Rehearsed
from changeover.core.hazards.allowances import OVERRIDE
from changeover.core.locks import LockMode
from changeover.core.rehearsal import failure_of
from changeover.core.schema_difference import words
from changeover.core.shadow import shadow
from changeover.core.target import Target
from tests.foreign import shop_of
from tests.poolers import needs_pgbouncer, pooled
from tests.rehearsals import NEEDS, rehearse_by, rehearse_on
from tests.servers import Server

SCHEMA = """
CREATE SCHEMA t;
CREATE TABLE t.p (id int PRIMARY KEY);
CREATE TABLE t.c (id int PRIMARY KEY, pid int REFERENCES t.p, a int, b text);
CREATE INDEX c_a_idx ON t.c (a);
INSERT INTO t.p SELECT generate_series(1, 10);
"""


def claims(locks: object) -> dict[str, str]:
    return {claim.relation: str(claim.mode) for claim in locks}  # type: ignore[attr-defined]


async def test_a_statement_is_measured_by_itself_although_its_transaction_holds_the_lock_already(
    any_server: Server, any_database: Target, tmp_path: Path
) -> None:
    any_server.psql(SCHEMA, any_database.database)
    done = await rehearse_on(
        any_database,
        tmp_path / "m",
        {
            "0001_a": "ALTER TABLE t.c ADD COLUMN z int;\nALTER TABLE t.c ALTER a TYPE bigint;\n"
            "CREATE INDEX c_b ON t.c (b);\nALTER TABLE t.c ADD CONSTRAINT k FOREIGN KEY (pid) REFERENCES t.p (id);\n"
            "CREATE TABLE t.n (id int);\nALTER TABLE t.n RENAME TO n2;\nSELECT 1;\n"
        },
    )
    added, typed, index, key, made, renamed, plain = done.statements
    assert {one.source for one in done.statements} == {"measured"}
    assert claims(added.locks) == {"t.c": "ACCESS EXCLUSIVE"}
    assert not added.long
    assert typed.rewrites == ("t.c",)
    assert typed.builds == ("t.c_a_idx", "t.c_pkey")
    assert typed.scans == ()
    assert typed.long
    assert claims(index.locks) == {"t.c": "SHARE"}
    assert (index.scans, index.builds, index.long) == (("t.c",), ("t.c_b",), True)
    held = claims(key.locks)
    assert (held["t.c"], held["t.p"]) == ("SHARE ROW EXCLUSIVE", "SHARE ROW EXCLUSIVE")
    assert key.scans == ("t.c", "t.p")
    assert made.locks == ()
    assert claims(renamed.locks) == {"t.n": "ACCESS EXCLUSIVE"}
    assert plain.locks == ()
    assert isinstance(done.events[-2], Rehearsed | RehearsalStep)


async def test_what_takes_no_transaction_is_sampled(server: Server, database: Target, tmp_path: Path) -> None:
    server.psql(SCHEMA, database.database)
    done = await rehearse_on(
        database,
        tmp_path / "m",
        {
            "0001_a": "-- changeover: transaction=off\nCREATE INDEX CONCURRENTLY k ON t.c (b);\n"
            "DROP INDEX CONCURRENTLY t.c_a_idx;\nREINDEX TABLE CONCURRENTLY t.c;\nVACUUM t.c;\n"
        },
    )
    build, drop, again, vacuum = done.statements
    assert claims(build.locks) == {"t.c": "SHARE UPDATE EXCLUSIVE"}
    assert (build.scans, build.builds, build.long) == (("t.c",), ("t.k",), False)
    assert claims(drop.locks) == {"t.c": "SHARE UPDATE EXCLUSIVE", "t.c_a_idx": "ACCESS EXCLUSIVE"}
    assert claims(again.locks)["t.c"] == "SHARE UPDATE EXCLUSIVE"
    assert again.builds == ("t.c_pkey", "t.k")
    assert claims(vacuum.locks)["t.c"] == "SHARE UPDATE EXCLUSIVE"
    assert all(it.error is None and not it.unknowable for it in done.measurements)


async def test_the_difference_says_what_becomes_of_the_schema(server: Server, database: Target, tmp_path: Path) -> None:
    server.psql(
        f"{SCHEMA} CREATE TYPE t.mood AS ENUM ('sad'); CREATE VIEW t.v AS SELECT id FROM t.c;", database.database
    )
    done = await rehearse_on(
        database,
        tmp_path / "m",
        {
            "0001_a": "ALTER TABLE t.c ALTER a TYPE bigint, ALTER a SET NOT NULL, ADD COLUMN note text DEFAULT 'x';\n"
            "CREATE UNIQUE INDEX c_note ON t.c (note);\nDROP VIEW t.v;\n"
            "CREATE FUNCTION t.f(int) RETURNS int LANGUAGE sql AS 'SELECT $1';\nGRANT SELECT ON t.p TO PUBLIC;\n"
            "ALTER TYPE t.mood ADD VALUE 'happy';\nALTER TABLE t.c ADD CHECK (a > 0) NOT VALID;\n"
        },
    )
    assert done.survey.plan.rehearsal is not None
    told = [words(it) for it in done.survey.plan.rehearsal.difference]
    assert "~ enum t.mood (labels sad -> sad, happy)" in told
    assert "~ column t.c.a (type integer -> bigint, not null false -> true)" in told
    assert "+ column t.c.note (type text, default)" in told
    assert "+ constraint t.c.c_a_check (type check, not valid, columns a)" in told
    assert "+ index t.c_note (table t.c, unique, columns note)" in told
    assert "- view t.v" in told
    assert "+ function t.f(integer) (returns integer, volatility volatile)" in told or any(
        it.startswith("+ function t.f(integer)") for it in told
    )
    assert any(it.startswith("~ table t.p (rights +") for it in told)
    assert not any(it.startswith("- column t.v") for it in told)


async def test_a_failure_stops_the_plan_with_its_place_and_the_servers_words(
    server: Server, database: Target, tmp_path: Path
) -> None:
    server.psql(SCHEMA, database.database)
    migrations = {
        "0001_a": "ALTER TABLE t.c ADD COLUMN z int;\n",
        "0002_b": "ALTER TABLE t.p ADD COLUMN y int;\n\nSELECT 'no number'::text::int;\n",
        "0003_c": "ALTER TABLE t.p ADD COLUMN x int;\n",
    }
    done = await rehearse_on(database, tmp_path / "m", migrations)
    plan = done.survey.plan
    assert not plan.ready
    (fault,) = [it for it in plan.refusals if it.id == OVERRIDE]
    assert (fault.file, fault.line, fault.sqlstate) == ("0002_b.sql", 3, "22P02")
    assert "invalid input syntax" in fault.summary
    assert plan.migrations[1].statements[1].error
    assert plan.migrations[2].statements[0].source == "estimated"
    # the approval of this digest is refused from now on, by whoever plans it
    everything = await rehearse_on(database, tmp_path / "m", migrations, allowed={"all": "--allow"})
    assert OVERRIDE in {it.id for it in everything.survey.plan.refusals}
    again = await rehearse_on(database, tmp_path / "m", migrations, allowed={OVERRIDE: "--allow"})
    assert again.survey.plan.ready
    assert again.survey.plan.migrations[1].statements[1].error


async def test_a_failure_that_only_the_shadow_has_is_not_one(server: Server, database: Target, tmp_path: Path) -> None:
    server.psql(SCHEMA, database.database)
    done = await rehearse_on(
        database,
        tmp_path / "m",
        {
            "0001_a": "INSERT INTO t.c (id, pid) VALUES (1, 1);\nALTER TABLE t.c ADD COLUMN z int;\n",
            "0002_b": "CREATE ROLE rehearsal_newcomer;\nGRANT SELECT ON t.c TO rehearsal_newcomer;\n",
            "0003_c": "DO $$ BEGIN PERFORM 1 FROM t.p; IF NOT FOUND THEN RAISE EXCEPTION 'no rows'; END IF; END $$;\n",
        },
    )
    insert, column, role, grant, block = done.measurements
    assert "depends on rows" in insert.unknowable
    assert column.is_measured
    assert "makes a role" in role.unknowable
    assert grant.is_measured
    assert "depends on rows" in block.unknowable
    assert done.survey.plan.ready
    assert done.statements[0].source == "estimated"


async def test_settings_roles_and_extensions_of_the_target_hold(
    server: Server, database: Target, tmp_path: Path
) -> None:
    name = database.database
    server.psql("DO $$ BEGIN CREATE ROLE rehearsal_app; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    server.psql(
        f"{SCHEMA} CREATE EXTENSION hstore; CREATE EXTENSION dblink; ALTER TABLE t.c ADD COLUMN ts timestamp, "
        f"ADD COLUMN h hstore; ALTER TABLE t.c OWNER TO rehearsal_app; ALTER DATABASE {name} SET search_path = t; "
        f"ALTER DATABASE {name} SET timezone = 'Europe/Berlin'",
        name,
    )
    done = await rehearse_on(
        database,
        tmp_path / "m",
        {
            "0001_a": "ALTER TABLE c ALTER ts TYPE timestamptz;\nCREATE INDEX ON c USING gin (h);\n"
            "ALTER TABLE p OWNER TO rehearsal_app;\nCREATE EXTENSION vector;\nCREATE TABLE e (v vector(3));\n",
            "0002_b": "SELECT dblink_connect('host=127.0.0.1');\n",
        },
    )
    assert done.statements[0].rewrites == ("t.c",)
    assert [it.unknowable for it in done.measurements[:3]] == ["", "", ""]
    assert done.measurements[4].is_measured
    assert "not on the shadow" in done.measurements[5].unknowable
    assert done.survey.plan.rehearsal is not None
    assert any("dblink reaches outside" in remark for remark in done.survey.plan.rehearsal.remarks)


async def test_nothing_is_left_and_what_was_found_is_kept_for_its_user_alone(
    server: Server, database: Target, tmp_path: Path
) -> None:
    server.psql(SCHEMA, database.database)
    done = await rehearse_on(database, tmp_path / "m", {"0001_a": "ALTER TABLE t.c ADD COLUMN z int;\n"})
    assert list((data_root() / "shadows").iterdir()) == []
    file = kept_rehearsals.folder() / f"{done.survey.plan.digest}.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert kept_rehearsals.find(done.survey.plan.digest) == done.survey.plan.rehearsal


async def test_a_rehearsal_that_is_cancelled_leaves_nothing(server: Server, database: Target, tmp_path: Path) -> None:
    server.psql(SCHEMA, database.database)
    task = asyncio.ensure_future(
        rehearse_on(database, tmp_path / "m", {"0001_a": "SELECT pg_sleep(50);\n", "0002_b": "SELECT 1;\n"})
    )
    while not list((data_root() / "shadows").glob("*/data/postmaster.pid")):
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list((data_root() / "shadows").iterdir()) == []


async def test_the_target_sees_one_pg_dump_and_nothing_is_written_by_a_reader(
    server: Server, database: Target, tmp_path: Path
) -> None:
    name = database.database
    server.psql(SCHEMA, name)
    server.psql("DO $$ BEGIN CREATE ROLE rehearsal_reader LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    server.psql(
        "GRANT USAGE ON SCHEMA t TO rehearsal_reader; GRANT SELECT ON ALL TABLES IN SCHEMA t TO rehearsal_reader", name
    )
    server.psql("CREATE TABLE t.secret (id int)", name)
    before = server.psql("SELECT pg_snapshot_xmax(pg_current_snapshot()), count(*) FROM pg_class", name)
    reader = server.target(name, "rehearsal_reader")
    migrations = {"0001_a": "ALTER TABLE t.c ADD COLUMN z int;\nALTER TABLE t.secret ADD COLUMN z int;\n"}
    done = await rehearse_on(reader, tmp_path / "m", migrations, read_only=True)
    assert server.psql("SELECT pg_snapshot_xmax(pg_current_snapshot()), count(*) FROM pg_class", name) == before
    assert done.statements[0].source == "measured"
    assert "not on the shadow" in done.measurements[1].unknowable


@needs_pgbouncer
@pytest.mark.parametrize("mode", ["transaction", "session"])
async def test_a_target_behind_a_pooler_is_rehearsed(
    server: Server, database: Target, tmp_path: Path, mode: str
) -> None:
    server.psql(SCHEMA, database.database)
    with pooled(database, mode=mode) as through:
        done = await rehearse_on(through, tmp_path / "m", {"0001_a": "ALTER TABLE t.c ADD COLUMN z int;\n"})
    assert done.statements[0].source == "measured"


async def test_pg_dump_waits_for_nobody(server: Server, database: Target, tmp_path: Path) -> None:
    from tests.servers import connect

    server.psql(SCHEMA, database.database)
    holder = await connect(database)
    try:
        await holder.execute("BEGIN; LOCK TABLE t.c")
        with pytest.raises(ConnectError, match="schema could not be read"):
            await rehearse_on(database, tmp_path / "m", {"0001_a": "SELECT 1;\n"})
    finally:
        await holder.close()


@pytest.fixture
def lender(server: Server) -> Target:
    server.psql("DO $$ BEGIN CREATE ROLE rehearsal_lender LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    return server.target("postgres", "rehearsal_lender")


async def test_a_lent_database_is_used_marked_and_left_empty(
    server: Server, database: Target, lender: Target, tmp_path: Path
) -> None:
    server.psql(SCHEMA, database.database)
    migrations = {"0001_a": "ALTER TABLE t.c ALTER a TYPE bigint;\nALTER TABLE t.c ADD COLUMN z int;\n"}
    with server.new_database(owner="rehearsal_lender") as room:
        into = server.target(room.database, "rehearsal_lender")
        for _ in range(2):
            done = await rehearse_on(database, tmp_path / "m", migrations, into=into)
            assert done.statements[0].rewrites == ("t.c",)
            assert claims(done.statements[1].locks) == {"t.c": str(LockMode.ACCESS_EXCLUSIVE)}
            assert done.statements[1].source == "measured"
        assert server.psql("SELECT count(*) FROM pg_namespace WHERE nspname = 't'", room.database) == "0"
        server.psql("COMMENT ON DATABASE " + room.database + " IS NULL; CREATE TABLE mine (id int)", room.database)
        with pytest.raises(UsageError, match="not empty"):
            await rehearse_on(database, tmp_path / "m", migrations, into=into)
        assert server.psql("SELECT count(*) FROM mine", room.database) == "0"
        with pytest.raises(UsageError, match="too powerful"):
            await rehearse_on(database, tmp_path / "m", migrations, into=room)
    with pytest.raises(UsageError, match="target itself"):
        await rehearse_on(database, tmp_path / "m", migrations, into=database)


# Has a shadow, says so, and waits to be killed.
DOOMED = """
import asyncio
from changeover.core.shadow import shadow
from tests.rehearsals import NEEDS
async def main():
    async with shadow(NEEDS):
        print("up", flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""


async def test_what_a_killed_rehearsal_left_is_ended_and_removed_by_the_next() -> None:
    doomed = subprocess.Popen(
        [sys.executable, "-c", DOOMED], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    assert doomed.stdout is not None
    assert doomed.stdout.readline() == "up\n"
    (folder,) = (data_root() / "shadows").iterdir()
    server = postmaster.server_of(folder / "data")
    assert server is not None
    doomed.kill()
    doomed.communicate()
    async with shadow(NEEDS):
        assert not postmaster.is_postgres_of(server, folder / "data")
        assert not folder.exists()


async def test_a_first_run_in_another_tools_history_is_compared_with_its_rehearsal(
    database: Target, tmp_path: Path
) -> None:
    """A run makes the tool's table first: it is on the shadow as well, and a migration may name it there."""
    shop = shop_of(database, tmp_path / "m", "goose")
    (shop.folder / "00001_shop.sql").write_text(
        "-- +goose Up\nGRANT SELECT ON goose_db_version TO PUBLIC;\nCREATE TABLE shop (id int PRIMARY KEY);\n"
    )
    rehearsed = await rehearse_by(database, shop.settings)
    plan = rehearsed.survey.plan
    assert plan.rehearsal is not None
    assert failure_of(plan, plan.rehearsal) is None
    done = await shop.apply()
    (told,) = done.of(RehearsalCompared)
    assert (told.missing, told.unexpected, told.fault) == ((), (), None)
    assert any("goose_db_version" in change.object for change in told.changes)
