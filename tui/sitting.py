"""One sitting of a command: settings, target, session log and printer, opened and closed in one place."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from ..core.actions import APPLY, Action
from ..core.connect import Connection, Connector
from ..core.errors import ConnectError, Declined
from ..core.events import Event, Planned, PreChecked
from ..core.guard import until_free
from ..core.migration import Folder
from ..core.recovery import Recovery, in_doubt_words, recover
from ..core.retention import prune_now_and_then
from ..core.secret import Secret
from ..core.session_log import SessionLog
from ..core.settings import Settings, for_target
from ..core.sources import keys_at, read_folder
from ..core.survey import Glance, Survey, exposed, glance, look
from ..core.target import Target
from ..core.view import RunView, reduce
from . import prompt
from .beginning import closing_log, settings_of, target_of
from .format import visible
from .lines import LinePrinter
from .options import Options

T = TypeVar("T")


class Sitting(Struct):
    """What a command works with."""

    options: Options
    settings: Settings
    target: Target
    log: SessionLog
    printer: LinePrinter
    # folded from this process's own events: the connection attempts, the server
    view: RunView = field(default_factory=RunView)
    # what earlier runs left on the database
    recovery: Recovery = field(default_factory=Recovery)
    exit_code: int = 0

    def emit(self, event: Event) -> None:
        """Record an event, then fold and print it."""
        stamped = self.log.record(event)
        self.view = reduce(self.view, stamped)
        self.printer.stamped(stamped)


@contextmanager
def open_sitting(options: Options, command: str, *, settings: Settings | None = None, target: Target | None = None
) -> Iterator[Sitting]:  # fmt: skip
    """Open the session of a command on its target, and close it however the block ends.

    Raises SettingsError, TargetError or UsageError before the block begins. A bug in the block becomes `Crashed`,
    with its traceback in the session's folder.
    """
    settings = settings or settings_of(options)
    target = target or target_of(options, settings)
    settings = for_target(settings, target)
    printer = LinePrinter(sys.stderr)
    log = SessionLog.open(command=f"changeover {command}", target=str(target), label=target.name or command)
    sitting = Sitting(options=options, settings=settings, target=target, log=log, printer=printer)
    log.hide(target.password)
    prune_now_and_then(settings.retention)
    for warning in target.warnings:
        printer.say(f"warning: {warning}")
    with closing_log(log, lambda: [sitting.target.password]) as ended:
        yield sitting
        ended.exit_code = sitting.exit_code


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end; SIGINT and SIGTERM cancel it. Raises Declined where they did."""

    async def guarded() -> T:
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        if task is not None:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, task.cancel)
        return await work

    try:
        return asyncio.run(guarded())
    except asyncio.CancelledError:
        raise Declined("Stopped. Nothing was changed.", advice="") from None
    finally:
        # the loop has given it back to the system's own, which ends us without a word
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def look_at(sitting: Sitting, *, action: Action = APPLY, wait: float | None = None, exposing: bool = False) -> Survey:
    """Connect, read and plan, once nobody holds the run key; asks for a password where that is wanted and possible.

    `exposing` also asks who is using what the plan locks. `wait` is how long to wait for another run before looking, in
    seconds; None where another run is no hindrance.
    Raises what `survey.look` and the connector raise, LockHeld where another run is why nothing can be done now, and
    Declined on SIGINT or SIGTERM.
    """
    folder = read_folder(sitting.settings)
    return run_with_password(sitting, lambda: _look_once(sitting, action, folder, wait, exposing=exposing))


def glance_at(sitting: Sitting) -> Glance:
    """Connect, settle what earlier runs left, and read folder and history; raises as `look_at` does."""
    folder = read_folder(sitting.settings)

    async def once() -> Glance:
        settings = sitting.settings
        connector = Connector(
            sitting.target, settings.retry, emit=sitting.emit, session=sitting.log.id, read_only=settings.read_only
        )
        try:
            connection = await connector("look")
            sitting.recovery = await recover_for(sitting, connector, connection)
            return await glance(connection, settings, folder=folder)
        finally:
            await connector.close()

    return run_with_password(sitting, once)


def run_with_password(sitting: Sitting, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run what connects to the target; once more with a password where the server wants one and a person is there."""
    try:
        return run_async(work())
    except ConnectError as error:
        wanted = error.report is not None and error.report.sqlstate == "28P01"
        if not wanted or sitting.target.password is not None or not sitting.options.can_ask:
            raise
    given = prompt.secret(f"Password for {visible(sitting.target.user)}")
    sources = {**sitting.target.sources, "password": "prompt"}
    sitting.target = replace(sitting.target, password=Secret(given), sources=sources)
    sitting.log.hide(sitting.target.password)
    return run_async(work())


async def recover_for(
    sitting: Sitting, connector: Connector, connection: Connection, *, patience: float = 5.0
) -> Recovery:
    """Settle what earlier runs left on the target, and say what cannot be settled now."""
    found = await recover(
        connector,
        connection,
        session=sitting.log.id,
        emit=sitting.emit,
        read_only=sitting.settings.read_only,
        patience=patience,
    )
    for doubt in found.in_doubt:
        sitting.printer.say(visible(f"warning: {in_doubt_words(doubt)}"))
    return found


def recover_now(sitting: Sitting, *, patience: float = 30.0) -> Recovery:
    """Connect and settle what runs have left on the target; raises what the connector raises, and Declined."""

    async def once() -> Recovery:
        settings = sitting.settings
        connector = Connector(sitting.target, settings.retry, emit=sitting.emit, session=sitting.log.id)
        try:
            return await recover_for(sitting, connector, await connector("look"), patience=patience)
        finally:
            await connector.close()

    sitting.recovery = run_async(once())
    return sitting.recovery


async def _look_once(
    sitting: Sitting, action: Action, folder: Folder | None, wait: float | None, *, exposing: bool
) -> Survey:
    settings = sitting.settings
    connector = Connector(
        sitting.target,
        settings.retry,
        emit=sitting.emit,
        session=sitting.log.id,
        read_only=settings.read_only,
    )
    try:
        connection = await connector("look")
        keys = await keys_at(connection, settings, folder)
        if wait:
            await until_free(connection, keys, sitting.emit, wait=wait)
        sitting.recovery = await recover_for(sitting, connector, connection)
        survey = await look(connection, settings, action=action, folder=folder, connect=connector)
        if wait is not None and not survey.plan.ready:
            # what stands in the way may be another run's work that is only half done yet
            await until_free(connection, keys, sitting.emit, wait=0.0)
        if exposing:
            survey = await exposed(connection, survey)
    finally:
        await connector.close()
    verdicts: dict[str, int] = {}
    for row in survey.plan.rows:
        verdicts[row.verdict.value] = verdicts.get(row.verdict.value, 0) + 1
    plan = survey.plan
    sitting.emit(PreChecked(verdicts=verdicts, ready=plan.ready))
    sitting.emit(
        Planned(
            digest=plan.digest,
            migrations=len(plan.migrations),
            statements=plan.statement_count,
            refusals=plan.refusals,
        )
    )
    return survey
