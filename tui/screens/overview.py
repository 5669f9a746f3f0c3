"""The overview: where we are, what is there, what is pending."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, Final

from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget

from ...core.action_offers import is_to_settle
from ...core.errors import Fault
from ...core.events import ServerFacts
from ...core.session_log import SessionSummary
from ...core.status import ODD_STATES, PENDING_STATES, MigrationStatus, State
from ...core.survey import Survey
from ..format import count, numbered
from ..keys import bindings
from ..messages import Wanted
from ..widgets.banner import Standing
from ..widgets.facts import guarantee_words, running_words, server_words, sources_words
from ..widgets.field import FilterField
from ..widgets.migrations import Migrations, first_to_look_at, matching
from ..widgets.paper import Paper
from ..widgets.sessions_table import SessionsTable
from ..words import NOTHING, fault_words, joined, stacked, words
from .stage import Stage

# Rows after the one that matters which are to be seen with it.
_AFTER: Final = 3
# what needs no more than the connection
_STILL_THERE: Final = "2 schema, 3 history and 4 activity can be"


class OverviewScreen(Stage[None]):
    """Server facts, migrations with state, last sessions. It stays below everything else."""

    STAGE: ClassVar[str] = "overview"
    FOLDS: ClassVar[bool] = True
    BINDINGS: ClassVar[list[BindingType]] = bindings("overview", "inspect")

    def __init__(self, standing: Standing, *, reading: bool = False) -> None:
        super().__init__(standing, reading=reading)
        self.survey: Survey | None = None
        # whether there is a server to read from, though the migrations may not be shown
        self._answers = False
        self._sessions: Sequence[SessionSummary] = ()
        # of the survey's migrations those that a typed filter keeps
        self._left: tuple[MigrationStatus, ...] = ()
        self._typed = ""
        # the program chooses as long as nobody has
        self._chosen_by_hand = False

    def body(self) -> Iterable[Widget]:
        """Facts, migrations, sessions; or the fault that keeps us from seeing them."""
        yield Paper(id="facts", classes="facts")
        yield Paper(id="pending", classes="section")
        yield FilterField()
        yield Migrations()
        yield Paper(id="fault")
        yield Paper(words(" Last sessions", "head", bold=True), id="last", classes="section")
        recent = SessionsTable(id="recent")
        # to be read here; the list has a screen of its own
        recent.can_focus = False
        yield recent

    def on_mount(self) -> None:
        """Begin at the migrations."""
        self.query_one("#fault").display = False
        self.query_one("#pending", Paper).write(words(" reading the catalog", "dim"))
        self.query_one(Migrations).focus()

    def show(self, survey: Survey) -> None:
        """Show what a look has found."""
        self.survey = survey
        self._answers = True
        fault = self.query_one("#fault", Paper)
        fault.display = False
        fault.write(NOTHING, layout=True)
        self.query_one("#facts", Paper).write(
            stacked(
                server_words(survey.server),
                sources_words(survey.folder, survey.history),
                guarantee_words(survey.power),
                running_words(survey.running),
            ),
            layout=True,
        )
        table = self.query_one(Migrations)
        table.display = True
        self._show_left(survey)
        if not self._chosen_by_hand:
            table.choose(first_to_look_at(self._left), below=_AFTER)
        self.refresh_bindings()

    def fail(self, fault: Fault, server: ServerFacts | None) -> None:
        """Show why the look failed, in place of the migrations."""
        self.survey = None
        self._answers = server is not None
        if server is not None:
            self.query_one("#facts", Paper).write(server_words(server), layout=True)
        heading = words(" The migrations cannot be shown", "bad", bold=True)
        if server is not None:
            heading = joined(heading, words(f"; {_STILL_THERE}", "head"))
        self.query_one("#pending", Paper).write(heading)
        self.query_one(Migrations).display = False
        said = self.query_one("#fault", Paper)
        said.display = True
        said.write(fault_words(fault), layout=True)
        self.refresh_bindings()

    def show_sessions(self, sessions: Sequence[SessionSummary]) -> None:
        """Show the last sittings."""
        self.query_one("#recent", SessionsTable).follow(sessions)

    def why_not(self, action: str) -> str:
        """Without a look at the database there is nothing to plan."""
        if action in {"precheck", "revert", "baseline", "repair"} and self.survey is None:
            return "The migrations cannot be shown yet; r looks at the database again."
        if action == "filter" and self.survey is None:
            return "There is no list yet to look through; r looks at the database again."
        if action == "tab" and not self._answers:
            return "The database was not read yet; r reads it."
        if action == "view_sql" and ((chosen := self.chosen()) is None or chosen.file is None):
            return "This migration has no file in the folder."
        return ""

    def copied(self) -> str:
        """Return the chosen migration's line."""
        chosen = self.chosen()
        return "" if chosen is None else f"{chosen.version} {chosen.name}\t{chosen.state}\t{chosen.note}".strip()

    def chosen(self) -> MigrationStatus | None:
        """Return the chosen migration."""
        if self.survey is None or not self._left:
            return None
        return self._left[self.query_one(Migrations).cursor]

    def _show_left(self, survey: Survey) -> None:
        """Show the migrations that have every typed word."""
        self._left = matching(survey.statuses, self._typed)
        heading = pending_words(survey.statuses, survey)
        if self._typed:
            shown = f"   {len(self._left):,} of {len(survey.statuses):,}, filter: {self._typed}"
            heading = joined(heading, words(shown, "head"))
        self.query_one("#pending", Paper).write(heading)
        self.query_one(Migrations).follow(self._left, self._typed)

    def action_filter(self) -> None:
        """Type what migrations should have."""
        self.query_one(FilterField).begin()

    def on_input_changed(self, event: FilterField.Changed) -> None:
        """Show what is left, at every letter; the chosen migration stays so while it is there."""
        chosen = self.chosen()
        self._typed = event.value.strip()
        if self.survey is not None:
            self._show_left(self.survey)
            self.query_one(Migrations).choose(next((at for at, each in enumerate(self._left) if each is chosen), 0))
            self.refresh_bindings()

    def on_input_submitted(self, event: FilterField.Submitted) -> None:
        """Go back to the migrations; an empty filter goes away."""
        event.stop()
        self.query_one(FilterField).display = bool(event.value.strip())
        self.query_one(Migrations).focus()

    def action_unfilter(self) -> None:
        """Take the filter away."""
        if self.query_one(FilterField).clear_away():
            self.query_one(Migrations).focus()
        else:
            self.say("No filter is set; q ends the console.", "head")

    def on_table_moved(self, event: Migrations.Moved) -> None:
        """Say what needs saying beside the state of the chosen migration."""
        self._chosen_by_hand = self._chosen_by_hand or event.by_hand
        chosen = self.chosen()
        self.say("" if chosen is None or not chosen.note else self._said_of(chosen), "head")

    def _said_of(self, chosen: MigrationStatus) -> str:
        return f"{numbered(chosen.version)}: {chosen.note}"

    def action_precheck(self) -> None:
        """Go on to what would run."""
        self.post_message(Wanted("precheck"))

    def action_refresh_survey(self) -> None:
        """Look again."""
        self.say("looking at the database again", "head")
        self.post_message(Wanted("refresh"))

    def action_tab(self, name: str) -> None:
        """Go to the schema, the history or what goes on now; the migrations are here."""
        if name == "migrations":
            self.query_one(Migrations).focus()
            why = "Why they cannot be shown is above; r looks again."
            self.say(why if self.survey is None else "You are there already.", "head")
        else:
            self._want(name)

    def action_view_sql(self) -> None:
        """Show the chosen migration's file."""
        self._want("sql")

    def _want(self, what: str) -> None:
        chosen = self.chosen()
        self.post_message(Wanted(what, chosen.version if chosen is not None else None))


