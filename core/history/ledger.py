"""What a run needs of a history, whatever its format: the SQL that writes it, and the proof that it was written.

All of it is text for the simple protocol, with every name qualified: a query by parameters inside a migration's
transaction would keep a snapshot, and a migration may have left any search_path behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from ..migration import Migration
from . import StepRecord


class Record(StrEnum):
    """What the history says once an entry of a plan is done; always in one transaction with what it did.

    APPLIED: a row puts the migration in force. DEFERRED: its row has fewer deferred steps. REVERTED: its row is gone.
    KEPT: its row stays as it is. NOT_APPLIED: the attempt log says that it is pending again. PARTIAL: the attempt log
    says that it is still half-done, with `carried` as what is known of its steps.
    """

    APPLIED = "applied"
    DEFERRED = "deferred"
    REVERTED = "reverted"
    KEPT = "kept"
    NOT_APPLIED = "not applied"
    PARTIAL = "partial"


class Authorship(Struct, frozen=True, kw_only=True):
    """Who records: goes into every row that a run writes, as far as the format has room for it."""

    run: str
    operator: str
    session: str
    digest: str


class Deed(Struct, frozen=True, kw_only=True):
    """An entry of a plan as the history sees it."""

    migration: Migration
    # migration, deferred, revert, baseline or repair
    entry: str
    record: Record
    # why an operator settled it so; of a repair
    reason: str = ""
    # numbers of the statements that wait for their condition once it is done
    deferred: tuple[int, ...] = ()


class Ledger(Protocol):
    """A history while one run writes it: it knows what was approved and what the run has added since."""

    @property
    def table(self) -> str:
        """The qualified name of the table, for people."""
        ...

    @property
    def proven_by_xid(self) -> bool:
        """Whether a transaction may only commit once its id is known: the proof of its record is nothing else."""
        ...

    def creation(self) -> str:
        """Return the statements that make the tables; sent in one transaction, under the run key."""
        ...

    def unchanged(self) -> str:
        """Return a query with one row as long as the history is the approved one plus what this run wrote."""
        ...

    def waiting(self, version: str) -> tuple[int, ...]:
        """Return the numbers of the deferred statements of a migration in force."""
        ...

    def recording(self, deed: Deed, *, seconds: float, steps: Sequence[StepRecord] = ()) -> str:
        """Return the statements that record a deed that took `seconds`; they go into its own transaction."""
        ...

    def attempt(
        self,
        deed: Deed,
        *,
        state: str,
        steps: Sequence[StepRecord] = (),
        sqlstate: str | None = None,
        error: str | None = None,
    ) -> str:
        """Return the statements that record how far an attempt is; empty where the format has no place for it.

        `state` is running, failed or partial; the statements go into a transaction of their own.
        """
        ...

    def attempted(self, deed: Deed, state: str) -> None:
        """Take over that what `attempt` returned was committed."""
        ...

    def expect(self, deed: Deed) -> None:
        """Take over that a deed was recorded."""
        ...

    def proof(self, deed: Deed, *, xid: str | None) -> str | None:
        """Return a query with one row where the record of a deed was committed; None where it cannot have been.

        `xid` is the transaction that would have written it; nothing else of the run can commit any more.
        """
        ...
