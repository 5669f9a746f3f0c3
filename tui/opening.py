"""What the command line hands to the screen: everything that was found out before the first frame."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field

if TYPE_CHECKING:
    # they are handed through, and most openings have neither a run nor a demo
    from ..core.attach import Run
    from ..core.demo import Demo
    from ..core.errors import Fault
    from ..core.session_log import SessionLog
    from ..core.settings import Settings
    from ..core.target import Target


class Mode(StrEnum):
    """Which way the console opens.

    CONSOLE: connect, then the overview. INSPECT: the same on connections that can only read; no key starts a run.
    SETUP: the guided set-up first, because no target is named or what names it cannot be read (`error` says which).
    REPLAY: a past session on the run screen. ATTACH: a run that was started elsewhere. Both connect to nothing.
    DEMO: the console on the embedded server.
    """

    CONSOLE = "console"
    INSPECT = "inspect"
    SETUP = "setup"
    REPLAY = "replay"
    ATTACH = "attach"
    DEMO = "demo"


class Opening(Struct, frozen=True, kw_only=True):
    """The arguments of the console. The caller opened `log` and closes it when the console has ended."""

    settings: Settings
    # None only in the modes setup, attach and replay
    target: Target | None
    # why there is no target, for the set-up to show
    error: Fault | None = None
    mode: Mode
    log: SessionLog
    demo: Demo | None = None
    # of the session to replay
    replay: str | None = None
    # the run to follow
    attach: Run | None = None
    # what the set-up may pick up from: the environment, and the folder in which changeover was started
    environ: Mapping[str, str] = field(default_factory=dict)
    start: Path = field(default_factory=Path.cwd)

    @property
    def reading(self) -> bool:
        """Whether nothing can be changed, on whatever target: by how the console was opened, or by the settings."""
        return self.mode is Mode.INSPECT or self.settings.read_only
