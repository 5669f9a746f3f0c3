"""A run that is going on, followed and commanded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, ClassVar

from textual.binding import Binding, BindingType

from ...core.attach import Run
from ...core.errors import ChangeoverError, fault_of
from ...core.view import RunView, reduce
from ..widgets.banner import Standing
from .confirm import POLICIES
from .question import Choice, Question
from .run import RunScreen

# How often new facts are painted, at most; seconds. Nothing is painted where nothing has changed.
_FRAME = 0.2


class LiveRunScreen(RunScreen[str]):
    """Follows a run to its end; the result is `finished` or `leave`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "stop", "Stop", tooltip="stop now, or after this statement or migration; asks first"),
        Binding("t", "try_now", "Try now", tooltip="while it gives way: begin the next attempt at once"),
        Binding("q,escape", "leave", "Leave", tooltip="asks: leave, stop or stay"),
    ]

    def __init__(self, standing: Standing, view: RunView, run: Run) -> None:
        super().__init__(standing, view)
        self._run = run
        self._waiting = False

    def on_mount(self) -> None:
        """Follow the run."""
        self.set_interval(_FRAME, self._frame)
        self.run_worker(self._follow(), exit_on_error=False, name="follow")

    def _frame(self) -> None:
        self.paint(time.time())
        migration = self.view.current_migration
        waiting = migration is not None and migration.retry_at is not None
        if waiting != self._waiting:
            self._waiting = waiting
            self.refresh_bindings()

    async def _follow(self) -> None:
        taken = 0
        async for stamped in self._run.events():
            self.view = reduce(self.view, stamped)
            taken += 1
            if taken % 200 == 0:
                # a burst of events must not keep keys from being read
                await asyncio.sleep(0)
        self.paint(time.time())
        self.dismiss("finished")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Dim trying now, but during a wait."""
        del parameters
        return None if action == "try_now" and not self._waiting else True

    def action_stop(self) -> None:
        """Ask how to stop."""
        self._begin(self._ask_how_to_stop())

    def action_leave(self) -> None:
        """Ask: leave, stop or stay."""
        self._begin(self._ask_whether_to_leave())

    def action_try_now(self) -> None:
        """Cut the wait before the next attempt."""
        self.run_worker(self._run.try_now(), exit_on_error=False)

    def _begin(self, question: Coroutine[Any, Any, None]) -> None:
        self.run_worker(question, exit_on_error=False, exclusive=True, group="question")

    async def _ask_how_to_stop(self) -> None:
        answer = await self.app.push_screen_wait(stop_question())
        if answer != "stay":
            await self._stop(answer)

    async def _ask_whether_to_leave(self) -> None:
        answer = await self.app.push_screen_wait(leave_question(self.view.on_hangup))
        if answer == "leave":
            self.dismiss("leave")
        elif answer != "stay":
            await self._stop(answer)

    async def _stop(self, when: str) -> None:
        try:
            await self._run.stop(when)
        except ChangeoverError as error:
            self.say(fault_of(error).summary, "bad")
        else:
            self.say("Asked to stop. It is stopped when the server has confirmed it.", "warn")


def stop_question() -> Question:
    """Return the question of how to stop."""
    return Question(
        "Stop this run?",
        (
            Choice(key="n", answer="stay", label="No, let it go on"),
            Choice(key="x", answer="now", label="Stop now", effect="cancels the statement; the migration rolls back"),
            Choice(
                key="s", answer="after-statement", label="After this statement", effect="then the migration rolls back"
            ),
            Choice(
                key="m",
                answer="after-migration",
                label="After this migration",
                effect="it is applied; no further one is",
            ),
        ),
    )


def leave_question(on_hangup: str) -> Question:
    """Return the question at leaving: what goes on without us."""
    policy = POLICIES.get(on_hangup, POLICIES["finish"])
    return Question(
        "A run is going on.",
        (
            Choice(key="s", answer="stay", label="Stay"),
            Choice(key="l", answer="leave", label="Leave the console", effect=policy),
            Choice(key="x", answer="now", label="Stop now", effect="cancels the statement; the migration rolls back"),
        ),
    )
