"""Opens connections: one attempt after another, each with one deadline, every attempt and wait an event.

Together with `diagnose` the only importer of asyncpg: its exceptions, records and habits end here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import asyncpg

from .diagnose import Diagnosis, diagnose, report_of
from .errors import ConnectError, ConnectionLost, ServerError, ServerReport, fault_of
from .events import AttemptFailed, AttemptStarted, Connected, ConnectionsClosed, Emit, ServerFacts, WaitCut
from .settings import Retry
from .sql import query
from .target import Target
from .tls import asked_of

log = logging.getLogger(__name__)

_LOST: Final = (
    "The server's log says why, if it ended it; else look at the way there. What was under way is settled by "
    "`changeover status`, once the server answers."
)
# How long a polite goodbye may take before the link is cut; seconds.
_GOODBYE: Final = 3.0
# As long as the connection's own patience, see `Connection`.
_USUAL: Final = -1.0
# Of rows in one message of COPY; bytes.
_PIECE: Final = 1 << 16
# A dead peer is noticed after about this long; seconds. See tcp(7): TCP_USER_TIMEOUT, TCP_KEEPIDLE.
_PEER_SILENCE: Final = 20
# The same for the server, whose default is two hours: a backend whose client vanished would keep its snapshot, and
# CREATE INDEX CONCURRENTLY waits for that. See
# https://www.postgresql.org/docs/18/runtime-config-connection.html#RUNTIME-CONFIG-TCP-SETTINGS.
KEEPALIVES: Final = {"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}


class Connection:
    """One connection to the server. After `ConnectionLost` it is only good for `terminate()`.

    `patience` is how long an answer may take where nothing else is said; seconds.
    """

    def __init__(self, raw: asyncpg.Connection, *, patience: float = 30.0) -> None:
        self._raw = raw
        self.patience = patience
        self._readers: list[Callable[[ServerReport], None]] = []
        self.facts: ServerFacts
        self.backend: int = 0
        # queries that the server keeps prepared for us
        self._prepared: dict[str, Any] = {}
        raw.add_log_listener(self._noticed)

    @property
    def in_transaction(self) -> bool:
        """Whether the server's last answer said that a transaction block is open, healthy or failed."""
        return not self._raw.is_closed() and bool(self._raw.is_in_transaction())

    @property
    def is_closed(self) -> bool:
        """Whether this end knows that the connection is gone."""
        return bool(self._raw.is_closed())

    def on_notice(self, reader: Callable[[ServerReport], None]) -> None:
        """Call `reader` for every notice, warning and info message, as it arrives."""
        self._readers.append(reader)

    async def execute(self, sql: str, *, timeout: float | None = _USUAL) -> str:
        """Send `sql` over the simple protocol and return the command tag of its last statement.

        Raises `ServerError` with the server's report, or `ConnectionLost` where no answer came within `timeout`
        seconds, by default our patience; None waits as long as the link is alive. Cancelling the task sends a
        CancelRequest, see
        https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS.
        """
        with self._translating():
            return str(await self._raw.execute(sql, timeout=self._within(timeout)))

    async def copy_in(self, sql: str, rows: bytes, *, timeout: float | None = _USUAL) -> str:
        """Send a COPY ... FROM STDIN over the simple protocol, and then its rows; return its tag, raise as `execute`.

        See https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-COPY.
        """
        with self._translating():
            return str(await self._raw._copy_in(sql, _pieces(rows), self._within(timeout)))

    async def fetch(self, sql: str, *args: object, timeout: float | None = _USUAL) -> Sequence[Mapping[str, Any]]:
        """Send one query over the extended protocol and return its rows; raises as `execute` does."""
        with self._translating():
            rows: Sequence[Mapping[str, Any]] = await self._raw.fetch(sql, *args, timeout=self._within(timeout))
        return rows

    async def ask(self, sql: str, *args: object, timeout: float | None = _USUAL) -> Sequence[Mapping[str, Any]]:
        """Do as `fetch` with a query that is asked often: from the second time on it is one round trip, and not two.

        The server keeps it prepared, which a pooler does not know of: not for a connection through one.
        """
        with self._translating():
            if sql not in self._prepared:
                self._prepared[sql] = await self._raw.prepare(sql, timeout=self._within(timeout))
            rows: Sequence[Mapping[str, Any]] = await self._prepared[sql].fetch(*args, timeout=self._within(timeout))
        return rows

    async def reset(self) -> None:
        """Make the session what a new one is, and forget who reads its notices; raises as `execute` does.

        Only outside of a transaction, and where no pooler stands between. What makes the server notice that we are gone
        is off until the next transaction brings it, see `transaction.limits`.
        """
        self._readers.clear()
        self._prepared.clear()
        await self.execute("DISCARD ALL")

    @contextlib.contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
            raise self._translated(error) from None

    def _within(self, timeout: float | None) -> float | None:
        return self.patience if timeout == _USUAL else timeout

    async def close(self) -> None:
        """Say goodbye, and cut the link where that is not answered in time."""
        if self._raw.is_closed():
            return
        try:
            await self._raw.close(timeout=min(_GOODBYE, self.patience))
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            self.terminate()

    def terminate(self) -> None:
        """Cut the link at once; the server ends the backend when it notices."""
        if not self._raw.is_closed():
            self._raw.terminate()

    def _noticed(self, _raw: object, message: asyncpg.PostgresLogMessage) -> None:
        for reader in self._readers:
            reader(report_of(message))

    def _translated(self, error: BaseException) -> ServerError:
        cause = error.__cause__
        if isinstance(error, asyncpg.ConnectionDoesNotExistError) or self._raw.is_closed():
            words = cause if isinstance(cause, asyncpg.PostgresError) else error
            report = report_of(words) if isinstance(words, asyncpg.PostgresError) else None
            said = report.message if report else "the server closed it without a word"
            return ConnectionLost(f"The connection was lost: {said}.", advice=_LOST, report=report)
        if isinstance(error, asyncpg.PostgresError):
            report = report_of(error)
            return ServerError(report.message, advice="", report=report)
        if isinstance(error, TimeoutError):
            # What comes on this link now may be the answer to an earlier question.
            self.terminate()
            return ConnectionLost("The server did not answer in time.", advice=_LOST)
        return ConnectionLost(f"The connection failed: {error}.", advice=_LOST)


