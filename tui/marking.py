"""Words that are sought, set off where they stand: by reversed colours, which need no colour."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from textual.content import Content

MARK: Final = "reverse"


class Marker:
    """Finds sought words, of any case, in text."""

    def __init__(self, sought: Sequence[str] = ()) -> None:
        self.sought = tuple(sought)
        # the longest first: of two that begin at the same place it is the one to be seen
        longest = sorted((re.escape(word) for word in sought if word), key=len, reverse=True)
        self._pattern = re.compile("|".join(longest), re.IGNORECASE) if longest else None

    def places(self, text: str) -> list[tuple[int, int]]:
        """Return where the words stand: the first letter, and the one after the last."""
        return [found.span() for found in self._pattern.finditer(text)] if self._pattern is not None else []

    def marked(self, content: Content) -> Content:
        """Return `content` with the words set off."""
        for start, end in self.places(content.plain):
            content = content.stylize(MARK, start, end)
        return content
