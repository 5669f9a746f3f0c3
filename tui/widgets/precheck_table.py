"""The pre-check table: every object that the plan needs or makes, against the catalog."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ...core.precheck import STOPPING, Row
from ..format import numbered
from ..words import VERDICT, Cell, cell
from .table import Column, Table, TableRow

_WIDE: Final = 110
# The schema that nearly every name would begin with; what stands under the table has it in full.
_USUAL: Final = "public."
# Shorter words for narrow columns; PostgreSQL's own short names of types are in https://www.postgresql.org/docs/18/datatype.html
_SHORT: Final = {
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
    "character varying": "varchar",
    "double precision": "float8",
    # the verdict beside it says the rest
    "a new ": "new ",
    "there, for this step": "there",
    "not there yet": "not yet",
}


# Kinds whose findings are whole sentences.
_AROUND: Final = frozenset(
    {"server", "connections", "right", "setting", "replication", "prepared transaction", "event trigger"}
)


_NONE: Final = "nothing to check: this plan runs no statement"


class PrecheckTable(Table):
    """Object, needed by, expected, found, verdict."""

    def __init__(self) -> None:
        super().__init__(_columns(80), empty=_NONE, id="rows")
        self._rows: Sequence[Row] = ()
        self._typed = ""

    def follow(self, rows: Sequence[Row], typed: str = "") -> None:
        """Show these rows; those of them that a filter leaves where something is `typed`."""
        self._rows, self._typed = rows, typed
        self.say_where_empty("no row has these words" if typed.strip() else _NONE)
        self.mark(typed.split())
        self.show([precheck_row(row, wide=self.room >= _WIDE) for row in rows])

    def on_resize(self) -> None:
        """Name the file in full where there is room for it."""
        self.columns = _columns(self.room)
        super().on_resize()
        self.follow(self._rows, self._typed)


def first_in_the_way(rows: Sequence[Row]) -> int:
    """Return which row to begin at: the first that keeps the plan from running, else the first."""
    return next((index for index, row in enumerate(rows) if row.verdict in STOPPING), 0)


def _columns(width: int) -> tuple[Column, ...]:
    return (
        Column(title="object", share=5, cut="start"),
        Column(title="needed by", width=30, fits=True, cut="middle")
        if width >= _WIDE
        else Column(title="by", width=16, fits=True, cut="middle"),
        Column(title="expected", share=4),
        Column(title="found", share=3),
        Column(title="verdict", width=12, fits=True),
    )


def precheck_row(row: Row, *, wide: bool) -> TableRow:
    """Return the cells of one row; in a narrow table the version stands for the file."""
    word, tone = VERDICT[row.verdict]
    file = row.needed_by.file if wide else numbered(row.version)
    return (
        cell(row.object.removeprefix(_USUAL)),
        cell(f"{file}:{row.needed_by.line}", "dim"),
        cell(shortly(row.expected)),
        cell(_found(row), "dim" if tone == "dim" else "text"),
        Cell(word, tone),
    )


def _found(row: Row) -> str:
    """Return the finding; of what is around the plan only its first words, which stand for the rest below."""
    text = shortly(row.found)
    return re.split(r"[:;,] ", text, maxsplit=1)[0] if row.kind in _AROUND else text


def shortly(text: str) -> str:
    """Return an expectation or a finding for a narrow column: short names and words, and no sizes."""
    for long, short in _SHORT.items():
        text = text.replace(long, short)
    return text.split(", about ")[0]
