"""A proxy between the product and a server that understands message boundaries, and cuts where a test wants it.

Frontend messages are one type byte and a length, but for the first one of a connection, which has no type.
See https://www.postgresql.org/docs/18/protocol-message-formats.html.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from changeover.core.target import Target

# What becomes of a frontend message: "pass", "drop" (not forwarded, link cut) or "mute" (forwarded, link cut before
# any answer gets back).
Judge = Callable[[bytes, bytes], str]


class _Link:
    def __init__(self, target: Target, judge: Judge) -> None:
        self._target = target
        self._judge = judge

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = f"{self._target.host}/.s.PGSQL.{self._target.port}"
        server_reader, server_writer = await asyncio.open_unix_connection(path)
        back = asyncio.create_task(_copy(server_reader, writer))
        try:
            await self._forward(reader, server_writer, back)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            back.cancel()
            for end in (writer, server_writer):
                end.close()

    async def _forward(
        self, reader: asyncio.StreamReader, server: asyncio.StreamWriter, back: asyncio.Task[None]
    ) -> None:
        first = await reader.readexactly(4)
        server.write(first + await reader.readexactly(int.from_bytes(first, "big") - 4))
        while True:
            head = await reader.readexactly(5)
            body = await reader.readexactly(int.from_bytes(head[1:], "big") - 4)
            verdict = self._judge(head[:1], body)
            if verdict == "drop":
                return
            if verdict == "mute":
                back.cancel()
                await asyncio.sleep(0)
            server.write(head + body)
            await server.drain()
            if verdict == "mute":
                # long enough for the server to have done it
                await asyncio.sleep(0.3)
                return


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def between(target: Target, folder: Path, judge: Judge) -> AsyncIterator[Target]:
    """Yield a target that reaches the same database through the proxy."""
    folder.mkdir()
    server = await asyncio.start_unix_server(_Link(target, judge).serve, folder / f".s.PGSQL.{target.port}")
    try:
        yield replace(target, host=str(folder))
    finally:
        server.close()


def once(query: bytes, verdict: str) -> Judge:
    """Return a judge that lets everything pass but the first simple query with this text."""
    waiting = True

    def judge(kind: bytes, body: bytes) -> str:
        nonlocal waiting
        if waiting and kind == b"Q" and body.rstrip(b"\0") == query:
            waiting = False
            return verdict
        return "pass"

    return judge
