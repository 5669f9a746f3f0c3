from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from rich.control import Control
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.content import Content
from textual.events import Key
from textual.screen import Screen
from textual.widgets import Static

from changeover.core.errors import UsageError
from changeover.core.events import LocksSeen, MigrationStarted, NoticeRaised, PlanConfirmed, StatementStarted
from changeover.core.secret import Secret
from changeover.core.view import RunView, reduce
from changeover.tui.charset import ERRORS, in_ascii, is_ascii_only
from changeover.tui.fence import Colourless, ControlFence
from changeover.tui.format import ACTING, visible
from changeover.tui.frame import Frame
from changeover.tui.keys import key_name
from changeover.tui.screens.confirm import ConfirmScreen
from changeover.tui.screens.overview import OverviewScreen
from changeover.tui.screens.precheck import PlanScreen
from changeover.tui.screens.question import DEAD_TIME, Choice, Question
from changeover.tui.screens.receipt import ReceiptScreen
from changeover.tui.screens.run import RunScreen
from changeover.tui.terminal import prepare
from changeover.tui.theme import environment_of, theme_for
from changeover.tui.widgets.banner import Standing, address
from changeover.tui.widgets.hints import fitting, shown_bindings
from tests.tui.scenes import (
    APPLIES,
    BLOCKER,
    BRIEFS,
    FOLDER,
    HOSTILE,
    SERVER,
    STANDING,
    TARGET,
    plan,
    row,
    stamped,
)
from tests.tui.showing import Shown, answers, text
from tests.tui.snapshot import FOLDER as APPROVED


def _hostile_screens() -> list[Screen[Any]]:
    standing = Standing(
        target=replace(TARGET, database=HOSTILE, environment=HOSTILE),
        server=replace(SERVER, database=HOSTILE, user=HOSTILE),
    )
    base = plan()
    rows = tuple(replace(row(HOSTILE, each.verdict), expected=HOSTILE, found=HOSTILE) for each in base.rows)
    hostile = replace(base, rows=rows)
    view = RunView()
    briefs = tuple(
        replace(brief, name=HOSTILE, statements=tuple(replace(it, sql=HOSTILE) for it in brief.statements))
        for brief in BRIEFS
    )
    for each in stamped(
        (
            PlanConfirmed(digest="d", server=SERVER, migrations=briefs),
            MigrationStarted(version="0001", entry="migration", attempt=1, of=10, backend=1),
            StatementStarted(version="0001", number=1),
            NoticeRaised(version="0001", number=1, severity="NOTICE", sqlstate="00000", message=HOSTILE),
            LocksSeen(
                version="0001",
                waiting_for=HOSTILE,
                waited=1,
                blockers=(replace(BLOCKER, application=HOSTILE, query=HOSTILE, user=HOSTILE),),
                waiters=(),
            ),
        )
    ):
        view = reduce(view, each)
    run: RunScreen[None] = RunScreen(standing, view)
    return [
        PlanScreen(standing, hostile),
        ConfirmScreen(standing, hostile, replace(SERVER, database=HOSTILE), by=HOSTILE, typed=True),
        run,
        ReceiptScreen(standing, replace(view, by=HOSTILE, how=HOSTILE), Path(HOSTILE)),
    ]


@pytest.mark.parametrize("screen", _hostile_screens(), ids=lambda screen: type(screen).__name__)
async def test_no_name_from_outside_can_act_on_the_terminal(shown: Shown, screen: Screen[Any]) -> None:
    async with shown(screen) as pilot:
        if isinstance(screen, RunScreen):
            screen.paint(0)
        await pilot.pause()
        seen = text(pilot).replace("\n", "")
        assert not [letter for letter in seen if ord(letter) < 0x20 or 0x7F <= ord(letter) < 0xA0 or letter == "\u202e"]
        assert "[/foo]" in seen
        assert "␛" in seen


def test_the_second_fence_knows_each_sign_that_acts_and_no_other() -> None:
    acting = set(ACTING)
    for code in sorted({near for one in acting for near in (one - 1, one, one + 1)} & set(range(0x110000))):
        # most of a screen is ASCII, and is looked at in another way
        for text_of_it in (f"a{chr(code)}─", f"a{chr(code)}b"):
            caught = ControlFence().apply([Segment(text_of_it)], Color(0, 0, 0))[0].text
            assert caught == (text_of_it.replace(chr(code), "\ufffd") if code in acting else text_of_it), hex(code)


