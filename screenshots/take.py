"""Takes the pictures of the README: the real console on the running demo, driven through all of its screens.

    make screenshots

Nothing here is drawn. Each picture is taken when the screen says what it has to show, however long that takes; the
run is begun again until its migration waits behind the report with the application behind it. The pictures are
written at the end, all of them or none.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

# The same folder on every machine: some screens show where a file is.
HOME: Final = Path("/tmp/changeover-screenshots")  # noqa: S108 - ours alone, see `_home`
PICTURES: Final = Path(__file__).parent
# Settings of this machine that would show in a picture, or lead the console elsewhere.
_KEPT: Final = ("PATH", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV")


def _neutral() -> None:
    """Leave an environment as anybody's; Textual reads it when it is imported."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    os.environ.clear()
    # LOGNAME: who approves is shown, and it need not be whoever takes the pictures.
    os.environ.update(kept, HOME=str(HOME), CHANGEOVER_HOME=str(HOME), LOGNAME="operator")
    os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
    # shown beside whoever approves, and not everybody's to know
    socket.gethostname = lambda: "bastion"


# What no picture may show.
OURS: Final = (str(Path.home()), str(PICTURES.parent), f"@{socket.gethostname()}")
_neutral()

from textual.pilot import Pilot  # noqa: E402 - after the environment is neutral

from changeover.core.connect import Connector  # noqa: E402
from changeover.core.demo import Demo, running  # noqa: E402
from changeover.core.demo_traffic import REPORT  # noqa: E402
from changeover.core.directories import data_root, make_private  # noqa: E402
from changeover.core.errors import TargetError, fault_of  # noqa: E402
from changeover.core.session_log import SessionLog  # noqa: E402
from changeover.core.settings import Flags, Settings, load  # noqa: E402
from changeover.core.target import Target, choose, resolve  # noqa: E402
from changeover.tui.opening import Mode, Opening  # noqa: E402
from changeover.tui.terminal import prepare  # noqa: E402

prepare()

from changeover.tui.app import Console  # noqa: E402

USUAL: Final = (80, 24)
WIDE: Final = (120, 40)
# The report begins again after so many seconds.
_CYCLE: Final = 11.0
# How long before the report each run is begun, until one of them was seen to wait: what a runner takes to come to its
# second migration depends on the machine. Seconds; 0 is right after the report has begun.
_LEADS: Final = (0.0, 2.5, 4.0, 1.0, 6.0)


