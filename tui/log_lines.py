"""A session log as lines to read: when, how grave, what. Made when they are looked at, and kept only for a while."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from msgspec import Struct

from ..core.events import NoticeRaised, PlanConfirmed
from ..core.session_reader import SessionReader
from ..core.troubles import is_trouble
from ..core.view import Stamped
from .lines import Steps, line, steps_of

_LEVELS: Final = ("", "warn", "FAIL")
# Lines that are kept as text: some screens full, and what a filter has just looked at.
_KEPT: Final = 2000


class LogLine(Struct, frozen=True, kw_only=True):
    """One event in words."""

    # UTC, to the millisecond
    at: str
    # FAIL, warn or empty
    level: str
    text: str

    @property
    def plain(self) -> str:
        """As it is written into a file."""
        return f"{self.at}  {self.level:<4}  {self.text}"

    def has(self, typed: Sequence[str]) -> bool:
        """Whether every typed word (lower case) is in the line."""
        text = f"{self.level} {self.text}".lower()
        return all(word in text for word in typed)


class LogLines:
    """The lines of a session by number: of each only its place and how grave it is are held, 14 bytes."""

    def __init__(self, reader: SessionReader) -> None:
        self._reader = reader
        self._files = array("B")
        self._offsets = array("Q")
        self._levels = bytearray()
        self._steps: Steps = {}
        self._made = lru_cache(_KEPT)(self._make)

    def __len__(self) -> int:
        return len(self._levels)

    def __getitem__(self, number: int) -> LogLine:
        return self._made(number)

    def read(self, most: int) -> bool:
        """Read on, at most `most` events; False where all was read that is there now."""
        found = self._reader.read(most)
        for each in found:
            event = each.stamped.event
            if isinstance(event, PlanConfirmed):
                self._steps = {**self._steps, **steps_of(event.migrations)}
            if line(event, self._steps) is not None:
                self._files.append(each.file)
                self._offsets.append(each.offset)
                self._levels.append(level_of(each.stamped))
        return len(found) == most

    @property
    def has_trouble(self) -> bool:
        """Whether anything went wrong, as far as it was read."""
        return any(self._levels)

    def next_trouble(self, after: int) -> int | None:
        """Return the number of the first trouble behind line `after`, else of the very first; None without any."""
        found = [place for place in (self._first(after + 1), self._first(0)) if place is not None]
        return found[0] if found else None

    def previous_trouble(self, before: int) -> int | None:
        """Return the number of the last trouble ahead of line `before`, else of the very last; None without any."""
        found = [place for place in (self._last(max(before, 0)), self._last(len(self))) if place is not None]
        return found[0] if found else None

    def _last(self, end: int) -> int | None:
        places = [place for place in (self._levels.rfind(level, 0, end) for level in (1, 2)) if place >= 0]
        return max(places, default=None)

    def _first(self, start: int) -> int | None:
        places = [place for place in (self._levels.find(level, start) for level in (1, 2)) if place >= 0]
        return min(places, default=None)

    def _make(self, number: int) -> LogLine:
        stamped = self._reader.event(self._files[number], self._offsets[number])
        at = f"{datetime.fromtimestamp(stamped.at, UTC):%H:%M:%S.%f}"[:-3]
        return LogLine(at=at, level=_LEVELS[self._levels[number]], text=line(stamped.event, self._steps) or "")


def level_of(stamped: Stamped) -> int:
    """Return how grave an event is: nothing, a warning of the server, or more."""
    if not is_trouble(stamped.event):
        return 0
    return 1 if isinstance(stamped.event, NoticeRaised) else 2
