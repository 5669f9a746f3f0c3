"""Ctrl-C and SIGTERM at a viewer without a screen: they ask the run to stop now, and the viewer stays to the end."""

from __future__ import annotations

import asyncio
import signal
from typing import Self

from ..core.attach import Run
from ..core.errors import ChangeoverError
from .format import visible
from .lines import LinePrinter


class Stopping:
    """As long as the block lasts, SIGINT and SIGTERM ask the run to stop, also one that is only just starting."""

    def __init__(self, printer: LinePrinter) -> None:
        self._printer = printer
        self._run: Run | None = None
        self._asked = False
        self._asking: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._signalled)
        return self

    def __exit__(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    def reaches(self, run: Run) -> None:
        """Say which run there is to stop, from now on."""
        self._run = run
        if self._asked:
            self._ask(run)

    def _signalled(self) -> None:
        if self._asked:
            self._printer.say("Already stopping: waiting until the server confirms it.")
            return
        self._asked = True
        self._printer.say("Stopping: what is in hand is rolled back.")
        if self._run is not None:
            self._ask(self._run)

    def _ask(self, run: Run) -> None:
        self._asking = asyncio.get_running_loop().create_task(self._send(run))

    async def _send(self, run: Run) -> None:
        try:
            await run.stop("now")
        except (ChangeoverError, OSError) as error:
            self._printer.say(visible(f"The runner could not be asked to stop: {error}"))
