"""What an attempt says while it runs: the statement in hand, its notices, its end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Final

from .errors import ChangeoverError, Fault, ServerError, ServerReport, fault_of
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
        # number of the last one where several are in hand
        self._last: int | None = None
        # notices that wait until it is known whose they are; None where they are passed on at once
        self._held: list[ServerReport] | None = None
        self._silent = False

    def start(self, statement: PlannedStatement, *, last: PlannedStatement | None = None) -> None:
        """Take a statement in hand, or all from it to `last`, which are sent together."""
        self.statement, self._started = statement, time.monotonic()
        self._last = last.number if last else None
        version = self._planned.migration.version
        self._emit(StatementStarted(version=version, number=statement.number, last=self._last))

    @contextlib.contextmanager
    def holding(self) -> Iterator[None]:
        """Hold notices back, to pass them on at the end; where the server fails, `take_back` forgets them."""
        self._held = []
        try:
            yield
        except ServerError:
            raise
        except BaseException:
            self._pass_on()
            raise
        self._pass_on()

    def take_back(self) -> None:
        """Forget what was said of several statements in hand: they go one by one."""
        self._held, self._last, self.statement = None, None, None

    @contextlib.contextmanager
    def again(self, statement: PlannedStatement) -> Iterator[None]:
        """Take a statement in hand once more, of which all was told; only that it fails now would be news."""
        self.statement, self._started, self._last, self._silent = statement, time.monotonic(), None, True
        try:
            yield
        finally:
            self._silent = False

    def _pass_on(self) -> None:
        held, self._held = self._held or [], None
        for report in held:
            self.notice(report)

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
                last=self._last,
            )
        )

    def fail(self, error: ChangeoverError) -> Fault:
        """Say that the statement in hand failed, if there is one, and return what went wrong and where."""
        statement = self.statement
        if statement is None:
            return fault_of(error)
        self._pass_on()
        if self._last is not None:
            error.summary = f"{error.summary} (statements {statement.number} to {self._last} were sent together)"
        fault = fault_at(error, statement)
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
        if self._silent:
            return
        if self._held is not None:
            self._held.append(report)
            return
        self._emit(
            NoticeRaised(
                version=self._planned.migration.version,
                number=self.statement.number if self.statement else 0,
                severity=report.severity,
                sqlstate=report.sqlstate,
                message=report.message,
                last=self._last,
            )
        )


def rows_of(tag: str) -> int | None:
    """Return how many rows a command tag says, None where it says nothing of rows.

    See https://www.postgresql.org/docs/18/protocol-message-formats.html (CommandComplete).
    """
    word, _, number = tag.rpartition(" ")
    return int(number) if word and number.isdecimal() else None
