"""Atlas: one row for each version, with how many of its statements were applied and the hash of each up to there."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import ClassVar, Final

from .. import formats
from ..facts import AtlasFacts
from ..migration import Folder, Kind
from ..quoting import literal
from . import AppliedMigration, AttemptRecord, Row
from .dialect import NEVER, Change, Dialect, Reading, Standing
from .ledger import Deed
from .place import Place

_BASELINE: Final = 1
_EXECUTED: Final = 2
_RESOLVED: Final = 4
# The tool keeps one row about the table itself under this version.
_OF_THE_TABLE: Final = ".atlas_cloud_identifier"


class Atlas(Dialect):
    """`atlas_schema_revisions`, in a schema of its own or in the connected one."""

    format = formats.ATLAS
    name = "atlas_schema_revisions"
    schema = "atlas_schema_revisions"
    columns: ClassVar = {
        "version": "character varying", "description": "character varying", "type": "bigint", "applied": "bigint",
        "total": "bigint", "executed_at": "timestamp with time zone", "execution_time": "bigint", "error": "text",
        "error_stmt": "text", "hash": "character varying", "partial_hashes": "jsonb",
        "operator_version": "character varying",
    }  # fmt: skip
    stable: ClassVar = {
        "version": "version::pg_catalog.text",
        "type": '"type"::pg_catalog.text',
        "applied": "applied::pg_catalog.text",
        "total": "total::pg_catalog.text",
        "hash": "hash::pg_catalog.text",
    }
    shown: ClassVar = {
        "description": "description::pg_catalog.text", "executed_at": "executed_at",
        "execution_time": "execution_time", "error": "error",
    }  # fmt: skip
    order = 'version COLLATE pg_catalog."C"'

    def keys(self, place: Place, database: str) -> tuple[int, ...]:
        """Return the key of its name for the lock."""
        del place, database
        return (_fnv(b"atlas_migrate_execute"),)

    def creation(self, place: Place) -> str:
        """Return the tool's own definition of schema and table."""
        return (
            f"CREATE SCHEMA IF NOT EXISTS {place.sql.partition('.')[0]}; "
            f'CREATE TABLE {place.sql} ("version" character varying NOT NULL, '
            '"description" character varying NOT NULL, '
            '"type" bigint NOT NULL DEFAULT 2, "applied" bigint NOT NULL DEFAULT 0, "total" bigint NOT NULL DEFAULT 0, '
            '"executed_at" timestamptz NOT NULL, "execution_time" bigint NOT NULL, "error" text NULL, '
            '"error_stmt" text NULL, "hash" character varying NOT NULL, "partial_hashes" jsonb NULL, '
            '"operator_version" character varying NOT NULL, PRIMARY KEY ("version"))'
        )

    def read(self, rows: Sequence[Row], folder: Folder) -> Reading:
        """Return what is whole, what a baseline covers, and what stopped on the way."""
        names = {it.version: it.name for it in folder.migrations}
        hashes = {it.version: it.recorded_checksum for it in folder.migrations}
        applied: list[AppliedMigration] = []
        attempts: list[AttemptRecord] = []
        for row in rows:
            version, kind = row["version"], int(row["type"] or 0)
            if version == _OF_THE_TABLE:
                continue
            if row["applied"] != row["total"] and not kind & _RESOLVED:
                attempts.append(
                    AttemptRecord(
                        version=version,
                        state="partial",
                        run="",
                        started_at=row["executed_at"] or NEVER,
                        operator="",
                        error=f"Atlas has recorded {row['applied']} of {row['total']} statements: {row['error'] or ''}",
                    )
                )
                continue
            known = {it.version for it in applied}
            if kind & _BASELINE:
                older = [it for it in folder.migrations if it.version < version and it.version not in known]
                applied += [AppliedMigration(version=it.version, name=it.name) for it in older]
            applied.append(
                AppliedMigration(
                    version=version,
                    name=names.get(version) or row["description"],
                    # a baseline and a resolved version have the file's hash only where it was there
                    recorded=row["hash"] or hashes.get(version),
                    applied_at=row["executed_at"],
                    duration_ms=round(row["execution_time"] / 1e6),
                )
            )
        checkpoints = {it.version for it in folder.migrations if it.kind is Kind.BASELINE}
        begun = frozenset(row["version"] for row in rows) & checkpoints
        return Reading(applied=tuple(applied), attempts=tuple(attempts), begun_with=begun)

    def applied(self, at: Standing, deed: Deed, seconds: float) -> Change:
        """Return the row of the version, in place of one that stopped on the way.

        A baseline in an empty table is the one row of `apply --baseline`, else a row of `migrate set`.
        """
        migration = deed.migration
        others = [row for row in at.rows if row["version"] != _OF_THE_TABLE]
        begins = deed.entry == "baseline" and all(row["type"] == str(_BASELINE) for row in others)
        facts = migration.facts
        executed = deed.entry == "migration"
        total = len(migration.script.statements) if executed else 0
        marked = _BASELINE if begins else _RESOLVED
        kind = {"baseline": marked, "repair": _EXECUTED | _RESOLVED}.get(deed.entry, _EXECUTED)
        made = "" if begins else migration.recorded_checksum or ""
        description = facts.description if isinstance(facts, AtlasFacts) else migration.name
        values = ", ".join(
            [
                *map(literal, (migration.version, description)),
                *map(str, (kind, total, total)),
                f"pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) interval '{seconds:.6f} seconds'",
                str(round(seconds * 1e9) if executed else 0),
                literal(made),
                # the tool forgets them once all of the file is applied
                "'null'",
                literal("changeover"),
            ]
        )
        insert = (
            f'INSERT INTO {at.place.sql} ("version", "description", "type", "applied", "total", "executed_at", '
            f'"execution_time", "hash", "partial_hashes", "operator_version") VALUES ({values})'
        )
        gone = [it["version"] for it in others] if begins else [migration.version]
        return self._instead(at, insert, _row(migration.version, kind, total, total, made), gone)

    def stopped(self, at: Standing, deed: Deed, *, error: str, done: int) -> Change | None:
        """Return the row with how far it came, from which the tool goes on where its own hashes are known."""
        migration, facts = deed.migration, deed.migration.facts
        total = len(migration.script.statements)
        hashes = facts.partial_hashes[:done] if isinstance(facts, AtlasFacts) and facts.partial_hashes else ()
        failed = migration.script.statements[done].sql if done < total else ""
        description = facts.description if isinstance(facts, AtlasFacts) else migration.name
        values = ", ".join(
            [
                *map(literal, (migration.version, description)),
                *map(str, (_EXECUTED, done, total)),
                "pg_catalog.clock_timestamp()",
                "0",
                literal(error),
                literal(failed),
                literal(migration.recorded_checksum or ""),
                literal(json.dumps(hashes)),
                literal("changeover"),
            ]
        )
        insert = (
            f'INSERT INTO {at.place.sql} ("version", "description", "type", "applied", "total", "executed_at", '
            f'"execution_time", "error", "error_stmt", "hash", "partial_hashes", "operator_version") VALUES ({values})'
        )
        made = migration.recorded_checksum or ""
        return self._instead(at, insert, _row(migration.version, _EXECUTED, done, total, made), [migration.version])

    def settled_as_not_applied(self, at: Standing, deed: Deed) -> Change:
        """Return the end of its row."""
        version = deed.migration.version
        return Change(
            sql=f"DELETE FROM {at.place.sql} WHERE {_named(version)}",
            rows=tuple(row for row in at.rows if row["version"] != version),
        )

    def in_force(self, version: str) -> str:
        """Return the condition on its row."""
        return f"{_named(version)} AND applied OPERATOR(pg_catalog.=) total"

    def _instead(self, at: Standing, insert: str, row: Row, gone: Collection[str]) -> Change:
        """Return the row in the place of those of the versions in `gone`."""
        there = [it["version"] for it in at.rows if it["version"] in gone]
        before = "".join(f"DELETE FROM {at.place.sql} WHERE {_named(version)}; " for version in there)
        return Change(sql=f"{before}{insert}", rows=(*(it for it in at.rows if it["version"] not in there), row))


def _row(version: str, kind: int, applied: int, total: int, made: str) -> Row:
    return {"version": version, "type": str(kind), "applied": str(applied), "total": str(total), "hash": made}


def _named(version: str) -> str:
    return f"version::pg_catalog.text OPERATOR(pg_catalog.=) {literal(version)}"


def _fnv(text: bytes) -> int:
    """Return the 32-bit FNV-1 hash."""
    made = 0x811C9DC5
    for byte in text:
        made = (made * 0x01000193) & 0xFFFFFFFF ^ byte
    return made


DIALECT: Final = Atlas()
