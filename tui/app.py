"""The console: the frame with its path in it.

It looks by itself (connect, pre-check, plan); a run lives in the runner's process, and here it is only followed.

The first frame waits for nothing: driver, parser and all other screens are three times the work of painting it, and are
loaded behind it (`_loaded`). So nothing that this module imports may import one of those; tests/core/test_imports.py
says which.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, Final

from textual import on
from textual.binding import BindingType
from textual.screen import Screen

from ..core.errors import ExitCode
from ..core.events import ConnectionsClosed, Event
from ..core.secret import Secret
from ..core.view import RunView, reduce
from .frame import Frame
from .keys import bindings
from .messages import ConsoleEvent, Wanted
from .opening import Mode, Opening
from .screens.connect import ConnectScreen
from .screens.first import FirstScreen
from .widgets.banner import Standing

if TYPE_CHECKING:
    from .journey import Journey
    from .past import Past

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
        # both come behind the first frame
        self.journey: Journey | None = None
        self.past: Past | None = None

    def get_default_screen(self) -> Screen[None]:
        """Return what is painted first."""
        opening = self.opening
        match opening.mode:
            case Mode.REPLAY:
                return FirstScreen(Standing(replay=True), stage="replay")
            case Mode.ATTACH:
                return FirstScreen(Standing(attached=True), stage="run")
            case Mode.SETUP:
                return FirstScreen(Standing(), stage="set-up")
        reading = opening.reading or (opening.target is not None and opening.target.read_only)
        standing = Standing(target=opening.target, read_only="read-only transaction" if reading else "")
        return FirstScreen(standing, stage="connect")

    async def on_mount(self) -> None:
        """Set out, once the first frame is there."""
        self.call_after_refresh(self.run_worker, self._set_out, exit_on_error=False, name="journey")

    async def _set_out(self) -> None:
        journey, past = await asyncio.to_thread(_loaded)
        self.journey = journey(self, self.opening)
        self.past = past(self, self.opening)
        self.refresh_bindings()
        if self.opening.mode is Mode.REPLAY:
            await self.past.replay(self.opening.replay or "")
            self.leave(int(ExitCode.DONE))
            return
        if self.opening.attach is not None:
            await self.past.follow(self.opening.attach, alone=True)
            return
        await self.journey.set_out()

    async def on_unmount(self) -> None:
        """Leave no connection behind, however we end."""
        await self._close()

    async def _close(self) -> None:
        if self.journey is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.journey.close(), _GOODBYE)

    def secrets(self) -> Iterable[Secret | None]:
        """Return what must not stand in a traceback."""
        target = self.journey.target if self.journey is not None else self.opening.target
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

    @on(Wanted)
    def _wanted(self, message: Wanted) -> None:
        if self.journey is not None:
            self.run_worker(self.journey.serve(message.what, message.version), exit_on_error=False, name=message.what)

    # -- keys that work everywhere -----------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Have the list of sessions everywhere but over itself."""
        if action == "sessions":
            return self.past is not None and self.past.is_to_be_had
        return super().check_action(action, parameters)

    def action_sessions(self) -> None:
        """Show past sessions."""
        if self.journey is not None and self.past is not None:
            sessions = self.past.sessions(self.journey.standing)
            self.run_worker(sessions, exit_on_error=False, exclusive=True, group="sessions")

    async def action_quit(self) -> None:
        """End the console; during a run ask first."""
        live = self.past.live if self.past is not None else None
        if live is None:
            await self._close()
            self.leave(self.exit_code)
        elif self.screen is live:
            live.action_leave()


def _loaded() -> tuple[type[Journey], type[Past]]:
    """Return what the first frame did not wait for; called in a thread, so that keys are read meanwhile."""
    from .journey import Journey
    from .past import Past

    return Journey, Past
