"""A question over a screen, with the harmless answer chosen."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.events import Key
from textual.timer import Timer

from ...core.errors import Fault
from ..keys import bindings
from ..widgets.paper import Paper
from ..widgets.room import Room
from ..words import fault_words, joined, stacked, words
from .left import Over

# Keys that were typed before the question could be read do not answer it; seconds.
DEAD_TIME = 0.4


class Choice(Struct, frozen=True, kw_only=True):
    """An answer: its letter, its words, what it does."""

    key: str
    answer: str
    label: str
    effect: str = ""


class Question(Over[str]):
    """Asks; the result is the `answer` of the choice. Escape is the first choice, which must be harmless."""

    AUTO_FOCUS: ClassVar[str | None] = None
    BINDINGS: ClassVar[list[BindingType]] = bindings("question")

    def __init__(self, title: str, choices: tuple[Choice, ...], *, fault: Fault | None = None) -> None:
        super().__init__()
        self._asked = words(title, "warn", bold=True) if fault is None else fault_words(fault)
        self._choices = choices
        self._chosen = 0
        self._armed = False
        self._quiet: Timer | None = None

    def compose(self) -> ComposeResult:
        """Put a box in the middle."""
        yield Room()
        with Vertical(id="question"):
            yield Paper(self._asked, id="asked")
            yield Paper(self._answers(), id="answers")

    def on_mount(self) -> None:
        """Listen only once it could be read."""
        self.call_after_refresh(self._wait_for_quiet)

    def _wait_for_quiet(self) -> None:
        if self._quiet is not None:
            self._quiet.stop()
        self._quiet = self.set_timer(DEAD_TIME, self._arm)

    def _arm(self) -> None:
        self._armed = True

    def _answers(self) -> Content:
        lines: list[Content] = []
        for index, choice in enumerate(self._choices):
            chosen = index == self._chosen
            label = Content.styled(f" {choice.label} ", "bold reverse" if chosen else "bold")
            mark = "> " if chosen else "  "
            lines.append(joined(words(mark, "key"), words(choice.key, "key", bold=True), "  ", label))
            if choice.effect:
                lines.append(joined("      ", words(choice.effect, "dim")))
        return stacked(*lines)

    def on_key(self, event: Key) -> None:
        """Take the letter of an answer; what comes in one rush was typed before the question could be read."""
        if not self._armed:
            self._wait_for_quiet()
            return
        for choice in self._choices:
            if choice.key == event.key:
                # answered: the screen below must not take the key for one of its own
                event.stop()
                self.dismiss(choice.answer)
                return

    def action_move(self, by: int) -> None:
        """Choose another answer."""
        self._chosen = (self._chosen + by) % len(self._choices)
        self.query_one("#answers", Paper).write(self._answers())

    def action_take(self) -> None:
        """Give the chosen answer."""
        if self._armed:
            self.dismiss(self._choices[self._chosen].answer)
        else:
            self._wait_for_quiet()

    def action_stay(self) -> None:
        """Give the harmless answer."""
        self.dismiss(self._choices[0].answer)
