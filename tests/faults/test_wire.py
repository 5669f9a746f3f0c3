"""A run is cut at its messages, one cell for each: what it reports, the history and the effects agree every time.

Here are half of the cells around every COMMIT and a sample of the others; `make soak` runs them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from changeover.core.events import Result
from tests.faults.ledger import opened
from tests.faults.proxy import Message, Side, Way
from tests.faults.wire import Cell, around_commits, cells_of, recorded, run_cells
from tests.servers import Server

# These ways cost a time-out or two each.
SLOW = {Way.HOLE, Way.SILENCE}
# Every how manyeth of the other cells is run here.
STRIDE, STRIDE_SLOW, STRIDE_STOP = 71, 131, 23


@pytest.fixture
async def messages(server: Server, tmp_path: Path) -> list[Message]:
    with server.new_database() as target:
        async with opened(target, tmp_path / "recorded") as ledger:
            return await recorded(ledger)


async def all_agree(server: Server, folder: Path, cells: Sequence[Cell], *, abreast: int = 6) -> None:
    tally = await run_cells(server, folder, cells, abreast=abreast)
    print(tally)
    assert not tally.wrong, "\n".join(tally.wrong)
    assert Result.IN_DOUBT not in tally.results
    # A run takes its turns at the watch by the clock, so that a late message of it may not come a second time.
    assert len(tally.unreached) <= max(len(cells) // 10, 4), tally.unreached


def test_a_recorded_run_has_the_messages_that_matter(messages: list[Message]) -> None:
    links = {message.link.split()[0] for message in messages}
    assert links == {"guard", "look", "watch", "migration"}
    commits = [it for it in messages if it.side is Side.CLIENT and it.query == b"COMMIT" and "migration" in it.link]
    # of the history's tables, and of each migration
    assert len(commits) == 4


async def test_the_outcome_is_known_wherever_the_link_is_cut_around_a_commit(
    server: Server, tmp_path: Path, messages: list[Message]
) -> None:
    cells = [it for it in around_commits(cells_of(messages), reach=1) if it.way not in SLOW]
    assert len(cells) > 60
    # every other one: of each place the one half of the ways, and of the next place the other
    part = [it for it in cells if (it.number + list(Way).index(it.way)) % 2]
    assert {it.way for it in part} == {it.way for it in cells}
    await all_agree(server, tmp_path, part)


async def test_the_outcome_is_known_wherever_an_answer_vanishes_around_a_commit(
    server: Server, tmp_path: Path, messages: list[Message]
) -> None:
    cells = [
        it for it in around_commits(cells_of(messages), reach=0) if it.way in SLOW and it.link.startswith("migration")
    ]
    assert len(cells) >= 12
    await all_agree(server, tmp_path, cells, abreast=12)


async def test_the_outcome_is_known_whenever_the_run_is_told_to_stop(
    server: Server, tmp_path: Path, messages: list[Message]
) -> None:
    cells = [it for it in cells_of(messages) if it.way is Way.STOP and it.link.startswith(("migration", "watch"))]
    await all_agree(server, tmp_path, cells[::STRIDE_STOP])


async def test_the_outcome_is_known_wherever_the_link_is_cut(
    server: Server, tmp_path: Path, messages: list[Message]
) -> None:
    await all_agree(server, tmp_path, [it for it in cells_of(messages) if it.way not in SLOW | {Way.STOP}][::STRIDE])


async def test_the_outcome_is_known_wherever_the_link_falls_silent(
    server: Server, tmp_path: Path, messages: list[Message]
) -> None:
    cells = [it for it in cells_of(messages) if it.way in SLOW][::STRIDE_SLOW]
    await all_agree(server, tmp_path, cells, abreast=12)
