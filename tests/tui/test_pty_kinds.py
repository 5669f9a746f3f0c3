"""Terminals that can do less, or are no terminals at all: the installed program says what it can, and never spins."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest

from changeover.core.target import Target
from changeover.tui.theme import THEMES
from tests.tui.commandline import COMMAND, changeover, environment
from tests.tui.pty_terminal import Terminal

# What the parameters of SGR say of colours: sixteen of the terminal's own, 256, or any.
SIXTEEN, MORE = re.compile(r"(?:3|4|9|10)[0-7]"), {"5": "256", "2": "any"}

# What a set-up ends with that is left at its first question.
NOTHING_CHOSEN = 2
# and one whose terminal has gone
HUNG_UP = 129


def colours(written: bytes | bytearray) -> set[str]:
    """Return which kinds of colours were asked for: `16`, `256`, `any`."""
    found: set[str] = set()
    for said in re.findall(rb"\x1b\[([0-9;]*)m", written):
        codes = said.decode().split(";")
        for before, code in zip(["", *codes], codes, strict=False):
            if before in {"38", "48"}:
                found.add(MORE[code])
        if not {"38", "48"} & set(codes) and any(SIXTEEN.fullmatch(code) for code in codes):
            found.add("16")
    return found


def set_up(folder: Path, *, term: str = "xterm-256color", columns: int = 80, rows: int = 24, **more: str) -> Terminal:
    """Open the console where no database is named: the one stage that needs no server."""
    home = {"HOME": str(folder), "COLORTERM": "", "NO_COLOR": "", **more}
    return Terminal(
        [str(COMMAND)], environ=environment(None, **home), cwd=folder, term=term, columns=columns, rows=rows
    )


@pytest.mark.parametrize(
    ("term", "colorterm", "kinds"),
    [
        ("xterm", "", {"16"}),
        ("screen", "", {"16"}),
        ("linux", "", {"16"}),
        ("tmux-256color", "", {"256"}),
        ("xterm", "truecolor", {"any"}),
    ],
)
def test_a_terminal_is_asked_for_no_more_colours_than_it_has(
    term: str, colorterm: str, kinds: set[str], tmp_path: Path
) -> None:
    with set_up(tmp_path, term=term, COLORTERM=colorterm) as terminal:
        terminal.shows("SET-UP", "Which database")
        terminal.type("q")
        assert terminal.ended() == NOTHING_CHOSEN
    assert colours(terminal.written) == kinds


def test_without_colour_no_colour_is_sent_and_the_rest_is_said(tmp_path: Path) -> None:
    with set_up(tmp_path, NO_COLOR="1", COLORTERM="truecolor") as terminal:
        terminal.shows("NO TARGET YET", "SET-UP", "> ")
        terminal.type("?")
        terminal.shows("Keys: set-up")
        terminal.type("\x1b")
        terminal.hides("Keys: set-up")
        terminal.type("q")
        assert terminal.ended() == NOTHING_CHOSEN
    assert colours(terminal.written) == set()
    # nor the default colours by their codes
    codes = {code for said in re.findall(rb"\x1b\[([0-9;]*)m", terminal.written) for code in said.split(b";")}
    assert not codes & {b"39", b"49"}
    # bold, and reversed or underlined, say which row is chosen
    assert codes & {b"1", b"7", b"4"}


def test_where_the_locale_has_ascii_only_every_sign_is_ascii(tmp_path: Path) -> None:
    with set_up(tmp_path, LC_ALL="C") as terminal:
        terminal.shows("SET-UP", "Which database")
        terminal.type("?")
        terminal.shows("Keys: set-up", "+--")
        terminal.type("\x1b")
        terminal.hides("Keys: set-up")
        terminal.type("q")
        assert terminal.ended() == NOTHING_CHOSEN
    assert terminal.written.isascii()
    assert b"\\u" not in terminal.written


def test_the_lines_are_ascii_there_too(database: Target, tmp_path: Path) -> None:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "0001_größe.sql").write_text("CREATE TABLE größe ();\n")
    for words in (["status"], ["check"], ["plan"], ["apply", "--yes"], ["status", "--json"], ["--help"]):
        done = changeover(*words, target=database, cwd=tmp_path, LC_ALL="C")
        assert done.code == 0, done.err
        assert (done.out + done.err).isascii(), words
        assert "gr\\xf6\\xdfe" in done.out or words[-1] in {"--json", "--help"}
        # our own signs are told by their like, not by their number
        assert "\\u" not in done.out + done.err or words[-1] == "--json"


@pytest.mark.parametrize("term", ["dumb", "unknown", ""])
def test_a_terminal_that_obeys_nothing_gets_lines(term: str, database: Target, tmp_path: Path) -> None:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "0001_a.sql").write_text("CREATE TABLE a ();\n")
    with Terminal([str(COMMAND)], environ=environment(database), cwd=tmp_path, term=term) as terminal:
        assert terminal.ended() == 0
    assert "0001" in terminal.text
    assert b"\x1b" not in terminal.written


@pytest.mark.parametrize("closed", ["</dev/null", "<&-", "2>&-", "<&- >&- 2>&-"])
def test_where_nobody_can_type_it_ends_at_once(closed: str, tmp_path: Path) -> None:
    words = ["/bin/sh", "-c", f"exec {COMMAND} {closed}"]
    with Terminal(words, environ=environment(None, HOME=str(tmp_path)), cwd=tmp_path) as terminal:
        if closed == "2>&-":
            # a screen needs no stderr
            terminal.shows("SET-UP", "Which database")
            terminal.type("q")
            assert terminal.ended() == NOTHING_CHOSEN
        else:
            assert terminal.ended() == 2
    if "2>&-" not in closed:
        assert "No database is named" in terminal.text
        assert b"\x1b" not in terminal.written
    assert b"Traceback" not in terminal.written
    # a spin would take all there is
    assert terminal.worked < 10


def test_what_is_said_to_stderr_does_not_take_the_screen_away(tmp_path: Path) -> None:
    words = ["/bin/sh", "-c", f"exec {COMMAND} 2>said"]
    with Terminal(words, environ=environment(None, HOME=str(tmp_path)), cwd=tmp_path) as terminal:
        terminal.shows("SET-UP", "Which database")
        terminal.type("q")
        assert terminal.ended() == NOTHING_CHOSEN
    assert (tmp_path / "said").read_bytes() == b""


def test_a_terminal_is_asked_neither_for_its_mouse_nor_for_its_focus(tmp_path: Path) -> None:
    with set_up(tmp_path) as terminal:
        terminal.shows("SET-UP", "Which database")
        assert terminal.modes[1004] is False
        assert not {1000, 1002, 1003, 1006, 1015} & set(terminal.modes)


def test_a_letter_whose_bytes_come_one_by_one_is_read_whole(tmp_path: Path) -> None:
    with set_up(tmp_path) as terminal:
        terminal.shows("SET-UP", "Which database")
        terminal.type("o")
        terminal.shows("Connection URL")
        for byte in "größe".encode():
            os.write(terminal._master, bytes([byte]))
            time.sleep(0.1)
        terminal.shows("größe")


def test_a_window_that_is_too_small_asks_for_room_from_the_beginning(tmp_path: Path) -> None:
    # whatever a shell has exported: it does not follow the window
    with set_up(tmp_path, columns=40, rows=10, COLUMNS="80", LINES="24") as terminal:
        terminal.shows("Enlarge to 60x16")
        assert "SET-UP" not in terminal.text
        terminal.resize(80, 24)
        terminal.shows("SET-UP", "Which database")
        terminal.resize(60, 16)
        terminal.shows("SET-UP", "Which database")
        terminal.type("q")
        assert terminal.ended() == NOTHING_CHOSEN


def test_a_window_that_is_too_small_can_be_left(tmp_path: Path) -> None:
    with set_up(tmp_path, columns=40, rows=10) as terminal:
        terminal.shows("Enlarge to 60x16")
        terminal.type("\x03")
        assert terminal.ended() == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGHUP, HUNG_UP), (signal.SIGTERM, 143)])
def test_signals_that_go_on_coming_do_not_end_it_while_it_closes(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    with set_up(tmp_path) as terminal:
        terminal.shows("SET-UP", "Which database")
        while not terminal.has_ended():
            os.kill(terminal.pid, number)
            time.sleep(0.01)
        assert terminal.exit_code == code
        assert terminal.settings == terminal.settings_before


def stop(terminal: Terminal, how: signal.Signals = signal.SIGTSTP) -> None:
    """Stop the program as ^Z does, and wait until it has stopped; what it took of the terminal it gives back first."""
    os.kill(terminal.pid, how)
    wait_for_stop(terminal)


def wait_for_stop(terminal: Terminal) -> None:
    """Wait until the program has stopped."""
    deadline = time.monotonic() + 60
    while not (seen := os.waitpid(terminal.pid, os.WUNTRACED | os.WNOHANG))[0]:
        assert time.monotonic() < deadline, "it does not stop"
        terminal._read(0.1)
    assert os.WIFSTOPPED(seen[1])
    terminal.look()
    assert not terminal.modes.get(1049)


def test_what_comes_back_to_the_foreground_is_painted_whole(tmp_path: Path) -> None:
    with set_up(tmp_path) as terminal:
        painted = terminal.shows("SET-UP", "Which database", "enter Use it")
        stop(terminal)
        terminal.screen.reset()
        os.kill(terminal.pid, signal.SIGCONT)
        assert terminal.shows("SET-UP", "Which database", "enter Use it") == painted
        terminal.type("q")
        assert terminal.ended() == NOTHING_CHOSEN


@pytest.mark.parametrize("painted", [False, True], ids=["before the screen is taken", "behind the first frame"])
def test_what_is_stopped_while_it_loads_goes_on_loading_when_it_comes_back(painted: bool, tmp_path: Path) -> None:
    with set_up(tmp_path) as terminal:
        while painted and not terminal.modes.get(1049):
            assert terminal.exit_code is None
            terminal._read(0.01)
        # without a shell above it, what does not handle SIGTSTP is not stopped by it (setpgid(2), orphaned groups)
        stop(terminal, signal.SIGTSTP if painted else signal.SIGSTOP)
        terminal.screen.reset()
        os.kill(terminal.pid, signal.SIGCONT)
        terminal.shows("SET-UP", "Which database", "enter Use it")
        terminal.type("q")
        assert terminal.ended() == NOTHING_CHOSEN
        assert terminal.settings == terminal.settings_before


# Stopped by its shell in the middle of taking the terminal, before anything reads it.
STOPPED = """
import os, signal
from changeover.tui.terminal import prepare
prepare()
from changeover.tui.cli import main
from changeover.tui.driver import TerminalDriver
plain = TerminalDriver._enable_mouse_support
def stopped(driver):
    TerminalDriver._enable_mouse_support = plain
    os.kill(os.getpid(), signal.SIGTSTP)
    plain(driver)
