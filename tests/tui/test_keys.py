"""One registry of keys: what is in it is bound, shown, helped with, commanded and in README."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from changeover.core.repair import Remedy
from changeover.core.status import State
from changeover.core.view import RunView
from changeover.tui.keys import KEYS, table
from changeover.tui.screens.commands import Command, Commands, command_row, commands_of, matching
from changeover.tui.screens.confirm import ConfirmScreen
from changeover.tui.screens.inspect import InspectScreen
from changeover.tui.screens.overview import WorkScreen
from changeover.tui.screens.precheck import PlanScreen
from changeover.tui.screens.repair import RepairScreen
from changeover.tui.screens.replay import ReplayScreen
from changeover.tui.screens.run import RunScreen
from changeover.tui.widgets.banner import Standing
from changeover.tui.widgets.text_scroll import TextScroll
from tests.tui.scenes import APPLIES, MISSING, SERVER, STANDING, plan, stamped
from tests.tui.showing import Shown, answers, text
from tests.tui.test_snapshots import CASE, SCENES, SUMMARIES, SURVEY, dress

TUI = Path(__file__).parents[2] / "tui"


def test_no_module_beside_the_registry_makes_a_binding() -> None:
    makers = [path.name for path in TUI.rglob("*.py") if "Binding(" in path.read_text()]
    assert makers == ["keys.py"]


def test_no_place_has_two_actions_on_one_key() -> None:
    for place, keys in KEYS.items():
        names = [name for key in keys for name in key.keys.split(",")]
        assert len(names) == len(set(names)), place


@pytest.mark.parametrize("name", SCENES)
def test_no_screen_has_two_actions_on_one_key(name: str) -> None:
    """A screen has the keys of several places: its own, and those of the screens that it is one of."""
    actions: dict[str, set[str]] = {}
    for each in type(SCENES[name]()).__mro__:
        if each.__module__.startswith("changeover."):
            for binding in each.__dict__.get("BINDINGS", ()):
                for key in binding.key.split(","):
                    actions.setdefault(key, set()).add(binding.action)
    assert {key: does for key, does in actions.items() if len(does) > 1} == {}


def test_readme_has_the_table_of_keys_as_the_registry_makes_it() -> None:
    readme = (TUI.parent / "README.md").read_text()
    assert table() in readme, "python -m changeover.tui.keys prints it"


async def test_a_dim_key_says_why_it_does_nothing(shown: Shown) -> None:
    async with shown(PlanScreen(STANDING, plan(MISSING))) as pilot:
        await pilot.press("tab", "c")
        await pilot.pause()
        assert "This plan cannot run: 1 refusal" in text(pilot)


async def test_a_key_that_does_not_exist_when_reading_says_why(shown: Shown) -> None:
    async with shown(InspectScreen(STANDING)) as pilot:
        for key, label in (("u", "Undo"), ("b", "Baseline"), ("e", "Repair"), ("c", "Confirm")):
            await pilot.press(key)
            await pilot.pause()
            assert f"{label} is not here: this console only reads" in text(pilot)
        assert not {"u", "b", "e", "c"} & set(pilot.app.screen.active_bindings)


async def test_a_dim_key_that_stands_for_several_says_why_too(shown: Shown) -> None:
    async with shown(InspectScreen(STANDING)) as pilot:
        await pilot.press("2")
        await pilot.pause()
        assert "The database was not read yet; r reads it." in text(pilot)


async def test_a_key_that_means_nothing_says_so_and_the_reason_of_another_key_goes(shown: Shown) -> None:
    async with shown(InspectScreen(STANDING)) as pilot:
        await pilot.press("u", "Z")
        await pilot.pause()
        assert "Z does nothing here; ? shows the keys that do." in text(pilot)
        assert "Undo is not here" not in text(pilot)
        await pilot.press("s")
        await pilot.pause()
        assert "s does nothing here" in text(pilot), (
            "the demo's key is in no other console, not in one that writes either"
        )
        await pilot.press("j")
        await pilot.pause()
        assert "does nothing here" not in text(pilot)


async def test_what_was_said_before_a_key_that_did_nothing_comes_back_by_itself(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reason may be one no more: nothing is waited for, and a second later something is."""
    monkeypatch.setattr("changeover.tui.screens.stage.REASON_STAYS", 0.2)
    async with shown(RepairScreen(STANDING, (CASE,))) as pilot:
        await pilot.press("Z")
        await pilot.pause()
        assert "Z does nothing here" in text(pilot)
        await pilot.pause(0.4)
        assert "Z does nothing here" not in text(pilot)
        assert "Nothing is changed here" in text(pilot)


