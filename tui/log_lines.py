"""A session log as lines to read: when, how grave, what. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ..core.events import NoticeRaised, PlanConfirmed
from ..core.troubles import is_trouble
from ..core.view import Stamped
from .lines import line, steps_of


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One event in words."""

    # index of its event
    index: int
    # UTC, to the millisecond
    at: str
    # FAIL, warn or empty
    level: str
    text: str

    @property
    def plain(self) -> str:
        """As it is written into a file."""
        return f"{self.at}  {self.level:<4}  {self.text}"


def log_lines(events: Sequence[Stamped]) -> tuple[LogLine, ...]:
    """Return the lines of a session; an event that says nothing beside its neighbours has none."""
    steps = {key: step for it in events if isinstance(it.event, PlanConfirmed)
             for key, step in steps_of(it.event.migrations).items()}  # fmt: skip
    found: list[LogLine] = []
    for index, stamped in enumerate(events):
        said = line(stamped.event, steps)
        if said is not None:
            level = ""
            if is_trouble(stamped.event):
                level = "warn" if isinstance(stamped.event, NoticeRaised) else "FAIL"
            at = f"{datetime.fromtimestamp(stamped.at, UTC):%H:%M:%S.%f}"[:-3]
            found.append(LogLine(index=index, at=at, level=level, text=said))
    return tuple(found)


def matching(lines: Sequence[LogLine], typed: str) -> tuple[LogLine, ...]:
    """Return the lines that have every typed word; all for no word."""
    words = typed.lower().split()
    return tuple(each for each in lines if all(word in f"{each.level} {each.text}".lower() for word in words))
