"""graphile-migrate: a chain of hashes, one row for each committed migration in force. It has no revert."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from .. import formats
from ..facts import GraphileFacts
from ..migration import Folder
from ..quoting import literal
from . import AppliedMigration, Row
from .dialect import Change, Dialect, Reading, Standing
from .ledger import Deed
from .place import Place

_KEY: Final = 4727445306447283


class GraphileMigrate(Dialect):
    """`graphile_migrate.migrations(hash, previous_hash, filename, date)`."""

    format = formats.GRAPHILE_MIGRATE
    name = "migrations"
    schema = "graphile_migrate"
    columns: ClassVar = {
        "hash": "text",
        "previous_hash": "text",
        "filename": "text",
        "date": "timestamp with time zone",
    }
    stable: ClassVar = {"hash": "hash", "previous_hash": "previous_hash", "filename": "filename"}
    shown: ClassVar = {"date": '"date"'}
    order = 'filename COLLATE pg_catalog."C"'
    newest = "SELECT pg_catalog.max(filename) FROM {table}"

    def keys(self, place: Place, database: str) -> tuple[int, ...]:
        """Return the one key that it always takes."""
        del place, database
        return (_KEY,)

    def creation(self, place: Place) -> str:
        """Return the tool's own definition of schema and tables."""
        current = Place(schema=place.schema, name="current", exists=False)
        return (
            f"CREATE SCHEMA IF NOT EXISTS {place.sql.partition('.')[0]}; "
            f"CREATE TABLE {place.sql} (hash text primary key, previous_hash text references {place.sql}, "
            "filename text not null, date timestamptz not null default now()); "
            f"CREATE TABLE IF NOT EXISTS {current.sql} (filename text primary key default 'current.sql', "
            "content text not null, date timestamptz not null default now())"
        )

    def read(self, rows: Sequence[Row], folder: Folder) -> Reading:
        """Return what each row says."""
        here = {_filename(it.facts, it.file): it for it in folder.migrations}
        applied: list[AppliedMigration] = []
        for row in rows:
            file = here.get(row["filename"])
            applied.append(
                AppliedMigration(
                    version=file.version if file else row["filename"],
                    name=file.name if file else "",
                    recorded=row["hash"],
                    applied_at=row["date"],
                )
            )
        return Reading(applied=tuple(applied))

    def applied(self, at: Standing, deed: Deed, seconds: float) -> Change:
        """Return the row of the migration's hash; its date is the column's default."""
        del seconds
        facts, made = deed.migration.facts, deed.migration.recorded_checksum or ""
        previous = facts.previous_hash if isinstance(facts, GraphileFacts) else None
        filename = _filename(facts, deed.migration.file)
        values = ", ".join((literal(made), "NULL" if previous is None else literal(previous), literal(filename)))
        return Change(
            sql=f"INSERT INTO {at.place.sql} (hash, previous_hash, filename) VALUES ({values})",
            rows=(*at.rows, {"hash": made, "previous_hash": previous, "filename": filename}),
        )

    def in_force(self, version: str) -> str:
        """Return the condition on its row, by the number that its file begins with."""
        text = literal(version)
        return (
            f"filename OPERATOR(pg_catalog.=) {text} OR hash OPERATOR(pg_catalog.=) {text} OR "
            f"pg_catalog.starts_with(filename, {literal(version)})"
        )


def _filename(facts: object, file: str) -> str:
    return facts.filename if isinstance(facts, GraphileFacts) else file.rpartition("/")[2]


DIALECT: Final = GraphileMigrate()
