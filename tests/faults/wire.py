"""Every message of a run is a place to cut it: records them once, then runs one cell for each and every way.

A cell is one run with one cut. What it is judged by is in `ledger`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from msgspec import Struct, field

from changeover.core.events import Settled
from tests.faults.ledger import Ledger, opened, violations
from tests.faults.proxy import Judge, Message, Side, Way, proxied
from tests.servers import Server

# No cell may take so long, whatever the fault; seconds.
_HANGS = 45.0
# In which ways a message of each side can be cut; a server's answer is lost by dropping its first message.
WAYS = {
    Side.CLIENT: (Way.DROP, Way.MUTE, Way.RESET, Way.HALF, Way.HOLE, Way.SILENCE, Way.STOP),
    Side.SERVER: (Way.DROP, Way.RESET, Way.HALF, Way.HOLE, Way.STOP),
}


class Cell(Struct, frozen=True, kw_only=True):
    """One place to cut, and how."""

    link: str
    side: Side
    number: int
    way: Way
    # what the message was when it was recorded
    what: str

    def __str__(self) -> str:
        return f"{self.link}, message {self.number} of the {self.side} ({self.what}) {self.way}"


class Tally(Struct, kw_only=True):
    """What came of the cells."""

    cells: int = 0
    # the run took another course and never sent that message
    unreached: list[str] = field(default_factory=list)
    settled: int = 0
    results: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    slow: list[tuple[float, str]] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.cells} cells, {len(self.unreached)} not reached, {self.settled} settled, {self.results}; "
            f"slowest {self.slow[:3]}; {len(self.wrong)} wrong"
        )


async def recorded(ledger: Ledger) -> list[Message]:
    """Run once without a fault and return every message in order."""
    messages: list[Message] = []

    def judge(message: Message) -> Way:
        messages.append(message)
        return Way.PASS

    await ledger.clear()
    approval = await ledger.approve()
    assert approval is not None
    async with proxied(ledger.target, judge) as (_, through):
        done = await ledger.run(approval, through=through)
    assert not await violations(ledger, done)
    return messages


def cells_of(messages: Sequence[Message]) -> list[Cell]:
    """Return all cells of these messages; the rows of one answer of the catalog are one place, cut at both ends."""
    return [
        Cell(link=it.link, side=it.side, number=it.number, way=way, what=_what(it))
        for it in _without_inner_rows(messages)
        for way in WAYS[it.side]
    ]


def _without_inner_rows(messages: Sequence[Message]) -> list[Message]:
    by_link: dict[tuple[str, Side], list[Message]] = {}
    for it in messages:
        by_link.setdefault((it.link, it.side), []).append(it)
    return [
        it
        for said in by_link.values()
        for before, it, after in zip([None, *said], said, [*said[1:], None], strict=False)
        if not (before and after and before.kind == it.kind == after.kind == b"D")
    ]


def around_commits(cells: Sequence[Cell], *, reach: int = 3) -> list[Cell]:
    """Return the cells of every COMMIT of the run, of its answers and of the messages next to it."""
    near: set[tuple[str, Side, int]] = set()
    for cell in cells:
        if cell.what in {"Q COMMIT", "C COMMIT"} and not cell.link.startswith("cancel"):
            near |= {(cell.link, cell.side, cell.number + step) for step in range(-reach, reach + 1)}
    return [cell for cell in cells if (cell.link, cell.side, cell.number) in near]


def _what(message: Message) -> str:
    kind = message.kind.decode() or "start-up"
    words = message.query if message.side is Side.CLIENT else message.body if message.kind == b"C" else b""
    return f"{kind} {(words or b'')[:40].rstrip(bytes(1)).decode(errors='replace')}".strip()


def _cutting(cell: Cell, reached: list[Message], ledger: Ledger) -> Judge:
    def judge(message: Message) -> Way:
        if (message.link, message.side, message.number) == (cell.link, cell.side, cell.number) and not reached:
            reached.append(message)
            if cell.way is Way.STOP:
                ledger.stop_now()
            return cell.way
        return Way.PASS

    return judge


async def run_cells(server: Server, folder: Path, cells: Sequence[Cell], *, abreast: int = 6) -> Tally:
    """Run the cells, so many at a time, each in a database that has seen no other at that moment."""
    tally = Tally()
    waiting = list(reversed(cells))

    async def work(ledger: Ledger) -> None:
        while waiting:
            cell = waiting.pop()
            began = time.monotonic()
            try:
                async with asyncio.timeout(_HANGS):
                    await _run_cell(ledger, cell, tally)
            except TimeoutError:
                tally.wrong.append(f"{cell}: hangs")
                await ledger.forget()
            except Exception as error:
                tally.wrong.append(f"{cell}: {type(error).__name__}: {error}")
            tally.slow = sorted([*tally.slow, (round(time.monotonic() - began, 1), str(cell))], reverse=True)[:10]

    async with AsyncExitStack() as stack:
        ledgers = [
            await stack.enter_async_context(opened(stack.enter_context(server.new_database()), folder / f"lane-{lane}"))
            for lane in range(abreast)
        ]
        await asyncio.gather(*(work(ledger) for ledger in ledgers))
    return tally


async def _run_cell(ledger: Ledger, cell: Cell, tally: Tally) -> None:
    await ledger.clear()
    approval = await ledger.approve()
    assert approval is not None
    reached: list[Message] = []
    async with proxied(ledger.target, _cutting(cell, reached, ledger)) as (_, through):
        done = await ledger.run(approval, through=through)
        tally.cells += 1
        if not reached:
            tally.unreached.append(str(cell))
        tally.settled += len(done.of(Settled))
        tally.results[done.end.result] = tally.results.get(done.end.result, 0) + 1
        # the links with a hole in them are still there
        tally.wrong += [f"{cell}: {wrong}" for wrong in await violations(ledger, done)]
