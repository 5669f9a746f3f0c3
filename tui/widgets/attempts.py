"""The attempts at a connection, and how long until the next one."""

from __future__ import annotations

import re

from ...core.view import AttemptView
from ..format import duration
from ..words import Cell, cell
from .table import Column, Table, TableRow


class Attempts(Table):
    """One row for each attempt: which of how many, where to, what came of it, how long it took."""

    def __init__(self) -> None:
        super().__init__(
            [
                Column(title="attempt", width=7),
                Column(title="address", width=40, fits=True, cut="middle"),
                Column(title="what came of it"),
                Column(title="took", width=11, fits=True, right=True),
            ],
            empty="no attempt yet",
            id="attempts",
        )

    def follow(self, attempts: tuple[AttemptView, ...]) -> None:
        """Show these attempts, the latest chosen."""
        self.show([attempt_row(attempt) for attempt in attempts])
        self.choose(len(attempts) - 1)


def attempt_row(attempt: AttemptView) -> TableRow:
    """Return the row of one attempt."""
    number = Cell(f"{attempt.number} of {attempt.of}", "head")
    address = cell(attempt.address)
    if attempt.fault is not None:
        took = "" if attempt.elapsed is None else duration(attempt.elapsed)
        return (number, address, cell(f"× {reason(attempt)}", "bad"), Cell(took, "dim"))
    if attempt.elapsed is not None:
        return (number, address, Cell("✓ connected", "ok"), Cell(duration(attempt.elapsed), "dim"))
    return (number, address, Cell("► trying", "live"), Cell(""))


def reason(attempt: AttemptView) -> str:
    """Return why an attempt failed, to stand beside its address: without that address."""
    summary = attempt.fault.summary if attempt.fault is not None else ""
    address = re.escape(attempt.address)
    return re.sub(rf"^{address} | (?:at|from|of|on|to|with) {address}(?!\w|\.\w)", "", summary).removesuffix(".")