def test_the_second_fence_looks_at_every_piece_of_a_line_whatever_its_style() -> None:
    bold, moved = Style(bold=True), Control.move_to(1, 1).segment
    line = [Segment("plain "), Segment("a\x1b[2J", bold), moved, Segment("b\x9b", Style())]
    fenced = ControlFence().apply(line, Color(0, 0, 0))
    # what we send ourselves stays
    assert fenced == [Segment("plain "), Segment("a\ufffd[2J", bold), moved, Segment("b\ufffd", Style())]


def test_behind_all_fences_a_terminal_of_ascii_gets_ascii_in_as_many_cells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    line = [Segment("a\x1b]0;owned\x07b\x9b2J "), Segment("日本 ✓…é e\u0301", Style(bold=True))]
    for each in Frame(folder=tmp_path).get_line_filters():
        line = each.apply(line, Color(0, 0, 0))
    assert [segment.text for segment in line] == ["a?]0;owned?b?2J ", "???? +~? e"]


async def test_what_slips_past_the_first_fence_is_caught_by_the_second(tmp_path: Path) -> None:
    app = Frame(folder=tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await app.mount(Static("a\x1b]0;owned\x07b\x9b2J", markup=False))
        await pilot.pause()
        painted = "".join(segment.text for strip in app.screen._compositor.render_strips() for segment in strip)
        assert any(isinstance(each, ControlFence) for each in app.get_line_filters())
        fenced = ControlFence().apply([Segment(painted)], Color(0, 0, 0))
        assert not [letter for letter in fenced[0].text if ord(letter) < 0x20 or 0x7F <= ord(letter) < 0xA0]


async def test_an_expected_failure_in_a_worker_is_shown_as_a_panel(shown: Shown) -> None:
    async with shown(PlanScreen(STANDING, plan())) as pilot:

        async def fail() -> None:
            raise UsageError("The folder [/gone] is gone.", advice="Make it again.")

        pilot.app.run_worker(fail(), exit_on_error=False)
        await pilot.pause(0.2)
        assert "The folder [/gone] is gone." in text(pilot)
        assert "Make it again." in text(pilot)


async def test_a_bug_leaves_a_private_traceback_without_locals_and_one_line(tmp_path: Path) -> None:
    class Secretive(Frame):
        def secrets(self) -> list[Secret]:
            return [Secret("hunter22")]

    app = Secretive(folder=tmp_path)

    async def fail() -> None:
        password = "in-a-local"
        raise RuntimeError("said hunter22 " + "x" * len(password))

    with pytest.raises(RuntimeError):  # noqa: PT012 - the app raises when it is left
        async with app.run_test() as pilot:
            app.run_worker(fail(), exit_on_error=False)
            await pilot.pause(0.2)
    assert app.return_code == 1
    assert str(tmp_path) in app.last_words
    assert "\n" not in app.last_words
    (file,) = tmp_path.glob("traceback-*.txt")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    written = file.read_text()
    assert "RuntimeError" in written
    assert "hunter22" not in written


async def test_help_lists_every_key_of_the_screen_below(shown: Shown) -> None:
    screen = PlanScreen(STANDING, plan())
    async with shown(screen, size=(80, 40)) as pilot:
        shown_keys = [key_name(active.binding.key) for active in shown_bindings(screen.active_bindings)]
        await pilot.press("question_mark")
        await pilot.pause()
        seen = text(pilot)
        assert "Keys: pre-check" in seen
        for key in shown_keys:
            assert key in seen
        await pilot.press("escape")
        await pilot.pause()
        assert pilot.app.screen is screen


async def test_the_words_of_the_overview_are_in_sight_at_the_usual_size(shown: Shown) -> None:
    async with shown(OverviewScreen(STANDING)) as pilot:
        await pilot.press("question_mark")
        await pilot.pause()
        seen = text(pilot)
        assert "in the folder, not in the database" in seen
        assert next(line for line in seen.splitlines() if "pgup" in line).split("│")[1].split()[-1] == "move"


async def test_a_question_is_not_answered_by_keys_that_came_before_it(shown: Shown) -> None:
    screen = Question("Stop?", (Choice(key="n", answer="stay", label="No"), Choice(key="x", answer="now", label="Yes")))
    async with shown(screen) as pilot:
        await pilot.press("x", "down", "enter")
        assert answers(screen) == []
        await pilot.pause(DEAD_TIME + 0.2)
        await pilot.press("x")
        await pilot.pause()
        assert answers(screen) == ["now"]


async def test_keys_that_come_in_one_rush_answer_once_and_leave_the_screen_below(shown: Shown) -> None:
    """Pasted, or typed over a slow line: all of them are with the question before it has taken the first."""
    below = OverviewScreen(STANDING)
    screen = Question("Stop?", (Choice(key="n", answer="stay", label="No"), Choice(key="x", answer="now", label="Yes")))
    said: list[str | None] = []
    async with shown(below) as pilot:
        await pilot.app.push_screen(screen, said.append)
        await pilot.pause(DEAD_TIME + 0.2)
        for letter in "nxx":
            screen.post_message(Key(letter, letter))
        await pilot.pause()
        assert said == ["stay"]
        assert pilot.app.screen is below


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_the_last_rows_are_the_keys_at_every_size(shown: Shown, size: tuple[int, int]) -> None:
    for screen in (
        PlanScreen(STANDING, plan()),
        ReceiptScreen(STANDING, RunView(), FOLDER),
        RunScreen[None](STANDING, RunView()),
    ):
        async with shown(screen, size=size) as pilot:
            lines = text(pilot).splitlines()
            assert len(lines) == size[1]
            assert "? Help" in lines[-1]
            assert all(len(line) <= size[0] for line in lines)


def test_a_target_that_nobody_has_described_counts_as_production() -> None:
    assert environment_of(replace(TARGET, environment="")).tone == "danger"
    assert environment_of(replace(TARGET, environment="production")).word == "PRODUCTION"
    assert environment_of(replace(TARGET, environment="development", protected=False)).tone == "calm"


@pytest.mark.parametrize(
    ("name", "protected", "word", "tone"),
    [
        ("Prod", False, "PRODUCTION", "danger"),
        ("live", False, "PRODUCTION", "danger"),
        (" ", False, "UNKNOWN ENVIRONMENT", "danger"),
        ("Staging", False, "STAGING", "care"),
        ("eu-west", False, "EU-WEST", "calm"),
        # whatever it is called, its name is to be typed
        ("eu-west", True, "EU-WEST", "danger"),
    ],
)
def test_what_a_target_is_called_decides_word_and_colours(name: str, protected: bool, word: str, tone: str) -> None:
    seen = environment_of(replace(TARGET, environment=name, protected=protected))
    assert (seen.word, seen.tone) == (word, tone)


def test_a_long_host_is_shortened_and_the_database_never_is() -> None:
    standing = Standing(target=replace(TARGET, host="a.very.long.name.of.a.host.in.a.very.long.domain.example.org"))
    shown_address = address(standing, 50)
    assert len(shown_address) == 50
    assert shown_address.startswith("deployer@a.very.")
    assert "…" in shown_address
    assert shown_address.endswith(":5432/donations")
    # where the host has given way, the user does, and the database last of all
    assert address(standing, 30).endswith(":5432/donations")
    assert address(standing, 30).startswith("dep…er@a.ve…org")
    assert address(standing, 12) == "…2/donations"
    local = Standing(target=replace(TARGET, user="donation_owner", host="/run"))
    assert address(local, 34) == "donat…owner@[local]:5432/donations"


def test_every_part_of_an_address_is_made_visible() -> None:
    server = replace(SERVER, user="ada\x1b[2J", host="db1\u202e", database="gifts\x9b")
    for standing in (
        Standing(target=TARGET, server=server),
        Standing(target=replace(TARGET, user=server.user, host=server.host, database=server.database)),
    ):
        assert address(standing, 60).rstrip() == "ada␛[2J@db1\\u202E:5432/gifts\\u009B"


def test_a_socket_is_local_whatever_its_folder() -> None:
    standing = Standing(target=replace(TARGET, host="/root/.local/share/changeover/demo/socket"))
    assert address(standing, 50).rstrip() == "deployer@[local]:5432/donations"


@pytest.mark.parametrize(
    ("environ", "theme"),
    [
        ({"TERM": "xterm-256color", "COLORFGBG": "0;15"}, "changeover-light"),
        ({"TERM": "xterm-256color", "COLORFGBG": "0;default;7"}, "changeover-light"),
        ({"TERM": "xterm-256color", "COLORFGBG": "15;default;0"}, "changeover-dark"),
        ({"TERM": "linux", "CHANGEOVER_THEME": "contrast"}, "changeover-contrast"),
        ({"TERM": "xterm-256color"}, "changeover-dark"),
        ({"TERM": "linux"}, "changeover-ansi"),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, "changeover-dark"),
        ({"TERM": "xterm", "COLORTERM": "24bit"}, "changeover-dark"),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, "changeover-ansi"),
        # whoever wants no colours means those of the theme, too
        ({"TERM": "xterm-256color", "NO_COLOR": "1", "CHANGEOVER_THEME": "light"}, "changeover-ansi"),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, "changeover-dark"),
        ({"TERM": "xterm-256color", "CHANGEOVER_THEME": "light"}, "changeover-light"),
        ({"TERM": "xterm-256color", "CHANGEOVER_THEME": " Light "}, "changeover-light"),
        ({"TERM": "xterm-256color", "CHANGEOVER_THEME": "purple"}, "changeover-dark"),
    ],
)
def test_the_theme_follows_the_terminal(environ: dict[str, str], theme: str) -> None:
    assert theme_for(environ) == theme


