"""A session's log: it follows while the run goes on, is filtered before anything is cut, and is written to files."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Final

from textual import on
from textual.binding import BindingType
from textual.widget import Widget
from textual.widgets import Input
from textual.worker import Worker, WorkerError

from ...core.errors import ChangeoverError
from ...core.exports import export
from ...core.session_log import read_session
from ..format import count, number
from ..keys import bindings
from ..log_lines import LogLine, LogLines
from ..marking import Marker
from ..selected_lines import BATCH, SelectedLines
from ..widgets.banner import Standing
from ..widgets.field import FilterField, FindField
from ..widgets.paper import Paper
from ..widgets.sql_view import SqlView
from ..widgets.table import Column, Table, TableRow
from ..words import Cell, cell, words
from .stage import Stage

# How often a session that goes on is read on, and how often what is being read is shown; seconds.
_AGAIN: Final = 1.0
_SHOWN: Final = 0.5
# After how many parts a search that has found nothing yet says how far it is.
_TOLD: Final = 10
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
        self._selected = SelectedLines(lines)
        # the number of the line that was chosen last: it stays so, or what is next to it where a filter hides it
        self._stays = 0
        self._sought = ""
        # the number of the line at which the search began
        self._sought_from = 0
        self._following = goes_on
        self._new = 0

    def body(self) -> Iterable[Widget]:
        """Heading, filter, search, lines, and the chosen one in full."""
        yield Paper(id="about-list", classes="section")
        yield FilterField()
        yield FindField()
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

    def _at_work(self, *groups: str) -> list[Worker[Any]]:
        return [it for it in self.workers if it.node is self and it.group in groups and it.is_running]

    async def _until_all_looked_at(self) -> None:
        """Wait for lines that are not read yet, or not asked by the filter."""
        while looking := self._at_work("read", "filter"):
            with contextlib.suppress(WorkerError):
                # who gives up waiting does not end the work
                await asyncio.shield(looking[0].wait())

    def _tick(self) -> None:
        if self.is_current and not self._at_work("read"):
            self.run_worker(self._read(), exit_on_error=False, exclusive=True, group="read")

    async def _read(self) -> None:
        """Read on to the end of what is there, and show it now and then."""
        shown = time.monotonic()
        more = True
        while more:
            more = await asyncio.to_thread(self._lines.read, BATCH)
            if not more or time.monotonic() - shown > _SHOWN:
                shown = time.monotonic()
                self._new += self._selected.grow()
                self._begin_filter()
                self._show()

    def _begin_filter(self) -> None:
        if self._selected.filter:
            self.run_worker(self._filter(self._selected.filter), exit_on_error=False, exclusive=True, group="filter")

    async def _filter(self, typed: str) -> None:
        """Ask all lines that were not asked yet whether they have what was typed."""
        while typed == self._selected.filter and (numbers := self._selected.to_ask()):
            found = await asyncio.to_thread(self._selected.that_have, typed, numbers)
            if typed != self._selected.filter:
                return
            self._selected.keep(found, numbers)
            self._show()

    def _show(self) -> None:
        table, rows = self.query_one(Table), len(self._selected)
        table.mark(self._to_mark)
        table.show_lazily(rows, self._row)
        if rows:
            self._new = 0 if self._following else self._new
            table.choose(rows - 1 if self._following else self._selected.row_of(self._stays))
        self._tell()

    @property
    def _to_mark(self) -> list[str]:
        return (self._sought or self._selected.filter).split()

    def _row(self, index: int) -> TableRow:
        return line_row(self._selected[index])

    def _tell(self) -> None:
        self.query_one("#about-list", Paper).write(words(f" {self._shown()}{self._beyond()}", "head"))
        chosen, marker = self._chosen(), Marker(self._to_mark)
        self.query_one("#line", SqlView).show(marker.marked(words(chosen.text if chosen else "", lines=True)))

    def _shown(self) -> str:
        shown, asked, known = self._selected, self._selected.asked, self._selected.known
        said = count(known, "line")
        if shown.filter:
            looking = f", {asked * 100 // known} % looked at" if 0 < asked < known else ""
            said = f"{number(len(shown))} of {number(known)}, filter: {shown.filter}{looking}"
        return f"{said}; find: {self._sought}" if self._sought else said

    def _beyond(self) -> str:
        """Return whether more may come, and whether one is there to see it: no answer to a key is lost to that."""
        if not self._goes_on:
            return ""
        if self._following:
            return "; goes on, and is followed"
        return f"; goes on: {count(self._new, 'new line')}; . follows"

    def _chosen(self) -> LogLine | None:
        return self._selected[self.query_one(Table).cursor] if len(self._selected) else None

    def on_table_moved(self, event: Table.Moved) -> None:
        """Stay where a key has moved, until it is back at the end."""
        if event.by_hand:
            self._following = self._goes_on and event.index == len(self._selected) - 1
            self._stays = self._number
        self._tell()

    def why_not(self, action: str) -> str:
        """Only a session that goes on can be followed."""
        if action == "follow" and not self._goes_on:
            return "This session has ended: there is nothing to follow."
        if action in {"next_error", "previous_error"} and not self._lines.has_trouble:
            return "Nothing went wrong in this session."
        if action in {"next_found", "previous_found"} and not self._sought:
            return "Nothing is looked for: f takes words to find, e goes to what went wrong."
        return ""

    def copied(self) -> str:
        """Return the chosen line."""
        chosen = self._chosen()
        return chosen.plain if chosen is not None else ""

    def action_filter(self) -> None:
        """Type what lines should have."""
        self.query_one(FilterField).begin()

    @on(Input.Changed, "#filter")
    def _filtered(self, event: Input.Changed) -> None:
        """Show what is left, at every letter."""
        self._set_filter(event.value.strip())

    def _set_filter(self, typed: str) -> None:
        self._selected.filter_by(typed)
        self._begin_filter()
        self._show()

    @on(Input.Submitted, "#filter")
    def _kept(self, event: Input.Submitted) -> None:
        """Go back to the lines; an empty filter goes away."""
        event.stop()
        self.query_one(FilterField).display = bool(event.value.strip())
        self.query_one(Table).focus()

    def action_find(self) -> None:
        """Type what a line should have."""
        self._sought_from = self._number
        self.query_one(FindField).begin()

    @on(Input.Changed, "#find")
    def _sought_at_each_letter(self, event: Input.Changed) -> None:
        self._sought = event.value.strip()
        self._show()
        if self._sought:
            self._begin_find(self._sought_from, itself=True)

    @on(Input.Submitted, "#find")
    def _found(self, event: Input.Submitted) -> None:
        """Go back to the lines, to the one that was found."""
        event.stop()
        self.query_one(FindField).display = False
        self.query_one(Table).focus()

    def action_next_found(self) -> None:
        """Go to the next line that has what is looked for."""
        self._begin_find(self._number)

    def action_previous_found(self) -> None:
        """Go to the line before that has what is looked for."""
        self._begin_find(self._number, -1)

    def _begin_find(self, start: int, step: int = 1, *, itself: bool = False) -> None:
        found = self._find(self._sought, start, step, itself=itself)
        self.run_worker(found, exit_on_error=False, exclusive=True, group="find")

    async def _find(self, typed: str, start: int, step: int, *, itself: bool) -> None:
        """Choose the first line from line `start` on that has what was typed; behind the last comes the first.

        Where none has it while lines are still to come, they are waited for: they may.
        """
        searched = -1
        while searched < len(self._selected):
            searched = len(self._selected)
            found = await self._first_from(typed, self._selected.row_of(start) + (0 if itself else step), step)
            if typed != self._sought:
                return
            if found is not None:
                self.say("" if itself else _way(start, found, step), "head")
                self._go_to(found)
                return
            await self._until_all_looked_at()
        if itself and len(self._selected):
            self._go_to(start)
        self.say("No line has these words.")

    async def _first_from(self, typed: str, row: int, step: int) -> int | None:
        for part, numbers in enumerate(self._selected.around(row, step)):
            if part and part % _TOLD == 0:
                self.say(f"looking, {part * BATCH * 100 // len(self._selected)} %", "head")
            found = await asyncio.to_thread(self._selected.first_that_has, typed, numbers)
            if found is not None or typed != self._sought:
                return found
        return None

    def action_next_error(self) -> None:
        """Go to the next thing that went wrong; the filter goes away where it hides it."""
        self._go_to(self._lines.next_trouble(self._number))

    def action_previous_error(self) -> None:
        """Go to the thing that went wrong before."""
        self._go_to(self._lines.previous_trouble(self._number))

    @property
    def _number(self) -> int:
        """Of the chosen line among all; -1 where there is none."""
        return self._selected.number_at(self.query_one(Table).cursor)

    def _go_to(self, found: int | None) -> None:
        if found is None:
            return
        self._stays = found
        self._following = False
        if self._selected.has(found):
            self._show()
        else:
            self._clear_filter()

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
        await self._until_all_looked_at()
        numbers, typed, known = self._selected.numbers(), self._selected.filter, self._selected.known

        def write() -> tuple[Path, Path]:
            events = read_session(self._session, self._root)
            return export(self._session, events, (self._lines[each].plain for each in numbers), self._folder)

        try:
            text, document = await asyncio.to_thread(write)
        except ChangeoverError as error:
            self.say(f"{error.summary} {error.advice}", "bad")
        else:
            part = f" ({number(len(numbers))} of {number(known)} lines, filter: {typed})" if typed else ""
            whole = " with all" if typed else ""
            self.say(f"Written: {text.name}{part} and {document.suffix}{whole}, in {text.parent}", "ok")

    def action_replay(self) -> None:
        """Play it."""
        self.dismiss("replay")

    def _clear_filter(self) -> None:
        if self.query_one(FilterField).clear_away():
            self._set_filter("")

    def action_back(self) -> None:
        """Take the search away, then the filter; or go back to the sessions."""
        table = self.query_one(Table)
        if self.query_one(FindField).clear_away():
            self._stays = self._sought_from
        elif not self._sought:
            if not self.query_one(FilterField).display:
                self.dismiss("")
                return
            self._clear_filter()
        self._sought = ""
        self._show()
        table.focus()


def _way(start: int, found: int, step: int) -> str:
    """Return what the search from one line to another has to say for itself."""
    if found == start:
        return "No other line has these words."
    if (found - start) * step > 0:
        return ""
    return "That was the last; on from the first line." if step > 0 else "That was the first; on from the last line."


def line_row(each: LogLine) -> TableRow:
    """Return a line as a row; how grave it is stands there as a word."""
    tone = _LEVELS.get(each.level, "text")
    return (Cell(each.at, "dim"), Cell(each.level, tone), cell(each.text.replace("\n", " ⏎ "), tone))
