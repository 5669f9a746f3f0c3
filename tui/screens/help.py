"""The keys and words of the screen below, from its own bindings."""

from __future__ import annotations

from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen

from ..widgets.hints import depth_of, key_name
from ..widgets.paper import Paper
from ..words import joined, stacked, words

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
        ("held by", "what the migration waits for"),
        ("behind us", "what waits because of the migration"),
    ),
}


# What moves in a list or a text: together in a line, because nobody has to look these keys up.
_MOVES: Final = ("move(", "page(", "edge(", "scroll_", "page_", "app.focus_")


class Help(ModalScreen[None]):
    """Every key of a screen, and its words."""

    AUTO_FOCUS: ClassVar[str | None] = "VerticalScroll"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1,enter", "close", "Close", key_display="esc"),
    ]

    def __init__(self, below: Screen[object], stage: str) -> None:
        super().__init__()
        self._content = help_words(below, stage)

    def compose(self) -> ComposeResult:
        """Put a box in the middle."""
        with Vertical(id="help"), VerticalScroll():
            yield Paper(self._content)

    def action_close(self) -> None:
        """Go back."""
        self.dismiss(None)


def help_words(below: Screen[object], stage: str) -> Content:
    """Return the keys of `below`, each action once with all its keys, then the words of the stage."""
    keys: dict[str, list[str]] = {}
    said: dict[str, str] = {}
    for key, active in below.active_bindings.items():
        if active.binding.system or depth_of(active) is None:
            continue
        keys.setdefault(active.binding.action, []).append(key_name(key))
        said.setdefault(active.binding.action, active.binding.tooltip or active.binding.description)
    lines = [words(f"Keys: {stage}", "live", bold=True), Content("")]
    lines += [
        joined(words(f"  {', '.join(names[:3]):<14}", "key", bold=True), words(said[action]))
        for action, names in keys.items()
        if not action.startswith(_MOVES)
    ]
    moving = [name for action, names in keys.items() if action.startswith(_MOVES) for name in names[:1]]
    if moving:
        lines.append(joined(words(f"  {' '.join(moving)}  ", "key", bold=True), words("move", "dim")))
    for word, meaning in WORDS.get(stage, ()):
        if word == WORDS[stage][0][0]:
            lines += [Content(""), words("Words", "live", bold=True), Content("")]
        lines.append(joined(words(f"  {word:<14}", "head", bold=True), words(meaning)))
    return stacked(*lines)
