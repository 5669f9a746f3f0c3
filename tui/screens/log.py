"""A session's log: it follows while the run goes on, is filtered before anything is cut, and is written to files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ClassVar, Final

from textual.binding import BindingType
from textual.widget import Widget

from ...core.errors import ChangeoverError
from ...core.exports import export
from ...core.troubles import next_trouble
from ...core.view import Stamped
from ..format import count, number
from ..keys import bindings
from ..log_lines import LogLine, log_lines, matching
from ..widgets.banner import Standing
from ..widgets.field import FilterField
from ..widgets.paper import Paper
from ..widgets.sql_view import SqlView
from ..widgets.table import Column, Table, TableRow
from ..words import Cell, cell, words
from .stage import Stage

# How often a session that goes on is read again; seconds.
_AGAIN: Final = 1.0
_LEVELS: Final = {"FAIL": "bad", "warn": "warn"}


class LogScreen(Stage[str]):
    """The result is `replay`, or an empty text for the sessions."""

    STAGE: ClassVar[str] = "log"
    BINDINGS: ClassVar[list[BindingType]] = bindings("log")

    def __init__(
        self,
        standing: Standing,
        session: str,
        events: tuple[Stamped, ...],
        *,
        again: Callable[[], tuple[Stamped, ...]] | None,
        folder: Path,
    ) -> None:
        """Show `events`; `again` reads them anew (in a thread) while the session goes on, `folder` takes exports."""
        super().__init__(standing)
        self._session = session
        self._events = events
        self._again = again
        self._folder = folder
        self._lines = log_lines(events)
        self._left = self._lines
        self._typed = ""
        self._following = again is not None
        self._new = 0

    def body(self) -> Iterable[Widget]:
        """Heading, filter, lines, and the chosen one in full."""
        yield Paper(id="about-list", classes="section")
        field = FilterField(name="filter")
        field.display = False
        yield field
        columns = (Column(title="UTC", width=12), Column(title="", width=4, fits=True), Column(title="what"))
        yield Table(columns, empty="no line has these words", id="lines")
        yield SqlView(id="line")

    def on_mount(self) -> None:
        """Show it: from its beginning, or where it goes on."""
        self.query_one("#line").can_focus = False
        self.query_one(Table).focus()
        self._show()
        if self._again is not None:
            self.set_interval(_AGAIN, self._tick)

    def _tick(self) -> None:
        if self.is_current:
            self.run_worker(self._read(), exit_on_error=False, exclusive=True, group="read")

    async def _read(self) -> None:
        assert self._again is not None
        events = await asyncio.to_thread(self._again)
        if len(events) == len(self._events):
            return
        fresh = log_lines(events)
        self._new += len(fresh) - len(self._lines)
        self._events, self._lines = events, fresh
        self._show()

    def _show(self) -> None:
        self._left = matching(self._lines, self._typed) if self._typed else self._lines
        table = self.query_one(Table)
        table.show_lazily(len(self._left), self._row)
        if self._following and self._left:
            self._new = 0
            table.choose(len(self._left) - 1)
        self._tell()

    def _row(self, index: int) -> TableRow:
        return line_row(self._left[index])

    def _tell(self) -> None:
        shown = f"{number(len(self._left))} of {number(len(self._lines))}, filter: {self._typed}"
        said = shown if self._typed else count(len(self._lines), "line")
        self.query_one("#about-list", Paper).write(words(f" {self._session}: {said}", "head"))
        chosen = self._chosen()
        self.query_one("#line", SqlView).show(words(chosen.text if chosen else "", lines=True))
        if self._new and not self._following:
            self.say(f"{count(self._new, 'new line')}; . goes to the end and follows", "live")

    def _chosen(self) -> LogLine | None:
        return self._left[self.query_one(Table).cursor] if self._left else None

    def on_table_moved(self, event: Table.Moved) -> None:
        """Stay where a key has moved, until it is back at the end."""
        if event.by_hand:
            self._following = self._again is not None and event.index == len(self._left) - 1
        self._tell()

    def why_not(self, action: str) -> str:
        """Only a session that goes on can be followed."""
        if action == "follow" and self._again is None:
            return "This session has ended: there is nothing to follow."
        if action == "next_error" and next_trouble(self._events, -1) is None:
            return "Nothing went wrong in this session."
        return ""

    def copied(self) -> str:
        """Return the chosen line."""
        chosen = self._chosen()
        return chosen.plain if chosen is not None else ""

    def action_filter(self) -> None:
        """Type what lines should have."""
        field = self.query_one("#filter", FilterField)
        field.display = True
        field.focus()

    def on_input_changed(self, event: FilterField.Changed) -> None:
        """Show what is left, at every letter."""
        self._typed = event.value.strip()
        self._show()

    def on_input_submitted(self, event: FilterField.Submitted) -> None:
        """Go back to the lines; an empty filter goes away."""
        event.stop()
        self.query_one("#filter").display = bool(event.value.strip())
        self.query_one(Table).focus()

    def action_next_error(self) -> None:
        """Go to the next thing that went wrong; the filter goes away where it hides it."""
        chosen = self._chosen()
        found = next_trouble(self._events, chosen.index if chosen is not None else -1)
        place = next((at for at, each in enumerate(self._left) if each.index == found), None)
        if place is None:
            self._clear_filter()
            place = next((at for at, each in enumerate(self._left) if each.index == found), 0)
        self._following = False
        self.query_one(Table).choose(place)

    def action_follow(self) -> None:
        """Stay at the end."""
        self._following = True
        self.say("")
        self._show()

    def action_export(self) -> None:
        """Write the session as text and as JSON, the text as it is filtered."""
        try:
            text, document = export(self._session, self._events, [each.plain for each in self._left], self._folder)
        except ChangeoverError as error:
            self.say(f"{error.summary} {error.advice}", "bad")
        else:
            self.say(f"Written here: {text.name} and {document.suffix}", "ok")

    def action_replay(self) -> None:
        """Play it."""
        self.dismiss("replay")

    def _clear_filter(self) -> None:
        field = self.query_one("#filter", FilterField)
        field.value = ""
        field.display = False
        self._typed = ""
        self._show()

    def action_back(self) -> None:
        """Take the filter away, or go back to the sessions."""
        if self.query_one("#filter").display:
            self._clear_filter()
            self.query_one(Table).focus()
            return
        self.dismiss("")


def line_row(each: LogLine) -> TableRow:
    """Return a line as a row; how grave it is stands there as a word."""
    tone = _LEVELS.get(each.level, "text")
    return (Cell(each.at, "dim"), Cell(each.level, tone), cell(each.text.replace("\n", " ⏎ "), tone))
