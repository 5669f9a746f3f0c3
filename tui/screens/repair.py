"""What stopped half-way, what is there of it, and how it can be settled; the answer then goes the way of every run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, TypeAlias

from textual import on
from textual.binding import BindingType
from textual.widget import Widget
from textual.widgets import Input

from ...core.action_offers import REMEDIES, reason_of
from ...core.repair import Case, Remedy
from ..cases import case_lines
from ..format import numbered
from ..keys import bindings
from ..widgets.banner import Standing
from ..widgets.field import FilterField, SettlingField
from ..widgets.paper import Paper
from ..widgets.sql_view import SqlView
from ..widgets.table import Column, Table, TableRow
from ..words import NOTHING, Cell, cell, stacked, words
from .stage import Stage

Answer: TypeAlias = tuple[Case, Remedy, str]


class RepairScreen(Stage[Answer | None]):
    """A row for each answer to each case; the result is the case, the answer and why."""

    STAGE: ClassVar[str] = "repair"
    BINDINGS: ClassVar[list[BindingType]] = bindings("repair")

    def __init__(self, standing: Standing, cases: tuple[Case, ...]) -> None:
        super().__init__(standing)
        self._all = [(case, remedy) for case in cases for remedy in case.remedies]
        # of these the ones that a typed filter keeps
        self._open = self._all

    def body(self) -> Iterable[Widget]:
        """Answers above, the case that the marked one is about below."""
        yield FilterField()
        yield Table(
            [
                Column(title="version", width=16, fits=True, cut="middle"),
                Column(title="answer", width=14, fits=True),
                Column(title="", width=6, fits=True),
                Column(title="what it does"),
            ],
            empty="no answer has these words",
            id="remedies",
        )
        yield SqlView(id="case")
        yield Paper(words(" Why is that so? The history keeps your words:", "head"), id="ask")
        yield SettlingField(name="reason")

    def on_mount(self) -> None:
        """Begin at an answer that cannot be wrong, where there is one."""
        for name in ("#ask", "#reason"):
            self.query_one(name).display = False
        table = self.query_one(Table)
        table.show([remedy_row(case, remedy) for case, remedy in self._open])
        safe = [index for index, (case, remedy) in enumerate(self._open) if remedy is case.safe]
        table.choose(safe[0] if safe else 0)
        table.focus()
        self._show()
        self.say("Nothing is changed here: a plan and its confirmation come next.", "head")

    def on_table_moved(self) -> None:
        """Show the case that the marked answer is about."""
        self._show()

    def _show(self) -> None:
        if not self._open:
            self.query_one(SqlView).show(NOTHING)
            return
        case, _ = self._open[self.query_one(Table).cursor]
        self.query_one(SqlView).show(stacked(*(words(line) for line in case_lines(case))))

    def copied(self) -> str:
        """Return the case in lines."""
        if not self._open:
            return ""
        return "\n".join(case_lines(self._open[self.query_one(Table).cursor][0]))

    def why_not(self, action: str) -> str:
        """Without an answer there is nothing to go on to."""
        return "No answer has these words; esc takes the filter away." if action == "take" and not self._open else ""

    def action_filter(self) -> None:
        """Type what answers should have."""
        self.query_one(FilterField).begin()

    @on(Input.Changed, "#filter")
    def _filtered(self, event: Input.Changed) -> None:
        """Show what is left, at every letter."""
        sought = event.value.lower().split()
        self._open = [(case, remedy) for case, remedy in self._all if _has(case, remedy, sought)]
        table = self.query_one(Table)
        table.mark(sought)
        table.show([remedy_row(case, remedy) for case, remedy in self._open])
        table.choose(0)
        self._show()
        self.refresh_bindings()

    @on(Input.Submitted, "#filter")
    def _kept(self, event: Input.Submitted) -> None:
        """Go back to the answers; an empty filter goes away."""
        event.stop()
        self.query_one(FilterField).display = bool(event.value.strip())
        self.query_one(Table).focus()

    def action_take(self) -> None:
        """Take the marked answer; one that a person has to vouch for wants a reason."""
        case, remedy = self._open[self.query_one(Table).cursor]
        reason = reason_of(case, remedy)
        if reason or remedy is Remedy.RESUME:
            self.dismiss((case, remedy, reason))
            return
        for name in ("#ask", "#reason"):
            self.query_one(name).display = True
        self.query_one("#reason").focus()

    @on(Input.Submitted, "#reason")
    def _reasoned(self, event: Input.Submitted) -> None:
        event.stop()
        reason = event.value.strip()
        if not reason:
            self.say("A reason in a few words is needed; esc goes back and nothing is done.")
            return
        case, remedy = self._open[self.query_one(Table).cursor]
        self.dismiss((case, remedy, reason))

    def action_back(self) -> None:
        """Take the filter away, or go back: nothing was done."""
        if self.query_one(FilterField).clear_away():
            self.query_one(Table).focus()
            return
        self.dismiss(None)


def _has(case: Case, remedy: Remedy, sought: Sequence[str]) -> bool:
    said = (case.version, case.status.name, *(each.text for each in remedy_row(case, remedy)))
    return all(word in " ".join(said).lower() for word in sought)


def remedy_row(case: Case, remedy: Remedy) -> TableRow:
    """Return an answer as a row; the one that cannot be wrong says so."""
    safe = remedy is case.safe
    return (
        cell(numbered(case.version), "head"),
        Cell(remedy.value, "key" if safe else "text"),
        Cell("safe" if safe else "", "ok"),
        Cell(REMEDIES[remedy], "dim"),
    )
