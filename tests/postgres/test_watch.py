"""What the watch sees, says and does: who is in the way, who stands behind us, how far it is, who may be ended.

Past 400 lines, since all of it is asked of the one scene of sessions that stand in each other's way.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import asyncpg
import pytest
from msgspec import Struct
from msgspec.structs import replace

from changeover.core.attach import Run
from changeover.core.events import (
    Backend,
    BlockerEndAnswered,
    BlockerEndAsked,
    Event,
    LocksSeen,
    MigrationApplied,
    MigrationRolledBack,
    MigrationStarted,
    ProgressSeen,
    Result,
    RunFinished,
    RunStarted,
    StatementStarted,
    StopAsked,
)
from changeover.core.limits import Limits
from changeover.core.sandbox import Sandbox
from changeover.core.target import Target
from tests.runs import Project, follow, project, until
from tests.servers import Server, connect, psql

E = TypeVar("E")

PATIENT = Limits(lock_timeout=30.0, lock_attempts=1)
_numbers = itertools.count(1)


@pytest.fixture
def shop(database: Target, tmp_path: Path) -> Project:
    return project(database, tmp_path / "migrations")


class Roles(Struct, frozen=True, kw_only=True):
    """The target as two ordinary roles: who deploys, and owns the database, and who else works on it."""

    deployer: Target
    app: Target


@pytest.fixture
def roles(any_server: Server) -> Iterator[Roles]:
    number = next(_numbers)
    deployer, app = f"deployer_{number}", f"app_{number}"
    any_server.psql(f"CREATE ROLE {deployer} LOGIN; CREATE ROLE {app} LOGIN")
    try:
        with any_server.new_database(owner=deployer) as target:
            any_server.psql(f"GRANT ALL ON SCHEMA public TO {deployer}, {app}", target.database)
            yield Roles(deployer=replace(target, user=deployer), app=replace(target, user=app))
    finally:
        any_server.psql(f"DROP ROLE {deployer}; DROP ROLE {app}")


@asynccontextmanager
async def holding(target: Target, sql: str, *, name: str = "nightly-report") -> AsyncIterator[asyncpg.Connection]:
    """Somebody else's transaction that has run `sql` and stays open."""
    other = await connect(target, application_name=name)
    await other.execute(f"BEGIN; {sql}")
    try:
        yield other
    finally:
        other.terminate()


@asynccontextmanager
async def readers(target: Target, sql: str, count: int) -> AsyncIterator[list[asyncio.Task[object]]]:
    """Application sessions that run `sql` all at once."""
    links = [await connect(target, application_name="shop-web") for _ in range(count)]
    tasks: list[asyncio.Task[object]] = [asyncio.create_task(link.fetch(sql)) for link in links]
    try:
        yield tasks
        await asyncio.gather(*tasks)
    finally:
        for link in links:
            link.terminate()


def blocked(event: Event) -> bool:
    return isinstance(event, LocksSeen) and bool(event.blockers)


async def blockers_of(run: Run) -> tuple[Backend, ...]:
    event = (await until(run, blocked))[-1].event
    assert isinstance(event, LocksSeen)
    return event.blockers


# -- who stands behind us --------------------------------------------------------------------------


async def test_the_sessions_that_stood_behind_a_waiting_migration_are_counted(
    any_database: Target, tmp_path: Path
) -> None:
    shop = project(any_database, tmp_path / "m", Limits(lock_timeout=1.5, lock_attempts=1))
    psql(any_database, "CREATE TABLE orders (id int)")
    shop.write(_0001_x="ALTER TABLE orders ADD COLUMN note text")
    async with holding(any_database, "SELECT * FROM orders"):
        run = await shop.start()
        await until(run, blocked)
        async with readers(any_database, "SELECT * FROM orders", 3):
            done = await follow(run)
    stalled = done.of(MigrationRolledBack)[0].stalled
    assert stalled.sessions == 3
    assert 0.1 < stalled.longest < 3.0
    assert stalled.longest < stalled.total < 3 * stalled.longest + 0.1
    assert done.view.migrations[0].stalled == stalled


