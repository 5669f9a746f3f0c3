"""Runs in the real runner on a real server; what is asserted is what the server has afterwards.

Past 400 lines: each test is one way in which a run of the same small project can go.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from changeover.core.errors import NeedsAttention
from changeover.core.events import (
    ConnectionsClosed,
    LocksSeen,
    MigrationApplied,
    MigrationRolledBack,
    MigrationStarted,
    NoticeRaised,
    Result,
    RunStarted,
    Settled,
    StatementFailed,
    StatementStarted,
    StopConfirmed,
)
from changeover.core.keys import attempt_to_take, keys_of
from changeover.core.limits import Limits
from changeover.core.status import State
from changeover.core.target import Target
from tests.runs import UNTIL_OPEN, Project, follow, project, until
from tests.servers import connect, psql

OURS = (
    "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'changeover %' AND datname = current_database()"
)


@pytest.fixture
def shop(database: Target, tmp_path: Path) -> Project:
    return project(database, tmp_path / "migrations")


@asynccontextmanager
async def holding(target: Target, sql: str, *, name: str = "nightly-report") -> AsyncIterator[None]:
    """Somebody else's transaction that has run `sql` and stays open."""
    other = await connect(target, application_name=name)
    await other.execute(f"BEGIN; {sql}")
    try:
        yield
    finally:
        await other.close()


async def at_rest(target: Target) -> None:
    """Wait until no backend of ours is left."""
    for _ in range(100):
        if psql(target, OURS) == "0":
            return
        await asyncio.sleep(0.1)
    raise AssertionError("a backend of ours is still there")


async def test_migrations_and_their_history_rows_are_there_afterwards(any_database: Target, tmp_path: Path) -> None:
    shop = project(any_database, tmp_path / "migrations")
    shop.write(
        _0001_orders="CREATE TABLE orders (id int PRIMARY KEY);\nINSERT INTO orders VALUES (1), (2);",
        _0002_note="ALTER TABLE orders ADD COLUMN note text;",
    )
    done = await shop.apply()
    assert (done.end.result, done.end.exit_code, done.end.applied) == (Result.APPLIED, 0, 2)
    assert psql(any_database, "SELECT count(*) FROM orders WHERE note IS NULL") == "2"
    history = psql(any_database, "SELECT version, name, deferred FROM changeover.migration ORDER BY version")
    assert history == "0001|orders|{}\n0002|note|{}"
    attempts = psql(any_database, "SELECT version, state, xid IS NOT NULL FROM changeover.attempt ORDER BY id")
    assert attempts == "0001|applied|t\n0002|applied|t"
    assert [status.state for status in (await shop.look()).statuses] == [State.APPLIED, State.APPLIED]
    assert done.of(ConnectionsClosed)
    assert psql(any_database, OURS) == "0"


async def test_the_recorded_xid_is_the_one_of_the_transaction(shop: Project) -> None:
    shop.write(_0001_t="CREATE TABLE t AS SELECT 1 AS a")
    done = await shop.apply()
    xid = psql(shop.target, "SELECT xmin FROM t")
    assert done.of(MigrationApplied)[0].xid == xid
    assert psql(shop.target, "SELECT xid FROM changeover.attempt") == xid


async def test_a_failing_statement_rolls_the_whole_migration_back(shop: Project) -> None:
    shop.write(_0001_good="CREATE TABLE kept ()", _0002_bad="CREATE TABLE gone ();\n\nSELECT 'é',\n  1/0;")
    done = await shop.apply()
    assert (done.end.result, done.end.exit_code, done.end.applied) == (Result.ROLLED_BACK, 6, 1)
    fault = done.of(StatementFailed)[0].fault
    assert (fault.sqlstate, fault.file, fault.line) == ("22012", "0002_bad.sql", 3)
    assert psql(shop.target, "SELECT to_regclass('kept'), to_regclass('gone')") == "kept|"
    assert psql(shop.target, "SELECT version, state, sqlstate FROM changeover.attempt ORDER BY id") == (
        "0001|applied|\n0002|failed|22012"
    )
    assert [status.state for status in (await shop.look()).statuses] == [State.APPLIED, State.FAILED]


