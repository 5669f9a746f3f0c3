"""What real files of other tools do, on a real server."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from changeover.core.events import Result
from changeover.core.target import Target
from tests.runs import Project, project
from tests.servers import psql


def shop_of(database: Target, path: Path, files: dict[str, str], form: str = "golang-migrate") -> Project:
    path.mkdir(exist_ok=True)
    for name, text in files.items():
        (path / name).write_text(text)
    shop = project(database, path)
    shop.settings = replace(shop.settings, format=form, allowed_hazards={"all": "--allow"})
    return shop


async def test_how_its_transaction_begins_is_how_ours_begins(database: Target, tmp_path: Path) -> None:
    text = "CREATE TABLE seen AS SELECT current_setting('transaction_isolation') AS level;\n"
    shop = shop_of(
        database,
        tmp_path / "m",
        {
            "1_a.up.sql": f"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;\n{text}",
            "2_b.up.sql": f"BEGIN ISOLATION LEVEL REPEATABLE READ;\n{text.replace('seen', 'again')}COMMIT;\n",
            "3_c.up.sql": text.replace("seen", "plain"),
        },
    )
    assert (await shop.apply()).end.result is Result.APPLIED
    levels = psql(database, "SELECT (SELECT level FROM seen), (SELECT level FROM again), (SELECT level FROM plain)")
    assert levels == "serializable|repeatable read|read committed"


async def test_a_pair_around_everything_rolls_back_as_a_whole(database: Target, tmp_path: Path) -> None:
    shop = shop_of(database, tmp_path / "m", {"1_a.up.sql": "BEGIN;\nCREATE TABLE a (b int);\nSELECT 1/0;\nCOMMIT;\n"})
    done = await shop.apply()
    assert done.end.result is Result.ROLLED_BACK
    assert done.end.fault is not None
    assert (done.end.fault.file, done.end.fault.line) == ("1_a.up.sql", 3)
    assert psql(database, "SELECT to_regclass('a')") == ""


async def test_a_concurrent_build_needs_no_directive(database: Target, tmp_path: Path) -> None:
    files = {"1_a.up.sql": "CREATE TABLE a (b int);", "2_b.up.sql": "CREATE INDEX CONCURRENTLY a_b ON a (b);\n"}
    shop = shop_of(database, tmp_path / "m", files)
    plan = (await shop.look()).plan
    assert [it.transactional for it in plan.migrations] == [True, False]
    assert [note.id for note in plan.notes if note.id == "outside-transaction"] == ["outside-transaction"]
    assert (await shop.apply()).end.result is Result.APPLIED
    assert psql(database, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'a_b'::regclass") == "t"
    assert psql(database, "SELECT version, dirty FROM schema_migrations") == "2|f"


async def test_what_the_parser_does_not_know_is_sent_as_it_is(database: Target, tmp_path: Path) -> None:
    text = "CREATE TABLE a (b int);\nFROBNICATE TABLE a;\nCREATE TABLE c (d int);\n"
    shop = shop_of(database, tmp_path / "m", {"1_a.up.sql": text})
    plan = (await shop.look()).plan
    assert plan.ready
    assert [(note.id, note.line) for note in plan.notes if note.id == "not-known"] == [("not-known", 2)]
    done = await shop.apply()
    assert (done.end.result, done.end.exit_code) == (Result.ROLLED_BACK, 6)
    assert done.end.fault is not None
    assert (done.end.fault.sqlstate, done.end.fault.line) == ("42601", 2)
    assert psql(database, "SELECT to_regclass('a')") == ""


async def test_a_setting_of_one_file_does_not_reach_the_next(database: Target, tmp_path: Path) -> None:
    leak = "SELECT pg_catalog.set_config('search_path', '', false);\nSET timezone = 'Asia/Tokyo';\n"
    files = {"1_a.up.sql": leak, "2_b.up.sql": "CREATE TABLE z AS SELECT current_setting('timezone') AS zone;\n"}
    assert (await shop_of(database, tmp_path / "m", files).apply()).end.result is Result.APPLIED
    assert psql(database, "SELECT zone <> 'Asia/Tokyo' FROM public.z") == "t"


async def test_a_file_that_cannot_run_stops_only_a_plan_that_would_run_it(database: Target, tmp_path: Path) -> None:
    files = {"1_a.up.sql": "CREATE TABLE a (b int);", "2_b.up.sql": "SELECT 1;\n\\copy a FROM 'x'\n"}
    shop = shop_of(database, tmp_path / "m", files)
    refused = [fault for fault in (await shop.look()).plan.refusals if fault.file == "2_b.up.sql"]
    assert [(fault.id, fault.line) for fault in refused] == [("script", 2)]
    psql(database, "CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)")
    psql(database, "INSERT INTO schema_migrations VALUES (2, false)")
    found = await shop.look()
    assert found.plan.refusals == ()
    assert [status.state for status in found.statuses] == ["applied", "applied"]
