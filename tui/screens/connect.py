"""Connecting: every attempt, why it failed, and how long until the next one."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType
from textual.widget import Widget

from ...core.errors import Fault
from ...core.target import Target
from ...core.view import AttemptView, RunView
from ..format import duration
from ..keys import bindings
from ..widgets.attempts import Attempts
from ..widgets.banner import Standing
from ..widgets.paper import Paper
from ..words import NOTHING, fault_words, words
from .first import source_words
from .stage import Stage

if TYPE_CHECKING:
    # the driver is loaded after the first frame
    from ...core.connect import WaitCutter


class ConnectScreen(Stage[str]):
    """Follows the attempts; the result is `connected`, `retry`, `edit` or `leave`."""

    STAGE: ClassVar[str] = "connect"
    BINDINGS: ClassVar[list[BindingType]] = bindings("connect")

    def __init__(self, standing: Standing, *, cut: WaitCutter, target: Target) -> None:
        super().__init__(standing)
        self._cut = cut
        self._target = target
        self._attempts: tuple[AttemptView, ...] = ()
        self._failed = False
        # set when the operator gives up; the attempts are then ended from outside
        self.gave_up = asyncio.Event()
        # set once there is something to show an attempt on
        self.is_up = asyncio.Event()

    def body(self) -> Iterable[Widget]:
        """Where to and from which source, the attempts, what is being waited for, and the fault in the end."""
        yield Paper(source_words(self._target), classes="facts")
        attempts = Attempts()
        # the keys are the screen's: `g` gives up
        attempts.can_focus = False
        yield attempts
        yield Paper(id="countdown")
        yield Paper(id="reason")
        yield Paper(id="fault")

    def on_mount(self) -> None:
        """Count down once a second."""
        self.set_interval(1.0, self._tick)
        self.is_up.set()

    def follow(self, view: RunView) -> None:
        """Show the attempts so far."""
        self._attempts = view.attempts
        self.query_one(Attempts).follow(view.attempts)
        if self._failed:
            return
        last = next((attempt.fault for attempt in reversed(view.attempts) if attempt.fault is not None), None)
        self.query_one("#reason", Paper).write(fault_words(last) if last is not None else NOTHING, layout=True)
        self._tick()

    def fail(self, fault: Fault) -> None:
        """No attempt is left: say why, and what can be done."""
        self._failed = True
        self.query_one("#countdown", Paper).write(NOTHING)
        self.query_one("#reason", Paper).write(NOTHING, layout=True)
        self.query_one("#fault", Paper).write(fault_words(fault), layout=True)
        self.say("t tries again from the start, e edits the target, q ends the console", "head")
        self.refresh_bindings()

    def why_not(self, action: str) -> str:
        """Once nothing is tried any more there is nothing to give up."""
        return "Nothing is being tried any more; t tries again." if action == "give_up" and self._failed else ""

    def _tick(self) -> None:
        if self._failed:
            return
        self.query_one("#countdown", Paper).write(words(waiting_words(self._attempts, time.time()), "head"))

    def action_try_now(self) -> None:
        """Cut the wait, or begin again after the last attempt."""
        if self._failed:
            self.dismiss("retry")
        elif self._attempts and self._attempts[-1].next_at is not None:
            self._cut.try_now()
        else:
            self.say("An attempt is under way already; g gives up.")

    def action_give_up(self) -> None:
        """Stop trying: the wait ends, an attempt under way is abandoned."""
        if not self._failed:
            self._cut.give_up()
            self.gave_up.set()

    def action_edit(self) -> None:
        """Name another database."""
        self._cut.give_up()
        self.dismiss("edit")

    def action_leave(self) -> None:
        """End the console."""
        self._cut.give_up()
        self.dismiss("leave")


def waiting_words(attempts: tuple[AttemptView, ...], now: float) -> str:
    """Return what is being waited for, in whole seconds."""
    if not attempts:
        return ""
    last = attempts[-1]
    if last.next_at is not None:
        left = max(0, math.ceil(last.next_at - now))
        return f" attempt {last.number + 1} of {last.of} in {left} s"
    if last.elapsed is None:
        spent = max(0, int(now - last.started_at))
        return f" trying for {spent} s; an attempt may take {duration(last.deadline)}"
    return ""
