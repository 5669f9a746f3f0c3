"""The fault matrix, where the fault is the viewer's or its terminal's: the run goes on as it was approved."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from changeover.core.attach import Run, running_runs
from changeover.core.events import RunFinished
from changeover.core.journal import read_file
from changeover.core.run import EXIT_CODES
from changeover.core.target import Target
from tests.faults.doomed import Doomed
from tests.faults.ledger import FILES, Ledger, State, unfinished, violations
from tests.faults.matrix import OF_TERMINAL, Cell, Fault, Phase, cells_of, files_of
from tests.faults.proxy import proxied
from tests.faults.trouble import Trouble
from tests.runs import Finished
from tests.tui.commandline import COMMAND, environment
from tests.tui.pty_terminal import Terminal

# More than a terminal takes while nobody reads it.
FLOOD = "DO $do$ BEGIN FOR i IN 1..300 LOOP RAISE NOTICE '% %', i, pg_catalog.repeat('x', 60); END LOOP; END $do$;\n"


@asynccontextmanager
async def apply(ledger: Ledger, through: Target, *words: str) -> AsyncIterator[Terminal]:
    """Start `changeover apply` at a terminal that is read as long as nobody stalls it."""
    files = ledger.folder / "migrations"
    (ledger.folder / "changeover.toml").write_text("lock_timeout = 0.5\nlock_attempts = 2\nlock_pause = [0.1, 0.2]\n")
    options = ["--plain", "--on-hangup", "continue", "--migrations", str(files)]
    command = [str(COMMAND), "apply", *options, "--rebuild-invalid-indexes", *words]
    terminal = Terminal(command, environ=environment(through), cwd=ledger.folder)
    reading = asyncio.create_task(_read(terminal), name="the eyes of a person")
    try:
        yield terminal
    finally:
        reading.cancel()
        if terminal.exit_code is None:
            _kill(terminal)


async def _read(terminal: Terminal) -> None:
    while True:
        if not terminal.stalled:
            terminal.look()
        await asyncio.sleep(0.01)


def _kill(terminal: Terminal) -> None:
    if terminal.exit_code is None:
        os.kill(terminal.pid, signal.SIGKILL)
        terminal.exit_code = os.waitstatus_to_exitcode(os.waitpid(terminal.pid, 0)[1])


async def until(condition: Callable[[], bool], what: str, *, within: float = 40.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"not within {within:g} s: {what}"
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("cell", cells_of(OF_TERMINAL), ids=str)
async def test_a_run_goes_on_without_who_watched_it(
    cell: Cell, doomed_server: Doomed, ledger: Ledger, home: Path
) -> None:
    if cell.phase is Phase.CONFIRMATION:
        await _at_the_confirmation(cell, ledger, home)
        return
    trouble = Trouble(cell=cell, server=doomed_server, ledger=ledger)
    files = {**FILES, **files_of(cell.phase)}
    async with trouble.scene(), proxied(ledger.target, trouble.judge) as (proxy, through):
        trouble.proxy = proxy
        ledger.write({name: FLOOD + files[name] for name in ("0001_one.sql", "0003_three.sql")})
        async with apply(ledger, through, "--yes") as terminal:
            trouble.at_terminal = _fault(cell.fault, terminal)
            run = await _run_at(home)
            await until(lambda: not run.is_going_on, "the run ends")
            done = Finished(stamped=[it for it, _ in read_file(run.folder / f"{run.name}.jsonl")], folder=run.folder)
            await trouble.over()
            assert done.end.result in cell.expected, done.end
            assert done.end.exit_code == EXIT_CODES[done.end.result]
            if cell.fault is Fault.STALL:
                terminal.stalled = False
                await until(lambda: terminal.has_ended(), "the viewer catches up and ends")
                assert terminal.exit_code == done.end.exit_code
                assert "RECEIPT" in terminal.text
        assert await violations(ledger, done) == []


async def _run_at(home: Path) -> Run:
    found: list[Run] = []

    def begun() -> bool:
        found.extend(running_runs(home / "log") or _ended_runs(home))
        return bool(found)

    await until(begun, "a run begins")
    return found[0]


def _ended_runs(home: Path) -> list[Run]:
    """Return the runs that were quicker than we looked."""
    return [Run(path.parent, path.stem) for path in (home / "log").glob("*/run-*.jsonl") if _is_whole(path)]


def _is_whole(path: Path) -> bool:
    return any(isinstance(it.event, RunFinished) for it, _ in read_file(path))


async def _at_the_confirmation(cell: Cell, ledger: Ledger, home: Path) -> None:
    """Nobody has said yes: nothing runs, unless somebody comes back and says it."""
    async with apply(ledger, ledger.target) as terminal:
        await until(lambda: "Apply? [y/N]" in terminal.text, "the question")
        _fault(cell.fault, terminal)()
        if cell.fault is Fault.STALL:
            terminal.type("y\n")
            await until(lambda: bool(_ended_runs(home)), "the run ends")
            terminal.stalled = False
            await until(lambda: terminal.has_ended(), "the viewer catches up and ends")
            assert terminal.exit_code == 0
        else:
            await until(lambda: terminal.has_ended(), "the command ends")
            assert (await ledger.state()) == State(history=(), effects=(0, 0, 0), invalid=False)
            assert not list((home / "log").glob("*/run-*"))
    assert await ledger.left() == []
    assert await unfinished(ledger) == []


def _fault(fault: Fault, terminal: Terminal) -> Callable[[], None]:
    def stall() -> None:
        terminal.stalled = True

    match fault:
        case Fault.VIEWER_KILLED:
            return lambda: _kill(terminal)
        case Fault.HANG_UP:
            return terminal.hang_up
        case _:
            return stall
