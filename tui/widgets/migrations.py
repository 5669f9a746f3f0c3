"""The migrations of the folder with their states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ...core.status import ODD_STATES, PENDING_STATES, MigrationStatus
from ..format import duration, numbered
from ..words import STATE, Cell, cell
from .table import Column, Table, TableRow

_NONE: Final = "no migration here"


class Migrations(Table):
    """Version, name, state, when applied and how long it took; what needs saying beside the state."""

    def __init__(self) -> None:
        super().__init__(
            [
                Column(title="version", width=16, fits=True, cut="middle"),
                Column(title="name"),
                Column(title="state", width=12, fits=True),
                Column(title="applied (UTC)", width=16, fits=True),
                Column(title="took", width=11, fits=True, right=True),
                Column(title="by", width=20, fits=True, from_width=100),
                Column(title="note", share=1, from_width=150),
            ],
            empty=_NONE,
            id="migrations",
        )

    def follow(self, statuses: Sequence[MigrationStatus], typed: str = "") -> None:
        """Show these states; those of them that a filter leaves where something is `typed`."""
        self.say_where_empty("no migration has these words" if typed else _NONE)
        self.mark(typed.split())
        self.show([status_row(status) for status in statuses])


def first_to_look_at(statuses: Sequence[MigrationStatus]) -> int:
    """Return which row matters most: what is odd, else what is pending first, else the newest."""
    for states in (ODD_STATES, PENDING_STATES):
        for index, status in enumerate(statuses):
            if status.state in states:
                return index
    return len(statuses) - 1


def matching(statuses: Sequence[MigrationStatus], typed: str) -> tuple[MigrationStatus, ...]:
    """Return the migrations that have every typed word, whatever the case: in what the table shows of them."""
    sought = typed.lower().split()
    return tuple(status for status in statuses if all(word in _shown(status) for word in sought))


def _shown(status: MigrationStatus) -> str:
    return " ".join((status.version, *(each.text for each in status_row(status)))).lower()


def status_row(status: MigrationStatus) -> TableRow:
    """Return the row of one migration; times are UTC, as in the files."""
    word, tone = STATE[status.state]
    applied = f"{status.applied_at:%Y-%m-%d %H:%M}" if status.applied_at else ""
    took = "" if status.duration_ms is None else duration(status.duration_ms / 1000)
    return (
        cell(numbered(status.version), "head"),
        cell(status.name),
        Cell(word, tone),
        Cell(applied, "dim"),
        Cell(took, "dim"),
        cell(status.operator or "", "dim"),
        cell(status.note, "dim"),
    )
