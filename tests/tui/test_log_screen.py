"""The log of a session on the screen.

Past 400 lines: filter, search, following and writing are tried on one screen because each changes what the others see.
"""

from __future__ import annotations

import asyncio
import json
import stat
import threading
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest
from textual.pilot import Pilot

from changeover.core.errors import UsageError
from changeover.core.events import NoticeRaised
from changeover.core.exports import export
from changeover.core.session_reader import SessionReader
from changeover.core.view import Stamped
from changeover.tui.log_lines import LogLines
from changeover.tui.screens.log import LogScreen
from changeover.tui.screens.replay import ReplayScreen
from changeover.tui.selected_lines import SelectedLines
from changeover.tui.widgets.banner import Standing
from changeover.tui.widgets.field import FindField
from changeover.tui.widgets.table import Table
from tests.tui.scenes import APPLIES, BEGUN, FAILS, SESSION, lines_of, recorded, stamped
from tests.tui.showing import Shown, answers, set_off, text


def _screen(events: Sequence[Stamped], root: Path, *, goes_on: bool = False) -> LogScreen:
    recorded(events, root)
    standing = Standing(replay=True, said=SESSION)
    return LogScreen(standing, SESSION, lines_of(root), goes_on=goes_on, folder=root, root=root)


async def test_a_log_is_read_filtered_and_searched_for_what_went_wrong(shown: Shown, tmp_path: Path) -> None:
    async with shown(_screen(stamped(FAILS), tmp_path)) as pilot:
        seen = text(pilot)
        assert SESSION in seen
        assert "0001 applied" in seen
        await pilot.press("e")
        await pilot.pause()
        assert "FAIL" in next(line for line in text(pilot).splitlines() if line.startswith(">"))
        first = next(line for line in text(pilot).splitlines() if line.startswith(">"))
        await pilot.press("e")
        await pilot.pause()
        assert next(line for line in text(pilot).splitlines() if line.startswith(">")) != first
        await pilot.press("slash", *"0001")
        await pilot.pause()
        assert "filter: 0001" in text(pilot)
        assert "0002 started" not in text(pilot)
        await pilot.press("enter", "e")
        await pilot.pause()
        # what went wrong is hidden by the filter: it goes away
        assert "filter:" not in text(pilot)
        await pilot.press("full_stop")
        await pilot.pause()
        assert "This session has ended" in text(pilot)


def test_the_next_trouble_is_behind_the_chosen_line_and_then_the_first_again(tmp_path: Path) -> None:
    recorded(stamped(FAILS), tmp_path)
    lines = lines_of(tmp_path)
    marked = [number for number in range(len(lines)) if lines[number].level]
    found = [lines.next_trouble(-1)]
    while len(found) <= len(marked):
        assert found[-1] is not None
        found.append(lines.next_trouble(found[-1]))
    assert found == [*marked, marked[0]]
    back = [lines.previous_trouble(len(lines))]
    while len(back) <= len(marked):
        assert back[-1] is not None
        back.append(lines.previous_trouble(back[-1]))
    assert back == [*reversed(marked), marked[-1]]


async def test_the_trouble_before_is_gone_back_to(shown: Shown, tmp_path: Path) -> None:
    screen = _screen(stamped(FAILS), tmp_path)
    async with shown(screen) as pilot:
        await pilot.press("e")
        first = screen.query_one(Table).cursor
        await pilot.press("e")
        assert screen.query_one(Table).cursor != first
        await pilot.press("E")
        assert screen.query_one(Table).cursor == first


def _chosen(screen: LogScreen) -> str:
    table = screen.query_one(Table)
    return table.row(table.cursor)[2].text


async def _settled(pilot: Pilot[int]) -> None:
    await pilot.pause()
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


