"""The lines of a log that are shown: all, or those that a filter leaves; and the search among them."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

from .log_lines import LogLine, LogLines

# Lines that are looked at before a key can be answered.
BATCH: Final = 1000


class SelectedLines:
    """Rows of a log; what takes long is done in parts, each of which may be run in a thread."""

    def __init__(self, lines: LogLines) -> None:
        self._lines = lines
        # how many of the lines are known here: what is read in a thread comes with `grow`
        self.known = len(lines)
        self.filter = ""
        # of the lines that were asked, which have the filter's words
        self._left: array[int] = array("L")
        self.asked = 0

    def __len__(self) -> int:
        return len(self._left) if self.filter else self.known

    def __getitem__(self, row: int) -> LogLine:
        return self._lines[self.number_at(row)]

    def number_at(self, row: int) -> int:
        """Return the number of a row's line among all; -1 where no row is."""
        if not len(self):
            return -1
        return self._left[row] if self.filter else row

    def row_of(self, number: int) -> int:
        """Return the row of a line, or of the first one after it that is shown; of the last where none is."""
        row = bisect_left(self._left, number) if self.filter else number
        return max(0, min(row, len(self) - 1))

    def has(self, number: int) -> bool:
        """Whether a line is shown."""
        return bool(len(self)) and self.number_at(self.row_of(number)) == number

    def grow(self) -> int:
        """Take in what was read since; return how many lines that are."""
        before, self.known = self.known, len(self._lines)
        return self.known - before

    def filter_by(self, typed: str) -> None:
        """Begin to show only lines that have these words."""
        self.filter, self._left, self.asked = typed, array("L"), 0

    def to_ask(self) -> range:
        """Return the numbers of the lines that the filter looks at next; empty where it has looked at all."""
        return range(self.asked, min(self.known, self.asked + BATCH) if self.filter else self.asked)

    def keep(self, found: Sequence[int], asked: range) -> None:
        """Show these lines, too: the ones among `asked` that have the words."""
        self._left.extend(found)
        self.asked = asked.stop

    def that_have(self, typed: str, numbers: Sequence[int]) -> list[int]:
        """Return which of these lines have the words."""
        sought = typed.lower().split()
        return [number for number in numbers if self._lines[number].has(sought)]

    def first_that_has(self, typed: str, numbers: Sequence[int]) -> int | None:
        """Return the first of these lines that has the words."""
        sought = typed.lower().split()
        return next((number for number in numbers if self._lines[number].has(sought)), None)

    def numbers(self) -> Sequence[int]:
        """Return the numbers of the lines that are shown now."""
        return self._left[:] if self.filter else range(self.known)

    def around(self, row: int, step: int) -> Iterator[list[int]]:
        """Yield the numbers of all lines that are shown, from `row` on by 1 or -1 and around, in parts."""
        shown = self.numbers()
        rows = len(shown)
        for begin in range(0, rows, BATCH):
            yield [shown[(row + step * way) % rows] for way in range(begin, min(rows, begin + BATCH))]