class NotSeenError(Exception):
    """A screen did not come to say what was waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """The console at work, and what to do with it."""

    pilot: Pilot[int]
    album: dict[str, str]

    @property
    def text(self) -> str:
        """What the screen shows, line by line."""
        strips = self.pilot.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)

    async def press(self, *keys: str) -> None:
        """Press keys."""
        await self.pilot.press(*keys)

    @property
    def chosen_row(self) -> str:
        """The row of the table that is chosen."""
        return next((line for line in self.text.splitlines() if line.startswith(">")), "")

    async def shows(self, *wanted: str, within: float = 60.0) -> None:
        """Wait until the screen says all of `wanted`."""
        await self.until(lambda: all(each in self.text for each in wanted), ", ".join(wanted), within=within)

    async def until(self, holds: Callable[[], bool], what: str, *, within: float = 60.0) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + within
        while not holds():
            if time.monotonic() > deadline:
                raise NotSeenError(f"Waited in vain for {what}:\n{self.text}")
            await self.pilot.pause(0.05)

    def take(self, name: str) -> None:
        """Take the picture."""
        self.album[name] = self.pilot.app.export_screenshot()
        _tell(f"  {name}.svg")


@asynccontextmanager
async def console(
    album: dict[str, str],
    mode: Mode,
    target: Target | None,
    *,
    settings: Settings,
    size: tuple[int, int] = USUAL,
    demo: Demo | None = None,
) -> AsyncIterator[Stand]:
    """Open the console as the command line does."""
    command = "changeover" if mode in {Mode.CONSOLE, Mode.SETUP} else f"changeover {mode.value}"
    log = SessionLog.open(command=command, target=str(target or "no target yet"), label=mode.value)
    error = None
    if mode is Mode.SETUP:
        try:
            choose(None, environ=os.environ, named={})
        except TargetError as why:
            error = fault_of(why)
    opening = Opening(
        settings=settings,
        target=target,
        error=error,
        mode=mode,
        log=log,
        demo=demo,
        environ=dict(os.environ),
        start=HOME,
    )
    app = Console(opening)
    try:
        async with app.run_test(size=size) as pilot:
            yield Stand(pilot=pilot, album=album)
    finally:
        log.close(app.return_value or 0)


async def set_up(album: dict[str, str], demo: Demo, settings: Settings) -> None:
    """Begin without a target; a service file offers one."""
    host, port = demo.target.host, demo.target.port
    service = f"[donations]\nhost={host}\nport={port}\ndbname={demo.target.database}\nuser={demo.target.user}\n"
    (HOME / ".pg_service.conf").write_text(service)
    async with console(album, Mode.SETUP, None, settings=settings) as stand:
        await stand.shows("SET-UP", "service donations", "another one")
        stand.take("setup")
        await stand.press("q")


async def connect(album: dict[str, str]) -> None:
    """Try a port that refuses, up to the wait before the last attempt."""
    with _refusing() as port:
        url = f"postgresql://deployer@127.0.0.1:{port}/donations?sslmode=disable"
        (HOME / "changeover.toml").write_text(f'[targets.staging]\nurl = "{url}"\nenvironment = "staging"\n')
        settings = load(start=HOME, environ=os.environ, flags=Flags())
        target = resolve(choose("staging", environ=os.environ, named=settings.targets), environ=os.environ, home=HOME)
        async with console(album, Mode.CONSOLE, target, settings=settings) as stand:
            await stand.shows("attempt 4 of 4 in 3 s")
            stand.take("connect")
            await stand.press("g")
            await stand.shows("t tries again")
            await stand.press("q")


async def run(album: dict[str, str], name: str, size: tuple[int, int], settings: Settings) -> None:
    """Run the demo's migrations from the beginning, until one of the runs was seen to wait; with a receipt."""
    usual = size == USUAL
    for lead in _LEADS:
        async with running(data_root(), reset=True) as demo:
            async with console(album, Mode.DEMO, demo.target, settings=settings, size=size, demo=demo) as stand:
                await _to_the_confirmation(stand, pictures=usual)
                await _report_begins(demo.target)
                await asyncio.sleep(_CYCLE - lead if lead else 0.0)
                await stand.press("y")
                seen = await _sees_the_wait(stand, name)
                await stand.shows("RECEIPT", within=120)
                if seen and usual:
                    await _after_the_run(stand)
            if seen and usual:
                await _inspect(album, demo, settings)
            if seen:
                return
        _tell("  the run did not have to wait; once more")
    raise NotSeenError(f"No migration of {len(_LEADS)} runs waited for the report with the application behind it.")


async def _to_the_confirmation(stand: Stand, *, pictures: bool) -> None:
    await stand.shows("OVERVIEW", "8 pending", "Last sessions")
    await _take(stand, "overview", pictures)
    await stand.press("question_mark")
    await stand.shows("Keys: overview", "Words")
    await _take(stand, "help", pictures)
    await stand.press("escape", "p")
    await stand.shows("PRE-CHECK", "ready")
    # from what endangers the plan to a row: a column that is converted
    await stand.press("down")
    while " different" not in stand.chosen_row:
        before = stand.chosen_row
        await stand.press("down")
        await stand.until(lambda: stand.chosen_row != before, "another chosen row")  # noqa: B023 - awaited right here
    await _take(stand, "precheck", pictures)
    await stand.press("c")
    await stand.shows("CONFIRM", "Yes, run it")
    # it listens once it could be read, and then has the focus somewhere
    await stand.until(lambda: stand.pilot.app.focused is not None, "a confirmation that listens")
    await _take(stand, "confirm", pictures)


async def _take(stand: Stand, name: str, wanted: bool) -> None:
    if wanted:
        await stand.pilot.pause()
        stand.take(name)


async def _report_begins(target: Target) -> None:
    """Wait until the report has just opened its transaction, so that the run meets it."""
    connector = Connector(target, settings_of(None).retry, emit=lambda _: None)
    connection = await connector("look")
    asked = (
        "SELECT FROM pg_catalog.pg_stat_activity WHERE application_name = $1"
        " AND clock_timestamp() - xact_start < interval '1 second'"
    )
    while not await connection.fetch(asked, REPORT):  # noqa: ASYNC110 - the server has no event to wait for
        await asyncio.sleep(0.05)
    await connector.close()