async def test_an_error_with_a_position_is_found_in_the_file(shop: Project) -> None:
    shop.write(_0001_bad="CREATE TABLE t (a int);\n  SELECT 'é',\n   'ö' || nothing(a) FROM t")
    fault = (await shop.apply()).of(StatementFailed)[0].fault
    assert (fault.line, fault.column, fault.sqlstate) == (3, 11, "42883")


async def test_a_failed_migration_is_applied_once_it_is_mended(shop: Project) -> None:
    shop.write(_0001_x="SELECT 1/0")
    assert (await shop.apply()).end.exit_code == 6
    shop.write(_0001_x="SELECT 1/1")
    assert (await shop.apply()).end.exit_code == 0


async def test_notices_arrive_with_their_statement(shop: Project) -> None:
    shop.write(_0001_x="SELECT 1; DO $$ BEGIN RAISE NOTICE 'one'; RAISE WARNING 'two'; END $$")
    notices = (await shop.apply()).of(NoticeRaised)
    assert [(it.number, it.severity, it.message) for it in notices] == [(2, "NOTICE", "one"), (2, "WARNING", "two")]


async def test_a_migration_gives_way_names_the_blocker_and_tries_again(shop: Project) -> None:
    psql(shop.target, "CREATE TABLE orders (id int)")
    shop.write(_0001_x="CREATE TABLE first (); ALTER TABLE orders ADD COLUMN note text")
    async with holding(shop.target, "SELECT * FROM orders"):
        run = await shop.start()
        seen = await until(run, lambda event: isinstance(event, MigrationRolledBack))
    gave_way = seen[-1].event
    assert isinstance(gave_way, MigrationRolledBack)
    assert gave_way.fault.sqlstate == "55P03"
    assert [blocker.application for blocker in gave_way.blockers] == ["nightly-report"]
    assert gave_way.wait is not None
    done = await follow(run)
    assert done.end.result is Result.APPLIED
    assert done.of(MigrationApplied)[0].attempts >= 2
    assert (
        psql(shop.target, "SELECT count(*) FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attname = 'note'")
        == "1"
    )


async def test_while_it_waits_it_is_seen_who_waits_behind_it(database: Target, tmp_path: Path) -> None:
    shop = project(database, tmp_path / "m", Limits(lock_timeout=2.0, lock_attempts=1))
    psql(database, "CREATE TABLE orders (id int)")
    shop.write(_0001_x="ALTER TABLE orders ADD COLUMN note text")
    async with holding(database, "SELECT * FROM orders"):
        run = await shop.start()
        await until(run, lambda event: isinstance(event, LocksSeen))
        reader = await connect(database, application_name="shop-web")
        reading = asyncio.create_task(reader.fetch("SELECT * FROM orders"))
        seen = await until(run, lambda event: isinstance(event, LocksSeen) and bool(event.waiters))
        locks = seen[-1].event
        assert isinstance(locks, LocksSeen)
        assert locks.waiting_for == "ACCESS EXCLUSIVE on public.orders"
        assert [(it.application, it.state) for it in locks.blockers] == [("nightly-report", "idle in transaction")]
        assert [it.application for it in locks.waiters] == ["shop-web"]
        await reading
        await reader.close()
        done = await follow(run)
    assert (done.end.result, done.end.exit_code) == (Result.ROLLED_BACK, 6)


async def test_waits_for_several_locks_share_one_budget(database: Target, tmp_path: Path) -> None:
    """TRUNCATE of two tables waits twice within one statement: lock_timeout alone would allow each wait in full."""
    shop = project(database, tmp_path / "m", Limits(lock_timeout=1.5, lock_attempts=1))
    psql(database, "CREATE TABLE a (); CREATE TABLE b ()")
    shop.allow_hazards()
    shop.write(_0001_x="TRUNCATE a, b")
    async with holding(database, "SELECT * FROM b"):
        async with holding(database, "SELECT * FROM a"):
            run = await shop.start()
            await until(run, lambda event: isinstance(event, LocksSeen))
            await asyncio.sleep(1.0)
        done = await follow(run)
    assert done.end.result is Result.ROLLED_BACK
    failed = done.of(StatementFailed)[0]
    assert failed.elapsed < 2.4, "the second wait had what the first one left"


