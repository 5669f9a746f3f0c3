"""Sentences folded at the width of a terminal, each going on under its text; rows of tables and SQL stay as they are.

Into a pipe or a file nothing is folded: a line there is one for grep.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Final, TextIO

from .columns import Row, width

# What stands before the text of a line: blanks, then a mark (that of an SQL comment is one) with a blank, or a name
# with two blanks or more.
_LEAD: Final = re.compile(r" *(?:(?:--|[^\w\s(\[{'\"$/%.,;]) +|\w[^\n]{0,13}? {2,})?")
# How far a line without a mark goes on to the right of where it began.
_HANG: Final = 2
# What is not cut: a command that somebody copies, and a number with its unit.
_WHOLE: Final = re.compile(
    r"`[^`\n]*`"
    r"|\bchangeover (?:attach|logs show|logs replay) \S+"
    r"|\d (?:ms|s|min|h|d|bytes|kB|MB|GB|TB)\b(?: \d+ (?:s|min|h)\b)?"
)
# Stands for a blank within that while a line is cut, in one cell; no character, so that no text has it.
_TIE: Final = "\ufdd0"


def lead_of(line: str) -> int:
    """Return how many letters of a line stand before its text."""
    found = _LEAD.match(line)
    return found.end() if found is not None else 0


def room_on(stream: TextIO) -> int | None:
    """Return the columns of the terminal that a stream writes to; None where it is none, or does not say."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or None if stream.isatty() else None
    except (OSError, ValueError):
        return None


def laid_out(lines: Iterable[str], stream: TextIO) -> list[str]:
    """Return lines as a stream gets them: folded where it is a terminal."""
    room = room_on(stream)
    if room is None:
        return list(lines)
    return [part for line in lines for part in folded(line, room)]


def tied(text: str, room: int | None = None) -> str:
    """Return text with a sign in place of the blanks at which it is not to be cut; as it is where it has that sign.

    What does not fit into `room` cells by itself is not tied.
    """
    if _TIE in text:
        return text
    return _WHOLE.sub(lambda it: it[0] if room and width(it[0]) > room else it[0].replace(" ", _TIE), text)


def loose(text: str) -> str:
    """Return text that was tied, as it was before."""
    return text.replace(_TIE, " ")


def folded(line: str, room: int) -> list[str]:
    """Return a line in parts of at most `room` cells, cut between words.

    A longer word stays whole, to be copied, and so does a command of several words.
    """
    if isinstance(line, Row) or "\n" in line or width(line) <= room:
        return [line]
    blanks, lead = len(line) - len(line.lstrip(" ")), lead_of(line)
    hang = width(line[:lead]) if lead > blanks else blanks + _HANG
    if 2 * hang > room:
        # under a lead of half the line there is no room to go on
        hang = min(blanks, room // 2)
    text = line[lead:]
    whole = tied(text)
    first, *words = whole.split(" ")
    parts = [line[:lead] + first]
    for word in words:
        if width(parts[-1]) + 1 + width(word) <= room:
            parts[-1] += f" {word}"
        elif word:
            parts.append(" " * hang + word)
    return parts if whole == text else [loose(part) for part in parts]