async def test_words_are_found_while_all_other_lines_stay(shown: Shown, tmp_path: Path) -> None:
    screen = _screen(stamped(FAILS), tmp_path)
    async with shown(screen) as pilot:
        table = screen.query_one(Table)
        rows = table.row_count
        having = [index for index in range(rows) if "0001" in table.row(index)[2].text]
        assert len(having) > 2
        await pilot.press("f", *"0001")
        await _settled(pilot)
        assert table.cursor == having[0]
        # while words are typed, the last row names no key that would be typed, too
        assert "/ Filter" not in text(pilot)
        await pilot.press("enter")
        assert "find: 0001" in text(pilot)
        found = [table.cursor]
        for _again in having:
            await pilot.press("n")
            await _settled(pilot)
            found.append(table.cursor)
        assert found == [*having, having[0]]
        assert "on from the first line" in text(pilot)
        await pilot.press("N")
        await _settled(pilot)
        assert table.cursor == having[-1]
        assert "on from the last line" in text(pilot)
        assert table.row_count == rows
        # the search goes before the screen does
        await pilot.press("escape")
        assert "; find" not in text(pilot)
        assert table.cursor == having[-1]
        await pilot.press("n")
        assert "Nothing is looked for" in text(pilot)
        assert table.cursor == having[-1]
        await pilot.press("escape")
    assert answers(screen) == [""]


# More lines than are looked at in one part, and where a word stands in them.
LONG, NEEDLES = 2500, (5, 1700, 2400)


def _long_screen(root: Path) -> LogScreen:
    said = [f"needle of line {number}" if number in NEEDLES else "hay" for number in range(LONG)]
    notices = (NoticeRaised(version="0001", number=1, severity="NOTICE", sqlstate="00000", message=it) for it in said)
    return _screen(stamped(tuple(notices)), root)


async def test_a_log_of_many_parts_is_filtered_and_searched_to_its_end_and_around(shown: Shown, tmp_path: Path) -> None:
    screen = _long_screen(tmp_path)
    async with shown(screen) as pilot:
        table = screen.query_one(Table)
        await pilot.press("slash", *"needle", "enter")
        await _settled(pilot)
        assert [table.row(row)[2].text.split()[-1] for row in range(table.row_count)] == [str(it) for it in NEEDLES]
        await pilot.press("escape", "g", "f", *"needle", "enter")
        await _settled(pilot)
        found = [table.cursor]
        for key in "nnnN":
            await pilot.press(key)
            await _settled(pilot)
            found.append(table.cursor)
        assert found == [*NEEDLES, NEEDLES[0], NEEDLES[-1]]


async def test_how_far_the_filter_has_looked_is_said_until_it_has_looked_at_all(shown: Shown, tmp_path: Path) -> None:
    screen = _long_screen(tmp_path)
    async with shown(screen) as pilot:
        screen._selected.filter_by("needle")
        screen._selected.keep([NEEDLES[0]], range(1000))
        screen._show()
        await pilot.pause()
        assert "1 of 2,500, filter: needle, 40 % looked at" in text(pilot)
        screen._begin_filter()
        await _settled(pilot)
        assert "3 of 2,500, filter: needle" in text(pilot)
        assert "looked at" not in text(pilot)


async def test_what_the_filter_has_not_looked_at_yet_is_searched_too(shown: Shown, tmp_path: Path) -> None:
    screen = _long_screen(tmp_path)
    async with shown(screen) as pilot:
        screen._set_filter("needle")
        screen.query_one(FindField).value = str(NEEDLES[-1])
        await _settled(pilot)
        assert _chosen(screen).endswith(f"needle of line {NEEDLES[-1]}")
        assert "No line has these words." not in text(pilot)


async def test_what_the_filter_has_not_looked_at_yet_is_written_too(shown: Shown, tmp_path: Path) -> None:
    screen = _long_screen(tmp_path)
    async with shown(screen) as pilot:
        screen._set_filter("needle")
        screen.action_export()
        await _settled(pilot)
        assert "Written: " in text(pilot)
    lines = (tmp_path / f"{SESSION}.txt").read_text().splitlines()
    assert [int(line.split()[-1]) for line in lines] == list(NEEDLES)


async def test_a_line_that_has_what_is_typed_stays_chosen_letter_by_letter(shown: Shown, tmp_path: Path) -> None:
    screen = _long_screen(tmp_path)
    async with shown(screen) as pilot:
        await pilot.press(*"j" * NEEDLES[0], "f")
        for letter in "needle":
            await pilot.press(letter)
            await _settled(pilot)
            assert screen.query_one(Table).cursor == NEEDLES[0]


