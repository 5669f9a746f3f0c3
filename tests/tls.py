"""A server that wants TLS, with a certificate of its own: real TLS before a server of the tests that has none."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from changeover.core.target import Target

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")


def certificate(folder: Path, name: str = "localhost") -> tuple[Path, Path]:
    """Make a certificate that signs itself, and its key."""
    cert, key = folder / f"{name}.crt", folder / f"{name}.key"
    subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*command, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True, timeout=60)
    return cert, key


def expired(folder: Path, name: str = "localhost") -> tuple[Path, Path]:
    """Make one that was valid for a day, years ago."""
    cert, key = certificate(folder, name)
    asked, config = folder / "asked.csr", folder / "ca.cnf"
    subprocess.run(["openssl", "req", "-new", "-key", str(key), "-subj", f"/CN={name}", "-out", str(asked)], check=True)
    (folder / "index.txt").touch()
    config.write_text(
        f"[ca]\ndefault_ca = own\n[own]\ndatabase = {folder}/index.txt\nnew_certs_dir = {folder}\nrand_serial = yes\n"
        "default_md = sha256\npolicy = any\n[any]\ncommonName = supplied\n"
    )
    command = ["openssl", "ca", "-batch", "-selfsign", "-config", str(config), "-keyfile", str(key), "-in", str(asked)]
    valid = ["-startdate", "200101000000Z", "-enddate", "200102000000Z", "-notext", "-out", str(cert)]
    subprocess.run([*command, *valid], check=True, capture_output=True, timeout=60)
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
