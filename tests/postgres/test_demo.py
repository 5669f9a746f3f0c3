"""The demo: the donation platform as its migrations find it, under traffic that nothing stops but its end."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from importlib.resources import files
from pathlib import Path

import asyncpg
import pytest

from changeover.core import demo, postmaster
from changeover.core.errors import SandboxError
from changeover.core.sql import query
from changeover.core.target import Target
from tests.servers import Server, connect, psql

MIGRATIONS = sorted(Path(str(files("changeover.migrations"))).glob("*.sql"))

HOLD = """
import asyncio, sys
from pathlib import Path
from changeover.core import demo

async def main():
    async with demo.running(Path(sys.argv[1])):
        print("up", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


async def ask(target: Target, sql: str) -> Sequence[asyncpg.Record]:
    connection = await connect(target)
    try:
        rows: Sequence[asyncpg.Record] = await connection.fetch(sql)
        return rows
    finally:
        await connection.close()


async def until(condition: Callable[[], Awaitable[bool]], within: float = 30) -> None:
    deadline = time.monotonic() + within
    while not await condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.1)


async def donations(target: Target) -> int:
    count: int = (await ask(target, "SELECT count(*) FROM donations"))[0][0]
    return count


async def traffic_goes_on(target: Target) -> None:
    """Wait until a donation comes in that was not there before."""
    before = await donations(target)

    async def more() -> bool:
        return await donations(target) > before

    await until(more)


def apply(target: Target, server: Server | None = None) -> str:
    """Apply every migration as psql does: each statement by itself, conditional ones as well."""
    binaries = server.sandbox.binaries if server else None
    return "\n".join(psql(target, file.read_text(), binaries=binaries) for file in MIGRATIONS)


def columns_of(target: Target, table: str) -> dict[str, str]:
    listed = psql(
        target,
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        f"WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped",
    )
    return dict(line.split("|") for line in listed.splitlines())