async def test_the_reason_of_a_repair_settles_and_allows_nothing(shown: Shown) -> None:
    async with shown(RepairScreen(STANDING, (CASE,)), size=(120, 40)) as pilot:
        await pilot.press("j", "enter")
        await pilot.pause()
        assert "enter Settle so, for this reason" in text(pilot)


async def test_letters_for_a_line_that_does_not_listen_yet_are_no_keys_that_mean_nothing(shown: Shown) -> None:
    async with shown(ConfirmScreen(STANDING, plan(), SERVER, by="ada", typed=True)) as pilot:
        await pilot.press("Z")
        await pilot.pause()
        assert "does nothing here" not in text(pilot)


async def test_help_names_every_key_of_the_screen_and_why_one_does_nothing(shown: Shown) -> None:
    async with shown(WorkScreen(STANDING), size=(120, 40)) as pilot:
        await pilot.press("question_mark")
        await pilot.pause()
        seen = text(pilot)
        for key in (*KEYS["overview"], *KEYS["inspect"], *KEYS["overview, to change"]):
            if key.action not in {"create_sessions", "tab('migrations')"} and "not now" not in seen:
                assert key.help in seen
        assert "not now: The migrations cannot be shown yet" in seen
        for label in ("help", "commands", "quit", "copy", "theme"):
            assert label in seen


async def test_palette_and_help_say_why_a_key_does_nothing_that_stands_for_several(shown: Shown) -> None:
    async with shown(InspectScreen(STANDING), size=(120, 40)) as pilot:
        screen: Any = pilot.app.screen
        commands = {command.label: command for command in commands_of(screen)}
        assert commands["Schema"].why_not == "The database was not read yet; r reads it."
        assert commands["Look through"].help == "migrations, schema, history, activity"
        await pilot.press("question_mark")
        await pilot.pause()
        assert text(pilot).count("not now: The database was not read yet; r reads it.") == 4


async def test_the_palette_presses_the_key_that_it_names(shown: Shown) -> None:
    screen = ConfirmScreen(STANDING, plan(), SERVER, by="ada", typed=True)
    async with shown(screen) as pilot:
        await pilot.pause(0.6)
        await pilot.press("escape")
    assert answers(screen) == [None]
    screen = ConfirmScreen(STANDING, plan(), SERVER, by="ada", typed=True)
    async with shown(screen) as pilot:
        await pilot.pause(0.6)
        await pilot.press("ctrl+p")
        await pilot.pause()
        assert isinstance(pilot.app.screen, Commands)
        assert "If it closes" in text(pilot)
        # approving is a name that is typed: there is no command for it
        assert "Yes, run it" not in text(pilot)
        await pilot.press(*"nothing was done")
        await pilot.pause()
        await pilot.press("enter")
        await pilot.pause(0.1)
    assert answers(screen) == [None]


async def test_the_palette_has_what_the_keys_do_with_the_reason_where_one_does_nothing(shown: Shown) -> None:
    async with shown(PlanScreen(STANDING, plan(MISSING))) as pilot:
        screen: Any = pilot.app.screen
        commands = {command.label: command for command in commands_of(screen)}
        assert commands["Confirm"].why_not == "This plan cannot run: 1 refusal, named above; tab turns to it."
        assert {"Details", "Filter", "Rehearse", "Back", "Copy", "Theme", "Help"} <= set(commands)
        assert "not now" in command_row(commands["Confirm"])[2].text