async def test_the_last_attempt_ends_rolled_back_with_the_blocker_named(shop: Project) -> None:
    psql(shop.target, "CREATE TABLE orders (id int)")
    shop.write(_0001_x="ALTER TABLE orders ADD COLUMN note text")
    async with holding(shop.target, "SELECT * FROM orders"):
        done = await shop.apply()
    assert (done.end.result, done.end.exit_code) == (Result.ROLLED_BACK, 6)
    assert len(done.of(MigrationStarted)) == 3
    assert done.of(MigrationRolledBack)[-1].blockers[0].application == "nightly-report"
    assert done.of(MigrationRolledBack)[-1].wait is None


async def test_a_deadlock_is_tried_again(database: Target, tmp_path: Path) -> None:
    shop = project(database, tmp_path / "m", Limits(lock_timeout=30, lock_attempts=3, lock_pause=(0.1, 0.2)))
    psql(database, "CREATE TABLE a (); CREATE TABLE b ()")
    shop.write(_0001_x="ALTER TABLE a ADD COLUMN x int; SELECT pg_sleep(1); ALTER TABLE b ADD COLUMN x int")
    other = await connect(database)
    await other.execute("BEGIN; LOCK TABLE b; SET LOCAL deadlock_timeout = '60s'")
    run = await shop.start()
    await until(run, lambda event: isinstance(event, StatementStarted) and event.number == 2)
    waiting = asyncio.create_task(other.execute("LOCK TABLE a"))
    await until(run, lambda event: isinstance(event, MigrationRolledBack))
    await waiting
    await other.close()
    done = await follow(run)
    assert done.of(MigrationRolledBack)[0].fault.sqlstate == "40P01"
    assert done.end.result is Result.APPLIED


async def test_stop_now_ends_the_statement_and_is_confirmed_by_the_server(shop: Project) -> None:
    shop.write(_0001_x="CREATE TABLE t (); SELECT pg_sleep(60)", _0002_y="CREATE TABLE later ()")
    run = await shop.start()
    await until(run, lambda event: isinstance(event, StatementStarted) and event.number == 2)
    await run.stop("now")
    await run.stop("now")
    done = await follow(run)
    assert (done.end.result, done.end.exit_code) == (Result.STOPPED, 7)
    assert done.of(StopConfirmed)
    assert psql(shop.target, "SELECT to_regclass('t'), to_regclass('later')") == "|"
    assert psql(shop.target, OURS) == "0"


async def test_sigterm_to_the_runner_is_stop_now(shop: Project) -> None:
    shop.write(_0001_x="CREATE TABLE t (); SELECT pg_sleep(60)")
    run = await shop.start()
    seen = await until(run, lambda event: isinstance(event, StatementStarted) and event.number == 2)
    started = next(it.event for it in seen if isinstance(it.event, RunStarted))
    os.kill(started.pid, signal.SIGTERM)
    assert (await follow(run)).end.exit_code == 7


async def test_stop_after_the_statement_rolls_the_migration_back(shop: Project) -> None:
    shop.write(_0001_x="CREATE TABLE t (); SELECT pg_sleep(1); CREATE TABLE u ()")
    run = await shop.start()
    await until(run, lambda event: isinstance(event, StatementStarted) and event.number == 2)
    await run.stop("after-statement")
    done = await follow(run)
    assert (done.end.result, done.end.exit_code) == (Result.STOPPED, 7)
    assert max(it.number for it in done.of(StatementStarted)) == 2
    assert psql(shop.target, "SELECT to_regclass('t')") == ""