@pytest.mark.parametrize(
    ("environ", "ascii_only"),
    [
        ({}, False),
        ({"LC_ALL": "C"}, True),
        ({"LC_ALL": "POSIX", "LANG": "C.UTF-8"}, True),
        ({"LC_CTYPE": "C", "LANG": "C.UTF-8"}, True),
        ({"LC_ALL": "C.UTF-8", "LC_CTYPE": "C", "LANG": "C"}, False),
        # set to nothing it says nothing
        ({"LC_ALL": "", "LANG": "de_DE.utf8"}, False),
        ({"LANG": "de_DE.UTF-8@euro"}, False),
        ({"LANG": "de_DE.ISO-8859-15@euro"}, True),
    ],
)
def test_the_locale_says_whether_there_is_more_than_ascii(environ: dict[str, str], ascii_only: bool) -> None:
    assert is_ascii_only(environ, "utf-8") is ascii_only
    assert is_ascii_only(environ, "iso8859-1")


def test_every_sign_of_ours_has_one_of_ascii() -> None:
    approved = "".join(file.read_text(encoding="utf-8") for file in APPROVED.glob("*.txt"))
    # a line break in a row is one, too
    signs = "".join(sorted({sign for sign in approved + visible("\n") if not sign.isascii()}))
    assert len(signs) > 20
    told = {sign: in_ascii(sign) for sign in signs}
    assert all(len(said) == 1 and said.isascii() and said != "?" for said in told.values()), told
    # in a line they are the same, and what is not ours keeps its number
    assert f"{signs}ö日".encode("ascii", ERRORS).decode() == in_ascii(signs) + "\\xf6\\u65e5"


