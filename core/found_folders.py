"""Folders of migrations near where the set-up was started, and which tools' they may be."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from pathlib import Path
from typing import Final

from msgspec import Struct

from . import formats
from .errors import FolderError
from .folders.detect import candidates
from .folders.listing import Listing, look
from .folders.registry import READERS

# Where tools keep them by default or by habit.
_PLACES: Final = (
    "migrations",
    "db/migrations",
    "db/migrate",
    "database/migrations",
    "sql/migrations",
    "sql",
    "supabase/migrations",
    "prisma/migrations",
    "drizzle",
    "alembic/versions",
    "migrations/versions",
    "src/main/resources/db/migration",
    ".",
)
# Endings of what is no migration.
_BESIDE: Final = (".toml", ".conf", ".sum", ".hcl", ".md", ".txt", ".lock", ".mako", ".ini")


class FoundFolder(Struct, frozen=True, kw_only=True):
    """A folder with files in it that look like migrations."""

    path: Path
    # what its tool calls itself; several where its files could be of either
    format: str
    files: int


def find(start: Path) -> tuple[FoundFolder, ...]:
    """Return the folders under `start` that look like migrations, the usual places first."""
    found: list[FoundFolder] = []
    for place in _PLACES:
        folder = start / place
        # a folder or a configuration that cannot be read is nothing to offer
        with contextlib.suppress(FolderError):
            if folder.is_dir():
                found += _looked(look(folder, depth=0 if folder == start else None))
    return tuple(found)


def open_formats(folder: Path, histories: Collection[str] = ()) -> tuple[str, ...]:
    """Return the formats between which somebody has to choose for `folder`; none where files or database say it.

    `histories` are the formats of the history tables that the database has. A folder that cannot be read leaves
    nothing open: another one has to be named.
    """
    try:
        listing = look(folder)
    except FolderError:
        return ()
    names = candidates(listing)
    if len(names) < 2 or not set(names) <= READERS.keys():
        return ()
    told = any(name in READERS and READERS[name].likeness(listing) for name in histories)
    return () if told else names


def _looked(listing: Listing) -> list[FoundFolder]:
    names = candidates(listing)
    if not names:
        return []
    titles = ["numbered files" if it == formats.NATIVE.name else formats.BY_NAME[it].title for it in names]
    files = sum(not file.endswith(_BESIDE) and not Path(file).name.startswith(".") for file in listing.files)
    return [FoundFolder(path=listing.path, format=" or ".join(titles), files=files)]