async def test_stop_after_the_migration_keeps_it_and_begins_no_other(shop: Project) -> None:
    shop.write(_0001_x="CREATE TABLE t (); SELECT pg_sleep(1)", _0002_y="CREATE TABLE later ()")
    run = await shop.start()
    await until(run, lambda event: isinstance(event, StatementStarted) and event.number == 2)
    await run.stop("after-migration")
    done = await follow(run)
    assert (done.end.result, done.end.exit_code, done.end.applied) == (Result.STOPPED, 7, 1)
    assert psql(shop.target, "SELECT to_regclass('t'), to_regclass('later')") == "t|"


async def test_a_viewer_that_hangs_up_and_comes_back_misses_nothing(shop: Project) -> None:
    shop.write(_0001_x="".join(f"SELECT {n}, pg_sleep(0.01);\n" for n in range(40)))
    run = await shop.start()
    await until(run, lambda event: isinstance(event, StatementStarted) and event.number == 5)
    await until(run, lambda event: isinstance(event, StatementStarted) and event.number == 20)
    first, second = await asyncio.gather(follow(run), follow(type(run)(run.folder, run.name)))
    assert first.stamped == second.stamped
    assert [it.seq for it in first.stamped] == list(range(1, len(first.stamped) + 1))


async def test_left_alone_it_finishes_the_migration_in_hand_and_stops(shop: Project) -> None:
    shop.write(_0001_x="CREATE TABLE t (); SELECT pg_sleep(7)", _0002_y="CREATE TABLE later ()")
    run = await shop.start()
    await until(run, lambda event: isinstance(event, StatementStarted) and event.number == 2)
    for _ in range(150):
        await asyncio.sleep(0.1)
        if psql(shop.target, "SELECT to_regclass('t')") == "t" and psql(shop.target, OURS) == "0":
            break
    assert psql(shop.target, "SELECT to_regclass('t'), to_regclass('later')") == "t|"
    done = await follow(run)
    assert done.end.result is Result.STOPPED


async def test_another_plan_than_the_approved_one_is_not_run(shop: Project) -> None:
    shop.write(_0001_x="CREATE TABLE t ()")
    approved = (await shop.look()).plan.digest
    shop.write(_0001_x="CREATE TABLE t (); CREATE TABLE u ()")
    done = await shop.apply(digest=approved)
    assert (done.end.result, done.end.exit_code) == (Result.REFUSED, 4)
    assert done.end.fault is not None
    assert done.end.fault.id == "plan-changed"
    assert psql(shop.target, "SELECT to_regclass('t'), to_regnamespace('changeover')") == "|"


async def test_the_history_is_held_against_the_approved_one_once_the_fate_key_is_ours(shop: Project) -> None:
    shop.write(_0001_a="CREATE TABLE a ()")
    await shop.apply()
    shop.write(_0002_b="CREATE TABLE b ()")
    old = await connect(shop.target)
    await old.execute("BEGIN")
    await old.execute(attempt_to_take(keys_of("changeover").fate))
    await old.execute("DELETE FROM changeover.attempt; DELETE FROM changeover.migration")
    run = await shop.start()
    await until(run, lambda event: isinstance(event, MigrationStarted))
    await asyncio.sleep(0.5)
    await old.execute("COMMIT")
    await old.close()
    done = await follow(run)
    assert (done.end.result, done.end.exit_code, done.end.applied) == (Result.REFUSED, 4, 0)
    assert psql(shop.target, "SELECT to_regclass('b') IS NULL") == "t"


async def test_a_fate_key_that_is_held_for_a_moment_is_waited_for(shop: Project) -> None:
    shop.write(_0001_a="CREATE TABLE a ()", _0002_b="CREATE TABLE b ()")
    old = await connect(shop.target)
    await old.execute("BEGIN")
    await old.execute(attempt_to_take(keys_of("changeover").fate))
    run = await shop.start()
    await until(run, lambda event: isinstance(event, MigrationStarted))
    await asyncio.sleep(0.5)
    assert psql(shop.target, "SELECT to_regclass('a') IS NULL") == "t"
    await old.close()
    done = await follow(run)
    assert (done.end.result, done.end.applied) == (Result.APPLIED, 2)