async def _pieces(rows: bytes) -> AsyncIterator[bytes]:
    """Yield rows as messages that leave the loop time for what else there is to hear."""
    for start in range(0, len(rows), _PIECE):
        yield rows[start : start + _PIECE]


class WaitCutter:
    """Ends the wait between two attempts from outside: try now, or give up."""

    def __init__(self) -> None:
        self._pressed = asyncio.Event()
        self._give_up = False

    def try_now(self) -> None:
        """Begin the next attempt at once."""
        self._pressed.set()

    def give_up(self) -> None:
        """Make no further attempt."""
        self._give_up = True
        self._pressed.set()

    async def wait(self, seconds: float) -> bool | None:
        """Wait; return None where the time passed, else whether to give up."""
        try:
            async with asyncio.timeout(seconds):
                await self._pressed.wait()
        except TimeoutError:
            return None
        self._pressed.clear()
        return self._give_up


class Connector:
    """Opens every connection that a look or a run needs, and closes what is still open at the end."""

    def __init__(
        self,
        target: Target,
        retry: Retry,
        *,
        emit: Emit,
        session: str = "",
        cut: WaitCutter | None = None,
        read_only: bool = False,
    ) -> None:
        self.target = target
        self._retry = retry
        self._emit = emit
        self._session = session
        self._cut = cut or WaitCutter()
        self._read_only = read_only or target.read_only
        self._opened: list[Connection] = []

    async def __call__(self, purpose: str) -> Connection:
        """Open a connection for `purpose`: look, migration, watch, guard or settle.

        Only what time can mend is tried again, after 1, 2, 4 ... seconds, jittered by a fifth. Raises `ConnectError`.
        """
        total = self._retry.retries + 1
        began = time.monotonic()
        for number in range(1, total + 1):
            address, deadline = self.target.address, self._retry.timeout
            self._emit(AttemptStarted(number=number, of=total, address=address, deadline=deadline, purpose=purpose))
            started = time.monotonic()
            reached = await self._attempt(purpose)
            if isinstance(reached, Connection):
                self._opened.append(reached)
                elapsed = time.monotonic() - began
                self._emit(Connected(purpose=purpose, attempts=number, elapsed=elapsed, server=reached.facts))
                return reached
            wait = self._wait_after(number) if number < total and reached.retry else None
            elapsed = time.monotonic() - started
            self._emit(
                AttemptFailed(number=number, of=total, fault=fault_of(reached.error), elapsed=elapsed, wait=wait)
            )
            if wait is None or await self._gave_up(wait):
                reached.error.mendable = reached.retry
                raise reached.error
        raise AssertionError("the last attempt returns or raises")

    def application(self, purpose: str) -> str:
        """Return the application_name of a connection for this purpose."""
        return f"changeover {purpose} {self._session}".strip()[:63]

    async def close(self) -> None:
        """Close every connection that was opened here, and say how many."""
        await asyncio.gather(*(connection.close() for connection in self._opened))
        self._emit(ConnectionsClosed(count=len(self._opened)))
        self._opened.clear()

    async def _attempt(self, purpose: str) -> Connection | Diagnosis:
        deadline = self._retry.timeout
        try:
            async with asyncio.timeout(deadline):
                connection = Connection(await _open(self.target, self.application(purpose)), patience=deadline)
                try:
                    await _introduce(connection, self.target, read_only=self._read_only)
                except BaseException:
                    connection.terminate()
                    raise
                return connection
        except ServerError as error:
            failed = ConnectError(
                f"The server let us in, and its first query failed: {error.summary}",
                advice="Ask with psql for `SELECT version()`: what goes wrong there, too, is the server's "
                "or a pooler's.",
                report=error.report,
            )
            return Diagnosis(error=failed, retry=isinstance(error, ConnectionLost))
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            return diagnose(error, self.target, deadline)
        except (OSError, ValueError) as error:
            return diagnose(error, self.target, deadline)

    def _wait_after(self, number: int) -> float:
        wait: float = min(self._retry.first_wait * 2 ** (number - 1), self._retry.last_wait)
        return wait * random.uniform(0.8, 1.2)

    async def _gave_up(self, wait: float) -> bool:
        """Wait before the next attempt; return whether the operator gave up meanwhile."""
        give_up = await self._cut.wait(wait)
        if give_up is not None:
            self._emit(WaitCut(give_up=give_up))
        return bool(give_up)


