"""Another tool's history as one run writes it: the rows that the tool would write, and nothing of our own beside them.

The proof that a record was committed is its row's `xmin`, which is the low half of our transaction's 64-bit id: the row
is written outside any savepoint, so the id is that of the whole transaction.
See https://www.postgresql.org/docs/18/ddl-system-columns.html.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import md5

from ..migration import Folder
from ..quoting import literal
from . import History, StepRecord
from .dialect import Change, Dialect, Standing
from .ledger import Authorship, Deed, Record
from .place import Place


class ForeignLedger:
    """A tool's table, and its rows by what this run knows."""

    proven_by_xid = True

    def __init__(self, dialect: Dialect, place: Place, history: History, folder: Folder, by: Authorship) -> None:
        self._dialect = dialect
        rows = history.rows if place.exists else dialect.initial
        self._at = Standing(place=place, rows=rows, folder=folder, by=by)
        self.table = place.shown

    def creation(self) -> str:
        """Return the tool's own definition of its table."""
        return self._dialect.creation(self._at.place)

    def unchanged(self) -> str:
        """Return a query that compares what each row is known by."""
        tokens = sorted(self._dialect.token(row) for row in self._at.rows)
        known = md5(";".join(sorted(tokens, key=str.encode)).encode(), usedforsecurity=False).hexdigest()
        return (
            "SELECT 1 WHERE (SELECT pg_catalog.md5(COALESCE(pg_catalog.string_agg(rows.token, ';' "
            f"ORDER BY rows.token COLLATE pg_catalog.\"C\"), '')) FROM (SELECT {self._dialect.token_sql} AS token "
            f"FROM {self._at.place.sql}) AS rows) OPERATOR(pg_catalog.=) {literal(known)}"
        )

    def waiting(self, version: str) -> tuple[int, ...]:  # noqa: ARG002 - deferral is never stored here
        """Return nothing: no other tool knows of deferred statements."""
        return ()

    def recording(self, deed: Deed, *, seconds: float, steps: Sequence[StepRecord] = ()) -> str:  # noqa: ARG002
        """Return the tool's own record of a deed."""
        return self._change(deed, seconds).sql

    def expect(self, deed: Deed) -> None:
        """Take over the rows of a deed that was recorded."""
        self._take(self._change(deed, 0.0))

    def attempt(
        self,
        deed: Deed,
        *,
        state: str,
        steps: Sequence[StepRecord] = (),
        sqlstate: str | None = None,
        error: str | None = None,
    ) -> str:
        """Return what the tool would write; how far the steps are is in the session log only."""
        done = sum(step.state == "done" for step in steps)
        change = self._attempt(deed, state, f"{error or 'stopped'} ({sqlstate})" if sqlstate else error or "", done)
        return change.sql if change else ""

    def attempted(self, deed: Deed, state: str) -> None:
        """Take over the rows of an attempt."""
        if change := self._attempt(deed, state, "", 0):
            self._take(change)

    def proof(self, deed: Deed, *, xid: str | None) -> str | None:
        """Return a query with one row where the record is there, and our transaction wrote it."""
        if deed.record in {Record.NOT_APPLIED, Record.KEPT, Record.PARTIAL}:
            return None
        undone = deed.record is Record.REVERTED
        return self._dialect.proof(self._at.place, version=deed.migration.version, undone=undone, xid=xid)

    def _change(self, deed: Deed, seconds: float) -> Change:
        match deed.record:
            case Record.APPLIED | Record.DEFERRED:
                return self._dialect.applied(self._at, deed, seconds)
            case Record.REVERTED:
                return self._dialect.reverted(self._at, deed, seconds)
            case Record.NOT_APPLIED:
                return self._dialect.settled_as_not_applied(self._at, deed)
            case Record.KEPT | Record.PARTIAL:
                return Change(sql="SELECT 1", rows=self._at.rows)

    def _attempt(self, deed: Deed, state: str, error: str, done: int) -> Change | None:
        if deed.entry not in {"migration", "deferred", "revert"}:
            return None
        match state:
            case "running":
                return self._dialect.running(self._at, deed)
            case "partial":
                return self._dialect.stopped(self._at, deed, error=error, done=done)
            case _:
                return self._dialect.failed(self._at, deed, error=error)

    def _take(self, change: Change) -> None:
        at = self._at
        self._at = Standing(place=at.place, rows=change.rows, folder=at.folder, by=at.by)
