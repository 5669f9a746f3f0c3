"""Writes to the terminal in a thread of its own, and never keeps the screen waiting for it.

Textual's own thread takes thirty pieces and then holds the event loop until the terminal reads on: no key, no signal
and no new fact gets through. A terminal that is stopped, or a link that stalls, costs frames here and nothing else.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

# What is kept for a terminal that does not read; bytes. A frame of a large terminal fits.
_KEPT: Final = 128 * 1024
# What sets a mode of the terminal is shorter than this, and is never left out; bytes.
_MODE: Final = 64
# How long the end waits for a terminal that does not read; seconds.
_FAREWELL: Final = 2.0


class Writer(threading.Thread):
    """Writes pieces in order. `caught_up` is called, in this thread, once it goes on after frames were left out."""

    def __init__(self, descriptor: int, *, caught_up: Callable[[], None]) -> None:
        super().__init__(daemon=True, name="terminal-writer")
        self._descriptor = descriptor
        self._caught_up = caught_up
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._missed = False
        self._stopping = False
        self._changed = threading.Condition()

    def write(self, text: str) -> None:
        """Take a piece to be written; a frame is left out where too much waits already."""
        piece = text.encode(errors="replace")
        with self._changed:
            if self._held and len(piece) >= _MODE and self._held + len(piece) > _KEPT:
                self._missed = True
                return
            self._pieces.append(piece)
            self._held += len(piece)
            self._changed.notify()

    def flush(self) -> None:
        """Do nothing: every piece is written as soon as it can be."""

    def isatty(self) -> bool:
        """Pretend to be a terminal, as Textual's own does."""
        return True

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def stop(self) -> None:
        """Write what is left, and end; a terminal that does not read is not waited for."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self.join(_FAREWELL)

    def run(self) -> None:
        """Write until the end; what cannot be written because the terminal is gone is dropped."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pieces or self._stopping)
                if not self._pieces:
                    return
                piece = self._pieces.popleft()
            self._put(piece)
            with self._changed:
                self._held -= len(piece)
                missed = self._missed and not self._pieces and not self._stopping
                if missed:
                    self._missed = False
            if missed:
                self._caught_up()

    def _put(self, piece: bytes) -> None:
        left = memoryview(piece)
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:
                # somebody who shares the terminal has made it non-blocking
                select.select([], [self._descriptor], [])
            except OSError:
                return