async def test_a_search_that_is_given_up_leaves_one_where_one_was(shown: Shown, tmp_path: Path) -> None:
    screen = _screen(stamped(FAILS), tmp_path)
    async with shown(screen) as pilot:
        await pilot.press("j", "j")
        before = _chosen(screen)
        await pilot.press("f", *"FAIL")
        await _settled(pilot)
        assert "FAIL" in _chosen(screen)
        await pilot.press("escape")
        assert _chosen(screen) == before
        await pilot.press("f", *"not there")
        await _settled(pilot)
        assert "No line has these words." in text(pilot)
        assert _chosen(screen) == before


async def test_the_only_line_that_has_them_is_said_to_be_that(shown: Shown, tmp_path: Path) -> None:
    screen = _screen(stamped(FAILS), tmp_path)
    async with shown(screen) as pilot:
        table = screen.query_one(Table)
        only = table.row(0)[2].text.split()
        await pilot.press("f", *" ".join(only), "enter")
        await _settled(pilot)
        await pilot.press("n")
        await _settled(pilot)
        assert "No other line has these words." in text(pilot)
        assert table.cursor == 0


async def test_a_search_stays_among_what_the_filter_leaves(shown: Shown, tmp_path: Path) -> None:
    screen = _screen(stamped(FAILS), tmp_path)
    async with shown(screen) as pilot:
        await pilot.press("slash", *"0002", "enter")
        await _settled(pilot)
        rows = screen.query_one(Table).row_count
        await pilot.press("f", *"ALTER", "enter")
        await _settled(pilot)
        for _again in range(rows):
            await pilot.press("n")
            await _settled(pilot)
            assert "0002" in _chosen(screen)
            assert "ALTER" in _chosen(screen)
        assert screen.query_one(Table).row_count == rows


async def test_a_search_among_no_lines_finds_none_and_leaves_the_filter(shown: Shown, tmp_path: Path) -> None:
    screen = _screen(stamped(FAILS), tmp_path)
    async with shown(screen) as pilot:
        await pilot.press("slash", *"nowhere at all", "enter")
        await _settled(pilot)
        await pilot.press("f", *"0001", "enter", "n")
        await _settled(pilot)
        assert "No line has these words." in text(pilot)
        assert "filter: nowhere at all" in text(pilot)
        assert screen.query_one(Table).row_count == 0


