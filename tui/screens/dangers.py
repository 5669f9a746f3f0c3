"""What stops a plan and what endangers it, in words and as a screen of its own."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import ClassVar, Final

from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget

from ...core.plan import Plan, PlannedStatement, Rehearsal
from ..claims import claims_line
from ..hazard_words import hazard_words
from ..keys import bindings
from ..record_words import record_lines
from ..rehearsal_words import difference_lines, remark_lines, standing_words, unknown_lines
from ..widgets.banner import Standing
from ..widgets.paper import Paper
from ..widgets.text_scroll import TextScroll
from ..words import fault_words, joined, stacked, words
from .stage import Stage

# The advice is for the command line; here a key does the same.
_SETTLED_BY: Final = "In this console: esc, then e on the overview settles it."


class DangersScreen(Stage[None]):
    """All of it, where the pre-check has room for the first few lines only. Nothing leads on from here."""

    STAGE: ClassVar[str] = "pre-check"
    FOLDS: ClassVar[bool] = True
    BINDINGS: ClassVar[list[BindingType]] = bindings("pre-check row")

    def __init__(self, standing: Standing, plan: Plan, *, reading: bool = False, settles: bool = False) -> None:
        super().__init__(standing, reading=reading)
        self._words = danger_words(plan, settles=settles)

    def body(self) -> Iterable[Widget]:
        """Return what is to be read."""
        with TextScroll(id="whole", classes="sql"):
            yield Paper(self._words)

    def on_mount(self) -> None:
        """Let it be scrolled."""
        self.query_one("#whole").focus()

    def copied(self) -> str:
        """Return all of it."""
        return self._words.plain

    def action_back(self) -> None:
        """Back to the table."""
        self.dismiss(None)


def danger_words(plan: Plan, *, settles: bool = False) -> Content:
    """Return what stops the plan, what it writes down, then the hazards in it."""
    parts: list[Content] = []
    for fault in plan.refusals:
        # a hazard that stops the plan is told below, with the safe way
        if fault.id != "hazard":
            key = words(_SETTLED_BY, "key") if settles and "`changeover repair" in fault.advice else None
            parts += [stacked(fault_words(fault), key), Content("")]
    if written := record_lines(plan):
        parts += [*(words(line, "head", bold=True) for line in written), Content("")]
    if plan.rehearsal is not None:
        parts += [_rehearsal_words(plan, plan.rehearsal), Content("")]
    for _, statement, hazard in plan.hazards:
        parts += [*hazard_words(hazard, f"{statement.file}:{statement.line}"), Content("")]
    for note in plan.notes:
        where = f" ({note.file}:{note.line})" if note.file else ""
        parts += [words(f"- note: {note.summary}{where}", "dim"), Content("")]
    if not parts:
        return words("Nothing stops this plan, and no hazard was found in it.", "ok")
    return stacked(*parts[:-1])


def _rehearsal_words(plan: Plan, rehearsal: Rehearsal) -> Content:
    """Return what a rehearsal measured of each statement, what it could not tell, and what the schema becomes."""
    lines = [words(standing_words(rehearsal, time.time()), "head", bold=True)]
    lines += [words(f"  {line}", "dim") for line in remark_lines(rehearsal)]
    for _, statement in ((planned, one) for planned in plan.migrations for one in planned.statements):
        work = work_in_words(statement)
        if statement.source == "measured" and (statement.locks or work):
            claims = "; ".join([claims_line(statement.locks), *work] if statement.locks else work)
            where = f"  {statement.file}:{statement.line} measured: "
            lines.append(joined(words(where, "dim"), words(claims, "warn" if statement.long else "text")))
    lines += [words(f"  {line}", "warn") for line in unknown_lines(plan, rehearsal)]
    lines += [words(f"  {line}") for line in difference_lines(rehearsal)]
    return stacked(*lines)


def work_in_words(statement: PlannedStatement) -> list[str]:
    """Return what a statement does to rows, one piece for each kind of work."""
    named = (("rewrites", statement.rewrites), ("scans", statement.scans), ("builds", statement.builds))
    return [f"{name} {', '.join(relations)}" for name, relations in named if relations]
