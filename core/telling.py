"""What an attempt says while it runs: the statement in hand, its notices, its end."""

from __future__ import annotations

import time
from typing import Final

from .errors import ChangeoverError, Fault, ServerReport, fault_of
from .events import Emit, NoticeRaised, StatementFailed, StatementFinished, StatementStarted, StatementState
from .plan import PlannedMigration, PlannedStatement
from .precheck import Decision
from .work import fault_at

_STATES: Final = {
    Decision.RUN: StatementState.DONE,
    Decision.SKIP: StatementState.SKIPPED,
    Decision.DEFER: StatementState.DEFERRED,
}


class Telling:
    """The statement in hand of one attempt, told as events."""

    def __init__(self, emit: Emit, planned: PlannedMigration) -> None:
        self._emit = emit
        self._planned = planned
        self._started = 0.0
        # None before the first statement and after the last
        self.statement: PlannedStatement | None = None

    def start(self, statement: PlannedStatement) -> None:
        """Take a statement in hand."""
        self.statement, self._started = statement, time.monotonic()
        self._emit(StatementStarted(version=self._planned.migration.version, number=statement.number))

    def finish(self, tag: str) -> None:
        """Say that the statement in hand ended well, or was passed over."""
        statement = self.statement
        if statement is None:
            return
        self._emit(
            StatementFinished(
                version=self._planned.migration.version,
                number=statement.number,
                state=_STATES[statement.decision],
                tag=tag,
                elapsed=time.monotonic() - self._started,
                reason=statement.reason,
                rows=rows_of(tag),
            )
        )

    def fail(self, error: ChangeoverError) -> Fault:
        """Say that the statement in hand failed, if there is one, and return what went wrong and where."""
        statement = self.statement
        if statement is None:
            return fault_of(error)
        fault = fault_at(error, self._planned, statement)
        self._emit(
            StatementFailed(
                version=self._planned.migration.version,
                number=statement.number,
                fault=fault,
                elapsed=time.monotonic() - self._started,
            )
        )
        return fault

    def notice(self, report: ServerReport) -> None:
        """Pass on what the server says during a statement."""
        self._emit(
            NoticeRaised(
                version=self._planned.migration.version,
                number=self.statement.number if self.statement else 0,
                severity=report.severity,
                sqlstate=report.sqlstate,
                message=report.message,
            )
        )


def rows_of(tag: str) -> int | None:
    """Return how many rows a command tag says, None where it says nothing of rows.

    See https://www.postgresql.org/docs/18/protocol-message-formats.html (CommandComplete).
    """
    word, _, number = tag.rpartition(" ")
    return int(number) if word and number.isdecimal() else None
