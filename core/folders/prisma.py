"""Prisma Migrate: `20060102150405_name/migration.sql`, in the order of the folders' names; there is no way back.

The tool sends a file as one message. Its checksum is over the text, and it takes the text with other line ends for the
same, and the digits of a sum without their leading zeros, as older releases wrote them.
"""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path
from typing import Final

from .. import formats
from ..foreign import script_of_bytes
from ..migration import Folder, Migration, checksums_of
from .files import content_of, no_migration
from .listing import Listing, look
from .naming import NewFile, Request, timestamp
from .reader import Options, Reader

_FILE: Final = "migration.sql"
LOCK: Final = "migration_lock.toml"


def read(path: Path, _options: Options) -> Folder:
    """Return the migrations of the folder; raises `FolderError`."""
    folders = _folders(look(path))
    if not folders:
        raise no_migration(path, formats.PRISMA.pattern)
    return Folder(
        path=path, format=formats.PRISMA.name, migrations=tuple(_migration(path, folder) for folder in folders)
    )


def _folders(listing: Listing) -> list[str]:
    found = (file.rpartition("/")[0] for file in listing.files if file.endswith(f"/{_FILE}"))
    return sorted((folder for folder in found if "/" not in folder), key=str.encode)


def _migration(path: Path, folder: str) -> Migration:
    file = f"{folder}/{_FILE}"
    content = content_of(path, file)
    unix = content.replace(b"\r\n", b"\n")
    recorded, *others = dict.fromkeys(
        form(sha256(text).digest())
        for form in (_padded, _unpadded)
        for text in (content, unix, unix.replace(b"\n", b"\r\n"))
    )
    return Migration(
        version=folder,
        name=re.sub(r"^[0-9]+_", "", folder),
        file=file,
        content=content,
        checksums=checksums_of(content),
        script=script_of_bytes(content, file=file),
        recorded_checksum=recorded,
        also_equal=tuple(others),
    )


def _padded(digest: bytes) -> str:
    return digest.hex()


def _unpadded(digest: bytes) -> str:
    return "".join(f"{byte:x}" for byte in digest)


def _likeness(listing: Listing) -> int:
    if LOCK in listing.names:
        return 3
    return 2 if _folders(listing) else 0


def new(request: Request) -> tuple[str, tuple[NewFile, ...]]:
    """Return the next version and the file of a new migration."""
    version = f"{timestamp(request.now)}_{request.word}"
    return version, (NewFile(name=f"{version}/{_FILE}", text=""),)


READER: Final = Reader(format=formats.PRISMA, likeness=_likeness, read=read, new=new)
