"""The log is evidence: what a run did is in it, what must not be in it is not, and without it no run begins."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from changeover.core.attach import start_run
from changeover.core.errors import UsageError
from changeover.core.events import (
    Connected,
    MigrationApplied,
    MigrationCommitting,
    MigrationStarted,
    NoticeRaised,
    Result,
    RunStarted,
    StatementFailed,
    StatementFinished,
    StatementStarted,
)
from changeover.core.journal import read_file
from changeover.core.requests import RunRequest
from changeover.core.secret import Secret
from changeover.core.session_log import SessionLog
from changeover.core.target import Target
from tests.runs import Project, follow, project, until
from tests.servers import psql


@pytest.fixture
def shop(database: Target, tmp_path: Path) -> Project:
    return project(database, tmp_path / "migrations")


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file of this process and of those it starts may grow beyond `size` bytes, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_the_log_says_where_and_how_far_the_server_was(shop: Project) -> None:
    shop.write(_0001_x="CREATE TABLE t (n int); INSERT INTO t SELECT generate_series(1, 500); SELECT 1/1 AS a")
    done = await shop.apply()
    (begun,), (applied,) = done.of(MigrationStarted), done.of(MigrationApplied)
    assert begun.wal is not None
    assert applied.wal is not None
    assert psql(shop.target, f"SELECT '{begun.wal}'::pg_lsn < '{applied.wal}'::pg_lsn") == "t"
    assert psql(shop.target, f"SELECT '{applied.wal}'::pg_lsn <= pg_current_wal_insert_lsn()") == "t"
    assert [it.rows for it in done.of(StatementFinished)] == [None, 500, 1]
    assert applied.xid == done.of(MigrationCommitting)[0].xid == psql(shop.target, "SELECT min(xmin::text) FROM t")
    server = done.of(Connected)[0].server
    identity = psql(shop.target, "SELECT system_identifier FROM pg_control_system()")
    assert (server.system_identifier, server.timeline, server.user) == (identity, 1, "postgres")
    run = done.of(RunStarted)[0]
    assert (run.digest, run.schema, run.by) == (done.view.digest, "changeover", "test")


async def test_no_password_of_the_target_gets_into_a_file_whatever_the_server_says(shop: Project) -> None:
    secret = 'tr0ub4dor "&3'
    shop.target = replace(shop.target, password=Secret(secret))
    shop.write(
        _0001_x=f"DO $do$ BEGIN RAISE NOTICE 'it is {secret} here'; END $do$;\n"
        f"DO $do$ BEGIN RAISE EXCEPTION 'no' USING DETAIL = 'was {secret}', HINT = 'tr0ub4dor%20%22%263'; END $do$"
    )
    done = await shop.apply()
    assert done.of(NoticeRaised)[0].message == "it is ******** here"
    fault = done.of(StatementFailed)[0].fault
    assert (fault.detail, fault.hint) == ("was ********", "********")
    for path in done.folder.iterdir():
        if path.is_file():
            assert b"tr0ub4dor" not in path.read_bytes(), path


async def test_password_literals_are_masked_in_notices_and_in_contexts(shop: Project) -> None:
    shop.write(
        _0001_x="DO $do$ BEGIN RAISE NOTICE 'CREATE ROLE x PASSWORD ''hunter2'''; "
        "EXECUTE 'CREATE ROLE x PASSWORD ''hunter2'' nonsense'; END $do$"
    )
    done = await shop.apply()
    assert done.of(NoticeRaised)[0].message == "CREATE ROLE x PASSWORD '********'"
    assert done.of(StatementFailed)
    for path in done.folder.iterdir():
        if path.is_file():
            assert b"hunter2" not in path.read_bytes(), path


async def test_a_run_does_not_start_on_a_disk_that_is_full(shop: Project) -> None:
    """The console's own file still fits, the runner's does not: the plan alone is larger."""
    shop.write(_0001_x=f"CREATE TABLE t (); SELECT '{'x' * 3000}'")
    with files_of_at_most(2000):
        run = await shop.start()
        done = await follow(run)
    assert (done.end.result, done.end.exit_code) == (Result.REFUSED, 2)
    assert done.end.fault is not None
    assert "cannot be written" in done.end.fault.summary
    assert psql(shop.target, "SELECT to_regclass('t')") == ""


async def test_nothing_is_started_where_the_session_itself_cannot_be_written(shop: Project) -> None:
    shop.write(_0001_x="CREATE TABLE t ()")
    with files_of_at_most(10), pytest.raises(UsageError, match="nothing was started"):
        await shop.start()
    assert psql(shop.target, "SELECT to_regclass('t')") == ""


async def test_a_runner_that_cannot_make_its_file_is_told_in_clear_words(shop: Project) -> None:
    shop.write(_0001_x="CREATE TABLE t ()")
    plan = (await shop.look()).plan
    approval = plan.approve(digest=plan.digest, by="test", how="--yes")
    log = SessionLog.open(command="test", target=str(shop.target))
    # its place is taken, so that it cannot be made
    (log.folder / "run-1.jsonl").touch()
    run = await start_run(log, RunRequest(target=shop.target, settings=shop.settings, approval=approval))
    with pytest.raises(UsageError, match="The run did not start") as caught:
        await follow(run)
    assert caught.value.exit_code == 2
    assert "Traceback" not in (run.folder / f"{run.name}.log").read_text()
    assert psql(shop.target, "SELECT to_regclass('t')") == ""


async def test_a_disk_that_fills_up_during_a_run_stops_it_after_the_migration_in_hand(shop: Project) -> None:
    shop.write(_0001_x="CREATE TABLE t (); SELECT pg_sleep(1); SELECT pg_sleep(2)", _0002_y="CREATE TABLE later ()")
    run = await shop.start()
    seen = await until(run, lambda event: isinstance(event, StatementStarted) and event.number == 2)
    pid = next(it.event.pid for it in seen if isinstance(it.event, RunStarted))
    file = run.folder / f"{run.name}.jsonl"
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (file.stat().st_size + 50, resource.RLIM_INFINITY))
    # whoever comes now finds a file that lacks what the disk did not take
    await asyncio.sleep(2.0)
    done = await follow(run)
    assert (done.end.result, done.end.exit_code, done.end.applied) == (Result.STOPPED, 7, 1)
    assert done.end.fault is not None
    assert done.end.fault.id == "log-lost"
    assert [it.seq for it in done.stamped] == list(range(1, len(done.stamped) + 1)), "a viewer misses nothing"
    assert psql(shop.target, "SELECT to_regclass('t'), to_regclass('later')") == "t|"
    assert file.read_bytes().endswith(b"\n"), "what is there is whole lines"
    assert sum(1 for _ in read_file(file)) < len(done.stamped)


async def test_a_disk_that_has_room_again_gets_what_it_missed(shop: Project) -> None:
    shop.write(_0001_x="CREATE TABLE t (); SELECT pg_sleep(1); SELECT pg_sleep(1)")
    run = await shop.start()
    seen = await until(run, lambda event: isinstance(event, StatementStarted) and event.number == 2)
    pid = next(it.event.pid for it in seen if isinstance(it.event, RunStarted))
    file = run.folder / f"{run.name}.jsonl"
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (file.stat().st_size + 50, resource.RLIM_INFINITY))
    touched = file.stat().st_mtime_ns
    await until(run, lambda event: isinstance(event, StatementStarted) and event.number == 3)
    # A viewer may hear of an event before the disk does: what was tried and taken back is a change of the file.
    while file.stat().st_mtime_ns == touched:
        await asyncio.sleep(0.01)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    done = await follow(run)
    assert (done.end.result, done.end.exit_code) == (Result.APPLIED, 0)
    assert done.end.fault is not None
    assert [stamped for stamped, _ in read_file(file)] == done.stamped


async def test_a_stopped_process_counts_as_alive(shop: Project) -> None:
    """Who is only stopped holds its locks and goes on later: its run must not be settled behind its back."""
    shop.write(_0001_x="CREATE TABLE t (); SELECT pg_sleep(1)")
    run = await shop.start()
    seen = await until(run, lambda event: isinstance(event, StatementStarted) and event.number == 2)
    pid = next(it.event.pid for it in seen if isinstance(it.event, RunStarted))
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(0.2)
        assert run.is_going_on
    finally:
        os.kill(pid, signal.SIGCONT)
    assert (await follow(run)).end.exit_code == 0
