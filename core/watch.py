"""A second connection that sees who blocks a migration and who waits behind it, and holds it to its lock budget.

Its own queries cannot hang behind the migration: nothing in them takes a lock on a relation of the user's, and each
has a time-out of two seconds. See https://www.postgresql.org/docs/18/functions-info.html (`pg_blocking_pids`).
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from .blockers import CANCEL, EndPolicy, EndWish, why_not
from .connect import Connection, Connector
from .errors import ConnectError, ConnectionLost, ServerError
from .events import Backend, BlockerEndAnswered, BlockerEndAsked, Emit, LocksSeen, ProgressSeen
from .progress import Progress, read
from .sql import query
from .stalls import Stalls

log = logging.getLogger(__name__)

# Between two looks while a statement runs; seconds. The first look comes after this long as well.
_PERIOD: Final = 0.2
# Between two reports of the same blockers, and between two looks at the progress; seconds.
_REPORT_EVERY: Final = 1.0
# Between two looks at who waits for what we hold, while we wait for nobody; seconds.
_BEHIND_EVERY: Final = 0.5
# Backends behind us that an event names; it always says how many there are.
_NAMED: Final = 20
_LIMITS: Final = {"lock_timeout": "200ms", "statement_timeout": "2s"}


class LockBudget:
    """How long one attempt may wait for locks, over all its statements; seconds."""

    def __init__(self, total: float) -> None:
        self.total = total
        self.waited = 0.0
        # the watch cancelled a statement that summed up several waits, or that waits for what does not give way
        self.cancelled = False

    @property
    def left(self) -> float:
        """What may still be waited, at least a millisecond: 0 would mean no limit to the server."""
        return max(self.total - self.waited, 0.001)

    @property
    def is_endless(self) -> bool:
        """Whether the statement in hand may wait for as long as it takes."""
        return self.total == float("inf")


class Watch:
    """Looks at one backend of ours at a time."""

    def __init__(
        self, connection: Connection, emit: Emit, *, end_blockers: bool = False, connect: Connector | None = None
    ) -> None:
        self._connection = connection
        # opens the connection again when it was lost
        self._connect = connect
        # when the server last said anything here, by our monotonic clock; seconds
        self.heard = time.monotonic()
        self._emit = emit
        self._policy = EndPolicy(allowed=end_blockers)
        # one query at a time: the watching task and the questions of the run share the connection
        self._turn = asyncio.Lock()
        # the last look of this attempt that saw us wait
        self.last: LocksSeen | None = None
        # who waited behind this attempt
        self.stalls = Stalls()
        # who may be ended now: those of the last look that saw us wait, also of the attempt before
        self._blockers: tuple[Backend, ...] = ()

    async def prepare(self) -> None:
        """Give the connection its own short limits; through a pooler each query has them in a transaction."""
        if not self._connection.facts.pooled:
            await self._connection.execute("; ".join(f"SET {name} = '{it}'" for name, it in _LIMITS.items()))

    def begin(self) -> None:
        """Forget what was seen of the attempt before."""
        self.last, self.stalls = None, Stalls()

    async def follow(self, version: str, connection: Connection, budget: LockBudget) -> None:
        """Look at a connection's backend until cancelled; report waits, and cancel a statement over its budget."""
        looks = _Looks(self, version, budget)
        while True:
            await asyncio.sleep(_PERIOD)
            if not connection.backend:
                continue
            try:
                await looks.once(connection.backend)
            except ServerError as error:
                log.info("the watch connection failed: %s", error)

    async def backend_of(self, key: int) -> int:
        """Return which backend holds an advisory key, 0 where it is not seen; raises `ServerError`."""
        rows = await self._fetch(query("backend_of_key"), key)
        return int(rows[0]["pid"]) if rows else 0

    async def transaction_id(self, backend: int) -> str | None:
        """Return the xid of the backend's transaction, for the record; None where it cannot be seen."""
        try:
            rows = await self._fetch(
                "SELECT backend_xid::text AS xid FROM pg_catalog.pg_stat_get_activity($1)", backend
            )
        except ServerError:
            return None
        return rows[0]["xid"] if rows else None

    async def at_rest(self, backend: int, *, within: float, key: int | None = None) -> bool:
        """Wait until the backend is gone, or idle and without a lock; False where that is not seen in time.

        Through a pooler the backend may serve somebody else by then: with `key`, only that nobody holds it counts.
        """
        deadline = time.monotonic() + within
        while True:
            try:
                if await self._rests(backend, key):
                    return True
            except ServerError:
                return False
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.05)

    async def _rests(self, backend: int, key: int | None) -> bool:
        if key is not None:
            return not await self.backend_of(key)
        row = (await self._fetch(query("backend_rest"), backend))[0]
        return row["state"] is None or (row["state"] == "idle" and row["locks"] == 0)

    async def wal_position(self) -> str | None:
        """Return how far the server's log is, for the record; None where it cannot be asked.

        See https://www.postgresql.org/docs/18/functions-admin.html#FUNCTIONS-ADMIN-BACKUP.
        """
        try:
            rows = await self._fetch("SELECT pg_catalog.pg_current_wal_insert_lsn()::text AS wal")
        except ServerError:
            return None
        return str(rows[0]["wal"])

    async def invalid_indexes(self) -> frozenset[str]:
        """Return the names of the invalid indexes that are there now; raises `ServerError`."""
        return frozenset(row["index"] for row in await self._fetch(query("invalid_indexes")))

    async def end_blocker(self, wish: EndWish) -> None:
        """Cancel or terminate a backend that blocks us, where the rules allow it; say what was asked and became."""
        blocker = next((it for it in self._blockers if it.pid == wish.pid), None)
        self._emit(BlockerEndAsked(how=wish.how, by=wish.by, pid=wish.pid, blocker=blocker))
        sent, reason = False, self._policy.refusal(wish, blocker)
        if not reason:
            try:
                rows = await self._fetch(query("end_blocker"), wish.pid, wish.started, wish.how)
                sent = bool(rows and rows[0]["sent"])
                reason = "" if sent else "it is not there any more"
            except ServerError as error:
                reason = error.summary
        if sent and wish.how == CANCEL:
            self._policy.cancelled.add((wish.pid, wish.started))
        self._emit(BlockerEndAnswered(how=wish.how, pid=wish.pid, sent=sent, reason=reason))

    async def cancel_waiters(self, backend: int, keys: Sequence[int]) -> None:
        """Cancel the wait of who keeps `backend` waiting only because it asks for one of our advisory keys."""
        try:
            rows = await self._fetch(query("cancel_waiters"), backend, list(keys))
        except ServerError as error:
            log.info("a wait for the migration lock could not be cancelled: %s", error)
            return
        for row in rows:
            by = "changeover: it waits for the migration lock, and the statement for it"
            blocker = next((it for it in self._blockers if it.pid == row["pid"]), None)
            self._emit(BlockerEndAsked(how=CANCEL, by=by, pid=row["pid"], blocker=blocker))
            self._emit(BlockerEndAnswered(how=CANCEL, pid=row["pid"], sent=row["told"]))

    async def locks(self, version: str, backend: int, budget: LockBudget, *, behind: bool) -> LocksSeen | None:
        """Look once: who blocks the backend, and who waits behind it; None where nobody waits for anybody.

        While nobody blocks us, who waits is looked for only if `behind`. Raises `ServerError`.
        """
        tree = await self._fetch(query("watch"), backend)
        ours = next((row for row in tree if row["pid"] == backend), None)
        blocked = ours is not None and bool(ours["blocked_by"])
        waiters = await self._fetch(query("waiters"), backend) if blocked or behind else []
        if blocked or behind:
            self.stalls.look(waiters, time.monotonic())
        if not blocked and not waiters:
            return None
        target = await self._fetch(query("waiting_for"), backend) if blocked else []
        seen = LocksSeen(
            version=version,
            waiting_for=(target[0]["waiting_for"] if target else "a lock") if blocked else None,
            waited=budget.waited,
            blockers=tuple(self._backend(row) for row in tree if row["pid"] != backend) if blocked else (),
            waiters=tuple(self._backend(row) for row in waiters[:_NAMED]),
            waiting=int(waiters[0]["total"]) if waiters else 0,
        )
        if blocked:
            self.last, self._blockers = seen, seen.blockers
        return seen

    async def progress(self, backend: int) -> Progress | None:
        """Return what the server reports of the statement in hand, None where it reports nothing of its kind."""
        sql = query("progress")
        if self._connection.facts.version_num >= 140000:
            sql = f"{sql} UNION ALL {query('progress_copy')}"
        rows = await self._fetch(sql, backend)
        return read(rows[0]["view"], json.loads(rows[0]["row"])) if rows else None

    def emit(self, event: LocksSeen | ProgressSeen) -> None:
        """Pass on what was seen."""
        self._emit(event)

    async def cancel(self, backend: int) -> bool:
        """Cancel what a backend of ours is doing; return whether the signal was sent."""
        try:
            rows = await self._fetch("SELECT pg_catalog.pg_cancel_backend($1) AS sent", backend)
        except ServerError:
            return False
        return bool(rows[0]["sent"])

    async def cancel_holder(self, key: int, application: str) -> None:
        """Cancel what our backend that holds an advisory key is doing; nothing where it rests or cannot be seen."""
        try:
            await self._fetch(query("cancel_holder"), key, application)
        except ServerError as error:
            log.info("a backend of ours could not be cancelled: %s", error)

    def _backend(self, row: Mapping[str, Any]) -> Backend:
        reason = why_not(row) if "superuser" in row else ""
        return Backend(
            pid=row["pid"],
            user=row["user"],
            application=row["application"],
            kind=row["kind"],
            state=row["state"],
            xact_age=row["xact_age"],
            wait=row["wait"],
            query=row["query"] if row["visible"] else None,
            blocked_by=tuple(row["blocked_by"]),
            prevents_wraparound=row["prevents_wraparound"],
            waiting=row["waiting"],
            visible=row["visible"],
            started=row["started"],
            endable=self._policy.allowed and "superuser" in row and not reason,
            why_not=reason,
        )

    async def backend_state(self, backend: int) -> Mapping[str, Any]:
        """Return whether a backend is `there`, its `state`, and `since` how many seconds; raises `ServerError`."""
        return (await self._fetch(query("backend_state"), backend))[0]

    async def _fetch(self, sql: str, *args: object) -> list[Mapping[str, Any]]:
        """Ask, and once more on a new connection where the first one was lost: asking twice does no harm."""
        async with self._turn:
            rows = None
            if not self._connection.is_closed:
                try:
                    rows = await self._ask(sql, *args)
                except ConnectionLost as error:
                    log.info("the watch connection is opened again: %s", error)
                    self._connection.terminate()
            if rows is None:
                await self._open_again()
                rows = await self._ask(sql, *args)
            self.heard = time.monotonic()
            return rows

    async def _open_again(self) -> None:
        if self._connect is None:
            raise ConnectionLost(
                "The connection that watches the run was lost.", advice="Look with `changeover status`."
            )
        try:
            self._connection = await self._connect("watch")
        except ConnectError as error:
            if error.report is not None:
                # Refused in the server's words: it is there, and its other connections may be well.
                self.heard = time.monotonic()
            raise ConnectionLost(error.summary, advice=error.advice, report=error.report) from None
        await self.prepare()

    async def _ask(self, sql: str, *args: object) -> list[Mapping[str, Any]]:
        within = min(5.0, self._connection.patience)
        if not self._connection.facts.pooled:
            return list(await self._connection.ask(sql, *args, timeout=within))
        limits = "; ".join(f"SET LOCAL {name} = '{it}'" for name, it in _LIMITS.items())
        await self._connection.execute(f"BEGIN; {limits}", timeout=within)
        try:
            return list(await self._connection.fetch(sql, *args, timeout=within))
        finally:
            if not self._connection.is_closed:
                await self._connection.execute("COMMIT", timeout=within)


