"""What a target's migrations are read from: the folder, in the format that it and the database say, and its history."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from . import formats
from .connect import Connection
from .errors import FolderError
from .folders.detect import candidates, read_any
from .folders.listing import look as list_folder
from .folders.registry import READERS
from .history import History
from .history import find as histories
from .history.find import Tables
from .history.foreign_ledger import ForeignLedger
from .history.ledger import Authorship, Ledger
from .history.native_ledger import NativeLedger
from .history.place import Place
from .history.registry import DIALECTS
from .keys import Keys, keys_of
from .migration import Folder
from .settings import Settings
from .values import options_of


class Sources(Struct, frozen=True, kw_only=True):
    """The folder as the database says that it is to be read, and the history tables that are there."""

    folder: Folder
    tables: Tables


def read_folder(settings: Settings) -> Folder | None:
    """Return the migrations folder of the settings; None where only the database can tell its format.

    Raises `FolderError` or `ScriptError`.
    """
    if settings.migrations is None:
        raise FolderError(
            "There is no migrations folder here.",
            advice="Name it with --migrations DIR, or as `migrations` in changeover.toml.",
        )
    if settings.format is None and len(candidates(list_folder(settings.migrations))) > 1:
        return None
    return read_any(settings.migrations, said=settings.format, options=options_of(settings))


async def find(connection: Connection, settings: Settings, folder: Folder | None) -> Sources:
    """Return what is there, inside the caller's snapshot; the folder is read anew where its history says so."""
    tables = await histories.find(connection, schema=settings.schema, table=settings.history_table)
    return Sources(folder=_told(settings, folder, tables), tables=tables)


def _told(settings: Settings, folder: Folder | None, tables: Tables) -> Folder:
    """Return the folder in the format of a history that is there and that its files could be of.

    Where something of it depends on what only the server can say, it is read anew with that.
    """
    name = _format(settings, folder, tables)
    if folder is not None and name == folder.format and not folder.asks_server:
        return folder
    assert settings.migrations is not None
    return read_any(settings.migrations, said=settings.format, history=name, options=options_of(settings, tables))


def _format(settings: Settings, folder: Folder | None, tables: Tables) -> str | None:
    """Return the format that the folder is to be read by; None where neither files nor database tell it."""
    if settings.migrations is None or (folder is not None and settings.format is not None):
        assert folder is not None
        return folder.format
    if folder is not None and folder.format in tables.formats:
        return folder.format
    listing = list_folder(settings.migrations)
    fits = [name for name in tables.formats if name in READERS and READERS[name].likeness(listing)]
    return fits[0] if fits else folder.format if folder is not None else None


async def read_history(connection: Connection, settings: Settings, sources: Sources) -> tuple[History, Folder]:
    """Return what the folder's history says, and what of the folder matters beside it. Raises `HistoryError`."""
    return await histories.read(
        connection, sources.folder, sources.tables, schema=settings.schema, table=settings.history_table
    )


async def read_history_alone(connection: Connection, settings: Settings) -> History:
    """Return the history that is there, where no folder can be read that would say which one it is.

    The named format's, else the first in the search path, else ours. Raises `HistoryError`.
    """
    tables = await histories.find(connection, schema=settings.schema, table=settings.history_table)
    name = settings.format or next(iter(tables.formats), formats.NATIVE.name)
    nothing = Folder(path=Path(), format=name, migrations=())
    history, _ = await histories.read(connection, nothing, tables, schema=settings.schema, table=settings.history_table)
    return history


async def keys_at(connection: Connection, settings: Settings, folder: Folder | None) -> Keys:
    """Return the keys that a run on this database takes, before anything is read of its history."""
    if is_native(settings, folder):
        return keys_of(settings.schema)
    sources = await find(connection, settings, folder)
    if sources.folder.format == formats.NATIVE.name:
        return keys_of(settings.schema)
    place = histories.place_of(sources.tables, sources.folder.format, sources.folder, table=settings.history_table)
    return keys_of_place(sources.folder.format, place, sources.tables.database)


def keys_of_history(settings: Settings, history: History, database: str) -> Keys:
    """Return the keys of a run that would write to this history."""
    if history.place is None:
        return keys_of(settings.schema)
    return keys_of_place(history.format, history.place, database)


def is_native(settings: Settings, folder: Folder | None) -> bool:
    """Whether the folder can be of no other format than ours, whatever the database has."""
    if folder is None or folder.format != formats.NATIVE.name or settings.migrations is None:
        return False
    if settings.format is not None:
        return True
    listing = list_folder(settings.migrations)
    return not any(reader.likeness(listing) for name, reader in READERS.items() if name != formats.NATIVE.name)


def keys_of_place(name: str, place: Place, database: str) -> Keys:
    """Return the keys of another tool's history: ours for it, and the tool's own."""
    dialect = DIALECTS[name]
    theirs = dialect.keys(place, database)
    return keys_of(f"{name} {place.shown}", theirs=theirs, tool=dialect.title)


def ledger_of(settings: Settings, history: History, folder: Folder, by: Authorship) -> Ledger:
    """Return the history as one run writes it."""
    if history.place is None:
        return NativeLedger(settings.schema, history, by)
    return ForeignLedger(DIALECTS[history.format], history.place, history, folder, by)
