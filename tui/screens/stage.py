"""What all screens of the path share: the first rows, the line that talks back, and the keys at the bottom."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget

from ..widgets.banner import Banner, Standing
from ..widgets.hints import Hints
from ..widgets.paper import Paper
from ..widgets.trail import PATH, READING_PATH, Trail
from ..words import NOTHING, words

ResultT = TypeVar("ResultT")


class Stage(Screen[ResultT], Generic[ResultT]):
    """A screen of the path. `body` composes what is its own; `say` answers in the line above the keys."""

    STAGE: ClassVar[str] = ""
    # Text selection belongs to the terminal: the mouse is off.
    ALLOW_SELECT: ClassVar[bool] = False
    AUTO_FOCUS: ClassVar[str | None] = "*"
    # whether the line of answers takes no room while it is empty
    FOLDS: ClassVar[bool] = False

    def __init__(self, standing: Standing, *, reading: bool = False) -> None:
        super().__init__()
        self._standing = standing
        self._path = READING_PATH if reading else PATH

    def compose(self) -> ComposeResult:
        """Banner, trail, body, answer, keys."""
        yield Banner(self._standing)
        yield Trail(self.STAGE, path=self._path)
        with Vertical(id="body"):
            yield from self.body()
        yield Paper(id="answer", classes="-empty" if self.FOLDS else None)
        yield Hints()

    def body(self) -> Iterable[Widget]:
        """Return the widgets of this screen."""
        return ()

    def say(self, text: str, tone: str = "warn") -> None:
        """Answer a key in words; an empty text takes the answer back."""
        content: Content = words(f" {text}", tone) if text else NOTHING
        answer = self.query_one("#answer", Paper)
        answer.set_class(self.FOLDS and not text, "-empty")
        answer.write(content)

    def stand(self, standing: Standing) -> None:
        """Show another standing in the first row."""
        self._standing = standing
        self.query_one(Banner).show(standing)
