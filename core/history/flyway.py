"""Flyway: a row for each thing that was done, by rank; its checksum is that of the lines, without their ends.

An undo does not take a row away, it adds one. A baseline row stands for everything up to its version, and the marker of
schemas that Flyway made (rank 0) for no migration.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from .. import formats
from ..facts import FlywayFacts
from ..flyway import REPEATABLE, order_of, repeatable_key
from ..migration import Folder, Kind, Migration
from ..quoting import identifier, literal
from . import AppliedMigration, AttemptRecord, Row
from .dialect import NEVER, Change, Dialect, Reading, Standing, local, number
from .ledger import Deed
from .place import Place

_MAGIC: Final = 0x466C79776179
_COLUMNS: Final = (
    '"installed_rank", "version", "description", "type", "script", "checksum", "installed_by", "execution_time", '
    '"success"'
)
# Rows that put no migration in force; what was deleted by the tool's `repair` counts as if it had never been.
_DELETED: Final = "DELETE"
_MARKERS: Final = frozenset({"SCHEMA", _DELETED})
_BASELINES: Final = frozenset({"BASELINE", "INIT"})
# What the tool has for description and script of a baseline.
_BASELINE_NAME: Final = "<< Flyway Baseline >>"


class Flyway(Dialect):
    """`flyway_schema_history`."""

    format = formats.FLYWAY
    name = "flyway_schema_history"
    columns: ClassVar = {
        "installed_rank": "integer", "version": "character varying", "description": "character varying",
        "type": "character varying", "script": "character varying", "checksum": "integer",
        "installed_by": "character varying", "installed_on": "timestamp", "execution_time": "integer",
        "success": "boolean",
    }  # fmt: skip
    stable: ClassVar = {
        "installed_rank": "installed_rank::pg_catalog.text",
        "version": "version::pg_catalog.text",
        "description": "description::pg_catalog.text",
        "type": '"type"::pg_catalog.text',
        "script": "script::pg_catalog.text",
        "checksum": "checksum::pg_catalog.text",
        "success": "success::pg_catalog.text",
    }
    shown: ClassVar = {
        "installed_by": "installed_by::pg_catalog.text",
        "installed_on": local("installed_on"),
        "execution_time": "execution_time",
    }
    order = "installed_rank"
    newest = (
        "SELECT version::pg_catalog.text FROM {table} WHERE version IS NOT NULL ORDER BY installed_rank DESC LIMIT 1"
    )

    def keys(self, place: Place, database: str) -> tuple[int, ...]:
        """Return the key of its table: Java's hash of the quoted name is part of it."""
        del database
        return (_MAGIC + _java_hash(f'"{place.schema}"."{place.name}"'),)

    def creation(self, place: Place) -> str:
        """Return the tool's own definition."""
        return (
            f'CREATE TABLE {place.sql} ("installed_rank" INT NOT NULL, "version" VARCHAR(50), '
            '"description" VARCHAR(200) NOT NULL, "type" VARCHAR(20) NOT NULL, "script" VARCHAR(1000) NOT NULL, '
            '"checksum" INTEGER, "installed_by" VARCHAR(100) NOT NULL, '
            '"installed_on" TIMESTAMP NOT NULL DEFAULT now(), "execution_time" INTEGER NOT NULL, '
            '"success" BOOLEAN NOT NULL); '
            f"ALTER TABLE {place.sql} ADD CONSTRAINT {identifier(f'{place.name}_pk')} "
            'PRIMARY KEY ("installed_rank"); '
            f'CREATE INDEX {identifier(f"{place.name}_s_idx")} ON {place.sql} ("success")'
        )

    def read(self, rows: Sequence[Row], folder: Folder) -> Reading:
        """Return what is in force by the newest row of each version, and what a baseline covers."""
        files = {_key(it.version): it for it in folder.migrations}
        newest: dict[object, Row] = {}
        baseline: Row | None = None
        for row in rows:
            if row["type"] in _BASELINES:
                baseline = row
            elif row["type"] == _DELETED or row["type"] not in _MARKERS:
                key = _key(row["version"] or repeatable_key(row["description"]))
                newest.pop(key, None)
                if row["type"] != _DELETED:
                    newest[key] = row
        applied: list[AppliedMigration] = []
        attempts: list[AttemptRecord] = []
        if baseline is not None:
            applied += [
                _applied(it.version, it.name, baseline, recorded=None)
                for it in _covered(folder, baseline["version"])
                if _key(it.version) not in newest
            ]
        scripts = [row["version"] for row in newest.values() if row["type"] == "SQL_BASELINE"]
        for key, row in newest.items():
            file = files.get(key)
            version = file.version if file else row["version"] or repeatable_key(row["description"])
            name = file.name if file else row["description"]
            if row["success"] != "true":
                attempts.append(_failed(version, row))
            elif not row["type"].startswith("UNDO") and not _is_behind(row, scripts):
                applied.append(_applied(version, name, row, recorded=row["checksum"]))
        return Reading(applied=tuple(applied), attempts=tuple(attempts), begun_with=frozenset(scripts))

    def applied(self, at: Standing, deed: Deed, seconds: float) -> Change:
        """Return the row of a migration that has run, or that counts as if it had.

        In a table without migrations that is the one row of `baseline`, else what `-skipExecutingMigrations` writes.
        """
        facts = _facts(deed.migration)
        if deed.entry == "baseline" and facts.type == "SQL" and facts.version and _is_without_migrations(at.rows):
            return _baseline(at, facts.version)
        if deed.entry == "repair" and (old := _in_force(at.rows, deed.migration.version)):
            return _realigned(at, deed, old)
        change = _insert(
            at, deed, facts.type, script=facts.script, checksum=deed.migration.recorded_checksum, seconds=seconds
        )
        return _after_repair(at, deed, change) if deed.entry == "repair" else change

    def reverted(self, at: Standing, deed: Deed, seconds: float) -> Change:
        """Return the row that says that the version was undone."""
        facts = _facts(deed.migration)
        return _insert(
            at,
            deed,
            "UNDO_SQL",
            script=facts.undo_script or deed.migration.file,
            checksum=facts.undo_checksum,
            seconds=seconds,
        )

    def settled_as_not_applied(self, at: Standing, deed: Deed) -> Change:
        """Return what `repair` does with a row that failed."""
        del deed
        return _without_failed(at)

    def stopped(self, at: Standing, deed: Deed, *, error: str, done: int) -> Change | None:
        """Return the row without success, as the tool leaves it where nothing could be rolled back."""
        del error, done
        facts = _facts(deed.migration)
        undoing = deed.entry == "revert"
        return _insert(
            at,
            deed,
            "UNDO_SQL" if undoing else facts.type,
            script=(facts.undo_script or "") if undoing else facts.script,
            checksum=facts.undo_checksum if undoing else deed.migration.recorded_checksum,
            seconds=0.0,
            success=False,
        )

    def in_force(self, version: str) -> str:
        """Return the condition on a row that puts a migration in force."""
        return f"{_named(version)} AND success AND \"type\"::pg_catalog.text OPERATOR(pg_catalog.!~~) 'UNDO%'"

    def proof(self, place: Place, *, version: str, undone: bool, xid: str | None) -> str | None:
        """Return a query for the row that the transaction added: an undo adds one as well."""
        if not undone:
            return super().proof(place, version=version, undone=False, xid=xid)
        condition = f"{_named(version)} AND success AND \"type\"::pg_catalog.text OPERATOR(pg_catalog.~~) 'UNDO%'"
        return self.written(place, condition, xid)


