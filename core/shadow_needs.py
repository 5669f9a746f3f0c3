"""What a shadow has to have before the target's schema can be loaded into it, read from the target."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from msgspec import Struct

from .connect import Connection
from .events import ServerFacts
from .sql import query

_PATIENCE: Final = "SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '60s'"


class ShadowNeeds(Struct, frozen=True, kw_only=True):
    """Roles, settings, tablespaces and extensions around the schema of a database."""

    server: ServerFacts
    roles: tuple[str, ...]
    # (role, its member)
    members: tuple[tuple[str, str], ...]
    # name -> value: what a new connection of our role has
    settings: dict[str, str]
    tablespaces: tuple[str, ...]
    # name -> schema
    extensions: dict[str, str]
    # name -> t or i (of tables, of indexes) and its handler, one of the system's own
    access_methods: dict[str, str]
    # qualified names of tables that our role may not read
    unreadable: tuple[str, ...]


async def read(connection: Connection) -> ShadowNeeds:
    """Return what a shadow of this database needs; one READ ONLY transaction. Raises `ServerError`."""
    await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        await connection.execute(_PATIENCE)
        rows = await connection.fetch(query("shadow_needs"))
    finally:
        if not connection.is_closed:
            await connection.execute("ROLLBACK")
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in rows:
        found[row["kind"]].append((row["name"], row["detail"]))
    settings = dict(found["setting"])
    for kind in ("setting of database", "setting of role"):
        settings |= {name: value for name, _, value in (text.partition("=") for text, _ in found[kind])}
    return ShadowNeeds(
        server=connection.facts,
        roles=tuple(name for name, _ in found["role"]),
        members=tuple(found["member"]),
        settings=settings,
        tablespaces=tuple(name for name, _ in found["tablespace"]),
        extensions=dict(found["extension"]),
        access_methods=dict(found["access method"]),
        unreadable=tuple(name for name, _ in found["unreadable"]),
    )
