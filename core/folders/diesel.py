"""diesel: `2006-01-02-150405_name/up.sql` and `down.sql`, in the order of the versions as text.

A version is what stands before the first underscore, without its dashes. `metadata.toml` takes a migration out of its
transaction, and that is what it says already where the file is there and does not name `run_in_transaction`.
"""

from __future__ import annotations

import tomllib
from datetime import UTC
from pathlib import Path
from typing import Final

from .. import formats
from ..errors import Fault
from ..foreign import Part, script_of, script_of_bytes
from ..migration import Folder, Migration, checksums_of
from ..script import Script
from ..text import Text
from .files import content_of, no_migration, same_number, side_script
from .listing import Listing, look
from .naming import NewFile, Request
from .reader import Options, Reader

_UP, _DOWN, _METADATA = "up.sql", "down.sql", "metadata.toml"


def read(path: Path, _options: Options) -> Folder:
    """Return the migrations of the folder; raises `FolderError`, and `NumberingError` for two of one version."""
    listing = look(path)
    found: dict[str, str] = {}
    for folder in _folders(listing):
        twin = found.setdefault(_version(folder), folder)
        if twin != folder:
            raise same_number(f"{twin}/{_UP}", f"{folder}/{_UP}")
    if not found:
        raise no_migration(path, formats.DIESEL.pattern)
    return Folder(
        path=path,
        format=formats.DIESEL.name,
        migrations=tuple(_migration(listing, version, folder) for version, folder in sorted(found.items())),
    )


def _folders(listing: Listing) -> list[str]:
    found = (file.rpartition("/")[0] for file in listing.files if file.endswith(f"/{_UP}"))
    return sorted(folder for folder in found if "/" not in folder and not folder.startswith("."))


def _version(folder: str) -> str:
    return folder.partition("_")[0].replace("-", "")


def _migration(listing: Listing, version: str, folder: str) -> Migration:
    file, down = f"{folder}/{_UP}", f"{folder}/{_DOWN}"
    content = content_of(listing.path, file)
    transactional = _runs_in_transaction(listing, folder)
    undo = content_of(listing.path, down) if down in listing.files else None
    return Migration(
        version=version,
        name=folder.partition("_")[2],
        file=file,
        content=content,
        checksums=checksums_of(content),
        also_called=(folder, folder.partition("_")[0]),
        script=_script(content, file, transactional=transactional),
        revert=None if undo is None else side_script(down, undo, _script(undo, down, transactional=transactional)),
    )


def _script(content: bytes, file: str, *, transactional: bool) -> Script:
    if content:
        return script_of_bytes(content, file=file, transactional=transactional)
    empty = Fault(
        id="script",
        summary=f"{file} is empty, which diesel refuses.",
        advice="Write a comment or `SELECT 1;` into it.",
        file=file,
        line=1,
    )
    return script_of(Part(text=Text.read(content, file=file), refusals=(empty,)))


def _runs_in_transaction(listing: Listing, folder: str) -> bool:
    file = f"{folder}/{_METADATA}"
    if file not in listing.files:
        return True
    try:
        values = tomllib.loads(content_of(listing.path, file).decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):
        # the tool takes what it cannot read for its defaults
        return True
    return values.get("run_in_transaction", False) is True


def _likeness(listing: Listing) -> int:
    if not _folders(listing):
        return 0
    return 3 if listing.beside("diesel.toml") else 2


def new(request: Request) -> tuple[str, tuple[NewFile, ...]]:
    """Return the version and the files of a new migration, the way back always among them."""
    folder = f"{request.now.astimezone(UTC):%Y-%m-%d-%H%M%S}_{request.word}"
    return _version(folder), (
        NewFile(name=f"{folder}/{_UP}", text="-- Your SQL goes here\n"),
        NewFile(name=f"{folder}/{_DOWN}", text="-- This file should undo anything in `up.sql`\n"),
    )


READER: Final = Reader(format=formats.DIESEL, likeness=_likeness, read=read, new=new)