async def test_the_platform_is_as_its_migrations_have_to_cope_with_it(tmp_path: Path) -> None:
    async with demo.running(tmp_path) as running:
        target = running.target
        assert running.fresh
        assert (target.name, target.environment, target.user) == ("demo", "demo", "donation_owner")
        users, given = columns_of(target, "users"), columns_of(target, "donations")
        assert "display_name" in users
        assert users.keys().isdisjoint({"locale", "last_donated_at"})
        assert given["id"] == "uuid"
        assert given["amount_cents"] == "integer"
        assert given.keys().isdisjoint({"status", "session_id", "refunded_at"})
        assert psql(target, "SELECT to_regclass('sessions'), to_regclass('donation_transactions')") == "|"
        assert psql(target, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == "f"
        assert await donations(target) >= 60_000
        assert [file.name for file in MIGRATIONS] == [file.name for file in sorted(running.migrations.glob("*.sql"))]


async def test_traffic_goes_on_before_during_and_after_the_migrations(tmp_path: Path) -> None:
    async with demo.running(tmp_path) as running:
        await traffic_goes_on(running.target)
        await demo.create_sessions(running.target)
        await asyncio.to_thread(apply, running.target)
        await traffic_goes_on(running.target)

        async def uses_what_is_new() -> bool:
            rows = await ask(running.target, "SELECT FROM donation_transactions WHERE session_id IS NOT NULL LIMIT 1")
            return bool(rows)

        await until(uses_what_is_new)
        # As a failover would: the traffic has to come back by itself.
        psql(
            running.target,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'donation_app'",
        )
        await traffic_goes_on(running.target)
        assert columns_of(running.target, "donations")["amount_cents"] == "bigint"


async def test_a_report_holds_the_table_and_its_name_can_be_seen_by_the_owner(tmp_path: Path) -> None:
    held = """
        SELECT FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE relation = 'donations'::regclass AND mode = 'AccessShareLock' AND granted
          AND application_name = 'nightly-report' AND state = 'idle in transaction' AND query LIKE 'SELECT currency%'
    """
    async with demo.running(tmp_path) as running:

        async def report_is_there() -> bool:
            return bool(await ask(running.target, held))

        await until(report_is_there)
        connection = await connect(running.target, lock_timeout="200ms")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await connection.execute("ALTER TABLE donations ADD COLUMN in_the_way integer")
        await connection.close()


async def test_sessions_match_whatever_the_traffic_has_written(tmp_path: Path) -> None:
    async with demo.running(tmp_path) as running:
        target = running.target
        # 0002 brings the column, 0004 the table: the traffic writes sessions before there is a table of them.
        for file in MIGRATIONS[:4]:
            await asyncio.to_thread(psql, target, file.read_text())

        async def sessions_are_written() -> bool:
            return bool(await ask(target, "SELECT FROM donation_transactions WHERE session_id IS NOT NULL LIMIT 1"))

        await until(sessions_are_written)
        await demo.create_sessions(target)
        await demo.create_sessions(target)
        for file in MIGRATIONS[4:]:
            await asyncio.to_thread(psql, target, file.read_text())
        await asyncio.to_thread(psql, target, "ALTER TABLE donations VALIDATE CONSTRAINT donations_session_id_fkey")
        unchecked = "SELECT conname FROM pg_constraint WHERE NOT convalidated"
        assert psql(target, unchecked) == ""


async def test_what_was_done_is_there_at_the_next_start_and_gone_after_a_reset(tmp_path: Path) -> None:
    async with demo.running(tmp_path) as running:
        psql(running.target, "CREATE TABLE mine ()")
    async with demo.running(tmp_path) as running:
        assert not running.fresh
        assert psql(running.target, "SELECT to_regclass('mine')") == "mine"
    async with demo.running(tmp_path, reset=True) as running:
        assert running.fresh
        assert psql(running.target, "SELECT to_regclass('mine')") == ""


async def test_a_second_demo_is_told_that_one_is_running(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(demo.running(tmp_path))
        with pytest.raises(SandboxError, match=rf"A demo is already running .* \(process {os.getpid()}\)"):
            await AsyncExitStack().enter_async_context(demo.running(tmp_path))
        await traffic_goes_on(running.target)


async def test_nothing_runs_after_the_demo_was_left(tmp_path: Path) -> None:
    async with demo.running(tmp_path) as running:
        data = tmp_path / "demo" / "data"
        assert postmaster.server_of(data) is not None
        await traffic_goes_on(running.target)
    assert postmaster.server_of(data) is None
    assert not (data / "postmaster.pid").exists()


async def test_a_demo_that_was_killed_takes_its_traffic_along_and_the_next_start_cleans_up(tmp_path: Path) -> None:
    data = tmp_path / "demo" / "data"
    target = Target(
        host=str(tmp_path / "demo" / "socket"), port=5432, database="donations", user="postgres", sslmode="disable"
    )

    async def traffic() -> bool:
        return bool(await ask(target, "SELECT FROM pg_stat_activity WHERE usename = 'donation_app'"))

    async def no_traffic() -> bool:
        return not await traffic()

    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "up\n"
        await until(traffic)
        first.kill()
    left = postmaster.server_of(data)
    assert left is not None
    await until(no_traffic)
    async with demo.running(tmp_path) as running:
        assert not running.fresh
        assert not postmaster.is_postgres_of(left, data)
        await traffic_goes_on(running.target)


async def test_leaving_waits_for_a_run_that_is_still_going_on(tmp_path: Path) -> None:
    said: list[str] = []
    async with demo.running(tmp_path, say=said.append) as running:
        run = await connect(running.target)
        await run.execute("BEGIN; CREATE TABLE by_the_run ()")

        async def finish() -> None:
            await asyncio.sleep(0.5)
            await run.execute("COMMIT")
            await run.close()

        finishing = asyncio.create_task(finish())
    await finishing
    assert "A run is still going on; the server stops when it has ended." in said
    async with demo.running(tmp_path) as running:
        assert psql(running.target, "SELECT to_regclass('by_the_run')") == "by_the_run"


def test_the_migrations_apply_on_every_major_version(any_server: Server) -> None:
    if not any_server.psql("SELECT rolname FROM pg_roles WHERE rolname = 'donation_owner'"):
        any_server.psql(query("demo_roles"))
    with any_server.new_database(owner="donation_owner") as database:
        target = any_server.target(database.database, "donation_owner")
        any_server.psql(query("demo_platform") + query("demo_sessions"), target.database, target.user)
        apply(target, any_server)
        amounts = (
            "SELECT bool_and(status = 'settled') FROM (SELECT * FROM donations ORDER BY created_at LIMIT 5000) AS d"
        )
        assert any_server.psql(amounts, target.database) == "t"
        assert any_server.psql("SELECT count(*) FROM users WHERE last_donated_at IS NULL", target.database) == "0"
        links = "SELECT conname FROM pg_constraint WHERE conname LIKE '%session_id_fkey' ORDER BY conname"
        assert any_server.psql(links, target.database).splitlines() == [
            "donation_transactions_session_id_fkey",
            "donations_session_id_fkey",
        ]


def test_without_sessions_the_block_that_guards_itself_says_so_and_changes_nothing(server: Server) -> None:
    with server.new_database() as target:
        psql(target, "CREATE TABLE donations (session_id uuid)")
        block = next(file for file in MIGRATIONS if file.name.startswith("0006")).read_text()
        heard = subprocess.run(
            [str(server.sandbox.binaries.folder / "psql"), "-X", "-h", target.host, "-U", target.user, target.database],
            input=block,
            capture_output=True,
            text=True,
            check=True,
        ).stderr
        assert "There is no table sessions yet" in heard
        assert psql(target, "SELECT conname FROM pg_constraint WHERE conrelid = 'donations'::regclass") == ""
