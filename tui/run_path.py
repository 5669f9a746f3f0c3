"""The path of every run, whatever it is to do: pre-check and plan, hazards, confirmation, run, receipt.

It reads from top to bottom, and leads back at any point before the confirmation. What an action means is decided where
it is planned; here is only which screen comes next.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from ..core.actions import Action, Verb
from ..core.attach import start_run
from ..core.briefs import approved
from ..core.errors import ExitCode
from ..core.events import RehearsalStep
from ..core.plan import Approval, Plan
from ..core.requests import RunRequest
from ..core.session_log import who
from ..core.settings import for_target
from ..core.survey import Survey
from ..core.target import Target
from ..core.view import RunView
from .link import Link
from .plan_reading import exposure_of, rehearse
from .screens.allow import AllowScreen
from .screens.confirm import ConfirmScreen
from .screens.live import LiveRunScreen
from .screens.precheck import Follow, PlanScreen, PrecheckScreen
from .screens.receipt import ReceiptScreen
from .theme import environment_of

# Looks at the target and plans an action; None where there is nothing to see.
Look = Callable[[Action], Awaitable[Survey | None]]


class RunPath:
    """One action on its way."""

    def __init__(self, link: Link, action: Action, survey: Survey, look: Look) -> None:
        self._link = link
        self._console = link.console
        self._action = action
        self._survey = survey
        self._look = look

    async def read(self) -> None:
        """Show the plan where nothing can be run."""
        screen = PrecheckScreen(
            self._link.standing,
            self._survey.plan,
            reading=True,
            follow=self._exposure(),
            rehearse=self._rehearse,
        )
        await self._console.push_screen_wait(screen)

    async def walk(self) -> bool:
        """Go down the path; whether something was run."""
        target = self._link.target
        assert target is not None
        while await self._wants_to_confirm():
            if self._survey.plan.can_be_allowed:
                looked = await self._allow()
                if looked is None:
                    break
                self._survey = looked
                if not self._survey.plan.ready:
                    continue
            approval = await self._confirm(target)
            if approval is not None:
                await self._run(approval, target)
                return True
        if self._link.settings.operator_allows:
            # what was allowed was for this one time
            self._link.settings = replace(self._link.settings, operator_allows={})
            await self._look(self._action)
        return False

    async def _wants_to_confirm(self) -> bool:
        can_rehearse = self._action.verb is Verb.APPLY
        screen = PlanScreen(
            self._link.standing,
            self._survey.plan,
            follow=self._exposure(),
            rehearse=self._rehearse if can_rehearse else None,
        )
        return await self._console.push_screen_wait(screen) is True

    async def _confirm(self, target: Target) -> Approval | None:
        screen = ConfirmScreen(
            self._link.standing,
            self._survey.plan,
            self._survey.server,
            by=who().os_user,
            typed=target.protected or environment_of(target).tone == "danger",
            allowed=self._link.settings.operator_allows,
        )
        return await self._console.push_screen_wait(screen)

    async def _allow(self) -> Survey | None:
        """Have the severe hazards allowed and plan anew with that; the same plan where the operator goes back."""
        reasons = await self._console.push_screen_wait(AllowScreen(self._link.standing, self._survey.plan))
        if reasons is None:
            return self._survey
        settings = self._link.settings
        self._link.settings = replace(settings, operator_allows={**settings.operator_allows, **reasons})
        return await self._look(self._action)

    async def _rehearse(self, tell: Callable[[RehearsalStep], object]) -> Plan:
        target = self._link.target
        assert target is not None
        settings = for_target(self._link.settings, target)
        record, reading = self._console.record, self._link.reading
        self._survey = await rehearse(self._survey, target, settings, record=record, tell=tell, reading=reading)
        return self._survey.plan

    def _exposure(self) -> Follow | None:
        link = self._link
        retry, session = link.settings.retry, link.opening.log.id
        return exposure_of(self._survey, link.target, retry, session=session, reading=link.reading)

    async def _run(self, approval: Approval, target: Target) -> None:
        log = self._link.opening.log
        self._console.record(approved(approval))
        settings = for_target(self._link.settings, target)
        request = RunRequest(target=target, settings=settings, approval=approval, action=self._action)
        run = await start_run(log, request)
        view = RunView(session=log.id, target=str(target), server=self._survey.server, on_hangup=approval.on_hangup)
        view = replace(view, by=approval.by, how=approval.how, digest=approval.digest)
        screen = LiveRunScreen(self._link.standing, view, run)
        if await self._console.push_screen_wait(screen) == "leave":
            self._console.leave(int(ExitCode.DONE), f"The run goes on without this console: changeover attach {log.id}")
            return
        code = screen.view.exit_code
        self._console.exit_code = int(ExitCode.NEEDS_ATTENTION) if code is None else code
        self._link.settings = replace(self._link.settings, operator_allows={})
        await self._console.push_screen_wait(ReceiptScreen(self._link.standing, screen.view, log.folder))
