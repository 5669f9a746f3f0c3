"""Flyway's versions and checksums: what its folder and its history table both need. Pure."""

from __future__ import annotations

import re
from typing import Final
from zlib import crc32

# A dot with no digit after it is no separator, and then no part of a version either.
_VERSION: Final = re.compile(r"[0-9]+(?:[._][0-9]+)*")
_LINE_END: Final = re.compile("\r\n|\r|\n")
REPEATABLE: Final = "R__"


def version_of(text: str) -> str | None:
    """Return a version as the table has it, 1.1 for 1_1; None where it is none. Leading zeros stay."""
    return text.replace("_", ".") if _VERSION.fullmatch(text) else None


def order_of(version: str) -> tuple[int, ...]:
    """Return what versions are compared by, each part as a number: 1, 1.0 and 01 are the same one."""
    parts = [int(part) for part in version.split(".")]
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    return tuple(parts)


def repeatable_key(description: str) -> str:
    """Return the key of a repeatable migration, which has no version in the table."""
    return f"{REPEATABLE}{description}"


def checksum_of(text: str) -> int:
    """Return the CRC-32 over the lines without their ends, as a signed number of 32 bits.

    A byte order mark counts for nothing. A last line without an end counts as one with it.
    """
    value = 0
    for line in _LINE_END.split(text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")):
        value = crc32(line.encode(), value)
    return value - 2**32 if value >= 2**31 else value
