"""Pre-check and plan: what the pending migrations need and make, against what the database has."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, ClassVar, Final, TypeAlias

from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget
from textual.worker import Worker

from ...core.errors import ChangeoverError, Fault
from ...core.events import RehearsalStep
from ...core.hazards.allowances import OVERRIDE
from ...core.plan import Plan, PlannedMigration, PlannedStatement
from ...core.precheck import Row
from ...core.row_filter import matching
from ...core.traffic import Exposure
from ..claims import claims_line
from ..exposure_words import headline
from ..format import count
from ..keys import bindings
from ..record_words import record_lines
from ..rehearsal_words import standing_words, step_words
from ..widgets.banner import Standing
from ..widgets.field import Field
from ..widgets.paper import Paper
from ..widgets.precheck_table import PrecheckTable, first_in_the_way
from ..widgets.sql_view import SqlView, sql_words
from ..widgets.trail import READING_PATH
from ..words import VERDICT, joined, stacked, words
from .absent import WHY_ABSENT
from .dangers import DangersScreen, danger_words, work_in_words
from .details import DetailsScreen, statement_of
from .stage import Stage

# Rehearses the plan, telling how far it is, and returns the plan with what was measured.
Rehearse: TypeAlias = Callable[[Callable[[RehearsalStep], object]], Awaitable[Plan]]
# Tells a sample of the exposure every two seconds, and at last why there is none any more, until it is cancelled.
Follow: TypeAlias = Callable[[Callable[[Exposure | Fault], object]], Coroutine[Any, Any, None]]
# Rows after the one that it begins at which are to be seen with it.
_AFTER: Final = 2


class PrecheckScreen(Stage[bool]):
    """The table, and the statement behind the chosen row. Here nothing leads to a run: it is for reading."""

    STAGE: ClassVar[str] = "pre-check"
    FOLDS: ClassVar[bool] = True
    BINDINGS: ClassVar[list[BindingType]] = bindings("pre-check")
    ABSENT: ClassVar[dict[str, str]] = {"pre-check, to change": WHY_ABSENT}
    # whether the overview has a key that settles what stopped half-way
    _SETTLES: ClassVar[bool] = False

    def __init__(
        self,
        standing: Standing,
        plan: Plan,
        *,
        reading: bool = False,
        follow: Follow | None = None,
        rehearse: Rehearse | None = None,
    ) -> None:
        super().__init__(standing, reading=reading)
        self._plan = plan
        self._rows = plan.rows
        self._follow = follow
        self._exposure: Exposure | None = None
        self._rehearse = rehearse
        self._rehearsing: Worker[None] | None = None
        hazards = any(statement.hazards for _, statement in _statements(plan))
        # what is written down is no row of the table
        self._about_plan = bool(plan.refusals) or hazards or bool(record_lines(plan))

    def body(self) -> Iterable[Widget]:
        """Heading, table, details."""
        yield Paper(plan_words(self._plan), classes="section", id="plan")
        yield Paper(id="exposure")
        field = Field(name="filter")
        field.display = False
        yield field
        yield PrecheckTable()
        yield SqlView(id="details")

    def on_mount(self) -> None:
        """Show the table, and first what stops or endangers the plan."""
        table = self.query_one(PrecheckTable)
        table.follow(self._plan.rows)
        table.choose(first_in_the_way(self._plan.rows), below=_AFTER)
        table.focus()
        self._show_details()
        self._greet()
        if self._follow is not None:
            self.run_worker(self._follow(self._sampled), exit_on_error=False, name="exposure")

    def _sampled(self, found: Exposure | Fault) -> None:
        """Show a sample, or why there is none any more."""
        if isinstance(found, Fault):
            self.query_one("#exposure", Paper).write(words(f" Who uses it is not known: {found.summary}", "dim"))
            return
        self._exposure = found
        self._show_exposure()
        above = self.app.screen
        if isinstance(above, DetailsScreen):
            above.follow(found)

    def _show_exposure(self) -> None:
        paper = self.query_one("#exposure", Paper)
        if self._exposure is not None:
            paper.write(exposure_headline(self._exposure, self._chosen_statement(), self.size.width - 2))

    def on_resize(self) -> None:
        """Say as much as there is room for."""
        self._show_exposure()

    def _chosen(self) -> Row | None:
        return self._rows[self.query_one(PrecheckTable).cursor] if self._rows else None

    def _chosen_statement(self) -> PlannedStatement | None:
        row = self._chosen()
        return statement_of(self._plan, row) if row is not None else None

    def _greet(self) -> None:
        self.say("Read-only: from here nothing can be run.", "head")

    def on_table_moved(self, event: PrecheckTable.Moved) -> None:
        """Another row: its statement."""
        if event.by_hand:
            self._about_plan = False
        self._show_details()
        self._show_exposure()

    def _show_details(self) -> None:
        view = self.query_one(SqlView)
        row = self._chosen()
        if self._about_plan or row is None:
            view.show(danger_words(self._plan, settles=self._SETTLES))
            return
        view.show(row_words(self._plan, row))

    # -- filter

    def action_filter(self) -> None:
        """Type what rows should have."""
        field = self.query_one("#filter", Field)
        field.display = True
        field.focus()

    def on_input_changed(self, event: Field.Changed) -> None:
        """Show what is left, at every letter; the chosen row stays so while it is there."""
        chosen = self._chosen()
        self._rows = matching(self._plan.rows, event.value)
        table = self.query_one(PrecheckTable)
        table.follow(self._rows, event.value)
        table.choose(next((at for at, row in enumerate(self._rows) if row is chosen), 0))
        self._about_plan = False
        self._show_details()
        self.say(f"{len(self._rows):,} of {len(self._plan.rows):,} rows" if event.value.strip() else "", "head")

    def on_input_submitted(self, event: Field.Submitted) -> None:
        """Go back into the table; an empty filter goes away."""
        event.stop()
        self.query_one("#filter").display = bool(event.value.strip())
        self.query_one(PrecheckTable).focus()

    def why_not(self, action: str) -> str:
        """Without rows there are no details."""
        if action == "details" and not self._rows and not self._about_plan:
            return "There is no row."
        if action == "rehearse" and (self._rehearse is None or not self._plan.migrations):
            return "There is nothing to rehearse."
        return ""

    def copied(self) -> str:
        """Return the statement behind the chosen row, else the row."""
        row, statement = self._chosen(), self._chosen_statement()
        if statement is not None:
            return statement.sql
        return f"{row.object}: expected {row.expected}, found {row.found}" if row is not None else ""

    def action_details(self) -> None:
        """Show in full what stands below: the chosen row, or what stops and endangers the plan."""
        row, reading = self._chosen(), self._path is READING_PATH
        if self._about_plan or row is None:
            self.app.push_screen(DangersScreen(self._standing, self._plan, reading=reading, settles=self._SETTLES))
        else:
            self.app.push_screen(DetailsScreen(self._standing, self._plan, row, self._exposure, reading=reading))

    def action_turn(self) -> None:
        """Turn between the chosen row and the plan as a whole."""
        self._about_plan = not self._about_plan
        self._show_details()

    def action_rehearse(self) -> None:
        """Begin a rehearsal in the background, or stop the one that is going on."""
        if self._rehearsing is not None:
            self._rehearsing.cancel()
            self.say("stopping the rehearsal", "warn")
        elif self._rehearse is not None:
            self._rehearsing = self.run_worker(self._measure(self._rehearse), exit_on_error=False)

    async def _measure(self, rehearse: Rehearse) -> None:
        try:
            self._plan = await rehearse(lambda step: self.say(f"{step_words(step)}; R stops it", "head"))
        except asyncio.CancelledError:
            if self.is_current:
                self.say("The rehearsal was stopped; nothing is left of it.", "warn")
            raise
        except ChangeoverError as error:
            self.say(f"{error.summary} {error.advice}".strip(), "bad")
            return
        finally:
            self._rehearsing = None
        self._about_plan = True
        self.query_one("#plan", Paper).write(plan_words(self._plan))
        self._show_details()
        rehearsal = self._plan.rehearsal
        failed = any(fault.id == OVERRIDE for fault in self._plan.refusals)
        if rehearsal is not None:
            self.say(standing_words(rehearsal, rehearsal.at), "bad" if failed else "ok")

    def action_back(self) -> None:
        """Take the filter away, or go back to the overview, where a rehearsal that goes on ends."""
        field = self.query_one("#filter", Field)
        if field.display:
            field.value = ""
            field.display = False
            self.query_one(PrecheckTable).focus()
            return
        self.dismiss(False)


class PlanScreen(PrecheckScreen):
    """The pre-check that leads on; the result is whether to go on to the confirmation."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("pre-check, to change")
    ABSENT: ClassVar[dict[str, str]] = {}
    _SETTLES: ClassVar[bool] = True

    def _greet(self) -> None:
        if self._plan.can_be_allowed:
            hazards = count(len(self._plan.refusals), "severe hazard")
            self.say(f"{hazards}, named above: do it the safe way, or go on and allow it with a reason.", "warn")
        elif why := self._why_not():
            self.say(why, "bad" if self._plan.refusals else "head")

    def _why_not(self) -> str:
        """Return why the plan cannot be confirmed, empty where it can."""
        if self._plan.can_be_allowed:
            return ""
        if self._plan.refusals:
            return f"This plan cannot run: {count(len(self._plan.refusals), 'refusal')}, named above; tab turns to it."
        if not self._plan.migrations:
            return "Nothing is pending."
        return ""

    def why_not(self, action: str) -> str:
        """Without a plan that can run the key is dim, and says why when it is pressed."""
        return self._why_not() if action == "confirm" else super().why_not(action)

    def action_confirm(self) -> None:
        """Go on, if the plan is one that can run."""
        self.dismiss(True)


