"""A paragraph that is only repainted when its words have changed."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from ..words import NOTHING


class Paper(Static):
    """Static text, given as `Content`. Its place on screen does not move when the words change."""

    def __init__(
        self,
        content: Content = NOTHING,
        *,
        id: str | None = None,  # noqa: A002 - the name that Textual gives it
        classes: str | None = None,
    ) -> None:
        super().__init__(content, markup=False, id=id, classes=classes)
        self._written = content

    @property
    def written(self) -> Content:
        """What stands on it."""
        return self._written

    def write(self, content: Content, *, layout: bool = False) -> None:
        """Show other words; `layout` where its height may change with them."""
        if content != self._written or content.spans != self._written.spans:
            self._written = content
            self.update(content, layout=layout)
