"""The console in a real pseudo-terminal: what happens when it is told to end, or its terminal goes away."""

from __future__ import annotations

import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from fcntl import ioctl
from pathlib import Path

import pytest

# The set-up is the one stage that needs no server.
PROGRAM = """
import signal, sys
if "ignore" in sys.argv:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
from changeover.core.session_log import SessionLog
from changeover.core.settings import Settings
from changeover.tui.opening import Mode, Opening
from changeover.tui.terminal import run_console
log = SessionLog.open(command="setup", target="")
code = run_console(Opening(settings=Settings(), target=None, mode=Mode.SETUP, log=log, environ={"HOME": "/"}))
log.close(code)
raise SystemExit(code)
"""

# A run that waits for a lock: each second the clock, the ages and the waiting time change.
WAITING = """
import asyncio, sys, time
from msgspec.structs import replace
from pathlib import Path
from changeover.tui.terminal import prepare
prepare()
from changeover.core.view import RunView, reduce
from changeover.tui.frame import Frame
from changeover.tui.screens.run import RunScreen
from tests.tui.scenes import STANDING, WAITS, stamped

class Shown(Frame):
    async def on_mount(self):
        view = RunView()
        for each in stamped(WAITS, start=time.time() - 2):
            view = reduce(view, each)
        self.run_view = RunScreen(STANDING, view)
        await self.push_screen(self.run_view)
        self.look = stamped(WAITS)[-1]
        self.set_interval(1.0, self.tick)

    def tick(self):
        seen = self.look.event
        older = [replace(it, xact_age=(it.xact_age or 0) + 1) for it in (*seen.blockers, *seen.waiters)]
        seen = replace(seen, waited=seen.waited + 1, blockers=tuple(older[:1]), waiters=tuple(older[1:]))
        self.look = replace(self.look, at=time.time(), event=seen)
        self.run_view.view = reduce(self.run_view.view, self.look)
        self.run_view.paint(time.time())

Shown(folder=Path(sys.argv[1])).run(mouse=False)
"""


class Terminal:
    """A program in a pseudo-terminal of its own."""

    def __init__(
        self, *args: str, environ: dict[str, str], program: str = PROGRAM, columns: int = 80, rows: int = 24
    ) -> None:
        self.master, slave = pty.openpty()
        ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, *args],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environ,
            start_new_session=True,
            # it becomes the controlling terminal of the new session, as sshd does it
            preexec_fn=lambda: ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        self.read = b""

    def until(self, said: bytes, within: float = 20) -> None:
        """Read until `said` has come."""
        end = time.monotonic() + within
        while said not in self.read:
            assert time.monotonic() < end, f"{said!r} did not come: {self.read[-500:]!r}"
            self.more()

    def more(self) -> None:
        """Read what there is."""
        if select.select([self.master], [], [], 0.1)[0]:
            try:
                self.read += os.read(self.master, 65536)
            except OSError:
                return

    def ended(self, within: float = 15) -> int:
        """Wait for the end; return the exit code."""
        end = time.monotonic() + within
        while self.process.poll() is None:
            assert time.monotonic() < end, "it did not end"
            self.more()
        self.more()
        return self.process.returncode


@pytest.fixture
def environ(home: Path) -> dict[str, str]:
    """Return what the program needs, and nothing else."""
    return {"TERM": "xterm-256color", "PATH": os.environ["PATH"], "HOME": str(home), "CHANGEOVER_HOME": str(home)}


@pytest.fixture
def terminal(environ: dict[str, str]) -> Iterator[Terminal]:
    """Return the set-up on a terminal, painted."""
    it = Terminal(environ=environ)
    it.until(b"Which database")
    yield it
    if it.process.poll() is None:
        it.process.kill()
    it.process.wait()


def test_sigterm_restores_the_terminal_and_ends_with_143(terminal: Terminal) -> None:
    terminal.process.send_signal(signal.SIGTERM)
    assert terminal.ended() == 143
    for restored in (b"\x1b[?1049l", b"\x1b[?25h"):
        assert restored in terminal.read


def test_a_closed_terminal_ends_it_with_129(terminal: Terminal) -> None:
    os.close(terminal.master)
    assert terminal.process.wait(15) == 129


def worked(process: int) -> float:
    """Return the processor time of a process that has not been waited for, in seconds."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processor time is read from /proc")
def test_a_terminal_that_goes_away_where_hang_ups_are_ignored_ends_it_too_without_spinning(
    environ: dict[str, str],
) -> None:
    terminal = Terminal("ignore", environ=environ)
    try:
        terminal.until(b"Which database")
        begun = worked(terminal.process.pid)
        os.close(terminal.master)
        # ended, and not yet waited for: its time can still be read
        end = time.monotonic() + 60
        while os.waitid(os.P_PID, terminal.process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            assert time.monotonic() < end, "it does not end"
            time.sleep(0.05)
        # to end takes less than to begin; a loop over a terminal that is gone takes all there is
        assert worked(terminal.process.pid) - begun < begun
        assert terminal.process.wait() == 129
    finally:
        terminal.process.kill()
        terminal.process.wait()


def test_bytes_that_are_no_utf8_are_left_out(terminal: Terminal) -> None:
    os.write(terminal.master, b"\xff\xfe\x80")
    time.sleep(0.5)
    os.write(terminal.master, b"q")
    assert terminal.ended() == 0


def test_the_first_screen_is_small_and_an_idle_console_sends_nothing(terminal: Terminal) -> None:
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        terminal.more()
    assert len(terminal.read) < 60_000
    before = len(terminal.read)
    end = time.monotonic() + 3
    while time.monotonic() < end:
        terminal.more()
    assert len(terminal.read) == before


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (200, 50)])
def test_a_run_that_waits_for_a_lock_sends_little(
    columns: int, rows: int, environ: dict[str, str], tmp_path: Path
) -> None:
    root = Path(__file__).parents[2]
    environ = {**environ, "PYTHONPATH": str(root)}
    terminal = Terminal(str(tmp_path), environ=environ, program=WAITING, columns=columns, rows=rows)
    try:
        terminal.until(b"held by")
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            terminal.more()
        before = len(terminal.read)
        end = time.monotonic() + 5
        while time.monotonic() < end:
            terminal.more()
        assert 0 < (len(terminal.read) - before) / 5 <= 512
    finally:
        terminal.process.kill()
        terminal.process.wait()
