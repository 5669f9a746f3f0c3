"""The question whom to end of those who block a run: its pid is typed, so that no single key can do it."""

from __future__ import annotations

from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Input

from ...core.events import Backend
from ..format import age
from ..keys import bindings
from ..widgets.field import Field
from ..widgets.paper import Paper
from ..widgets.room import Room
from ..words import cell, fit, joined, squeezed, stacked, words
from .question import DEAD_TIME

_SHOWN: Final = 4


class EndBlocker(ModalScreen[tuple[Backend, str] | None]):
    """Ends in the backend and how to end it, cancel or terminate; None where nobody is to be ended."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("end blocker")

    def __init__(self, blockers: tuple[Backend, ...], *, cancelled: frozenset[int]) -> None:
        super().__init__()
        self._blockers = blockers
        self._cancelled = cancelled
        self._armed = False
        self._quiet: Timer | None = None

    def compose(self) -> ComposeResult:
        """Put a box in the middle: who is in the way, and a line for the pid."""
        yield Room()
        with Vertical(id="question"):
            yield Paper(blockers_words(self._blockers, self._cancelled), id="asked")
            yield Field(name="pid")
            yield Paper(id="answers")

    def on_mount(self) -> None:
        """Take keys only once it could be read."""
        self.call_after_refresh(self._wait_for_quiet)

    def _wait_for_quiet(self) -> None:
        if self._quiet is not None:
            self._quiet.stop()
        self._quiet = self.set_timer(DEAD_TIME, self._arm)

    def _arm(self) -> None:
        self._armed = True

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        if not self._armed and event.value:
            event.input.value = ""
            self._wait_for_quiet()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        if not self._armed:
            self._wait_for_quiet()
            return
        chosen = next((it for it in self._blockers if str(it.pid) == event.value.strip()), None)
        if chosen is None:
            self._say("That is not the pid of one of them." if event.value else "Nothing is typed; esc goes back.")
        elif not chosen.endable:
            self._say(f"pid {chosen.pid} is not ended: {chosen.why_not}.")
        else:
            self.dismiss((chosen, how_to_end(chosen, self._cancelled)))

    def _say(self, text: str) -> None:
        self.query_one("#answers", Paper).write(words(text, "bad"), layout=True)

    def action_stay(self) -> None:
        """Leave everybody alone."""
        self.dismiss(None)


def how_to_end(blocker: Backend, cancelled: frozenset[int]) -> str:
    """Return what comes next for a blocker: cancel first, terminate once that was sent."""
    return "terminate" if blocker.pid in cancelled else "cancel"


def blockers_words(blockers: tuple[Backend, ...], cancelled: frozenset[int]) -> Content:
    """Return who is in the way, what each is doing, and what typing its pid would do."""
    lines: list[Content | None] = [words("End who blocks this run?", "bad", bold=True), Content("")]
    for blocker in blockers[:_SHOWN]:
        who = f"{blocker.application or blocker.kind or '?'} as {blocker.user or '?'}"
        doing = f"{blocker.state or 'not shown to us'} {age(blocker.xact_age)}"
        lines.append(joined(words(f"{blocker.pid:>7} ", bold=True), words(f"{who}, {doing}")))
        if blocker.query:
            lines.append(joined(" " * 8, words(fit(cell(squeezed(blocker.query)[:200]).text, 60).rstrip(), "dim")))
        lines.append(joined(" " * 8, _offer(blocker, cancelled)))
    if len(blockers) > _SHOWN:
        lines.append(words(f"        and {len(blockers) - _SHOWN} more", "dim"))
    lines += [Content(""), words("Type the pid and press enter; esc leaves them alone.")]
    return stacked(*lines)


def _offer(blocker: Backend, cancelled: frozenset[int]) -> Content:
    if not blocker.endable:
        return words(f"is not ended: {blocker.why_not}", "dim")
    if how_to_end(blocker, cancelled) == "terminate":
        return words("was cancelled: its pid now TERMINATES its connection; its work rolls back", "bad")
    return words("its pid cancels the statement it runs; its connection stays", "warn")
