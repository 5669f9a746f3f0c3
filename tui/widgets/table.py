"""A table that repaints only what has changed.

Textual's own DataTable repaints itself whole for one cell, 8.5 kB at 80x24; here a changed cell costs its own width.
Rows are asked for when they are painted, so a list of 100,000 statements costs as much as one of ten.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Final, TypeAlias

from msgspec import Struct
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from ..keys import bindings
from ..marking import MARK, Marker
from ..theme import TONES
from ..words import Cell, fit

TableRow: TypeAlias = tuple[Cell, ...]

# Left of the first column: the mark of the chosen row, which has to be seen without colour too.
_MARK: Final = "> "
_GAP: Final = 2
# No column is made narrower than this to make room for others; cells.
_LEAST: Final = 4
# What a column that shares is left at least, where its texts are as wide; cells.
_LEAST_SHARE: Final = 8
# Right of the last column, as on every other line; where there is a scroll bar, it is that.
_EDGE: Final = 1


class Column(Struct, frozen=True, kw_only=True):
    """A column; `width` in cells, 0 shares what the others leave."""

    title: str
    width: int = 0
    # `width` is the most: where the texts are known it is as wide as they are
    fits: bool = False
    # share of what is left, against the other flexible columns
    share: int = 1
    right: bool = False
    # where a text that is too long is shortened: start, middle or end
    cut: str = "end"
    # not shown where the table is narrower than this
    from_width: int = 0


class Table(ScrollView, can_focus=True):
    """Rows under a fixed header, one of them chosen."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table--header",
        "table--cursor",
        "table--mark",
        *(f"tone--{tone}" for tone in TONES),
    }
    BINDINGS: ClassVar[list[BindingType]] = bindings("list")

    cursor: reactive[int] = reactive(0, repaint=False)

    class Moved(Message):
        """Another row is chosen; `by_hand` where a key did it."""

        def __init__(self, table: Table, index: int, *, by_hand: bool) -> None:
            super().__init__()
            self.table = table
            self.index = index
            self.by_hand = by_hand

        @property
        def control(self) -> Table:
            """The table, for `@on` selectors."""
            return self.table

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        empty: str = "",
        header: bool = True,
        id: str | None = None,  # noqa: A002 - the name that Textual gives it
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.columns = tuple(columns)
        # lines above the first row
        self._above = 1 if header else 0
        # rows after the chosen one that are kept in view with it
        self._below = 0
        self._empty = empty
        self._count = 0
        self._row_at: Callable[[int], TableRow] = lambda _index: ()
        self._painted: dict[int, TableRow] = {}
        # of each column the widest text; empty where the rows are not known before they are painted
        self._needs: tuple[int, ...] = ()
        self._marker = Marker()

    @property
    def room(self) -> int:
        """Cells of a line, without the scroll bar."""
        return self.scrollable_content_region.width

    @property
    def row_count(self) -> int:
        """How many rows there are."""
        return self._count

    def say_where_empty(self, text: str) -> None:
        """Say this where there is no row: it is not the same whether there is nothing or a filter hides it."""
        if text != self._empty:
            self._empty = text
            if not self._count:
                self.refresh()

    def row(self, index: int) -> TableRow:
        """Return the cells of a row."""
        return self._row_at(index)

    def show(self, rows: Sequence[TableRow]) -> None:
        """Show these rows; what is on screen already is left alone."""
        held = tuple(rows)
        before = self._layout()
        columns = range(min((len(row) for row in held), default=len(self.columns)))
        self._needs = tuple(max((cell_len(row[index].text) for row in held), default=0) for index in columns)
        if before != self._layout():
            self._painted.clear()
            self.refresh()
        self.show_lazily(len(held), held.__getitem__)

    def show_lazily(self, count: int, row_at: Callable[[int], TableRow]) -> None:
        """Show `count` rows, each asked for when it is painted."""
        self._row_at = row_at
        if count != self._count:
            self._count = count
            self._painted.clear()
            self._resize_content()
            self.cursor = max(0, min(self.cursor, count - 1))
            self.refresh()
            return
        top = self.scroll_offset.y
        for index in range(top, min(count, top + self.size.height)):
            self._repaint(index)

    def mark(self, sought: Sequence[str]) -> None:
        """Set these words off, of any case, wherever a row has them."""
        before, self._marker = self._marker, Marker(sought)
        if before.sought == self._marker.sought:
            return
        for index, row in self._painted.items():
            if any(marker.places(each.text) for marker in (before, self._marker) for each in row):
                self._refresh_row(index)

    def _refresh_row(self, index: int) -> None:
        self.refresh(Region(0, index - self.scroll_offset.y + self._above, self.room, 1))

    def _repaint(self, index: int) -> None:
        before, now = self._painted.get(index), self._row_at(index)
        if before == now:
            return
        y = index - self.scroll_offset.y + self._above
        if before is None or len(before) != len(now):
            self.refresh(Region(0, y, self.room, 1))
            return
        for (_column, x, width), old, new in zip(self._layout(), before, now, strict=False):
            if old != new:
                self.refresh(Region(x, y, width, 1))

    def on_resize(self) -> None:
        """Columns follow the width."""
        self._resize_content()
        # how far it scrolls is known only once the new size is laid out
        self.call_after_refresh(self._keep_in_view)

    def _resize_content(self) -> None:
        self.virtual_size = Size(self.room, max(1, self._count) + self._above)

    def _layout(self) -> list[tuple[Column, int, int]]:
        """Return the columns that are shown, each with its left edge and width."""
        shown = [(index, column) for index, column in enumerate(self.columns) if self.size.width >= column.from_width]
        left = min(self.room, self.size.width - _EDGE) - len(_MARK) - _GAP * (len(shown) - 1)
        flexible = [(index, column.share) for index, column in shown if not column.width]
        kept = sum(self._least(index) for index, _share in flexible)
        fixed = self._fixed_in(left - kept, [index for index, _column in shown])
        left -= sum(fixed.values())
        widths = dict(zip((index for index, _ in flexible), self._shared(max(0, left), flexible), strict=True))
        placed: list[tuple[Column, int, int]] = []
        x = len(_MARK)
        for index, column in shown:
            width = widths.get(index, fixed[index])
            placed.append((column, x, width))
            x += width + _GAP
        return placed

    def width_of(self, column: Column) -> int:
        """Return the cells of a column, 0 where it is not shown."""
        return next((width for each, _x, width in self._layout() if each is column), 0)

    def _fixed_in(self, room: int, shown: Sequence[int]) -> dict[int, int]:
        """Return the widths of the columns that have one of their own; in a small window the widest give way."""
        fixed = {index: self._fixed(index) for index in shown}
        while sum(fixed.values()) > room and max(fixed.values()) > _LEAST:
            fixed[max(fixed, key=lambda index: fixed[index])] -= 1
        return fixed

    def _fixed(self, index: int) -> int:
        """Return the width of a column that has one of its own, 0 for one that shares."""
        column = self.columns[index]
        if not column.fits or index >= len(self._needs):
            return column.width
        return min(column.width, self._wish(index))

    def _least(self, index: int) -> int:
        """Return the cells that a column that shares has left to it: its title in full."""
        return max(min(_LEAST_SHARE, self._wish(index)), cell_len(self.columns[index].title))

    def _wish(self, index: int) -> int:
        """Return how wide a column's texts and title are, as far as they are known."""
        return max(self._needs[index] if index < len(self._needs) else 0, cell_len(self.columns[index].title))

    def _shared(self, left: int, flexible: list[tuple[int, int]]) -> list[int]:
        """Return the widths of the columns that share `left` cells; each is given as its index and its share."""
        if not self._needs:
            return shared(left, [(left, share) for _, share in flexible])
        return shared(left, [(self._wish(index), share) for index, share in flexible])

    def render_line(self, y: int) -> Strip:
        """Return the header, a row, or an empty line."""
        width = self.room
        if y < self._above:
            style = self.get_component_rich_style("table--header")
            text = " " * len(_MARK) + (" " * _GAP).join(
                fit(column.title, room, right=column.right) for column, _x, room in self._layout()
            )
            return Strip([Segment(fit(text, width), style)], width)
        index = y - self._above + self.scroll_offset.y
        if index >= self._count:
            text = "  " + self._empty if not self._count and y == self._above else ""
            return Strip([Segment(fit(text, width), self.get_component_rich_style("tone--dim"))], width)
        return self._render_row(index, width)

    def _render_row(self, index: int, width: int) -> Strip:
        row = self._row_at(index)
        self._painted[index] = row
        base = self.rich_style
        chosen = index == self.cursor and self.can_focus
        if chosen and self.has_focus:
            base += self.get_component_rich_style("table--cursor", partial=True)
        mark = base + self.get_component_rich_style("table--mark", partial=True)
        segments = [Segment(_MARK if chosen else " " * len(_MARK), mark)]
        used = len(_MARK)
        layout = self._layout()
        shown = {id(column) for column, _x, _w in layout}
        cells = [c for column, c in zip(self.columns, row, strict=False) if id(column) in shown]
        for position, ((column, _x, room), each) in enumerate(zip(layout, cells, strict=False)):
            gap = " " * _GAP if position else ""
            style = base + self.get_component_rich_style(f"tone--{each.tone}", partial=True)
            segments += self._set_off(gap + fit(each.text, room, cut=column.cut, right=column.right), style)
            used += len(gap) + room
        segments.append(Segment(" " * max(0, width - used), base))
        return Strip(segments).adjust_cell_length(width, base)

    def _set_off(self, text: str, style: Style) -> list[Segment]:
        """Return a cell's text, the sought words in it set off."""
        segments: list[Segment] = []
        done = 0
        for start, end in self._marker.places(text):
            segments += [Segment(text[done:start], style), Segment(text[start:end], style + Style.parse(MARK))]
            done = end
        return [*segments, Segment(text[done:], style)]

    def watch_cursor(self, before: int, now: int) -> None:
        """Repaint the two rows, and tell."""
        for index in {before, now}:
            self._refresh_row(index)
        self._keep_in_view()

    def watch_has_focus(self, _has_focus: bool) -> None:
        """Repaint the chosen row only."""
        self._refresh_row(self.cursor)

    def _keep_in_view(self) -> None:
        room = self.size.height - self._above
        if room <= 0:
            return
        top = self.scroll_offset.y
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, immediate=True)
        elif (last := min(self.cursor + self._below, self._count - 1)) >= top + room:
            self.scroll_to(y=min(last - room + 1, self.cursor), animate=False, immediate=True)

    def choose(self, index: int, *, below: int = 0) -> None:
        """Choose a row from the program; `below` rows after it are in view, too, where there is room."""
        self._below = below
        self._choose(index, by_hand=False)

    def _choose(self, index: int, *, by_hand: bool) -> None:
        index = max(0, min(index, self._count - 1))
        changed = index != self.cursor
        self._below = 0 if by_hand else self._below
        self.cursor = index
        if changed or by_hand:
            self.post_message(self.Moved(self, index, by_hand=by_hand))

    def action_move(self, by: int) -> None:
        """Choose the row above or below."""
        self._choose(self.cursor + by, by_hand=True)

    def action_page(self, by: int) -> None:
        """Choose a row one page away."""
        self._choose(self.cursor + by * max(1, self.size.height - 2), by_hand=True)

    def action_edge(self, last: int) -> None:
        """Choose the first or the last row."""
        self._choose(self._count - 1 if last else 0, by_hand=True)


def shared(left: int, wishes: Sequence[tuple[int, int]]) -> list[int]:
    """Return how `left` cells are shared by columns that each wish for a width, with a weight.

    A column that wishes for less than its part gets its wish, and the others share the more; what nobody wishes for
    is shared out too.
    """
    widths = [0] * len(wishes)
    open_ = list(range(len(wishes)))
    while open_:
        weight = sum(wishes[index][1] for index in open_)
        modest = [index for index in open_ if wishes[index][0] * weight <= left * wishes[index][1]]
        if not modest or len(modest) == len(open_):
            break
        for index in modest:
            widths[index] = wishes[index][0]
            left -= widths[index]
            open_.remove(index)
    spare = left - sum(wishes[index][0] for index in open_)
    if spare >= 0 and open_:
        for index in open_:
            widths[index] = wishes[index][0]
        left = spare
    weight = sum(wishes[index][1] for index in open_)
    for index in open_:
        part = left * wishes[index][1] // weight
        widths[index] += part
        left -= part
        weight -= wishes[index][1]
    return widths