class _Looks:
    """One look after another at one attempt: what was seen before, and when."""

    def __init__(self, watch: Watch, version: str, budget: LockBudget) -> None:
        self._watch = watch
        self._version = version
        self._budget = budget
        self._seen = time.monotonic()
        self._waited = False
        # what was reported last, and when: a wait, and the progress
        self._reported: tuple[object, ...] = ()
        self._reported_at = 0.0
        self._behind_at = self._progress_at = time.monotonic()
        self._phase: tuple[object, ...] = ()

    async def once(self, backend: int) -> None:
        now = time.monotonic()
        behind = now - self._behind_at >= _BEHIND_EVERY
        if behind:
            self._behind_at = now
        locks = await self._watch.locks(self._version, backend, self._budget, behind=behind)
        now = time.monotonic()
        blocked = locks is not None and bool(locks.blockers)
        self._count(now, blocked=blocked)
        if locks is not None:
            self._report(locks, now)
        elif behind or self._waited:
            self._over()
        self._waited = blocked
        if blocked and locks is not None:
            await self._hold_to_budget(backend, locks)
        if now - self._progress_at >= _REPORT_EVERY:
            self._progress_at = now
            await self._see_progress(backend)

    def _count(self, now: float, *, blocked: bool) -> None:
        if blocked:
            self._budget.waited += now - self._seen if self._waited else _PERIOD / 2
        self._seen = now

    def _report(self, locks: LocksSeen, now: float) -> None:
        news = (locks.waiting_for, *(blocker.pid for blocker in locks.blockers))
        if news != self._reported or now - self._reported_at >= _REPORT_EVERY:
            self._reported, self._reported_at = news, now
            self._watch.emit(locks)

    def _over(self) -> None:
        """Say once that nobody waits any more."""
        if self._reported:
            self._reported = ()
            nobody = LocksSeen(
                version=self._version, waiting_for=None, waited=self._budget.waited, blockers=(), waiters=()
            )
            self._watch.emit(nobody)

    async def _hold_to_budget(self, backend: int, locks: LocksSeen) -> None:
        over = self._budget.waited > self._budget.total + _PERIOD
        # It will not be dislodged by our waiting, and who queues behind us waits for nothing.
        hopeless = not self._budget.is_endless and any(it.prevents_wraparound for it in locks.blockers)
        if over or hopeless:
            # said before: the error can arrive before the answer to the signal
            self._budget.cancelled = True
            self._budget.cancelled = await self._watch.cancel(backend)

    async def _see_progress(self, backend: int) -> None:
        seen = await self._watch.progress(backend)
        if seen is None:
            return
        news = (seen.command, seen.phase, seen.counted)
        if news != self._phase:
            self._phase = news
            self._watch.emit(
                ProgressSeen(
                    version=self._version,
                    command=seen.command,
                    phase=seen.phase,
                    share=seen.share,
                    counted=seen.counted,
                )
            )
