"""SQL to read, in colours that mean nothing more than PostgreSQL's grammar."""

from __future__ import annotations

from typing import Final

from textual.app import ComposeResult
from textual.content import Content
from textual.highlight import HighlightTheme, highlight

from ..format import visible
from ..words import stacked, words
from .paper import Paper
from .text_scroll import TextScroll

# More than this is not read on a screen, and colouring it would hold the screen up; characters.
_LIMIT: Final = 20_000


class _Colours(HighlightTheme):
    # A token of the highlighter is a tuple of words; those that are not here are plain text.
    STYLES: dict[tuple[str, ...], str] = {  # noqa: RUF012 - declared so by Textual
        ("Comment",): "$dim italic",
        ("Comment", "Single"): "$dim italic",
        ("Comment", "Multiline"): "$dim italic",
        ("Keyword",): "$key",
        ("Literal", "String"): "$ok",
        ("Literal", "String", "Single"): "$ok",
        ("Literal", "Number"): "$warn",
        ("Literal", "Number", "Float"): "$warn",
    }


def sql_words(sql: str, *, limit: int = _LIMIT) -> Content:
    """Return SQL made visible and coloured; its first `limit` characters, and how many there are more."""
    shown = visible(sql[:limit], lines=True)
    content = highlight(shown, language="postgresql", theme=_Colours)
    if len(sql) > limit:
        return stacked(content, words(f"… {len(sql) - limit:,} characters more, in the file", "dim"))
    return content


class SqlView(TextScroll):
    """A scrolling view of SQL, or of anything else that is longer than its place."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - the name that Textual gives it
        super().__init__(id=id, classes="sql")
        self._paper = Paper()

    def compose(self) -> ComposeResult:
        """Hold one paragraph."""
        yield self._paper

    def show(self, content: Content) -> None:
        """Show from the top."""
        self._paper.write(content, layout=True)
        self.scroll_home(animate=False)

    def replace(self, content: Content) -> None:
        """Show another text from the line that is being read."""
        self._paper.write(content, layout=True)
