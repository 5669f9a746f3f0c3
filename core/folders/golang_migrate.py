"""golang-migrate: `1_name.up.sql` and `1_name.down.sql`, ordered by number; other files are passed over.

The tool sends a file as one message, so a file without BEGIN runs in one transaction of the server's.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from .. import formats
from ..foreign import script_of_bytes
from ..migration import Folder, Migration, checksums_of
from .files import content_of, in_order, no_migration, side_file
from .listing import Listing, look
from .naming import NewFile, Request, next_number
from .reader import Options, Reader

NAME: Final = re.compile(r"([0-9]+)_(.*)\.(down|up)\.(.*)")
# A version is an unsigned number of 64 bits; a file beyond that is passed over as one with another name is.
_LARGEST: Final = 2**64 - 1


def read(path: Path, _options: Options) -> Folder:
    """Return the migrations of the folder; raises `FolderError`, and `NumberingError` for two files of one number."""
    matches = {name: match for name in look(path).names if (match := _match(name))}
    ups = in_order((int(match[1]), name) for name, match in matches.items() if match[3] == "up")
    downs = in_order((int(match[1]), name) for name, match in matches.items() if match[3] == "down")
    if not ups:
        raise no_migration(path, formats.GOLANG_MIGRATE.pattern)
    migrations: list[Migration] = []
    for number, file in ups.items():
        content = content_of(path, file)
        migrations.append(
            Migration(
                version=str(number),
                name=matches[file][2],
                file=file,
                content=content,
                checksums=checksums_of(content),
                script=script_of_bytes(content, file=file),
                revert=side_file(path, downs.get(number)),
            )
        )
    return Folder(path=path, format=formats.GOLANG_MIGRATE.name, migrations=tuple(migrations))


def _match(name: str) -> re.Match[str] | None:
    match = NAME.fullmatch(name)
    return match if match and int(match[1]) <= _LARGEST else None


def _likeness(listing: Listing) -> int:
    if not any(match[3] == "up" for match in map(_match, listing.names) if match):
        return 0
    return 3 if listing.mentions("golang-migrate", "go.mod") else 2


def new(request: Request) -> tuple[str, tuple[NewFile, ...]]:
    """Return the next version and the files of a new migration, the way back always among them."""
    version = next_number(request, [match[1] for match in request.matches(NAME)], width=None)
    stem = f"{version}_{request.word}"
    return version, tuple(NewFile(name=f"{stem}.{way}.sql", text="") for way in ("up", "down"))


READER: Final = Reader(format=formats.GOLANG_MIGRATE, likeness=_likeness, read=read, new=new)
