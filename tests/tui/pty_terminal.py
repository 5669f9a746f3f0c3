"""A terminal for the real program: a pty, a process in it, and the screen as a person would read it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pyte


class Terminal:
    """The program and its screen; leaving the block ends the program if it has not ended."""

    def __init__(
        self,
        words: Sequence[str],
        *,
        environ: Mapping[str, str],
        cwd: Path,
        columns: int = 80,
        rows: int = 24,
        term: str = "xterm-256color",
    ) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        # every byte that the program wrote
        self.written = bytearray()
        self.exit_code: int | None = None
        # seconds of processor time, once it has ended
        self.worked = 0.0
        # nobody reads: what the program writes stays where it is
        self.stalled = False
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            # whoever started the tests with nohup did not mean this program
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            os.chdir(cwd)
            os.execve(words[0], list(words), {**environ, "TERM": term, "LANG": "C.UTF-8"})
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        # how a shell has it, before the program takes it
        self.settings_before = termios.tcgetattr(self._master)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            print(self.text)
        if self.exit_code is None:
            os.kill(self.pid, signal.SIGTERM)
            self.ended(within=20)
        os.close(self._master)

    @property
    def text(self) -> str:
        """What the screen shows now, a line per row."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._master, keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        """Make the window larger or smaller."""
        self.look()
        self.screen.resize(rows, columns)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.kill(self.pid, signal.SIGWINCH)

    @property
    def settings(self) -> list[object]:
        """The settings of the terminal now, as `stty -a` shows them."""
        return termios.tcgetattr(self._master)

    @property
    def modes(self) -> dict[int, bool]:
        """The private modes of the terminal that the program has touched, and whether each is on now."""
        return {int(mode): how == b"h" for mode, how in re.findall(rb"\x1b\[\?(\d+)([hl])", self.written)}

    def shows(self, *wanted: str, within: float = 120.0) -> str:
        """Wait until the screen shows all of `wanted`, and return it."""
        deadline = time.monotonic() + within
        while not all(words in self.text for words in wanted):
            assert time.monotonic() < deadline, f"never shown: {wanted}\n{self.text}"
            assert self._read(0.1) or self.exit_code is None, f"the program ended\n{self.text}"
        return self.text

    def hides(self, unwanted: str, within: float = 120.0) -> None:
        """Wait until the screen does not show `unwanted` any more."""
        deadline = time.monotonic() + within
        while unwanted in self.text:
            assert time.monotonic() < deadline, f"still shown: {unwanted}\n{self.text}"
            self._read(0.1)

    def ended(self, *, within: float = 120.0) -> int:
        """Wait until the program has ended, and return its exit code; minus the signal where one ended it."""
        deadline = time.monotonic() + within
        while not self.has_ended():
            assert time.monotonic() < deadline, f"still running\n{self.text}"
            self._read(0.05)
        assert self.exit_code is not None
        return self.exit_code

    def has_ended(self) -> bool:
        """Whether the program has ended; then its last words are on the screen."""
        if self.exit_code is None:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if not pid:
                return False
            self.worked = usage.ru_utime + usage.ru_stime
            self.exit_code = os.waitstatus_to_exitcode(status)
        self.look()
        return True

    def look(self) -> None:
        """Read what the program has written so far."""
        while self._read(0):
            pass

    def hang_up(self) -> None:
        """Close the terminal, as a lost SSH connection does."""
        os.close(self._master)
        self._master = os.open(os.devnull, os.O_RDWR)

    def _read(self, wait: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], wait)
        if not ready:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:
            return False
        self.written += data
        self._stream.feed(data)
        return bool(data)