@pytest.mark.parametrize("theme", ["dark", "light", "contrast", "ansi"])
async def test_every_theme_has_all_the_colours_that_the_screens_name(
    theme: str, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHANGEOVER_THEME", theme)
    for typed in (True, False):
        screen = ConfirmScreen(STANDING, plan(), SERVER, by="ada", typed=typed)
        async with shown(screen) as pilot:
            await pilot.pause(DEAD_TIME + 0.2)
            assert pilot.app.theme == f"changeover-{theme}"
            assert "CONFIRM" in text(pilot)


async def test_the_key_goes_through_every_theme_and_says_which(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHANGEOVER_THEME", "dark")
    async with shown(PlanScreen(STANDING, plan())) as pilot:
        for name in ("light", "contrast", "ansi", "dark"):
            await pilot.press("ctrl+t")
            await pilot.pause()
            assert pilot.app.theme == f"changeover-{name}"
            assert f"Theme {name}; CHANGEOVER_THEME keeps it." in text(pilot)


def test_without_colour_not_one_colour_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = Frame(folder=tmp_path)
    kinds = [type(each).__name__ for each in app.get_line_filters()]
    assert "Colourless" in kinds
    assert not {"NoColor", "Monochrome"} & set(kinds)


@pytest.mark.parametrize("colours", ["red", "on red", "red on #14181d", "default on default"])
def test_every_colour_is_taken_away_and_what_else_a_style_says_stays(colours: str) -> None:
    segment = Segment("a", Style.parse(f"bold underline reverse {colours}"))
    assert Colourless().apply([segment], Color(0, 0, 0)) == [Segment("a", Style.parse("bold underline reverse"))]


def test_switches_of_a_development_shell_are_taken_away() -> None:
    environ = {"TEXTUAL_PRESS": "y,enter", "TEXTUAL_DRIVER": "x:y", "TEXTUAL": "debug", "TEXTUAL_FPS": "30"}
    prepare(environ)
    assert environ == {"TEXTUAL_FPS": "30", "TEXTUAL_ANIMATIONS": "none", "TEXTUAL_SMOOTH_SCROLL": "0"}


def test_the_applied_scene_is_whole() -> None:
    assert APPLIES[-1].__class__.__name__ == "RunFinished"


def test_the_last_row_keeps_the_help_and_the_way_out_however_narrow_it_is() -> None:
    hints = [(Content(f"{key} word  "), key in "?q") for key in "abc?dq"]
    assert [str(each)[0] for each in fitting(hints, 46)] == ["a", "b", "c", "?", "d", "q"]
    assert [str(each)[0] for each in fitting(hints, 30)] == ["a", "b", "?", "q"]
    assert [str(each)[0] for each in fitting(hints, 10)] == ["?", "q"]
