"""What read-only inspection reads beside the survey: comments, definitions, and who is at work in the database now.

Each in a READ ONLY transaction by fixed queries over the extended protocol, so that nothing in it can leave the
transaction: https://www.postgresql.org/docs/18/sql-set-transaction.html.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from .connect import Connection
from .sql import query

# As a survey has it: reading never waits behind a lock, and never holds anybody up.
_PATIENCE = "SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '20s'"
# Definitions are read while somebody looks on, and what is shown without them is there already.
_SHORT_PATIENCE = "SET LOCAL lock_timeout = '500ms'"


class Comments(Struct, frozen=True, kw_only=True):
    """What COMMENT ON has said, as it was read: nothing is made of 100,000 rows before one of them is asked for."""

    # oid of a relation and number of a column (0: the relation itself) -> text
    of_columns: Mapping[tuple[int, int], str]
    # oid of a table and name of a constraint -> text
    of_constraints: Mapping[tuple[int, str], str]


class Definitions(Struct, frozen=True, kw_only=True):
    """What one relation's parts are, in PostgreSQL's own words, by their names."""

    # default, or what a generated column is made of
    columns: Mapping[str, str]
    # CREATE INDEX statements
    indexes: Mapping[str, str]
    # as they stand after CONSTRAINT name
    constraints: Mapping[str, str]
    # of a view; empty where it is none
    query: str = ""


class Activity(Struct, frozen=True, kw_only=True):
    """A backend with a transaction open, or waiting for a lock. Ages in seconds, by the server's clock."""

    pid: int
    user: str | None
    application: str
    kind: str | None
    state: str | None
    xact_age: float | None
    wait: str | None
    query: str
    visible: bool
    blocked_by: tuple[int, ...]
    # `AccessShareLock on public.donations`, those that are waited for first
    locks: tuple[str, ...]


async def read_comments(connection: Connection) -> Comments:
    """Return the comments of the database. Raises `ServerError` or `ConnectionLost`."""
    rows = await _reading(connection, "inspect_comments")
    return Comments(
        of_columns={(row["relation"], row["number"]): row["text"] for row in rows if not row["constraint_name"]},
        of_constraints={
            (row["relation"], row["constraint_name"]): row["text"] for row in rows if row["constraint_name"]
        },
    )


async def read_definitions(connection: Connection, relation: int) -> Definitions:
    """Return the definitions of one relation, by its oid.

    Raises `ServerError` where somebody holds a lock that even reading waits for, or `ConnectionLost`.
    """
    rows = await _reading(connection, "inspect_definitions", relation, before=_SHORT_PATIENCE)
    by_kind: dict[str, dict[str, str]] = {"column": {}, "index": {}, "constraint": {}, "query": {}}
    for row in rows:
        by_kind[row["kind"]][row["name"]] = row["text"] or ""
    return Definitions(
        columns=by_kind["column"],
        indexes=by_kind["index"],
        constraints=by_kind["constraint"],
        query=by_kind["query"].get("", ""),
    )


async def read_activity(connection: Connection) -> tuple[Activity, ...]:
    """Return who is at work, the oldest transaction first. Raises `ServerError` or `ConnectionLost`."""
    return tuple(_activity(row) for row in await _reading(connection, "inspect_activity"))


async def read_power(connection: Connection) -> str:
    """Return by what our role could write if a transaction let it, empty where it cannot write at all.

    For inside a transaction. Raises `ServerError` or `ConnectionLost`.
    """
    rows = await connection.fetch(query("inspect_powers"))
    return rows[0]["power"] if rows else ""


async def _reading(
    connection: Connection, name: str, *arguments: object, before: str = ""
) -> Sequence[Mapping[str, Any]]:
    await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        await connection.execute(f"{_PATIENCE}; {before}")
        return await connection.fetch(query(name), *arguments)
    finally:
        if not connection.is_closed:
            await connection.execute("ROLLBACK")


def _activity(row: Mapping[str, Any]) -> Activity:
    return Activity(
        pid=row["pid"],
        user=row["user"],
        application=row["application"] or "",
        kind=row["kind"],
        state=row["state"],
        xact_age=row["xact_age"],
        wait=row["wait"],
        query=row["query"] or "",
        visible=row["visible"],
        blocked_by=tuple(row["blocked_by"]),
        locks=tuple(row["locks"]),
    )
