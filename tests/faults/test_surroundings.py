"""Faults of what surrounds a run: the role's rights and settings, the disk of the log, the password, signals, a pty."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from changeover.core.errors import NeedsAttention
from changeover.core.events import AttemptFailed, MigrationApplied, Result, RunStarted, StatementStarted
from changeover.core.limits import Limits
from changeover.core.target import Target
from tests.faults.doomed import doomed
from tests.faults.ledger import opened
from tests.faults.matrix import BEGINS, Phase
from tests.faults.proxy import Message, Way, proxied
from tests.runs import Project, follow, project, until
from tests.servers import psql
from tests.tui.commandline import COMMAND, environment, start
from tests.tui.pty_terminal import Terminal

OURS = (
    "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'changeover %' AND datname = current_database()"
)


@pytest.fixture
async def shop(database: Target, tmp_path: Path) -> AsyncIterator[Project]:
    own = project(database, tmp_path / "migrations")
    yield own
    for _ in range(50):
        if psql(database, OURS) == "0":
            break
        await asyncio.sleep(0.1)
    assert psql(database, OURS) == "0"
    assert psql(database, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == "0"


def role_of(shop: Project, name: str, *settings: str) -> Target:
    """Make an ordinary role that owns the database, with these settings, and return the target as it."""
    psql(shop.target, f"DROP ROLE IF EXISTS {name}; CREATE ROLE {name} LOGIN")
    psql(
        shop.target,
        f"GRANT CREATE ON DATABASE {shop.target.database} TO {name}; GRANT CREATE ON SCHEMA public TO {name}",
    )
    for setting in settings:
        psql(shop.target, f"ALTER ROLE {name} SET {setting}")
    return replace(shop.target, user=name)


def gone(shop: Project, name: str) -> None:
    psql(shop.target, f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")


async def test_a_role_without_rights_is_refused_before_anything_runs(shop: Project) -> None:
    psql(shop.target, "DROP ROLE IF EXISTS poor; CREATE ROLE poor LOGIN")
    shop.write(_0001_x="CREATE TABLE t ()")
    poor = project(role_of(shop, "poor"), shop.folder)
    psql(shop.target, f"REVOKE CREATE ON DATABASE {shop.target.database} FROM poor")
    plan = (await poor.look()).plan
    assert not plan.ready
    assert "lacks CREATE" in plan.refusals[0].summary
    approval = plan.approve(digest=plan.digest, by="somebody who overlooked it", how="--yes")
    done = await follow(await poor.start_with(approval))
    assert (done.end.result, done.end.exit_code) == (Result.REFUSED, 4)
    assert psql(shop.target, "SELECT to_regclass('t'), to_regnamespace('changeover')") == "|"
    gone(shop, "poor")


async def test_time_outs_that_the_role_has_do_not_end_a_migration(shop: Project) -> None:
    limits = ("statement_timeout = '300ms'", "idle_in_transaction_session_timeout = '200ms'", "lock_timeout = '1ms'")
    hurried = project(role_of(shop, "hurried", *limits, "idle_session_timeout = '400ms'"), shop.folder)
    hurried.write(
        _0001_x="CREATE TABLE t (); SELECT pg_sleep(0.8)",
        _0002_y="-- changeover: transaction=off\nSELECT pg_sleep(0.8);",
        _0003_z="CREATE TABLE u ()",
    )
    done = await hurried.apply()
    assert (done.end.result, done.end.applied) == (Result.APPLIED, 3)
    gone(shop, "hurried")


async def test_a_time_out_of_our_own_rolls_back(shop: Project) -> None:
    impatient = project(shop.target, shop.folder, Limits(statement_timeout=0.3))
    impatient.write(_0001_x="CREATE TABLE t (); SELECT pg_sleep(30)")
    done = await impatient.apply()
    assert (done.end.result, done.end.exit_code) == (Result.ROLLED_BACK, 6)
    assert psql(shop.target, "SELECT to_regclass('t')") == ""


async def test_a_log_that_cannot_grow_stops_the_run_after_the_migration_in_hand(shop: Project) -> None:
    """The limit of a file's size is one that a full disk has in common with no other fault that needs no root."""
    notices = "DO $$ BEGIN FOR i IN 1..400 LOOP RAISE NOTICE '%', repeat('x', 500); END LOOP; END $$"
    shop.write(_0001_x=f"CREATE TABLE t (); {notices}; SELECT pg_sleep(1)", _0002_y="CREATE TABLE later ()")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, before[1]))
    try:
        run = await shop.start()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    done = await follow(run)
    assert (done.end.result, done.end.exit_code, done.end.applied) == (Result.STOPPED, 7, 1)
    assert done.end.fault is not None
    assert done.end.fault.id == "log-lost"
    assert psql(shop.target, "SELECT to_regclass('t'), to_regclass('later')") == "t|"
    assert psql(shop.target, "SELECT version FROM changeover.migration") == "0001"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["TERM", "KILL"])