async def test_the_palette_does_what_is_chosen_in_it_and_nothing_that_its_key_would_not_do(shown: Shown) -> None:
    async with shown(PlanScreen(STANDING, plan(MISSING))) as pilot:
        screen: Any = pilot.app.screen
        # one of the console's own, further down in the list
        down = [command.label for command in commands_of(screen)].index("Theme")
        assert down > 0
        await pilot.press("ctrl+p", *"confirm", "enter")
        await pilot.pause()
        assert isinstance(pilot.app.screen, Commands)
        assert "not now: This plan cannot run" in text(pilot)
        await pilot.press("escape")
        assert pilot.app.screen is screen
        await pilot.press("ctrl+p", *["down"] * down, "enter")
        await pilot.pause(0.1)
        assert pilot.app.screen is screen
        assert pilot.app.theme == "changeover-light"
        assert "Theme light" in text(pilot)


def test_the_palette_is_narrowed_by_every_typed_word() -> None:
    commands = (
        Command(key="x", label="Stop", help="now; asks first", action="stop"),
        Command(key="q", label="Leave", help="asks: leave, stop or stay", action="leave"),
    )
    assert matching(commands, "asks") == commands
    assert matching(commands, "STOP first") == commands[:1]
    assert matching(commands, "nothing like it") == ()


