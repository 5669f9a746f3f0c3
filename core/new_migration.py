"""A new migration: the files of it, in the folder's own format, written where none of them may be yet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from . import formats
from .errors import FolderError, UsageError
from .folders.detect import detect
from .folders.listing import look
from .folders.naming import NewFile, Request
from .folders.registry import READERS


def new_files(
    folder: Path, name: str, *, now: datetime, revert: bool = False, verify: bool = False, said: str | None = None
) -> tuple[str, tuple[NewFile, ...]]:
    """Return the next version of a folder and the files of a migration called `name`.

    The format is `said` (that of --format), or what the folder is of; a folder that is empty or not there is native.
    Raises `FolderError`, and `UsageError` for a name that no file can have, and for a script that the format has not.
    """
    names = look(folder).files if folder.exists() else ()
    form = detect(folder, said=said) if said or any(not it.startswith(".") for it in names) else formats.NATIVE.name
    reader = READERS[form]
    if reader.new is None:
        raise UsageError(
            f"A new migration of {reader.format.title} cannot be written here.",
            advice="Write it with that tool: it keeps a file of its own about the others.",
        )
    if verify and not reader.format.has(formats.Notion.VERIFY):
        raise UsageError(f"{reader.format.title} has no verify scripts.", advice="Leave out --verify.")
    if revert and not reader.format.has(formats.Notion.REVERT):
        raise UsageError(f"{reader.format.title} has no way back.", advice="Leave out --revert.")
    return reader.new(Request(names=names, name=name, now=now, revert=revert, verify=verify))


def write(folder: Path, files: Sequence[NewFile]) -> tuple[Path, ...]:
    """Write the files, none of which may exist; makes the folder. Raises `FolderError`."""
    written: list[Path] = []
    try:
        for file in files:
            path = folder / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8", newline="") as out:
                out.write(file.text)
            written.append(path)
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        raise FolderError(f"{error.filename or folder} cannot be written: {error.strerror}.") from error
    return tuple(written)
