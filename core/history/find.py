"""Which history tables a database has, whose they are by their columns, and which one a folder's is.

One query finds them all, one reads the folder's own, and one asks all others where they stand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from .. import formats
from ..due import meant_for
from ..errors import HistoryError, ServerError
from ..migration import Folder
from ..names import read as read_name
from ..names import written
from ..sql import query
from . import History, OtherHistory, native
from .native import Reads
from .place import Place
from .recognised import RECOGNISED, Recognised
from .registry import DIALECTS

# How many other histories are asked where they stand: a database of many tenants may have hundreds.
_ASKED: Final = 12


class Found(Struct, frozen=True, kw_only=True):
    """A history table of a tool that is known."""

    # name of the format
    format: str
    place: Place
    # from 1; None where its schema is not in the search path
    in_path: int | None
    readable: bool
    # the query for where it stands
    version: str


class Tables(Struct, frozen=True, kw_only=True):
    """All that may be a history, in the order of the search path."""

    found: tuple[Found, ...]
    # those that are named like one and are nothing that is known
    unknown: tuple[tuple[str, str], ...]
    # the first schema of the search path; None where it has none that exists
    current_schema: str | None
    database: str
    user: str

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats that can be applied and whose tables an unqualified name would find, each once."""
        visible = [it.format for it in self.found if it.in_path is not None or it.format in _OWN_SCHEMA]
        return tuple(dict.fromkeys(name for name in visible if name in DIALECTS or name == formats.NATIVE.name))


_OWN_SCHEMA: Final = frozenset(
    {formats.NATIVE.name, *(name for name, dialect in DIALECTS.items() if dialect.schema is not None)}
)


async def find(connection: Reads, *, schema: str, table: str | None = None) -> Tables:
    """Return the history tables of a database, inside the caller's snapshot.

    `schema` is that of the native history; `table` is the name that the settings give another tool's.
    """
    names = {dialect.name for dialect in DIALECTS.values()} | {"ar_internal_metadata", "migration", "attempt", "meta"}
    names |= {name for tool in RECOGNISED for name in tool.names}
    if table is not None:
        names.add(read_name(table)[-1])
    rows = await connection.fetch(query("history_tables"), sorted(names))
    (here,) = await connection.fetch(
        "SELECT pg_catalog.current_schema()::text AS schema, pg_catalog.current_database()::text AS database, "
        "CURRENT_USER::text AS user"
    )
    there = {(row["schema"], row["name"]) for row in rows}
    found: list[Found] = []
    unknown: list[tuple[str, str]] = []
    for row in rows:
        if row["name"] in {"ar_internal_metadata", "attempt", "meta"}:
            continue
        if row["name"] == "migration":
            if row["schema"] == schema and {(schema, "attempt"), (schema, "meta")} <= there:
                found.append(_found(formats.NATIVE.name, row, ""))
            continue
        known = _known(row, there)
        if known is None:
            unknown.append((row["schema"], row["name"]))
        else:
            found.append(_found(*known))
    return Tables(
        found=tuple(found),
        unknown=tuple(unknown),
        current_schema=here["schema"],
        database=here["database"],
        user=here["user"],
    )


def _known(row: Mapping[str, Any], there: set[tuple[str, str]]) -> tuple[str, Mapping[str, Any], str] | None:
    """Return whose table it is by its columns, with the query for where it stands."""
    columns = dict(zip(row["columns"], row["types"], strict=True))
    for tool in RECOGNISED:
        if _is(tool, row, columns, there):
            return tool.format.name, row, tool.version
    for name, dialect in DIALECTS.items():
        if dialect.fits(columns) and (row["name"] == dialect.name or set(columns) == set(dialect.columns)):
            return name, row, dialect.newest
    return None


def _is(tool: Recognised, row: Mapping[str, Any], columns: Mapping[str, str], there: set[tuple[str, str]]) -> bool:
    return (
        row["name"] in tool.names
        and all(columns.get(name, "?").startswith(kind) for name, kind in tool.columns.items())
        and (not tool.beside or (row["schema"], tool.beside) in there)
    )


def _found(name: str, row: Mapping[str, Any], version: str) -> Found:
    return Found(
        format=name,
        place=Place(schema=row["schema"], name=row["name"], exists=True),
        in_path=row["place"],
        readable=row["readable"],
        version=version,
    )


