"""Folders of other tools, applied whole on real servers: the rows are those that the tool itself would have written."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import pytest

from changeover.core.actions import Action, Verb
from changeover.core.events import Result, RunKeyAwaited, Settled, StatementStarted
from changeover.core.target import Target
from tests.faults.proxy import Way, once, proxied
from tests.foreign import SAMPLES, A
from tests.runs import UNTIL_OPEN, Project, follow, project, until
from tests.servers import connect, psql


def shop_of(target: Target, folder: Path, name: str) -> Project:
    sample = SAMPLES[name]
    made = project(target, folder)
    for file, text in sample.files.items():
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_text(text)
    made.settings = replace(made.settings, format=name, allowed_hazards={"all": "--allow"})
    return made


@pytest.mark.parametrize("name", SAMPLES)
async def test_a_folder_of_another_tool_is_applied_and_recorded_as_the_tool_does(
    database: Target, tmp_path: Path, name: str
) -> None:
    sample = SAMPLES[name]
    shop = shop_of(database, tmp_path / "migrations", name)
    before = await shop.look()
    assert (before.history.format, before.history.exists) == (name, False)
    done = await shop.apply()
    assert (done.end.result, done.end.exit_code) == (Result.APPLIED, 0)
    assert psql(database, sample.query) == sample.rows
    assert psql(database, "SELECT to_regnamespace('changeover')") == ""
    after = await shop.look()
    assert [status.state for status in after.statuses] == ["applied"] * len(after.folder.migrations)
    assert after.plan.migrations == ()


@pytest.mark.parametrize("name", [name for name, sample in SAMPLES.items() if sample.reverted is not None])
async def test_a_revert_leaves_the_history_as_the_tool_does(database: Target, tmp_path: Path, name: str) -> None:
    sample = SAMPLES[name]
    shop = shop_of(database, tmp_path / "migrations", name)
    assert (await shop.apply()).end.exit_code == 0
    done = await shop.apply(action=Action(verb=Verb.REVERT))
    assert (done.end.result, done.end.exit_code) == (Result.REVERTED, 0)
    assert psql(database, sample.query) == sample.reverted
    assert psql(database, "SELECT to_regclass('shop_name')") == ""
    # and back to nothing, as far as the format goes
    done = await shop.apply(action=Action(verb=Verb.REVERT, to="0"))
    assert (done.end.result, done.end.exit_code) == (Result.REVERTED, 0)
    assert psql(database, "SELECT to_regclass('shop')") == ""
    assert all(status.state == "pending" for status in (await shop.look()).statuses)


@pytest.mark.parametrize("name", [name for name, sample in SAMPLES.items() if sample.reverted is None])
async def test_a_format_without_a_revert_says_so(database: Target, tmp_path: Path, name: str) -> None:
    shop = shop_of(database, tmp_path / "migrations", name)
    assert (await shop.apply()).end.exit_code == 0
    refused = (await shop.look(Action(verb=Verb.REVERT))).plan.refusals
    assert refused[0].id in {"no-notion", "no-revert"}


@pytest.mark.parametrize("name", SAMPLES)
async def test_a_baseline_is_a_record_without_a_run(database: Target, tmp_path: Path, name: str) -> None:
    shop = shop_of(database, tmp_path / "migrations", name)
    first = (await shop.look()).folder.migrations[0].version
    done = await shop.apply(action=Action(verb=Verb.BASELINE, to=first))
    assert (done.end.result, done.end.exit_code) == (Result.BASELINED, 0)
    assert psql(database, "SELECT to_regclass('shop')") == ""
    states = [status.state for status in (await shop.look()).statuses]
    assert states == ["applied"] + ["pending"] * (len(states) - 1)


TRANSACTIONAL = tuple(SAMPLES)


@pytest.mark.parametrize("name", TRANSACTIONAL)
async def test_what_was_applied_is_settled_by_the_id_of_its_transaction(
    database: Target, tmp_path: Path, name: str
) -> None:
    """The answer to COMMIT is swallowed: the row is there, and our transaction wrote it."""
    shop = shop_of(database, tmp_path / "migrations", name)
    first = shop.settings
    assert (await shop.apply(action=Action(to=(await shop.look()).folder.migrations[0].version))).end.exit_code == 0
    async with proxied(database, once(b"COMMIT", Way.MUTE)) as (_, target):
        through = project(target, shop.folder)
        through.settings = first
        done = await through.apply()
    assert [settled.applied for settled in done.of(Settled)][:1] == [True]
    assert (done.end.result, done.end.exit_code) == (Result.APPLIED, 0)
    assert psql(database, SAMPLES[name].query) == SAMPLES[name].rows


@pytest.mark.parametrize("name", TRANSACTIONAL)
async def test_what_never_reached_the_server_is_settled_as_not_applied(
    database: Target, tmp_path: Path, name: str
) -> None:
    shop = shop_of(database, tmp_path / "migrations", name)
    first = shop.settings
    assert (await shop.apply(action=Action(to=(await shop.look()).folder.migrations[0].version))).end.exit_code == 0
    before = psql(database, f"SELECT count(*) FROM {SAMPLES[name].table}")
    async with proxied(database, once(b"COMMIT", Way.DROP)) as (_, target):
        through = project(target, shop.folder)
        through.settings = first
        done = await through.apply()
    assert [settled.applied for settled in done.of(Settled)] == [False]
    assert (done.end.result, done.end.exit_code) == (Result.ROLLED_BACK, 6)
    assert psql(database, f"SELECT count(*) FROM {SAMPLES[name].table}") == before
    assert (await shop.apply()).end.exit_code == 0
    assert psql(database, SAMPLES[name].query).count("\n") == SAMPLES[name].rows.count("\n")


async def test_of_ten_runners_on_a_tool_s_history_one_applies(database: Target, tmp_path: Path) -> None:
    psql(database, "CREATE TABLE effect (n int)")
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "1_x.sql").write_text("-- migrate:up\nINSERT INTO effect VALUES (1);\nSELECT pg_sleep(8);\n-- migrate:down\n")
    shop = project(database, folder)
    shop.settings = replace(shop.settings, format="dbmate", allowed_hazards={"all": "--allow"})
    digest = (await shop.look()).plan.digest
    runs = await asyncio.gather(*(shop.start(digest=digest) for _ in range(5)))
    ends = [(await follow(run)).end for run in runs]
    assert sorted(int(end.exit_code) for end in ends) == [0] + [9] * 4
    assert psql(database, "SELECT count(*) FROM effect") == "1"


KEYS: dict[str, Callable[[str], int]] = {
    "golang-migrate": lambda db: crc32(f"public\0schema_migrations\0/{db}".encode()) * 1486364155 % 2**32,
    "golang-migrate library": lambda db: crc32(f"public\0schema_migrations\0{db}".encode()) * 1486364155 % 2**32,
    "goose": lambda _: 4097083626,
    "sqlx": lambda db: 0x3D32AD9E * crc32(db.encode()),
    "prisma": lambda _: 72707369,
    # Java's hash of "public"."flyway_schema_history"
    "flyway": lambda _: 0x466C79776179 + FLYWAY_HASH,
}
FLYWAY_HASH = functools.reduce(lambda made, c: (made * 31 + ord(c)) % 2**32, '"public"."flyway_schema_history"', 0)
FLYWAY_HASH -= 2**32 if FLYWAY_HASH >= 2**31 else 0


@pytest.mark.parametrize("name", KEYS)
async def test_while_the_tool_holds_its_lock_nothing_runs_and_the_tool_is_named(
    database: Target, tmp_path: Path, name: str
) -> None:
    shop = shop_of(database, tmp_path / "migrations", name.partition(" ")[0])
    tool = await connect(database)
    try:
        await tool.execute(f"SELECT pg_advisory_lock({KEYS[name](database.database)})")
        done = await shop.apply()
        assert done.end.exit_code == 9
        assert done.end.fault is not None
        assert "holds its migration lock" in done.end.fault.summary
        assert str(tool.get_server_pid()) in done.end.fault.summary
        # nothing of ours waits inside the server
        assert await tool.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") == 0
        run = await shop.start(wait=60)
        await until(run, lambda event: isinstance(event, RunKeyAwaited))
        await tool.execute("SELECT pg_advisory_unlock_all()")
        assert (await follow(run)).end.exit_code == 0
    finally:
        await tool.close()


@pytest.mark.parametrize("name", KEYS)
async def test_while_we_run_the_tool_does_not_get_its_lock(database: Target, tmp_path: Path, name: str) -> None:
    psql(database, "CREATE TABLE gate ()")
    format_name = name.partition(" ")[0]
    shop = shop_of(database, tmp_path / "migrations", format_name)
    (first,) = [it for it in SAMPLES[format_name].files if "shop" in it and ".down." not in it]
    text = (shop.folder / first).read_text()
    (shop.folder / first).write_text(text.replace(A, f"{A}{UNTIL_OPEN};\n") if A in text else text)
    run = await shop.start()
    await until(run, lambda event: isinstance(event, StatementStarted) and event.number == 2)
    tool = await connect(database)
    try:
        key = KEYS[name](database.database)
        assert await tool.fetchval(f"SELECT pg_try_advisory_lock({key})") is False
        psql(database, "INSERT INTO gate DEFAULT VALUES")
        assert (await follow(run)).end.exit_code == 0
        assert await tool.fetchval(f"SELECT pg_try_advisory_lock({key})") is True
    finally:
        await tool.close()
