"""The console's one connection to look through: which target, how it is reached, and what the first row says of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ..core.connect import Connection, Connector, WaitCutter
from ..core.errors import ChangeoverError, ExitCode, Fault, fault_of
from ..core.recovery import Recovery, recover
from ..core.settings import Settings
from ..core.target import Target
from .opening import Opening
from .screens.connect import ConnectScreen
from .widgets.banner import Standing

if TYPE_CHECKING:
    from .app import Console

# How long an attempt that was given up may take to end; seconds.
_ABANDON = 2.0


class Link:
    """Where we are connected to; everything that looks goes through here."""

    def __init__(self, console: Console, opening: Opening) -> None:
        self.console = console
        self.opening = opening
        self.settings: Settings = opening.settings
        self.target: Target | None = opening.target
        self.connection: Connection | None = None
        self.connector: Connector | None = None
        # why the last attempt came to nothing
        self.fault: Fault | None = None
        # whether the role itself cannot write, as far as a look has found out
        self.role_reads = False

    @property
    def reading(self) -> bool:
        """Whether nothing can be changed here: by how the console was opened, by the settings, or by the target."""
        return self.opening.reading or (self.target is not None and self.target.read_only)

    @property
    def standing(self) -> Standing:
        """What the first row says."""
        server = self.connection.facts if self.connection is not None else None
        held = "read-only role" if self.role_reads else "read-only transaction"
        return Standing(target=self.target, server=server, read_only=held if self.reading else "")

    async def close(self) -> None:
        """Close the connection, and say so in the log."""
        connector, self.connector, self.connection = self.connector, None, None
        self.role_reads = False
        if connector is not None:
            await connector.close()

    async def reach(self, target: Target) -> str:
        """Connect; return `connected`, `edit` or `leave`."""
        while True:
            await self.close()
            self.target = target
            answer = await self._try(target)
            if answer != "retry":
                return answer

    async def _try(self, target: Target) -> str:
        self.opening.log.hide(target.password)
        cut = WaitCutter()
        self.connector = Connector(
            target,
            self.settings.retry,
            emit=self.console.record,
            cut=cut,
            read_only=self.reading,
        )
        screen = ConnectScreen(self.standing, cut=cut, target=target)
        answer = asyncio.ensure_future(self.console.push_screen_wait(screen))
        # a server on this machine refuses sooner than a screen is there
        await screen.is_up.wait()
        attempt = asyncio.ensure_future(self.connector("look"))
        gave_up = asyncio.ensure_future(screen.gave_up.wait())
        await asyncio.wait({answer, attempt, gave_up}, return_when=asyncio.FIRST_COMPLETED)
        if not attempt.done():
            await asyncio.wait({attempt}, timeout=0.1)
            attempt.cancel()
            await asyncio.wait({attempt}, timeout=_ABANDON)
        gave_up.cancel()
        self.fault = fault = self._outcome(attempt)
        if fault is None and not answer.done():
            screen.finish("connected")
        elif fault is not None:
            self.console.exit_code = int(ExitCode.NO_CONNECTION)
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
            self.connection = attempt.result()
            self.console.exit_code = int(ExitCode.DONE)
            return None
        if isinstance(error, ChangeoverError):
            return fault_of(error)
        raise error

    async def recover(self, connection: Connection) -> Recovery:
        """Settle what earlier runs left on the database."""
        assert self.connector is not None
        return await recover(
            self.connector,
            connection,
            session=self.opening.log.id,
            emit=self.console.record,
            read_only=self.reading,
        )
