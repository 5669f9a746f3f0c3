"""The fault matrix: real faults on a real server, and what is there afterwards, by the server's own word."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from changeover.core.events import ConnectionsClosed, Result, RunFinished
from changeover.core.run import EXIT_CODES
from changeover.core.secret import Secret
from changeover.core.unfinished import is_settled
from tests.faults.doomed import Doomed
from tests.faults.ledger import Ledger, unfinished, violations
from tests.faults.matrix import BEGINS, CANNOT_OCCUR, OF_RUNNER, OF_TERMINAL, Cell, Fault, Phase, cells_of
from tests.faults.proxy import Message, Way, proxied
from tests.faults.trouble import Trouble

# In all phases in the soak, and here in two: to hang costs waiting, and of the others the matrix has a harder kind
# (a server that is killed), or nothing hangs on the phase (the clock).
_MET_TWICE = frozenset({Fault.HANGS, Fault.STOPPED_IMMEDIATELY, Fault.CLOCK_JUMPS})


def _of_this_suite(cell: Cell) -> object:
    met = cell.fault not in _MET_TWICE or cell.phase in {Phase.FIRST_STATEMENT, Phase.COMMIT}
    return cell if met else pytest.param(cell, marks=pytest.mark.soak)


CELLS = [_of_this_suite(cell) for cell in cells_of(frozenset(Fault) - OF_RUNNER - OF_TERMINAL)]


@pytest.mark.parametrize("cell", CELLS, ids=str)
async def test_a_fault_leaves_nothing_in_doubt(cell: Cell, doomed_server: Doomed, ledger: Ledger) -> None:
    trouble = Trouble(cell=cell, server=doomed_server, ledger=ledger)
    async with trouble.scene():
        approval = await ledger.approve()
        assert approval is not None
        async with proxied(ledger.target, trouble.judge) as (proxy, through):
            trouble.proxy = proxy
            if cell.phase is Phase.CONFIRMATION:
                await trouble.strike_before()
            # as long as nobody asks for a password, a wrong one does no harm
            done = await ledger.run(approval, through=replace(through, password=Secret("wrong")))
            await trouble.over()
            assert done.end.result in cell.expected, done.end
            assert done.end.exit_code == EXIT_CODES[done.end.result] or (
                done.end.result is Result.REFUSED and done.end.exit_code in {3, 4, 9}
            )
            assert isinstance(done.stamped[-1].event, RunFinished)
            assert done.of(ConnectionsClosed)
            if done.end.result is Result.IN_DOUBT:
                assert await unfinished(ledger) == []
                assert is_settled(done.folder, done.end.run)
            else:
                assert await violations(ledger, done) == []


def test_every_cell_of_the_matrix_is_there_or_said_to_be_impossible() -> None:
    named = {(cell.fault, cell.phase) for cell in cells_of(Fault)} | set(CANNOT_OCCUR)
    assert named == {(fault, phase) for fault in Fault for phase in Phase}


async def test_a_server_that_does_not_come_back_leaves_it_in_doubt_until_the_next_start(
    doomed_server: Doomed, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one outcome that is not known is said to be so, and the next run knows it."""
    monkeypatch.setattr("changeover.core.settle._PATIENCE", 3.0)
    approval = await ledger.approve()
    assert approval is not None
    trouble: list[asyncio.Task[None]] = []

    def judge(message: Message) -> Way:
        if not trouble and BEGINS[Phase.COMMIT](message):
            trouble.append(asyncio.create_task(asyncio.to_thread(doomed_server.kill)))
            return Way.MUTE
        return Way.PASS

    async with proxied(ledger.target, judge) as (_, through):
        done = await ledger.run(approval, through=through)
    await trouble[0]
    await asyncio.to_thread(doomed_server.start)
    await ledger.reconnect()
    assert (done.end.result, done.end.exit_code) == (Result.IN_DOUBT, 8)
    second = await ledger.finish()
    assert second is not None
    assert second.end.result is Result.APPLIED
    state = await ledger.state()
    assert (state.history, state.effects) == (("0001", "0002", "0003"), (1, 1, 1))
