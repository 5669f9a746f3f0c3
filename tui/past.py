"""What was done before, or elsewhere: the sessions, their logs, and their runs, played again or followed."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from ..core.attach import Run, last_run, opened_by, started_by
from ..core.errors import ExitCode, NeedsAttention
from ..core.events import RunStarted
from ..core.session_log import is_open, list_sessions, read_session
from ..core.session_reader import SessionReader
from ..core.view import RunView, reduce
from .log_lines import LogLines
from .opening import Opening
from .screens.first import FirstScreen
from .screens.live import LiveRunScreen
from .screens.log import LogScreen
from .screens.receipt import AttachedReceiptScreen, FollowedReceiptScreen
from .screens.replay import ReplayScreen
from .screens.sessions import SessionsScreen
from .screens.stage import Stage
from .selected_lines import BATCH
from .theme import environment_named
from .widgets.banner import Standing

if TYPE_CHECKING:
    from .app import Console


class Past:
    """The screens that need no connection."""

    def __init__(self, console: Console, opening: Opening) -> None:
        self._console = console
        self._opening = opening

    @property
    def live(self) -> LiveRunScreen | None:
        """The screen of the run that goes on, wherever on the stack it is."""
        return next((screen for screen in self._console.screen_stack if isinstance(screen, LiveRunScreen)), None)

    @property
    def is_to_be_had(self) -> bool:
        """Whether the list of sessions opens from the screen that is shown: not over itself."""
        screen = self._console.screen
        elsewhere = not isinstance(screen, (FirstScreen, SessionsScreen, ReplayScreen, LogScreen))
        return isinstance(screen, Stage) and elsewhere

    async def sessions(self, standing: Standing) -> None:
        """Show the list of sessions, and what is chosen from it, until nothing is."""
        session = ""
        while True:
            listed = await asyncio.to_thread(list_sessions)
            screen = SessionsScreen(standing, listed, chosen=session, again=list_sessions)
            chosen = await self._console.push_screen_wait(screen)
            if chosen is None:
                return
            what, session = chosen
            run = last_run(session)
            if what == "open" and run is not None and run.is_going_on:
                await self.follow(run)
                continue
            if what in {"open", "log"}:
                what = await self._read_log(session)
            if what == "replay":
                await self.replay(session)

    async def _read_log(self, session: str) -> str:
        """Show a session's log; return what is wanted next, `replay` or nothing."""
        lines = LogLines(SessionReader(session))
        await asyncio.to_thread(lines.read, BATCH)
        goes_on = await asyncio.to_thread(is_open, session)
        screen = LogScreen(
            Standing(log=True, said=session), session, lines, goes_on=goes_on, folder=self._opening.start
        )
        return await self._console.push_screen_wait(screen)

    async def follow(self, run: Run, *, alone: bool = False) -> None:
        """Follow a run that was started elsewhere to its receipt; `alone` where this console does nothing else."""
        opened = await asyncio.to_thread(opened_by, run)
        view = reduce(RunView(), opened) if opened is not None else RunView(session=run.session)
        standing = _standing_at(await asyncio.to_thread(started_by, run), view.target)
        if run.is_going_on:
            screen = LiveRunScreen(standing, view, run)
            if await self._console.push_screen_wait(screen) == "leave":
                if alone:
                    self._console.leave(int(ExitCode.DONE), f"The run goes on: changeover attach {run.session}")
                return
            view = screen.view
        else:
            with contextlib.suppress(NeedsAttention):
                async for stamped in run.events():
                    view = reduce(view, stamped)
        receipt = AttachedReceiptScreen if alone else FollowedReceiptScreen
        await self._console.push_screen_wait(receipt(standing, view, run.folder))
        if alone:
            self._console.leave(int(ExitCode.NEEDS_ATTENTION) if view.exit_code is None else view.exit_code)

    async def replay(self, session: str) -> None:
        """Play a session again."""
        events = await asyncio.to_thread(read_session, session)
        await self._console.push_screen_wait(ReplayScreen(Standing(replay=True), events))


def _standing_at(started: RunStarted | None, session_target: str) -> Standing:
    """Return where one stands at a run; as long as nothing is known of it, it counts as one on production."""
    environment, protected = (started.environment, started.protected) if started is not None else ("", False)
    return Standing(
        attached=True,
        said=(started.target if started is not None else "") or session_target,
        environment=environment_named(environment, protected=protected),
    )
