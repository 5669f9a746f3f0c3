"""The console at work in a neutral environment, and the album of its pictures."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# The same folder on every machine: some screens show where a file is.
HOME: Final = Path("/tmp/changeover-screenshots")  # noqa: S108 - ours alone, see `private_home`
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

from msgspec.structs import replace  # noqa: E402 - after the environment is neutral
from textual.pilot import Pilot  # noqa: E402

from changeover.core.attach import Run  # noqa: E402
from changeover.core.demo import Demo  # noqa: E402
from changeover.core.directories import make_private  # noqa: E402
from changeover.core.errors import TargetError, fault_of  # noqa: E402
from changeover.core.session_log import SessionLog  # noqa: E402
from changeover.core.settings import Flags, Settings, load  # noqa: E402
from changeover.core.target import Target, choose  # noqa: E402
from changeover.tui.opening import Mode, Opening  # noqa: E402
from changeover.tui.terminal import prepare  # noqa: E402

prepare()

from changeover.tui.app import Console  # noqa: E402

USUAL: Final = (80, 24)
WIDE: Final = (120, 40)


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
        tell(f"  {name}.svg")


class _AtFirst(Console):
    """The console before anything has come behind its first frame."""

    async def _set_out(self) -> None:
        """Stay there."""


@asynccontextmanager
async def console(
    album: dict[str, str],
    mode: Mode,
    target: Target | None,
    *,
    settings: Settings,
    size: tuple[int, int] = USUAL,
    demo: Demo | None = None,
    attach: Run | None = None,
    about: Target | None = None,
    sets_out: bool = True,
) -> AsyncIterator[Stand]:
    """Open the console as the command line does; `about` is the target of the session that is attached to."""
    command = "changeover" if mode in {Mode.CONSOLE, Mode.SETUP} else f"changeover {mode.value}"
    log = SessionLog.open(command=command, target=str(target or about or "no target yet"), label=mode.value)
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
        attach=attach,
        environ=dict(os.environ),
        start=HOME,
    )
    app = (Console if sets_out else _AtFirst)(opening)
    try:
        async with app.run_test(size=size) as pilot:
            yield Stand(pilot=pilot, album=album)
    finally:
        log.close(app.return_value or 0)


def settings_of(migrations: Path | None) -> Settings:
    """Return settings that only the environment of this file has a say in."""
    settings = load(start=Path("/"), environ=os.environ, flags=Flags())
    return replace(settings, migrations=migrations, sources={**settings.sources, "migrations": "demo"})


@contextmanager
def private_home() -> Iterator[Path]:
    """Make the folder that everything happens in, and take it away again."""
    shutil.rmtree(HOME, ignore_errors=True)
    if HOME.exists():
        raise SystemExit(f"{HOME} belongs to somebody else.")
    make_private(HOME)
    try:
        yield HOME
    finally:
        shutil.rmtree(HOME, ignore_errors=True)


def tell(text: str) -> None:
    """Say how far it is, beside the pictures."""
    sys.stderr.write(f"{text}\n")
