"""The keys and words of the screen below, from its own bindings."""

from __future__ import annotations

import textwrap
from typing import ClassVar, Final

from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import Screen

from ..format import visible
from ..keys import bindings, key_name
from ..widgets.hints import depth_of
from ..widgets.paper import Paper
from ..widgets.room import Room
from ..widgets.text_scroll import TextScroll
from ..words import joined, stacked, words
from .left import Over
from .stage import Stage

# Words that a screen uses and that may be new.
WORDS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "overview": (
        ("pending", "in the folder, not in the database"),
        ("deferred", "in force, with a conditional step that still waits"),
        ("changed", "the file was edited after it was applied"),
        ("in doubt", "an attempt began and its end is not recorded"),
    ),
    "pre-check": (
        ("satisfied", "nothing left to do; the step is skipped"),
        ("different", "there, in another form; the plan converts it"),
        ("conflict", "there, in another form; nothing converts it"),
        ("missing", "needed and not there"),
        ("deferred", "its condition does not hold yet"),
        ("unknowable", "only running it tells"),
    ),
    "run": (
        ("skip", "the catalog shows that it is done already"),
        ("defer", "its condition does not hold; offered again later"),
        ("held by", "what the migration waits for; indented: who blocks that one"),
        ("behind us", "what waits because of the migration; indented: only by way of another"),
    ),
}


# Cells of the column of keys, and of what they do beside it.
_KEYS: Final = 16
_ROOM: Final = 52
# What moves in a list or a text: together in a line, because nobody has to look these keys up.
_MOVES: Final = ("move(", "page(", "edge(", "scroll_", "page_", "look", "app.focus_")


class Help(Over[None]):
    """Every key of a screen, and its words."""

    AUTO_FOCUS: ClassVar[str | None] = "TextScroll"
    BINDINGS: ClassVar[list[BindingType]] = bindings("help")

    def __init__(self, below: Screen[object], stage: str) -> None:
        super().__init__()
        self._content = help_words(below, stage)

    def compose(self) -> ComposeResult:
        """Put a box in the middle."""
        yield Room()
        with Vertical(id="help"), TextScroll():
            yield Paper(self._content)

    def action_close(self) -> None:
        """Go back."""
        self.dismiss(None)


def _told(text: str, tone: str = "text") -> Content:
    """Return what a key does, in lines that begin under each other, beside the keys."""
    return words(f"\n{'':<{_KEYS}}".join(textwrap.wrap(visible(text), _ROOM)), tone, lines=True)


def help_words(below: Screen[object], stage: str) -> Content:
    """Return the keys of `below`, each action once with all its keys, then the words of the stage.

    A key that does nothing now says why. Those that work on every screen stand together in a line.
    """
    keys: dict[str, list[str]] = {}
    said: dict[str, Content] = {}
    everywhere: dict[str, str] = {}
    for key, active in below.active_bindings.items():
        binding, depth = active.binding, depth_of(active)
        if binding.system or depth is None:
            continue
        if isinstance(active.node, App):
            everywhere.setdefault(binding.description.lower(), key_name(key))
            continue
        keys.setdefault(binding.action, []).append(key_name(key))
        reason = below.why_dim(active) if isinstance(below, Stage) else ""
        text = _told(f"not now: {reason}", "warn") if reason else _told(binding.tooltip or binding.description)
        said.setdefault(binding.action, text)
    lines = [words(f"Keys: {stage}", "live", bold=True)]
    lines += [
        joined(words(f"  {', '.join(names[:3]):<{_KEYS - 2}}", "key", bold=True), said[action])
        for action, names in keys.items()
        if not action.startswith(_MOVES)
    ]
    moving = [name for action, names in keys.items() if action.startswith(_MOVES) for name in names[:1]]
    if moving:
        lines.append(joined(words(f"  {' '.join(moving)}  ", "key", bold=True), words("move", "dim")))
    if everywhere:
        parts = [
            part for label, key in everywhere.items() for part in (words(f"  {key}", "key", bold=True), f" {label}")
        ]
        lines.append(joined(*parts))
    for word, meaning in WORDS.get(stage, ()):
        if word == WORDS[stage][0][0]:
            lines += [words("Words", "live", bold=True)]
        lines.append(joined(words(f"  {word:<{_KEYS - 2}}", "head", bold=True), _told(meaning)))
    return stacked(*lines)
