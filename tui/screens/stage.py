"""What all screens of the path share: the first rows, the line that talks back, and the keys at the bottom."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Final, Generic, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import ActiveBinding
from textual.containers import Vertical
from textual.content import Content
from textual.events import Key, Mount, ScreenResume
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input

from ..keys import KEYS
from ..widgets.banner import Banner, Standing
from ..widgets.hints import Hints
from ..widgets.paper import Paper
from ..widgets.room import LEAST_WIDTH, Room
from ..widgets.text_scroll import AboveQuestion
from ..widgets.trail import PATH, READING_PATH, Trail
from ..words import NOTHING, words
from .left import LeftOnce

ResultT = TypeVar("ResultT")

# Cells of an answer that takes one row in the smallest window that anything is drawn in.
_ONE_ROW: Final = LEAST_WIDTH - 2
# How long it is said why a key does nothing, where no other key is pressed: it may be so no more; seconds.
REASON_STAYS: Final = 10.0


class Stage(LeftOnce[ResultT], Generic[ResultT]):
    """A screen of the path. `body` composes what is its own; `say` answers in the line above the keys."""

    STAGE: ClassVar[str] = ""
    # Text selection belongs to the terminal: the mouse is off.
    ALLOW_SELECT: ClassVar[bool] = False
    AUTO_FOCUS: ClassVar[str | None] = "*"
    # whether the line of answers takes no room while it is empty
    FOLDS: ClassVar[bool] = False
    # whether the key that copies does so here
    COPIES: ClassVar[bool] = True
    # places of the registry whose keys do not exist here, and why
    ABSENT: ClassVar[dict[str, str]] = {}

    def __init__(self, standing: Standing, *, reading: bool = False, stage: str = "") -> None:
        super().__init__()
        self.stage = stage or self.STAGE
        self._standing = standing
        self._path = READING_PATH if reading else PATH
        # keys are asked for before there are widgets that know why they do nothing
        self._is_there = False
        # what it ends in, as long as something is above it
        self._ends_in: list[ResultT | None] = []
        # why the last key did nothing, and what was said before that
        self._why: tuple[Content, Content] | None = None
        self._why_ends: Timer | None = None

    def compose(self) -> ComposeResult:
        """Banner, trail, body, answer, keys."""
        yield Room()
        yield Banner(self._standing)
        yield Trail(self.stage, path=self._path)
        with Vertical(id="body"):
            yield from self.body()
        yield Paper(id="answer", classes="-empty" if self.FOLDS else None)
        yield Hints()

    def body(self) -> Iterable[Widget]:
        """Return the widgets of this screen."""
        return ()

    def why_not(self, action: str) -> str:
        """Return why `action` does nothing at the moment, empty where it does something."""
        del action
        return ""

    def why_dim(self, active: ActiveBinding) -> str:
        """Return why one of this screen's keys does nothing at the moment, empty where it does something."""
        return "" if active.enabled else self.why_not(active.binding.action.partition("(")[0])

    def copied(self) -> str:
        """Return what the key that copies should take: the chosen row or text; empty where there is nothing."""
        return ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Dim the keys that do nothing now."""
        del parameters
        return None if self._is_there and self.why_not(action) else True

    @on(Mount)
    def _arrived(self) -> None:
        self._is_there = True
        self.call_after_refresh(self.refresh_bindings)

    def finish(self, result: ResultT | None) -> None:
        """End in `result` once nothing is above this screen: what is read there is not taken away.

        Textual's own `dismiss` ends whatever is on top.
        """
        if self.is_active:
            self.dismiss(result)
        else:
            self._ends_in = [result]

    @on(ScreenResume)
    def _uncovered(self) -> None:
        if self._ends_in:
            self.dismiss(self._ends_in.pop())

    @on(Key)
    def _explained(self, event: Key) -> None:
        """Say why a key does nothing, where it is dim or does not exist on this screen."""
        active = self.active_bindings.get(event.key)
        reason = self.why_dim(active) if active is not None and active.node is self else self._why_absent(event.key)
        if not reason and active is None and event.is_printable and not any(it.display for it in self.query(Input)):
            letter = event.key if event.key == "space" else event.character
            reason = f"{letter} does nothing here; ? shows the keys that do."
        self._take_back()
        if reason:
            before = self.query_one("#answer", Paper).written
            self.say(reason)
            self._why = (self.query_one("#answer", Paper).written, before)
            self._why_ends = self.set_timer(REASON_STAYS, self._take_back)

    def _take_back(self) -> None:
        """Say again what was said before a key that did nothing, unless something else was said since."""
        if self._why_ends is not None:
            self._why_ends.stop()
        answer = self.query_one("#answer", Paper)
        if self._why is not None and answer.written is self._why[0]:
            self._put(self._why[1])
        self._why = None

    def _why_absent(self, name: str) -> str:
        for place, reason in self.ABSENT.items():
            for key in KEYS[place]:
                if name in key.keys.split(","):
                    return f"{key.label} is not here: {reason}"
        return ""

    def say(self, text: str, tone: str = "warn") -> None:
        """Answer a key in words; an empty text takes the answer back."""
        self._put(words(text, tone) if text else NOTHING)

    def _put(self, content: Content) -> None:
        answer = self.query_one("#answer", Paper)
        answer.set_class(self.FOLDS and not content, "-empty")
        longest = max(content.cell_length, answer.written.cell_length)
        answer.write(content, layout=longest > _ONE_ROW)

    def stand(self, standing: Standing) -> None:
        """Show another standing in the first row."""
        self._standing = standing
        self.query_one(Banner).show(standing)


class Asking(Stage[ResultT]):
    """A screen whose answer has the focus, while keys scroll what it is about."""

    def action_look(self, by: int) -> None:
        """Scroll it by lines."""
        self.query_one(AboveQuestion).look(by)

    def action_look_page(self, by: int) -> None:
        """Scroll it by pages."""
        self.query_one(AboveQuestion).look_page(by)
