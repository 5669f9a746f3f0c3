"""Sends the statements of a migration inside its transaction: alone, or short ones together in a message.

Where a group fails, all since the savepoint before it is rolled back and goes statement by statement, so that what
fails, where and with which words is what it would have been without groups. There is no savepoint for each group: one
in which rows are written takes a transaction id of its own, and past 64 of them in a transaction everybody else's
visibility checks get slower. See https://www.postgresql.org/docs/18/subxacts.html. What sequences hand out is never
rolled back: after a group that failed they are further on.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from . import silence
from .connect import Connection
from .copy_data import CopyData
from .errors import PlanChanged, ServerError
from .groups import AIM, DATA, Groups
from .plan import PlannedMigration, PlannedStatement
from .precheck import Decision
from .telling import Telling
from .watch import LockBudget
from .work import Work

_NAME: Final = "changeover_group"
# How old a savepoint gets, as a share of the time that all the sending took so far.
_SHARE: Final = 0.25
_CANCELLED: Final = "57014"


class Stopping(Exception):
    """The operator asked to stop after the statement that has just ended."""


class Escaped(Exception):
    """The file ended our transaction on the way: what it did before may be committed."""


class Sending:
    """The way of one migration's statements to the server."""

    def __init__(
        self,
        work: Work,
        planned: PlannedMigration,
        connection: Connection,
        budget: LockBudget,
        tell: Telling,
        *,
        limit: float = 0.0,
    ) -> None:
        self._work = work
        self._planned = planned
        self._connection = connection
        self._budget = budget
        self._tell = tell
        # the lock_timeout in force, in seconds; 0 where it is not known
        self._limit = limit
        self._began = self._saved_at = time.monotonic()
        # what was sent since the savepoint; None where there is none
        self._since: list[PlannedStatement] | None = None
        # what a message takes that gives the server nothing to do; seconds
        self._way = float("inf")
        # what the last message of the migration's own took; seconds
        self._took = 0.0

    async def all(self) -> None:
        """Send what is to be sent; raises `ServerError` where a statement fails, `PlanChanged`, `Stopping`, `Escaped`.

        No savepoint is left open at the end.
        """
        groups = Groups(self._planned)
        while group := groups.next():
            if self._work.stop.after_statement:
                raise Stopping
            if len(group) == 1:
                await self._alone(group[0])
            elif not await self._together(group):
                groups.end()
            groups.took(group, self._took - (self._way if self._way < self._took else 0.0))
        self._tell.statement = None
        await self._release()

    async def _alone(self, statement: PlannedStatement) -> None:
        if statement.kind not in DATA:
            await self._release()
        self._tell.start(statement)
        await check_proof(self._connection, statement)
        if not is_sent(statement):
            self._tell.finish("")
            return
        if statement.kind in {"SET", "RESET"}:
            # the one before may have set ours
            self._limit = 0.0
        self._tell.finish(await self._send(statement.sql, statement.data))
        if self._since is not None:
            self._since.append(statement)

    async def _together(self, group: Sequence[PlannedStatement]) -> bool:
        """Send a group in one message; return False where it failed so and then went well one by one."""
        await self._save()
        self._tell.start(group[0], last=group[-1])
        began = time.monotonic()
        try:
            with self._tell.holding():
                await self._send(";\n".join(statement.sql for statement in group))
        except ServerError as error:
            if not self._is_worth_it(error, time.monotonic() - began):
                raise
        else:
            self._tell.finish("")
            self._sent_since().extend(group)
            return True
        self._tell.take_back()
        await self._one_by_one(group)
        return False

    def _is_worth_it(self, error: ServerError, took: float) -> bool:
        """Whether to look which statement failed; somebody's cancel is for the whole, and is respected."""
        if not self._connection.in_transaction:
            return False
        timeout = self._work.limits.statement_timeout
        return error.sqlstate != _CANCELLED or self._budget.cancelled or 0 < timeout <= took

    async def _one_by_one(self, group: Sequence[PlannedStatement]) -> None:
        """Roll back to the savepoint, send again what went well since, and then the group, statement by statement."""
        again, self._since = self._sent_since(), None
        await self._connection.execute(f"ROLLBACK TO SAVEPOINT {_NAME}; RELEASE SAVEPOINT {_NAME}")
        # the rollback has undone ours, and one by one whoever waits too long is found anew
        self._limit, self._budget.cancelled = 0.0, False
        for statement in again:
            with self._tell.again(statement):
                await self._send(statement.sql, statement.data)
        for statement in group:
            if self._work.stop.after_statement:
                raise Stopping
            await self._alone(statement)

    async def _send(self, sql: str, data: CopyData | None = None) -> str:
        left = self._budget.left
        if abs(self._limit - left) > 0.001:
            self._limit = left
            await self._brief(lock_limit(left))
        began = time.monotonic()
        tag = await silence.execute(self._connection, self._work.watch, sql, data=data)
        self._took = time.monotonic() - began
        if not self._connection.in_transaction:
            raise Escaped
        return tag

    async def _save(self) -> None:
        """Stand on a savepoint that is not too old. In a message of its own: it is there, or the error is about it."""
        self._tell.statement = None
        now = time.monotonic()
        if self._since is None:
            await self._brief(f"SAVEPOINT {_NAME}")
        elif now - self._saved_at < max(AIM, (now - self._began) * _SHARE):
            return
        else:
            await self._brief(f"RELEASE SAVEPOINT {_NAME}; SAVEPOINT {_NAME}")
        self._since, self._saved_at = [], now

    async def _release(self) -> None:
        if self._since is not None:
            await self._brief(f"RELEASE SAVEPOINT {_NAME}")
            self._since = None

    def _sent_since(self) -> list[PlannedStatement]:
        if self._since is None:
            raise AssertionError("a group stands on a savepoint")
        return self._since

    async def _brief(self, sql: str) -> None:
        """Send what gives the server nothing to do, and see how long a message takes."""
        began = time.monotonic()
        await self._connection.execute(sql)
        self._way = min(self._way, time.monotonic() - began)


def lock_limit(seconds: float) -> str:
    """Return the setting that holds the statements after it to so much waiting for a lock."""
    return f"SET LOCAL lock_timeout = '{max(round(seconds * 1000), 1)}ms'"


async def check_proof(connection: Connection, statement: PlannedStatement) -> None:
    """Ask again what the plan decided on; raises `PlanChanged` where the answer is another one now."""
    if statement.proof is None or await connection.execute(statement.proof) == "SELECT 1":
        return
    words = {Decision.RUN: "its condition does not hold any more", Decision.SKIP: "what it makes is not there any more"}
    raise PlanChanged(
        f"Statement {statement.number} is not what was approved: "
        f"{words.get(statement.decision, 'its condition holds now')}.",
        advice="Look at the plan again: something else changed the schema meanwhile.",
    )


def is_sent(statement: PlannedStatement) -> bool:
    """Whether the statement goes to the server: it runs, or it is a block that defers by a guard of its own."""
    return statement.decision is Decision.RUN or statement.guards_itself
