"""History tables: what a database remembers of its migrations. One module per format."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias

from msgspec import Struct

from ..migration import Checksums
from .place import Place

# A row by its columns: those that it is known by are text or None, others as the driver gives them.
Row: TypeAlias = Mapping[str, Any]


class AppliedMigration(Struct, frozen=True, kw_only=True):
    """A migration in force, as the history table has it; None where a format does not keep it."""

    version: str
    name: str
    # of the file, in the native history
    checksums: Checksums | None = None
    # in another tool's history: its own checksum as its table has it
    recorded: str | None = None
    applied_at: datetime | None = None
    operator: str | None = None
    duration_ms: int | None = None
    run: str = ""
    # numbers of the statements that were deferred
    deferred: tuple[int, ...] = ()

    @property
    def checksum(self) -> str | None:
        """What the history keeps of the file."""
        return self.checksums.exact if self.checksums else self.recorded


class StepRecord(Struct, frozen=True, kw_only=True):
    """A statement of a migration outside a transaction, as the attempt that ran it recorded it."""

    number: int
    # of the statement's text
    sha256: str
    # waiting, running, done, skipped or deferred
    state: str


class AttemptRecord(Struct, frozen=True, kw_only=True):
    """The latest attempt at a migration that is not in force, or an attempt to revert one that is."""

    version: str
    # running, failed, partial
    state: str
    run: str
    started_at: datetime
    operator: str
    error: str | None = None
    sqlstate: str | None = None
    steps: tuple[StepRecord, ...] = ()
    # migration, deferred, revert, baseline or repair
    entry: str = "migration"


class OtherHistory(Struct, frozen=True, kw_only=True):
    """The history of a tool that this database is managed by besides."""

    # as the tool spells itself
    tool: str
    # qualified name of its table
    table: str
    # where it stands, in the tool's own words; None where its table is empty, or may not be read
    version: str | None


class History(Struct, frozen=True, kw_only=True):
    """What a history table says, read in the pre-check's snapshot."""

    format: str
    # qualified name of the table; it may not exist yet
    table: str
    exists: bool
    applied: tuple[AppliedMigration, ...] = ()
    attempts: tuple[AttemptRecord, ...] = ()
    # in another tool's history: where it is, and its rows by the columns that they are known by
    place: Place | None = None
    # the statements that would make its table
    creation: str = ""
    rows: tuple[Row, ...] = ()
    # histories of other tools in the same database
    others: tuple[OtherHistory, ...] = ()