async def test_a_history_that_somebody_changes_during_the_run_stops_it(shop: Project) -> None:
    shop.write(_0001_x="CREATE TABLE t (); SELECT pg_sleep(1)", _0002_y="CREATE TABLE later ()")
    run = await shop.start()
    await until(run, lambda event: isinstance(event, StatementStarted) and event.number == 2)
    psql(
        shop.target,
        "INSERT INTO changeover.migration VALUES ('0000', 'x', 'x', 'x', 'x', now(), 1, 'x', gen_random_uuid())",
    )
    done = await follow(run)
    assert (done.end.result, done.end.exit_code, done.end.applied) == (Result.REFUSED, 4, 1)
    assert psql(shop.target, "SELECT to_regclass('later')") == ""


async def test_one_of_two_runs_at_once_is_turned_away_and_told_who_holds_the_key(shop: Project) -> None:
    psql(shop.target, "CREATE TABLE gate ()")
    shop.write(_0001_x=f"CREATE TABLE t (); {UNTIL_OPEN}")
    first = await shop.start()
    await until(first, lambda event: isinstance(event, StatementStarted))
    second = await shop.apply()
    assert (second.end.result, second.end.exit_code) == (Result.REFUSED, 9)
    assert second.end.fault is not None
    assert first.folder.name[:20] in second.end.fault.summary
    psql(shop.target, "INSERT INTO gate DEFAULT VALUES")
    assert (await follow(first)).end.exit_code == 0
    assert psql(shop.target, "SELECT count(*) FROM changeover.attempt") == "1"


async def test_a_killed_runner_leaves_no_backend_and_no_half_of_a_migration(shop: Project) -> None:
    shop.write(_0001_x="CREATE TABLE t (); SELECT pg_sleep(60)")
    run = await shop.start()
    seen = await until(run, lambda event: isinstance(event, StatementStarted) and event.number == 2)
    started = next(it.event for it in seen if isinstance(it.event, RunStarted))
    os.kill(started.pid, signal.SIGKILL)
    with pytest.raises(NeedsAttention):
        await follow(run)
    await at_rest(shop.target)
    assert psql(shop.target, "SELECT to_regclass('t')") == ""
    shop.write(_0001_x="CREATE TABLE t ()")
    assert (await shop.apply()).end.exit_code == 0


async def test_a_backend_that_is_terminated_is_settled_as_not_applied(shop: Project) -> None:
    shop.write(_0001_x="CREATE TABLE t (); SELECT pg_sleep(60)")
    run = await shop.start()
    seen = await until(run, lambda event: isinstance(event, StatementStarted) and event.number == 2)
    backend = next(it.event.backend for it in seen if isinstance(it.event, MigrationStarted))
    psql(shop.target, f"SELECT pg_terminate_backend({backend})")
    done = await follow(run)
    assert (done.end.result, done.end.exit_code) == (Result.ROLLED_BACK, 6)
    assert [settled.applied for settled in done.of(Settled)] == [False]
    assert psql(shop.target, "SELECT to_regclass('t')") == ""


