"""From nothing to the first applied migration: types into the real console in tmux, and writes down what it showed.

`make first-run` writes screenshots/first-run.txt: the commands, each screen that was waited for, and the seconds since
the beginning. The database is one of its own on the embedded server; nothing of this machine is in the transcript.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from changeover.core.connect import Connector
from changeover.core.directories import make_private
from changeover.core.sandbox import Sandbox
from changeover.core.settings import Retry
from changeover.core.target import Target

# Short, so that lines break where they do at home: most screens show where a file is.
HOME: Final = Path("/tmp/ada")  # noqa: S108 - ours alone, see `main`
TRANSCRIPT: Final = Path(__file__).with_name("first-run.txt")
SESSION: Final = "changeover-first-run"
MIGRATION: Final = "CREATE TABLE greeting (id integer PRIMARY KEY, words text NOT NULL);"
# What a person takes to read a screen; seconds.
_READING: Final = 1.0
_PATIENCE: Final = 60.0


class Terminal:
    """A terminal of 80x24 in tmux, and what was typed and seen in it."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self._began = time.monotonic()
        self._said: list[str] = []
        self._hidden: dict[str, str] = {}
        settings = [f"{name}={value}" for name, value in environ.items()]
        size = ("-x", "80", "-y", "24")
        _tmux(
            "new-session",
            "-d",
            "-s",
            SESSION,
            *size,
            "-c",
            str(folder),
            "env",
            "-u",
            "DATABASE_URL",
            "PS1=$ ",
            *settings,
            "sh",
        )

    def hide(self, text: str, by: str) -> None:
        """Write `by` wherever `text` stands: it is of this machine."""
        self._hidden[text] = by

    def type(self, text: str, *keys: str, said: str = "") -> None:
        """Type a text and press keys after it, as a person does once the screen was read."""
        time.sleep(_READING)
        if text:
            _tmux("send-keys", "-t", SESSION, "-l", text)
        for key in keys:
            _tmux("send-keys", "-t", SESSION, key)
        pressed = " ".join(f"<{key}>" for key in keys)
        self._said.append(f"[{self._seconds()}] {said or 'types'}: {text} {pressed}".replace(":  ", ": ").rstrip())

    def shows(self, *words: str, keep: bool = True) -> None:
        """Wait until all words are on the screen, and write it down."""
        end = time.monotonic() + _PATIENCE
        while True:
            seen = _tmux("capture-pane", "-p", "-t", SESSION)
            if all(word in seen for word in words):
                break
            if time.monotonic() > end:
                raise SystemExit(f"not seen: {words}\n{seen}")
            time.sleep(0.1)
        if keep:
            # the words may be there before the rest of the screen is
            time.sleep(_READING)
            seen = _tmux("capture-pane", "-p", "-t", SESSION)
            lines = [self._framed(line.rstrip()) for line in seen.rstrip().splitlines()]
            frame = ["", f"[{self._seconds()}] the screen", "+" + "-" * 80 + "+"]
            self._said += [*frame, *(f"|{line:<80}|" for line in lines), "+" + "-" * 80 + "+", ""]

    def transcript(self) -> str:
        """Return what was typed and seen."""
        return self._shown("\n".join(self._said) + "\n")

    def _framed(self, line: str) -> str:
        """Return a line as shown; the right edge of a box stays where it was."""
        shown = self._shown(line)
        edge = line[-1:]
        return f"{shown[:-1]:<{len(line) - 1}}{edge}" if edge in {"│", "┐", "┘"} else shown

    def _shown(self, text: str) -> str:
        """Return a text with nothing of this machine in it."""
        for ours, instead in sorted(self._hidden.items(), key=lambda pair: -len(pair[0])):
            text = text.replace(ours, instead)
        return text

    def _seconds(self) -> str:
        return f"{time.monotonic() - self._began:5.1f} s"


def _tmux(*arguments: str) -> str:
    done = subprocess.run(["tmux", "-L", SESSION, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"tmux {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


def drive(terminal: Terminal, target: Target) -> None:
    """Do what a newcomer does."""
    terminal.type("mkdir migrations", "Enter")
    terminal.type(f"echo '{MIGRATION}' > migrations/0001_greeting.sql", "Enter")
    terminal.type("changeover", "Enter")
    terminal.shows("Which database shall changeover work on?")
    terminal.type("o", said="presses")
    terminal.shows("Connection URL", keep=False)
    terminal.type("", "Enter", said="presses")
    for question, answer in (
        ("Host name", target.host),
        ("Port", str(target.port)),
        ("Database", target.database),
        ("User", target.user),
    ):
        terminal.shows(question, "empty is", keep=question == "Host name")
        terminal.type(answer, "Enter")
    terminal.shows("Password", "What you type is not shown", keep=False)
    terminal.type("", "Enter", said="presses")
    terminal.shows("Migrations folder", "found:")
    terminal.type("", "Enter", said="presses")
    terminal.shows("Name of this target", keep=False)
    terminal.type("", "Enter", said="presses")
    terminal.shows("What kind of database is it")
    terminal.type("", "Down", "Down", "Enter", said="presses")
    terminal.shows("Ask for the database", keep=False)
    terminal.type("", "Enter", said="presses")
    terminal.shows("May this target only be looked at", keep=False)
    terminal.type("", "Enter", said="presses")
    terminal.shows("This goes into")
    terminal.type("", "Enter", said="presses")
    terminal.shows("OVERVIEW", "1 pending")
    terminal.type("p", said="presses")
    terminal.shows("PRE-CHECK", "ready")
    terminal.type("c", said="presses")
    terminal.shows("CONFIRM", "Yes, run it")
    terminal.type("y", said="presses")
    terminal.shows("RECEIPT", "Applied")
    terminal.type("", "Enter", said="presses")
    terminal.shows("OVERVIEW", "nothing pending")
    terminal.type("q", said="presses")
    terminal.type("clear", "Enter")
    terminal.type("changeover status 2>/dev/null", "Enter")
    terminal.shows("0001", "applied")


async def _create(sandbox: Sandbox) -> Target:
    connector = Connector(sandbox.target(), Retry(), emit=lambda _event: None)
    connection = await connector("look")
    await connection.execute("CREATE DATABASE shop")
    await connector.close()
    return sandbox.target("shop")


def main() -> None:
    """Make a server and an empty project, drive the console, write the transcript."""
    if HOME.exists():
        raise SystemExit(f"{HOME} is there already.")
    make_private(HOME)
    try:
        project = HOME / "shop"
        project.mkdir()
        environ = {
            "HOME": str(HOME),
            "CHANGEOVER_HOME": str(HOME / ".changeover"),
            "PATH": f"{Path(sys.executable).absolute().parent}:{os.environ['PATH']}",
            "LOGNAME": "ada",
        }
        with Sandbox(HOME / "pg") as sandbox:
            target = asyncio.run(_create(sandbox))
            terminal = Terminal(project, environ)
            try:
                terminal.hide(target.host, "/run/postgresql")
                terminal.hide(f"@{socket.gethostname()}", "@laptop")
                terminal.hide(str(HOME), "~")
                drive(terminal, target)
            finally:
                _tmux("kill-server")
        TRANSCRIPT.write_text(terminal.transcript())
    finally:
        shutil.rmtree(HOME, ignore_errors=True)


if __name__ == "__main__":
    main()
