"""The bare `changeover`, and `inspect`: the screen where there is a terminal, else the overview in lines."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ...core.errors import Fault, TargetError, fault_of
from ...core.retention import prune_now_and_then
from ...core.session_log import SessionLog
from ...core.settings import Settings, for_target
from ...core.target import Target
from ..beginning import closing_log, settings_of, target_of
from ..opening import Mode, Opening
from ..options import Options
from ..terminal import run_console

if TYPE_CHECKING:
    from ...core.attach import Run


def open_console(options: Options) -> int:
    """Open the console; the guided set-up first where no database is named, or its name cannot be read."""
    if not options.wants_screen:
        from .overview import overview

        return overview(options, "overview")
    settings = settings_of(options)
    try:
        target = target_of(options, settings)
    except TargetError as error:
        if options.target is not None:
            raise
        return open_screen(settings, None, Mode.SETUP, command="changeover", error=fault_of(error))
    ours = for_target(settings, target)
    mode = Mode.INSPECT if ours.read_only else Mode.CONSOLE
    return open_screen(ours, target, mode, command="changeover")


def open_inspection(options: Options) -> int:
    """Open the console on connections that can only read."""
    options = replace(options, read_only=True)
    if not options.wants_screen:
        from .overview import overview

        return overview(options, "inspect")
    settings = settings_of(options)
    target = target_of(options, settings)
    return open_screen(for_target(settings, target), target, Mode.INSPECT, command="changeover inspect")


def open_screen(
    settings: Settings,
    target: Target | None,
    mode: Mode,
    *,
    command: str,
    error: Fault | None = None,
    replay: str | None = None,
    attach: Run | None = None,
    about: str = "",
) -> int:
    """Open the full screen in a session of its own and return the exit code of the process.

    `about` is the target of the session that is attached to or played again.
    """
    label = (target.name if target else None) or mode.value
    log = SessionLog.open(command=command, target=str(target or about or "no target yet"), label=label)
    prune_now_and_then(settings.retention)
    opening = Opening(
        settings=settings,
        target=target,
        error=error,
        mode=mode,
        log=log,
        replay=replay,
        attach=attach,
        environ=dict(os.environ),
        start=Path.cwd(),
    )
    with closing_log(log, lambda: [target.password if target else None]) as ended:
        ended.exit_code = run_console(opening)
    return ended.exit_code
