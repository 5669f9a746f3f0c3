"""The second fence against text that acts on a terminal, and the last words of a crash.

The first fence is `format.visible`, where text enters a widget. What slips past it is caught here, segment by segment.
"""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Iterable
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Final

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

from ..core.secret import Secret, mask
from .charset import in_ascii
from .format import ACTING


def _one_of(codes: Iterable[int]) -> re.Pattern[str]:
    """Return a pattern of these code points, as ranges: one by one they are looked through one by one."""
    runs = groupby(enumerate(sorted(codes)), key=lambda each: each[1] - each[0])
    ends = [(run[0][1], run[-1][1]) for run in (list(run) for _, run in runs)]
    return re.compile("[" + "".join(f"\\U{first:08X}-\\U{last:08X}" for first, last in ends) + "]")


# What the first fence makes visible: C0 and C1 controls and DEL, and what reverses or hides text.
_ACTING: Final = _one_of(ACTING)


class ControlFence(LineFilter):
    """Replaces every remaining control character of a line by a replacement sign of the same width."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments without anything that a terminal would obey."""
        del background
        if not any(_acts(segment.text) for segment in segments if not segment.control):
            return segments
        return [
            segment if segment.control else Segment(_ACTING.sub("\ufffd", segment.text), segment.style)
            for segment in segments
        ]


def _acts(text: str) -> bool:
    # nearly all of a screen is plain, which is seen without a pattern
    return not (text.isascii() and text.isprintable()) and _ACTING.search(text) is not None


class Colourless(LineFilter):
    """Takes the colours away, for who wants none: Textual's own filter sends the codes of the default colours."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments with bold, underlined and reversed as they are."""
        del background
        return [Segment(text, style and without_colour(style), control) for text, style, control in segments]


@cache
def without_colour(style: Style) -> Style:
    """Return a style without its colours; there are a few dozen of them."""
    return style.without_color


class AsciiFence(LineFilter):
    """Says a line in ASCII, for a terminal that has no more: its signs take as many cells as before."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments in ASCII."""
        del background
        return [segment if segment.control else _in_ascii(segment) for segment in segments]


def _in_ascii(segment: Segment) -> Segment:
    if segment.text.isascii():
        return segment
    # a letter of two cells is two signs, and what has no cell of its own is none
    text = "".join(in_ascii(letter) * cell_len(letter) for letter in segment.text)
    return Segment(text, segment.style)


def write_traceback(error: BaseException, folder: Path, secrets: Iterable[Secret | None]) -> Path | None:
    """Write the traceback, without local variables and with secrets masked, to a 0600 file in `folder`."""
    text = mask("".join(traceback.format_exception(error)), secrets)
    for number in range(1, 100):
        path = folder / f"traceback-{number}.txt"
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileExistsError:
            continue
        except OSError:
            return None
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        return path
    return None
