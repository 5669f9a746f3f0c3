"""The result of a command, on stdout."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from .folding import laid_out


def show(lines: Iterable[str]) -> None:
    """Print lines to stdout."""
    print("\n".join(laid_out(lines, sys.stdout)), flush=True)
