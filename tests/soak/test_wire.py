"""The whole enumeration: every message of a run, in every way."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.ledger import opened
from tests.faults.test_wire import SLOW, all_agree
from tests.faults.wire import cells_of, recorded
from tests.servers import Server

pytestmark = pytest.mark.soak


@pytest.mark.parametrize("part", range(8))
@pytest.mark.parametrize("slow", [False, True], ids=["cut", "silent"])
async def test_every_cell_agrees(server: Server, tmp_path: Path, part: int, slow: bool) -> None:
    with server.new_database() as target:
        async with opened(target, tmp_path / "recorded") as ledger:
            messages = await recorded(ledger)
    cells = [it for it in cells_of(messages) if (it.way in SLOW) is slow][part::8]
    await all_agree(server, tmp_path, cells, abreast=8 if slow else 6)