def _facts(migration: Migration) -> FlywayFacts:
    facts = migration.facts
    if isinstance(facts, FlywayFacts):
        return facts
    return FlywayFacts(type="SQL", description=migration.name, script=migration.file, version=migration.version)


def _key(version: str) -> object:
    """Return what rows and files are the same by: 1 and 1.0 are one version."""
    return version if version.startswith(REPEATABLE) else order_of(version)


def _named(version: str) -> str:
    if version.startswith(REPEATABLE):
        return (
            "version IS NULL AND description::pg_catalog.text OPERATOR(pg_catalog.=) "
            f"{literal(version.removeprefix(REPEATABLE))}"
        )
    return f"version::pg_catalog.text OPERATOR(pg_catalog.=) {literal(version)}"


def _is_behind(row: Row, scripts: Sequence[str]) -> bool:
    """Whether a baseline script stands for what this row says, and its file is left aside."""
    if row["version"] is None or row["type"] == "SQL_BASELINE":
        return False
    return any(order_of(row["version"]) <= order_of(script) for script in scripts)


def _applied(version: str, name: str, row: Row, *, recorded: str | None) -> AppliedMigration:
    return AppliedMigration(
        version=version,
        name=name,
        recorded=recorded,
        applied_at=row["installed_on"],
        operator=row["installed_by"],
        duration_ms=row["execution_time"],
    )


def _failed(version: str, row: Row) -> AttemptRecord:
    return AttemptRecord(
        version=version,
        state="partial",
        run="",
        started_at=row["installed_on"] or NEVER,
        operator=row["installed_by"],
        error=f"Flyway has recorded {row['script']} as failed",
        entry="revert" if row["type"].startswith("UNDO") else "migration",
    )


