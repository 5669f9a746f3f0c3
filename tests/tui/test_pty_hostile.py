"""The installed program, on a database and a folder that mean it ill, and with a bug: what reaches the terminal."""

from __future__ import annotations

import re
import stat
import sys
from pathlib import Path

import pytest

from changeover.core.setup import url_of
from changeover.core.target import Target
from tests.tui.commandline import COMMAND, changeover, environment
from tests.tui.pty_terminal import Terminal

# What the console itself says to a terminal: colours, the cursor, modes and questions about them, the keyboard.
OURS = re.compile(rb"\x1b\[[<>=?]?[0-9;]*(?:\$p|[A-Za-z])")
TITLE = "\x1b]0;owned\x07"
NAME = "evil\x1b[2J\x9b31m\u202e[red][/foo]"
FILE = f"""
CREATE TABLE "{NAME}" ("{NAME}" int);
COMMENT ON TABLE "{NAME}" IS '{TITLE}{NAME}';
DO $$ BEGIN RAISE NOTICE 'heard {TITLE}{NAME}'; END $$;
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / f"0001_{TITLE}x[red].sql").write_text(FILE)
    return tmp_path


def acting(written: bytes) -> set[bytes]:
    """Return what is left of control characters without our own sequences and ends of lines."""
    left = OURS.sub(b"", written).decode().replace("\r\n", "")
    return {
        letter.encode() for letter in left if ord(letter) < 0x20 or 0x7F <= ord(letter) < 0xA0 or letter == "\u202e"
    }


def test_what_a_folder_and_a_server_say_does_not_act_on_the_terminal(project: Path, database: Target) -> None:
    # sshd, sudo and a shell take their values from whoever connects
    ours = dict.fromkeys(("USER", "LOGNAME", "SUDO_USER", "SSH_CONNECTION", "SSH_TTY", "PGAPPNAME"), f"{TITLE}{NAME}")
    with Terminal([str(COMMAND)], environ=environment(database, **ours), cwd=project) as terminal:
        terminal.shows("OVERVIEW", "1 pending", "␛]0;owned␇x[red]")
        terminal.type("p")
        terminal.shows("PRE-CHECK", "evil␛[2J")
        terminal.type("c")
        terminal.shows("CONFIRM", "Type the name of the database", "evil␛[2J")
        terminal.type("\x1b")
        terminal.shows("PRE-CHECK")
        assert changeover("apply", "--yes", target=database, cwd=project, **ours).code == 0
        terminal.type("\x1b")
        terminal.shows("OVERVIEW")
        terminal.type("r")
        terminal.shows("OVERVIEW", "nothing pending")
        terminal.type("2")
        terminal.shows("SCHEMA", "evil␛[2J")
        terminal.type("G\r")
        terminal.shows("Columns", "␛]0;owned")
        terminal.type("L")
        terminal.shows("SESSIONS", "apply")
        # newest first: what was applied
        terminal.type("l")
        terminal.shows("LOG", "approved")
        terminal.type("/")
        terminal.shows("filter")
        terminal.type("heard")
        terminal.shows("filter: heard", "NOTICE: heard ␛]0;owned")
        terminal.type("\x15\r")
        terminal.hides("filter:")
        terminal.type("w")
        terminal.shows("Written: ")
    assert acting(bytes(terminal.written)) == set()
    exports = [*project.glob("2*.txt"), *project.glob("2*.json")]
    assert len(exports) == 2
    for export in exports:
        said = export.read_bytes().decode()
        assert "owned" in said
        assert acting(said.replace("\n", "\r\n").encode()) == set()


def test_nor_does_it_in_lines(project: Path, database: Target) -> None:
    def said(*words: str) -> str:
        done = changeover(*words, target=database, cwd=project)
        assert done.code == 0, done.err
        assert acting((done.out + done.err).replace("\n", "\r\n").encode()) == set(), words
        assert "\x1b" not in done.out + done.err
        return done.out

    for words in (
        ["plan", "--sql"],
        ["plan", "--json"],
        ["check"],
        ["apply", "--yes"],
        ["status"],
        ["logs"],
        ["inspect"],
    ):
        said(*words)
    listed = changeover("logs", "--json", target=database, cwd=project).document["sessions"]
    applied = next(it["id"] for it in listed if "apply" in it["command"])
    assert "NOTICE: heard ␛]0;owned␇" in said("logs", "show", applied)


# A bug in what a key does, met where the event loop, a timer or a thread runs it, beside values nobody should see.
BUG = """
import sys
from changeover.tui.terminal import prepare
prepare()
from changeover.tui.cli import main
from changeover.tui.frame import Frame

def bug(app, where):
    in_a_local = "S3cret of a local"
    raise RuntimeError(f"cannot reach {app.journey.target.password.reveal()}")

def met(app):
    match sys.argv[1]:
        case "handler":
            bug(app, 0)
        case "timer":
            app.set_timer(0.05, lambda: bug(app, 0))
        case "thread":
            app.run_worker(lambda: bug(app, 0), thread=True, exit_on_error=False)

Frame.action_next_theme = met
raise SystemExit(main([]))
"""


@pytest.mark.parametrize("where", ["handler", "timer", "thread"])
def test_a_bug_ends_the_console_and_shows_no_value(where: str, project: Path, database: Target, home: Path) -> None:
    url = url_of(database).replace(f"{database.user}@", f"{database.user}:S3cret-of-the-url@", 1)
    assert "S3cret" in url
    words = [sys.executable, "-c", BUG, where]
    with Terminal(words, environ={**environment(database), "DATABASE_URL": url}, cwd=project) as terminal:
        terminal.shows("OVERVIEW", "1 pending")
        terminal.type("\x14")
        assert terminal.ended() == 1
        assert terminal.settings == terminal.settings_before
    said = bytes(terminal.written)
    assert b"a bug ended the console (RuntimeError); the traceback is in" in said.replace(b"\r\n", b"")
    assert b"S3cret" not in said
    assert b"Traceback" not in said
    (trace,) = home.rglob("traceback*.txt")
    assert stat.S_IMODE(trace.stat().st_mode) == 0o600
    assert "cannot reach ********" in trace.read_text()
    assert all(b"S3cret" not in file.read_bytes() for file in home.rglob("*") if file.is_file())
