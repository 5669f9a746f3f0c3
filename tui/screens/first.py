"""The first frame: where we are going, painted before the engine is loaded.

It lies under every other screen, and is seen again between two of them.
"""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content
from textual.widget import Widget

from ...core.target import Target
from ..widgets.banner import Standing
from ..widgets.paper import Paper
from ..words import words
from .stage import Stage


class FirstScreen(Stage[None]):
    """The rows that the next screen has, too: nothing jumps when it comes."""

    def __init__(self, standing: Standing, *, stage: str) -> None:
        super().__init__(standing, stage=stage)
        self._target = standing.target

    def body(self) -> Iterable[Widget]:
        """Where to, and from which source."""
        if self._target is not None:
            yield Paper(source_words(self._target), classes="facts")


def source_words(target: Target) -> Content:
    """Return where the target's values come from, and how the link is protected."""
    sources = ", ".join(sorted({it for it in target.sources.values() if not it.startswith("default")}))
    name = f"target {target.name}" if target.name else "target without a name"
    link = "no TLS" if target.sslmode == "disable" else f"TLS {target.sslmode}"
    if target.host.startswith("/"):
        link = "a socket of this machine"
    # the sources may be many: what protects the link is not cut off for them
    return words(f" {link}; {name}, from {sources or 'defaults'}", "dim")