async def test_the_sessions_that_stood_behind_the_work_of_a_migration_are_counted(shop: Project) -> None:
    psql(shop.target, "CREATE TABLE orders (id int)")
    shop.write(_0001_x="LOCK TABLE orders; SELECT pg_sleep(2.5)")
    run = await shop.start()
    await until(run, lambda event: isinstance(event, StatementStarted) and event.number == 2)
    async with readers(shop.target, "SELECT * FROM orders", 2):
        seen = await until(run, lambda event: isinstance(event, LocksSeen))
        done = await follow(run)
    locks = seen[-1].event
    assert isinstance(locks, LocksSeen)
    assert (locks.blockers, locks.waiting_for, locks.behind) == ((), None, 2)
    stalled = done.of(MigrationApplied)[0].stalled
    assert stalled.sessions == 2
    assert 0.3 < stalled.longest < 3.5


async def test_of_many_behind_us_some_are_named_and_all_are_counted(database: Target, tmp_path: Path) -> None:
    # a budget that a busy machine cannot use up before all of them stand there
    shop = project(database, tmp_path / "m", Limits(lock_timeout=30, lock_attempts=1))
    psql(database, "CREATE TABLE orders (id int)")
    shop.write(_0001_x="ALTER TABLE orders ADD COLUMN note text")
    async with holding(database, "SELECT * FROM orders"):
        run = await shop.start()
        await until(run, blocked)
        async with readers(database, "SELECT * FROM orders", 25):
            most = (await until(run, lambda event: isinstance(event, LocksSeen) and event.behind == 25))[-1].event
            assert isinstance(most, LocksSeen)
            assert len(most.waiters) == 20
            assert all(waiter.waiting is not None for waiter in most.waiters)
            await run.stop("now")
            done = await follow(run)
    assert done.view.migrations[0].stalled is not None
    assert done.view.migrations[0].stalled.sessions == 25


async def test_the_tree_names_who_blocks_our_blocker(database: Target, tmp_path: Path) -> None:
    shop = project(database, tmp_path / "m", Limits(lock_timeout=2.0, lock_attempts=1))
    psql(database, "CREATE TABLE a (); CREATE TABLE b ()")
    shop.write(_0001_x="ALTER TABLE a ADD COLUMN note text")
    async with holding(database, "LOCK TABLE b", name="root"), holding(database, "LOCK TABLE a", name="middle") as it:
        waiting = asyncio.create_task(it.execute("LOCK TABLE b"))
        run = await shop.start()
        tree = {each.application: each for each in await blockers_of(run)}
        await follow(run)
        waiting.cancel()
    assert set(tree) == {"root", "middle"}
    assert tree["middle"].blocked_by == (tree["root"].pid,)


# -- how far it is ---------------------------------------------------------------------------------


async def test_a_concurrent_index_build_says_for_whom_it_waits(any_database: Target, tmp_path: Path) -> None:
    shop = project(any_database, tmp_path / "m")
    psql(any_database, "CREATE TABLE orders (id int)")
    shop.write(_0001_x="-- changeover: transaction=off\nCREATE INDEX CONCURRENTLY orders_id ON orders (id)")
    async with holding(any_database, "INSERT INTO orders VALUES (1)"):
        run = await shop.start()
        seen = (await until(run, lambda event: isinstance(event, ProgressSeen)))[-1].event
    assert isinstance(seen, ProgressSeen)
    assert (seen.command, seen.phase) == ("CREATE INDEX CONCURRENTLY", "waiting for writers before build")
    assert (seen.share, seen.counted[:14]) == (0.0, "lockers 0 of 1")
    assert (await follow(run)).end.result is Result.APPLIED


