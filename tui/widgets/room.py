"""What a window that is too small shows instead of a screen."""

from __future__ import annotations

from typing import Final

from ..words import words
from .paper import Paper

# Below this no screen can be read; columns and lines.
LEAST_WIDTH: Final = 60
LEAST_HEIGHT: Final = 16


class Room(Paper):
    """One line that asks for a larger window. Nothing else changes: what runs goes on."""

    def __init__(self) -> None:
        super().__init__(id="room")

    def on_resize(self) -> None:
        """Say how large the window is, and how large it has to be."""
        size = self.app.size
        least = f"{LEAST_WIDTH}x{LEAST_HEIGHT}"
        said = f"Enlarge to {least} (now {size.width}x{size.height}); all goes on."
        short = f"Enlarge to {least}"
        self.write(words(said if len(said) <= size.width else short, "warn", bold=True), layout=True)
