"""A past session on the run screen: the same reducer, an earlier clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import ClassVar, Final

from textual.binding import BindingType

from ...core.events import PlanConfirmed, SessionOpened
from ...core.troubles import first_error
from ...core.view import RunView, Stamped, reduce
from ..format import duration
from ..keys import bindings
from ..lines import Steps, line, steps_of
from ..widgets.banner import Standing
from .run import RunScreen

_FRAME: Final = 0.2
_SPEEDS: Final = (1, 2, 4, 8, 16, 64)
# A pause in which nothing happened is not sat through; seconds of the session.
_LONGEST_GAP: Final = 3.0
# How long the answer to a key stands before the clock goes on in its line; seconds.
_ANSWER: Final = 4.0


class ReplayScreen(RunScreen[None]):
    """Plays a session at its own pace or faster, or one event at a time."""

    STAGE: ClassVar[str] = "replay"
    # the one that is looked at has no say in it
    CLOSES: ClassVar[str] = "If its terminal was closed"
    BINDINGS: ClassVar[list[BindingType]] = bindings("replay")

    def __init__(self, standing: Standing, events: tuple[Stamped, ...]) -> None:
        super().__init__(standing, RunView())
        self._events = events
        self._taken = 0
        self._speed = _SPEEDS[0]
        self._paused = False
        self._told = 0
        # what the last event says, as the log has it
        self._steps: Steps = {}
        self._said = ""
        # whether the line of answers is behind the clock, and when a key was answered in it
        self._stale = False
        self._answered = -_ANSWER
        # the time of the session, in seconds since the epoch
        self._clock = events[0].at if events else 0.0
        self._ticked = time.monotonic()

    def on_mount(self) -> None:
        """Begin."""
        self._ticked = time.monotonic()
        self.set_interval(_FRAME, self._frame)
        self.call_after_refresh(self._tell)

    def _frame(self) -> None:
        now = time.monotonic()
        passed, self._ticked = now - self._ticked, now
        if not self._paused and self._taken < len(self._events):
            self._clock += passed * self._speed
            self._clock = max(self._clock, self._events[self._taken].at - _LONGEST_GAP)
            while self._taken < len(self._events) and self._events[self._taken].at <= self._clock:
                self._take()
            if self._taken == len(self._events) or int(self._clock) != self._told:
                self._stale = True
        if self._stale and now - self._answered >= _ANSWER:
            self._tell()
        self.paint(self._clock)

    def _take(self) -> None:
        stamped = self._events[self._taken]
        self.view = reduce(self.view, stamped)
        self._taken += 1
        if isinstance(stamped.event, PlanConfirmed):
            self._steps = {**self._steps, **steps_of(stamped.event.migrations)}
        self._said = line(stamped.event, self._steps) or self._said
        self._clock = max(self._clock, stamped.at)
        if isinstance(stamped.event, SessionOpened):
            self.stand(Standing(replay=True, said=stamped.event.target))

    def say(self, text: str, tone: str = "warn") -> None:
        """Answer a key; the clock leaves the answer alone for a while."""
        self._answered = time.monotonic()
        super().say(text, tone)

    def _tell(self) -> None:
        self._told, self._stale = int(self._clock), False
        if not self._events:
            super().say("This session has no events.")
            return
        if self._taken == len(self._events):
            span = self._events[-1].at - self._events[0].at
            super().say(f"The end of {self.view.session}: {len(self._events):,} events in {duration(span)}.", "head")
            return
        place = f"{self._taken:,} of {len(self._events):,}"
        at = f"{datetime.fromtimestamp(self._clock, UTC):%H:%M:%S}"
        if self._paused:
            super().say(f"Paused at {at}, {place}: {self._said or 'the beginning'}", "head")
        else:
            super().say(f"Replay of {at} UTC, {self._speed}x; event {place}", "head")

    def action_pause(self) -> None:
        """Stop the clock, or let it go on."""
        self._paused = not self._paused
        self._tell()

    def action_next_event(self) -> None:
        """Take one event, and pause."""
        self._paused = True
        if self._taken < len(self._events):
            self._take()
        self.paint(self._clock)
        self._tell()

    def why_not(self, action: str) -> str:
        """Nothing to jump to where nothing went wrong."""
        if action == "first_error" and first_error(self._events) is None:
            return "Nothing went wrong in this session."
        return ""

    def action_first_error(self) -> None:
        """Jump to the first thing that went wrong, and pause."""
        index = first_error(self._events)
        if index is None:
            return
        if index < self._taken:
            self.action_again()
        while self._taken <= index:
            self._take()
        self._paused = True
        self.paint(self._clock)
        self._tell()

    def action_faster(self) -> None:
        """Take the next speed, and after the last one the first."""
        self._speed = _SPEEDS[(_SPEEDS.index(self._speed) + 1) % len(_SPEEDS)]
        self._paused = False
        self._tell()

    def action_again(self) -> None:
        """Begin again."""
        self.view, self._taken, self._paused, self._said = RunView(), 0, False, ""
        self._clock = self._events[0].at if self._events else 0.0
        self._tell()

    def action_back(self) -> None:
        """Back to where we came from."""
        self.dismiss(None)
