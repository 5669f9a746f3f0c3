"""Runs that are killed at a random moment, and are run again until they are done."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct, field

from changeover.core.attach import Run, start_run
from changeover.core.errors import ChangeoverError, NeedsAttention
from changeover.core.events import Event, MigrationApplied, Result, RunFinished
from changeover.core.journal import read_file
from changeover.core.requests import RunRequest
from changeover.core.session_log import SessionLog
from changeover.core.target import Target
from tests.faults.ledger import ACTION, VERSIONS, Ledger

# The three migrations take this long, in a process that is there; seconds.
USUAL = 0.6


class Kills(Struct):
    """What came of it."""

    runs: int = 0
    killed: int = 0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.runs} rounds, {self.killed} kills, {len(self.wrong)} wrong"


async def started(ledger: Ledger, through: Target | None = None) -> Run | None:
    """Start a runner process for what is left to do, over the way `through`; None where nothing is."""
    approval = await ledger.approve()
    if approval is None:
        return None
    # where every session of this user is: the next run looks there for what this one left
    log = SessionLog.open(command="test", target=str(ledger.target))
    request = RunRequest(target=through or ledger.target, settings=ledger.settings, approval=approval, action=ACTION)
    return await start_run(log, request)


async def killed_at_random(ledger: Ledger, tally: Kills, dice: random.Random) -> None:
    """One round: a run is killed at a random moment, and the next ones are, until one of them gets through."""
    await ledger.clear()
    said: list[Event] = []
    for attempt in range(8):
        run = await started(ledger)
        if run is None:
            break
        mercy = attempt > 4 or dice.random() < 0.3
        end = await _followed(run, said, None if mercy else dice.uniform(0.0, USUAL), tally)
        if end is not None and end.exit_code not in {0, 3, 4, 6, 8}:
            tally.wrong.append(f"a run ended with {end}")
        if left := await ledger.left(within=15):
            tally.wrong.append(f"left after a kill: {left}")
    await judge(ledger, said, tally)


async def judge(ledger: Ledger, said: list[Event], tally: Kills) -> None:
    """Compare what was said, what the history has and what is there."""
    tally.runs += 1
    state = await ledger.state()
    if state.history != VERSIONS or state.effects != (1, 1, 1):
        tally.wrong.append(f"after the last run: {state}")
    applied = [event.version for event in said if isinstance(event, MigrationApplied)]
    if len(applied) != len(set(applied)):
        tally.wrong.append(f"said to be applied twice: {applied}")
    unknown = [it for it in said if isinstance(it, RunFinished) and (it.result is Result.IN_DOUBT or it.exit_code == 1)]
    tally.wrong += [f"an unknown outcome: {end}" for end in unknown]


async def _followed(run: Run, said: list[Event], kill_after: float | None, tally: Kills) -> RunFinished | None:
    """Follow a run to its end, or kill it so many seconds after it took the run key."""
    process = run._process
    assert process is not None
    file = run.folder / f"{run.name}.jsonl"
    if kill_after is not None:
        await _until(lambda: process.poll() is not None or _has_begun(file), within=20)
        await asyncio.sleep(kill_after)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            tally.killed += 1
        process.wait()
        events = [it.event for it, _ in read_file(file)] if file.exists() else []
    else:
        events = []
        try:
            events.extend([it.event async for it in run.events()])
        except NeedsAttention as error:
            tally.wrong.append(f"the runner ended without a word: {error}")
    said += events
    return next((event for event in events if isinstance(event, RunFinished)), None)


def _has_begun(file: Path) -> bool:
    return file.exists() and b"RunKeyTaken" in file.read_bytes()


async def _until(condition: Callable[[], bool], *, within: float) -> None:
    deadline = time.monotonic() + within
    while not condition() and time.monotonic() < deadline:
        await asyncio.sleep(0.005)


async def server_killed_at_random(ledger: Ledger, tally: Kills, dice: random.Random, kill: Callable[[], None]) -> None:
    """One round: the server is killed while the run goes on, and is there again a moment later."""
    approval = await ledger.approve()
    assert approval is not None
    running = asyncio.create_task(ledger.run(approval))
    await asyncio.sleep(dice.uniform(0.0, USUAL))
    await asyncio.to_thread(kill)
    tally.killed += 1
    done = await running
    said: list[Event] = [it.event for it in done.stamped]
    await ledger.reconnect()
    state = await ledger.state()
    reported = tuple(event.version for event in said if isinstance(event, MigrationApplied))
    if reported != state.history:
        tally.wrong.append(f"said {reported}, and the history has {state.history}: {done.end}")
    try:
        second = await ledger.finish()
    except ChangeoverError as error:
        tally.wrong.append(f"the second run is refused: {error}")
        second = None
    if second is not None:
        said += [it.event for it in second.stamped]
    if left := await ledger.left():
        tally.wrong.append(f"left: {left}")
    await judge(ledger, said, tally)
