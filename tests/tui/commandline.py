"""The installed command as a program of its own, with an environment that only a test made."""

from __future__ import annotations

import fcntl
import json
import os
import select
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

from msgspec import Struct

from changeover.core.setup import url_of
from changeover.core.target import Target

COMMAND = Path(sys.executable).with_name("changeover")


class Done(Struct, frozen=True, kw_only=True):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


def environment(target: Target | None = None, **more: str) -> dict[str, str]:
    """Return the environment of a command: this test's home, and the target as DATABASE_URL."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "DATABASE_URL"))}
    url = {"DATABASE_URL": url_of(target)} if target else {}
    password = {"PGPASSWORD": target.password.reveal()} if target and target.password else {}
    return {**mine, "TERM": "dumb", **url, **password, **more}


def changeover(*words: str, target: Target | None = None, cwd: Path, stdin: str | None = None, **environ: str) -> Done:
    """Run the command to its end; nobody sits at its stdin unless a text is given."""
    done = subprocess.run(
        [COMMAND, *words],
        cwd=cwd,
        env=environment(target, **environ),
        input=stdin,
        stdin=None if stdin is not None else subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Done(code=done.returncode, out=done.stdout, err=done.stderr)


def start(*words: str, target: Target | None = None, cwd: Path, **environ: str) -> subprocess.Popen[str]:
    """Start the command and return at once."""
    return subprocess.Popen(
        [COMMAND, *words],
        cwd=cwd,
        env=environment(target, **{"PYTHONUNBUFFERED": "1", **environ}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def at_terminal(*words: str, target: Target | None, cwd: Path, script: list[tuple[str, str]], **environ: str) -> Done:
    """Run the command with somebody at its terminal: each text that is waited for is answered with the one beside it.

    stdout is a pipe, as in `changeover apply > receipt`, so that no screen opens; `err` is what the terminal showed.
    """
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [COMMAND, *words],
        cwd=cwd,
        env=environment(target, **environ),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    shown = b""
    try:
        for expected, answer in script:
            while expected.encode() not in shown:
                more = _some(ours)
                assert more, f"the program ended before it said {expected!r}: {shown.decode()}"
                shown += more
            os.write(ours, answer.encode())
            shown = shown[shown.index(expected.encode()) + len(expected) :]
        while more := _some(ours):
            shown += more
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        os.close(ours)
    return Done(code=process.returncode, out=out.decode(), err=shown.decode())


def _some(terminal: int) -> bytes:
    """Return what the terminal shows next, nothing once the program has ended. Fails after a minute of silence."""
    ready, _, _ = select.select([terminal], [], [], 60)
    assert ready, "the program says nothing"
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""
