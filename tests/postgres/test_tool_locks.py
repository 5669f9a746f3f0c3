"""The locks of other tools: theirs keep us out, ours keep them out, and nobody waits inside the server."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import asyncpg
import pytest
from msgspec.structs import replace

from changeover.core.actions import Action
from changeover.core.events import RunKeyAwaited, StatementStarted
from changeover.core.target import Target
from tests.foreign import SAMPLES, A, shop_of
from tests.runs import UNTIL_OPEN, follow, project, until
from tests.servers import Server, connect, psql


async def test_of_ten_runners_on_a_tool_s_history_one_applies(database: Target, tmp_path: Path) -> None:
    psql(database, "CREATE TABLE effect (n int); CREATE TABLE gate ()")
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "1_x.sql").write_text(f"-- migrate:up\nINSERT INTO effect VALUES (1);\n{UNTIL_OPEN};\n-- migrate:down\n")
    shop = project(database, folder)
    shop.settings = replace(shop.settings, format="dbmate", allowed_hazards={"all": "--allow"})
    digest = (await shop.look()).plan.digest
    runs = await asyncio.gather(*(shop.start(digest=digest) for _ in range(10)))
    ends = [asyncio.create_task(follow(run)) for run in runs]
    # nine find the key taken; only then may the one go on
    for first in itertools.islice(asyncio.as_completed(ends), 9):
        assert (await first).end.exit_code == 9
    psql(database, "INSERT INTO gate DEFAULT VALUES")
    assert sorted([int((await end).end.exit_code) for end in ends]) == [0] + [9] * 9
    assert psql(database, "SELECT count(*) FROM effect") == "1"


def java_hash(text: str) -> int:
    made = functools.reduce(lambda before, letter: (before * 31 + ord(letter)) % 2**32, text, 0)
    return made - 2**32 if made >= 2**31 else made


def golang_key(database: str) -> int:
    return crc32(f"public\0schema_migrations\0{database}".encode()) * 1486364155 % 2**32


KEYS: dict[str, Callable[[str], int]] = {
    "golang-migrate": lambda name: golang_key(f"/{name}"),
    "golang-migrate library": golang_key,
    "goose": lambda _: 4097083626,
    "sqlx": lambda name: 0x3D32AD9E * crc32(name.encode()),
    "prisma": lambda _: 72707369,
    "flyway": lambda _: 0x466C79776179 + java_hash('"public"."flyway_schema_history"'),
    "tern": lambda _: 9628173550095224,
    "node-pg-migrate": lambda _: 7241865325823964,
    "graphile-migrate": lambda _: 4727445306447283,
}


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
        # who only looks is told, and not kept waiting
        running = (await shop.look()).running
        assert f" is migrating: backend {tool.get_server_pid()} as " in running
        # nothing of ours waits inside the server
        assert await tool.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") == 0
        run = await shop.start(wait=60)
        await until(run, lambda event: isinstance(event, RunKeyAwaited))
        await tool.execute("SELECT pg_advisory_unlock_all()")
        assert (await follow(run)).end.exit_code == 0
        assert (await shop.look()).running == ""
    finally:
        await tool.close()


async def test_who_only_waits_for_the_lock_of_a_tool_is_not_named_as_its_holder(
    database: Target, tmp_path: Path
) -> None:
    shop = shop_of(database, tmp_path / "migrations", "goose")
    take = f"SELECT pg_advisory_lock({KEYS['goose'](database.database)})"
    tools = [await connect(database) for _ in range(5)]
    waiting: list[asyncio.Task[str]] = []
    try:
        await tools[2].execute(take)
        waiting = [asyncio.create_task(tool.execute(take)) for tool in tools if tool is not tools[2]]
        while psql(database, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") != "4":
            await asyncio.sleep(0.1)
        assert f" is migrating: backend {tools[2].get_server_pid()} as " in (await shop.look()).running
    finally:
        for tool in tools:
            tool.terminate()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_tool_that_migrates_another_database_of_the_server_is_no_reason_to_wait(
    server: Server, database: Target, tmp_path: Path
) -> None:
    shop = shop_of(database, tmp_path / "migrations", "goose")
    with server.new_database() as other:
        tool = await connect(other)
        try:
            await tool.execute(f"SELECT pg_advisory_lock({KEYS['goose'](other.database)})")
            assert (await shop.look()).running == ""
            assert (await shop.apply()).end.exit_code == 0
        finally:
            await tool.close()


# the text of a committed migration of graphile-migrate is hashed: a gate in it would be refused
@pytest.mark.parametrize("name", [name for name in KEYS if name != "graphile-migrate"])
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
        # who looks is told of a run of ours, and not of the tool
        assert (await shop.look()).running.startswith("changeover guard ")
        psql(database, "INSERT INTO gate DEFAULT VALUES")
        assert (await follow(run)).end.exit_code == 0
        assert await tool.fetchval(f"SELECT pg_try_advisory_lock({key})") is True
    finally:
        await tool.close()


async def test_a_tool_that_waits_for_its_lock_inside_the_server_does_not_stop_a_concurrent_build(
    database: Target, tmp_path: Path
) -> None:
    """Its wait has a snapshot, for which CREATE INDEX CONCURRENTLY waits, and it waits for our guard."""
    shop = shop_of(database, tmp_path / "migrations", "golang-migrate")
    assert (await shop.apply(action=Action(to="2"))).end.exit_code == 0
    # holds the build up until the tool has come to wait
    reader = await connect(database)
    await reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM shop")
    run = await shop.start()
    await until(run, lambda event: isinstance(event, StatementStarted))
    tool = await connect(database)
    waiting = asyncio.create_task(tool.execute(f"SELECT pg_advisory_lock({KEYS['golang-migrate'](database.database)})"))
    while await reader.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") == 0:
        await asyncio.sleep(0.1)
    await reader.execute("COMMIT")
    assert (await follow(run)).end.exit_code == 0
    assert psql(database, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'shop_name'::regclass") == "t"
    with contextlib.suppress(asyncpg.QueryCanceledError):
        await waiting
    await tool.close()
    await reader.close()
