"""History tables: what a database remembers of its migrations. One module per format."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..migration import Checksums


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedMigration:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """A statement of a migration outside a transaction, as the attempt that ran it recorded it."""

    number: int
    # of the statement's text
    sha256: str
    # waiting, running, done, skipped or deferred
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What a history table says, read in the pre-check's snapshot."""

    format: str
    # qualified name of the table; it may not exist yet
    table: str
    exists: bool
    applied: tuple[AppliedMigration, ...] = ()
    attempts: tuple[AttemptRecord, ...] = ()
