"""The result of a command, on stdout."""

from __future__ import annotations

import sys
from collections.abc import Iterable


def show(lines: Iterable[str]) -> None:
    """Print lines to stdout; a sign that its encoding does not have is shown as its escape."""
    encoding = sys.stdout.encoding or "utf-8"
    text = "\n".join(lines)
    print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)
