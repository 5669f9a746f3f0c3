"""What a run should not leave behind: invalid indexes, constraints NOT VALID, settings, objects of an unexpected owner.

The same queries are asked before the run and after it, each time in one READ ONLY snapshot; what is judged is the
difference, and old invalid indexes on the tables that the run touched: `IF NOT EXISTS` passes over them in silence.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from .connect import Connection, Connector
from .errors import ChangeoverError, fault_of
from .events import PostCheck, PostChecked
from .plan import Plan
from .sql import query

# Looking must never wait behind somebody's lock, or hold anybody up.
_PATIENCE = "SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '30s'"


class Owned(Struct, frozen=True, kw_only=True):
    """A table, view, function or schema; `catalog` and `oid` are what it is known by, whatever its name."""

    catalog: str
    oid: int
    schema: str
    name: str
    owner: str


class State(Struct, frozen=True, kw_only=True):
    """What the post-checks compare; oid -> (name, table) for indexes and constraints."""

    invalid_indexes: Mapping[int, tuple[str, str]]
    unvalidated: Mapping[int, tuple[str, str]]
    # (whose it is, name=value)
    settings: frozenset[tuple[str, str]]
    owned: tuple[Owned, ...]


async def read(connection: Connection) -> State:
    """Return the state of the database now; raises `ServerError`."""
    await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        await connection.execute(_PATIENCE)
        return State(
            invalid_indexes=_by_oid(await connection.fetch(query("post_indexes"))),
            unvalidated=_by_oid(await connection.fetch(query("post_constraints"))),
            settings=frozenset((row["object"], row["value"]) for row in await connection.fetch(query("post_settings"))),
            owned=tuple(
                Owned(
                    catalog=row["catalog"],
                    oid=row["oid"],
                    schema=row["schema"],
                    name=row["name"],
                    owner=row["owner"],
                )
                for row in await connection.fetch(query("post_owners"))
            ),
        )
    finally:
        if not connection.is_closed:
            await connection.execute("ROLLBACK")


async def look_after(connect: Connector, before: State, plan: Plan, role: str, schema: str) -> PostChecked:
    """Look at the database after a run and return what it left behind; never raises."""
    began = time.monotonic()
    try:
        connection = await connect("look")
        try:
            after = await read(connection)
        finally:
            await connection.close()
    except ChangeoverError as error:
        return PostChecked(findings=(), elapsed=time.monotonic() - began, fault=fault_of(error))
    findings = judge(before, after, touched=touched_by(plan), role=role, schema=schema)
    return PostChecked(findings=findings, elapsed=time.monotonic() - began)


def touched_by(plan: Plan) -> frozenset[str]:
    """Return the relations that the statements of a plan lock, schema-qualified."""
    return frozenset(
        claim.relation for planned in plan.migrations for statement in planned.statements for claim in statement.locks
    )


def judge(before: State, after: State, *, touched: frozenset[str], role: str, schema: str) -> tuple[PostCheck, ...]:
    """Return what is there after a run by `role` that should not be; `schema` is that of the history. Pure."""
    return (
        *_indexes(before, after, touched),
        *_constraints(before, after),
        *_settings(before, after),
        *_owners(before, after, role, schema),
    )


def _indexes(before: State, after: State, touched: frozenset[str]) -> list[PostCheck]:
    return [
        PostCheck(
            object=f"index {name}",
            expected="valid",
            found=f"invalid: DROP INDEX CONCURRENTLY {name}, and build it again",
            new=oid not in before.invalid_indexes,
        )
        for oid, (name, table) in after.invalid_indexes.items()
        if oid not in before.invalid_indexes or table in touched
    ]


def _constraints(before: State, after: State) -> list[PostCheck]:
    return [
        PostCheck(
            object=f"constraint {name} on {table}",
            expected="valid",
            found=f"NOT VALID: old rows were not checked; ALTER TABLE {table} VALIDATE CONSTRAINT {name}",
        )
        for oid, (name, table) in after.unvalidated.items()
        if oid not in before.unvalidated
    ]


def _settings(before: State, after: State) -> list[PostCheck]:
    names: dict[str, set[str]] = defaultdict(set)
    for whose, setting in before.settings ^ after.settings:
        names[whose].add(setting.partition("=")[0])
    return [
        PostCheck(
            object=whose,
            expected=_value(before, whose, name),
            found=f"{_value(after, whose, name)}: every new connection gets it",
        )
        for whose in sorted(names)
        for name in sorted(names[whose])
    ]


def _value(state: State, whose: str, name: str) -> str:
    values = [setting for owner, setting in state.settings if owner == whose and setting.startswith(f"{name}=")]
    return values[0] if values else f"{name} not set"


def _owners(before: State, after: State, role: str, schema: str) -> list[PostCheck]:
    """Return the new objects that belong to somebody else than their neighbours, or in an empty schema than the role.

    In a schema with several owners nobody can say who is expected, but somebody who owns nothing there is not.
    """
    known = {(it.catalog, it.oid) for it in before.owned}
    owners: dict[str, set[str]] = defaultdict(set)
    for it in before.owned:
        if it.catalog != "pg_namespace":
            owners[it.schema].add(it.owner)
    findings = []
    for it in after.owned:
        expected = owners.get(it.schema) or {role} if it.catalog != "pg_namespace" else {role}
        if (it.catalog, it.oid) in known or it.schema == schema or it.owner in expected:
            continue
        findings.append(
            PostCheck(
                object=it.name, expected=f"owned by {' or '.join(sorted(expected))}", found=f"owned by {it.owner}"
            )
        )
    return findings


def _by_oid(rows: Sequence[Mapping[str, Any]]) -> dict[int, tuple[str, str]]:
    return {row["oid"]: (row["name"], row["table"]) for row in rows}
