"""The names that PostgreSQL gives to constraints and indexes that a statement leaves without one.

See `makeObjectName` and `ChooseRelationName` in the server's source; the manual says only that it chooses one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

# NAMEDATALEN less the closing zero.
LIMIT: Final = 63


def object_name(first: str, second: str, label: str) -> str:
    """Return `first_second_label` in at most 63 bytes: the longer of the first two is cut, never within a letter."""
    overhead = len(label.encode()) + 1 + (1 if second else 0)
    lengths = [len(first.encode()), len(second.encode())]
    while sum(lengths) > LIMIT - overhead:
        longer = 0 if lengths[0] > lengths[1] else 1
        lengths[longer] -= 1
    parts = [_clipped(first, lengths[0]), *([_clipped(second, lengths[1])] if second else []), label]
    return "_".join(parts)


def free_name(first: str, columns: Sequence[str], label: str, taken: Callable[[str], bool]) -> str:
    """Return the name that an index gets: with the first number that makes it free where it is taken."""
    second = "_".join(columns)
    number = 0
    while True:
        name = object_name(first, second, f"{label}{number or ''}")
        if not taken(name):
            return name
        number += 1


def _clipped(text: str, length: int) -> str:
    return text.encode()[:length].decode(errors="ignore")
