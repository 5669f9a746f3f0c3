"""Textual's driver for terminals, made to survive the loss of one.

Textual's own goes on reading a terminal that is gone, at full load, and ends on a byte that is no UTF-8. See
`poll(2)`: a closed pseudo-terminal is reported as POLLHUP without being asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import threading
from typing import IO, Any, Final, cast

from textual.app import App
from textual.drivers.linux_driver import LinuxDriver

# What a process ends with whose terminal was hung up.
HUNG_UP: Final = 129
_PERIOD_MS: Final = 500


class TerminalDriver(LinuxDriver):
    """Ends the app with 129 when the terminal is gone, whether or not a SIGHUP came."""

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._file = cast("Any", _Forgiving(cast("IO[str]", self._file)))
        self._main = asyncio.get_running_loop()

    def start_application_mode(self) -> None:
        """Take the terminal, without reports of its focus: each would repaint the screen."""
        super().start_application_mode()  # type: ignore[no-untyped-call]
        self.write("\x1b[?1004l")
        threading.Thread(target=self._watch, name="terminal-watch", daemon=True).start()

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


class _Forgiving:
    """The terminal to write to; what cannot be written any more is dropped, so that nobody waits for it."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """Write, or drop."""
        with contextlib.suppress(OSError, ValueError):
            return self._file.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, or do not."""
        with contextlib.suppress(OSError, ValueError):
            self._file.flush()

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._file.fileno()

    def isatty(self) -> bool:
        """Tell whether it is a terminal."""
        return self._file.isatty()
