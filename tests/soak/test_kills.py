"""A thousand kills, half of them of the server."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from changeover.core.target import Target
from tests.faults.test_kills import runners_die, servers_die

pytestmark = pytest.mark.soak

KILLS = int(os.environ.get("KILLS", "1000"))


async def test_many_killed_runners_leave_nothing_in_doubt(database: Target, tmp_path: Path) -> None:
    tally = await runners_die(database, tmp_path / "ledger", KILLS // 2)
    assert not tally.wrong, "\n".join(tally.wrong)


async def test_many_killed_servers_leave_nothing_in_doubt(tmp_path: Path) -> None:
    tally = await servers_die(tmp_path, KILLS // 2)
    assert not tally.wrong, "\n".join(tally.wrong)
