"""node-pg-migrate: one row for each name in force, in the order in which they were run."""

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

_KEY: Final = 7241865325823964


class NodePgMigrate(Dialect):
    """`pgmigrations(id, name, run_on)`."""

    format = formats.NODE_PG_MIGRATE
    name = "pgmigrations"
    columns: ClassVar = {"id": "integer", "name": "character varying", "run_on": "timestamp"}
    stable: ClassVar = {"name": "name::pg_catalog.text"}
    shown: ClassVar = {"run_on": local("run_on")}
    order = "run_on, id"
    newest = "SELECT name::pg_catalog.text FROM {table} ORDER BY run_on DESC, id DESC LIMIT 1"

    def keys(self, place: Place, database: str) -> tuple[int, ...]:
        """Return the one key that it always takes."""
        del place, database
        return (_KEY,)

    def creation(self, place: Place) -> str:
        """Return the tool's own definition."""
        return (
            f"CREATE TABLE {place.sql} (id SERIAL PRIMARY KEY, name varchar(255) NOT NULL, run_on timestamp NOT NULL)"
        )

    def read(self, rows: Sequence[Row], folder: Folder) -> Reading:
        """Return what each row says."""
        names = {it.version: it.name for it in folder.migrations}
        return Reading(
            applied=tuple(
                AppliedMigration(
                    version=row["name"], name=names.get(row["name"]) or row["name"], applied_at=row["run_on"]
                )
                for row in rows
            )
        )

    def applied(self, at: Standing, deed: Deed, seconds: float) -> Change:
        """Return the row of the name."""
        del seconds
        version = deed.migration.version
        return Change(
            sql=f"INSERT INTO {at.place.sql} (name, run_on) VALUES ({literal(version)}, pg_catalog.now())",
            rows=(*at.rows, {"name": version}),
        )

    def reverted(self, at: Standing, deed: Deed, seconds: float) -> Change:
        """Return the end of its row."""
        del seconds
        version = deed.migration.version
        return Change(
            sql=f"DELETE FROM {at.place.sql} WHERE {self.in_force(version)}",
            rows=tuple(row for row in at.rows if row["name"] != version),
        )

    def in_force(self, version: str) -> str:
        """Return the condition on its row."""
        return f"name::pg_catalog.text OPERATOR(pg_catalog.=) {literal(version)}"


DIALECT: Final = NodePgMigrate()
