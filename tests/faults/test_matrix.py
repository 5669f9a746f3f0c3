"""The fault matrix: real faults on a real server, and what is there afterwards, by the server's own word."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from changeover.core.events import ConnectionsClosed, Result, RunFinished
from changeover.core.run import EXIT_CODES
from changeover.core.settings import Retry
from changeover.core.target import Target
from tests.faults.doomed import Doomed, doomed
from tests.faults.ledger import LIMITS, Ledger, opened, violations
from tests.faults.matrix import BEGINS, CANNOT_OCCUR, CELLS, EXPECTED, Cell, Fault, Phase, files_of
from tests.faults.proxy import Message, Proxy, Way, proxied
from tests.servers import connect

# A moment of trouble is shorter than what connecting is tried for; seconds.
MOMENT = 0.6
PATIENT = Retry(retries=6, timeout=1.0, first_wait=0.1, last_wait=0.5)
MIGRATION = "application_name LIKE 'changeover migration%' AND datname = current_database()"
STOPS = {
    Fault.STOPPED_FAST: signal.SIGINT,
    Fault.STOPPED_IMMEDIATELY: signal.SIGQUIT,
    Fault.CRASHES: signal.SIGKILL,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doomed]:
    with doomed(tmp_path_factory.mktemp("doomed")) as own:
        yield own


@pytest.fixture
async def ledger(server: Doomed, tmp_path: Path) -> AsyncIterator[Ledger]:
    async with opened(server.target, tmp_path / "ledger") as own:
        own.settings = replace(own.settings, retry=PATIENT)
        await own.clear()
        yield own


class _Trouble:
    """A fault that strikes when the run comes to its phase."""

    def __init__(self, cell: Cell, server: Doomed, ledger: Ledger) -> None:
        self._cell = cell
        self._ledger = ledger
        self._server = server
        self.proxy: Proxy | None = None
        self.striking: asyncio.Task[None] | None = None

    def judge(self, message: Message) -> Way:
        if self.striking is None and BEGINS[self._cell.phase](message):
            self.striking = asyncio.create_task(self._strike())
        return Way.PASS

    async def _strike(self) -> None:
        # a wait, and a statement that sleeps, are under way only after a moment
        slow = self._cell.phase is Phase.WAITING or bool(files_of(self._cell.phase))
        await asyncio.sleep(0.1 if slow else 0)
        assert self.proxy is not None
        match self._cell.fault:
            case Fault.RESETS:
                self.proxy.cut()
            case Fault.REFUSES | Fault.HANGS as fault:
                self.proxy.door = "refuse" if fault is Fault.REFUSES else "hang"
                if fault is Fault.REFUSES:
                    self.proxy.cut()
                else:
                    self.proxy.freeze()
                await asyncio.sleep(MOMENT)
                self.proxy.door = "forward"
            case Fault.TERMINATED | Fault.CANCELLED as fault:
                does = "terminate" if fault is Fault.TERMINATED else "cancel"
                await self._ledger.execute(f"SELECT pg_{does}_backend(pid) FROM pg_stat_activity WHERE {MIGRATION}")
            case fault:
                await asyncio.to_thread(self._server.restart, STOPS[fault])


@asynccontextmanager
async def in_the_way(cell: Cell, target: Target) -> AsyncIterator[None]:
    """Hold a lock that the first migration waits for, in the phase that is about it."""
    if cell.phase is not Phase.WAITING:
        yield
        return
    other = await connect(target, application_name="nightly-report")
    await other.execute("BEGIN; LOCK TABLE effect")
    try:
        yield
    finally:
        other.terminate()


def _of_this_suite(cell: Cell) -> object:
    """Leave what only costs waiting to the soak: a server that hangs is met in two phases here."""
    met = cell.fault is not Fault.HANGS or cell.phase in {Phase.FIRST_STATEMENT, Phase.COMMIT}
    return cell if met else pytest.param(cell, marks=pytest.mark.soak)


@pytest.mark.parametrize("cell", [_of_this_suite(cell) for cell in CELLS], ids=str)
async def test_a_fault_leaves_nothing_in_doubt(cell: Cell, server: Doomed, ledger: Ledger) -> None:
    ledger.write(files_of(cell.phase))
    approval = await ledger.approve()
    assert approval is not None
    trouble = _Trouble(cell, server, ledger)
    async with proxied(ledger.target, trouble.judge) as (proxy, through):
        trouble.proxy = proxy
        async with in_the_way(cell, ledger.target):
            done = await ledger.run(approval, through=through)
        assert trouble.striking is not None, "the phase was not reached"
        await trouble.striking
        await ledger.reconnect()
        assert done.end.result in cell.expected, done.end
        nothing_ran = done.end.result is Result.REFUSED
        assert done.end.exit_code == EXIT_CODES[done.end.result] or (nothing_ran and done.end.exit_code in {3, 4})
        assert isinstance(done.stamped[-1].event, RunFinished)
        assert done.of(ConnectionsClosed)
        assert not await violations(ledger, done)


def test_every_cell_of_the_matrix_is_there_or_said_to_be_impossible() -> None:
    named = {(cell.fault, cell.phase) for cell in CELLS} | set(CANNOT_OCCUR)
    assert named == {(fault, phase) for fault in Fault for phase in Phase}
    assert all(phase in EXPECTED[fault] for fault, phase in named - set(CANNOT_OCCUR))


async def test_a_lock_that_is_held_for_ever_ends_rolled_back_with_its_holder_named(
    server: Doomed, ledger: Ledger
) -> None:
    approval = await ledger.approve()
    assert approval is not None
    async with in_the_way(Cell(fault=Fault.RESETS, phase=Phase.WAITING), ledger.target):
        done = await ledger.run(approval)
    assert (done.end.result, done.end.exit_code) == (Result.ROLLED_BACK, 6)
    assert len([it for it in done.stamped if type(it.event).__name__ == "MigrationStarted"]) == LIMITS.lock_attempts
    assert not await violations(ledger, done)


async def test_a_server_that_does_not_come_back_leaves_it_in_doubt_until_the_next_start(
    server: Doomed, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one outcome that is not known is said to be so, and the next run knows it."""
    monkeypatch.setattr("changeover.core.settle._PATIENCE", 3.0)
    approval = await ledger.approve()
    assert approval is not None
    trouble: list[asyncio.Task[None]] = []

    def judge(message: Message) -> Way:
        if not trouble and BEGINS[Phase.COMMIT](message):
            trouble.append(asyncio.create_task(asyncio.to_thread(server.kill)))
            return Way.MUTE
        return Way.PASS

    async with proxied(ledger.target, judge) as (_, through):
        done = await ledger.run(approval, through=through)
    await trouble[0]
    await asyncio.to_thread(server.start)
    await ledger.reconnect()
    assert (done.end.result, done.end.exit_code) == (Result.IN_DOUBT, 8)
    second = await ledger.finish()
    assert second is not None
    assert second.end.result is Result.APPLIED
    state = await ledger.state()
    assert (state.history, state.effects) == (("0001", "0002", "0003"), (1, 1, 1))
