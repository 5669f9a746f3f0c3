"""Text in aligned columns. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final

from .format import ELLIPSIS, bounded

# Longer cells are cut; the JSON documents have them whole.
CELL: Final = 70


class Row(str):
    """A line in which places mean something: a row of a table, or SQL. It is not folded at a terminal's edge."""

    __slots__ = ()


def width(text: str) -> int:
    """Return the cells that printable text takes on a terminal."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(unicodedata.combining(letter) != 0 for letter in text)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return aligned lines, two spaces between columns; every cell is made visible here, on one line."""
    shown = [[bounded(cell, CELL) for cell in row] for row in (header, *rows)]
    widths = [max(width(row[column]) for row in shown) for column in range(len(header))]
    return [
        Row("  ".join(cell + " " * (w - width(cell)) for cell, w in zip(row, widths, strict=True)).rstrip())
        for row in shown
    ]


def shortened(text: str, room: int) -> str:
    """Return text in at most `room` characters, without its middle: a target ends with the name of its database."""
    if len(text) <= room:
        return text
    tail = (room - 1) // 2
    return f"{text[: room - 1 - tail]}{ELLIPSIS}{text[len(text) - tail :]}"