TerminalDriver._enable_mouse_support = stopped
raise SystemExit(main([]))
"""


def test_what_is_stopped_while_it_takes_the_terminal_takes_it_once_when_it_comes_back(tmp_path: Path) -> None:
    words = [sys.executable, "-c", STOPPED]
    with Terminal(words, environ=environment(None, HOME=str(tmp_path)), cwd=tmp_path) as terminal:
        wait_for_stop(terminal)
        os.kill(terminal.pid, signal.SIGCONT)
        terminal.shows("SET-UP", "Which database", "enter Use it")
        terminal.type("q")
        assert terminal.ended() == NOTHING_CHOSEN
        assert terminal.settings == terminal.settings_before


def stall(terminal: Terminal) -> None:
    """Have far more painted than a terminal takes that nobody reads: all of it, in each theme, many times."""
    for _ in range(15 * len(THEMES)):
        terminal.type("\x14")
        time.sleep(0.05)


def test_a_terminal_that_does_not_read_can_be_left(tmp_path: Path) -> None:
    with set_up(tmp_path) as terminal:
        terminal.shows("SET-UP", "Which database")
        stall(terminal)
        os.kill(terminal.pid, signal.SIGTERM)
        deadline = time.monotonic() + 60
        while not (ended := os.waitpid(terminal.pid, os.WNOHANG))[0]:
            assert time.monotonic() < deadline, "it waits for its terminal"
            time.sleep(0.1)
        terminal.exit_code = os.waitstatus_to_exitcode(ended[1])
        assert terminal.exit_code == 143


def test_a_terminal_that_reads_again_has_the_whole_screen(tmp_path: Path) -> None:
    with set_up(tmp_path, COLORTERM="truecolor") as terminal:
        painted = terminal.shows("SET-UP", "Which database", "enter Use it").splitlines()
        stall(terminal)
        # the last that was typed has been seen to, though most of what came before was never written
        terminal.shows("Theme dark")
        terminal.type("\x14")
        said = terminal.shows("Theme light").splitlines()
        assert [line for line in said if line and "Theme" not in line] == [line for line in painted if line]
        assert len(terminal.written) < 15 * len(THEMES) * 5000
        terminal.type("q")
        assert terminal.ended() == NOTHING_CHOSEN
