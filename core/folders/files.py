"""Reading the files of a folder, each once."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..errors import FolderError, NumberingError, Place, ScriptError
from ..foreign import script_of_bytes, unreadable
from ..migration import SideScript, checksums_of
from ..script import Script
from ..text import Text


def content_of(folder: Path, file: str) -> bytes:
    """Return the bytes of a file; raises `FolderError` where it is not a regular file that can be read."""
    try:
        if not stat.S_ISREG((folder / file).stat().st_mode):
            raise FolderError(f"{file} is not a regular file.", advice="Migrations are read from regular files only.")
        return (folder / file).read_bytes()
    except OSError as error:
        raise FolderError(
            f"{file} cannot be read: {error.strerror}.", advice="Look at its owner and rights."
        ) from error


def side_script(file: str, content: bytes, script: Script) -> SideScript:
    """Return a revert or verify script with its checksums."""
    return SideScript(file=file, content=content, checksums=checksums_of(content), script=script)


def side_file(folder: Path, file: str | None) -> SideScript | None:
    """Return a file that runs as a whole as a revert or verify script."""
    if file is None:
        return None
    content = content_of(folder, file)
    return side_script(file, content, script_of_bytes(content, file=file))


def text_or_script(content: bytes, file: str) -> Text | Script:
    """Return the text of a file, or a script that says why it cannot be read."""
    try:
        return Text.read(content, file=file)
    except ScriptError as error:
        return unreadable(error)


def in_order(files: Iterable[tuple[int, str]]) -> Mapping[int, str]:
    """Return the files by their number, in order; raises `NumberingError` where two have the same."""
    found: dict[int, str] = {}
    for number, file in files:
        twin = found.setdefault(number, file)
        if twin != file:
            raise same_number(twin, file)
    return dict(sorted(found.items()))


def same_number(one: str, other: str) -> NumberingError:
    """Return that two files claim one version."""
    return NumberingError(
        f"{one} and {other} have the same number.",
        advice="Give one of them the next free number; neither has run yet if both are new.",
        place=Place(file=other, line=1),
    )


def no_migration(path: Path, pattern: str) -> FolderError:
    """Return that a folder has no migration of its format."""
    return FolderError(f"There is no migration in {path}.", advice=f"Its files are named {pattern}.")
