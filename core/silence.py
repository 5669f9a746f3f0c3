"""Waits for the end of a statement as long as it takes, but not for an answer that was lost on the way.

A statement may run for hours, so its answer has no deadline. A link that swallows the answer (a stuck proxy, a
firewall that forgot the connection) looks the same from here, and where something on the way acknowledges for the
server, no keepalive finds it out. The server knows: its backend has long been idle. It is asked on the watch
connection; where nothing is to be heard from the server at all, the link counts as lost too.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from .connect import Connection
from .copy_data import CopyData
from .errors import ServerError
from .watch import Watch

log = logging.getLogger(__name__)

_IDLE: Final = frozenset({"idle", "idle in transaction", "idle in transaction (aborted)"})
# Without any word from the server for so many patiences, although it was asked, the link counts as lost.
_WORDLESS: Final = 4


async def execute(connection: Connection, watch: Watch, sql: str, *, data: CopyData | None = None) -> str:
    """Send `sql`, and the rows that a COPY takes, and return its command tag; waits only for what can come.

    Raises as `Connection.execute` does.
    """
    if connection.facts.pooled:
        # Its backend may be another one by now, and that one's idleness says nothing.
        return await send(connection, sql, data)
    began, tasks = time.monotonic(), set[asyncio.Task[None]]()
    # a timer: most statements are over before it is due, and a task for each costs more than to send it
    timer = asyncio.get_running_loop().call_later(
        connection.patience / 2,
        lambda: tasks.add(asyncio.create_task(_listen(connection, watch, began), name="silence")),
    )
    try:
        return await send(connection, sql, data)
    finally:
        timer.cancel()
        for task in tasks:
            task.cancel()


async def send(connection: Connection, sql: str, data: CopyData | None) -> str:
    """Send a statement, with its rows where it takes any from the file, for as long as it takes."""
    if data is None:
        return await connection.execute(sql, timeout=None)
    return await connection.copy_in(sql, data.rows, timeout=None)


async def _listen(connection: Connection, watch: Watch, began: float) -> None:
    """Cut the link once its backend has been idle, or gone, for as long as an answer may take."""
    patience = connection.patience
    gone = 0
    while not connection.is_closed:
        try:
            row = await watch.backend_state(connection.backend)
        except ServerError as error:
            log.info("the server was asked about a silent backend, without an answer: %s", error)
            if time.monotonic() - max(watch.heard, began) > _WORDLESS * patience:
                return _cut(connection, "nothing is to be heard from the server")
        else:
            # Twice: the backend may have ended a moment ago, and its last words be on the way.
            gone += not row["there"]
            if gone > 1:
                return _cut(connection, "its backend is gone")
            if row["state"] in _IDLE and min(row["since"], time.monotonic() - began) > patience:
                return _cut(connection, f"its backend is {row['state']} since {row['since']:.0f} s")
        await asyncio.sleep(patience / 2)
    return None


def _cut(connection: Connection, why: str) -> None:
    log.warning("an answer of backend %d was lost on the way: %s", connection.backend, why)
    connection.terminate()
