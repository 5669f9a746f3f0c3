"""Which rows of the pre-check table a typed filter keeps. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from .precheck import Row


def matching(rows: Sequence[Row], text: str) -> tuple[Row, ...]:
    """Return the rows that have every word of `text` in what is shown of them, whatever the case; all for no word."""
    words = text.lower().split()
    return tuple(row for row in rows if all(word in _shown(row) for word in words))


def _shown(row: Row) -> str:
    place = f"{row.needed_by.file}:{row.needed_by.line}"
    return " ".join((row.object, row.kind, place, row.expected, row.found, row.verdict.value)).lower()