async def test_a_vacuum_says_which_share_of_the_table_it_has_read(any_database: Target, tmp_path: Path) -> None:
    shop = project(any_database, tmp_path / "m")
    psql(any_database, "CREATE TABLE orders AS SELECT g AS id FROM generate_series(1, 80000) g")
    shop.write(
        _0001_x="-- changeover: transaction=off\n"
        "SET vacuum_cost_delay = 20;\nSET vacuum_cost_limit = 12;\nVACUUM (DISABLE_PAGE_SKIPPING) orders;"
    )
    done = await shop.apply()
    assert done.end.result is Result.APPLIED
    seen = done.of(ProgressSeen)
    assert {it.command for it in seen} == {"VACUUM"}
    shares = [it.share for it in seen if it.phase == "scanning heap"]
    assert len(shares) >= 2
    assert all(share is not None for share in shares)
    assert shares == sorted(shares, key=lambda share: share or 0)


async def test_where_the_server_has_no_progress_view_no_percentage_is_invented(shop: Project) -> None:
    psql(shop.target, "CREATE TABLE orders AS SELECT g AS id FROM generate_series(1, 10) g")
    shop.allow_hazards()
    shop.write(_0001_x="ALTER TABLE orders ADD COLUMN n text DEFAULT pg_sleep(0.2)::text || clock_timestamp()")
    done = await shop.apply()
    assert done.end.result is Result.APPLIED
    assert not done.of(ProgressSeen)


# -- what a role may see ---------------------------------------------------------------------------


async def test_an_ordinary_role_sees_pids_and_says_that_the_rest_is_hidden(roles: Roles, tmp_path: Path) -> None:
    psql(roles.deployer, f"CREATE TABLE orders (id int); GRANT ALL ON orders TO {roles.app.user}")
    shop = project(roles.deployer, tmp_path / "m")
    shop.write(_0001_x="ALTER TABLE orders ADD COLUMN note text")
    async with holding(roles.app, "SELECT * FROM orders"):
        done = await shop.apply()
    blocker = done.of(MigrationRolledBack)[-1].blockers[0]
    assert (blocker.user, blocker.visible, blocker.query, blocker.state) == (roles.app.user, False, None, None)
    assert done.end.exit_code == 6


async def test_a_role_with_pg_monitor_sees_what_they_do(roles: Roles, any_server: Server, tmp_path: Path) -> None:
    any_server.psql(f"GRANT pg_monitor TO {roles.deployer.user}")
    psql(roles.deployer, f"CREATE TABLE orders (id int); GRANT ALL ON orders TO {roles.app.user}")
    shop = project(roles.deployer, tmp_path / "m")
    shop.write(_0001_x="ALTER TABLE orders ADD COLUMN note text")
    async with holding(roles.app, "SELECT * FROM orders"):
        done = await shop.apply()
    blocker = done.of(MigrationRolledBack)[-1].blockers[0]
    assert (blocker.visible, blocker.state) == (True, "idle in transaction")
    assert "SELECT * FROM orders" in (blocker.query or "")


async def test_an_ordinary_role_counts_who_stands_behind_it(roles: Roles, tmp_path: Path) -> None:
    psql(roles.deployer, f"CREATE TABLE orders (id int); GRANT ALL ON orders TO {roles.app.user}")
    shop = project(roles.deployer, tmp_path / "m", Limits(lock_timeout=1.5, lock_attempts=1))
    shop.write(_0001_x="ALTER TABLE orders ADD COLUMN note text")
    async with holding(roles.app, "SELECT * FROM orders"):
        run = await shop.start()
        await until(run, blocked)
        async with readers(roles.app, "SELECT * FROM orders", 2):
            done = await follow(run)
    assert done.of(MigrationRolledBack)[0].stalled.sessions == 2


# -- giving up -------------------------------------------------------------------------------------


