"""What has changed on the screen, as bytes for the terminal: the cells that are others, and nothing beside them.

Textual's own writes each changed line from the left edge of its widget up to the change; on a wide window that is most
of what a run sends.
"""

from __future__ import annotations

from rich.console import Console
from rich.control import Control
from textual._compositor import ChopsUpdate


class Spans(ChopsUpdate):
    """The spans of Textual's update, each cut at both ends."""

    @classmethod
    def of(cls, update: ChopsUpdate) -> Spans:
        """Return the same update."""
        return cls(update.chops, update.spans, update.chop_ends)

    def render_segments(self, console: Console) -> str:
        """Return what to write: for each span the place of its first cell, then its cells."""
        written: list[str] = []
        for y, first, last in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                left, right = max(x, first), min(end, last)
                if strip is not None and left < right:
                    written.append(Control.move_to(left, y).segment.text)
                    written.append(strip.crop(left - x, right - x).render(console))
        return "".join(written)
