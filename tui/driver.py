"""Textual's driver for terminals, made to survive the loss of one.

Textual's own goes on reading a terminal that is gone, at full load, and ends on a byte that is no UTF-8. See
`poll(2)`: a closed pseudo-terminal is reported as POLLHUP without being asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any, Final

from textual.app import App
from textual.drivers.linux_driver import LinuxDriver

from .writer import Writer

# What a process ends with whose terminal was hung up.
HUNG_UP: Final = 129
_PERIOD_MS: Final = 500
# OSC 22: terminals that do not know it may show it.
_POINTER: Final = "\x1b]22;"


@contextlib.contextmanager
def _stopped_later() -> Iterator[None]:
    """Hold back a stop by the shell (SIGTSTP) until the block has ended.

    In the middle of taking the terminal it would take it twice when it comes back, with two threads that read it, and
    the process would wait for the one that it does not know for ever.
    """
    asked: list[int] = []
    before = signal.signal(signal.SIGTSTP, lambda number, _frame: asked.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTSTP, before)
        if asked:
            os.kill(os.getpid(), signal.SIGTSTP)


class TerminalDriver(LinuxDriver):
    """Ends the app with 129 when the terminal is gone, whether or not a SIGHUP came.

    It writes to stdout, where Textual takes stderr: `changeover 2>log` has its screen on the terminal.
    """

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._file: Any = sys.__stdout__
        self._main = asyncio.get_running_loop()
        self._writer: Writer | None = None

    def write(self, data: str) -> None:
        """Write to the terminal as soon as it takes it, see Writer; the shape of a mouse pointer is not asked for."""
        if self._writer is not None and not data.startswith(_POINTER):
            self._writer.write(data)

    def _get_terminal_size(self) -> tuple[int, int]:
        """Ask the terminal: where COLUMNS and LINES are exported they are of another time, or another window."""
        with contextlib.suppress(OSError, ValueError):
            width, height = os.get_terminal_size(self._file.fileno())
            if width and height:
                return width, height
        return super()._get_terminal_size()

    def start_application_mode(self) -> None:
        """Take the terminal, without reports of its focus: each would repaint the screen."""
        self._writer = Writer(self._file.fileno(), caught_up=self._repaint)
        self._writer.start()
        with _stopped_later():
            super().start_application_mode()  # type: ignore[no-untyped-call]
        self.write("\x1b[?1004l")
        threading.Thread(target=self._watch, name="terminal-watch", daemon=True).start()

    def resume_application_mode(self) -> None:
        """Take the terminal back, and paint all of it: it has kept nothing of ours."""
        super().resume_application_mode()
        self._repaint()

    def close(self) -> None:
        """Write what is left."""
        super().close()
        if self._writer is not None:
            self._writer.stop()

    def _repaint(self) -> None:
        with contextlib.suppress(RuntimeError):
            self._main.call_soon_threadsafe(self._app.refresh)

    def _watch(self) -> None:
        poll = select.poll()
        poll.register(self.fileno, 0)
        while not self.exit_event.is_set():
            if poll.poll(_PERIOD_MS):
                self._lost()
                return

    def _run_input_thread(self) -> None:
        while not self.exit_event.is_set():
            try:
                self.run_input_thread()
            except UnicodeDecodeError:
                # a byte that is no UTF-8: a paste, or noise on the line; it is left out
                continue
            except (OSError, ValueError):
                self._lost()

    def _lost(self) -> None:
        self.exit_event.set()
        with contextlib.suppress(RuntimeError):
            self._main.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        self._app.exit(HUNG_UP, return_code=HUNG_UP)
