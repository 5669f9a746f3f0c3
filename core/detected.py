"""What a set-up can offer of a folder and a database before anything is configured: whose they seem to be."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from . import formats
from .connect import Connection
from .errors import ServerError
from .folders.detect import candidates
from .folders.listing import look
from .history import OtherHistory
from .history import find as histories
from .settings import Settings


class Detected(Struct, frozen=True, kw_only=True):
    """What was found; names are those of `--format`."""

    # formats that the folder's files are most like: several where they cannot be told apart, none for an empty folder
    folder: tuple[str, ...] = ()
    # every tool whose history the database has, with its table and where it stands
    histories: tuple[OtherHistory, ...] = ()
    # the one format to propose; None where a person has to say it
    proposed: str | None = None


def of_folder(path: Path) -> tuple[str, ...]:
    """Return the formats that a folder may be of. Raises `FolderError`."""
    return candidates(look(path))


async def detect(connection: Connection, settings: Settings, path: Path | None) -> Detected:
    """Return what folder and database say together; nothing is written. Raises `FolderError` and `ServerError`."""
    folder = of_folder(path) if path is not None else ()
    tables = await histories.find(connection, schema=settings.schema, table=settings.history_table)
    said = await histories.stands(connection, tables.found)
    known = [name for name in tables.formats if not folder or name in folder]
    proposed = known[0] if len(known) == 1 else folder[0] if len(folder) == 1 else None
    return Detected(folder=folder, histories=said, proposed=proposed)


async def formats_there(connection: Connection, settings: Settings) -> tuple[str, ...]:
    """Return the formats of the history tables that the database has; none where they cannot be looked for."""
    try:
        return (await histories.find(connection, schema=settings.schema, table=settings.history_table)).formats
    except ServerError:
        return ()


def title_of(name: str) -> str:
    """Return what the tool of a format calls itself."""
    return formats.BY_NAME[name].title
