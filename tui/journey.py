"""The path through the console, from top to bottom: set-up, connect, overview, pre-check, confirm, run, receipt.

It calls the engine and shows screens; what a screen answers decides where it goes next. It decides nothing itself. The
path reads from top to bottom in one place, a little past 400 lines.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ..core import saved_targets, setup
from ..core.attach import start_run
from ..core.briefs import approved
from ..core.connect import Connection, Connector, WaitCutter
from ..core.demo import create_sessions
from ..core.errors import ChangeoverError, ConnectionLost, ExitCode, Fault, UsageError, fault_of
from ..core.events import Planned, PreChecked, RehearsalStep
from ..core.plan import Approval, Plan
from ..core.recovery import Recovery, recover
from ..core.requests import RunRequest
from ..core.session_log import list_sessions, who
from ..core.settings import for_target
from ..core.survey import Survey, look
from ..core.target import Target
from ..core.view import RunView
from .aftermath import recovery_words
from .opening import Mode, Opening
from .plan_reading import exposure_of, rehearse
from .screens.allow import AllowScreen
from .screens.confirm import ConfirmScreen
from .screens.connect import ConnectScreen
from .screens.inspect import InspectScreen, SqlScreen
from .screens.live import LiveRunScreen
from .screens.overview import OverviewScreen
from .screens.precheck import Follow, PlanScreen, PrecheckScreen
from .screens.receipt import ReceiptScreen
from .screens.setup import LEAVE, OTHER, OffersScreen, QuestionScreen, WriteScreen
from .theme import environment_of
from .widgets.banner import Standing

if TYPE_CHECKING:
    from .app import Console

# Once these are answered, the database can be tried.
_ABOUT_THE_TARGET = frozenset(
    {
        setup.Ask.URL,
        setup.Ask.HOST,
        setup.Ask.PORT,
        setup.Ask.DATABASE,
        setup.Ask.USER,
        setup.Ask.PASSWORD,
    }
)
# How long an attempt that was given up may take to end; seconds.
_ABANDON = 2.0


class Journey:
    """Where the console is on its path, and the one connection that it looks through."""

    def __init__(self, console: Console, opening: Opening) -> None:
        self._console = console
        self._opening = opening
        self._settings = opening.settings
        self._reading = opening.mode is Mode.INSPECT or opening.settings.read_only
        self._connector: Connector | None = None
        self._connection: Connection | None = None
        self._survey: Survey | None = None
        self._overview: OverviewScreen | None = None
        self._busy = False
        self._recovery = Recovery()
        self.target: Target | None = opening.target

    @property
    def standing(self) -> Standing:
        """What the first row says."""
        server = self._connection.facts if self._connection is not None else None
        held = self._reading or (self.target is not None and self.target.read_only)
        return Standing(target=self.target, server=server, read_only="transactions" if held else "")

    async def set_out(self) -> None:
        """Come to the overview, by way of the set-up where that is needed."""
        if self._opening.mode is Mode.SETUP or self.target is None:
            arrived = await self._set_up(self._opening.error)
        else:
            arrived = await self._arrive(self.target)
        if not arrived:
            self._console.leave(self._console.exit_code)
            return
        demo = self._opening.mode is Mode.DEMO
        reading = self._reading or (self.target is not None and self.target.read_only)
        self._reading = reading
        standing = self.standing
        self._overview = InspectScreen(standing) if reading else OverviewScreen(standing, demo=demo)
        await self._console.push_screen(self._overview)
        await self._look()

    async def serve(self, what: str, version: str | None = None) -> None:
        """Do what the overview wants, one thing at a time."""
        if self._busy:
            return
        self._busy = True
        try:
            match what:
                case "precheck":
                    await self._migrate()
                case "refresh":
                    await self._look()
                case "sql":
                    await self._view_sql(version)
                case "sessions-table":
                    await self._create_sessions()
                case _:
                    raise AssertionError(what)
        finally:
            self._busy = False

    async def close(self) -> None:
        """Close the connection, and say so in the log."""
        connector, self._connector, self._connection = self._connector, None, None
        if connector is not None:
            await connector.close()

    # -- connect -----------------------------------------------------------------------------------

    async def _arrive(self, target: Target) -> bool:
        """Connect to `target`, or to another one that is named instead; False where the operator leaves."""
        answer = await self._reach(target)
        if answer == "edit":
            return await self._set_up(None)
        return answer == "connected"

    async def _reach(self, target: Target) -> str:
        """Connect; return `connected`, `edit` or `leave`."""
        while True:
            await self.close()
            self.target = target
            answer = await self._try(target)
            if answer != "retry":
                return answer

    async def _try(self, target: Target) -> str:
        self._opening.log.hide(target.password)
        cut = WaitCutter()
        self._connector = Connector(
            target,
            self._settings.retry,
            emit=self._console.record,
            cut=cut,
            read_only=self._reading,
        )
        screen = ConnectScreen(self.standing, cut=cut, target=target)
        answer = asyncio.ensure_future(self._console.push_screen_wait(screen))
        attempt = asyncio.ensure_future(self._connector("look"))
        gave_up = asyncio.ensure_future(screen.gave_up.wait())
        await asyncio.wait({answer, attempt, gave_up}, return_when=asyncio.FIRST_COMPLETED)
        if not attempt.done():
            await asyncio.wait({attempt}, timeout=0.1)
            attempt.cancel()
            await asyncio.wait({attempt}, timeout=_ABANDON)
        gave_up.cancel()
        fault = self._outcome(attempt)
        if fault is None and not answer.done():
            screen.dismiss("connected")
        elif fault is not None:
            self._console.exit_code = int(ExitCode.NO_CONNECTION)
            screen.fail(fault)
        return await answer or "leave"

    def _outcome(self, attempt: asyncio.Future[Connection]) -> Fault | None:
        """Take the connection, or return why there is none."""
        if attempt.cancelled() or not attempt.done():
            return Fault(
                id="connect",
                summary="You gave up before the server had answered.",
                advice="Nothing was changed.",
            )
        error = attempt.exception()
        if error is None:
            self._connection = attempt.result()
            self._console.exit_code = int(ExitCode.DONE)
            return None
        if isinstance(error, ChangeoverError):
            return fault_of(error)
        raise error

    # -- overview ----------------------------------------------------------------------------------

    async def _look(self) -> None:
        """Look at the database again, over a new connection where the old one is gone."""
        overview = self._overview
        assert overview is not None
        try:
            survey = await self._survey_now()
        except ChangeoverError as error:
            self._survey = None
            overview.fail(fault_of(error), self._connection.facts if self._connection else None)
            return
        if survey is None:
            return
        self._survey = survey
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
        overview.stand(self.standing)
        overview.show(survey)
        overview.say(*recovery_words(self._recovery))
        sessions = await asyncio.to_thread(list_sessions)
        overview.show_sessions([it for it in sessions if it.id != self._opening.log.id][:3])

    async def _survey_now(self) -> Survey | None:
        assert self.target is not None
        for last in (False, True):
            if self._connection is None or self._connection.is_closed:
                if not await self._arrive(self.target):
                    self._console.leave(self._console.exit_code)
                    return None
                assert self._connection is not None
            try:
                await self._recover(self._connection)
                settings = for_target(self._settings, self.target)
                return await look(self._connection, settings, connect=self._connector)
            except ConnectionLost:
                self._connection.terminate()
                if last:
                    raise
        return None

    async def _recover(self, connection: Connection) -> None:
        """Settle what earlier runs left on the database."""
        assert self._connector is not None
        self._recovery = await recover(
            self._connector,
            connection,
            session=self._opening.log.id,
            emit=self._console.record,
            read_only=self._reading,
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

    # -- the run -----------------------------------------------------------------------------------

    async def _migrate(self) -> None:
        """Pre-check, confirm, run, receipt; back at any point before the confirmation."""
        survey = self._survey
        if survey is None or self.target is None:
            return
        if self._recovery.in_doubt:
            assert self._overview is not None
            self._overview.say(*recovery_words(self._recovery))
            return
        if self._reading:
            await self._console.push_screen_wait(
                PrecheckScreen(
                    self.standing,
                    survey.plan,
                    reading=True,
                    follow=self._exposure_of(survey),
                    rehearse=self._rehearse,
                )
            )
            return
        typed = self.target.protected or environment_of(self.target).tone == "danger"
        while await self._console.push_screen_wait(
            PlanScreen(
                self.standing,
                (self._survey or survey).plan,
                follow=self._exposure_of(survey),
                rehearse=self._rehearse,
            )
        ):
            survey = self._survey or survey
            if survey.plan.can_be_allowed:
                looked = await self._allow(survey)
                if looked is None:
                    return
                survey = looked
                if not survey.plan.ready:
                    continue
            allowed = self._settings.operator_allows
            approval = await self._console.push_screen_wait(
                ConfirmScreen(self.standing, survey.plan, survey.server, by=who().os_user, typed=typed, allowed=allowed)
            )
            if approval is not None:
                await self._run(approval, self.target, survey)
                return
        if self._settings.operator_allows:
            # what was allowed was for this one time
            self._settings = replace(self._settings, operator_allows={})
            await self._look()

    async def _allow(self, survey: Survey) -> Survey | None:
        """Have the severe hazards allowed and plan anew with that; the same plan where the operator goes back."""
        reasons = await self._console.push_screen_wait(AllowScreen(self.standing, survey.plan))
        if reasons is None:
            return survey
        self._settings = replace(self._settings, operator_allows={**self._settings.operator_allows, **reasons})
        await self._look()
        return self._survey

    async def _rehearse(self, tell: Callable[[RehearsalStep], object]) -> Plan:
        survey, target = self._survey, self.target
        assert survey is not None
        assert target is not None
        settings = for_target(self._settings, target)
        work = rehearse(survey, target, settings, record=self._console.record, tell=tell, reading=self._reading)
        self._survey = await work
        return self._survey.plan

    def _exposure_of(self, survey: Survey) -> Follow | None:
        retry, session = self._settings.retry, self._opening.log.id
        return exposure_of(survey, self.target, retry, session=session, reading=self._reading)

    async def _run(self, approval: Approval, target: Target, survey: Survey) -> None:
        log = self._opening.log
        self._console.record(approved(approval))
        settings = for_target(self._settings, target)
        run = await start_run(log, RunRequest(target=target, settings=settings, approval=approval))
        view = RunView(session=log.id, target=str(target), server=survey.server, on_hangup=approval.on_hangup)
        view = replace(view, by=approval.by, how=approval.how, digest=approval.digest)
        screen = LiveRunScreen(self.standing, view, run)
        if await self._console.push_screen_wait(screen) == "leave":
            self._console.leave(
                int(ExitCode.DONE), f"The run goes on without this console: changeover logs show {log.id}"
            )
            return
        code = screen.view.exit_code
        self._console.exit_code = int(ExitCode.NEEDS_ATTENTION) if code is None else code
        self._settings = replace(self._settings, operator_allows={})
        await self._console.push_screen_wait(ReceiptScreen(self.standing, screen.view, log.folder))
        await self._look()

    # -- set-up ------------------------------------------------------------------------------------

    async def _set_up(self, fault: Fault | None) -> bool:
        """Ask for a database until one is connected; False where the operator leaves."""
        environ = self._opening.environ
        while True:
            await self.close()
            self.target = None
            offers = setup.offers(self._settings, environ=environ)
            picked = await self._console.push_screen_wait(OffersScreen(offers, fault))
            if picked == LEAVE or picked is None:
                self._console.exit_code = int(ExitCode.USAGE) if fault is not None else self._console.exit_code
                return False
            start = setup.Answers()
            if isinstance(picked, setup.Offer):
                start = setup.take(start, picked)
            else:
                assert picked == OTHER
            fault = None
            arrived = await self._ask_through(start)
            if arrived is not None:
                return arrived

    async def _ask_through(self, start: setup.Answers) -> bool | None:
        """Ask what is still open, trying the database as soon as it is named.

        True once all is settled, False where the operator leaves, None for a step back to the offers.
        """
        past: list[setup.Answers] = []
        answers, tried = start, False
        while True:
            question = setup.next_question(answers, settings=self._settings)
            if not tried and (question is None or question.ask not in _ABOUT_THE_TARGET):
                said = await self._try_answers(answers)
                if said == "leave":
                    return False
                tried = said == "connected"
                if not tried:
                    if not past:
                        return None
                    answers = past.pop()
                continue
            if question is None:
                settled = await self._settle(answers)
                if settled:
                    return True
                changed = None
            else:
                changed = await self._ask(question, answers)
            if changed is not None:
                past.append(answers)
                answers = changed
            elif past:
                answers = past.pop()
                asked = setup.next_question(answers, settings=self._settings)
                tried = tried and asked is not None and asked.ask not in _ABOUT_THE_TARGET
            else:
                return None

    async def _ask(self, question: setup.Question, answers: setup.Answers) -> setup.Answers | None:
        def take(text: str) -> setup.Answers:
            taken = setup.answer(answers, question, text)
            if setup.next_question(taken, settings=self._settings) is None or taken.choice is not None:
                setup.target_of(taken, environ=self._opening.environ)
            return taken

        screen = QuestionScreen(self.standing, question, settled=_settled(answers), take=take)
        return await self._console.push_screen_wait(screen)

    async def _try_answers(self, answers: setup.Answers) -> str:
        try:
            target = setup.target_of(answers, environ=self._opening.environ)
        except UsageError as error:
            self._console.show_fault(fault_of(error))
            return "edit"
        return await self._reach(target)

    async def _settle(self, answers: setup.Answers) -> bool:
        """Show what would be saved, and save it where that is wanted; False for a step back."""
        assert self.target is not None
        named = setup.named_of(answers, self.target)
        targets = {**self._settings.targets, named.name: named}
        file = saved_targets.user_file(self._opening.environ)
        text = saved_targets.text_of({named.name: named}, default=named.name)
        said = await self._console.push_screen_wait(
            WriteScreen(self.standing, file=file, text=text, target=self.target)
        )
        if said == "back":
            return False
        if said == "save":
            saved_targets.save(named, default=True, environ=self._opening.environ)
        self._settings = replace(
            self._settings, targets=targets, migrations=named.migrations or self._settings.migrations
        )
        self.target = replace(self.target, name=named.name, environment=named.environment, protected=named.protected)
        return True


def _settled(answers: setup.Answers) -> tuple[tuple[str, str], ...]:
    """Return what is answered so far, without the password."""
    said: list[tuple[str, str]] = []
    if answers.choice is not None:
        said.append(("database", answers.choice.said_by))
    pairs = (
        ("host", answers.host),
        ("port", answers.port),
        ("database", answers.database),
        ("user", answers.user),
        ("migrations", str(answers.migrations) if answers.migrations else None),
        ("name", answers.name),
        ("environment", answers.environment),
    )
    said += [(name, value) for name, value in pairs if value]
    return tuple(said)