async def test_a_search_that_is_given_up_before_it_is_through_does_not_go_on(
    shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = _screen(stamped(FAILS), tmp_path)
    looked, go_on = threading.Event(), threading.Event()
    first_that_has = SelectedLines.first_that_has

    def slowly(selected: SelectedLines, typed: str, numbers: Sequence[int]) -> int | None:
        looked.set()
        go_on.wait(60)
        return first_that_has(selected, typed, numbers)

    async with shown(screen) as pilot:
        monkeypatch.setattr(SelectedLines, "first_that_has", slowly)
        await pilot.press("f", "k")
        await asyncio.to_thread(looked.wait, 60)
        await pilot.press("escape")
        go_on.set()
        await _settled(pilot)
        assert screen.query_one(Table).cursor == 0
        assert "find" not in text(pilot).splitlines()[3]


async def test_the_line_that_was_chosen_stays_when_the_filter_goes(shown: Shown, tmp_path: Path) -> None:
    screen = _screen(stamped(FAILS), tmp_path)
    async with shown(screen) as pilot:
        await pilot.press("slash", *"0002", "enter", "j")
        await _settled(pilot)
        before = _chosen(screen)
        await pilot.press("escape")
        assert _chosen(screen) == before
        assert screen.query_one(Table).cursor > 1
        # and where the filter hides it, the next one that it leaves is chosen
        await pilot.press("g", "slash", *"0002")
        await _settled(pilot)
        assert screen.query_one(Table).cursor == 0
        await pilot.press("escape")
        await _settled(pilot)
        assert screen.query_one(Table).cursor == 0


async def test_what_is_sought_is_set_off_where_it_stands(shown: Shown, tmp_path: Path) -> None:
    screen = _screen(stamped(FAILS), tmp_path)
    async with shown(screen) as pilot:
        top = screen.query_one(Table).region.y + 1
        assert not any(set_off(pilot, row) for row in range(top, 22))
        await pilot.press("f", *"APPLIED", "enter")
        await _settled(pilot)
        in_table = [row for row in range(top, 17) if "applied" in text(pilot).splitlines()[row]]
        assert in_table
        assert all("applied" in set_off(pilot, row) for row in in_table)
        assert any("applied" in set_off(pilot, row) for row in range(18, 22))
        # what the filter left is set off, too; what is sought comes before it
        await pilot.press("escape", "slash", *"0001", "enter")
        await _settled(pilot)
        assert {set_off(pilot, row) for row in range(top + 1, top + 3)} == {"0001"}


async def test_a_log_that_goes_on_is_followed_until_the_operator_moves(shown: Shown, tmp_path: Path) -> None:
    more = stamped(APPLIES)[len(BEGUN) :]
    screen = _screen(stamped(BEGUN), tmp_path, goes_on=True)
    async with shown(screen) as pilot:
        recorded(more[:1], tmp_path)
        await screen._read()
        await pilot.pause()
        last = [line for line in text(pilot).splitlines() if line.startswith(">")]
        assert "done" in last[0] or "2/2" in last[0] or "1/2" in last[0]
        await pilot.press("g")
        await pilot.pause()
        recorded(more[1:], tmp_path)
        await screen._read()
        await pilot.pause()
        assert "new lines; . follows" in text(pilot)
        await pilot.press("full_stop")
        await pilot.pause()
        assert "finished" in text(pilot).lower() or "applied" in text(pilot).lower()


async def test_what_is_written_while_a_log_is_read_comes_by_itself_and_the_end_follows_again(
    shown: Shown, tmp_path: Path
) -> None:
    more = stamped(APPLIES)[len(BEGUN) :]
    screen = _screen(stamped(BEGUN), tmp_path, goes_on=True)
    async with shown(screen) as pilot:
        table = screen.query_one(Table)

        async def come(events: Sequence[Stamped]) -> None:
            before = table.row_count
            recorded(events, tmp_path)
            async with asyncio.timeout(60):
                while table.row_count == before:
                    await pilot.pause(0.1)

        await come(more[:1])
        assert table.cursor == table.row_count - 1
        await pilot.press("g")
        await come(more[1:3])
        assert table.cursor == 0
        # with the key of the list as well as with that of the screen
        await pilot.press("G")
        await come(more[3:])
        assert table.cursor == table.row_count - 1


async def test_who_goes_to_what_went_wrong_follows_no_more(shown: Shown, tmp_path: Path) -> None:
    screen = _screen(stamped(FAILS), tmp_path, goes_on=True)
    async with shown(screen) as pilot:
        table = screen.query_one(Table)
        assert table.cursor == table.row_count - 1
        await pilot.press("e")
        await _settled(pilot)
        gone_to = table.cursor
        assert "FAIL" in table.row(gone_to)[1].text
        recorded(stamped(APPLIES)[len(BEGUN) :], tmp_path)
        await screen._read()
        await pilot.pause()
        assert table.cursor == gone_to < table.row_count - 1
        assert "; goes on: " in text(pilot)


async def test_what_is_written_later_comes_through_the_filter_too(shown: Shown, tmp_path: Path) -> None:
    screen = _screen(stamped(BEGUN), tmp_path, goes_on=True)
    async with shown(screen) as pilot:
        await pilot.press("slash", *"0002", "enter")
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        table = screen.query_one(Table)
        before = table.row_count
        assert before
        recorded(stamped(APPLIES)[len(BEGUN) :], tmp_path)
        async with asyncio.timeout(60):
            while table.row_count == before:
                await pilot.pause(0.1)
        assert all("0002" in table.row(index)[2].text for index in range(table.row_count))


async def test_what_is_filtered_is_written_and_the_document_is_whole(shown: Shown, tmp_path: Path) -> None:
    async with shown(_screen(stamped(FAILS), tmp_path)) as pilot:
        await pilot.press("slash", *"0001", "enter", "w")
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        assert "lines, filter: 0001) and .json with all" in " ".join(text(pilot).split())
    lines = (tmp_path / f"{SESSION}.txt").read_text().splitlines()
    assert lines
    assert all("0001" in line for line in lines)
    assert len(json.loads((tmp_path / f"{SESSION}.json").read_text())["events"]) == len(FAILS)


async def test_a_log_that_cannot_be_written_is_said_to_be(shown: Shown, tmp_path: Path) -> None:
    recorded(stamped(FAILS), tmp_path)
    standing, nowhere = Standing(log=True, said=SESSION), tmp_path / "nowhere"
    screen = LogScreen(standing, SESSION, lines_of(tmp_path), goes_on=False, folder=nowhere, root=tmp_path)
    async with shown(screen, size=(200, 50)) as pilot:
        await pilot.press("w")
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        assert f"{SESSION}.txt cannot be written: No such file or directory." in text(pilot)
        assert "Written: " not in text(pilot)


async def test_lines_that_come_do_not_take_the_place_of_an_answer(shown: Shown, tmp_path: Path) -> None:
    more = stamped(APPLIES)[len(BEGUN) :]
    screen = _screen(stamped(BEGUN), tmp_path, goes_on=True)
    async with shown(screen) as pilot:
        await pilot.press("g", "e")
        await pilot.pause()
        recorded(more[:1], tmp_path)
        await screen._read()
        await pilot.pause()
        assert "Nothing went wrong in this session." in text(pilot)
        assert "goes on: 1 new line; . follows" in text(pilot)
        await pilot.press("full_stop")
        await pilot.pause()
        assert "goes on, and is followed" in text(pilot)


async def test_a_session_is_written_as_text_and_as_its_document(shown: Shown, tmp_path: Path) -> None:
    screen = _screen(stamped(FAILS), tmp_path)
    async with shown(screen) as pilot:
        await pilot.press("w")
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        assert f"Written: {SESSION}.txt and .json, in" in " ".join(text(pilot).split())
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


def test_each_line_is_read_once_and_what_was_written_since_is_read_on(tmp_path: Path) -> None:
    file = recorded(stamped(BEGUN), tmp_path)
    lines = lines_of(tmp_path)
    before = len(lines)
    # what was read is not read again: it could not be read any more
    file.write_bytes(b"#" * file.stat().st_size)
    recorded(stamped(APPLIES)[len(BEGUN) :], tmp_path)
    assert not lines.read(10_000)
    assert len(lines) > before
    assert "applied" in lines[len(lines) - 1].text or "finished" in lines[len(lines) - 1].text.lower()


def test_a_line_that_is_still_being_written_is_read_once_it_is_whole(tmp_path: Path) -> None:
    file = recorded(stamped(BEGUN), tmp_path)
    whole = file.read_bytes()
    file.write_bytes(whole[:-20])
    lines = LogLines(SessionReader(SESSION, tmp_path))
    lines.read(10_000)
    before = len(lines)
    file.write_bytes(whole)
    lines.read(10_000)
    assert len(lines) == before + 1


def test_a_long_log_shows_its_beginning_at_once_and_holds_a_few_bytes_a_line(tmp_path: Path) -> None:
    event = NoticeRaised(version="0001", number=1, severity="NOTICE", sqlstate="00000", message="skipping " + "x" * 200)
    recorded([Stamped(seq=seq, at=float(seq), event=event) for seq in range(1, 20_001)], tmp_path)
    lines = LogLines(SessionReader(SESSION, tmp_path))
    tracemalloc.start()
    assert lines.read(1000)
    assert len(lines) == 1000
    while lines.read(1000):
        pass
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(lines) == 20_000
    assert held < 1_000_000


async def test_a_replay_jumps_to_the_first_error_and_stands_there(shown: Shown) -> None:
    screen = ReplayScreen(Standing(replay=True), stamped(FAILS, step=60.0))
    async with shown(screen) as pilot:
        await pilot.press("E")
        await pilot.pause()
        assert ": 0002 1/2 ALTER TABLE FAILED" in text(pilot)
        await pilot.press("n", "n", "E")
        await pilot.pause()
        assert ": 0002 1/2 ALTER TABLE FAILED" in text(pilot)
    whole = ReplayScreen(Standing(replay=True), stamped(APPLIES, step=60.0))
    async with shown(whole) as pilot:
        await pilot.press("E")
        await pilot.pause()
        assert "Nothing went wrong in this session." in text(pilot)
