"""A run that is going on, followed and commanded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, ClassVar, Final

from textual.binding import BindingType

from ...core.attach import Run
from ...core.errors import ChangeoverError, NeedsAttention, fault_of
from ...core.events import Backend, BlockerEndAnswered
from ...core.view import RunView, reduce
from ..keys import bindings
from ..widgets.banner import Standing
from .confirm import POLICIES
from .end_blocker import EndBlocker
from .question import Choice, Question
from .run import RunScreen

# How often new facts are painted, at most; seconds. Nothing is painted where nothing has changed.
_FRAME = 0.2
# What is said to who asked the run to stop: only a stop at once asks something of the server.
_ASKED: Final = {
    "now": "Asked to stop. It is stopped when the server has confirmed it.",
    "after-statement": "Asked to stop once this statement is done.",
    "after-migration": "Asked to stop once this migration is done.",
}


class LiveRunScreen(RunScreen[str]):
    """Follows a run to its end; the result is `finished` or `leave`."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("run, live")

    def __init__(self, standing: Standing, view: RunView, run: Run) -> None:
        super().__init__(standing, view)
        self._run = run
        # what decides which keys do something: waiting for the next attempt, blocked, ending blockers allowed
        self._keys = (False, False, False)
        # what is asked about the run at the moment
        self._question: Question | EndBlocker | None = None

    def on_mount(self) -> None:
        """Follow the run."""
        self.set_interval(_FRAME, self._frame)
        self.run_worker(self._follow(), exit_on_error=False, name="follow")

    def _frame(self) -> None:
        self.paint(time.time())
        migration = self.view.current_migration
        waiting = migration is not None and migration.retry_at is not None
        now = (waiting, bool(self._blockers), self.view.end_blockers)
        if now != self._keys:
            self._keys = now
            self.refresh_bindings()
            # why a key did nothing may not be true any more
            self._take_back()

    @property
    def _blockers(self) -> tuple[Backend, ...]:
        """Who is in the way now, or was in the way of the attempt that has just given way."""
        if self.view.locks is not None:
            return self.view.locks.blockers
        migration = self.view.current_migration
        return migration.blockers if migration is not None and migration.retry_at is not None else ()

    async def _follow(self) -> None:
        taken = 0
        try:
            async for stamped in self._run.events():
                self.view = reduce(self.view, stamped)
                if isinstance(stamped.event, BlockerEndAnswered):
                    self.say(ended_words(stamped.event), "warn" if stamped.event.sent else "bad")
                taken += 1
                if taken % 200 == 0:
                    # a burst of events must not keep keys from being read
                    await asyncio.sleep(0)
        except NeedsAttention as error:
            # the runner died; what it said is in the view
            back = Choice(key="b", answer="back", label="Back")
            await self.app.push_screen_wait(Question("", (back,), fault=fault_of(error)))
        self.paint(time.time())
        if self._question is not None and self._question.is_active:
            # there is nothing left to stop, to leave, or that somebody blocks
            self._question.action_stay()
        self.finish("finished")

    def why_not(self, action: str) -> str:
        """Dim what does nothing now."""
        waiting, blocked, may_end = self._keys
        match action:
            case "try_now" if not waiting:
                return "Nothing is waited for: the attempt is under way."
            case "give_up" if not (waiting or blocked):
                return "Nothing is waited for; x stops the run."
            case "end_blocker" if not self.view.run:
                return "The run is only starting: nobody blocks it yet."
            case "end_blocker" if not may_end:
                return "Not allowed here: end_blockers = true in the target's settings allows it."
            case "end_blocker" if not blocked:
                return "Nobody blocks this run now."
            case _:
                return ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave `g` to the list as long as there is nothing to give up."""
        if action == "give_up" and self.why_not(action):
            return False
        return super().check_action(action, parameters)

    def action_stop(self) -> None:
        """Ask how to stop."""
        self._begin(self._ask_how_to_stop())

    def action_leave(self) -> None:
        """Ask: leave, stop or stay."""
        self._begin(self._ask_whether_to_leave())

    def action_try_now(self) -> None:
        """Cut the wait before the next attempt."""
        self.run_worker(self._run.try_now(), exit_on_error=False)

    def action_give_up(self) -> None:
        """Let no further attempt begin."""
        self.run_worker(self._run.give_up(), exit_on_error=False)
        self.say("Given up: no further attempt begins.", "warn")

    def action_end_blocker(self) -> None:
        """Ask which blocker to end."""
        self._begin(self._ask_whom_to_end())

    async def _ask_whom_to_end(self) -> None:
        blockers = self._blockers
        if not any(blocker.endable for blocker in blockers):
            reasons = "; ".join(f"pid {it.pid}: {it.why_not}" for it in blockers)
            self.say(f"Nobody here can be ended. {reasons}", "warn")
            return
        self._question = box = EndBlocker(blockers, cancelled=self.view.cancelled)
        picked = await self.app.push_screen_wait(box)
        if picked is not None:
            blocker, how = picked
            await self._run.end_blocker(blocker, how)

    def _begin(self, question: Coroutine[Any, Any, None]) -> None:
        self.run_worker(question, exit_on_error=False, exclusive=True, group="question")

    async def _answer_to(self, question: Question) -> str:
        self._question = question
        return await self.app.push_screen_wait(question)

    async def _ask_how_to_stop(self) -> None:
        answer = await self._answer_to(stop_question())
        if answer != "stay":
            await self._stop(answer)

    async def _ask_whether_to_leave(self) -> None:
        answer = await self._answer_to(leave_question(self.view.on_hangup))
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
            self.say(_ASKED.get(when, _ASKED["now"]), "warn")


def ended_words(event: BlockerEndAnswered) -> str:
    """Return what became of ending a blocker."""
    if event.sent:
        return f"The {event.how} of pid {event.pid} was sent."
    return f"The {event.how} of pid {event.pid} was not sent: {event.reason}."


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