def place_of(tables: Tables, name: str, folder: Folder, *, table: str | None) -> Place:
    """Return where the history of a format is, or would be made.

    What the settings say (`history_table`) comes first, then what the tool's own configuration says, then the tool's
    default: its name in the first schema of the search path. Raises `HistoryError` where that cannot be told.
    """
    dialect = DIALECTS[name]
    said = read_name(table) if table is not None else ()
    wanted = said[-1] if said else folder.history_table or dialect.name
    schema = said[-2] if len(said) > 1 else folder.history_schema or (None if said else dialect.schema)
    here = [it for it in tables.found if it.format == name and it.place.name == wanted]
    if schema is not None:
        here = [it for it in here if it.place.schema == schema]
    visible = [it for it in here if it.in_path is not None]
    if visible or len(here) == 1:
        chosen = (visible or here)[0]
        if not chosen.readable:
            raise _unreadable(chosen.place)
        return chosen.place
    if here:
        raise HistoryError(
            f"There are {len(here)} history tables of {dialect.title}, and none in the search path: "
            f"{', '.join(it.place.shown for it in here)}.",
            advice="Say which one with `history_table` in changeover.toml, or with the target's search_path.",
        )
    schema = schema or tables.current_schema
    if schema is None:
        raise HistoryError(
            "No schema of the search path exists, so there is none for the history table.",
            advice='Say where it is with `history_table = "schema.name"` in changeover.toml.',
        )
    return _free(tables, dialect.title, Place(schema=schema, name=wanted, exists=False))


def _free(tables: Tables, title: str, place: Place) -> Place:
    other = next((it for it in tables.found if (it.place.schema, it.place.name) == (place.schema, place.name)), None)
    if other is None and (place.schema, place.name) not in tables.unknown:
        return place
    whose = f"is that of {formats.BY_NAME[other.format].title}" if other else "has other columns"
    raise HistoryError(
        f"The table {place.shown}, where the history of {title} would be, {whose}.",
        advice="Name the folder's format with --format, or another table with `history_table` in changeover.toml; "
        "nothing was changed.",
    )


def _unreadable(place: Place) -> HistoryError:
    return HistoryError(
        f"The history {place.shown} cannot be read by this role.",
        advice=f"GRANT USAGE ON SCHEMA {written((place.schema,))} and SELECT ON {place.shown} to it.",
    )


async def read(
    connection: Reads, folder: Folder, tables: Tables, *, schema: str, table: str | None
) -> tuple[History, Folder]:
    """Return what the folder's history says, and the folder without what does not matter beside it.

    The histories of other tools that are there are named in it. Raises `HistoryError`.
    """
    if folder.format == formats.NATIVE.name:
        history = await native.read(connection, schema)
        own = (schema, "migration")
    else:
        place = place_of(tables, folder.format, folder, table=table)
        history, folder = await _read(connection, folder, place)
        own = (place.schema, place.name)
    others = [it for it in tables.found if (it.place.schema, it.place.name) != own and it.format != "native"]
    return replace(history, others=await stands(connection, others)), folder


async def _read(connection: Reads, folder: Folder, place: Place) -> tuple[History, Folder]:
    dialect = DIALECTS[folder.format]
    empty = History(
        format=folder.format,
        table=place.shown,
        exists=place.exists,
        place=place,
        creation=dialect.creation(place),
    )
    if not place.exists:
        return empty, meant_for(folder, (), ())
    try:
        rows = tuple(dict(row) for row in await connection.fetch(dialect.query(place)))
    except ServerError as error:
        raise HistoryError(
            f"The history {place.shown} cannot be read: {error.summary}",
            advice="Give our role SELECT on it; if its columns are not those of the tool, it is somebody else's "
            "table: name the right one as history_table.",
            report=error.report,
        ) from None
    reading = dialect.read(rows, folder)
    folder = meant_for(folder, reading.begun_with, [it.version for it in reading.applied])
    found = replace(
        empty,
        applied=reading.applied,
        attempts=reading.attempts,
        rows=tuple({name: row[name] for name in dialect.stable} for row in rows),
    )
    return found, folder


async def stands(connection: Reads, others: Sequence[Found]) -> tuple[OtherHistory, ...]:
    """Ask all in one query where they stand; one that may not be read is named without it."""
    asked = [it for it in others if it.readable and it.version][:_ASKED]
    stands: dict[int, str | None] = {}
    if asked:
        parts = [
            f"SELECT {number} AS number, ({it.version.replace('{table}', it.place.sql)}) AS version"
            for number, it in enumerate(asked)
        ]
        stands = {row["number"]: row["version"] for row in await connection.fetch(" UNION ALL ".join(parts))}
    by_place = {it.place.shown: stands.get(number) for number, it in enumerate(asked)}
    return tuple(
        OtherHistory(tool=formats.BY_NAME[it.format].title, table=it.place.shown, version=by_place.get(it.place.shown))
        for it in others
    )
