"""Text that is longer than its place."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType
from textual.containers import VerticalScroll

from ..keys import bindings


class TextScroll(VerticalScroll):
    """Scrolls by the same keys as a list."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("text")


class AboveQuestion(VerticalScroll, can_focus=False):
    """What is asked about; the answer has the focus, and the screen's own keys scroll this.

    Its screen has the bindings `above a question`.
    """

    def look(self, by: int) -> None:
        """Scroll by so many lines."""
        self.scroll_relative(y=by, animate=False)

    def look_page(self, by: int) -> None:
        """Scroll by so many pages."""
        self.look(by * max(1, self.size.height - 1))
