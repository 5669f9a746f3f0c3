"""How many statements of how many: a bar that says it in numbers too."""

from __future__ import annotations

from textual.content import Content

from ..words import NOTHING, joined, words
from .paper import Paper


class Progress(Paper):
    """`━━━━━━━━────────  12 of 40 statements`."""

    def __init__(self) -> None:
        super().__init__(id="progress")
        self._state = (0, 0, "ok")

    def show(self, finished: int, total: int, *, tone: str = "ok") -> None:
        """Show that `finished` of `total` statements are behind us."""
        self._state = (finished, total, tone)
        self._paint()

    def on_resize(self) -> None:
        """Follow the width."""
        self._paint()

    def _paint(self) -> None:
        finished, total, tone = self._state
        if not total:
            # how many there are is not known before the plan is
            self.write(NOTHING)
            return
        said = f"  {finished:,} of {total:,} statements "
        room = max(0, self.size.width - len(said) - 1)
        filled = room * finished // total
        self.write(
            joined(
                " ",
                Content.styled("━" * filled, f"${tone}"),
                Content.styled("─" * (room - filled), "$rule"),
                words(said, "head"),
            )
        )
