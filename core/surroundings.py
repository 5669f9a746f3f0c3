"""What is around a plan: the rights of its role, the server's room and state, settings, and what may be in the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from .connect import Connection
from .locks import LockMode
from .precheck import Wish
from .rights import Holding, Right
from .sql import query


class ServerState(Struct, frozen=True, kw_only=True):
    """Room and state of the server; ages in transactions, as autovacuum counts them."""

    in_recovery: bool
    max_connections: int
    # kept for superusers, and from 16 on for pg_use_reserved_connections
    reserved: int
    used: int
    used_by_role: int
    used_in_database: int
    # of this program, for the same role and database: they are closed again, or are the run's own
    ours: int
    # -1 is no limit
    role_limit: int
    database_limit: int
    superuser: bool
    xid_age: int
    multixact_age: int
    freeze_max_age: int
    autovacuum: str
    fsync: str
    full_page_writes: str
    synchronous_standbys: str
    # whether our role sees what others do, and how far standbys are
    sees_all: bool
    synchronous: int


class Setting(Struct, frozen=True, kw_only=True):
    """A setting that changes what a run does, as a new connection gets it; `source` says what set it."""

    name: str
    value: str
    unit: str | None
    source: str


class Prepared(Struct, frozen=True, kw_only=True):
    """A prepared transaction and the table-level locks that it holds, by the oid of the relation."""

    gid: str
    owner: str
    # seconds since PREPARE TRANSACTION
    age: float
    locks: tuple[tuple[int, LockMode], ...] = ()


class Follower(Struct, frozen=True, kw_only=True):
    """A standby or a replication slot, and how many bytes it is behind; None where that is not shown to us."""

    kind: str
    name: str
    state: str
    bytes: float | None
    wal_status: str = ""


class EventTrigger(Struct, frozen=True, kw_only=True):
    """An event trigger that is enabled; without tags it fires for every command."""

    name: str
    function: str
    event: str
    tags: tuple[str, ...] = ()


class ColumnFound(Struct, frozen=True, kw_only=True):
    """A column as it is; `default` is None where it has none, and of a generated column."""

    type: str
    not_null: bool
    default: str | None
    # a, d or empty
    identity: str
    # s, v or empty
    generated: str


class Surroundings(Struct, frozen=True, kw_only=True):
    """Everything that was read around a plan."""

    server: ServerState
    settings: tuple[Setting, ...] = ()
    prepared: tuple[Prepared, ...] = ()
    followers: tuple[Follower, ...] = ()
    event_triggers: tuple[EventTrigger, ...] = ()
    # by the key of a right; what the server has no answer to is not in it
    rights: Mapping[tuple[str, str, str, str], Holding]
    columns: Mapping[Wish, ColumnFound]


async def read(connection: Connection, rights: Sequence[Right], wishes: Sequence[Wish]) -> Surroundings:
    """Return what is around a plan that needs `rights` and says something of columns (`wishes`).

    Five queries, whatever the size of the plan. Run it inside the transaction in which the catalog was read. Raises
    `ServerError` or `ConnectionLost`.
    """
    (state,) = await connection.fetch(query("surroundings_server"))
    settings = await connection.fetch(query("surroundings_settings"))
    hindrances = await connection.fetch(query("surroundings_hindrances"))
    wanted = list({right.key: right for right in rights}.values())
    answers = await connection.fetch(
        query("surroundings_rights"),
        [right.kind for right in wanted],
        [right.schema for right in wanted],
        [right.name for right in wanted],
        [right.right for right in wanted],
    )
    columns = await connection.fetch(
        query("surroundings_columns"), *([wish.column[position] for wish in wishes] for position in range(3))
    )
    return Surroundings(
        server=ServerState(**dict(state)),
        settings=tuple(Setting(**dict(row)) for row in settings),
        prepared=_prepared(hindrances),
        followers=tuple(
            Follower(kind=row["kind"], name=row["name"], state=row["detail"], bytes=row["bytes"],
                     wal_status=row["mode"] or "")
            for row in hindrances
            if row["kind"] in {"standby", "slot"}
        ),
        event_triggers=tuple(_event_trigger(row) for row in hindrances if row["kind"] == "event trigger"),
        rights={
            wanted[row["number"] - 1].key: Holding(
                held=row["held"], partly=bool(row["partly"]), owner=row["owner"] or ""
            )
            for row in answers
        },
        columns={
            wishes[row["number"] - 1]: ColumnFound(
                type=row["type"],
                not_null=row["not_null"],
                default=row["default"],
                identity=row["identity"],
                generated=row["generated"],
            )
            for row in columns
        },
    )  # fmt: skip


def _prepared(rows: Sequence[Mapping[str, Any]]) -> tuple[Prepared, ...]:
    found: dict[str, Prepared] = {}
    locks: dict[str, list[tuple[int, LockMode]]] = {}
    for row in rows:
        if row["kind"] != "prepared transaction":
            continue
        found[row["name"]] = Prepared(gid=row["name"], owner=row["detail"], age=row["age"])
        if row["relation"] is not None:
            locks.setdefault(row["name"], []).append((row["relation"], LockMode.of(row["mode"])))
    return tuple(
        Prepared(gid=gid, owner=one.owner, age=one.age, locks=tuple(locks.get(gid, ()))) for gid, one in found.items()
    )


def _event_trigger(row: Mapping[str, Any]) -> EventTrigger:
    event, _, tags = row["mode"].partition(":")
    return EventTrigger(
        name=row["name"], function=row["detail"], event=event, tags=tuple(tags.split(",")) if tags else ()
    )
