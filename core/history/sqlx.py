"""sqlx: one row for each version in force, with the SHA-384 of the file and its duration in nanoseconds."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import ClassVar, Final

from .. import formats
from ..facts import SqlxFacts
from ..migration import Folder
from ..quoting import literal
from . import AppliedMigration, AttemptRecord, Row
from .dialect import NEVER, Change, Dialect, Reading, Standing, number, same_number
from .ledger import Deed
from .place import Place

_MAGIC: Final = 0x3D32AD9E


class Sqlx(Dialect):
    """`_sqlx_migrations(version, description, installed_on, success, checksum, execution_time)`."""

    format = formats.SQLX
    name = "_sqlx_migrations"
    columns: ClassVar = {
        "version": "bigint", "description": "text", "installed_on": "timestamp with time zone", "success": "boolean",
        "checksum": "bytea", "execution_time": "bigint",
    }  # fmt: skip
    stable: ClassVar = {
        "version": "version::pg_catalog.text",
        "success": "success::pg_catalog.text",
        "checksum": "pg_catalog.encode(checksum, 'hex')",
    }
    shown: ClassVar = {
        "description": "description", "installed_on": "installed_on", "execution_time": "execution_time",
    }  # fmt: skip
    order = "version"

    def keys(self, place: Place, database: str) -> tuple[int, ...]:
        """Return the one key of the database."""
        del place
        return (_MAGIC * zlib.crc32(database.encode()),)

    def creation(self, place: Place) -> str:
        """Return the tool's own definition."""
        return (
            f"CREATE TABLE {place.sql} (version BIGINT PRIMARY KEY, description TEXT NOT NULL, "
            "installed_on TIMESTAMPTZ NOT NULL DEFAULT now(), success BOOLEAN NOT NULL, checksum BYTEA NOT NULL, "
            "execution_time BIGINT NOT NULL)"
        )

    def read(self, rows: Sequence[Row], folder: Folder) -> Reading:
        """Return what each row says; one without success is an attempt whose end is not known."""
        here = same_number(folder)
        applied: list[AppliedMigration] = []
        attempts: list[AttemptRecord] = []
        for row in rows:
            file = here.get(number(row["version"]))
            version = file.version if file else row["version"]
            if row["success"] != "true":
                attempts.append(
                    AttemptRecord(
                        version=version,
                        state="running",
                        run="",
                        started_at=row["installed_on"] or NEVER,
                        operator="",
                        error="sqlx calls it dirty: it is partially applied",
                    )
                )
                continue
            nanoseconds = row["execution_time"]
            applied.append(
                AppliedMigration(
                    version=version,
                    name=file.name if file else row["description"],
                    recorded=row["checksum"],
                    applied_at=row["installed_on"],
                    duration_ms=round(nanoseconds / 1e6) if nanoseconds >= 0 else None,
                )
            )
        return Reading(applied=tuple(applied), attempts=tuple(attempts))

    def applied(self, at: Standing, deed: Deed, seconds: float) -> Change:
        """Return the row of the version; what was marked and not run has the duration -1, as the tool has it."""
        migration = deed.migration
        version, checksum = str(number(migration.version)), migration.recorded_checksum or ""
        nanoseconds = round(seconds * 1e9) if deed.entry == "migration" else -1
        facts = migration.facts
        description = facts.description if isinstance(facts, SqlxFacts) else migration.name
        insert = (
            f"INSERT INTO {at.place.sql} (version, description, success, checksum, execution_time) VALUES "
            f"({version}, {literal(description)}, TRUE, pg_catalog.decode({literal(checksum)}, 'hex'), {nanoseconds})"
        )
        others = tuple(row for row in at.rows if row["version"] != version)
        if len(others) < len(at.rows):
            insert = f"DELETE FROM {at.place.sql} WHERE version OPERATOR(pg_catalog.=) {version}; {insert}"
        return Change(sql=insert, rows=(*others, {"version": version, "success": "true", "checksum": checksum}))

    def reverted(self, at: Standing, deed: Deed, seconds: float) -> Change:
        """Return the end of its row."""
        del seconds
        version = str(number(deed.migration.version))
        return Change(
            sql=f"DELETE FROM {at.place.sql} WHERE version OPERATOR(pg_catalog.=) {version}",
            rows=tuple(row for row in at.rows if row["version"] != version),
        )

    def settled_as_not_applied(self, at: Standing, deed: Deed) -> Change:
        """Return the end of the row without success, which the tool leaves to be deleted by hand."""
        return self.reverted(at, deed, 0.0)

    def in_force(self, version: str) -> str:
        """Return the condition on its row."""
        return f"version OPERATOR(pg_catalog.=) {number(version)} AND success"


DIALECT: Final = Sqlx()
