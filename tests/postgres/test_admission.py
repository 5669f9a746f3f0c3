"""Not let in: each of the commonest causes, made on a real server or a real socket, with the remedy for this one."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from changeover.core.connect import Connector
from changeover.core.errors import ConnectError
from changeover.core.secret import Secret
from changeover.core.settings import Retry
from changeover.core.target import Target
from tests.servers import Server
from tests.tls import behind_tls, certificate, expired, needs_openssl

ONCE = Retry(retries=0, timeout=5.0)


async def refusal(target: Target, retry: Retry = ONCE) -> ConnectError:
    """Return why a target was not reached."""
    connector = Connector(target, retry, emit=lambda _: None)
    with pytest.raises(ConnectError) as caught:
        await connector("look")
    await connector.close()
    return caught.value


@contextmanager
def hba(server: Server, *lines: str) -> Iterator[None]:
    """Put these lines on top of pg_hba.conf."""
    file = Path(server.psql("SHOW hba_file"))
    before = file.read_text()
    file.write_text("\n".join([*lines, before]))
    server.psql("SELECT pg_reload_conf(), pg_sleep(0.2)")
    try:
        yield
    finally:
        file.write_text(before)
        server.psql("SELECT pg_reload_conf(), pg_sleep(0.2)")


@contextmanager
def role(server: Server, name: str, options: str = "LOGIN") -> Iterator[str]:
    """Have a role for a while."""
    server.psql(f"CREATE ROLE {name} {options}")
    try:
        yield name
    finally:
        server.psql(f"DROP ROLE {name}")


@asynccontextmanager
async def answering(sqlstate: str, message: str, detail: str = "") -> AsyncIterator[Target]:
    """A socket that answers every start-up message with this error, as a server does that cannot serve yet."""
    fields = [b"SFATAL", b"VFATAL", b"C" + sqlstate.encode(), b"M" + message.encode()]
    fields += [b"D" + detail.encode()] if detail else []
    said = b"\0".join(fields) + b"\0\0"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(b"E" + struct.pack("!I", len(said) + 4) + said)
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    yield Target(host="127.0.0.1", port=port, database="shop", user="deployer", sslmode="disable")
    listening.close()


async def test_who_may_not_come_in_gets_the_line_of_pg_hba_conf_that_would_let_them(server: Server) -> None:
    with role(server, "shut_out"), hba(server, "local all shut_out reject"):
        error = await refusal(server.target(user="shut_out"))
    assert error.summary.startswith("pg_hba.conf of ")
    assert "above the line that rejects: local postgres shut_out scram-sha-256; then" in error.advice
    assert not error.mendable


async def test_a_wrong_password_says_where_it_came_from_and_which_line_would_be_right(server: Server) -> None:
    with role(server, "knocks", "LOGIN PASSWORD 'right'"), hba(server, "local all knocks scram-sha-256"):
        target = replace(
            server.target(user="knocks"), password=Secret("wrong"), sources={"password": "/home/ada/.pgpass:3"}
        )
        wrong = await refusal(target)
        missing = await refusal(replace(target, password=None))
    assert wrong.summary == "The password (from /home/ada/.pgpass:3) was not accepted for role knocks."
    assert f"{target.host}:5432:postgres:knocks:PASSWORD" in wrong.advice
    assert missing.summary == "Role knocks needs a password, and none was given."
    assert not wrong.mendable


async def test_the_systems_user_that_is_another_than_the_role_is_told_three_ways_in(server: Server) -> None:
    with role(server, "somebody_else"), hba(server, "local all somebody_else peer"):
        error = await refusal(server.target(user="somebody_else"))
    assert "only the system's user of that name" in error.summary
    assert "sudo -u somebody_else" in error.advice
    assert "scram-sha-256" in error.advice


@pytest.mark.parametrize(
    ("options", "summary", "advice"),
    [
        ("NOLOGIN", "Role limited may not log in: it is a group for other roles", "ALTER ROLE limited LOGIN"),
        ("LOGIN CONNECTION LIMIT 0", "Role limited has all the connections", "ALTER ROLE limited CONNECTION LIMIT -1"),
    ],
)
async def test_a_role_that_is_held_back_is_let_go_by_one_statement(
    any_server: Server, options: str, summary: str, advice: str
) -> None:
    with role(any_server, "limited", options):
        error = await refusal(any_server.target(user="limited"))
        assert error.summary.startswith(summary)
        assert advice in error.advice
        any_server.psql(advice)
        connector = Connector(any_server.target(user="limited"), ONCE, emit=lambda _: None)
        await connector("look")
        await connector.close()


@pytest.mark.parametrize(
    ("shut", "summary", "opened"),
    [
        ("REVOKE CONNECT ON DATABASE {0} FROM public", "Role knocks may not connect to database", "GRANT CONNECT"),
        ("ALTER DATABASE {0} ALLOW_CONNECTIONS false", "Database {0} takes no connections", "ALTER DATABASE"),
        ("ALTER DATABASE {0} CONNECTION LIMIT 0", "Database {0} has all the connections", "ALTER DATABASE"),
    ],
)
async def test_a_database_that_is_shut_is_opened_by_the_statement_that_the_advice_says(
    any_server: Server, any_database: Target, shut: str, summary: str, opened: str
) -> None:
    with role(any_server, "knocks"):
        any_server.psql(shut.format(any_database.database))
        error = await refusal(replace(any_database, user="knocks"))
        assert error.summary.startswith(summary.format(any_database.database))
        any_server.psql(error.advice[error.advice.index(opened) :])
        connector = Connector(replace(any_database, user="knocks"), ONCE, emit=lambda _: None)
        await connector("look")
        await connector.close()
        any_server.psql(f"REVOKE ALL ON DATABASE {any_database.database} FROM knocks")


async def test_what_is_missing_comes_with_the_statement_that_makes_it(any_server: Server) -> None:
    database = await refusal(any_server.target("Not There"))
    user = await refusal(any_server.target(user="Nobody Here"))
    assert 'CREATE DATABASE "Not There"' in database.advice
    assert 'CREATE ROLE "Nobody Here" LOGIN' in user.advice


@pytest.mark.parametrize(
    ("sqlstate", "message", "detail", "summary", "mendable"),
    [
        ("57P03", "the database system is starting up", "", "is not ready yet", True),
        ("57P03", "the database system is shutting down", "", "is shutting down.", True),
        ("57P03", "the database system is not accepting connections", "Hot standby mode is disabled.",
         "is a standby that answers no queries", False),
        ("53300", "sorry, too many clients already", "", "has no connection left", True),
        ("57P01", "terminating connection due to administrator command", "", "is shutting down", True),
    ],
)  # fmt: skip
async def test_what_time_mends_is_tried_again_and_what_it_does_not_is_not(
    sqlstate: str, message: str, detail: str, summary: str, mendable: bool
) -> None:
    async with answering(sqlstate, message, detail) as target:
        error = await refusal(target)
    assert summary in error.summary
    assert error.mendable is mendable
    assert error.advice


async def test_a_rejection_of_a_clear_link_suggests_tls() -> None:
    said = 'no pg_hba.conf entry for host "10.0.0.7", user "deployer", database "shop", no encryption'
    async with answering("28000", said) as target:
        error = await refusal(target)
    assert "host shop deployer 10.0.0.7/32 scram-sha-256" in error.advice
    assert "sslmode=require" in error.advice


@needs_openssl
async def test_a_certificate_says_whether_its_name_its_date_or_its_authority_is_wrong(
    database: Target, tmp_path: Path
) -> None:
    other_name = certificate(tmp_path, "db.example.org")
    (tmp_path / "over").mkdir()
    over = expired(tmp_path / "over")
    unknown = certificate(tmp_path)
    async with behind_tls(database, *other_name) as target:
        name = await refusal(target)
    async with behind_tls(database, *over) as target:
        date = await refusal(target)
    async with behind_tls(database, *unknown) as target:
        authority = await refusal(replace(target, sslrootcert=str(other_name[0])))
    assert "is another host's" in name.summary
    assert "sslmode=verify-ca" in name.advice
    assert "is out of date" in date.summary
    assert "is not trusted" in authority.summary
    assert f"now: {other_name[0]}" in authority.advice


async def test_a_server_without_tls_is_told_how_to_get_it_and_what_doing_without_means() -> None:
    async def no_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(b"N")
        await writer.drain()
        await reader.read()
        writer.close()

    listening = await asyncio.start_server(no_tls, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    error = await refusal(Target(host="127.0.0.1", port=port, database="d", user="u", sslmode="require"))
    listening.close()
    assert "does not speak TLS, and sslmode=require wants it" in error.summary
    assert "ssl = on" in error.advice
