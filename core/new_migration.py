"""A new migration: the files of it, in the folder's own format, written where none of them may be yet."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from . import formats
from .errors import FolderError, UsageError
from .folders.detect import detect
from .folders.listing import look
from .folders.naming import NewFile, Request
from .folders.registry import READERS


def new_files(
    folder: Path,
    name: str,
    *,
    now: datetime,
    revert: bool = False,
    verify: bool = False,
    said: str | None = None,
    environ: Mapping[str, str] | None = None,
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
            f"This format has no {formats.Notion.NEW}: {reader.format.title} alone makes its files.",
            advice=reader.instead_of_new,
        )
    if verify and not reader.format.has(formats.Notion.VERIFY):
        raise UsageError(f"{reader.format.title} has no verify scripts.", advice="Leave out --verify.")
    if revert and not reader.format.has(formats.Notion.REVERT):
        raise UsageError(f"{reader.format.title} has no way back.", advice="Leave out --revert.")
    return reader.new(
        Request(path=folder, names=names, name=name, now=now, revert=revert, verify=verify, environ=environ or {})
    )


def write(folder: Path, files: Sequence[NewFile]) -> tuple[Path, ...]:
    """Write the files, none of which may exist, and then the lists of them; makes the folder. Raises `FolderError`.

    A list that is no longer what it was when it was read is left alone, and nothing is written.
    """
    written: list[Path] = []
    lists = [file for file in files if file.before is not None]
    try:
        for file in files:
            if file.before is not None:
                continue
            path = folder / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8", newline="") as out:
                out.write(file.text)
            written.append(path)
        for file in lists:
            _replace(folder / file.name, file)
    except (OSError, FolderError) as error:
        for path in written:
            path.unlink(missing_ok=True)
        if isinstance(error, FolderError):
            raise
        raise FolderError(
            f"{error.filename or folder} cannot be written: {error.strerror}.",
            advice="Nothing of it is left there. Look at the owner and the rights of the folder, and at the "
            "room on its disk.",
        ) from error
    return (*written, *(folder / file.name for file in lists))


def _replace(path: Path, file: NewFile) -> None:
    """Put the new text in the place of the old one, all at once."""
    there = path.read_bytes() if path.exists() else b""
    if there != file.before:
        raise FolderError(f"{file.name} has changed since it was read.", advice="Nothing was written; try again.")
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("x", encoding="utf-8", newline="") as out:
            out.write(file.text)
        if path.exists():
            draft.chmod(path.stat().st_mode & 0o777)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
