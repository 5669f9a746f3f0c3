"""The overview: where we are, what is there, what is pending."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from ...core.errors import Fault
from ...core.events import ServerFacts
from ...core.session_log import SessionSummary
from ...core.status import PENDING_STATES, MigrationStatus, State
from ...core.survey import Survey
from ..format import count
from ..widgets.banner import Standing
from ..widgets.facts import server_words, sources_words
from ..widgets.migrations import Migrations
from ..widgets.paper import Paper
from ..widgets.sessions_table import SessionsTable
from ..words import NOTHING, fault_words, joined, stacked, words
from .stage import Stage


class OverviewScreen(Stage[None]):
    """Server facts, migrations with state, last sessions. It stays below everything else."""

    STAGE: ClassVar[str] = "overview"
    FOLDS: ClassVar[bool] = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,p", "precheck", "Pre-check & plan", tooltip="what would run, object by object; changes nothing"),
        Binding("r", "refresh_survey", "Refresh", tooltip="look at the database again"),
        Binding("s", "create_sessions", "Make sessions", tooltip="demo: create the table the deferred step waits for"),
    ]

    class Wanted(Message):
        """The operator wants something that only the app can do: precheck, refresh, sql or sessions-table."""

        def __init__(self, what: str, version: str | None = None) -> None:
            super().__init__()
            self.what = what
            self.version = version

    def __init__(self, standing: Standing, *, demo: bool = False, reading: bool = False) -> None:
        super().__init__(standing, reading=reading)
        self._demo = demo
        self.survey: Survey | None = None
        self._sessions: Sequence[SessionSummary] = ()

    def body(self) -> Iterable[Widget]:
        """Facts, migrations, sessions; or the fault that keeps us from seeing them."""
        yield Paper(id="facts", classes="facts")
        yield Paper(id="pending", classes="section")
        yield Migrations()
        yield Paper(id="fault")
        yield Paper(words(" Last sessions", "head", bold=True), id="last", classes="section")
        recent = SessionsTable(id="recent")
        # to be read here; the list has a screen of its own
        recent.can_focus = False
        yield recent

    def on_mount(self) -> None:
        """Begin at the migrations."""
        self.query_one("#pending", Paper).write(words(" reading the catalog", "dim"))
        self.query_one(Migrations).focus()

    def show(self, survey: Survey) -> None:
        """Show what a look has found."""
        self.survey = survey
        fault = self.query_one("#fault", Paper)
        fault.display = False
        fault.write(NOTHING, layout=True)
        self.query_one("#facts", Paper).write(
            stacked(server_words(survey.server), sources_words(survey.folder, survey.history)), layout=True
        )
        self.query_one("#pending", Paper).write(pending_words(survey.statuses, survey))
        table = self.query_one(Migrations)
        table.display = True
        table.follow(survey.statuses)
        self.refresh_bindings()

    def fail(self, fault: Fault, server: ServerFacts | None) -> None:
        """Show why the look failed, in place of the migrations."""
        self.survey = None
        if server is not None:
            self.query_one("#facts", Paper).write(server_words(server), layout=True)
        self.query_one("#pending", Paper).write(words(" The migrations cannot be shown", "bad", bold=True))
        self.query_one(Migrations).display = False
        said = self.query_one("#fault", Paper)
        said.display = True
        said.write(fault_words(fault), layout=True)
        self.refresh_bindings()

    def show_sessions(self, sessions: Sequence[SessionSummary]) -> None:
        """Show the last sittings."""
        self.query_one("#recent", SessionsTable).follow(sessions)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Have the demo's key in the demo only, and nothing to plan without a survey."""
        del parameters
        if action == "create_sessions":
            return self._demo
        if action == "precheck":
            return True if self.survey is not None else None
        return True

    def chosen(self) -> MigrationStatus | None:
        """Return the chosen migration."""
        if self.survey is None or not self.survey.statuses:
            return None
        return self.survey.statuses[self.query_one(Migrations).cursor]

    def on_table_moved(self) -> None:
        """Say what needs saying beside the state of the chosen migration."""
        chosen = self.chosen()
        self.say(f"{chosen.version}: {chosen.note}" if chosen is not None and chosen.note else "", "head")

    def action_precheck(self) -> None:
        """Go on to what would run."""
        self.post_message(self.Wanted("precheck"))

    def action_refresh_survey(self) -> None:
        """Look again."""
        self.say("looking at the database again", "head")
        self.post_message(self.Wanted("refresh"))

    def action_create_sessions(self) -> None:
        """Create the demo's sessions table."""
        self.post_message(self.Wanted("sessions-table"))


def pending_words(statuses: Sequence[MigrationStatus], survey: Survey) -> Content:
    """Return the heading of the migrations: how many pending, deferred, and otherwise remarkable."""
    pending = sum(status.state in PENDING_STATES for status in statuses)
    deferred = sum(status.state is State.DEFERRED for status in statuses)
    odd = {State.CHANGED, State.PARTIAL, State.IN_DOUBT, State.MISSING_FILE, State.UNKNOWN}
    strange = sum(status.state in odd for status in statuses)
    offered = sum(planned.entry == "deferred" for planned in survey.plan.migrations)
    parts = [words(" Migrations   ", "head", bold=True)]
    parts.append(words(f"{pending} pending" if pending else "nothing pending", "live" if pending else "ok", bold=True))
    if deferred:
        parts.append(words(f", {deferred} deferred", "warn"))
    if offered:
        parts.append(words(f", {count(offered, 'deferred step')} can run now", "live"))
    if strange:
        parts.append(words(f", {strange} that need a look", "bad"))
    return joined(*parts)
