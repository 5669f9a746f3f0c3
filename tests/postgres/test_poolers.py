"""Through a pooler: session mode is a detour, transaction mode carries what fits into transactions and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from changeover.core.connect import Connector
from changeover.core.events import LocksSeen, MigrationRolledBack, Result, StatementStarted, StopConfirmed
from changeover.core.limits import Limits
from changeover.core.pooling import shares_backends
from changeover.core.target import Target
from tests.poolers import needs_pgbouncer, pooled
from tests.runs import QUICK, UNTIL_OPEN, Project, follow, project, until
from tests.servers import connect, psql

pytestmark = needs_pgbouncer

OUTSIDE = "-- changeover: transaction=off\nCREATE INDEX CONCURRENTLY orders_id ON orders (id)"


@pytest.fixture
def through(database: Target, tmp_path: Path) -> Iterator[Project]:
    """A project that reaches its database through a pool in transaction mode."""
    with pooled(database, mode="transaction") as target:
        yield project(target, tmp_path / "migrations")


@asynccontextmanager
async def traffic(target: Target):  # type: ignore[no-untyped-def]
    """Other clients that get and give back the pool's backends all the time."""
    going = True

    async def client() -> None:
        link = await connect(target)
        while going:
            await link.execute("SELECT 1")
        await link.close()

    clients = [asyncio.create_task(client()) for _ in range(3)]
    try:
        yield
    finally:
        going = False
        await asyncio.gather(*clients)


@pytest.mark.parametrize(("mode", "shared"), [("session", False), ("transaction", True)])
@pytest.mark.parametrize("policy", ["0", "1"])
async def test_the_modes_are_told_apart(database: Target, mode: str, shared: bool, policy: str) -> None:
    with pooled(database, mode=mode, server_round_robin=policy) as target:
        connector = Connector(target, QUICK, emit=print)
        first, second = await connector("look"), await connector("look")
        assert first.facts.pooled
        assert await shares_backends(first, second) is shared
        await connector.close()


async def test_a_direct_connection_is_not_taken_for_a_pooled_one(database: Target) -> None:
    connector = Connector(database, QUICK, emit=print)
    assert not (await connector("look")).facts.pooled
    await connector.close()


async def test_what_runs_outside_a_transaction_is_refused_before_anything_runs(
    through: Project, database: Target
) -> None:
    psql(database, "CREATE TABLE orders (id int)")
    through.write(_0001_x="CREATE TABLE early ()", _0002_y=OUTSIDE)
    plan = (await through.look()).plan
    assert not plan.ready
    assert "0002_y.sql" in plan.refusals[0].summary
    assert "pooler in transaction mode" in plan.refusals[0].summary
    approval = plan.approve(digest=plan.digest, by="somebody who overlooked it", how="--yes")
    done = await follow(await through.start_with(approval))
    assert (done.end.result, done.end.exit_code) == (Result.REFUSED, 4)
    assert done.end.fault == plan.refusals[0]
    assert psql(database, "SELECT to_regclass('early'), to_regnamespace('changeover')") == "|"


async def test_in_session_mode_it_runs(database: Target, tmp_path: Path) -> None:
    psql(database, "CREATE TABLE orders (id int)")
    with pooled(database, mode="session") as target:
        shop = project(target, tmp_path / "migrations")
        shop.write(_0001_x=OUTSIDE)
        assert (await shop.apply()).end.result is Result.APPLIED
    assert psql(database, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'orders_id'::regclass") == "t"


async def test_transactions_are_applied_under_other_clients_traffic(through: Project, database: Target) -> None:
    through.write(**{f"_{n:04}_x": f"CREATE TABLE t{n} (); SELECT pg_sleep(0.05)" for n in range(1, 6)})
    async with traffic(through.target):
        done = await through.apply()
    assert (done.end.result, done.end.applied) == (Result.APPLIED, 5)
    assert psql(database, "SELECT count(*) FROM changeover.migration") == "5"


async def test_no_setting_of_ours_stays_on_a_backend_of_the_pool(through: Project) -> None:
    through.write(_0001_x="CREATE TABLE orders (id int); SELECT pg_sleep(0.5)")
    assert (await through.apply()).end.result is Result.APPLIED
    reading = Connector(through.target, QUICK, emit=print, read_only=True)
    assert (await reading("look")).facts.read_only
    await reading.close()
    settings = "current_setting('lock_timeout'), current_setting('statement_timeout')"
    links = [await connect(through.target) for _ in range(6)]
    for link in links:
        await link.execute("BEGIN")
    for link in links:
        row = await link.fetchrow(f"SELECT {settings}, current_setting('default_transaction_read_only')")
        assert row is not None
        assert tuple(row) == ("0", "0", "off")
        await link.close()


async def test_it_gives_way_and_names_the_blocker_through_a_pool(through: Project, database: Target) -> None:
    psql(database, "CREATE TABLE orders (id int)")
    through.write(_0001_x="ALTER TABLE orders ADD COLUMN note text")
    other = await connect(database, application_name="nightly-report")
    await other.execute("BEGIN; SELECT * FROM orders")
    run = await through.start()
    seen = await until(run, lambda event: isinstance(event, MigrationRolledBack))
    gave_way = seen[-1].event
    assert isinstance(gave_way, MigrationRolledBack)
    assert any(isinstance(it.event, LocksSeen) for it in seen)
    assert [blocker.application for blocker in gave_way.blockers] == ["nightly-report"]
    await other.close()
    assert (await follow(run)).end.result is Result.APPLIED


async def test_the_budget_holds_over_several_waits_through_a_pool(database: Target, tmp_path: Path) -> None:
    psql(database, "CREATE TABLE a (); CREATE TABLE b ()")
    with pooled(database) as target:
        shop = project(target, tmp_path / "m", Limits(lock_timeout=0.6, lock_attempts=1))
        shop.write(_0001_x="LOCK TABLE a; SELECT pg_sleep(0.1); LOCK TABLE b")
        other = await connect(database)
        await other.execute("BEGIN; LOCK TABLE b")
        done = await shop.apply()
        await other.close()
    assert (done.end.result, done.end.exit_code) == (Result.ROLLED_BACK, 6)


async def test_stop_now_is_confirmed_through_a_pool(through: Project, database: Target) -> None:
    through.write(_0001_x="CREATE TABLE t (); SELECT pg_sleep(60)")
    run = await through.start()
    await until(run, lambda event: isinstance(event, StatementStarted) and event.number == 2)
    async with traffic(through.target):
        await run.stop("now")
        done = await asyncio.wait_for(follow(run), 20)
    assert (done.end.result, done.end.exit_code) == (Result.STOPPED, 7)
    assert done.of(StopConfirmed)
    assert psql(database, "SELECT to_regclass('t')") == ""


async def test_one_of_two_runs_at_once_is_turned_away_through_a_pool(through: Project, database: Target) -> None:
    psql(database, "CREATE TABLE gate ()")
    through.write(_0001_x=f"CREATE TABLE t (); {UNTIL_OPEN}")
    first = await through.start()
    await until(first, lambda event: isinstance(event, StatementStarted))
    second = await through.apply()
    assert second.end.exit_code == 9
    psql(database, "INSERT INTO gate DEFAULT VALUES")
    assert (await follow(first)).end.exit_code == 0
