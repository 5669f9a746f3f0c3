"""Who is using what a plan locks, as real servers tell it to roles that see all and to those that see little."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from changeover.core import exposure
from changeover.core.connect import Connection, Connector
from changeover.core.exposure import Sampler, Watched
from changeover.core.locks import LockMode
from changeover.core.settings import Retry
from changeover.core.target import Target
from changeover.core.traffic import Exposure
from tests.runs import project
from tests.servers import Server, connect

SCENE = """
CREATE TABLE gifts (id int PRIMARY KEY, note text); CREATE INDEX ON gifts (note); CREATE TABLE quiet (id int);
INSERT INTO gifts SELECT g, 'x' FROM generate_series(1, 5000) AS g; ANALYZE gifts
"""
PLAN = (
    "ALTER TABLE gifts ADD COLUMN a int; CREATE INDEX ON quiet (id); CREATE TABLE more (id int REFERENCES gifts (id))"
)


@pytest.fixture
def scene(any_database: Target, any_server: Server) -> Target:
    """Give a database with a table in use and a quiet one."""
    any_server.psql(SCENE, any_database.database)
    return any_database


async def watched(target: Target, folder: Path, sql: str = PLAN) -> tuple[Watched, ...]:
    shop = project(target, folder)
    shop.write(_0001_plan=sql)
    survey = await shop.look()
    return exposure.targets_of(survey.plan, survey.catalog)


async def reader(target: Target) -> Connection:
    return await Connector(target, Retry(retries=0), emit=lambda _: None)("look")


async def test_every_relation_that_is_there_is_watched_with_the_strongest_lock(scene: Target, tmp_path: Path) -> None:
    found = {it.relation: it.mode for it in await watched(scene, tmp_path / "m")}
    assert found == {"public.gifts": LockMode.ACCESS_EXCLUSIVE, "public.quiet": LockMode.SHARE}


async def test_sizes_rates_and_who_is_in_the_way(scene: Target, any_server: Server, tmp_path: Path) -> None:
    targets = await watched(scene, tmp_path / "m")
    look, report, writer = await reader(scene), await connect(scene, application_name="report"), await connect(scene)
    try:
        await report.execute("BEGIN; SELECT count(*) FROM gifts")
        sampler = Sampler(targets)
        await sampler.sample(look)
        for number in range(40):
            await writer.execute(f"INSERT INTO gifts VALUES ({10_000 + number})")
        await asyncio.sleep(1.2)
        await writer.execute("SELECT 1")
        found = await sampler.sample(look)
        gifts, quiet = found.relations
        assert (gifts.relation, quiet.relation) == ("public.gifts", "public.quiet")
        assert (gifts.rows, gifts.sessions_now, gifts.blockers, gifts.waiting, gifts.looks) == (5000, 1, 1, 0, 2)
        assert gifts.bytes > 0
        assert gifts.index_bytes > 0
        blocker = gifts.blocker
        assert blocker is not None
        assert (blocker.application, blocker.state, blocker.mode) == (
            "report",
            "idle in transaction",
            LockMode.ACCESS_SHARE,
        )
        assert blocker.query == "BEGIN; SELECT count(*) FROM gifts"
        assert (blocker.xact_age or 0) > 1
        assert (gifts.writes_per_second or 0) > 0 or any_server.major < 15
        assert (quiet.rows, quiet.blocker, quiet.sessions) == (None, None, 0)
        # a reader is not in the way of what only blocks writers
        await report.execute("SELECT count(*) FROM quiet")
        again = {it.relation: it for it in (await sampler.sample(look)).relations}["public.quiet"]
        assert (again.sessions_now, again.blocker) == (1, None)
    finally:
        await asyncio.gather(look.close(), report.close(), writer.close())


async def test_a_role_that_sees_little_is_told_who_and_that_the_rest_is_hidden(
    scene: Target, any_server: Server, tmp_path: Path
) -> None:
    targets = await watched(scene, tmp_path / "m")
    any_server.psql("DROP ROLE IF EXISTS glimpse; CREATE ROLE glimpse LOGIN")
    look, report = await reader(replace(scene, user="glimpse")), await connect(scene, application_name="report")
    try:
        await report.execute("BEGIN; SELECT count(*) FROM gifts")
        found = await Sampler(targets).sample(look)
    finally:
        await asyncio.gather(look.close(), report.close())
    blocker = found.relations[0].blocker
    assert blocker is not None
    assert (blocker.application, blocker.visible, blocker.query, blocker.xact_age) == ("report", False, None, None)
    assert "pg_monitor" in found.hidden


async def test_a_sample_waits_for_nobody(scene: Target, tmp_path: Path) -> None:
    targets = await watched(scene, tmp_path / "m")
    look, holder, waiter = await reader(scene), await connect(scene), await connect(scene)
    try:
        await holder.execute("BEGIN; SELECT FROM gifts")
        stuck = asyncio.create_task(waiter.execute("BEGIN; LOCK TABLE gifts IN ACCESS EXCLUSIVE MODE"))
        while await look.execute("SELECT 1 FROM pg_locks WHERE NOT granted") != "SELECT 1":
            await asyncio.sleep(0.02)
        found = await asyncio.wait_for(Sampler(targets).sample(look), 5)
        stuck.cancel()
        await asyncio.gather(stuck, return_exceptions=True)
    finally:
        await asyncio.gather(look.close(), holder.close(), waiter.close())
    assert found.relations[0].waiting == 1


async def test_a_concurrent_step_is_told_the_oldest_snapshot(scene: Target, tmp_path: Path) -> None:
    sql = "-- changeover: transaction=off\nCREATE INDEX CONCURRENTLY ON gifts (id)"
    targets = await watched(scene, tmp_path / "m", sql)
    look, old = await reader(scene), await connect(scene, application_name="old")
    try:
        await old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
        found = await Sampler(targets).sample(look)
    finally:
        await asyncio.gather(look.close(), old.close())
    assert found.snapshot is not None
    assert found.snapshot.application == "old"


async def test_following_closes_its_connection_when_nobody_looks_any_more(
    scene: Target, any_server: Server, tmp_path: Path
) -> None:
    targets = await watched(scene, tmp_path / "m")
    connector = Connector(scene, Retry(retries=0), emit=lambda _: None, session="seen")
    told: list[Exposure] = []
    task = asyncio.create_task(exposure.follow(connector, targets, told.append))
    while not told:
        await asyncio.sleep(0.02)
    ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'changeover look seen'"
    assert any_server.psql(ours) == "1"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    for _ in range(100):
        if any_server.psql(ours) == "0":
            break
        await asyncio.sleep(0.05)
    assert any_server.psql(ours) == "0"
