"""What a killed runner left is found by the next one who comes: on a real server, with the real runner."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from changeover.core import orphans, recovery
from changeover.core.codec import event_line
from changeover.core.connect import Connection, Connector
from changeover.core.errors import NeedsAttention
from changeover.core.events import (
    BackendsFound,
    ConnectionsClosed,
    Event,
    MigrationApplied,
    MigrationCommitting,
    MigrationEnded,
    MigrationStarted,
    Result,
    RunFinished,
    RunRecovered,
    RunStarted,
    Settled,
    StatementStarted,
)
from changeover.core.journal import read_file
from changeover.core.keys import attempt_to_take, keys_of
from changeover.core.limits import Limits
from changeover.core.recovery import Recovery, judge, recover, refuse_in_doubt
from changeover.core.session_log import list_sessions, read_session
from changeover.core.target import Target
from changeover.core.unfinished import unfinished_runs
from changeover.core.view import Stamped, view_of
from tests.runs import QUICK, Project, follow, kinds, project, until
from tests.servers import Server, connect, psql


@pytest.fixture
def shop(database: Target, tmp_path: Path) -> Project:
    return project(database, tmp_path / "migrations")


async def killed(shop: Project, *, at: int = 2, runs: str = "") -> Path:
    """Start a run, kill its runner in the statement `at`, wait until the server is rid of it; return its folder.

    With `runs` only once the server runs what has these words in it: a statement is told before it is sent.
    """
    run = await shop.start()
    seen = await until(run, lambda event: isinstance(event, StatementStarted) and event.number == at)
    busy = f"SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%{runs}%'"
    while runs and psql(shop.target, f"{busy} AND pid <> pg_backend_pid()") == "0":
        await asyncio.sleep(0.02)
    started = next(it.event for it in seen if isinstance(it.event, RunStarted))
    os.kill(started.pid, signal.SIGKILL)
    with pytest.raises(NeedsAttention):
        await follow(run)
    return run.folder


def cut_before(folder: Path, kind: type[Event]) -> None:
    """Lose what the run has written from the first event of this kind on, as a host that goes down may."""
    file = folder / "run-1.jsonl"
    kept = b""
    for stamped, _ in read_file(file):
        if isinstance(stamped.event, kind):
            break
        kept += event_line(stamped)
    file.write_bytes(kept)


@asynccontextmanager
async def looking(target: Target, *, read_only: bool = False) -> AsyncIterator[tuple[Connector, Connection]]:
    connector = Connector(target, QUICK, emit=lambda _: None, session="a-later-one", read_only=read_only)
    try:
        yield connector, await connector("look")
    finally:
        await connector.close()


async def come_later(
    target: Target, *, patience: float = 5.0, read_only: bool = False, elsewhere: bool = False
) -> tuple[Recovery, list[Event]]:
    """Be the next changeover on this target."""
    told: list[Event] = []
    async with looking(target, read_only=read_only) as (connector, connection):
        found = await recover(
            connector,
            connection,
            session="a-later-one",
            emit=told.append,
            patience=patience,
            read_only=read_only,
            elsewhere=elsewhere,
        )
    return found, told


async def test_what_a_killed_runner_had_in_hand_is_found_not_applied(shop: Project) -> None:
    shop.write(_0001_a="CREATE TABLE a ()", _0002_b="CREATE TABLE b (); SELECT pg_sleep(60)")
    folder = await killed(shop)
    found, told = await come_later(shop.target)
    assert [(it.session, it.cause, it.result) for it in found.settled] == [(folder.name, "killed", Result.ROLLED_BACK)]
    assert (found.settled[0].applied, found.settled[0].not_applied) == ((), ("0002",))
    assert (found.in_doubt, found.backends) == ((), ())
    assert told == list(found.settled)
    assert psql(shop.target, "SELECT to_regclass('a'), to_regclass('b')") == "a|"


async def test_the_log_of_the_dead_session_tells_how_it_ended(shop: Project) -> None:
    shop.write(_0001_a="CREATE TABLE a ()", _0002_b="CREATE TABLE b (); SELECT pg_sleep(60)")
    folder = await killed(shop)
    assert list_sessions()[0].result is None
    await come_later(shop.target)
    events = read_session(folder.name)
    assert kinds(events)[-4:] == ["Settled", "MigrationEnded", "RunRecovered", "RunFinished"]
    view = view_of(list(events))
    assert [migration.result for migration in view.migrations] == [Result.APPLIED, Result.ROLLED_BACK]
    assert (view.result, view.exit_code) == (Result.ROLLED_BACK, 6)
    assert view.fault is not None
    assert view.fault.id == "runner-killed"
    assert list_sessions()[0].result == "rolled_back"
    assert (folder / "settled.jsonl").stat().st_mode & 0o777 == 0o600


async def test_it_is_settled_once(shop: Project) -> None:
    shop.write(_0001_b="CREATE TABLE b (); SELECT pg_sleep(60)")
    folder = await killed(shop)
    first, second = await asyncio.gather(come_later(shop.target), come_later(shop.target))
    assert first[0].settled[0].result is second[0].settled[0].result
    filed = [it.event for it, _ in read_file(folder / "settled.jsonl")]
    assert sum(isinstance(event, RunFinished) for event in filed) == 1
    assert (await come_later(shop.target))[0] == Recovery()


async def test_who_was_slower_does_not_file_it_again(shop: Project) -> None:
    shop.write(_0001_b="CREATE TABLE b (); SELECT pg_sleep(60)")
    folder = await killed(shop)
    (run,) = unfinished_runs()
    found = (await come_later(shop.target))[0].settled[0]
    filed = (folder / "settled.jsonl").read_bytes()
    await recovery._file(run, judge(run, ()), found)
    assert (folder / "settled.jsonl").read_bytes() == filed


@pytest.mark.parametrize("lost", [MigrationCommitting, MigrationApplied, MigrationStarted])
async def test_a_commit_that_the_log_has_lost_is_found_applied(shop: Project, lost: type[Event]) -> None:
    shop.write(_0001_a="CREATE TABLE a ()", _0002_b="CREATE TABLE b ()")
    done = await shop.apply()
    cut_before(done.folder, lost)
    found, _ = await come_later(shop.target)
    assert found.settled[0].applied == ("0001", "0002")
    assert found.settled[0].result is Result.APPLIED
    end = read_session(done.folder.name)[-1].event
    assert isinstance(end, RunFinished)
    assert (end.result, end.exit_code, end.applied, end.fault) == (Result.APPLIED, 0, 2, None)


async def test_a_later_run_does_not_change_what_became_of_an_earlier_one(shop: Project) -> None:
    """The row in force has the id of the run that did its last deferred step; the attempt log keeps them all."""
    shop.write(
        _0001_x="CREATE TABLE orders (session_id int);\n"
        "-- changeover: when table sessions\n-- changeover: allow scan-add-fk: nobody uses it yet\n"
        "ALTER TABLE orders ADD CONSTRAINT s FOREIGN KEY (session_id) REFERENCES sessions (id);"
    )
    first = await shop.apply()
    psql(shop.target, "CREATE TABLE sessions (id int PRIMARY KEY)")
    assert (await shop.apply()).end.result is Result.APPLIED
    cut_before(first.folder, MigrationApplied)
    found, _ = await come_later(shop.target)
    assert found.settled[0].applied == ("0001",)


async def test_a_run_that_ended_in_doubt_is_settled_by_the_next_one(shop: Project) -> None:
    shop.write(_0001_a="CREATE TABLE a ()")
    done = await shop.apply()
    cut_before(done.folder, MigrationApplied)
    doubt = Result.IN_DOUBT
    ends: list[Event] = [
        MigrationEnded(version="0001", result=doubt, attempts=1, elapsed=1.0, fault=None),
        ConnectionsClosed(count=1),
        RunFinished(run=started(done.stamped).run, result=doubt, exit_code=8, applied=0, elapsed=1.0, fault=None),
    ]
    with (done.folder / "run-1.jsonl").open("ab") as file:
        for seq, event in enumerate(ends, start=100):
            file.write(event_line(Stamped(seq=seq, at=done.stamped[-1].at, event=event)))
    assert list_sessions()[0].result == "in_doubt"
    found, _ = await come_later(shop.target)
    assert (found.settled[0].cause, found.settled[0].applied) == ("in_doubt", ("0001",))
    assert list_sessions()[0].result == "applied"


def started(stamped: list[Stamped]) -> RunStarted:
    return next(it.event for it in stamped if isinstance(it.event, RunStarted))


async def test_a_run_that_goes_on_is_left_alone(shop: Project) -> None:
    shop.write(_0001_a="CREATE TABLE a (); SELECT pg_sleep(2)")
    run = await shop.start()
    await until(run, lambda event: isinstance(event, StatementStarted) and event.number == 2)
    assert (await come_later(shop.target))[0] == Recovery()
    assert (await follow(run)).end.result is Result.APPLIED


async def test_another_database_of_the_cluster_is_not_asked(shop: Project, server: Server) -> None:
    shop.write(_0001_b="CREATE TABLE b (); SELECT pg_sleep(60)")
    await killed(shop)
    with server.new_database() as other:
        assert (await come_later(other))[0] == Recovery()
    assert (await come_later(shop.target))[0].settled


async def test_settling_takes_no_transaction_id_and_leaves_no_lock(shop: Project) -> None:
    shop.write(_0001_b="CREATE TABLE b (); SELECT pg_sleep(60)")
    await killed(shop)
    await asyncio.sleep(2.0)
    next_xid = "SELECT pg_snapshot_xmax(pg_current_snapshot())"
    before = psql(shop.target, next_xid)
    assert (await come_later(shop.target))[0].settled
    assert psql(shop.target, next_xid) == before
    assert psql(shop.target, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == "0"


async def test_as_long_as_the_old_backend_is_there_it_stays_in_doubt(shop: Project) -> None:
    shop.write(_0001_b="CREATE TABLE b (); SELECT pg_sleep(60)")
    folder = await killed(shop)
    await asyncio.sleep(2.0)
    old = await connect(shop.target, application_name=f"changeover migration {folder.name}")
    await old.execute("BEGIN")
    await old.execute(attempt_to_take(keys_of("changeover").fate))
    found, _ = await come_later(shop.target, patience=0.3)
    assert [(it.session, it.versions) for it in found.in_doubt] == [(folder.name, ("0001",))]
    assert not (folder / "settled.jsonl").exists()
    with pytest.raises(NeedsAttention, match=folder.name) as caught:
        refuse_in_doubt(found)
    assert caught.value.exit_code == 8
    assert "changeover repair" in caught.value.advice
    assert [(it.purpose, it.session) for it in found.backends] == [("migration", folder.name)]
    await old.close()
    assert (await come_later(shop.target))[0].settled


async def test_who_may_only_read_takes_no_key_and_asks_once_the_backend_is_gone(shop: Project) -> None:
    shop.write(_0001_b="CREATE TABLE b (); SELECT pg_sleep(60)")
    folder = await killed(shop)
    await asyncio.sleep(2.0)
    old = await connect(shop.target, application_name=f"changeover migration {folder.name}")
    assert (await come_later(shop.target, patience=0.3, read_only=True))[0].in_doubt
    await old.close()
    other = await connect(shop.target)
    await other.execute("BEGIN")
    await other.execute(attempt_to_take(keys_of("changeover").fate))
    found, _ = await come_later(shop.target, read_only=True)
    assert found.settled[0].not_applied == ("0001",)
    await other.close()


async def test_a_run_ends_what_is_left_of_a_dead_one_before_it_begins(shop: Project) -> None:
    shop.write(_0001_b="CREATE TABLE b (); SELECT pg_sleep(60)")
    folder = await killed(shop)
    await asyncio.sleep(2.0)
    old = await connect(shop.target, application_name=f"changeover migration {folder.name}")
    pid = await old.fetchval("SELECT pg_backend_pid()")
    shop.write(_0001_b="CREATE TABLE b ()")
    done = await shop.apply()
    assert [(it.pids, it.ended) for it in done.of(BackendsFound)] == [((pid,), (pid,))]
    assert [it.session for it in done.of(RunRecovered)] == [folder.name]
    assert (done.end.result, done.end.exit_code) == (Result.APPLIED, 0)
    assert psql(shop.target, f"SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}") == "0"


async def test_a_backend_of_somebody_elses_session_is_not_ended(shop: Project) -> None:
    shop.write(_0001_b="CREATE TABLE b ()")
    name = "20200101T000000Z-elsewhere-0a0b"
    other = await connect(shop.target, application_name=f"changeover migration {name}")
    done = await shop.apply()
    assert done.end.result is Result.APPLIED
    assert not done.of(BackendsFound)
    assert await other.fetchval("SELECT 1") == 1
    await other.close()


async def test_a_backend_with_the_same_pid_that_began_later_is_not_ended(shop: Project) -> None:
    shop.write(_0001_b="CREATE TABLE b (); SELECT pg_sleep(60)")
    folder = await killed(shop)
    await asyncio.sleep(2.0)
    old = await connect(shop.target, application_name=f"changeover migration {folder.name}")
    async with looking(shop.target) as (_, connection):
        (found,) = await orphans.find(connection)
        assert await orphans.end(connection, [replace(found, started="2020-01-01 00:00:00+00")]) == ()
        assert await old.fetchval("SELECT 1") == 1
        assert await orphans.end(connection, [found]) == ()
    assert old.is_closed() or psql(shop.target, f"SELECT count(*) FROM pg_stat_activity WHERE pid = {found.pid}") == "0"


async def test_the_run_key_is_taken_back_from_a_guard_whose_runner_is_gone(shop: Project) -> None:
    shop.write(_0001_b="CREATE TABLE b (); SELECT pg_sleep(60)")
    folder = await killed(shop)
    await asyncio.sleep(2.0)
    guard = await connect(shop.target, application_name=f"changeover guard {folder.name}")
    await guard.execute("BEGIN")
    await guard.execute(attempt_to_take(keys_of("changeover").run))
    shop.write(_0001_b="CREATE TABLE b ()")
    done = await shop.apply()
    assert done.end.result is Result.APPLIED
    assert done.of(BackendsFound)[0].ended


async def test_no_run_begins_while_an_earlier_one_is_in_doubt(server: Server, tmp_path: Path) -> None:
    """The old backend belongs to a superuser here, so that an ordinary role cannot end it."""
    server.psql("CREATE ROLE plain_deployer LOGIN")
    with server.new_database(owner="plain_deployer") as owner:
        target = replace(owner, user="plain_deployer")
        shop = project(target, tmp_path / "m")
        shop.write(_0001_b="CREATE TABLE b (); SELECT pg_sleep(60)")
        folder = await killed(shop)
        await asyncio.sleep(2.0)
        old = await connect(owner, application_name=f"changeover migration {folder.name}")
        shop.write(_0001_b="CREATE TABLE b ()")
        done = await shop.apply()
        assert (done.end.result, done.end.exit_code) == (Result.REFUSED, 8)
        assert done.end.fault is not None
        assert folder.name in done.end.fault.summary
        assert psql(target, "SELECT to_regclass('b')") == ""
        await old.close()
        assert (await shop.apply()).end.exit_code == 0
    server.psql("DROP ROLE plain_deployer")


async def test_a_step_outside_a_transaction_that_was_under_way_is_named(shop: Project) -> None:
    shop.write(_0001_x="-- changeover: transaction=off\nCREATE TABLE a ();\nSELECT pg_sleep(60);\nCREATE TABLE b ();")
    folder = await killed(shop)
    found, _ = await come_later(shop.target, patience=10)
    assert (found.settled[0].partial, found.settled[0].result) == (("0001",), Result.PARTIAL)
    end = read_session(folder.name)[-1].event
    assert isinstance(end, RunFinished)
    assert end.exit_code == 8
    assert end.left_behind == (
        "0001: statement 1 is done",
        "0001: statement 2 was under way: look what it left",
    )


async def test_a_runner_that_was_killed_before_its_plan_left_nothing(shop: Project) -> None:
    shop.write(_0001_a="CREATE TABLE a ()")
    async with looking(shop.target) as (_, connection):
        await connection.execute("BEGIN")
        await connection.execute(attempt_to_take(keys_of("changeover").run))
        done = await shop.apply()
    assert done.end.exit_code == 9
    cut_before(done.folder, RunFinished)
    found, _ = await come_later(shop.target)
    assert (found.settled[0].result, found.settled[0].applied) == (Result.STOPPED, ())


async def test_a_bug_in_the_runner_ends_with_what_the_server_says(database: Target, tmp_path: Path) -> None:
    """Such a limit cannot be put into milliseconds, and nothing checks it on this way: an OverflowError."""
    shop = project(database, tmp_path / "m")
    shop.write(_0001_a="CREATE TABLE a ()")
    shop.settings = replace(shop.settings, limits=Limits(statement_timeout=1e308))
    done = await shop.apply()
    assert (done.end.result, done.end.exit_code, done.end.applied) == (Result.ROLLED_BACK, 1, 0)
    assert done.end.fault is not None
    assert (done.end.fault.id, "OverflowError" in done.end.fault.summary) == ("bug", True)
    assert [it.applied for it in done.of(Settled)] == [False]
    assert psql(database, "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'changeover m%'") == "0"
    assert (await come_later(database))[0] == Recovery()
