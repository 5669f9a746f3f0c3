"""dbmate: one row for each version in force, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from .. import formats
from ..migration import Folder
from ..quoting import literal
from . import AppliedMigration, Row
from .dialect import Change, Dialect, Reading, Standing
from .ledger import Deed
from .place import Place


class Dbmate(Dialect):
    """`schema_migrations(version varchar)`; it takes no lock."""

    format = formats.DBMATE
    name = "schema_migrations"
    columns: ClassVar = {"version": "character varying"}
    stable: ClassVar = {"version": "version::pg_catalog.text"}
    order = 'version COLLATE pg_catalog."C"'

    def creation(self, place: Place) -> str:
        """Return the tool's own definition."""
        return f"CREATE TABLE {place.sql} (version varchar primary key)"

    def read(self, rows: Sequence[Row], folder: Folder) -> Reading:
        """Return what each row says."""
        names = {it.version: it.name for it in folder.migrations}
        versions = [row["version"] for row in rows]
        return Reading(applied=tuple(AppliedMigration(version=it, name=names.get(it, "")) for it in versions))

    def applied(self, at: Standing, deed: Deed, seconds: float) -> Change:
        """Return the row of the version."""
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


DIALECT: Final = Dbmate()
