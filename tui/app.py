"""The console: the frame with its path in it.

It looks by itself (connect, pre-check, plan); a run lives in the runner's process, and here it is only followed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import ClassVar, Final

from textual import on
from textual.binding import BindingType

from ..core.attach import Run, last_run, opened_by
from ..core.errors import ExitCode, NeedsAttention
from ..core.events import ConnectionsClosed, Event
from ..core.secret import Secret
from ..core.session_log import list_sessions, read_session
from ..core.session_reader import SessionReader
from ..core.view import RunView, reduce
from .frame import Frame
from .journey import Journey
from .keys import bindings
from .log_lines import LogLines
from .messages import ConsoleEvent
from .opening import Mode, Opening
from .screens.connect import ConnectScreen
from .screens.live import LiveRunScreen
from .screens.log import BATCH, LogScreen
from .screens.overview import OverviewScreen
from .screens.receipt import ReceiptScreen
from .screens.replay import ReplayScreen
from .screens.sessions import SessionsScreen
from .screens.stage import Stage
from .widgets.banner import Standing

# How long leaving waits for connections to say goodbye; seconds.
_GOODBYE: Final = 5.0


class Console(Frame):
    """The full screen; its return value is the exit code of the process."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("console")

    def __init__(self, opening: Opening) -> None:
        super().__init__(folder=opening.log.folder)
        self.opening = opening
        self.view = RunView()
        # of the last run of this sitting, or of the connection that could not be made
        self.exit_code = int(ExitCode.DONE)
        self.journey = Journey(self, opening)

    async def on_mount(self) -> None:
        """Set out."""
        self.run_worker(self._set_out(), exit_on_error=False, name="journey")

    async def _set_out(self) -> None:
        if self.opening.mode is Mode.REPLAY:
            await self._replay(self.opening.replay or "")
            self.leave(int(ExitCode.DONE))
            return
        if self.opening.attach is not None:
            await self._follow_run(self.opening.attach, alone=True)
            return
        await self.journey.set_out()

    async def on_unmount(self) -> None:
        """Leave no connection behind, however we end."""
        await self._close()

    async def _close(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.journey.close(), _GOODBYE)

    def secrets(self) -> Iterable[Secret | None]:
        """Return what must not stand in a traceback."""
        target = self.journey.target
        return [target.password] if target is not None else []

    # -- facts -------------------------------------------------------------------------------------

    def record(self, event: Event) -> None:
        """Record a fact of this console, and only then show it."""
        stamped = self.opening.log.record(event)
        self.post_message(ConsoleEvent(stamped))

    @on(ConsoleEvent)
    def _followed(self, message: ConsoleEvent) -> None:
        if isinstance(message.stamped.event, ConnectionsClosed):
            return
        self.view = reduce(self.view, message.stamped)
        for screen in self.screen_stack:
            if isinstance(screen, ConnectScreen):
                screen.follow(self.view)

    @on(OverviewScreen.Wanted)
    def _wanted(self, message: OverviewScreen.Wanted) -> None:
        self.run_worker(self.journey.serve(message.what, message.version), exit_on_error=False, name=message.what)

    # -- keys that work everywhere -----------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Have the list of sessions everywhere but over itself."""
        if action == "sessions":
            return isinstance(self.screen, Stage) and not isinstance(
                self.screen, (SessionsScreen, ReplayScreen, LogScreen)
            )
        return super().check_action(action, parameters)

    def action_sessions(self) -> None:
        """Show past sessions."""
        self.run_worker(self._sessions(), exit_on_error=False, exclusive=True, group="sessions")

    async def _sessions(self) -> None:
        standing = self.journey.standing
        while True:
            listed = await asyncio.to_thread(list_sessions)
            chosen = await self.push_screen_wait(SessionsScreen(standing, listed))
            if chosen is None:
                return
            what, session = chosen
            run = last_run(session)
            if what == "open" and run is not None and run.is_going_on:
                await self._follow_run(run)
                continue
            if what in {"open", "log"}:
                what = await self._read_log(session)
            if what == "replay":
                await self._replay(session)

    async def _read_log(self, session: str) -> str:
        """Show a session's log; return what is wanted next, `replay` or nothing."""
        lines = LogLines(SessionReader(session))
        await asyncio.to_thread(lines.read, BATCH)
        run = last_run(session)
        goes_on = session == self.opening.log.id or (run is not None and run.is_going_on)
        screen = LogScreen(
            Standing(replay=True, said=session), session, lines, goes_on=goes_on, folder=self.opening.start
        )
        return await self.push_screen_wait(screen)

    async def _follow_run(self, run: Run, *, alone: bool = False) -> None:
        """Follow a run that was started elsewhere to its receipt; `alone` where this console does nothing else."""
        opened = await asyncio.to_thread(opened_by, run)
        view = reduce(RunView(), opened) if opened is not None else RunView(session=run.session)
        standing = Standing(attached=True, said=view.target)
        if run.is_going_on:
            screen = LiveRunScreen(standing, view, run)
            if await self.push_screen_wait(screen) == "leave":
                if alone:
                    self.leave(int(ExitCode.DONE), f"The run goes on: changeover attach {run.session}")
                return
            view = screen.view
        else:
            with contextlib.suppress(NeedsAttention):
                async for stamped in run.events():
                    view = reduce(view, stamped)
        await self.push_screen_wait(ReceiptScreen(standing, view, run.folder))
        if alone:
            self.leave(int(ExitCode.NEEDS_ATTENTION) if view.exit_code is None else view.exit_code)

    async def _replay(self, session: str) -> None:
        events = await asyncio.to_thread(read_session, session)
        await self.push_screen_wait(ReplayScreen(Standing(replay=True), events))

    async def action_quit(self) -> None:
        """End the console; during a run ask first."""
        live = next((screen for screen in self.screen_stack if isinstance(screen, LiveRunScreen)), None)
        if live is None:
            await self._close()
            self.leave(self.exit_code)
        elif self.screen is live:
            live.action_leave()
