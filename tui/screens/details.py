"""One row of the pre-check in full: expected and found side by side, its statement, locks, hazards and traffic."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from rich.cells import cell_len
from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget

from ...core.plan import Plan, PlannedStatement
from ...core.precheck import Row
from ...core.traffic import Exposure
from ..claims import claims_line
from ..exposure_words import relation_lines, user_words
from ..keys import bindings
from ..widgets.banner import Standing
from ..widgets.paper import Paper
from ..widgets.sql_view import sql_words
from ..widgets.text_scroll import TextScroll
from ..words import NOTHING, VERDICT, beside, cell, joined, stacked, words
from .stage import Stage


class DetailsScreen(Stage[None]):
    """To be read; nothing leads on from here."""

    STAGE: ClassVar[str] = "pre-check"
    FOLDS: ClassVar[bool] = True
    BINDINGS: ClassVar[list[BindingType]] = bindings("pre-check row")

    def __init__(
        self, standing: Standing, plan: Plan, row: Row, exposure: Exposure | None, *, reading: bool = False
    ) -> None:
        super().__init__(standing, reading=reading)
        self._row = row
        self._statement = statement_of(plan, row)
        self._exposure = exposure

    def body(self) -> Iterable[Widget]:
        """Return the parts, the traffic as one of its own: it changes while one reads."""
        with TextScroll(id="whole", classes="sql"):
            yield Paper(row_head(self._row))
            yield Paper(work_words(self._statement), id="work")
            yield Paper(id="traffic")
            yield Paper(statement_words(self._statement, self._row))

    def on_mount(self) -> None:
        """Show what is known of the traffic."""
        self.query_one("#whole").focus()
        self.query_one("#work").display = bool(work_words(self._statement))
        self.follow(self._exposure)

    def follow(self, exposure: Exposure | None) -> None:
        """Show another sample."""
        content = traffic_words(self._statement, exposure)
        paper = self.query_one("#traffic", Paper)
        paper.display = bool(content)
        paper.write(content, layout=True)

    def copied(self) -> str:
        """Return the statement."""
        return self._statement.sql if self._statement is not None else ""

    def action_back(self) -> None:
        """Back to the table."""
        self.dismiss(None)


def statement_of(plan: Plan, row: Row) -> PlannedStatement | None:
    """Return the statement that a row is needed by first, None where the plan has it no more."""
    return next(
        (
            one
            for planned in plan.migrations
            if planned.migration.version == row.version
            for one in planned.statements
            if one.number == row.statement
        ),
        None,
    )


def row_head(row: Row) -> Content:
    """Return a row with what was expected and found under each other, or side by side where there are sides to it."""
    word, tone = VERDICT[row.verdict]
    lines: list[Content | None] = [
        joined(words(f"{row.kind} ", "dim"), words(row.object, bold=True), "  ", words(word, tone, bold=True)),
        joined(words("expected  ", "dim"), words(row.expected or "-")),
        joined(words("found     ", "dim"), words(row.found or "-")),
        *_sides(row),
    ]
    if row.remedy:
        lines.append(joined(words("mend      ", "dim"), words(row.remedy, "key")))
    return stacked(*lines)


def _sides(row: Row) -> list[Content]:
    if not row.aspects:
        return []
    table = [("", "expected", "found"), *((one.name, one.expected, one.found) for one in row.aspects)]
    shown = [tuple(cell(text).text for text in line) for line in table]
    wide = [max(cell_len(line[column]) for line in shown) for column in range(2)]
    tones = ["dim", *({True: "text", False: "warn", None: "head"}[one.same] for one in row.aspects)]
    marks = ["", *({True: "same", False: "≠", None: "not comparable"}[one.same] for one in row.aspects)]
    return [
        joined(
            words(f"  {line[0]}{' ' * (wide[0] - cell_len(line[0]))}  ", "dim"),
            words(f"{line[1]}{' ' * (wide[1] - cell_len(line[1]))}  ", tone),
            words(f"{line[2]}  ", tone),
            words(mark, "dim"),
        )
        for line, tone, mark in zip(shown, tones, marks, strict=True)
    ]


def work_words(statement: PlannedStatement | None) -> Content:
    """Return the locks, the work on rows and the hazards of a statement."""
    if statement is None:
        return NOTHING
    lines: list[Content] = []
    if statement.locks:
        lines.append(joined(words("locks     ", "dim"), words(f"{claims_line(statement.locks)} ({statement.source})")))
    for name, relations in (
        ("rewrites  ", statement.rewrites), ("scans     ", statement.scans), ("builds    ", statement.builds),
    ):  # fmt: skip
        if relations:
            lines.append(joined(words(name, "dim"), words(", ".join(relations), "warn" if statement.long else "text")))
    if statement.error:
        lines.append(beside(words("fails     ", "dim"), statement.error, "bad"))
    for hazard in statement.hazards:
        allowed = f"; allowed by {hazard.allowed_by}" if hazard.allowed_by else ""
        tone = "warn" if hazard.allowed_by or hazard.severity != "severe" else "bad"
        lines.append(words(f"! {hazard.id} ({hazard.severity}{allowed})", tone, bold=True))
        lines.append(beside(Content("  "), hazard.text))
        if hazard.instead:
            lines.append(beside(words("  instead:  ", "dim"), hazard.instead))
    return stacked(*lines) if lines else NOTHING


def traffic_words(statement: PlannedStatement | None, exposure: Exposure | None) -> Content:
    """Return who uses the relations that a statement locks."""
    if statement is None or exposure is None:
        return NOTHING
    locked = {claim.relation for claim in statement.locks}
    lines: list[Content] = []
    for one in exposure.relations:
        if one.relation in locked:
            first, *others = relation_lines(one)
            lines.append(joined(words("now       ", "dim"), words(first)))
            lines += [words(f"          {other}", "warn" if "in the way" in other else "text") for other in others]
    if exposure.snapshot is not None and "CONCURRENTLY" in statement.kind:
        lines.append(joined(words("waits on  ", "dim"), words(user_words(exposure.snapshot), "warn")))
    if lines and exposure.hidden:
        lines.append(words(f"          {exposure.hidden}", "dim"))
    return stacked(*lines) if lines else NOTHING


def statement_words(statement: PlannedStatement | None, row: Row) -> Content:
    """Return the statement with its place, and what becomes of it."""
    if statement is None:
        return words(str(row.needed_by), "dim")
    decision = statement.decision.value + (f", {statement.reason}" if statement.reason else "")
    head = joined(words(f"{row.needed_by.file}:{statement.line}  ", "dim"), words(decision, "head"))
    return stacked(Content(""), head, sql_words(statement.sql))
