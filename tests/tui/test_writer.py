"""What reaches a terminal that reads late, or that somebody has made non-blocking: a pipe stands for it."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable, Iterator

import pytest

from changeover.tui.writer import _KEPT, Writer


class Pipe:
    """A writer, and the end at which a terminal would read."""

    def __init__(self, *, blocking: bool = True, caught_up: Callable[[], None] = lambda: None) -> None:
        self.end, self.start = os.pipe()
        os.set_blocking(self.start, blocking)
        self.writer = Writer(self.start, caught_up=caught_up)
        self.writer.start()

    def read(self, size: int) -> bytes:
        """Read so many bytes, or what there was when the writer had ended."""
        found = b""
        while len(found) < size:
            assert select.select([self.end], [], [], 60)[0], f"{size - len(found)} bytes never came"
            if not (piece := os.read(self.end, size - len(found))):
                break
            found += piece
        return found

    def finish(self) -> bytes:
        """Have the writer end, and return what it still wrote."""
        self.writer.stop()
        os.close(self.start)
        return self.read(1 << 20)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    it = Pipe()
    yield it
    os.close(it.end)


def test_what_sets_a_mode_is_never_left_out_and_a_frame_that_nobody_waits_for_is(pipe: Pipe) -> None:
    # more than a pipe takes: it waits for the reader
    frame, late, mode = "a" * _KEPT, "b" * 100, "\x1b[?1049l\x1b[?25h"
    for piece in (frame, late, mode):
        pipe.writer.write(piece)
    assert pipe.read(_KEPT).decode() == frame
    assert pipe.finish().decode() == mode


def test_after_frames_that_were_left_out_the_screen_is_asked_for_once_all_is_written() -> None:
    asked = threading.Event()
    pipe = Pipe(caught_up=asked.set)
    for letter in "abc":
        pipe.writer.write(letter * _KEPT)
    assert not asked.is_set()
    pipe.read(_KEPT)
    assert asked.wait(60)
    assert pipe.finish() == b""
    os.close(pipe.end)


def test_a_terminal_that_somebody_has_made_non_blocking_gets_every_byte() -> None:
    pipe = Pipe(blocking=False)
    frame = "".join(f"{number:08}" for number in range(_KEPT // 8))
    pipe.writer.write(frame)
    assert pipe.read(_KEPT).decode() == frame
    assert pipe.finish() == b""
    os.close(pipe.end)
