"""Changeover's own history: three tables in a schema of their own, and the SQL that reads and writes them.

`migration` has one row for each migration in force; its key is the second wall against a double run. `attempt` only
grows: success is written inside the migration's transaction, failure afterwards in one of its own. `meta` says which
format this is.

Writing is text for the simple protocol: a query by parameters inside the migration's transaction would keep a
snapshot, and could be cut in the middle by a stalled link where no time-out ends it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import md5
from typing import Any, Final, Protocol

from ..errors import HistoryError, ServerError
from ..migration import Checksums, Migration
from ..names import written
from ..quoting import identifier, literal
from ..sql import query
from . import AppliedMigration, AttemptRecord, History, StepRecord
from .ledger import Authorship

FORMAT_VERSION: Final = 1

_COLUMNS: Final[Mapping[str, frozenset[str]]] = {
    "meta": frozenset({"format_version"}),
    "migration": frozenset(
        {
            "version",
            "name",
            "file",
            "checksum",
            "checksum_normalised",
            "applied_at",
            "duration_ms",
            "operator",
            "run_id",
            "deferred",
        }
    ),
    "attempt": frozenset(
        {
            "id",
            "version",
            "entry",
            "state",
            "run_id",
            "recorded_at",
            "operator",
            "session",
            "plan_digest",
            "xid",
            "sqlstate",
            "error",
            "steps",
        }
    ),
}


class Reads(Protocol):
    """A connection as far as reading needs it."""

    async def fetch(self, sql: str, *args: object, timeout: float | None = ...) -> Sequence[Mapping[str, Any]]:
        """Return the rows of a query."""
        ...


async def read(connection: Reads, schema: str) -> History:
    """Return what the history tables say, inside the caller's snapshot; raises `HistoryError`.

    A history that is not there yet is an empty one: reading never makes it.
    """
    table = written((schema, "migration"))
    found: dict[str, set[str]] = {}
    for row in await connection.fetch(query("history_columns"), schema):
        found.setdefault(row["relname"], set()).add(row["attname"])
    ours = {name: found[name] for name in _COLUMNS if name in found}
    if not ours:
        return History(format="native", table=table, exists=False)
    _refuse_foreign(ours, schema)
    try:
        return await _read_rows(connection, schema, table)
    except ServerError as error:
        raise HistoryError(
            f"The history in schema {schema} cannot be read: {error.summary}",
            advice=f"GRANT USAGE ON SCHEMA {identifier(schema)} and SELECT on its tables to this role.",
            report=error.report,
        ) from None


def _refuse_foreign(found: Mapping[str, set[str]], schema: str) -> None:
    for name, columns in _COLUMNS.items():
        missing = columns - found.get(name, set())
        if not missing:
            continue
        what = "is not there" if name not in found else f"has no column {', '.join(sorted(missing))}"
        raise HistoryError(
            f"The history table {schema}.{name} {what}.",
            advice="It belongs to something else, or was damaged. Name another schema with `schema` in "
            "changeover.toml, or restore the table from a backup; nothing was changed.",
        )


async def _read_rows(connection: Reads, schema: str, table: str) -> History:
    space = identifier(schema)
    versions = await connection.fetch(f"SELECT format_version FROM {space}.meta")
    if [row["format_version"] for row in versions] != [FORMAT_VERSION]:
        raise HistoryError(
            f"The history in schema {schema} says format {[row['format_version'] for row in versions]}, "
            f"and this changeover reads format {FORMAT_VERSION}.",
            advice="Use the changeover that wrote it, or a newer one.",
        )
    applied = await connection.fetch(query("history_applied").replace("{schema}", space))
    attempts = await connection.fetch(query("history_attempts").replace("{schema}", space))
    in_force = {row["version"] for row in applied}
    lost = sorted(row["version"] for row in attempts if row["state"] == "applied" and row["version"] not in in_force)
    if lost:
        raise HistoryError(
            f"The history table {schema}.migration has lost its row of {', '.join(lost)}: "
            f"{schema}.attempt says that it was applied.",
            advice="Restore the rows from a backup: without them those migrations would be run a second time.",
        )
    return History(
        format="native",
        table=table,
        exists=True,
        applied=tuple(_applied(row) for row in applied),
        attempts=tuple(_attempt(row) for row in attempts if _is_open(row, in_force)),
    )


def _is_open(row: Mapping[str, Any], in_force: set[str]) -> bool:
    """Whether an attempt says something that the table of what is in force does not."""
    if row["version"] in in_force:
        # its revert stopped half-way, or a repair of that did
        return bool(row["entry"] in {"revert", "repair"} and row["state"] in {"running", "partial"})
    return bool(row["state"] != "reverted")


def _applied(row: Mapping[str, Any]) -> AppliedMigration:
    return AppliedMigration(
        version=row["version"],
        name=row["name"],
        checksums=Checksums(exact=row["checksum"], normalised=row["checksum_normalised"]),
        applied_at=row["applied_at"],
        operator=row["operator"],
        duration_ms=row["duration_ms"],
        run=str(row["run_id"]),
        deferred=tuple(row["deferred"]),
    )


def _attempt(row: Mapping[str, Any]) -> AttemptRecord:
    started: datetime = row["recorded_at"]
    return AttemptRecord(
        version=row["version"],
        state=row["state"],
        run=str(row["run_id"]),
        started_at=started,
        operator=row["operator"],
        error=row["error"],
        sqlstate=row["sqlstate"],
        steps=tuple(StepRecord(**step) for step in json.loads(row["steps"])),
        entry=row["entry"],
    )


def creation(schema: str) -> str:
    """Return the statements that make the history; sent in one transaction, under the run key."""
    return query("history_create").replace("{schema}", identifier(schema))


def fingerprint(applied: Sequence[tuple[str, str, Sequence[int]]]) -> str:
    """Return what `fingerprint_check` compares: of (version, exact checksum, deferred numbers) in force."""
    rows = sorted(applied, key=lambda row: row[0].encode())
    text = ";".join(f"{version}:{checksum}:{','.join(map(str, deferred))}" for version, checksum, deferred in rows)
    return md5(text.encode(), usedforsecurity=False).hexdigest()


def fingerprint_check(schema: str, expected: str) -> str:
    """Return a query with one row as long as the history is the expected one."""
    return query("history_fingerprint").replace("{schema}", identifier(schema)).replace("{expected}", literal(expected))


def record_applied(
    schema: str, migration: Migration, by: Authorship, *, duration_ms: int, deferred: Sequence[int]
) -> str:
    """Return the INSERT of the row that puts a migration in force."""
    values = ", ".join(
        [
            *map(literal, (migration.version, migration.name, migration.file)),
            *map(literal, (migration.checksums.exact, migration.checksums.normalised)),
            str(duration_ms),
            literal(by.operator),
            literal(by.run),
            literal("{" + ",".join(map(str, deferred)) + "}"),
        ]
    )
    return (
        f"INSERT INTO {identifier(schema)}.migration (version, name, file, checksum, checksum_normalised, "
        f"duration_ms, operator, run_id, deferred) VALUES ({values})"
    )


def record_deferred(schema: str, version: str, by: Authorship, *, still: Sequence[int]) -> str:
    """Return the UPDATE after deferred steps were done; `still` are the numbers that wait on."""
    return (
        f"UPDATE {identifier(schema)}.migration SET deferred = {literal('{' + ','.join(map(str, still)) + '}')}, "
        f"run_id = {literal(by.run)} WHERE version OPERATOR(pg_catalog.=) {literal(version)}"
    )


def record_reverted(schema: str, version: str) -> str:
    """Return the DELETE that takes a migration out of force."""
    return f"DELETE FROM {identifier(schema)}.migration WHERE version OPERATOR(pg_catalog.=) {literal(version)}"


def record_attempt(
    schema: str,
    version: str,
    by: Authorship,
    *,
    entry: str,
    state: str,
    with_xid: bool = False,
    sqlstate: str | None = None,
    error: str | None = None,
    steps: Sequence[StepRecord] = (),
) -> str:
    """Return the INSERT of one row of the attempt log; `state` is running, applied, failed, partial or reverted.

    `error` is why it failed, or why an operator settled it so.
    """
    written = json.dumps([{"number": step.number, "sha256": step.sha256, "state": step.state} for step in steps])
    values = ", ".join(
        [
            *map(literal, (version, entry, state, by.run, by.operator, by.session, by.digest)),
            "pg_catalog.pg_current_xact_id()" if with_xid else "NULL",
            "NULL" if sqlstate is None else literal(sqlstate),
            "NULL" if error is None else literal(error),
            literal(written),
        ]
    )
    return (
        f"INSERT INTO {identifier(schema)}.attempt (version, entry, state, run_id, operator, session, plan_digest, "
        f"xid, sqlstate, error, steps) VALUES ({values})"
    )


def recorded_by(schema: str, version: str, run: str) -> str:
    """Return a query with one row where this run's record of this migration was committed.

    That is its row in force, or where the entry was another one than applying it, its row in the attempt log: only
    what was written inside the entry's own transaction has an xid.
    """
    space = identifier(schema)
    same = f"{_equal('version', literal(version))} AND {_equal('run_id', f'{literal(run)}::pg_catalog.uuid')}"
    return (
        f"SELECT 1 WHERE EXISTS (SELECT FROM {space}.migration WHERE {same}) OR EXISTS (SELECT FROM {space}.attempt "
        f"WHERE {same} AND xid IS NOT NULL AND entry OPERATOR(pg_catalog.=) ANY "
        "(ARRAY['revert', 'baseline', 'repair']))"
    )


def _equal(column: str, value: str) -> str:
    return f"{column} OPERATOR(pg_catalog.=) {value}"
