"""The log of a session on the screen."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from changeover.core.errors import UsageError
from changeover.core.exports import export
from changeover.core.view import Stamped
from changeover.tui.log_lines import log_lines, matching
from changeover.tui.screens.log import LogScreen
from changeover.tui.screens.replay import ReplayScreen
from changeover.tui.widgets.banner import Standing
from tests.tui.scenes import APPLIES, BEGUN, FAILS, stamped
from tests.tui.showing import Shown, answers, text

SESSION = "20261123T140327Z-orders-7f3a"


def _screen(events: tuple[Stamped, ...], folder: Path, **more: Any) -> LogScreen:
    return LogScreen(Standing(replay=True, said=SESSION), SESSION, events, **{"again": None, "folder": folder, **more})


async def test_a_log_is_read_filtered_and_searched_for_what_went_wrong(shown: Shown, tmp_path: Path) -> None:
    async with shown(_screen(stamped(FAILS), tmp_path)) as pilot:
        seen = text(pilot)
        assert SESSION in seen
        assert "0001 applied" in seen
        await pilot.press("n")
        await pilot.pause()
        assert "FAIL" in next(line for line in text(pilot).splitlines() if line.startswith(">"))
        first = next(line for line in text(pilot).splitlines() if line.startswith(">"))
        await pilot.press("n")
        await pilot.pause()
        assert next(line for line in text(pilot).splitlines() if line.startswith(">")) != first
        await pilot.press("slash", *"0001")
        await pilot.pause()
        assert "filter: 0001" in text(pilot)
        assert "0002 started" not in text(pilot)
        await pilot.press("enter", "n")
        await pilot.pause()
        # what went wrong is hidden by the filter: it goes away
        assert "filter:" not in text(pilot)
        await pilot.press("full_stop")
        await pilot.pause()
        assert "This session has ended" in text(pilot)


async def test_a_log_that_goes_on_is_followed_until_the_operator_moves(shown: Shown, tmp_path: Path) -> None:
    events = list(stamped(BEGUN))
    more = list(stamped(APPLIES)[len(BEGUN) :])
    screen = _screen(tuple(events), tmp_path, again=lambda: tuple(events))
    async with shown(screen) as pilot:
        events.append(more.pop(0))
        await screen._read()
        await pilot.pause()
        last = [line for line in text(pilot).splitlines() if line.startswith(">")]
        assert "done" in last[0] or "2/2" in last[0] or "1/2" in last[0]
        await pilot.press("g")
        await pilot.pause()
        events.extend(more)
        await screen._read()
        await pilot.pause()
        assert "new lines; . goes to the end and follows" in text(pilot)
        await pilot.press("full_stop")
        await pilot.pause()
        assert "finished" in text(pilot).lower() or "applied" in text(pilot).lower()


async def test_a_session_is_written_as_text_and_as_its_document(shown: Shown, tmp_path: Path) -> None:
    screen = _screen(stamped(FAILS), tmp_path)
    async with shown(screen) as pilot:
        await pilot.press("w")
        await pilot.pause()
        assert f"Written here: {SESSION}.txt and .json" in text(pilot)
        await pilot.press("R")
    assert answers(screen) == ["replay"]
    written = tmp_path / f"{SESSION}.json"
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    document = json.loads(written.read_text())
    assert (document["changeover"], document["session"], len(document["events"])) == (1, SESSION, len(FAILS))
    assert 'relation "public.nowhere" does not exist' in (tmp_path / f"{SESSION}.txt").read_text()


def test_an_export_never_writes_over_a_file_and_says_where_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / f"{SESSION}.txt").write_text("mine")
    text_file, document = export(SESSION, stamped(BEGUN), ["a line"], tmp_path)
    assert (text_file.name, document.name) == (f"{SESSION}-2.txt", f"{SESSION}.json")
    assert (tmp_path / f"{SESSION}.txt").read_text() == "mine"
    with pytest.raises(UsageError, match="cannot be written"):
        export(SESSION, (), [], tmp_path / "nowhere")


def test_a_filter_looks_at_all_lines_and_not_at_those_in_sight() -> None:
    lines = log_lines(stamped(FAILS))
    assert matching(lines, "") == lines
    assert all("0001" in each.text for each in matching(lines, "0001"))
    assert {each.level for each in matching(lines, "fail")} == {"FAIL"}


async def test_a_replay_jumps_to_the_first_error_and_stands_there(shown: Shown) -> None:
    screen = ReplayScreen(Standing(replay=True), stamped(FAILS, step=60.0))
    async with shown(screen) as pilot:
        await pilot.press("E")
        await pilot.pause()
        assert "paused at StatementFailed" in text(pilot)
        await pilot.press("n", "n", "E")
        await pilot.pause()
        assert "paused at StatementFailed" in text(pilot)
    whole = ReplayScreen(Standing(replay=True), stamped(APPLIES, step=60.0))
    async with shown(whole) as pilot:
        await pilot.press("E")
        await pilot.pause()
        assert "Nothing went wrong in this session." in text(pilot)
