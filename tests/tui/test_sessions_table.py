"""The list of sessions says what can be told apart, in the cells that there are."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from changeover.core.session_log import SessionSummary
from changeover.tui.screens.sessions import SessionsScreen
from changeover.tui.widgets.sessions_table import SessionsTable, outcome_words, session_row
from tests.tui.scenes import STANDING
from tests.tui.showing import Shown, set_off, text


@pytest.mark.parametrize(
    ("code", "said"), [(3, "× no connection"), (129, "× terminal gone"), (0, "✓ looked only"), (77, "× exit 77")]
)
def test_a_sitting_without_a_run_says_in_words_how_it_ended(code: int, said: str) -> None:
    summary = SessionSummary(
        id="x", opened_at=0.0, command="demo", target="t", by="ada", result=None, exit_code=code, running=False
    )
    assert outcome_words(summary)[0] == said


def test_a_console_that_is_open_is_told_from_a_run_that_goes_on() -> None:
    summary = SessionSummary(
        id="x", opened_at=0.0, command="demo", target="t", by="ada", result=None, exit_code=None, running=True
    )
    assert outcome_words(summary)[0] == "► open"
    assert outcome_words(replace(summary, run_goes_on=True))[0] == "► going on"
    # what has come of it is worth more than that somebody still sits there
    assert outcome_words(replace(summary, result="rolled_back"))[0] == "× rolled back"
    assert outcome_words(replace(summary, result="applied", run_goes_on=True))[0] == "► going on"


def _row(command: str, target: str) -> tuple[str, str]:
    summary = SessionSummary(
        id="x", opened_at=0.0, command=command, target=target, by="ada", result=None, exit_code=0, running=False
    )
    _opened, shown, said, *_ = session_row(summary)
    return shown.text, said.text


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("changeover", "console"),
        ("changeover demo", "demo"),
        ("apply", "apply"),
        ("changeover logs prune", "logs prune"),
    ],
)
def test_a_command_is_told_without_the_name_of_the_program(command: str, said: str) -> None:
    assert _row(command, "ada@db:5432/shop") == ("ada@db:5432/shop", said)


def test_the_folder_of_a_socket_is_local() -> None:
    assert _row("demo", "ada@/run/user/1000/x:y/socket:5432/shop")[0] == "ada@[local]:5432/shop"


def _going(name: str) -> SessionSummary:
    return SessionSummary(
        id=name, opened_at=0.0, command="apply", target="t", by="ada", result=None, exit_code=None, running=True,
        run_goes_on=True,
    )  # fmt: skip


async def test_the_list_is_read_again_while_it_is_open_and_the_choice_stays(shown: Shown) -> None:
    first, second = _going("first"), _going("second")
    there = [second, first]
    screen = SessionsScreen(STANDING, list(there), again=lambda: tuple(there))
    async with shown(screen) as pilot:
        await pilot.press("down")
        assert "first, by ada, goes on: enter attaches; 2 sessions" in text(pilot)
        there[:] = [_going("third"), second, replace(first, run_goes_on=False, running=False, result="applied")]
        async with asyncio.timeout(30):
            while "first, by ada; 3 sessions" not in text(pilot):
                await pilot.pause(0.1)
        assert next(line for line in text(pilot).splitlines() if line.startswith(">")).endswith("✓ applied")


async def test_a_filter_without_a_hit_does_not_say_that_there_is_no_session(shown: Shown) -> None:
    async with shown(SessionsScreen(STANDING, [_going("first")])) as pilot:
        await pilot.press("slash", *"zzz")
        await pilot.pause()
        assert "no session has these words" in text(pilot)
        assert "no session yet" not in text(pilot)


async def test_a_session_stays_chosen_while_the_filter_leaves_it_and_what_it_asks_for_is_set_off(shown: Shown) -> None:
    screen = SessionsScreen(STANDING, [_going(name) for name in ("first", "second", "third")])
    async with shown(screen, size=(160, 24)) as pilot:
        table = screen.query_one(SessionsTable)
        await pilot.press("down", "slash", *"SEC")
        assert screen.copied() == "second"
        y = table.region.y + 1
        assert set_off(pilot, y) == "sec"
        await pilot.press("escape")
        assert screen.copied() == "second"
        assert not set_off(pilot, y + 1)
        await pilot.press("slash", *"ird")
        assert screen.copied() == "third"