async def _open(target: Target, application: str) -> asyncpg.Connection:
    password = target.password
    raw: asyncpg.Connection = await asyncpg.connect(
        host=target.host,
        port=target.port,
        user=target.user,
        database=target.database,
        # A callable, also where there is none: asyncpg would look into the environment and .pgpass by itself.
        password=lambda: password.reveal() if password else "",
        ssl=asked_of(target),
        # prepared statements by name do not survive a pooler in transaction mode
        statement_cache_size=0,
        # our own deadline stands around it
        timeout=86400,
        target_session_attrs="any",
        server_settings={"application_name": application},
    )
    _keep_alive(raw)
    return raw


def _keep_alive(raw: asyncpg.Connection) -> None:
    """Make the kernel notice a peer that vanished: asyncpg sets nothing, and would wait for ever."""
    transport = getattr(raw, "_transport", None)
    link = transport.get_extra_info("socket") if transport is not None else None
    if link is None or link.family == socket.AF_UNIX:
        return
    with contextlib.suppress(OSError, AttributeError):
        link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _PEER_SILENCE * 1000)


async def _introduce(connection: Connection, target: Target, *, read_only: bool) -> None:
    """Learn which server and role were really reached."""
    pooled = await _is_pooled(connection)
    if pooled:
        # Outside a transaction the halves of one query may land on two backends, and a setting would stay on one that
        # other clients get: what is read-only is so by its own transactions then.
        await connection.execute("BEGIN READ ONLY" if read_only else "BEGIN")
    elif read_only:
        await connection.execute("SET default_transaction_read_only = on")
    row = (await connection.fetch(query("server_facts")))[0]
    try:
        identity = (await connection.fetch(query("server_identity")))[0]
        system_identifier, timeline = str(identity["system_identifier"]), int(identity["timeline_id"])
    except ConnectionLost:
        raise
    except ServerError:
        # A managed service may withhold pg_control_system(); what hangs on it is then compared without it.
        system_identifier, timeline = "", 0
    if pooled:
        await connection.execute("ROLLBACK")
    raw = connection._raw
    connection.backend = row["backend"]
    connection.facts = ServerFacts(
        version=row["version"],
        version_num=row["version_num"],
        database=row["database"],
        user=row["user"],
        host=target.host,
        port=target.port,
        system_identifier=system_identifier,
        timeline=timeline,
        in_recovery=row["in_recovery"],
        tls=bool(getattr(getattr(raw, "_protocol", None), "is_ssl", False)),
        pooled=pooled,
        superuser=row["superuser"],
        read_only=row["read_only"],
        address=row["address"] or "",
        database_oid=row["database_oid"],
    )
    if not (pooled or target.host.startswith("/")):
        await connection.execute("; ".join(f"SET {name} = {value}" for name, value in KEEPALIVES.items()))


async def _is_pooled(connection: Connection) -> bool:
    """Whether the process that answers is not the one that the protocol named: then a pooler stands between."""
    named = connection._raw.get_server_pid()
    return await connection.execute(f"SELECT 1 WHERE pg_catalog.pg_backend_pid() = {named}") != "SELECT 1"
