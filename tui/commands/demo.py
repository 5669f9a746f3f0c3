"""`demo`: the embedded server with the donation platform, on the screen or as plain lines to the receipt."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from msgspec.structs import replace

from ...core.demo import SAID, Demo, create_sessions, running
from ...core.directories import data_root
from ...core.session_log import SessionLog
from ...core.settings import Flags, Settings, load
from .. import prompt
from ..approval import Consent
from ..beginning import closing_log
from ..opening import Mode, Opening
from ..options import Options
from ..sitting import open_sitting
from ..terminal import run_console
from .apply import apply_on


def run_demo(options: Options, *, reset: bool, sessions: bool, yes: bool) -> int:
    """Run the demo; return the exit code of its console, or of the plain run.

    Without a terminal nobody could go on where an earlier demo ended, so it begins again, unless it is to go on with
    the table that the deferred step waits for.
    """
    nobody = not sys.stdin.isatty() and not options.wants_screen
    with asyncio.Runner() as runner:
        demo_context = running(data_root(), reset=reset or (nobody and not sessions), say=_say)
        demo = runner.run(demo_context.__aenter__())
        try:
            if sessions:
                runner.run(create_sessions(demo.target))
            return _on_screen(options, demo) if options.wants_screen else _plain(options, demo, yes=yes)
        finally:
            # the demo ends by itself after a run that is still going on, whatever came up here
            runner.run(demo_context.__aexit__(None, None, None))


def _say(text: str) -> None:
    prompt.say(text)


def _settings(options: Options, demo: Demo) -> Settings:
    """Return settings that no changeover.toml around here has a say in."""
    home = {name: value for name, value in os.environ.items() if name in {"CHANGEOVER_HOME", "HOME"}}
    flags = Flags(retries=options.retries, connect_timeout=options.connect_timeout, lock_timeout=options.lock_timeout)
    settings = load(start=Path("/"), environ=home, flags=flags)
    sources = {**settings.sources, "migrations": "demo"}
    targets = {SAID.name: SAID}
    return replace(settings, migrations=demo.migrations, read_only=options.read_only, targets=targets, sources=sources)


def _on_screen(options: Options, demo: Demo) -> int:
    log = SessionLog.open(command="changeover demo", target=str(demo.target), label="demo")
    opening = Opening(
        settings=_settings(options, demo),
        target=demo.target,
        mode=Mode.DEMO,
        log=log,
        demo=demo,
        environ=dict(os.environ),
        start=Path.cwd(),
    )
    with closing_log(log, lambda: [demo.target.password]) as ended:
        ended.exit_code = run_console(opening)
    return ended.exit_code


def _plain(options: Options, demo: Demo, *, yes: bool) -> int:
    settings = _settings(options, demo)
    with open_sitting(options, "demo", settings=settings, target=demo.target) as sitting:
        sitting.exit_code = apply_on(sitting, to=None, consent=Consent(yes=yes, options="--yes"))
    return sitting.exit_code
