"""The native folder: `0001_name.sql`, and beside it `0001_name.revert.sql` and `0001_name.verify.sql`."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Final

from .. import formats
from ..errors import FolderError, NumberingError, Place
from ..migration import Folder, Migration, SideScript, checksums_of
from ..script import parse
from .listing import Listing, look
from .naming import NewFile, Request, next_number
from .reader import Options, Reader

_NAME: Final = re.compile(r"(?P<number>[0-9]+)_(?P<name>[^.]+)(?:\.(?P<side>revert|verify))?\.sql")
_NUMBER: Final = re.compile(r"(?P<number>[0-9]+)_[^.]+(?:\.(?:revert|verify))?\.sql")
_WIDTH: Final = 4
_PATTERN: Final = "0001_name.sql, 0001_name.revert.sql or 0001_name.verify.sql"


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


def read(path: Path) -> Folder:
    """Return the migrations of a folder in the order of their numbers; every file is read once.

    Files that do not end in `.sql`, and hidden ones, are left alone. Raises `FolderError` where there is no such folder
    or nothing in it, `NumberingError` for two files with one number, and `ScriptError` for a file that cannot be run.
    """
    main: dict[int, re.Match[str]] = {}
    sides: dict[tuple[int, str], re.Match[str]] = {}
    for file in _files(path):
        match = _match(file)
        number, side = int(match["number"]), match["side"]
        twin = main.get(number) if side is None else sides.get((number, side))
        if twin is not None:
            raise NumberingError(
                f"{twin.string} and {match.string} have the same number.",
                advice="Give one of them the next free number; neither has run yet if both are new.",
                place=Place(file=match.string, line=1),
            )
        if side is None:
            main[number] = match
        else:
            sides[number, side] = match
    _refuse_orphans(main, sides)
    if not main:
        raise FolderError(
            f"There is no migration in {path}.", advice="Write the first one as 0001_name.sql in that folder."
        )
    return Folder(
        path=path,
        format="native",
        migrations=tuple(_migration(path, main[number], number, sides) for number in sorted(main)),
    )


def _files(path: Path) -> list[str]:
    return [name for name in look(path).names if name.endswith(".sql") and not name.startswith(".")]


def _match(file: str) -> re.Match[str]:
    match = _NAME.fullmatch(file)
    if match is None:
        raise NumberingError(
            f"{file} is not named as a migration.",
            advice=f"Name it as {_PATTERN}, or move it out of the folder.",
            place=Place(file=file, line=1),
        )
    return match


def _refuse_orphans(main: dict[int, re.Match[str]], sides: dict[tuple[int, str], re.Match[str]]) -> None:
    for (number, side), match in sides.items():
        owner = main.get(number)
        if owner is None or owner["name"] != match["name"] or owner["number"] != match["number"]:
            raise NumberingError(
                f"{match.string} has no migration: there is no {match['number']}_{match['name']}.sql.",
                advice=f"A {side} script stands beside the migration of the same number and name.",
                place=Place(file=match.string, line=1),
            )


def _migration(path: Path, match: re.Match[str], number: int, sides: dict[tuple[int, str], re.Match[str]]) -> Migration:
    content = _content(path, match.string)
    return Migration(
        version=match["number"],
        name=match["name"],
        file=match.string,
        content=content,
        checksums=checksums_of(content),
        script=parse(content, file=match.string),
        revert=_side(path, sides.get((number, "revert"))),
        verify=_side(path, sides.get((number, "verify"))),
    )


def _side(path: Path, match: re.Match[str] | None) -> SideScript | None:
    if match is None:
        return None
    content = _content(path, match.string)
    # parsed now: it must be runnable on the day on which it is needed
    return SideScript(
        file=match.string,
        content=content,
        checksums=checksums_of(content),
        script=parse(content, file=match.string),
    )


def _content(path: Path, file: str) -> bytes:
    try:
        if not stat.S_ISREG((path / file).stat().st_mode):
            raise FolderError(f"{file} is not a regular file.", advice="Migrations are read from regular files only.")
        return (path / file).read_bytes()
    except OSError as error:
        raise FolderError(
            f"{file} cannot be read: {error.strerror}.", advice="Look at its owner and rights."
        ) from error


def _likeness(listing: Listing) -> int:
    return int(any(_NAME.fullmatch(name) for name in listing.names))


def _read(path: Path, _options: Options) -> Folder:
    return read(path)


def new(request: Request) -> tuple[str, tuple[NewFile, ...]]:
    """Return the next version and the files of a new migration. Raises `UsageError`."""
    version = next_number(request, [match["number"] for match in request.matches(_NUMBER)], width=_WIDTH)
    stem = f"{version}_{request.word}"
    files = [NewFile(name=f"{stem}.sql", text=MIGRATION.format(title=request.title))]
    if request.revert:
        files.append(NewFile(name=f"{stem}.revert.sql", text=REVERT.format(file=f"{stem}.sql")))
    if request.verify:
        files.append(NewFile(name=f"{stem}.verify.sql", text=VERIFY.format(file=f"{stem}.sql")))
    return version, tuple(files)


READER: Final = Reader(format=formats.NATIVE, likeness=_likeness, read=_read, new=new)
