"""The path through the console, from top to bottom: set-up, connect, overview, and what is wanted from there.

It calls the engine and shows screens; what a screen answers decides where it goes next. It decides nothing itself.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from textual.content import Content

from ..core import action_offers
from ..core.action_offers import ActionOffer
from ..core.actions import APPLY, Action
from ..core.connect import Connection
from ..core.demo import create_sessions
from ..core.errors import ChangeoverError, ConnectionLost, fault_of
from ..core.events import Planned, PreChecked
from ..core.inspection import read_activity, read_comments, read_definitions
from ..core.recovery import Recovery
from ..core.repair import cases_of
from ..core.session_log import list_sessions
from ..core.settings import for_target
from ..core.survey import Survey, glance, look, read_history_alone, read_schema
from ..core.target import Target
from .aftermath import recovery_words
from .format import numbered_in
from .link import Link
from .listing import Line, Listing, activity_listing, history_listing, schema_listing
from .opening import Mode, Opening
from .run_path import RunPath
from .screens.inspect import InspectScreen
from .screens.lists import ListScreen, ReadingListScreen
from .screens.overview import OverviewScreen, WorkScreen
from .screens.question import Choice, Question
from .screens.repair import RepairScreen
from .screens.sql import SqlScreen
from .set_up import SetUp
from .widgets.banner import Standing

if TYPE_CHECKING:
    from .app import Console

# What a key of the overview has begun, for the one that comes too early.
_DOING: Final = {
    "precheck": "the plan",
    "refresh": "the look at the database",
    "sql": "the file",
    "schema": "the list",
    "history": "the list",
    "activity": "the list",
    "sessions-table": "the table of sessions",
}


class Journey:
    """Where the console is on its path."""

    def __init__(self, console: Console, opening: Opening) -> None:
        self._console = console
        self._opening = opening
        self._link = Link(console, opening)
        self._survey: Survey | None = None
        self._overview: OverviewScreen | None = None
        # what is being done for the overview; empty where nothing is
        self._busy = ""
        self._recovery = Recovery()
        # a list is read again, and a line of it in full, over the one connection
        self._one_reader = asyncio.Lock()

    @property
    def target(self) -> Target | None:
        """The database that we work on."""
        return self._link.target

    @property
    def standing(self) -> Standing:
        """What the first row says."""
        return self._link.standing

    async def set_out(self) -> None:
        """Come to the overview, by way of the set-up where that is needed."""
        target = self._link.target
        if self._opening.mode is Mode.SETUP or target is None:
            arrived = await SetUp(self._link).go(self._opening.error)
        else:
            arrived = await self._arrive(target)
        if not arrived:
            self._console.leave(self._console.exit_code)
            return
        demo = self._opening.mode is Mode.DEMO
        standing = self.standing
        self._overview = InspectScreen(standing) if self._link.reading else WorkScreen(standing, demo=demo)
        await self._console.push_screen(self._overview)
        await self.serve("refresh")

    async def serve(self, what: str, version: str | None = None) -> None:
        """Do what the overview wants, one thing at a time."""
        if self._busy:
            if self._overview is not None:
                self._overview.say(f"One moment: {_DOING.get(self._busy, 'another key')} is not done yet.", "head")
            return
        self._busy = what
        try:
            await self._services[what](version)
        finally:
            self._busy = ""

    @property
    def _services(self) -> Mapping[str, Callable[[str | None], Awaitable[object]]]:
        return {
            "precheck": lambda _: self._migrate(),
            "refresh": lambda _: self._look(),
            "sql": self._view_sql,
            "schema": lambda _: self._browse("schema"),
            "history": lambda _: self._browse("history"),
            "activity": lambda _: self._browse("activity"),
            "sessions-table": lambda _: self._create_sessions(),
            "revert": self._revert,
            "baseline": self._baseline,
            "repair": lambda _: self._repair(),
        }

    async def close(self) -> None:
        """Close the connection, and say so in the log."""
        await self._link.close()

    async def _arrive(self, target: Target) -> bool:
        """Connect to `target`, or to another one that is named instead; False where the operator leaves."""
        while (answer := await self._link.reach(target)) == "edit":
            target = await SetUp(self._link).edit(target, self._link.fault) or target
        return answer == "connected"

    # -- overview ----------------------------------------------------------------------------------

    async def _look(self) -> None:
        """Look at the database again, and show what is there."""
        overview = self._overview
        assert overview is not None
        try:
            survey = await self._survey_now(APPLY)
        except ChangeoverError as error:
            self._survey = None
            connection = self._link.connection
            overview.fail(fault_of(error), connection.facts if connection else None)
            return
        if survey is None:
            return
        sessions = await asyncio.to_thread(list_sessions, newest=4)
        # from here on without a wait: who sees the overview can go on from it
        self._survey = survey
        self._link.role_reads = survey.power == ""
        overview.stand(self.standing)
        overview.show(survey)
        overview.say(*recovery_words(self._recovery))
        # our own says nothing before something was run in it
        told = [it for it in sessions if it.id != self._opening.log.id or it.result is not None]
        overview.show_sessions(told[:3])

    async def _survey_now(self, action: Action) -> Survey | None:
        """Look and plan an action, over a new connection where the old one is gone; None where the operator leaves."""
        link = self._link
        assert link.target is not None
        for last in (False, True):
            if link.connection is None or link.connection.is_closed:
                if not await self._arrive(link.target):
                    self._console.leave(self._console.exit_code)
                    return None
                assert link.connection is not None
            try:
                self._recovery = await link.recover(link.connection)
                settings = for_target(link.settings, link.target)
                survey = await look(link.connection, settings, action=action, connect=link.connector)
            except ConnectionLost:
                link.connection.terminate()
                if last:
                    raise
            else:
                self._record(survey)
                return survey
        return None

    def _record(self, survey: Survey) -> None:
        plan = survey.plan
        verdicts = Counter(row.verdict.value for row in plan.rows)
        self._console.record(PreChecked(verdicts=dict(verdicts), ready=plan.ready))
        self._console.record(
            Planned(
                digest=plan.digest,
                migrations=len(plan.migrations),
                statements=plan.statement_count,
                refusals=plan.refusals,
            )
        )

    async def _view_sql(self, version: str | None) -> None:
        survey = self._survey
        migrations = survey.folder.migrations if survey is not None else ()
        chosen = next((migration for migration in migrations if migration.version == version), None)
        if chosen is not None:
            await self._console.push_screen_wait(SqlScreen(self.standing, chosen))

    async def _create_sessions(self) -> None:
        overview, demo = self._overview, self._opening.demo
        if overview is None or demo is None:
            return
        overview.say("creating the sessions table", "head")
        await create_sessions(demo.target)
        await self._look()
        overview.say("The sessions table is there: what waited for it can run now.", "ok")

    # -- to look through ------------------------------------------------------------------------------

    async def _browse(self, name: str) -> None:
        """Show one list after the other, until the overview is wanted again."""
        screen_of = ReadingListScreen if self._link.reading else ListScreen
        while name:
            try:
                listing = await self._listing(name)
            except ChangeoverError as error:
                self._console.show_fault(fault_of(error))
                return
            name = await self._console.push_screen_wait(
                screen_of(self.standing, listing, partial(self._listing, name, anew=True), self._in_full)
            )

    @property
    def _reader(self) -> Connection:
        connection = self._link.connection
        if connection is None or connection.is_closed:
            raise ConnectionLost("The connection is gone.", advice="r on the overview connects again.")
        return connection

    async def _in_full(self, line: Line) -> Content:
        async with self._one_reader:
            found = await read_definitions(self._reader, line.oid)
        assert line.defined is not None
        return line.defined(found)

    async def _listing(self, name: str, *, anew: bool = False) -> Listing:
        async with self._one_reader:
            return await self._read_listing(name, self._reader, anew=anew)

    async def _read_listing(self, name: str, connection: Connection, *, anew: bool) -> Listing:
        if name == "activity":
            return activity_listing(await read_activity(connection), datetime.now(UTC))
        assert self._link.target is not None
        survey = self._survey
        if name == "history":
            settings = for_target(self._link.settings, self._link.target)
            # what kept the overview from its migrations, a folder that is not there, keeps nobody from the history
            if survey is None:
                return history_listing(await read_history_alone(connection, settings))
            return history_listing((await glance(connection, settings)).history)
        # the catalog that the overview was made from is at hand; one that is asked for again has to be read again
        catalog = await read_schema(connection) if survey is None or anew else survey.catalog
        return schema_listing(catalog, await read_comments(connection))

    # -- what changes something: each by its plan and a confirmation -----------------------------------

    def _may_begin(self) -> bool:
        """Whether a run may be prepared: there is something to see, and nothing is in doubt."""
        if self._survey is None or self._overview is None:
            return False
        if self._recovery.in_doubt:
            self._overview.say(*recovery_words(self._recovery))
            return False
        return True

    async def _migrate(self) -> None:
        """Pre-check, confirm, run, receipt; back at any point before the confirmation."""
        if not self._may_begin():
            return
        assert self._survey is not None
        path = RunPath(self._link, APPLY, self._survey, self._look_for)
        if self._link.reading:
            await path.read()
        elif await path.walk():
            await self._look()

    async def _look_for(self, action: Action) -> Survey | None:
        if action is not APPLY:
            return await self._survey_now(action)
        await self._look()
        return self._survey

    async def _act(self, action: Action) -> None:
        """Go the way of every run with an action."""
        survey = await self._survey_now(action)
        if survey is not None:
            await RunPath(self._link, action, survey, self._look_for).walk()
            await self._look()

    async def _ask(self, title: str, offers: tuple[ActionOffer, ...], nothing: str) -> None:
        """Ask which of the offers to plan; say `nothing` where there is none."""
        assert self._overview is not None
        if not offers:
            self._overview.say(nothing)
            return
        stay = Choice(key="n", answer="", label="Nothing")
        choices = [
            Choice(
                key=str(number), answer=str(number), label=numbered_in(offer.label), effect=numbered_in(offer.effect)
            )
            for number, offer in enumerate(offers, start=1)
        ]
        answer = await self._console.push_screen_wait(Question(title, (stay, *choices)))
        if answer:
            await self._act(offers[int(answer) - 1].action)

    async def _revert(self, version: str | None) -> None:
        if self._may_begin() and (survey := self._survey) is not None:
            offers = action_offers.undo_offers(survey.statuses, survey.history, version)
            await self._ask("Undo what? The plan comes first.", offers, "No migration is in force: nothing to undo.")

    async def _baseline(self, version: str | None) -> None:
        if self._may_begin() and (survey := self._survey) is not None:
            offers = action_offers.baseline_offers(survey.statuses, version)
            nothing = "Choose a pending migration: a baseline marks all up to it as applied."
            await self._ask("Mark what as applied? The plan comes first.", offers, nothing)

    async def _repair(self) -> None:
        if not self._may_begin() or (survey := self._survey) is None or self._overview is None:
            return
        cases = cases_of(folder=survey.folder, history=survey.history, catalog=survey.catalog, states=survey.statuses)
        if not any(case.remedies for case in cases):
            self._overview.say("Nothing stopped half-way: there is nothing to settle.", "ok")
            return
        answer = await self._console.push_screen_wait(RepairScreen(self.standing, cases))
        for action in action_offers.repairs([answer]) if answer is not None else ():
            await self._act(action)
