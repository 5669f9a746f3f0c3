"""Locks of a statement that commits by itself: it cannot be held still, so it is looked at while it runs.

CREATE INDEX CONCURRENTLY and its like wait for older transactions and for whoever uses the table. An older transaction
of ours keeps them waiting until they were seen; then it ends. Requests count as well as what is held.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Final

from .connect import Connection
from .errors import ServerError
from .locks import LockMode
from .measure import Meter
from .tasks import to_completion

# Between two looks, and how long the older transaction stays at most; seconds.
_PAUSE: Final = 0.001
_HOLD: Final = 0.3


async def sampled(
    meter: Meter, sql: str, *, hold: Connection, relations: Sequence[str]
) -> tuple[dict[int, frozenset[LockMode]], ServerError | None]:
    """Send a statement and return the locks that were seen, and the error that it ended with.

    `hold` is a connection without a transaction, `relations` are the tables that it uses while it is open.
    """
    seen: dict[int, frozenset[LockMode]] = {}
    await _open(hold, relations)
    began = time.monotonic()
    task = asyncio.ensure_future(meter.connection.execute(sql, timeout=None))
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=_PAUSE)
            waits = False
            for row in await meter.look():
                seen[row.oid] = seen.get(row.oid, frozenset()) | {row.mode}
                waits = waits or not row.granted
            if hold.in_transaction and (waits or await meter.is_waiting() or time.monotonic() - began > _HOLD):
                await hold.execute("ROLLBACK")
    except BaseException:
        task.cancel()
        with contextlib.suppress(BaseException):
            await to_completion(asyncio.wait_for(task, 5))
        raise
    finally:
        if hold.in_transaction:
            await to_completion(hold.execute("ROLLBACK"))
    error = task.exception()
    if error is not None and not isinstance(error, ServerError):
        raise error
    return seen, error


async def _open(hold: Connection, relations: Sequence[str]) -> None:
    await hold.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
    for relation in relations:
        try:
            await hold.execute(f"SAVEPOINT one; LOCK TABLE {relation} IN ACCESS SHARE MODE")
        except ServerError:
            # an index, or what is not there
            await hold.execute("ROLLBACK TO SAVEPOINT one")