def _covered(folder: Folder, version: str | None) -> list[Migration]:
    """Return the versioned migrations up to that of a baseline."""
    last = order_of(version or "0")
    return [it for it in folder.migrations if it.kind is Kind.VERSIONED and order_of(it.version) <= last]


def _insert(
    at: Standing,
    deed: Deed,
    kind: str,
    *,
    script: str,
    checksum: str | None,
    seconds: float,
    success: bool = True,
) -> Change:
    facts = _facts(deed.migration)
    rank = str(max((number(row["installed_rank"]) for row in at.rows), default=0) + 1)
    row = {
        "installed_rank": rank, "version": facts.version, "description": facts.description, "type": kind,
        "script": script, "checksum": checksum, "success": str(success).lower(),
    }  # fmt: skip
    values = ", ".join(
        [
            rank,
            "NULL" if facts.version is None else literal(facts.version),
            *map(literal, (facts.description, kind, script)),
            "NULL" if checksum is None else checksum,
            # the tool's `installedBy` unless it is told another one
            "CURRENT_USER",
            str(round(seconds * 1000)),
            row["success"] or "",
        ]
    )
    return Change(sql=f"INSERT INTO {at.place.sql} ({_COLUMNS}) VALUES ({values})", rows=(*at.rows, row))


def _is_without_migrations(rows: Sequence[Row]) -> bool:
    return all(row["type"] in _MARKERS | _BASELINES for row in rows)


def _baseline(at: Standing, version: str) -> Change:
    """Return the row of a baseline, in the place of an earlier one: it stands for all up to its version."""
    others = tuple(row for row in at.rows if row["type"] not in _BASELINES)
    rank = str(max((number(row["installed_rank"]) for row in others), default=0) + 1)
    row = {
        "installed_rank": rank, "version": version, "description": _BASELINE_NAME, "type": "BASELINE",
        "script": _BASELINE_NAME, "checksum": None, "success": "true",
    }  # fmt: skip
    name = literal(_BASELINE_NAME)
    insert = (
        f"INSERT INTO {at.place.sql} ({_COLUMNS}) VALUES "
        f"({rank}, {literal(version)}, {name}, 'BASELINE', {name}, NULL, CURRENT_USER, 0, true)"
    )
    kinds = ", ".join(map(literal, sorted(_BASELINES)))
    before = f'DELETE FROM {at.place.sql} WHERE "type"::pg_catalog.text IN ({kinds}); '
    return Change(sql=f"{before if len(others) < len(at.rows) else ''}{insert}", rows=(*others, row))


def _in_force(rows: Sequence[Row], version: str) -> Row | None:
    """Return the newest row of a version, where that puts it in force."""
    mine = [it for it in rows if _key(it["version"] or repeatable_key(it["description"])) == _key(version)]
    newest = mine[-1] if mine else None
    if newest is None or newest["success"] != "true" or newest["type"] in _MARKERS | _BASELINES:
        return None
    return None if newest["type"].startswith("UNDO") else newest


def _realigned(at: Standing, deed: Deed, old: Row) -> Change:
    """Return what the tool's `repair` makes of a row whose file was edited."""
    facts, checksum = _facts(deed.migration), deed.migration.recorded_checksum
    new = {**old, "description": facts.description, "type": facts.type, "checksum": checksum}
    mine = f'"installed_rank" OPERATOR(pg_catalog.=) {number(old["installed_rank"])}'
    return Change(
        sql=f'UPDATE {at.place.sql} SET "description" = {literal(facts.description)}, "type" = {literal(facts.type)}, '
        f'"checksum" = {checksum or "NULL"} WHERE {mine}',
        rows=tuple(new if row is old else row for row in at.rows),
    )


def _without_failed(at: Standing) -> Change:
    return Change(
        sql=f'DELETE FROM {at.place.sql} WHERE NOT "success"',
        rows=tuple(row for row in at.rows if row["success"] == "true"),
    )


def _after_repair(at: Standing, deed: Deed, change: Change) -> Change:
    """Return the row in place of one that failed."""
    del deed
    before = _without_failed(at)
    return Change(sql=f"{before.sql}; {change.sql}", rows=tuple(row for row in change.rows if row["success"] == "true"))


def _java_hash(text: str) -> int:
    """Return `String.hashCode`: of UTF-16 units, as a signed number of 32 bits."""
    units = text.encode("utf-16-be")
    total = 0
    for place in range(0, len(units), 2):
        total = (total * 31 + int.from_bytes(units[place : place + 2], "big")) & 0xFFFFFFFF
    return total - (1 << 32) if total >= 1 << 31 else total


DIALECT: Final = Flyway()
