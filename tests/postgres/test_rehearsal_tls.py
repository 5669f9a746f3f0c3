"""pg_dump of a target over TLS: through a socket of ours, which verifies the certificate as our connections do."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from changeover.core.connect import Connector
from changeover.core.errors import ConnectError
from changeover.core.schema_dump import dump
from changeover.core.settings import Retry
from changeover.core.target import Target
from tests.rehearsals import rehearse_on
from tests.servers import Server

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")


def certificate(folder: Path, name: str = "localhost") -> tuple[Path, Path]:
    """Make a certificate that signs itself, and its key."""
    cert, key = folder / f"{name}.crt", folder / f"{name}.key"
    subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*command, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True, timeout=60)
    return cert, key


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


@asynccontextmanager
async def behind_tls(inner: Target, cert: Path, key: Path) -> AsyncIterator[Target]:
    """Put a server that wants TLS before one that has none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readexactly(8)
            writer.write(b"S")
            await writer.drain()
            await writer.start_tls(context)
            there = await asyncio.open_unix_connection(f"{inner.host}/.s.PGSQL.{inner.port}")
            await asyncio.gather(pump(reader, there[1]), pump(there[0], writer))
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield replace(inner, host="localhost", port=port, sslmode="verify-full", sslrootcert=str(cert))
    server.close()


async def test_a_schema_is_read_over_tls(server: Server, database: Target, tmp_path: Path) -> None:
    server.psql("CREATE TABLE item (id int PRIMARY KEY)", database.database)
    cert, key = certificate(tmp_path)
    async with behind_tls(database, cert, key) as target:
        done = await rehearse_on(target, tmp_path / "m", {"0001_a": "ALTER TABLE item ADD COLUMN z int;\n"})
    assert done.survey.server.tls
    assert done.statements[0].source == "measured"


async def test_a_certificate_that_is_not_the_targets_stops_the_dump(
    server: Server, database: Target, tmp_path: Path
) -> None:
    cert, key = certificate(tmp_path)
    (tmp_path / "other").mkdir()
    other, _ = certificate(tmp_path / "other")
    async with behind_tls(database, cert, key) as target:
        connector = Connector(target, Retry(retries=0), emit=lambda _: None)
        facts = (await connector("look")).facts
        await connector.close()
        with pytest.raises(ConnectError, match="certificate verify failed"):
            await dump(replace(target, sslrootcert=str(other)), facts)
