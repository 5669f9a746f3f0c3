"""What a schema consists of, read in one query: the two sides of a schema difference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from .connect import Connection
from .sql import query

# (kind, object) -> facts, each `name=value`
SchemaState: TypeAlias = Mapping[tuple[str, str], tuple[str, ...]]

# Looking must never wait behind somebody's lock, or hold anybody up. Names of types and tables are written in full.
_PATIENCE: Final = (
    "SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '60s'; SET LOCAL search_path = pg_catalog, pg_temp"
)


async def read(connection: Connection, *, without: str) -> SchemaState:
    """Return the schema as it is, but for the schema `without`; one READ ONLY transaction. Raises `ServerError`."""
    await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        await connection.execute(_PATIENCE)
        rows = await connection.fetch(query("schema_state"), without)
    finally:
        if not connection.is_closed:
            await connection.execute("ROLLBACK")
    return {(row["kind"], row["object"]): tuple(row["facts"]) for row in rows}
