"""The result of a command, on stdout."""

from __future__ import annotations

from collections.abc import Iterable


def show(lines: Iterable[str]) -> None:
    """Print lines to stdout."""
    print("\n".join(lines), flush=True)
