"""The run key: one run at a time on a database, held by a connection that does nothing else."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from msgspec import Struct

from .connect import Connection, Connector
from .errors import ConnectionLost, LockHeld, ServerError
from .events import Emit, RunKeyAwaited, RunKeyTaken
from .keys import Keys, attempt_to_take
from .sql import query

log = logging.getLogger(__name__)

# Between two questions for a key that somebody else holds; seconds.
_PERIOD: Final = 0.5
_OURS: Final = "Another run of Changeover had this database"


class Guard:
    """A connection, idle in a READ COMMITTED transaction, that holds the run key.

    It speaks only the simple protocol: after a query by parameters its `backend_xmin` would stay set, and our own
    CREATE INDEX CONCURRENTLY would wait for it for ever.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def backend(self) -> int:
        """The server process of the guard."""
        return self._connection.backend

    async def stands(self) -> bool:
        """Whether the guard still holds the key; once lost, it is not taken again in this run."""
        try:
            return await self._connection.execute("SELECT 1", timeout=5) == "SELECT 1" and (
                self._connection.in_transaction
            )
        except ServerError:
            return False


@asynccontextmanager
async def hold(connect: Connector, keys: Keys, emit: Emit, *, wait: float = 0.0) -> AsyncIterator[Guard]:
    """Hold the run key, and those of the folder's own tool, for the length of the block.

    Raises `LockHeld` naming who has one of them after `wait` seconds.
    """
    connection = await connect("guard")
    try:
        waited = await _take(connection, keys, emit, wait)
        emit(RunKeyTaken(waited=waited))
        yield Guard(connection)
    finally:
        try:
            await connection.close()
        except ConnectionLost:
            log.info("the guard connection was gone before it was closed")


async def _take(connection: Connection, keys: Keys, emit: Emit, wait: float) -> float:
    """Ask for the keys until they are ours, and return how long that took; seconds.

    Each question is a transaction of its own: who waits holds no snapshot and no place in a queue of the server.
    """
    began = time.monotonic()
    told = ""
    while True:
        await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
        await connection.execute(_endurance(connection))
        missed = await _missed(connection, keys)
        if missed is None:
            return time.monotonic() - began
        await connection.execute("ROLLBACK")
        found = Holding(holders=await connection.fetch(query("key_holder"), missed), tool=_tool_of(keys, missed))
        told = await _wait_on(found.refusal(), told, emit, began, wait)


async def _missed(connection: Connection, keys: Keys) -> int | None:
    """Ask for each key once; return the first that somebody else has, None where all are ours."""
    for key in (keys.run, *keys.theirs):
        if await connection.execute(attempt_to_take(key)) != "SELECT 1":
            return key
    return None


def _tool_of(keys: Keys, key: int) -> str:
    return keys.tool if key in keys.theirs else ""


async def until_free(connection: Connection, keys: Keys, emit: Emit, *, wait: float) -> None:
    """Look, without asking for them, until nobody holds one of the keys; raises `LockHeld` after `wait` seconds."""
    began = time.monotonic()
    told = ""
    while found := await holding(connection, keys):
        told = await _wait_on(found.refusal(), told, emit, began, wait)


async def holding(connection: Connection, keys: Keys) -> Holding | None:
    """Look who has one of the keys; None where all are free. Nothing is taken."""
    for key in (keys.run, *keys.theirs):
        if holders := await connection.fetch(query("key_holder"), key):
            return Holding(holders=holders, tool=_tool_of(keys, key))
    return None


async def _wait_on(holder: LockHeld, told: str, emit: Emit, began: float, wait: float) -> str:
    """Wait a moment, saying who has the key where that is news; return who that is. Raises `holder` in the end."""
    waited = time.monotonic() - began
    if waited >= wait:
        raise holder
    name = holder.summary.partition(", since")[0]
    if name != told:
        emit(RunKeyAwaited(holder=holder.summary, waited=waited, limit=wait))
    await asyncio.sleep(min(_PERIOD, wait - waited))
    return name


class Holding(Struct, frozen=True, kw_only=True):
    """Who has a key, as `key_holder` tells it; nobody any more where it has no rows."""

    holders: Sequence[Mapping[str, Any]]
    # whose key it is, empty for our own
    tool: str = ""

    @property
    def who(self) -> str:
        """Which backend it is, of whom, from where, since when."""
        holder = self.holders[0]
        where = holder["address"] or "this server's own host"
        # a lock of a session may be older than its transaction, or have none
        moment = holder["since"] or holder["connected"]
        since = f", since {moment:%Y-%m-%d %H:%M:%S %Z} ({holder['age']:.0f} s)" if moment else ""
        if self.tool:
            known = f", application {holder['application']}" if holder["application"] else ""
            return f"backend {holder['pid']} as {holder['user']} from {where}{known}{since}"
        return f"{holder['application']} as {holder['user']} from {where}, backend {holder['pid']}{since}"

    def refusal(self) -> LockHeld:
        """Return the error for who wants the key."""
        if not self.holders:
            whose = f"Something held the migration lock of {self.tool}" if self.tool else _OURS
            return LockHeld(f"{whose} a moment ago, so nothing was run.", advice="Try again.")
        if self.tool:
            return LockHeld(
                f"{self.tool} holds its migration lock: {self.who}.",
                advice=f"Wait until {self.tool} is done (--wait S), and look with `changeover status` what it did. "
                "Where its process is gone and the lock has stayed, end its backend: "
                f"SELECT pg_terminate_backend({self.holders[0]['pid']});",
            )
        return LockHeld(
            f"Another run is going on in this database: {self.who}.",
            advice="Nothing was run. Wait until it ends (--wait S), and look with `changeover status` what it did.",
        )


def _endurance(connection: Connection) -> str:
    """Return the settings that let a guard sit idle for as long as the run takes, whatever the role is set to."""
    settings = ["SET LOCAL idle_in_transaction_session_timeout = 0", "SET LOCAL statement_timeout = 0"]
    # Of a host that vanished the server hears nothing; without these the key would be held for hours.
    settings += ["SET LOCAL tcp_keepalives_idle = 10", "SET LOCAL tcp_keepalives_interval = 5"]
    settings += ["SET LOCAL tcp_keepalives_count = 3"]
    if connection.facts.version_num >= 170000:
        settings.append("SET LOCAL transaction_timeout = 0")
    return "; ".join(settings)
