"""golang-migrate: one row with the newest version, and a flag that says that its migration did not come to its end."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import ClassVar, Final

from .. import formats
from ..migration import Folder, Migration
from . import AppliedMigration, AttemptRecord, Row
from .dialect import NEVER, Change, Dialect, Reading, Standing, number
from .ledger import Deed
from .place import Place

_SALT: Final = 1486364155
# What the tool writes for "no migration", where the first one's down script failed.
_NONE: Final = -1


class GolangMigrate(Dialect):
    """`schema_migrations(version bigint, dirty boolean)`, emptied and written anew by each migration."""

    format = formats.GOLANG_MIGRATE
    name = "schema_migrations"
    columns: ClassVar = {"version": "bigint", "dirty": "boolean"}
    stable: ClassVar = {"version": "version::pg_catalog.text", "dirty": "dirty::pg_catalog.text"}
    order = "version"
    rows_for_each = False

    def keys(self, place: Place, database: str) -> tuple[int, ...]:
        """Return its key twice: the command line takes the database's name from the URL, with a slash before it."""
        return tuple(_key(place, name) for name in (database, f"/{database}"))

    def creation(self, place: Place) -> str:
        """Return the tool's own definition."""
        return f"CREATE TABLE {place.sql} (version bigint not null primary key, dirty boolean not null)"

    def read(self, rows: Sequence[Row], folder: Folder) -> Reading:
        """Everything up to the row's version is in force; a dirty one is not known to be."""
        if not rows:
            return Reading()
        newest, dirty = number(rows[0]["version"]), rows[0]["dirty"] == "true"
        upto = [it for it in folder.migrations if number(it.version) <= newest]
        applied = [AppliedMigration(version=it.version, name=it.name) for it in upto]
        if newest >= 0 and (not upto or number(upto[-1].version) != newest):
            applied.append(AppliedMigration(version=str(newest), name=""))
        if not dirty:
            return Reading(applied=tuple(applied))
        stopped = applied.pop().version if applied else folder.migrations[0].version
        attempt = AttemptRecord(
            version=stopped,
            state="running",
            run="",
            started_at=NEVER,
            operator="",
            error=f"golang-migrate calls the database dirty at version {newest}: a migration to it did not end",
        )
        return Reading(applied=tuple(applied), attempts=(attempt,))

    def applied(self, at: Standing, deed: Deed, seconds: float) -> Change:
        """Return the one row, as the tool writes it."""
        del seconds
        return _set(at.place, number(deed.migration.version), dirty=False)

    def reverted(self, at: Standing, deed: Deed, seconds: float) -> Change:
        """Return the row of the version before."""
        del seconds
        return _set(at.place, _before(at.folder, deed.migration), dirty=False)

    def settled_as_not_applied(self, at: Standing, deed: Deed) -> Change:
        """Return what `force` with the version before does."""
        return _set(at.place, _before(at.folder, deed.migration), dirty=False)

    def running(self, at: Standing, deed: Deed) -> Change | None:
        """Return the dirty flag, under which no other run of the tool begins."""
        change = _set(at.place, _goal(at, deed), dirty=True)
        return None if change.rows == at.rows else change

    def failed(self, at: Standing, deed: Deed, *, error: str) -> Change | None:
        """Return the row as it was, where an attempt had set the flag and then did nothing."""
        del error
        if not at.rows or at.rows[0]["dirty"] != "true":
            return None
        was = number(deed.migration.version) if deed.entry == "revert" else _before(at.folder, deed.migration)
        return _set(at.place, was, dirty=False)

    def in_force(self, version: str) -> str:
        """Return the condition on its row."""
        return f"version OPERATOR(pg_catalog.=) {number(version)} AND NOT dirty"

    def passed(self, version: str) -> str:
        """Return the condition on the one row once the migration or a newer one is in force."""
        return f"version OPERATOR(pg_catalog.>=) {number(version)} AND NOT dirty"

    def remains(self, version: str) -> str:
        """Return the condition on the one row while it is not undone."""
        return f"version OPERATOR(pg_catalog.>=) {number(version)} OR dirty"


def _key(place: Place, database: str) -> int:
    return zlib.crc32("\0".join((place.schema, place.name, database)).encode()) * _SALT % (1 << 32)


def _before(folder: Folder, migration: Migration) -> int:
    older = [number(it.version) for it in folder.migrations if number(it.version) < number(migration.version)]
    return max(older, default=_NONE)


def _goal(at: Standing, deed: Deed) -> int:
    return _before(at.folder, deed.migration) if deed.entry == "revert" else number(deed.migration.version)


def _set(place: Place, version: int, *, dirty: bool) -> Change:
    flag = str(dirty).lower()
    if version == _NONE and not dirty:
        return Change(sql=f"TRUNCATE {place.sql}", rows=())
    insert = f"INSERT INTO {place.sql} (version, dirty) VALUES ({version}, {flag})"
    return Change(sql=f"TRUNCATE {place.sql}; {insert}", rows=({"version": str(version), "dirty": flag},))


DIALECT: Final = GolangMigrate()
