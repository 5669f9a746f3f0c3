"""Plain questions: asked on stderr, answered on stdin. stdout stays free for the result."""

from __future__ import annotations

import getpass
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ..core.errors import ApprovalNeeded, Declined
from .folding import laid_out


@contextmanager
def interruptible() -> Iterator[None]:
    """Have SIGTERM end a block as Ctrl-C does, so that the session is closed; nothing is under way in it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        # one that has ended the block already is ignored: what closes behind it is not to be cut off
        if signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN:
            signal.signal(signal.SIGTERM, before)


def say(text: str) -> None:
    """Print a line beside the questions."""
    print("\n".join(laid_out([text], sys.stderr)), file=sys.stderr, flush=True)


def ask(question: str, *, default: str = "") -> str:
    """Return the answer, `default` for an empty one. Raises ApprovalNeeded at the end of the input."""
    shown = laid_out([f"{question} [{default}]:" if default else f"{question}:"], sys.stderr)
    print("\n".join(shown), end=" ", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        print(file=sys.stderr)
        raise ApprovalNeeded(
            "A question is open, and there is nobody to answer it: the input has ended.",
            advice="Run it at a terminal, or say the answer with an option: --help of this command lists them.",
        )
    return line.strip() or default


def confirm(question: str) -> bool:
    """Return whether the answer is yes; anything but y and yes is a no."""
    return is_yes(ask(f"{question} [y/N]"))


def is_yes(answer: str) -> bool:
    """Whether an answer is a yes."""
    return answer.lower() in {"y", "yes"}


def secret(question: str) -> str:
    """Return an answer that is not echoed. Without a terminal it is read like any other. Raises as `ask` does."""
    if not sys.stdin.isatty():
        return ask(question)
    try:
        return getpass.getpass(f"{question}: ", stream=sys.stderr)
    except EOFError:
        raise Declined("Stopped. Nothing was changed.", advice="") from None
