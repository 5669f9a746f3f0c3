"""diesel: one row for each version in force, with the time at which it was run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from .. import formats
from ..migration import Folder
from ..quoting import literal
from . import AppliedMigration, Row
from .dialect import Change, Dialect, Reading, Standing, local
from .ledger import Deed
from .place import Place


class Diesel(Dialect):
    """`__diesel_schema_migrations(version varchar(50), run_on timestamp)`; it takes no lock."""

    format = formats.DIESEL
    name = "__diesel_schema_migrations"
    columns: ClassVar = {"version": "character varying", "run_on": "timestamp"}
    stable: ClassVar = {"version": "version::pg_catalog.text"}
    shown: ClassVar = {"run_on": local("run_on")}
    order = 'version COLLATE pg_catalog."C"'

    def creation(self, place: Place) -> str:
        """Return the tool's own definition."""
        return (
            f"CREATE TABLE {place.sql} (version VARCHAR(50) PRIMARY KEY NOT NULL, "
            "run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)"
        )

    def read(self, rows: Sequence[Row], folder: Folder) -> Reading:
        """Return what each row says."""
        names = {it.version: it.name for it in folder.migrations}
        return Reading(
            applied=tuple(
                AppliedMigration(version=row["version"], name=names.get(row["version"], ""), applied_at=row["run_on"])
                for row in rows
            )
        )

    def applied(self, at: Standing, deed: Deed, seconds: float) -> Change:
        """Return the row of the version; its time is the column's default."""
        del seconds
        version = deed.migration.version
        return Change(
            sql=f"INSERT INTO {at.place.sql} (version) VALUES ({literal(version)})",
            rows=(*at.rows, {"version": version}),
        )

    def reverted(self, at: Standing, deed: Deed, seconds: float) -> Change:
        """Return the end of its row."""
        del seconds
        version = deed.migration.version
        return Change(
            sql=f"DELETE FROM {at.place.sql} WHERE {self.in_force(version)}",
            rows=tuple(row for row in at.rows if row["version"] != version),
        )

    def in_force(self, version: str) -> str:
        """Return the condition on its row."""
        return f"version::pg_catalog.text OPERATOR(pg_catalog.=) {literal(version)}"


DIALECT: Final = Diesel()
