"""A Unix socket of ours that goes on to the target over TLS: for a pg_dump whose libpq has none.

The socket is in a folder that only its owner can enter. The certificate is verified as our own connections verify it.
See SSLRequest in https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-FLOW-SSL.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
import struct
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from .errors import ConnectError
from .target import Target

_SSL_REQUEST: Final = struct.pack("!ii", 8, 80877103)
_CHUNK: Final = 65536
# DNS, TCP and TLS together; seconds
_REACHED_WITHIN: Final = 30.0


@contextlib.asynccontextmanager
async def forwarding(target: Target, context: ssl.SSLContext) -> AsyncIterator[Path]:
    """Give the folder of a socket, named as PostgreSQL's for port 5432, that leads to the target over TLS."""
    folder = Path(tempfile.mkdtemp(prefix="changeover-"))
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        try:
            await _serve(target, context, reader, writer)
        finally:
            serving.discard(task)

    server = await asyncio.start_unix_server(serve, folder / ".s.PGSQL.5432")
    try:
        yield folder
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        shutil.rmtree(folder, ignore_errors=True)


async def _serve(
    target: Target, context: ssl.SSLContext, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        async with asyncio.timeout(_REACHED_WITHIN):
            onwards = await _reach(target, context)
    except (OSError, ConnectError, TimeoutError, asyncio.IncompleteReadError) as error:
        writer.write(_refusal(str(error)))
        writer.close()
        return
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_pump(reader, onwards[1]))
            both.create_task(_pump(onwards[0], writer))
    except* OSError:
        pass
    finally:
        writer.close()
        onwards[1].close()


async def _reach(target: Target, context: ssl.SSLContext) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(target.host, target.port)
    try:
        writer.write(_SSL_REQUEST)
        answer = await reader.readexactly(1)
        if answer == b"S":
            await writer.start_tls(context, server_hostname=target.host)
            return reader, writer
    except BaseException:
        writer.close()
        raise
    writer.close()
    raise ConnectError(
        "The server does not do TLS.",
        advice="It did when it was looked at: ask for TLS on the server, or name it by an address "
        "without a proxy between.",
    )


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError, RuntimeError):
        writer.close()


def _refusal(words: str) -> bytes:
    """Return an ErrorResponse in the words of what went wrong."""
    fields = b"SFATAL\0C08001\0M" + words.encode("utf-8", "replace").replace(b"\0", b"") + b"\0\0"
    return b"E" + struct.pack("!i", len(fields) + 4) + fields