class WorkScreen(OverviewScreen):
    """The overview of a database that can be changed. Every change goes by a plan and its confirmation."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("overview, demo", "overview, to change")

    def __init__(self, standing: Standing, *, demo: bool = False) -> None:
        super().__init__(standing)
        self._demo = demo

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Have the demo's key in the demo only."""
        return self._demo if action == "create_sessions" else super().check_action(action, parameters)

    def _said_of(self, chosen: MigrationStatus) -> str:
        return super()._said_of(chosen) + ("; e settles it" if is_to_settle(chosen) else "")

    def action_create_sessions(self) -> None:
        """Create the demo's sessions table."""
        self._want("sessions-table")

    def action_revert(self) -> None:
        """Undo migrations."""
        self._want("revert")

    def action_baseline(self) -> None:
        """Mark migrations as applied."""
        self._want("baseline")

    def action_repair(self) -> None:
        """Settle what stopped half-way."""
        self._want("repair")


def pending_words(statuses: Sequence[MigrationStatus], survey: Survey) -> Content:
    """Return the heading of the migrations: how many pending, deferred, and otherwise remarkable."""
    pending = sum(status.state in PENDING_STATES for status in statuses)
    deferred = sum(status.state is State.DEFERRED for status in statuses)
    strange = sum(status.state in ODD_STATES for status in statuses)
    offered = sum(planned.entry == "deferred" for planned in survey.plan.migrations)
    parts = [words(" Migrations   ", "head", bold=True)]
    parts.append(words(f"{pending} pending" if pending else "nothing pending", "live" if pending else "ok", bold=True))
    if deferred:
        parts.append(words(f", {deferred} deferred", "warn"))
    if offered:
        parts.append(words(f", {count(offered, 'deferred step')} can run now", "live"))
    if strange:
        parts.append(words(f", {strange} to be looked at", "bad"))
    return joined(*parts)
