"""The primary is lost at COMMIT and a standby takes its place: the row that is there decides, and nothing else does."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from changeover.core.events import Connected, Result, Settled
from changeover.core.history.native import creation
from tests.faults.doomed import Doomed, doomed
from tests.faults.ledger import Ledger, opened
from tests.faults.proxy import Message, Proxy, Side, Way, proxied
from tests.runs import Finished

IN_FORCE = "SELECT count(*) FROM changeover.migration"


@pytest.fixture
def primary(tmp_path: Path) -> Iterator[Doomed]:
    with doomed(tmp_path / "primary") as server:
        yield server


@pytest.fixture
def standby(primary: Doomed, tmp_path: Path) -> Iterator[Doomed]:
    primary.psql(f"CREATE TABLE effect (n int); {creation('changeover')}")
    server = primary.standby(tmp_path / "standby")
    try:
        until(lambda: primary.psql("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == "1")
        until(lambda: server.psql("SELECT to_regclass('changeover.attempt') IS NOT NULL") == "t")
        yield server
    finally:
        server.stop()


def until(condition: object, *, within: float = 30.0) -> None:
    assert callable(condition)
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


async def run_into_a_failover(ledger: Ledger, primary: Doomed, standby: Doomed, *, replicated: bool) -> Finished:
    """Apply; as COMMIT of the first migration arrives, its answer is lost, and the standby becomes the primary."""
    if not replicated:
        standby.psql("ALTER SYSTEM SET primary_conninfo = ''")
        standby.psql("SELECT pg_reload_conf()")
        until(lambda: primary.psql("SELECT count(*) FROM pg_stat_replication") == "0")
    failing: list[asyncio.Task[None]] = []
    proxies: list[Proxy] = []

    def fail_over() -> None:
        if replicated:
            until(lambda: standby.psql(IN_FORCE) == "1")
        primary.kill(signal.SIGKILL)
        standby.psql("SELECT pg_promote()")
        proxies[0].lead_to(standby.target)

    def judge(message: Message) -> Way:
        if not failing and message.side is Side.CLIENT and message.query == b"COMMIT":
            failing.append(asyncio.create_task(asyncio.to_thread(fail_over)))
            return Way.SILENCE
        return Way.PASS

    approval = await ledger.approve()
    assert approval is not None
    async with proxied(ledger.target, judge) as (proxy, through):
        proxies.append(proxy)
        done = await ledger.run(approval, through=through)
        await failing[0]
    await ledger.move_to(standby.target)
    return done


@pytest.mark.parametrize("replicated", [True, False], ids=["what was committed", "nothing of it"])
async def test_the_new_primary_decides_what_became_of_the_migration(
    primary: Doomed, standby: Doomed, tmp_path: Path, replicated: bool
) -> None:
    async with opened(primary.target, tmp_path / "ledger") as ledger:
        done = await run_into_a_failover(ledger, primary, standby, replicated=replicated)
        assert [it.applied for it in done.of(Settled)] == [replicated]
        assert done.end.result is (Result.STOPPED if replicated else Result.ROLLED_BACK)
        assert done.end.applied == int(replicated)
        assert {it.server.timeline for it in done.of(Connected) if it.purpose == "settle"} >= {2}
        assert (await ledger.state()).history == (("0001",) if replicated else ())
        second = await ledger.finish()
        assert second is not None
        assert second.end.result is Result.APPLIED
        assert (await ledger.state()).effects == (1, 1, 1)
        assert await ledger.left() == []
