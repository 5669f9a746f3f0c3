"""A session's log: it follows while the run goes on, is filtered before anything is cut, and is written to files."""

from __future__ import annotations

import asyncio
import time
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar, Final

from textual.binding import BindingType
from textual.widget import Widget

from ...core.errors import ChangeoverError
from ...core.exports import export
from ...core.session_log import read_session
from ..format import count, number
from ..keys import bindings
from ..log_lines import LogLine, LogLines
from ..widgets.banner import Standing
from ..widgets.field import FilterField
from ..widgets.paper import Paper
from ..widgets.sql_view import SqlView
from ..widgets.table import Column, Table, TableRow
from ..words import Cell, cell, words
from .stage import Stage

# How often a session that goes on is read on, and how often what is being read is shown; seconds.
_AGAIN: Final = 1.0
_SHOWN: Final = 0.5
# Events, or lines for a filter, that are looked at before a key can be answered.
BATCH: Final = 1000
_LEVELS: Final = {"FAIL": "bad", "warn": "warn"}


class LogScreen(Stage[str]):
    """The result is `replay`, or an empty text for the sessions."""

    STAGE: ClassVar[str] = "log"
    BINDINGS: ClassVar[list[BindingType]] = bindings("log")

    def __init__(
        self,
        standing: Standing,
        session: str,
        lines: LogLines,
        *,
        goes_on: bool,
        folder: Path,
        root: Path | None = None,
    ) -> None:
        """Show `lines`, read on in a thread, also while the session goes on; `folder` takes exports."""
        super().__init__(standing)
        self._session = session
        self._lines = lines
        self._goes_on = goes_on
        self._folder = folder
        self._root = root
        # how many of the lines are shown, and with a filter which; lines that it was asked about
        self._count = len(lines)
        self._left: array[int] = array("L")
        self._asked = 0
        self._typed = ""
        self._following = goes_on
        self._new = 0

    def body(self) -> Iterable[Widget]:
        """Heading, filter, lines, and the chosen one in full."""
        yield Paper(id="about-list", classes="section")
        yield FilterField()
        columns = (Column(title="UTC", width=12), Column(title="", width=4, fits=True), Column(title="what"))
        yield Table(columns, empty="no line has these words", id="lines")
        yield SqlView(id="line")

    def on_mount(self) -> None:
        """Show it: from its beginning, or where it goes on."""
        self.query_one("#line").can_focus = False
        self.query_one(Table).focus()
        self._show()
        self.run_worker(self._read(), exit_on_error=False, exclusive=True, group="read")
        if self._goes_on:
            self.set_interval(_AGAIN, self._tick)

    def _tick(self) -> None:
        busy = any(worker.group == "read" and worker.is_running for worker in self.workers)
        if self.is_current and not busy:
            self.run_worker(self._read(), exit_on_error=False, exclusive=True, group="read")

    async def _read(self) -> None:
        """Read on to the end of what is there, and show it now and then."""
        shown = time.monotonic()
        more = True
        while more:
            more = await asyncio.to_thread(self._lines.read, BATCH)
            if not more or time.monotonic() - shown > _SHOWN:
                shown = time.monotonic()
                self._new += len(self._lines) - self._count
                self._count = len(self._lines)
                self._begin_filter()
                self._show()

    def _begin_filter(self) -> None:
        if self._typed:
            self.run_worker(self._filter(self._typed), exit_on_error=False, exclusive=True, group="filter")

    async def _filter(self, typed: str) -> None:
        """Ask all lines that were not asked yet whether they have what was typed."""
        sought = typed.lower().split()
        while typed == self._typed and self._asked < self._count:
            numbers = range(self._asked, min(self._count, self._asked + BATCH))
            found = await asyncio.to_thread(self._that_have, sought, numbers)
            if typed != self._typed:
                return
            self._left.extend(found)
            self._asked = numbers.stop
            self._show()

    def _that_have(self, sought: Sequence[str], numbers: range) -> list[int]:
        return [number for number in numbers if self._lines[number].has(sought)]

    @property
    def _rows(self) -> int:
        return len(self._left) if self._typed else self._count

    def _at(self, row: int) -> LogLine:
        return self._lines[self._left[row] if self._typed else row]

    def _show(self) -> None:
        table = self.query_one(Table)
        table.show_lazily(self._rows, self._row)
        if self._following and self._rows:
            self._new = 0
            table.choose(self._rows - 1)
        self._tell()

    def _row(self, index: int) -> TableRow:
        return line_row(self._at(index))

    def _tell(self) -> None:
        looking = f", {self._asked * 100 // self._count} % looked at" if 0 < self._asked < self._count else ""
        shown = f"{number(self._rows)} of {number(self._count)}, filter: {self._typed}{looking}"
        said = shown if self._typed else count(self._count, "line")
        self.query_one("#about-list", Paper).write(words(f" {said}{self._beyond()}", "head"))
        chosen = self._chosen()
        self.query_one("#line", SqlView).show(words(chosen.text if chosen else "", lines=True))

    def _beyond(self) -> str:
        """Return whether more may come, and whether one is there to see it: no answer to a key is lost to that."""
        if not self._goes_on:
            return ""
        if self._following:
            return "; goes on, and is followed"
        return f"; goes on: {count(self._new, 'new line')}; . goes to the end and follows"

    def _chosen(self) -> LogLine | None:
        return self._at(self.query_one(Table).cursor) if self._rows else None

    def on_table_moved(self, event: Table.Moved) -> None:
        """Stay where a key has moved, until it is back at the end."""
        if event.by_hand:
            self._following = self._goes_on and event.index == self._rows - 1
        self._tell()

    def why_not(self, action: str) -> str:
        """Only a session that goes on can be followed."""
        if action == "follow" and not self._goes_on:
            return "This session has ended: there is nothing to follow."
        if action in {"next_error", "previous_error"} and not self._lines.has_trouble:
            return "Nothing went wrong in this session."
        return ""

    def copied(self) -> str:
        """Return the chosen line."""
        chosen = self._chosen()
        return chosen.plain if chosen is not None else ""

    def action_filter(self) -> None:
        """Type what lines should have."""
        self.query_one(FilterField).begin()

    def on_input_changed(self, event: FilterField.Changed) -> None:
        """Show what is left, at every letter."""
        self._set_filter(event.value.strip())

    def _set_filter(self, typed: str) -> None:
        self._typed, self._left, self._asked = typed, array("L"), 0
        self._begin_filter()
        self._show()

    def on_input_submitted(self, event: FilterField.Submitted) -> None:
        """Go back to the lines; an empty filter goes away."""
        event.stop()
        self.query_one("#filter").display = bool(event.value.strip())
        self.query_one(Table).focus()

    def action_next_error(self) -> None:
        """Go to the next thing that went wrong; the filter goes away where it hides it."""
        self._go_to(self._lines.next_trouble(self._number))

    def action_previous_error(self) -> None:
        """Go to the thing that went wrong before."""
        self._go_to(self._lines.previous_trouble(self._number))

    @property
    def _number(self) -> int:
        """Of the chosen line among all; -1 where there is none."""
        row = self.query_one(Table).cursor
        return (self._left[row] if self._typed else row) if self._rows else -1

    def _go_to(self, found: int | None) -> None:
        if found is None:
            return
        if self._typed and found not in self._left:
            self._clear_filter()
        self._following = False
        self.query_one(Table).choose(self._left.index(found) if self._typed else found)

    def action_follow(self) -> None:
        """Stay at the end."""
        self._following = True
        self.say("")
        self._show()

    def action_export(self) -> None:
        """Write the session as text and as JSON, the text as it is filtered."""
        self.say("writing the log", "head")
        self.run_worker(self._export(), exit_on_error=False, exclusive=True, group="export")

    async def _export(self) -> None:
        rows = list(self._left) if self._typed else range(self._count)

        def write() -> tuple[Path, Path]:
            events = read_session(self._session, self._root)
            return export(self._session, events, (self._lines[row].plain for row in rows), self._folder)

        try:
            text, document = await asyncio.to_thread(write)
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
        self._set_filter("")

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