async def test_y_sends_the_chosen_statement_to_the_clipboard_of_the_terminal(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with shown(PlanScreen(STANDING, plan())) as pilot:
        sent: list[str] = []
        monkeypatch.setattr(pilot.app._driver, "write", sent.append)
        await pilot.press("y")
        await pilot.pause()
        seen = text(pilot)
    copied = next(each for each in sent if each.startswith("\x1b]52;c;"))
    assert "ALTER TABLE donations" in base64.b64decode(copied[7:].rstrip("\a")).decode()
    assert "Sent to the terminal's clipboard, if it allows that" in seen


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("overview", "0002 complete_donations\tpending"),
        ("pre-check-row", "ADD COLUMN session_id uuid REFERENCES sessions (id)"),
        ("migration", "ADD COLUMN session_id uuid REFERENCES sessions (id)"),
        ("run-waits", "ADD COLUMN session_id uuid REFERENCES sessions (id)"),
        ("receipt", "connections  all closed (3); every lock is released"),
        ("repair", "it can go on where it ended"),
        ("sessions", SUMMARIES[0].id),
        ("log", "11:06:40.000        session"),
        ("inspect-schema", "donors"),
        ("inspect-table", "FOREIGN KEY (donor)"),
        ("inspect-history", "ada@bastion"),
    ],
)
async def test_what_is_chosen_can_be_copied_on_every_screen(
    name: str, said: str, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen: Any = SCENES[name]()
    async with shown(screen) as pilot:
        await dress(name, screen, pilot)
        sent: list[str] = []
        monkeypatch.setattr(pilot.app._driver, "write", sent.append)
        await pilot.press("y")
        await pilot.pause()
    copied = [base64.b64decode(each[7:].rstrip("\a")).decode() for each in sent if each.startswith("\x1b]52;c;")]
    assert len(copied) == 1
    assert said in copied[0]


async def test_where_nothing_is_chosen_there_is_nothing_to_copy(shown: Shown) -> None:
    async with shown(RunScreen[None](STANDING, RunView())) as pilot:
        await pilot.press("y")
        await pilot.pause()
        assert "There is nothing to copy here." in text(pilot)


async def test_a_window_that_is_too_small_asks_for_room_and_takes_no_key(shown: Shown) -> None:
    screen = ConfirmScreen(STANDING, plan(), SERVER, by="ada", typed=False)
    async with shown(screen) as pilot:
        await pilot.pause(0.6)
        await pilot.resize_terminal(50, 12)
        await pilot.pause()
        lines = [line for line in text(pilot).splitlines() if line]
        assert lines == ["Enlarge to 60x16 (now 50x12); all goes on."]
        await pilot.press("y", "enter", "escape")
        assert answers(screen) == []
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert "Run this now?" in text(pilot)
        await pilot.press("y")
        await pilot.pause()
    assert len(answers(screen)) == 1


async def test_the_migrations_of_the_overview_are_filtered_and_the_chosen_one_is_one_of_those_left(
    shown: Shown,
) -> None:
    screen = WorkScreen(STANDING)
    async with shown(screen) as pilot:
        screen.show(SURVEY)
        first, *_, last = SURVEY.statuses
        await pilot.press("slash", *last.name)
        await pilot.pause()
        assert f"1 of {len(SURVEY.statuses)}, filter: {last.name}" in text(pilot)
        assert first.name not in text(pilot)
        assert screen.chosen() == last
        await pilot.press("enter", "escape")
        await pilot.pause()
        assert first.name in text(pilot)
        await pilot.press("escape")
        await pilot.pause()
        assert "No filter is set; q ends the console." in text(pilot)


async def test_a_filter_knows_the_words_by_which_the_overview_says_a_state(shown: Shown) -> None:
    gone = replace(SURVEY.statuses[0], state=State.MISSING_FILE)
    screen = WorkScreen(STANDING)
    async with shown(screen) as pilot:
        screen.show(replace(SURVEY, statuses=(gone, *SURVEY.statuses[1:])))
        await pilot.press("slash", *"file", "space", *"gone")
        await pilot.pause()
        assert screen.chosen() == gone
        await pilot.press(*"never")
        await pilot.pause()
        assert screen.chosen() is None
        assert "no migration has these words" in text(pilot)


async def test_the_answers_of_a_repair_are_filtered_and_none_is_taken_where_none_is_left(shown: Shown) -> None:
    screen = RepairScreen(STANDING, (CASE,))
    async with shown(screen) as pilot:
        await pilot.press("slash", *"nothing", "space", *"of", "enter", "enter")
        await pilot.pause()
        assert "Why is that so?" in text(pilot)
        assert "goes on with" not in text(pilot)
    screen = RepairScreen(STANDING, (CASE,))
    async with shown(screen) as pilot:
        await pilot.press("slash", *"never", "enter", "enter")
        await pilot.pause()
        assert "No answer has these words; esc takes the filter away." in text(pilot)
        assert answers(screen) == []
        await pilot.press("escape")
        await pilot.pause()
        assert "goes on with" in text(pilot)
        await pilot.press("escape")
    assert answers(screen) == [None]


async def test_an_answer_that_somebody_vouches_for_wants_a_reason_and_the_safe_one_does_not(shown: Shown) -> None:
    # it begins at the safe answer, wherever that stands
    case = replace(CASE, remedies=(Remedy.APPLIED, Remedy.RESUME, Remedy.NOT_APPLIED))
    screen = RepairScreen(STANDING, (case,))
    async with shown(screen) as pilot:
        await pilot.press("enter")
        await pilot.pause()
    assert answers(screen) == [(case, Remedy.RESUME, case.why)]
    screen = RepairScreen(STANDING, (case,))
    async with shown(screen) as pilot:
        await pilot.press("slash", *"nothing", "enter", "enter", "enter")
        await pilot.pause()
        assert "A reason in a few words is needed; esc goes back and nothing is done." in text(pilot)
        await pilot.press("space", "enter")
        assert answers(screen) == []
        await pilot.press(*"looked", "enter")
        await pilot.pause()
    assert answers(screen) == [(case, Remedy.NOT_APPLIED, "looked")]


async def test_what_a_replay_answers_to_a_key_is_not_overwritten_by_its_clock(shown: Shown) -> None:
    screen = ReplayScreen(Standing(replay=True), stamped(APPLIES, step=60.0))
    async with shown(screen) as pilot:
        await pilot.press("E")
        await pilot.pause(1.5)
        assert "Nothing went wrong in this session." in text(pilot)
        screen._answered -= 60
        await pilot.pause(1.5)
        assert "UTC, 1x; event" in text(pilot)


@pytest.mark.parametrize(("scene", "opens"), [("receipt-failed", ()), ("overview", ("question_mark",))])
async def test_what_is_read_scrolls_by_the_keys_of_a_list(scene: str, opens: Sequence[str], shown: Shown) -> None:
    async with shown(SCENES[scene](), size=(60, 16)) as pilot:
        await pilot.press(*opens)
        await pilot.pause()
        (reading,) = pilot.app.screen.query(TextScroll)
        assert reading.max_scroll_y > 2
        await pilot.press("j", "j", "k")
        assert reading.scroll_offset.y == 1
        await pilot.press("G")
        assert reading.scroll_offset.y == reading.max_scroll_y
        await pilot.press("g")
        assert reading.scroll_offset.y == 0
