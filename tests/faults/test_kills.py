"""Runners and servers are killed at random moments: nothing is done twice or by half, and all is done in the end."""

from __future__ import annotations

import os
import random
from pathlib import Path

from changeover.core.target import Target
from tests.faults.doomed import doomed
from tests.faults.kills import Kills, killed_at_random, server_killed_at_random
from tests.faults.ledger import opened

KILLS_OF_RUNNERS = 10
KILLS_OF_SERVERS = 18


def dice() -> random.Random:
    """Return a source of moments; what it starts from is printed, and can be given again as CHANGEOVER_TEST_SEED."""
    seed = int(os.environ.get("CHANGEOVER_TEST_SEED", random.randrange(1 << 32)))
    print("seed", seed)
    return random.Random(seed)


async def runners_die(target: Target, folder: Path, kills: int) -> Kills:
    tally, moments = Kills(), dice()
    async with opened(target, folder) as ledger:
        while tally.killed < kills and len(tally.wrong) < 5:
            await killed_at_random(ledger, tally, moments)
    print(tally)
    return tally


async def servers_die(folder: Path, kills: int) -> Kills:
    tally, moments = Kills(), dice()
    with doomed(folder / "server") as server:
        async with opened(server.target, folder / "ledger") as ledger:
            while tally.killed < kills and len(tally.wrong) < 5:
                await ledger.clear()
                await server_killed_at_random(ledger, tally, moments, server.restart)
    print(tally)
    return tally


async def test_killed_runners_leave_nothing_in_doubt(database: Target, tmp_path: Path) -> None:
    tally = await runners_die(database, tmp_path / "ledger", KILLS_OF_RUNNERS)
    assert not tally.wrong, "\n".join(tally.wrong)


async def test_killed_servers_leave_nothing_in_doubt(tmp_path: Path) -> None:
    tally = await servers_die(tmp_path, KILLS_OF_SERVERS)
    assert not tally.wrong, "\n".join(tally.wrong)
