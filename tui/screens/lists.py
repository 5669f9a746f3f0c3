"""One of the lists of the inspection: filter it, open a line, read it again. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import ClassVar, Final, TypeAlias

from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget

from ...core.errors import ChangeoverError
from ..format import number
from ..keys import bindings
from ..listing import Line, Listing
from ..widgets.banner import Standing
from ..widgets.field import FilterField
from ..widgets.paper import Paper
from ..widgets.sql_view import SqlView
from ..widgets.table import Table
from ..words import stacked, words
from .absent import WHY_ABSENT
from .stage import Stage

# How often what goes on now is read again; seconds.
_LIVE: Final = 2.0


# Reads what a line says in full beside what the list knew; what is returned replaces that.
InFull: TypeAlias = Callable[[Line], Awaitable[Content]]


class ListScreen(Stage[str]):
    """The result is the name of the list to go to next, or an empty text for the overview."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("inspect, a list", "inspect")
    ABSENT: ClassVar[dict[str, str]] = {
        "overview, to change": "it belongs to the overview; esc goes there.",
        "pre-check, to change": "it belongs to the plan.",
    }

    def __init__(
        self,
        standing: Standing,
        listing: Listing,
        again: Callable[[], Awaitable[Listing]],
        in_full: InFull | None = None,
    ) -> None:
        super().__init__(standing, reading=bool(standing.read_only), stage=listing.name)
        self._listing = listing
        self._again = again
        self._in_full = in_full
        self._left: tuple[Line, ...] = listing.lines
        self._typed = ""
        # what is told below the list; None: something else was said since
        self._told: str | None = None

    def body(self) -> Iterable[Widget]:
        """Heading, filter, lines."""
        yield Paper(id="about-list", classes="section")
        yield FilterField()
        yield Table(self._listing.columns, empty=self._listing.empty, id="lines")

    def on_mount(self) -> None:
        """Show the list; one that is live is read again by itself."""
        table = self.query_one(Table)
        table.focus()
        self._show()
        if self._listing.live:
            self.set_interval(_LIVE, self._tick)

    def _tick(self) -> None:
        if self.is_current:
            self.action_refresh_list()

    def _show(self) -> None:
        chosen = self._chosen()
        self._left = self._listing.matching(self._typed)
        table = self.query_one(Table)
        table.say_where_empty("no line has these words" if self._typed else self._listing.empty)
        table.mark(self._typed.split())
        table.show([line.row for line in self._left])
        if chosen is not None:
            table.choose(place_of(chosen, self._left, table.cursor))
        heading = self._listing.heading
        if self._typed:
            heading = f"{number(len(self._left))} of {number(len(self._listing.lines))}, filter: {self._typed}"
        about, note = self.query_one("#about-list", Paper), self._listing.note
        about.set_class(bool(note), "-noted")
        about.write(stacked(words(f" {heading}", "head"), words(f" {note}", "warn") if note else None))
        self._tell()

    def _tell(self) -> None:
        """Tell what the chosen line's columns have no room for."""
        chosen = self._chosen()
        said = chosen.said if chosen is not None else ""
        if said != self._told:
            self._told = said
            self.say(said, "dim")

    def on_table_moved(self) -> None:
        """Tell it of the chosen line."""
        self._tell()

    def _chosen(self) -> Line | None:
        return self._left[self.query_one(Table).cursor] if self._left else None

    def why_not(self, action: str) -> str:
        """Without lines there is nothing to open; one does not go where one is."""
        if action == "open" and not self._left:
            return "There is no line to open."
        return ""

    def copied(self) -> str:
        """Return the chosen line in full."""
        line = self._chosen()
        return line.whole().plain if line is not None else ""

    def action_open(self) -> None:
        """Show the chosen line in full."""
        line = self._chosen()
        if line is not None:
            read = partial(self._in_full, line) if self._in_full is not None and line.defined is not None else None
            whole = WholeScreen(self._standing, self._listing.name, line.whole(), read)
            self.app.push_screen(whole, lambda name: self.action_tab(name) if name else None)

    def action_filter(self) -> None:
        """Type what lines should have."""
        self.query_one(FilterField).begin()

    def on_input_changed(self, event: FilterField.Changed) -> None:
        """Show what is left, at every letter; the chosen line stays so while it is there."""
        chosen = self._chosen()
        self._typed = event.value.strip()
        self._show()
        self.query_one(Table).choose(place_of(chosen, self._left, 0) if chosen is not None else 0)
        self._tell()

    def on_input_submitted(self, event: FilterField.Submitted) -> None:
        """Go back into the list; an empty filter goes away."""
        event.stop()
        self.query_one("#filter").display = bool(event.value.strip())
        self.query_one(Table).focus()

    def action_refresh_list(self) -> None:
        """Read it again."""
        self.run_worker(self._refresh(), exit_on_error=False, exclusive=True, group="refresh")

    async def _refresh(self) -> None:
        try:
            self._listing = await self._again()
        except ChangeoverError as error:
            self.say(f"{error.summary} {error.advice}".strip(), "bad")
            self._told = None
            return
        self._show()

    def action_tab(self, name: str) -> None:
        """Go to another list."""
        if name == self._listing.name:
            self._told = None
            self.say("You are there already.", "head")
        else:
            self.dismiss("" if name == "migrations" else name)

    def action_back(self) -> None:
        """Take the filter away, or go back to the overview."""
        if self.query_one(FilterField).clear_away():
            self.query_one(Table).focus()
            return
        self.dismiss("")


def place_of(line: Line, lines: Sequence[Line], at: int) -> int:
    """Return where a line is in a list that was read anew; `at` where it is there no more."""
    return next((number for number, each in enumerate(lines) if each.key == line.key), at)


class ReadingListScreen(ListScreen):
    """The same where nothing can be changed at all."""

    ABSENT: ClassVar[dict[str, str]] = {"overview, to change": WHY_ABSENT, "pre-check, to change": WHY_ABSENT}


class WholeScreen(Stage[str]):
    """A line in full; the result is the name of the list to go to next, or an empty text for the one it is of."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("inspect, details", "inspect")

    def __init__(
        self, standing: Standing, stage: str, content: Content, read: Callable[[], Awaitable[Content]] | None = None
    ) -> None:
        """Show `content`; what `read` returns takes its place once it is there."""
        super().__init__(standing, reading=bool(standing.read_only), stage=stage)
        self._content = content
        self._read = read

    def body(self) -> Iterable[Widget]:
        """Return a text that scrolls."""
        yield SqlView(id="file")

    def on_mount(self) -> None:
        """Show it from the top."""
        view = self.query_one(SqlView)
        view.show(self._content)
        view.focus()
        if self._read is not None:
            self.run_worker(self._complete(self._read), exit_on_error=False)

    async def _complete(self, read: Callable[[], Awaitable[Content]]) -> None:
        """Show all of it; what is there already is read meanwhile, and stays where the rest does not come."""
        try:
            self._content = await read()
        except ChangeoverError as error:
            self.say(f"Definitions are not shown: {error.summary} {error.advice}".strip())
        else:
            self.query_one(SqlView).replace(self._content)

    def copied(self) -> str:
        """Return all of it."""
        return self._content.plain

    def action_tab(self, name: str) -> None:
        """Go to another list."""
        self.dismiss(name)

    def action_back(self) -> None:
        """Back to the list."""
        self.dismiss("")
