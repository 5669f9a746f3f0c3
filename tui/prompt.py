"""Plain questions: asked on stderr, answered on stdin. stdout stays free for the result."""

from __future__ import annotations

import getpass
import sys

from ..core.errors import ApprovalNeeded, Declined


def say(text: str) -> None:
    """Print a line beside the questions."""
    print(text, file=sys.stderr, flush=True)


def ask(question: str, *, default: str = "") -> str:
    """Return the answer, `default` for an empty one. Raises ApprovalNeeded at the end of the input."""
    shown = f"{question} [{default}]: " if default else f"{question}: "
    print(shown, end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        print(file=sys.stderr)
        raise ApprovalNeeded("A question is open, and there is nobody to answer it.")
    return line.strip() or default


def confirm(question: str) -> bool:
    """Return whether the answer is yes; anything but y and yes is a no."""
    return ask(f"{question} [y/N]").lower() in {"y", "yes"}


def secret(question: str) -> str:
    """Return an answer that is not echoed. Without a terminal it is read like any other. Raises as `ask` does."""
    if not sys.stdin.isatty():
        return ask(question)
    try:
        return getpass.getpass(f"{question}: ", stream=sys.stderr)
    except EOFError:
        raise Declined("Stopped. Nothing was changed.") from None
