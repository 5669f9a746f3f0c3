"""The fault matrix, where the fault is the runner's own: a process told to end, killed, or without room for its log."""

from __future__ import annotations

import pytest

from changeover.core.attach import Run
from changeover.core.errors import NeedsAttention
from changeover.core.events import PlanConfirmed, Result, RunFinished, RunRecovered
from changeover.core.journal import read_file
from changeover.core.run import EXIT_CODES
from changeover.core.session_log import SETTLED_FILE
from tests.faults.doomed import Doomed
from tests.faults.kills import started
from tests.faults.ledger import Ledger, reported, unfinished, violations
from tests.faults.matrix import OF_RUNNER, Cell, Fault, Phase, cells_of
from tests.faults.proxy import proxied
from tests.faults.trouble import Trouble
from tests.runs import Finished, follow


@pytest.mark.parametrize("cell", cells_of(OF_RUNNER - {Fault.KILL}), ids=str)
async def test_a_runner_in_trouble_comes_to_an_honest_end(cell: Cell, doomed_server: Doomed, ledger: Ledger) -> None:
    run, done = await _through(cell, doomed_server, ledger)
    assert done is not None
    assert done.end.result in cell.expected, done.end
    assert done.end.exit_code == EXIT_CODES[done.end.result] or (
        done.end.result is Result.REFUSED and done.end.exit_code == 2
    )
    # the last link is left when the log has its end already
    if cell.fault is Fault.LOG_FULL and cell.phase is not Phase.CLEAN_UP and done.end.result is not Result.ROLLED_BACK:
        assert done.end.fault is not None
        assert "session log cannot be written" in done.end.fault.summary
    assert not run.is_going_on
    assert await violations(ledger, done) == []


@pytest.mark.parametrize("cell", cells_of({Fault.KILL}), ids=str)
async def test_what_a_killed_runner_left_is_settled_by_the_next_run(
    cell: Cell, doomed_server: Doomed, ledger: Ledger
) -> None:
    run, done = await _through(cell, doomed_server, ledger)
    assert done is None
    assert await ledger.left(within=15) == []
    said = [it.event for it, _ in read_file(run.folder / f"{run.name}.jsonl")]
    assert not any(isinstance(event, RunFinished) for event in said)
    state = await ledger.state()
    # a step outside a transaction may be done, and its record not
    assert tuple(sorted(state.done)) in {state.history, (*state.history, "0002")}
    second = await started(ledger)
    if second is None:
        # all was done, and there is nothing to run: whoever looks next settles it
        assert state.history == ("0001", "0002", "0003")
        return
    after = await follow(second)
    assert after.end.result is Result.APPLIED
    if any(isinstance(event, PlanConfirmed) for event in said):
        found = [it.event for it, _ in read_file(run.folder / SETTLED_FILE)]
        (verdict,) = [event for event in found if isinstance(event, RunRecovered)]
        assert verdict.result in cell.expected, verdict
        assert (*reported(said), *verdict.applied) == state.history
    assert await unfinished(ledger) == []


async def _through(cell: Cell, server: Doomed, ledger: Ledger) -> tuple[Run, Finished | None]:
    """Run through the fault; without an end where the runner has none."""
    trouble = Trouble(cell=cell, server=server, ledger=ledger)
    async with trouble.scene(), proxied(ledger.target, trouble.judge) as (proxy, through):
        trouble.proxy = proxy
        run = await started(ledger, through)
        assert run is not None
        assert run._process is not None
        trouble.runner = run._process.pid
        done: Finished | None
        try:
            done = await follow(run)
        except NeedsAttention:
            done = None
        await trouble.over()
        return run, done