@pytest.mark.parametrize("statement", [1, 2, 3], ids=["first", "middle", "last"])
async def test_a_signal_in_a_statement_leaves_nothing_of_its_migration(
    shop: Project, number: signal.Signals, statement: int
) -> None:
    parts = ["CREATE TABLE t ()", "CREATE TABLE u ()", "CREATE TABLE v ()"]
    parts[statement - 1] = "SELECT pg_sleep(30)"
    shop.write(_0001_x="; ".join(parts), _0002_y="CREATE TABLE later ()")
    run = await shop.start()
    seen = await until(run, lambda event: isinstance(event, StatementStarted) and event.number == statement)
    runner = next(it.event.pid for it in seen if isinstance(it.event, RunStarted))
    await asyncio.sleep(0.1)
    os.kill(runner, number)
    if number is signal.SIGTERM:
        done = await follow(run)
        assert (done.end.result, done.end.exit_code) == (Result.STOPPED, 7)
    else:
        with pytest.raises(NeedsAttention):
            await follow(run)
    assert psql(shop.target, "SELECT to_regclass('t'), to_regclass('u'), to_regclass('v')") == "||"
    assert psql(shop.target, "SELECT count(*) FROM changeover.migration") == "0"


async def test_a_password_that_is_wrong_after_a_restart_is_not_tried_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with doomed(tmp_path / "server") as server:
        async with opened(server.target, tmp_path / "ledger") as ledger:
            await ledger.clear()
            approval = await ledger.approve()
            assert approval is not None
            rules = tmp_path / "server" / "data" / "pg_hba.conf"
            struck: list[asyncio.Task[None]] = []

            def lock_out() -> None:
                rules.write_text("local all all reject\n")
                server.restart()

            def judge(message: Message) -> Way:
                if not struck and BEGINS[Phase.COMMIT](message):
                    struck.append(asyncio.create_task(asyncio.to_thread(lock_out)))
                    return Way.MUTE
                return Way.PASS

            async with proxied(ledger.target, judge) as (_, through):
                done = await ledger.run(approval, through=through)
            await struck[0]
            assert (done.end.result, done.end.exit_code) == (Result.IN_DOUBT, 8)
            refusals = [it for it in done.of(AttemptFailed) if it.fault.sqlstate == "28000"]
            assert 1 <= len(refusals) <= 4, "each connection is tried once"
            rules.write_text("local all all trust\n")
            await asyncio.to_thread(server.restart)
            await ledger.reconnect()
            second = await ledger.finish()
            assert second is not None
            assert second.end.result is Result.APPLIED
            assert (await ledger.state()).effects == (1, 1, 1)


async def test_a_viewer_that_is_killed_changes_nothing(shop: Project) -> None:
    shop.write(_0001_x="CREATE TABLE t (); SELECT pg_sleep(1)")
    run = await shop.start(on_hangup="continue")
    await until(run, lambda event: isinstance(event, StatementStarted) and event.number == 2)
    done = await follow(type(run)(run.folder, run.name))
    assert done.end.result is Result.APPLIED
    assert len(done.of(MigrationApplied)) == 1


async def test_nothing_further_begins_while_nobody_watches_and_a_viewer_that_comes_back_was_never_gone(
    shop: Project,
) -> None:
    shop.write(_0001_x="CREATE TABLE t (); SELECT pg_sleep(1)", _0002_y="CREATE TABLE later ()")
    run = await shop.start(on_hangup="finish")
    await until(run, lambda event: isinstance(event, StatementStarted) and event.number == 2)
    # of the 5 s in which somebody may come back, long enough for the second migration
    await asyncio.sleep(2.5)
    assert psql(shop.target, "SELECT to_regclass('t'), to_regclass('later')") == "t|"
    done = await follow(type(run)(run.folder, run.name))
    assert (done.end.result, done.end.applied) == (Result.APPLIED, 2)


def test_a_terminal_that_goes_away_leaves_the_run_to_its_policy(database: Target, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "0001_x.sql").write_text("CREATE TABLE t (); SELECT pg_sleep(2)")
    (folder / "0002_y.sql").write_text("CREATE TABLE later ()")
    words = [str(COMMAND), "apply", "--plain", "--yes", "--migrations", str(folder)]
    terminal = Terminal(words, environ=environment(database), cwd=tmp_path)
    busy = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(2)%'"
    deadline = time.monotonic() + 60
    while psql(database, f"{busy} AND pid <> pg_backend_pid()") == "0":
        assert time.monotonic() < deadline
    os.close(terminal._master)
    while psql(database, OURS) != "0":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert psql(database, "SELECT to_regclass('t'), to_regclass('later')") == "t|"
    os.waitpid(terminal.pid, 0)


def test_who_dies_before_following_its_run_leaves_it_to_its_policy(
    database: Target, tmp_path: Path, home: Path
) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "0001_x.sql").write_text("CREATE TABLE t (); SELECT pg_sleep(9)")
    (folder / "0002_y.sql").write_text("CREATE TABLE later ()")
    applying = start("apply", "--plain", "--yes", "--migrations", str(folder), target=database, cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not list((home / "log").glob("*/run-1.jsonl")):
        assert time.monotonic() < deadline
    applying.kill()
    applying.communicate()
    while psql(database, "SELECT to_regclass('t')") == "" or psql(database, OURS) != "0":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert psql(database, "SELECT to_regclass('later')") == ""
