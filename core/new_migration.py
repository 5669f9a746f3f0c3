"""A new migration: its number, its name, and a file that says what may stand in it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from .errors import FolderError, UsageError

_NUMBER: Final = re.compile(r"(?P<number>[0-9]+)_[^.]+(?:\.(?:revert|verify))?\.sql")
# A number of so many digits is a time: 20260131235959.
_TIMESTAMP: Final = 14
_WIDTH: Final = 4

MIGRATION: Final = """\
-- Purpose: {title}
/*
   Runs in one transaction with its history row, so without BEGIN and COMMIT. Directives are comments on a line of
   their own:

   -- changeover: transaction=off          at the top: for CREATE INDEX CONCURRENTLY and its like
   -- changeover: when table sessions      above a statement: it waits until the table is there
   -- changeover: allow HAZARD: reason     above a statement, or at the top: this hazard is meant
*/

"""
REVERT: Final = "-- Undoes {file}: `changeover revert` runs this.\n\n"
VERIFY: Final = """\
-- Verifies {file}: `changeover verify` runs this in a read-only transaction and rolls it back.
-- A statement that fails, or answers a single false, says that something is not as it should be.

"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A file that is to be written."""

    name: str
    text: str


def next_files(
    names: Sequence[str], name: str, *, now: datetime, revert: bool = False, verify: bool = False
) -> tuple[str, tuple[NewFile, ...]]:
    """Return the next version of a folder with these file names, and the files of a migration called `name`. Pure.

    Raises `UsageError` where nothing of the name can stand in a file name.
    """
    word = _slug(name)
    if not word:
        raise UsageError(
            f"{name!r} has no letter or digit for a file name.", advice="For example: changeover new add_donor_email"
        )
    version = _next(names, now)
    stem = f"{version}_{word}"
    files = [NewFile(name=f"{stem}.sql", text=MIGRATION.format(title=_title(name)))]
    if revert:
        files.append(NewFile(name=f"{stem}.revert.sql", text=REVERT.format(file=f"{stem}.sql")))
    if verify:
        files.append(NewFile(name=f"{stem}.verify.sql", text=VERIFY.format(file=f"{stem}.sql")))
    return version, tuple(files)


def write(folder: Path, files: Sequence[NewFile]) -> tuple[Path, ...]:
    """Write the files, none of which may exist; makes the folder. Raises `FolderError`."""
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            path = folder / file.name
            with path.open("x", encoding="utf-8") as out:
                out.write(file.text)
            written.append(path)
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        raise FolderError(f"{error.filename or folder} cannot be written: {error.strerror}.") from error
    return tuple(written)


def names_in(folder: Path) -> tuple[str, ...]:
    """Return the file names of a folder; none where it is not there. Raises `FolderError`."""
    try:
        return tuple(path.name for path in folder.iterdir()) if folder.exists() else ()
    except OSError as error:
        raise FolderError(f"{folder} cannot be read: {error.strerror}.") from error


def _title(name: str) -> str:
    """Return the name as one line of a comment."""
    return "".join(letter for letter in " ".join(name.split()) if letter.isprintable())


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.removesuffix(".sql")).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")[:100]


def _next(names: Sequence[str], now: datetime) -> str:
    numbers = [match["number"] for match in map(_NUMBER.fullmatch, names) if match]
    if not numbers:
        return "1".zfill(_WIDTH)
    last = max(numbers, key=int)
    if len(last) >= _TIMESTAMP:
        return str(max(int(now.astimezone(UTC).strftime("%Y%m%d%H%M%S")), int(last) + 1))
    return str(int(last) + 1).zfill(len(last))
