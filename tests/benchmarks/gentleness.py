"""What the application waits for while a migration waits for a lock that somebody holds for 30 seconds."""

from __future__ import annotations

import asyncio
import shutil
import statistics
import time
from collections.abc import Sequence
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
# the others wait in databases of their own
_WAITING = (
    "SELECT count(*) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database "
    "WHERE NOT l.granted AND d.datname = current_database()"
)
_CLIENTS = 2


async def _waits(database: str, until: asyncio.Event) -> list[float]:
    """Ask as an application does, one query after another, and return how long each took."""
    connection = await asyncpg.connect(host=ADDRESS, user="postgres", database=database, ssl=False)
    took: list[float] = []
    while not until.is_set():
        began = time.perf_counter()
        await connection.fetchval("SELECT n FROM account WHERE id = 7")
        took.append(time.perf_counter() - began)
        await asyncio.sleep(0.01)
    await connection.close()
    return took


async def _somebody_waits(database: str) -> None:
    """Wait until the migration asks for the table: the starts of the tools are no part of this."""
    connection = await asyncpg.connect(host=ADDRESS, user="postgres", database=database, ssl=False)
    while not await connection.fetchval(_WAITING):
        await asyncio.sleep(0.02)
    await connection.close()


async def _one(place: Place, peer: Peer, hold: float) -> tuple[list[float], int]:
    folder = place.work / f"gentle-{peer.name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    peer.write(folder, [_STEP])
    with place.database(_SCENE) as database:
        reader = await asyncpg.connect(host=ADDRESS, user="postgres", database=database, ssl=False)
        await reader.execute("BEGIN; SELECT count(*) FROM account")
        over = asyncio.Event()
        clients = [asyncio.create_task(_waits(database, over)) for _ in range(_CLIENTS)]
        run = asyncio.create_task(asyncio.to_thread(peer.apply, place, database, folder))
        await _somebody_waits(database)
        await asyncio.sleep(hold)
        await reader.execute("COMMIT")
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(run), 60)
        over.set()
        waits = [wait for client in clients for wait in await client]
        await reader.close()
        return waits, (await run).code


async def _together(place: Place, peers: Sequence[Peer], hold: float) -> list[tuple[list[float], int]]:
    return await asyncio.gather(*(_one(place, peer, hold) for peer in peers))


def run(place: Place, found: Found, *, runs: int, quick: bool) -> None:
    """Measure everybody once, ours alone and then the peers beside each other, each in a database of its own.

    Nearly all of the time is the blocker's, which is the same for all.
    """
    hold = 6.0 if quick else 30.0
    here = [peer for peer in PEERS if peer.is_here()]
    found.absent.update(f"{peer.name} is not installed here." for peer in PEERS if peer not in here)
    ours = Changeover()
    ended = [*asyncio.run(_together(place, [ours], hold)), *asyncio.run(_together(place, here, hold))]
    longest, rare = f"longest wait of a query, {hold:.0f} s blocker", f"99.9 percentile, {hold:.0f} s blocker"
    for what in (longest, rare):
        for peer, (waits, code) in zip([ours, *here], ended, strict=True):
            value = max(waits) if what == longest else min(statistics.quantiles(waits, n=1000)[-1], max(waits))
            note = "" if code == 0 else f"(ended with {code})"
            found.add(Row(part=PART, what=what, who=peer.name, values=(value,), note=note, ours=peer is ours))
