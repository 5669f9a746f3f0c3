"""Connecting: attempts, reasons, waits, and what a connection does when it is cancelled or lost."""

from __future__ import annotations

import asyncio
import socket
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace

from changeover.core.connect import Connector, WaitCutter
from changeover.core.errors import ConnectError, ConnectionLost, ServerError
from changeover.core.events import AttemptFailed, AttemptStarted, Connected, ConnectionsClosed, Event, WaitCut
from changeover.core.secret import Secret
from changeover.core.settings import Retry
from changeover.core.target import Target
from tests.servers import Server

QUICK = Retry(retries=2, timeout=2.0, first_wait=0.02, last_wait=0.05)


def tcp(port: int) -> Target:
    return Target(host="127.0.0.1", port=port, database="d", user="u", password=Secret("hunter2"), sslmode="prefer")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def listener(behaviour: str) -> AsyncIterator[int]:
    """A TCP server that accepts and then is silent, or hangs up."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if behaviour == "silent":
            await reader.read()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def failing(
    target: Target, retry: Retry = QUICK, cut: WaitCutter | None = None
) -> tuple[ConnectError, list[Event]]:
    events: list[Event] = []
    with pytest.raises(ConnectError) as caught:
        await Connector(target, retry, emit=events.append, cut=cut)("look")
    return caught.value, events


async def test_a_connection_says_which_server_and_role_it_reached(any_server: Server) -> None:
    events: list[Event] = []
    connect = Connector(any_server.target(), QUICK, emit=events.append, session="s1")
    connection = await connect("look")
    rows = await connection.fetch("SELECT application_name FROM pg_stat_activity WHERE pid = $1", connection.backend)
    await connect.close()
    assert rows[0]["application_name"] == "changeover look s1"
    assert connection.facts.version_num // 10000 == any_server.major
    assert (connection.facts.user, connection.facts.database) == ("postgres", "postgres")
    assert not connection.facts.pooled
    assert len(connection.facts.system_identifier) > 10
    assert [type(event) for event in events] == [AttemptStarted, Connected, ConnectionsClosed]


async def test_a_refused_connection_is_tried_again_with_doubled_waits() -> None:
    error, events = await failing(tcp(free_port()), replace(QUICK, first_wait=0.05, last_wait=1))
    failures = [event for event in events if isinstance(event, AttemptFailed)]
    assert "refused" in error.summary
    assert [failure.number for failure in failures] == [1, 2, 3]
    assert failures[2].wait is None
    assert failures[0].wait is not None
    assert failures[1].wait is not None
    assert 0.04 <= failures[0].wait <= 0.06
    assert 0.08 <= failures[1].wait <= 0.12


@pytest.mark.parametrize("is_left_behind", [False, True])
async def test_without_a_server_in_a_socket_folder_the_setting_of_such_folders_is_named(
    is_left_behind: bool,
) -> None:
    # a socket's whole path has room for a hundred characters
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        if is_left_behind:
            with socket.socket(socket.AF_UNIX) as gone:
                gone.bind(f"{folder}/.s.PGSQL.5433")
        error, events = await failing(replace(tcp(5433), host=folder, sslmode="disable"))
    assert len([event for event in events if isinstance(event, AttemptStarted)]) == 3
    assert "refused" in error.summary if is_left_behind else "no server socket" in error.summary
    assert "unix_socket_directories" in error.advice
    assert "/var/run/postgresql" in error.advice
    assert "listen_addresses" not in error.advice


async def test_a_server_that_accepts_and_never_answers_is_given_up_at_the_deadline() -> None:
    async with listener("silent") as port:
        began = time.monotonic()
        error, events = await failing(tcp(port), Retry(retries=1, timeout=0.3, first_wait=0.01))
        assert time.monotonic() - began < 5
    assert "No answer" in error.summary
    assert sum(isinstance(event, AttemptFailed) for event in events) == 2


async def test_a_server_that_hangs_up_is_tried_again() -> None:
    async with listener("hang up") as port:
        _error, events = await failing(tcp(port))
    assert sum(isinstance(event, AttemptFailed) for event in events) == 3


async def test_a_missing_database_is_not_tried_again(server: Server) -> None:
    error, events = await failing(server.target("nowhere"))
    assert error.summary.startswith("Database nowhere does not exist")
    assert sum(isinstance(event, AttemptFailed) for event in events) == 1


async def test_a_missing_role_is_not_tried_again(server: Server) -> None:
    error, events = await failing(server.target(user="nobody_here"))
    assert "nobody_here does not exist" in error.summary
    assert len(events) == 2


async def test_an_unknown_host_name_is_not_tried_again() -> None:
    error, events = await failing(replace(tcp(5432), host="does-not-exist.invalid"))
    assert "not known" in error.summary or "looked up" in error.summary
    assert len(events) >= 2


async def test_no_word_of_the_password_is_in_any_event_or_error() -> None:
    async with listener("hang up") as port:
        error, events = await failing(tcp(port))
    assert "hunter2" not in repr(events) + repr(error) + error.advice + repr(tcp(port))


async def test_try_now_ends_the_wait_between_two_attempts() -> None:
    cut = WaitCutter()
    trial = asyncio.create_task(failing(tcp(free_port()), Retry(retries=1, timeout=2, first_wait=60), cut))
    await asyncio.sleep(0.1)
    cut.try_now()
    _error, events = await asyncio.wait_for(trial, 5)
    assert WaitCut(give_up=False) in events
    assert sum(isinstance(event, AttemptFailed) for event in events) == 2


async def test_giving_up_makes_no_further_attempt() -> None:
    cut = WaitCutter()
    trial = asyncio.create_task(failing(tcp(free_port()), Retry(retries=5, timeout=2, first_wait=60), cut))
    await asyncio.sleep(0.1)
    cut.give_up()
    _error, events = await asyncio.wait_for(trial, 5)
    assert sum(isinstance(event, AttemptFailed) for event in events) == 1


async def test_an_error_of_the_server_keeps_its_own_words(database: Target) -> None:
    connection = await Connector(database, QUICK, emit=lambda _: None)("look")
    with pytest.raises(ServerError) as caught:
        await connection.execute("SELECT 'é', nothing FROM pg_catalog.pg_class")
    await connection.close()
    assert caught.value.sqlstate == "42703"
    assert caught.value.report is not None
    assert caught.value.report.position == 13


async def test_cancelling_a_statement_stops_it_on_the_server(database: Target) -> None:
    connect = Connector(database, QUICK, emit=lambda _: None)
    connection = await connect("migration")
    watch = await connect("watch")
    sleeping = asyncio.create_task(connection.execute("SELECT pg_catalog.pg_sleep(60)", timeout=None))
    await asyncio.sleep(0.2)
    sleeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeping
    assert await connection.execute("SELECT 1") == "SELECT 1"
    state = await watch.fetch("SELECT state FROM pg_stat_activity WHERE pid = $1", connection.backend)
    await connect.close()
    assert state[0]["state"] == "idle"


async def test_a_connection_ended_by_the_server_is_lost_and_says_why(database: Target) -> None:
    connect = Connector(database, QUICK, emit=lambda _: None)
    connection, watch = await connect("migration"), await connect("watch")
    sleeping = asyncio.create_task(connection.execute("SELECT pg_catalog.pg_sleep(60)", timeout=None))
    await asyncio.sleep(0.2)
    await watch.fetch("SELECT pg_catalog.pg_terminate_backend($1)", connection.backend)
    with pytest.raises(ConnectionLost, match="terminating connection"):
        await sleeping
    await connect.close()


async def test_a_read_only_connection_is_held_so_by_the_server(database: Target) -> None:
    connect = Connector(database, QUICK, emit=lambda _: None, read_only=True)
    connection = await connect("look")
    with pytest.raises(ServerError) as caught:
        await connection.execute("CREATE TABLE t ()")
    await connect.close()
    assert connection.facts.read_only
    assert caught.value.sqlstate == "25006"


async def test_the_environment_cannot_lead_a_connection_elsewhere(
    database: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PGHOST": "elsewhere.invalid",
        "PGUSER": "x",
        "PGSSLMODE": "verify-full",
        "PGSERVICE": "x",
    }.items():
        monkeypatch.setenv(name, value)
    connection = await Connector(database, QUICK, emit=lambda _: None)("look")
    await connection.close()
    assert connection.facts.database == database.database
