"""The question whom to end of those who block a run: its pid is typed, so that no single key can do it."""

from __future__ import annotations

from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Input

from ...core.blockers import CANCEL, how_to_end
from ...core.events import Backend
from ..format import age
from ..keys import bindings
from ..widgets.field import Field
from ..widgets.paper import Paper
from ..widgets.room import Room
from ..words import cell, fit, joined, squeezed, stacked, words
from .left import Over
from .question import DEAD_TIME

_SHOWN: Final = 3
_ASKED: Final = stacked(
    words("End who blocks this run?", "bad", bold=True),
    words("Type the pid and press enter; esc leaves them alone."),
)


class EndBlocker(Over[tuple[Backend, str] | None]):
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
            # the line to type into comes first: a low window cuts the list and never it
            yield Paper(_ASKED, id="asked")
            yield Field(name="pid")
            yield Paper(id="answers")
            yield Paper(blockers_words(self._blockers, self._cancelled))

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
        elif event.value:
            # what was said of another pid does not hold for this one
            self._say("")

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


def blockers_words(blockers: tuple[Backend, ...], cancelled: frozenset[int]) -> Content:
    """Return who is in the way, what each is doing, and what typing its pid would do."""
    lines: list[Content | None] = []
    for blocker in blockers[:_SHOWN]:
        who = f"{_short(blocker.application or blocker.kind, 26)} as {_short(blocker.user, 14)}"
        doing = f"{blocker.state or 'not shown to us'} {age(blocker.xact_age)}"
        lines.append(joined(words(f"{blocker.pid:>7} ", bold=True), words(f"{who}, {doing}")))
        if blocker.query:
            lines.append(joined(" " * 8, words(_short(squeezed(blocker.query)[:200], 60), "dim")))
        lines.append(joined(" " * 8, _offer(blocker, cancelled)))
    if len(blockers) > _SHOWN:
        lines.append(words(f"        and {len(blockers) - _SHOWN} more", "dim"))
    return stacked(*lines)


def _short(text: str | None, width: int) -> str:
    return fit(cell(text or "?").text, width).rstrip()


def _offer(blocker: Backend, cancelled: frozenset[int]) -> Content:
    if not blocker.endable:
        return words(f"is not ended: {blocker.why_not}", "dim")
    if how_to_end(blocker, cancelled) == CANCEL:
        return words("its pid cancels the statement it runs; its connection stays", "warn")
    why = "cancelled" if blocker.pid in cancelled else "runs nothing"
    return words(f"{why}: its pid TERMINATES the connection; it rolls back", "bad")
