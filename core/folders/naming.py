"""The name of a new migration: a word from what was typed, and the next number of the folder."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

from msgspec import Struct, field

from ..errors import UsageError

# A number of so many digits is a time: 20260131235959.
TIMESTAMP: Final = 14


class NewFile(Struct, frozen=True, kw_only=True):
    """A file that is to be written; its name is relative to the folder."""

    name: str
    text: str
    # what the file had when it was read, where it is a list that the tool keeps of the others; None for a file that
    # may not be there yet
    before: bytes | None = None


class Request(Struct, frozen=True, kw_only=True):
    """A new migration that is asked for."""

    path: Path

    # the files of the folder
    names: Sequence[str]
    # as it was typed
    name: str
    now: datetime
    revert: bool = False
    verify: bool = False
    # variables of the environment: Sqitch has the planner's name there
    environ: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def title(self) -> str:
        """The name as one line of a comment."""
        return "".join(letter for letter in " ".join(self.name.split()) if letter.isprintable())

    @property
    def word(self) -> str:
        """What of the name can stand in a file name everywhere. Raises `UsageError` where nothing can."""
        plain = unicodedata.normalize("NFKD", self.name.removesuffix(".sql")).encode("ascii", "ignore").decode()
        word = re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")[:100]
        if not word:
            raise UsageError(
                f"{self.name!r} has no letter or digit for a file name.",
                advice="For example: changeover new add_donor_email",
            )
        return word

    def matches(self, pattern: re.Pattern[str]) -> list[re.Match[str]]:
        """Return the names of the folder that are of this pattern."""
        return [match for match in map(pattern.fullmatch, self.names) if match]


# The version, and the files
New: TypeAlias = Callable[[Request], tuple[str, tuple[NewFile, ...]]]


def next_number(request: Request, numbers: Sequence[str], *, width: int | None) -> str:
    """Return the number after the folder's last: by time where that is one, else in its own width.

    In an empty folder it is 1 in `width` digits, or the time where that is None.
    """
    if not numbers:
        return timestamp(request.now) if width is None else "1".zfill(width)
    last = max(numbers, key=int)
    if len(last) >= TIMESTAMP:
        return str(max(int(timestamp(request.now)), int(last) + 1))
    return str(int(last) + 1).zfill(len(last))


def timestamp(now: datetime) -> str:
    """Return a time as 14 digits, in UTC."""
    return now.astimezone(UTC).strftime("%Y%m%d%H%M%S")
