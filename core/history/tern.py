"""tern: one row with the number of the newest migration, 0 for none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from .. import formats
from ..migration import Folder, Migration
from . import AppliedMigration, Row
from .dialect import Change, Dialect, Reading, Rows, Standing, number
from .ledger import Deed
from .place import Place

_KEY: Final = 9628173550095224


class Tern(Dialect):
    """`schema_version(version int4)`."""

    format = formats.TERN
    name = "schema_version"
    schema = "public"
    columns: ClassVar = {"version": "integer"}
    stable: ClassVar = {"version": "version::pg_catalog.text"}
    order = "version"
    rows_for_each = False

    def keys(self, place: Place, database: str) -> tuple[int, ...]:
        """Return the one key that it always takes."""
        del place, database
        return (_KEY,)

    def creation(self, place: Place) -> str:
        """Return the tool's own definition, and the row that it begins with."""
        return (
            f"CREATE TABLE {place.sql} (version int4 not null primary key); "
            f"INSERT INTO {place.sql} (version) VALUES (0)"
        )

    @property
    def initial(self) -> Rows:
        """The row of no migration."""
        return ({"version": "0"},)

    def read(self, rows: Sequence[Row], folder: Folder) -> Reading:
        """Everything up to the row's number is in force."""
        newest = number(rows[0]["version"]) if rows else 0
        upto = [
            AppliedMigration(version=it.version, name=it.name)
            for it in folder.migrations
            if number(it.version) <= newest
        ]
        here = {number(it.version) for it in upto}
        gone = [AppliedMigration(version=str(it), name="") for it in range(len(here) + 1, newest + 1) if it not in here]
        return Reading(applied=(*upto, *gone))

    def applied(self, at: Standing, deed: Deed, seconds: float) -> Change:
        """Return the row with the migration's number."""
        del seconds
        return _set(at.place, number(deed.migration.version))

    def reverted(self, at: Standing, deed: Deed, seconds: float) -> Change:
        """Return the row with the number before."""
        del seconds
        return _set(at.place, _before(deed.migration))

    def in_force(self, version: str) -> str:
        """Return the condition on the one row."""
        return f"version OPERATOR(pg_catalog.=) {number(version)}"

    def passed(self, version: str) -> str:
        """Return the condition on the one row once the migration or a newer one is in force."""
        return self.remains(version)

    def remains(self, version: str) -> str:
        """Return the condition on the one row while the migration is not undone."""
        return f"version OPERATOR(pg_catalog.>=) {number(version)}"


def _before(migration: Migration) -> int:
    # the numbers are dense
    return number(migration.version) - 1


def _set(place: Place, version: int) -> Change:
    return Change(sql=f"UPDATE {place.sql} SET version = {version}", rows=({"version": str(version)},))


DIALECT: Final = Tern()
