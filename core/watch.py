"""A second connection that sees who blocks a migration and who waits behind it, and holds it to its lock budget.

Its own queries cannot hang behind the migration: nothing in them takes a lock on a relation of the user's, and each
has a time-out of two seconds. See https://www.postgresql.org/docs/18/functions-info.html (`pg_blocking_pids`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any, Final

from .connect import Connection
from .errors import ServerError
from .events import Backend, Emit, LocksSeen
from .sql import query

log = logging.getLogger(__name__)

# Between two looks while a statement runs; seconds. The first look comes after this long as well.
_PERIOD: Final = 0.2
# Between two reports of the same blockers; seconds.
_REPORT_EVERY: Final = 1.0


class LockBudget:
    """How long one attempt may wait for locks, over all its statements; seconds."""

    def __init__(self, total: float) -> None:
        self.total = total
        self.waited = 0.0
        # the watch cancelled a statement that summed up several waits
        self.cancelled = False

    @property
    def left(self) -> float:
        """What may still be waited, at least a millisecond: 0 would mean no limit to the server."""
        return max(self.total - self.waited, 0.001)


class Watch:
    """Looks at one backend of ours at a time."""

    def __init__(self, connection: Connection, emit: Emit) -> None:
        self._connection = connection
        self._emit = emit
        # one query at a time: the watching task and the questions of the run share the connection
        self._turn = asyncio.Lock()
        self.last: LocksSeen | None = None

    async def prepare(self) -> None:
        """Give the connection its own short limits."""
        await self._connection.execute("SET lock_timeout = '200ms'; SET statement_timeout = '2s'")

    async def follow(self, version: str, backend: int, budget: LockBudget) -> None:
        """Look again and again until cancelled; report waits, and cancel a statement that is over its budget."""
        reported = 0.0
        before: tuple[int, ...] = ()
        waited_before = False
        seen = time.monotonic()
        while True:
            await asyncio.sleep(_PERIOD)
            try:
                locks = await self._look(version, backend, budget)
            except ServerError as error:
                log.info("the watch connection failed: %s", error)
                if self._connection.is_closed:
                    return
                continue
            now = time.monotonic()
            if locks is None:
                waited_before, before = False, ()
                seen = now
                continue
            budget.waited += now - seen if waited_before else _PERIOD / 2
            seen, waited_before = now, True
            blockers = tuple(blocker.pid for blocker in locks.blockers)
            if blockers != before or now - reported >= _REPORT_EVERY:
                reported, before = now, blockers
                self._emit(locks)
            if budget.waited > budget.total + _PERIOD:
                budget.cancelled = await self._cancel(backend)

    async def transaction_id(self, backend: int) -> str | None:
        """Return the xid of the backend's transaction, for the record; None where it cannot be seen."""
        try:
            rows = await self._fetch(query("watch"), backend)
        except ServerError:
            return None
        return next((row["xid"] for row in rows if row["pid"] == backend), None)

    async def at_rest(self, backend: int, *, within: float) -> bool:
        """Wait until the backend is gone, or idle and without a lock; False where that is not seen in time."""
        deadline = time.monotonic() + within
        while True:
            try:
                row = (await self._fetch(query("backend_rest"), backend))[0]
                if row["state"] is None or (row["state"] == "idle" and row["locks"] == 0):
                    return True
            except ServerError:
                return False
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.05)

    async def invalid_indexes(self) -> frozenset[str]:
        """Return the names of the invalid indexes that are there now; raises `ServerError`."""
        return frozenset(row["index"] for row in await self._fetch(query("invalid_indexes")))

    async def _look(self, version: str, backend: int, budget: LockBudget) -> LocksSeen | None:
        tree = await self._fetch(query("watch"), backend)
        ours = next((row for row in tree if row["pid"] == backend), None)
        if ours is None or not ours["blocked_by"]:
            return None
        target = await self._fetch(query("waiting_for"), backend)
        waiters = await self._fetch(query("waiters"), backend)
        self.last = LocksSeen(
            version=version,
            waiting_for=target[0]["waiting_for"] if target else None,
            waited=budget.waited,
            blockers=tuple(_backend(row) for row in tree if row["pid"] != backend),
            waiters=tuple(_backend(row) for row in waiters),
        )
        return self.last

    async def _cancel(self, backend: int) -> bool:
        try:
            rows = await self._fetch("SELECT pg_catalog.pg_cancel_backend($1) AS sent", backend)
        except ServerError:
            return False
        return bool(rows[0]["sent"])

    async def _fetch(self, sql: str, *args: object) -> list[Mapping[str, Any]]:
        async with self._turn:
            return list(await self._connection.fetch(sql, *args, timeout=5))


def _backend(row: Mapping[str, Any]) -> Backend:
    return Backend(
        pid=row["pid"],
        user=row["user"],
        application=row["application"],
        kind=row["kind"],
        state=row["state"],
        xact_age=row["xact_age"],
        wait=row["wait"],
        query=row["query"],
        blocked_by=tuple(row["blocked_by"]),
        prevents_wraparound=row["prevents_wraparound"],
    )
