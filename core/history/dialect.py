"""What another tool's history table looks like, how it is read, and the rows that the tool itself would write.

A dialect is pure: rows in, rows and SQL out. Each row is known by its stable columns as text; those are what the plan's
digest and the check before every migration compare. Times and durations are only shown.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import ClassVar, Final, TypeAlias

from msgspec import Struct

from ..formats import Format
from ..migration import Folder, Migration
from ..quoting import literal
from . import AppliedMigration, AttemptRecord, Row
from .ledger import Authorship, Deed
from .place import Place

Rows: TypeAlias = tuple[Row, ...]

NEVER: Final = datetime.min.replace(tzinfo=UTC)
# an xmin has the low half of a transaction's id
_HALF: Final = 1 << 32


class Standing(Struct, frozen=True, kw_only=True):
    """A table as a run knows it while it writes."""

    place: Place
    rows: Rows
    folder: Folder
    by: Authorship


class Change(Struct, frozen=True, kw_only=True):
    """What is sent, and the stable columns of all rows once it is committed."""

    sql: str
    rows: Rows


class Reading(Struct, frozen=True, kw_only=True):
    """What the rows mean beside a folder."""

    applied: tuple[AppliedMigration, ...] = ()
    attempts: tuple[AttemptRecord, ...] = ()
    # versions of the baseline scripts that the history began with
    begun_with: frozenset[str] = frozenset()


class Dialect(ABC):
    """One tool's history table. Instances hold nothing."""

    format: ClassVar[Format]
    # where the tool puts it unless it is told otherwise; no schema is the first one of the search path
    name: ClassVar[str]
    schema: ClassVar[str | None] = None
    # column -> words its type begins with; a table of this tool has all of them
    columns: ClassVar[Mapping[str, str]]
    # column -> expression in SQL: what a row is known by
    stable: ClassVar[Mapping[str, str]]
    # the same for what is only shown
    shown: ClassVar[Mapping[str, str]] = {}
    # the order in which rows are read
    order: ClassVar[str]
    # whether each migration has a row of its own; else the one row says which is the newest
    rows_for_each: ClassVar[bool] = True
    # the query for where it stands, in the tool's own words; `{table}` is its name
    newest: ClassVar[str] = "SELECT pg_catalog.max(version)::pg_catalog.text FROM {table}"

    @property
    def title(self) -> str:
        """What the tool calls itself."""
        return self.format.title

    def fits(self, columns: Mapping[str, str]) -> bool:
        """Whether a table with these columns (name -> type) is this tool's."""
        return all(columns.get(name, "").startswith(kind) for name, kind in self.columns.items())

    def keys(self, place: Place, database: str) -> tuple[int, ...]:
        """Return the advisory keys that the tool locks while it migrates; none where it takes none."""
        del place, database
        return ()

    def query(self, place: Place) -> str:
        """Return the query that reads all rows."""
        wanted = ", ".join(f'{sql} AS "{name}"' for name, sql in {**self.stable, **self.shown}.items())
        return f"SELECT {wanted} FROM {place.sql} ORDER BY {self.order}"

    def token(self, row: Row) -> str:
        """Return what a row is known by, as `token_sql` gives it."""
        return "|".join(row[name] or "" for name in self.stable)

    @property
    def token_sql(self) -> str:
        """An expression in SQL that gives what a row is known by."""
        parts = ", ".join(f"COALESCE({sql}, '')" for sql in self.stable.values())
        return f"pg_catalog.concat_ws('|', {parts})"

    @abstractmethod
    def creation(self, place: Place) -> str:
        """Return the tool's own definition of its table."""

    @property
    def initial(self) -> Rows:
        """The rows that the tool writes with the creation."""
        return ()

    @abstractmethod
    def read(self, rows: Sequence[Row], folder: Folder) -> Reading:
        """Return which migrations are in force, and which stopped on the way."""

    @abstractmethod
    def applied(self, at: Standing, deed: Deed, seconds: float) -> Change:
        """Return the record of a migration that was applied, marked as applied by a baseline, or settled so."""

    def reverted(self, at: Standing, deed: Deed, seconds: float) -> Change:
        """Return the record of a migration that was undone."""
        raise NotImplementedError(f"{self.format.name} has no revert")

    def settled_as_not_applied(self, at: Standing, deed: Deed) -> Change:
        """Return the record that an attempt counts as if it had not been; unchanged where there is none of it."""
        del deed
        return Change(sql="SELECT 1", rows=at.rows)

    def running(self, at: Standing, deed: Deed) -> Change | None:
        """Return what the tool writes before a migration outside a transaction begins; None where it writes nothing."""
        del at, deed
        return None

    def stopped(self, at: Standing, deed: Deed, *, error: str, done: int) -> Change | None:
        """Return what the tool writes when one outside a transaction failed after `done` statements."""
        del at, deed, error, done
        return None

    def failed(self, at: Standing, deed: Deed, *, error: str) -> Change | None:
        """Return what is written once a migration was rolled back, or failed before it did anything."""
        del at, deed, error
        return None

    @abstractmethod
    def in_force(self, version: str) -> str:
        """Return the condition on the row that says that a migration is in force."""

    def remains(self, version: str) -> str:
        """Return the condition on the row that says that a migration was not undone."""
        return self.in_force(version)

    def passed(self, version: str) -> str:
        """Return the condition on the row that says so, or that something newer is."""
        return self.in_force(version)

    def proof(self, place: Place, *, version: str, undone: bool, xid: str | None) -> str | None:
        """Return a query with one row where the transaction `xid` has recorded a migration, or that it was undone.

        None where nothing can have been recorded. Of what was undone nothing is left that would have an `xmin`: its row
        was there when the run began, and the run's keys keep everybody else from it.
        """
        if xid is None:
            return None
        if undone:
            return f"SELECT 1 WHERE NOT EXISTS (SELECT FROM {place.sql} WHERE {self.remains(version)})"
        return self.written(place, self.in_force(version), xid)

    def stands(self, place: Place, *, version: str, undone: bool) -> str:
        """Return a query with one row where the history says so, whoever wrote it."""
        there = f"EXISTS (SELECT FROM {place.sql} WHERE {self.remains(version) if undone else self.passed(version)})"
        return f"SELECT 1 WHERE {'NOT ' if undone else ''}{there}"

    def written(self, place: Place, condition: str, xid: str | None) -> str | None:
        """Return a query with one row where the transaction `xid` has written one that meets the condition."""
        if xid is None:
            return None
        ours = f"xmin::pg_catalog.text OPERATOR(pg_catalog.=) {literal(str(int(xid) % _HALF))}"
        return f"SELECT 1 WHERE EXISTS (SELECT FROM {place.sql} WHERE ({condition}) AND {ours})"


def local(column: str) -> str:
    """Return a column without a time zone, which the tool fills by now(), as the moment that it means."""
    return f"{column} AT TIME ZONE pg_catalog.current_setting('TimeZone')"


def number(text: str | None) -> int:
    """Return a version as a number."""
    return int(text or 0)


def same_number(folder: Folder) -> dict[int, Migration]:
    """Return the folder's migrations by the number that their version is."""
    return {int(it.version): it for it in folder.migrations if it.version.isdecimal()}
