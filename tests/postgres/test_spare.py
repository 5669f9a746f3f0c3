"""From one migration to the next: the same connection after a full reset, or a fresh one where that would not do."""

from __future__ import annotations

from pathlib import Path

import pytest

from changeover.core.connect import Connector
from changeover.core.events import MigrationStarted, Result
from changeover.core.spare import Spare
from changeover.core.target import Target
from tests.core.catalogs import plan_of
from tests.runs import QUICK, Finished, Project, project
from tests.servers import psql

# What a session may leave behind although its migration has nothing but definitions and rows.
LEAVES = """
CREATE TABLE marks (id int);
CREATE FUNCTION leave() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  PERFORM set_config('search_path', 'pg_catalog', false);
  PERFORM set_config('work_mem', '77MB', false);
  PERFORM set_config('role', 'pg_monitor', false);
  PERFORM pg_advisory_lock(42);
  RETURN NULL;
END $$;
CREATE TRIGGER leave AFTER INSERT ON marks FOR EACH STATEMENT EXECUTE FUNCTION leave();
CREATE TEMP TABLE leftover (id int);
INSERT INTO marks VALUES (1);
"""
FINDS = """
CREATE TABLE found AS SELECT current_setting('search_path') AS path, current_setting('work_mem') AS memory,
  current_user::text AS who, to_regclass('leftover') IS NULL AS clean,
  (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42) AS locks;
"""
HIDDEN = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''9MB''', current_database()); END $$"


@pytest.fixture
def shop(database: Target, tmp_path: Path) -> Project:
    found = project(database, tmp_path / "migrations")
    found.allow_hazards()
    return found


def backends(done: Finished) -> list[int]:
    assert done.end.result is Result.APPLIED
    return [event.backend for event in done.of(MigrationStarted)]


async def test_the_next_migration_finds_nothing_of_the_session_of_the_one_before(shop: Project) -> None:
    shop.write(_0001_leaves=LEAVES, _0002_finds=FINDS)
    first, second = backends(await shop.apply())
    assert first == second
    assert psql(shop.target, "SELECT path, memory, who, clean, locks FROM found") == (
        f'"$user", public|4MB|{shop.target.user}|t|0'
    )


@pytest.mark.parametrize(
    "before",
    [
        f"{HIDDEN};",
        "ALTER DATABASE \"{database}\" SET work_mem = '9MB';",
        "ALTER ROLE CURRENT_USER IN DATABASE \"{database}\" SET work_mem = '9MB';",
        f"CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS {HIDDEN[3:]}; SELECT f();",
    ],
)
async def test_what_a_new_session_begins_with_holds_for_the_next_migration(shop: Project, before: str) -> None:
    shop.write(_0001_sets=before.replace("{database}", shop.target.database), _0002_finds=FINDS)
    first, second = backends(await shop.apply())
    assert first != second
    assert psql(shop.target, "SELECT memory FROM found") == "9MB"


async def test_a_kept_connection_that_was_lost_is_replaced(database: Target) -> None:
    connect = Connector(database, QUICK, emit=lambda _: None)
    (planned,) = plan_of("CREATE TABLE t (id int)").migrations
    spare, kept = Spare(), await connect("migration")
    try:
        assert spare.keep(kept, planned)
        psql(database, f"SELECT pg_terminate_backend({kept.backend})")
        assert (await spare.take(connect)).backend != kept.backend
        again = await connect("migration")
        assert spare.keep(again, planned)
        assert (await spare.take(connect)) is again
        await again.execute("BEGIN")
        assert not spare.keep(again, planned)
    finally:
        await connect.close()
