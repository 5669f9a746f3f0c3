"""Changeover's own history as one run writes it: the row of what is in force, and the attempt log beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from . import History, StepRecord, native
from .ledger import Authorship, Deed, Record

# What the attempt log calls it.
_STATES: Final = {
    Record.APPLIED: "applied",
    Record.DEFERRED: "applied",
    Record.REVERTED: "reverted",
    Record.KEPT: "applied",
    Record.NOT_APPLIED: "failed",
    Record.PARTIAL: "partial",
}


class NativeLedger:
    """The tables in `schema`, and what is in force by what this run knows."""

    proven_by_xid = False

    def __init__(self, schema: str, history: History, by: Authorship) -> None:
        self._schema = schema
        self._by = by
        self.table = history.table
        # version -> exact checksum and deferred numbers
        self._in_force = {
            row.version: (row.checksums.exact if row.checksums else "", row.deferred) for row in history.applied
        }

    def creation(self) -> str:
        """Return the statements that make schema and tables."""
        return native.creation(self._schema)

    def unchanged(self) -> str:
        """Return a query that compares versions, checksums and deferred numbers."""
        expected = native.fingerprint([(version, *row) for version, row in self._in_force.items()])
        return native.fingerprint_check(self._schema, expected)

    def waiting(self, version: str) -> tuple[int, ...]:
        """Return the numbers of the deferred statements of a migration in force."""
        return self._in_force[version][1]

    def recording(self, deed: Deed, *, seconds: float, steps: Sequence[StepRecord] = ()) -> str:
        """Return the change of the row in force, if any, and the row of the attempt log with the transaction's id."""
        log = native.record_attempt(
            self._schema,
            deed.migration.version,
            self._by,
            entry=deed.entry,
            state=_STATES[deed.record],
            with_xid=True,
            error=deed.reason or None,
            steps=steps,
        )
        version = deed.migration.version
        match deed.record:
            case Record.APPLIED:
                row = native.record_applied(
                    self._schema, deed.migration, self._by, duration_ms=round(seconds * 1000), deferred=deed.deferred
                )
            case Record.DEFERRED:
                row = native.record_deferred(self._schema, version, self._by, still=deed.deferred)
            case Record.REVERTED:
                row = native.record_reverted(self._schema, version)
            case Record.KEPT | Record.NOT_APPLIED | Record.PARTIAL:
                return log
        return f"{row}; {log}"

    def attempt(
        self,
        deed: Deed,
        *,
        state: str,
        steps: Sequence[StepRecord] = (),
        sqlstate: str | None = None,
        error: str | None = None,
    ) -> str:
        """Return a row of the attempt log; a repair that failed has settled nothing, and writes none."""
        if deed.entry == "repair" and state == "failed":
            return ""
        return native.record_attempt(
            self._schema,
            deed.migration.version,
            self._by,
            entry=deed.entry,
            state=state,
            sqlstate=sqlstate,
            error=error,
            steps=steps,
        )

    def attempted(self, deed: Deed, state: str) -> None:
        """Expect nothing else: the attempt log is no part of what is in force."""

    def expect(self, deed: Deed) -> None:
        """Take over what a deed has done to the migrations in force."""
        version = deed.migration.version
        match deed.record:
            case Record.APPLIED | Record.DEFERRED:
                self._in_force[version] = (deed.migration.checksums.exact, deed.deferred)
            case Record.REVERTED:
                self._in_force.pop(version, None)
            case Record.KEPT | Record.NOT_APPLIED | Record.PARTIAL:
                pass

    def proof(self, deed: Deed, *, xid: str | None) -> str | None:  # noqa: ARG002 - our rows have the run's id
        """Return a query with one row where this run's row of the migration is there."""
        return native.recorded_by(self._schema, deed.migration.version, self._by.run)