async def _sees_the_wait(stand: Stand, name: str) -> bool:
    """Take the picture when the second attempt has waited for a second, with the application behind it.

    False if the run ended without that.
    """
    wanted = (r"attempt 2 of", r"waits for", rf"held by .*{REPORT}", r"behind us .*waits 1\.\d s")
    while "RECEIPT" not in stand.text:
        text = stand.text
        if all(re.search(each, text) for each in wanted):
            stand.take(name)
            return True
        await stand.pilot.pause(0.05)
    return False


async def _after_the_run(stand: Stand) -> None:
    stand.take("receipt")
    await stand.press("enter")
    await stand.shows("OVERVIEW", "nothing pending")
    await stand.press("L")
    await stand.shows("SESSIONS", "sessions")
    stand.take("sessions")
    await stand.press("l")
    await stand.shows("LOG", "lines")
    await stand.press("slash", *"0002")
    await stand.shows("filter: 0002")
    # every line was asked before the next error among them is looked for
    await stand.until(lambda: "looked at" not in stand.text, "a filter that is through")
    await stand.press("enter", "n")
    await stand.shows("FAILED after")
    stand.take("log")
    while "SESSIONS" not in stand.text:
        await stand.press("escape")
        await stand.pilot.pause()
    await stand.shows("SESSIONS")
    await stand.press("q")
    await stand.shows("OVERVIEW")


async def _inspect(album: dict[str, str], demo: Demo, settings: Settings) -> None:
    async with console(album, Mode.INSPECT, demo.target, settings=settings) as stand:
        await stand.shows("READ-ONLY", "nothing pending", "Last sessions", " demo ")
        stand.take("inspect")
        await stand.press("2")
        await stand.shows("SCHEMA", "public.donations")
        stand.take("schema")
        await stand.press("4")
        await stand.shows("ACTIVITY", REPORT, "SELECT")
        stand.take("activity")
        await stand.press("escape")
        await stand.shows("OVERVIEW")


def settings_of(migrations: Path | None) -> Settings:
    """Return settings that only the environment of this file has a say in."""
    settings = load(start=Path("/"), environ=os.environ, flags=Flags())
    return replace(settings, migrations=migrations, sources={**settings.sources, "migrations": "demo"})


@contextmanager
def _refusing() -> Iterator[int]:
    """Hold a port at which nobody listens: one that looks like a port where PostgreSQL would be, if it is free."""
    with socket.socket() as held:
        try:
            held.bind(("127.0.0.1", 6432))
        except OSError:
            held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@contextmanager
def _home() -> Iterator[Path]:
    """Make the folder that everything happens in, and take it away again."""
    shutil.rmtree(HOME, ignore_errors=True)
    if HOME.exists():
        raise SystemExit(f"{HOME} belongs to somebody else.")
    make_private(HOME)
    try:
        yield HOME
    finally:
        shutil.rmtree(HOME, ignore_errors=True)


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")


async def main() -> None:
    """Take all pictures, then write them."""
    album: dict[str, str] = {}
    with _home() as home:
        # a copy, because the installed folder is somewhere else on every machine
        folder = home / "migrations"
        with as_file(files("changeover.migrations")) as installed:
            shutil.copytree(installed, folder, ignore=shutil.ignore_patterns("__*"))
        settings = settings_of(folder)
        _tell("Taking pictures of the running demo ...")
        async with running(data_root(), reset=True) as demo:
            await set_up(album, demo, settings)
            await connect(album)
        await run(album, "run-wide", WIDE, settings)
        await run(album, "run", USUAL, settings)
    for name, picture in album.items():
        for ours in OURS:
            if len(ours) > 1 and ours in picture:
                raise SystemExit(f"{name}.svg would show {ours}, which is of this machine.")
    for name, picture in album.items():
        (PICTURES / f"{name}.svg").write_text(picture)
    _tell(f"{len(album)} pictures in {PICTURES.name}/")


if __name__ == "__main__":
    asyncio.run(main())