async def test_giving_up_during_the_pause_ends_the_run_with_the_blocker_named(database: Target, tmp_path: Path) -> None:
    shop = project(database, tmp_path / "m", Limits(lock_timeout=0.4, lock_attempts=9, lock_pause=(60, 60)))
    psql(database, "CREATE TABLE orders (id int)")
    shop.write(_0001_x="ALTER TABLE orders ADD COLUMN note text")
    async with holding(database, "SELECT * FROM orders"):
        run = await shop.start()
        await until(run, lambda event: isinstance(event, MigrationRolledBack))
        following = asyncio.create_task(follow(run))
        await asyncio.sleep(0.3)
        await run.give_up()
        done = await asyncio.wait_for(following, 20)
    assert (done.end.result, done.end.exit_code) == (Result.STOPPED, 7)
    assert [it.when for it in done.of(StopAsked)] == ["give-up"]
    assert len(done.of(MigrationStarted)) == 1
    assert done.view.migrations[0].blockers[0].application == "nightly-report"
    assert psql(database, "SELECT count(*) FROM pg_attribute WHERE attname = 'note'") == "0"


async def test_giving_up_while_a_lock_is_waited_for_makes_this_attempt_the_last(
    database: Target, tmp_path: Path
) -> None:
    shop = project(database, tmp_path / "m", Limits(lock_timeout=1.5, lock_attempts=9, lock_pause=(60, 60)))
    psql(database, "CREATE TABLE orders (id int)")
    shop.write(_0001_x="ALTER TABLE orders ADD COLUMN note text")
    async with holding(database, "SELECT * FROM orders"):
        run = await shop.start()
        await until(run, blocked)
        following = asyncio.create_task(follow(run))
        await asyncio.sleep(0.2)
        await run.give_up()
        done = await asyncio.wait_for(following, 20)
    assert (done.end.exit_code, len(done.of(MigrationStarted))) == (7, 1)


# -- what never gives way --------------------------------------------------------------------------


