"""The installed program in a real terminal: typed keys, the screen read back."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from changeover.core.session_log import list_sessions
from changeover.core.target import Target
from tests.servers import psql
from tests.tui.commandline import COMMAND, environment
from tests.tui.pty_terminal import Terminal

# what a program in the alternate screen owes its terminal at the end
RESTORED = (b"\x1b[?1049l", b"\x1b[?25h")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "migrations").mkdir(parents=True)
    (folder / "migrations" / "0001_orders.sql").write_text("CREATE TABLE orders (id int PRIMARY KEY);\n")
    (folder / "migrations" / "0002_note.sql").write_text("ALTER TABLE orders ADD COLUMN note text;\n")
    return folder


def console(project: Path, target: Target | None, *words: str) -> Terminal:
    return Terminal([str(COMMAND), *words], environ=environment(target), cwd=project)


def test_from_the_overview_to_the_receipt_by_typed_keys(project: Path, database: Target) -> None:
    with console(project, database) as terminal:
        terminal.shows("0001", "orders", "2 pending")
        terminal.type("p")
        terminal.shows("PRE-CHECK", "orders", "ready")
        terminal.type("c")
        terminal.shows("CONFIRM", "Type the name of the database")
        terminal.shows("Run it, if the name is right")
        terminal.type(f"{database.database}\r")
        terminal.shows("RECEIPT", "applied", "0002 note")
        terminal.type("\r")
        terminal.shows("OVERVIEW", "✓ applied")
        terminal.type("q")
        assert leave(terminal) == 0
    assert all(code in terminal.written for code in RESTORED)
    assert psql(database, "SELECT count(*) FROM changeover.migration") == "2"
    assert list_sessions()[0].result == "applied"


def leave(terminal: Terminal) -> int:
    """Answer the question that some screens ask before they let go."""
    for _ in range(50):
        try:
            return terminal.ended(within=0.3)
        except AssertionError:
            terminal.type("y")
    return terminal.ended()


def test_keys_typed_ahead_do_not_confirm_a_run(project: Path, database: Target) -> None:
    with console(project, database) as terminal:
        terminal.shows("2 pending")
        terminal.type("p")
        terminal.shows("PRE-CHECK")
        terminal.type("ccyy\r")
        terminal.shows("CONFIRM")
        time.sleep(1.5)
        terminal.shows("CONFIRM")
    assert psql(database, "SELECT to_regclass('orders')") == ""


def test_a_lost_terminal_ends_the_viewer_and_not_the_run(project: Path, database: Target) -> None:
    (project / "migrations" / "0002_note.sql").write_text("SELECT pg_sleep(3); CREATE TABLE finished ();")
    terminal = console(project, database)
    terminal.shows("2 pending")
    terminal.type("p")
    terminal.shows("PRE-CHECK")
    terminal.type("c")
    terminal.shows("CONFIRM")
    terminal.shows("Run it, if the name is right")
    terminal.type(f"{database.database}\r")
    terminal.shows("pg_sleep")
    terminal.hang_up()
    assert terminal.ended() in {129, -signal.SIGHUP}
    for _ in range(100):
        if psql(database, "SELECT to_regclass('finished')") == "finished":
            break
        time.sleep(0.1)
    assert psql(database, "SELECT to_regclass('finished')") == "finished"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_the_terminal_as_it_was_however_often_it_comes(
    project: Path, database: Target, number: signal.Signals
) -> None:
    with console(project, database) as terminal:
        terminal.shows("2 pending")
        assert terminal.settings != terminal.settings_before
        for _ in range(3):
            os.kill(terminal.pid, number)
        assert terminal.ended() == 128 + number
        assert terminal.settings == terminal.settings_before
    assert_as_before(terminal)
    assert b"Traceback" not in terminal.written


def assert_as_before(terminal: Terminal) -> None:
    """Hold what the program has left of the terminal against what it found: the main screen, a cursor, no reports."""
    cursor_and_wrap = {7, 25}
    assert {mode for mode, on in terminal.modes.items() if on} == cursor_and_wrap
    # the alternate screen, bracketed paste, reports of focus; the mouse was never taken
    assert {1049, 2004, 1004} <= set(terminal.modes)
    assert not {1000, 1002, 1003, 1006, 1015} & set(terminal.modes)
    # the keyboard protocol is taken and given back as often
    taken = re.findall(rb"\x1b\[>\d+u", terminal.written)
    assert len(taken) == terminal.written.count(b"\x1b[<u")


def test_without_a_target_the_set_up_guides_to_the_overview(project: Path, database: Target) -> None:
    with console(project, None) as terminal:
        terminal.shows("SET-UP")


def test_inspection_has_no_key_that_starts_a_run(project: Path, database: Target) -> None:
    with console(project, database, "inspect") as terminal:
        terminal.shows("READ-ONLY", "2 pending")
        terminal.type("p")
        terminal.shows("PRE-CHECK")
        terminal.type("\rcy\ry")
        time.sleep(1.5)
        assert "CONFIRM" not in terminal.text
    assert psql(database, "SELECT to_regclass('orders')") == ""


def processes_of(home: Path) -> str:
    """Return the processes whose command line names the folder: the demo's server is among them."""
    return subprocess.run(["pgrep", "-fa", str(home)], capture_output=True, text=True, check=False).stdout


def test_the_demo_cleans_up_after_itself(tmp_path: Path) -> None:
    with Terminal([str(COMMAND), "demo", "--reset"], environ=environment(), cwd=tmp_path) as terminal:
        terminal.shows("DEMO", "8 pending", within=60)
        assert processes_of(tmp_path)
        terminal.type("q")
        assert leave(terminal) == 0
    assert not processes_of(tmp_path)


def test_a_demo_whose_terminal_is_lost_leaves_no_server(tmp_path: Path) -> None:
    terminal = Terminal([str(COMMAND), "demo", "--reset"], environ=environment(), cwd=tmp_path)
    terminal.shows("DEMO", "8 pending", within=60)
    assert processes_of(tmp_path)
    terminal.hang_up()
    terminal.ended()
    assert not processes_of(tmp_path)