async def test_an_index_is_built_concurrently_outside_a_transaction(any_database: Target, tmp_path: Path) -> None:
    shop = project(any_database, tmp_path / "m")
    psql(
        any_database,
        "CREATE TABLE orders (id int, paid bool); INSERT INTO orders SELECT g, true FROM generate_series(1, 1000) g",
    )
    shop.write(
        _0001_x="-- changeover: transaction=off\n"
        "CREATE INDEX CONCURRENTLY orders_paid ON orders (paid);\n"
        "ANALYZE orders;"
    )
    done = await shop.apply()
    assert done.end.result is Result.APPLIED
    assert psql(any_database, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'orders_paid'::regclass") == "t"
    states = psql(
        any_database,
        "SELECT state, (SELECT string_agg(s->>'state', ',') FROM jsonb_array_elements(steps) s) "
        "FROM changeover.attempt ORDER BY id",
    )
    assert states == "running|running,waiting\nrunning|done,running\nrunning|done,done\napplied|done,done"


async def test_the_guard_holds_no_snapshot_that_an_index_build_would_wait_for(shop: Project) -> None:
    shop.write(_0001_x="SELECT pg_sleep(1)")
    run = await shop.start()
    await until(run, lambda event: isinstance(event, StatementStarted))
    xmin = psql(
        shop.target,
        "SELECT backend_xmin IS NULL, state FROM pg_stat_activity WHERE application_name LIKE 'changeover guard%'",
    )
    assert xmin == "t|idle in transaction"
    await follow(run)


async def test_a_failed_concurrent_index_is_named_as_left_behind(shop: Project) -> None:
    psql(shop.target, "CREATE TABLE orders (id int); INSERT INTO orders VALUES (1), (1)")
    shop.write(
        _0001_x="-- changeover: transaction=off\n"
        "ANALYZE orders;\n"
        "CREATE UNIQUE INDEX CONCURRENTLY orders_id ON orders (id);"
    )
    done = await shop.apply()
    assert (done.end.result, done.end.exit_code) == (Result.PARTIAL, 8)
    assert any("orders_id is invalid" in line for line in done.end.left_behind)
    assert [status.state for status in (await shop.look()).statuses] == [State.PARTIAL]


async def test_a_deferred_step_is_offered_and_applied_once_its_condition_holds(shop: Project) -> None:
    shop.allow_hazards()
    shop.write(
        _0001_x="CREATE TABLE orders (session_id int);\n"
        "-- changeover: when table sessions\n"
        "ALTER TABLE orders ADD CONSTRAINT orders_session FOREIGN KEY (session_id) REFERENCES sessions (id);"
    )
    first = await shop.apply()
    assert first.of(MigrationApplied)[0].deferred == (2,)
    assert [status.state for status in (await shop.look()).statuses] == [State.DEFERRED]
    assert not (await shop.look()).plan.migrations
    psql(shop.target, "CREATE TABLE sessions (id int PRIMARY KEY)")
    second = await shop.apply()
    assert second.end.result is Result.APPLIED
    assert [it.entry for it in second.of(MigrationApplied)] == ["deferred"]
    assert psql(shop.target, "SELECT count(*) FROM pg_constraint WHERE conname = 'orders_session'") == "1"
    assert [status.state for status in (await shop.look()).statuses] == [State.APPLIED]
    assert psql(shop.target, "SELECT deferred FROM changeover.migration") == "{}"


async def test_a_setting_of_one_migration_does_not_reach_the_next(shop: Project) -> None:
    shop.write(
        _0001_x="SELECT set_config('search_path', '', false); SET timezone = 'Asia/Tokyo'",
        _0002_y="CREATE TABLE orders (); CREATE TABLE z AS SELECT current_setting('TimeZone') AS zone",
    )
    assert (await shop.apply()).end.result is Result.APPLIED
    assert psql(shop.target, "SELECT to_regclass('public.orders')") == "orders"
    assert psql(shop.target, "SELECT zone FROM z") != "Asia/Tokyo"


async def test_no_file_of_a_session_holds_the_password(shop: Project) -> None:
    shop.write(_0001_x="CREATE ROLE temp_role PASSWORD 'hunter2'; DROP ROLE temp_role; SELECT 1/0")
    done = await shop.apply()
    assert done.end.exit_code == 6
    for path in done.folder.iterdir():
        if path.is_file():
            assert b"hunter2" not in path.read_bytes(), path


async def test_a_folder_with_a_long_path_still_has_its_socket(
    shop: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHANGEOVER_HOME", str(tmp_path / ("long" * 30)))
    shop.write(_0001_x="SELECT 1")
    assert (await shop.apply()).end.exit_code == 0