@pytest.fixture
def vacuuming(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own, because the others have no autovacuum."""
    settings = {"autovacuum": "on", "autovacuum_naptime": "1s", "shared_buffers": "16MB"}
    sandbox = Sandbox(tmp_path_factory.mktemp("vacuuming") / "server", fast=True, settings=settings)
    sandbox.start()
    try:
        yield Server(sandbox)
    finally:
        sandbox.stop()


@pytest.fixture
def guarded_by_autovacuum(vacuuming: Server) -> Target:
    """A table under an autovacuum against wraparound: its freeze limit is low, and 100,000 transactions are over it."""
    vacuuming.psql(
        "CREATE TABLE orders AS SELECT g AS id FROM generate_series(1, 300000) g;"
        "ALTER TABLE orders SET (autovacuum_freeze_max_age = 100000, autovacuum_vacuum_cost_delay = 100, "
        "autovacuum_vacuum_cost_limit = 1);"
        "CREATE PROCEDURE burn() LANGUAGE plpgsql AS $$ BEGIN "
        "FOR n IN 1..101000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$;"
        "CALL burn();"
    )
    return vacuuming.target()


async def _until_vacuumed(target: Target) -> None:
    for _ in range(300):
        if psql(target, "SELECT count(*) FROM pg_stat_progress_vacuum WHERE datname = current_database()") != "0":
            return
        await asyncio.sleep(0.1)
    raise AssertionError("autovacuum did not come")


async def test_an_autovacuum_against_wraparound_is_named_and_no_attempt_is_burned_on_it(
    guarded_by_autovacuum: Target, tmp_path: Path
) -> None:
    shop = project(guarded_by_autovacuum, tmp_path / "m", Limits(lock_timeout=5, lock_attempts=5, lock_pause=(9, 9)))
    shop.write(_0001_x="ALTER TABLE orders ADD COLUMN note text")
    await _until_vacuumed(guarded_by_autovacuum)
    done = await shop.apply()
    assert (done.end.result, done.end.exit_code, len(done.of(MigrationStarted))) == (Result.ROLLED_BACK, 6, 1)
    fault = done.of(MigrationRolledBack)[0].fault
    assert fault.id == "wraparound"
    assert "does not give way" in fault.advice
    blocker = done.of(MigrationRolledBack)[0].blockers[0]
    assert (blocker.prevents_wraparound, blocker.endable) == (True, False)
    assert done.end.elapsed < 4, "it did not wait for the whole budget"
    still = "SELECT count(*) FROM pg_stat_progress_vacuum WHERE datname = current_database()"
    assert psql(guarded_by_autovacuum, still) == "1", "it was left alone"


async def test_an_ordinary_role_knows_such_an_autovacuum_by_what_it_does(
    guarded_by_autovacuum: Target, vacuuming: Server, tmp_path: Path
) -> None:
    vacuuming.psql(
        "CREATE ROLE deployer LOGIN; ALTER TABLE orders OWNER TO deployer;"
        "GRANT ALL ON SCHEMA public TO deployer; GRANT ALL ON DATABASE postgres TO deployer"
    )
    shop = project(replace(guarded_by_autovacuum, user="deployer"), tmp_path / "m", Limits(lock_timeout=5))
    shop.write(_0001_x="ALTER TABLE orders ADD COLUMN note text")
    await _until_vacuumed(guarded_by_autovacuum)
    done = await shop.apply()
    assert done.of(MigrationRolledBack)[0].fault.id == "wraparound"
    assert done.of(MigrationRolledBack)[0].blockers[0].query is None


# -- ending a blocker ------------------------------------------------------------------------------


@pytest.fixture
def allowed(roles: Roles, any_server: Server, tmp_path: Path) -> Project:
    """A migration that the app's transaction will block, on a target that lets a viewer end who blocks."""
    any_server.psql(f"GRANT pg_monitor, pg_signal_backend TO {roles.deployer.user}")
    psql(roles.deployer, f"CREATE TABLE orders (id int); GRANT ALL ON orders TO {roles.app.user}")
    shop = project(roles.deployer, tmp_path / "m", PATIENT)
    shop.settings = replace(shop.settings, end_blockers=True)
    shop.write(_0001_x="ALTER TABLE orders ADD COLUMN note text")
    return shop


class Following:
    """Follows a run in the background, as a console does."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.events: list[Event] = []
        self.ended = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        async for stamped in self.run.events():
            self.events.append(stamped.event)

    async def until(self, reached: Callable[[Event], bool]) -> Event:
        """Return the first event that is wanted."""
        for _ in range(400):
            if found := next((event for event in self.events if reached(event)), None):
                return found
            await asyncio.sleep(0.05)
        raise AssertionError(f"not seen: {self.events[-3:]}")

    async def blocker(self) -> Backend:
        event = await self.until(blocked)
        assert isinstance(event, LocksSeen)
        return event.blockers[0]

    async def end(self, blocker: Backend, how: str) -> BlockerEndAnswered:
        """Ask to end a blocker, and return the answer."""
        before = self.of(BlockerEndAnswered)
        await self.run.end_blocker(blocker, how)
        event = await self.until(lambda event: isinstance(event, BlockerEndAnswered) and event not in before)
        assert isinstance(event, BlockerEndAnswered)
        return event

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def end_of_run(self) -> RunFinished:
        return self.of(RunFinished)[0]


async def test_a_blocker_that_runs_a_statement_is_cancelled_first_and_all_is_recorded(
    allowed: Project, roles: Roles
) -> None:
    async with holding(roles.app, "SELECT * FROM orders") as other:
        works = asyncio.create_task(other.execute("SELECT pg_sleep(600)"))
        run = Following(await allowed.start())
        blocker = await run.blocker()
        assert (blocker.endable, blocker.why_not, blocker.state) == (True, "", "active")
        first = await run.end(blocker, "terminate")
        assert (first.sent, first.reason) == (False, "cancel comes first, while it runs a statement")
        assert (await run.end(blocker, "cancel")).sent
        with pytest.raises(asyncpg.QueryCanceledError):
            await works
        await asyncio.wait_for(run.ended, 20)
        await other.execute("ROLLBACK")
    assert run.end_of_run.result is Result.APPLIED
    asked = run.of(BlockerEndAsked)
    assert [(it.how, it.pid, bool(it.by)) for it in asked] == [
        ("terminate", blocker.pid, True),
        ("cancel", blocker.pid, True),
    ]
    assert asked[-1].blocker is not None
    assert "pg_sleep" in (asked[-1].blocker.query or "")


async def test_a_blocker_that_is_idle_in_its_transaction_is_terminated_at_once(allowed: Project, roles: Roles) -> None:
    async with holding(roles.app, "SELECT * FROM orders") as other:
        run = Following(await allowed.start())
        blocker = await run.blocker()
        assert blocker.state == "idle in transaction"
        assert (await run.end(blocker, "terminate")).sent
        await asyncio.wait_for(run.ended, 20)
        assert other.is_closed()
    assert run.end_of_run.result is Result.APPLIED


async def test_nobody_is_ended_unless_the_target_allows_it(allowed: Project, roles: Roles) -> None:
    allowed.settings = replace(allowed.settings, end_blockers=False, limits=Limits(lock_timeout=3, lock_attempts=1))
    async with holding(roles.app, "SELECT * FROM orders") as other:
        run = Following(await allowed.start())
        blocker = await run.blocker()
        assert not blocker.endable
        answer = await run.end(blocker, "cancel")
        assert (answer.sent, "end_blockers" in answer.reason) == (False, True)
        await run.ended
        assert await other.fetchval("SELECT 1") == 1
    assert not run.of(RunStarted)[0].end_blockers


async def test_a_superusers_connection_is_never_ended(allowed: Project, any_server: Server) -> None:
    allowed.settings = replace(allowed.settings, limits=Limits(lock_timeout=3, lock_attempts=1))
    superuser = any_server.target(allowed.target.database)
    async with holding(superuser, "SELECT * FROM orders") as other:
        run = Following(await allowed.start())
        answer = await run.end(await run.blocker(), "cancel")
        assert (answer.sent, answer.reason) == (False, "a superuser's connection is never ended")
        await run.ended
        assert await other.fetchval("SELECT 1") == 1


async def test_who_does_not_block_the_migration_is_not_ended(allowed: Project, roles: Roles) -> None:
    allowed.settings = replace(allowed.settings, limits=Limits(lock_timeout=3, lock_attempts=1))
    async with holding(roles.app, "SELECT 1") as bystander, holding(roles.app, "SELECT * FROM orders"):
        run = Following(await allowed.start())
        blocker = await run.blocker()
        answer = await run.end(replace(blocker, pid=bystander.get_server_pid()), "cancel")
        assert (answer.sent, "does not block" in answer.reason) == (False, True)
        answer = await run.end(replace(blocker, started="2001-01-01T00:00:00+00:00"), "cancel")
        assert (answer.sent, answer.reason) == (False, "another backend has its pid now")
        await run.ended


async def test_ending_is_not_offered_to_a_role_without_the_right(
    allowed: Project, roles: Roles, any_server: Server
) -> None:
    any_server.psql(f"REVOKE pg_signal_backend FROM {roles.deployer.user}")
    allowed.settings = replace(allowed.settings, limits=Limits(lock_timeout=2, lock_attempts=1))
    async with holding(roles.app, "SELECT * FROM orders"):
        run = Following(await allowed.start())
        blocker = await run.blocker()
        assert not blocker.endable
        assert "GRANT pg_signal_backend" in blocker.why_not
        await run.ended
