"""Files with several BEGIN ... COMMIT of their own: run as they are written, and gone on with where they stopped."""

from __future__ import annotations

from pathlib import Path

import pytest

from changeover.core.events import MigrationApplied, Result, SegmentEnded
from changeover.core.target import Target
from tests.faults.proxy import Way, once, proxied
from tests.postgres.test_files_of_tools import shop_of
from tests.runs import Project, follow, project, until
from tests.servers import psql

HEAD = "-- changeover: transaction=off\n"
PAIRS = (
    "BEGIN;\nCREATE TABLE a (id int PRIMARY KEY);\nINSERT INTO a VALUES (1);\nCOMMIT;\n"
    "BEGIN;\nCREATE TABLE b (id int);\nINSERT INTO b SELECT id FROM a;\nCOMMIT;\n"
    "INSERT INTO b VALUES (7);\n"
    "BEGIN ISOLATION LEVEL SERIALIZABLE;\n"
    "CREATE TABLE c AS SELECT current_setting('transaction_isolation') AS level;\nCOMMIT;\n"
)
THERE = "SELECT (SELECT count(*) FROM a), (SELECT string_agg(id::text, ',' ORDER BY id) FROM b), (SELECT level FROM c)"


def native(target: Target, path: Path, text: str) -> Project:
    shop = project(target, path)
    shop.allow_hazards()
    shop.write(_0001_x=f"{HEAD}{text}")
    return shop


async def test_they_are_run_as_they_are_written_and_the_last_has_the_history_row(
    any_database: Target, tmp_path: Path
) -> None:
    shop = native(any_database, tmp_path / "m", PAIRS)
    plan = (await shop.look()).plan
    assert [note.id for note in plan.notes] == ["not-atomic"]
    done = await shop.apply()
    assert (done.end.result, done.end.exit_code) == (Result.APPLIED, 0)
    assert [(it.first, it.last, it.committed) for it in done.of(SegmentEnded)] == [
        (1, 2, True), (3, 4, True), (6, 6, True),
    ]  # fmt: skip
    assert psql(any_database, THERE) == "1|1,7|serializable"
    (applied,) = done.of(MigrationApplied)
    same = psql(any_database, "SELECT (SELECT xmin FROM changeover.migration) = (SELECT DISTINCT xmin FROM c)")
    assert (same, bool(applied.xid)) == ("t", True)
    assert (await shop.look()).plan.migrations == ()


async def test_in_another_tools_folder_the_proof_is_in_the_last_one(database: Target, tmp_path: Path) -> None:
    text = PAIRS.replace("INSERT INTO b VALUES (7);\n", "")
    shop = shop_of(database, tmp_path / "m", {"1_x.up.sql": text, "2_y.up.sql": "CREATE TABLE d ();\n"})
    async with proxied(database, once(b"COMMIT", Way.MUTE, after=3)) as (_, target):
        through = project(target, shop.folder)
        through.settings = shop.settings
        done = await through.apply()
    assert done.end.result is Result.APPLIED
    assert psql(database, "SELECT version, dirty FROM schema_migrations") == "2|f"
    assert psql(database, THERE) == "1|1|serializable"


@pytest.mark.parametrize("broken", ["SELECT 1/0", "ALTER TABLE a ADD CONSTRAINT one UNIQUE (id) DEFERRABLE"])
async def test_what_failed_in_the_second_is_rolled_back_and_gone_on_with(
    database: Target, tmp_path: Path, broken: str
) -> None:
    shop = native(database, tmp_path / "m", PAIRS)
    psql(database, "CREATE TABLE gate ()")
    guard = "DO $$ BEGIN IF to_regclass('gate') IS NOT NULL THEN PERFORM 1/0; END IF; END $$"
    shop.write(_0001_x=HEAD + PAIRS.replace("INSERT INTO b SELECT", f"{guard};\nINSERT INTO b SELECT"))
    done = await shop.apply()
    assert (done.end.result, done.end.exit_code) == (Result.PARTIAL, 8)
    assert done.end.fault is not None
    assert (done.end.fault.line, done.end.fault.summary) == (8, "division by zero")
    assert done.end.left_behind == ("statement 1 is done", "statement 2 is done")
    assert psql(database, "SELECT to_regclass('a'), to_regclass('b')") == "a|"
    states = [str(it.state) for row in done.view.migrations[0].rows for it in row]
    assert states[:5] == ["done", "done", "waiting", "failed", "waiting"]
    psql(database, "DROP TABLE gate")
    again = (await shop.look()).plan
    assert [one.done_before for one in again.migrations[0].statements][:3] == [True, True, False]
    done = await shop.apply()
    assert done.end.result is Result.APPLIED
    assert [it.first for it in done.of(SegmentEnded)] == [3, 7]
    assert psql(database, THERE) == "1|1,7|serializable"


@pytest.mark.parametrize("way", [Way.MUTE, Way.DROP])
async def test_an_answer_to_commit_that_was_lost_on_the_way_is_found_out(
    database: Target, tmp_path: Path, way: Way
) -> None:
    """The catalog shows whether the table of that transaction is there."""
    shop = native(database, tmp_path / "m", PAIRS)
    async with proxied(database, once(b"COMMIT", way, after=2)) as (_, target):
        through = project(target, shop.folder)
        through.allow_hazards()
        done = await through.apply()
    assert (done.end.result, done.end.exit_code) == (Result.APPLIED, 0)
    assert psql(database, THERE) == "1|1,7|serializable"


async def test_stop_now_in_the_second_leaves_the_first(database: Target, tmp_path: Path) -> None:
    shop = native(database, tmp_path / "m", PAIRS.replace("CREATE TABLE b", "SELECT pg_sleep(60);\nCREATE TABLE b"))
    run = await shop.start()
    await until(run, lambda event: isinstance(event, SegmentEnded))
    await run.stop("now")
    done = await follow(run)
    assert done.end.result in {Result.STOPPED, Result.PARTIAL}
    assert psql(database, "SELECT to_regclass('a'), to_regclass('b')") == "a|"
    assert (await shop.look()).statuses[0].state == "partial"


async def test_a_native_file_says_that_it_commits_on_its_way(database: Target, tmp_path: Path) -> None:
    shop = project(database, tmp_path / "m")
    shop.write(_0001_x=PAIRS)
    with pytest.raises(Exception, match="COMMIT inside a migration") as caught:
        await shop.look()
    assert "transaction=off" in caught.value.advice  # type: ignore[attr-defined]
