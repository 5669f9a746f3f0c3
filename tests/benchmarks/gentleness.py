"""What the application waits for while a migration waits for a lock that somebody holds for 30 seconds."""

from __future__ import annotations

import asyncio
import shutil
import statistics
import time
from contextlib import suppress

import asyncpg

from tests.benchmarks.peers import PEERS, Changeover, Peer
from tests.benchmarks.place import ADDRESS, Place
from tests.benchmarks.timing import Found, Row

PART = "gentleness"
_SCENE = (
    "CREATE TABLE account (id int PRIMARY KEY, n int); INSERT INTO account SELECT g, 0 FROM generate_series(1, 1000) g;"
)
# a step that needs ACCESS EXCLUSIVE for a moment
_STEP = "ALTER TABLE account ADD COLUMN note text;\n"
_CLIENTS = 4


async def _waits(database: str, until: asyncio.Event) -> list[float]:
    """Ask as an application does, one query after another, and return how long each took."""
    connection = await asyncpg.connect(host=ADDRESS, user="postgres", database=database, ssl=False)
    took: list[float] = []
    while not until.is_set():
        began = time.perf_counter()
        await connection.fetchval("SELECT n FROM account WHERE id = 7")
        took.append(time.perf_counter() - began)
        await asyncio.sleep(0.005)
    await connection.close()
    return took


async def _one(place: Place, peer: Peer, hold: float) -> tuple[list[float], int]:
    folder = place.work / "gentle"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    peer.write(folder, [_STEP])
    with place.database(_SCENE) as database:
        reader = await asyncpg.connect(host=ADDRESS, user="postgres", database=database, ssl=False)
        await reader.execute("BEGIN; SELECT count(*) FROM account")
        over = asyncio.Event()
        clients = [asyncio.create_task(_waits(database, over)) for _ in range(_CLIENTS)]
        run = asyncio.create_task(asyncio.to_thread(peer.apply, place, database, folder))
        await asyncio.sleep(hold)
        await reader.execute("COMMIT")
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(run), 60)
        over.set()
        waits = [wait for client in clients for wait in await client]
        await reader.close()
        return waits, (await run).code


def run(place: Place, found: Found, *, runs: int, quick: bool) -> None:
    """Measure everybody once: the blocker's time is the same for all, and nothing else is."""
    hold = 6.0 if quick else 30.0
    for peer in (Changeover(), *PEERS):
        if not peer.is_here():
            found.absent.add(f"{peer.name} is not installed here.")
            continue
        waits, code = asyncio.run(_one(place, peer, hold))
        waits.sort()
        note = "" if code == 0 else f"(ended with {code})"
        ours = isinstance(peer, Changeover)
        for what, value in (
            (f"longest wait of a query, {hold:.0f} s blocker", waits[-1]),
            (f"99.9 percentile, {hold:.0f} s blocker", statistics.quantiles(waits, n=1000)[-1]),
        ):
            found.add(Row(part=PART, what=what, who=peer.name, values=(value,), note=note, ours=ours))