def _statements(plan: Plan) -> Iterable[tuple[PlannedMigration, PlannedStatement]]:
    return ((migration, statement) for migration in plan.migrations for statement in migration.statements)


def plan_words(plan: Plan) -> Content:
    """Return the heading: how much would run, whether it can, and the verdicts that matter."""
    kinds = sorted({planned.entry for planned in plan.migrations} - {"migration", "deferred"})
    migrations = count(len(plan.migrations), "migration") + (f" to {' and '.join(kinds)}" if kinds else "")
    statements = count(plan.statement_count, "statement")
    ready = words("ready", "ok", bold=True) if plan.ready else words("NOT READY", "bad", bold=True)
    verdicts = Counter(row.verdict for row in plan.rows)
    said = [
        joined("  ", words(f"{VERDICT[verdict][0]} {number:,}", VERDICT[verdict][1]))
        for verdict, number in sorted(verdicts.items(), key=lambda item: list(VERDICT).index(item[0]))
    ]
    return stacked(
        joined(words(f" {migrations}, {statements}: ", "head", bold=True), ready),
        joined(" ", *said) if said else Content(" "),
    )


def exposure_headline(exposure: Exposure, statement: PlannedStatement | None, width: int) -> Content:
    """Return the traffic on what the chosen statement locks, or else on the relation with the strongest lock."""
    locked = {claim.relation for claim in statement.locks} if statement is not None else set()
    chosen = next((one for one in exposure.relations if one.relation in locked), None)
    shown = chosen or next(iter(exposure.relations), None)
    if shown is None:
        return words(" The plan locks no table that is there.", "dim")
    return words(f" {headline(shown, width)}", "warn" if shown.blocker is not None else "head")


def row_words(plan: Plan, row: Row) -> Content:
    """Return the chosen row in full, and the statement behind it."""
    word, tone = VERDICT[row.verdict]
    lines = [
        joined(words(f"{row.kind} ", "dim"), words(row.object, bold=True), "  ", words(word, tone, bold=True)),
        words(f"expected {row.expected}, found {row.found}"),
    ]
    if row.remedy:
        lines.append(joined(words("mend   ", "dim"), words(row.remedy, "key")))
    found = statement_of(plan, row)
    if found is None:
        return stacked(*lines)
    decision = found.decision.value + (f", {found.reason}" if found.reason else "")
    lines.append(joined(words(f"{row.needed_by}  ", "dim"), words(decision, "head")))
    if found.locks:
        lines.append(joined(words("locks  ", "dim"), words(f"{claims_line(found.locks)} ({found.source})")))
    if work := work_in_words(found):
        lines.append(joined(words("work   ", "dim"), words("; ".join(work), "warn" if found.long else "text")))
    return stacked(*lines, sql_words(found.sql))
