"""From a folder, and the history table that the database has, to the format; and the folder as that reads it."""

from __future__ import annotations

from pathlib import Path

from .. import formats
from ..errors import FolderError
from ..migration import Folder
from .listing import Listing, look
from .reader import Options
from .registry import READERS, UNRECORDED


def candidates(listing: Listing) -> tuple[str, ...]:
    """Return the names of the formats that the folder may be of: those that it is most like."""
    likeness = {name: reader.likeness(listing) for name, reader in READERS.items()}
    best = max(likeness.values(), default=0)
    for name, reader in UNRECORDED.items():
        # words in a file beside others say less than the names of SQL files, and a file of the tool's own says more
        how = reader.likeness(listing)
        likeness[name] = how if how > 2 or best < 2 else 0
    best = max(likeness.values(), default=0)
    if best == 1 and likeness[formats.NATIVE.name]:
        # 0001_name.sql and nothing in it or around it that is another tool's
        return (formats.NATIVE.name,)
    return tuple(name for name, how in likeness.items() if how == best > 0)


def detect(path: Path, *, said: str | None = None, history: str | None = None) -> str:
    """Return the name of the folder's format.

    `said` is that of --format, which overrules; `history` is the format of the history table that the database has.
    Raises `FolderError` for a folder that is of no format, or of several and nothing says which.
    """
    if said is not None:
        return _known(said, path)
    listing = look(path)
    found = candidates(listing)
    if history is not None and history in READERS and READERS[history].likeness(listing):
        return history
    if any(name in UNRECORDED for name in found):
        raise _unrecorded(next(name for name in found if name in UNRECORDED), path)
    if len(found) == 1 and (found[0] == formats.NATIVE.name or READERS[found[0]].likeness(listing) > 1):
        return found[0]
    if not found:
        raise FolderError(
            f"There is no migration in {path}.",
            advice="Write the first one as 0001_name.sql in that folder, or name the folder that has them with "
            "--migrations DIR.",
        )
    raise FolderError(
        f"{path} may be a folder of {_listed(found)}, and neither its files nor the database say which.",
        advice=f"Say it with --format, or as `format` in changeover.toml: {' or '.join(found)}.",
    )


def read_any(
    path: Path, *, said: str | None = None, history: str | None = None, options: Options | None = None
) -> Folder:
    """Return the migrations of a folder in the order in which they apply, by the format that `detect` finds.

    Raises `FolderError`, and `NumberingError` where two files claim one version. A file of another tool's format that
    cannot be run is data in its script; in a native folder it raises `ScriptError`.
    """
    return READERS[detect(path, said=said, history=history)].read(path, options or Options())


def _known(said: str, path: Path) -> str:
    if said in READERS:
        return said
    if said in UNRECORDED:
        raise _unrecorded(said, path)
    there = f"{formats.BY_NAME[said].title} is" if said in formats.BY_NAME else f"{said} is"
    raise FolderError(f"{there} no format whose folders can be read.", advice=f"These are: {', '.join(READERS)}.")


def _unrecorded(name: str, path: Path) -> FolderError:
    title = formats.BY_NAME[name].title
    return FolderError(
        f"{path} is a folder of {title}, and its history is not one that Changeover keeps.",
        advice=f"Go on with {title} there. The formats that Changeover works with: {', '.join(READERS)}.",
    )


def _listed(found: tuple[str, ...]) -> str:
    titles = [formats.BY_NAME[name].title for name in found]
    return " or ".join(filter(None, [", ".join(titles[:-1]), titles[-1]]))
