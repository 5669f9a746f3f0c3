"""Prisma Migrate: a row for each attempt at a migration, which is in force once it is finished and not rolled back.

An attempt that has failed keeps its row, with the error in `logs`, until it is resolved; until then (error P3009) the
tool applies nothing. A migration of ours that was rolled back whole leaves no such row: there is nothing to resolve.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import ClassVar, Final

from .. import formats
from ..migration import Folder, Migration
from ..quoting import literal
from . import AppliedMigration, AttemptRecord, Row
from .dialect import Change, Dialect, Reading, Standing
from .ledger import Deed
from .place import Place

_KEY: Final = 72707369
_OPEN: Final = "finished_at IS NULL AND rolled_back_at IS NULL"


class Prisma(Dialect):
    """`_prisma_migrations`, whose key is a random id."""

    format = formats.PRISMA
    name = "_prisma_migrations"
    columns: ClassVar = {
        "id": "character varying", "checksum": "character varying", "finished_at": "timestamp",
        "migration_name": "character varying", "logs": "text", "rolled_back_at": "timestamp",
        "started_at": "timestamp", "applied_steps_count": "integer",
    }  # fmt: skip
    stable: ClassVar = {
        "migration_name": "migration_name::pg_catalog.text",
        "checksum": "checksum::pg_catalog.text",
        "finished": "(finished_at IS NOT NULL)::pg_catalog.text",
        "rolled_back": "(rolled_back_at IS NOT NULL)::pg_catalog.text",
    }
    shown: ClassVar = {"started_at": "started_at", "finished_at": "finished_at", "logs": "logs"}
    order = 'started_at, migration_name COLLATE pg_catalog."C"'
    newest = (
        "SELECT pg_catalog.max(migration_name)::pg_catalog.text FROM {table} "
        "WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL"
    )

    def keys(self, place: Place, database: str) -> tuple[int, ...]:
        """Return the one key that it always takes."""
        del place, database
        return (_KEY,)

    def creation(self, place: Place) -> str:
        """Return the tool's own definition."""
        return (
            f"CREATE TABLE {place.sql} (id VARCHAR(36) PRIMARY KEY NOT NULL, checksum VARCHAR(64) NOT NULL, "
            "finished_at TIMESTAMPTZ, migration_name VARCHAR(255) NOT NULL, logs TEXT, rolled_back_at TIMESTAMPTZ, "
            "started_at TIMESTAMPTZ NOT NULL DEFAULT now(), applied_steps_count INTEGER NOT NULL DEFAULT 0)"
        )

    def read(self, rows: Sequence[Row], folder: Folder) -> Reading:
        """Return what is finished, and what failed and was not resolved."""
        names = {it.version: it.name for it in folder.migrations}
        applied: dict[str, AppliedMigration] = {}
        attempts: dict[str, AttemptRecord] = {}
        for row in rows:
            version = row["migration_name"]
            if row["rolled_back"] == "true":
                continue
            if row["finished"] == "true":
                applied[version] = AppliedMigration(
                    version=version,
                    name=names.get(version) or version,
                    recorded=row["checksum"],
                    applied_at=row["finished_at"],
                    duration_ms=round((row["finished_at"] - row["started_at"]).total_seconds() * 1000),
                )
            else:
                attempts[version] = AttemptRecord(
                    version=version,
                    state="partial" if row["logs"] else "running",
                    run="",
                    started_at=row["started_at"],
                    operator="",
                    error=_first_line(row["logs"]) or "Prisma Migrate began it, and its end is not recorded",
                )
        return Reading(
            applied=tuple(applied.values()),
            attempts=tuple(it for version, it in attempts.items() if version not in applied),
        )

    def applied(self, at: Standing, deed: Deed, seconds: float) -> Change:
        """Return the row of a finished migration, or that of `migrate resolve --applied` where it was not run."""
        migration = deed.migration
        checksum = migration.recorded_checksum or ""
        rows = self._without_open(at, migration)
        key = literal(str(uuid.uuid4()))
        name = literal(migration.version)
        if deed.entry == "migration":
            columns = "id, checksum, finished_at, migration_name, started_at, applied_steps_count"
            began = f"pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) interval '{seconds:.6f} seconds'"
            values = f"{key}, {literal(checksum)}, pg_catalog.clock_timestamp(), {name}, {began}, 1"
            before = ""
            if len(rows) < len(at.rows):
                # ours, written before the first step outside a transaction
                before = f"DELETE FROM {at.place.sql} WHERE {self._open(migration)}; "
        else:
            columns = "id, checksum, logs, started_at, finished_at, migration_name"
            values = f"{key}, {literal(checksum)}, '', pg_catalog.now(), pg_catalog.now(), {name}"
            before = f"{self._resolve(at, migration)}; " if len(rows) < len(at.rows) else ""
            rows = self._resolved(at, migration)
        return Change(
            sql=f"{before}INSERT INTO {at.place.sql} ({columns}) VALUES ({values})",
            rows=(*rows, _row(migration.version, checksum, finished=True)),
        )

    def settled_as_not_applied(self, at: Standing, deed: Deed) -> Change:
        """Return what `migrate resolve --rolled-back` does."""
        return Change(sql=self._resolve(at, deed.migration), rows=self._resolved(at, deed.migration))

    def running(self, at: Standing, deed: Deed) -> Change | None:
        """Return the row that the tool writes first; it is there already from the second step on."""
        migration = deed.migration
        if len(self._without_open(at, migration)) < len(at.rows):
            return None
        checksum = migration.recorded_checksum or ""
        values = ", ".join(map(literal, (str(uuid.uuid4()), checksum, migration.version)))
        return Change(
            sql=f"INSERT INTO {at.place.sql} (id, checksum, migration_name, started_at) VALUES ({values}, "
            "pg_catalog.clock_timestamp())",
            rows=(*at.rows, _row(migration.version, checksum, finished=False)),
        )

    def stopped(self, at: Standing, deed: Deed, *, error: str, done: int) -> Change | None:
        """Return the error in the row's `logs`."""
        del done
        return Change(
            sql=f"UPDATE {at.place.sql} SET logs = {literal(error)} WHERE {self._open(deed.migration)}", rows=at.rows
        )

    def failed(self, at: Standing, deed: Deed, *, error: str) -> Change | None:
        """Return the end of a row of ours, where nothing was done."""
        del error
        rows = self._without_open(at, deed.migration)
        if len(rows) == len(at.rows):
            return None
        return Change(sql=f"DELETE FROM {at.place.sql} WHERE {self._open(deed.migration)}", rows=rows)

    def in_force(self, version: str) -> str:
        """Return the condition on its row."""
        return f"{_named(version)} AND finished_at IS NOT NULL AND rolled_back_at IS NULL"

    def _open(self, migration: Migration) -> str:
        return f"{_named(migration.version)} AND {_OPEN}"

    def _resolve(self, at: Standing, migration: Migration) -> str:
        return f"UPDATE {at.place.sql} SET rolled_back_at = pg_catalog.now() WHERE {self._open(migration)}"

    def _without_open(self, at: Standing, migration: Migration) -> tuple[Row, ...]:
        return tuple(row for row in at.rows if not _is_open(row, migration))

    def _resolved(self, at: Standing, migration: Migration) -> tuple[Row, ...]:
        return tuple({**row, "rolled_back": "true"} if _is_open(row, migration) else row for row in at.rows)


def _named(version: str) -> str:
    return f"migration_name::pg_catalog.text OPERATOR(pg_catalog.=) {literal(version)}"


def _is_open(row: Row, migration: Migration) -> bool:
    return (row["migration_name"], row["finished"], row["rolled_back"]) == (migration.version, "false", "false")


def _row(version: str, checksum: str, *, finished: bool) -> Row:
    flag = str(finished).lower()
    return {"migration_name": version, "checksum": checksum, "finished": flag, "rolled_back": "false"}


def _first_line(logs: str | None) -> str:
    return next((line.strip() for line in (logs or "").splitlines() if line.strip()), "")


DIALECT: Final = Prisma()
