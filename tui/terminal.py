"""Prepares the process for Textual, and opens the console in it."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .opening import Opening

# Quiet on a slow link: no animation, no smooth scrolling, at most 15 frames a second.
_SWITCHES: Final = {"TEXTUAL_ANIMATIONS": "none", "TEXTUAL_SMOOTH_SCROLL": "0", "TEXTUAL_FPS": "15"}
# These come from somebody's development shell: TEXTUAL_PRESS could answer a question, the others change the driver.
_UNWELCOME: Final = ("TEXTUAL", "TEXTUAL_PRESS", "TEXTUAL_DRIVER", "TEXTUAL_LOG", "TEXTUAL_SCREENSHOT")


def prepare(environ: MutableMapping[str, str] | None = None) -> None:
    """Set the switches that Textual reads when it is imported; call it before that."""
    environ = os.environ if environ is None else environ
    for name, value in _SWITCHES.items():
        environ.setdefault(name, value)
    for name in _UNWELCOME:
        environ.pop(name, None)
    if not environ.get("NO_COLOR", "x"):
        # empty, it says nothing (https://no-color.org); Textual takes it for a wish
        del environ["NO_COLOR"]


def run_console(opening: Opening, *, mouse: bool = False) -> int:
    """Open the full screen, wait until it ends, and return the exit code of the process.

    The mouse is off unless asked for: then the terminal's own text selection works. The caller opened
    `opening.log` and closes it afterwards.
    """
    prepare()
    from .app import Console
    from .driver import HUNG_UP
    from .folding import laid_out

    console = Console(opening)
    result = console.run(mouse=mouse)
    if result == HUNG_UP:
        _let_go()
        return result
    if console.last_words:
        print("\n".join(laid_out([console.last_words], sys.stderr)), file=sys.stderr)
    return result if result is not None else console.return_code or 0


def _let_go() -> None:
    """Put /dev/null in place of a terminal that is gone: what is still to be flushed there could not be."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        if stat.S_ISCHR(os.fstat(descriptor).st_mode):
            os.dup2(nothing, descriptor)
    os.close(nothing)
