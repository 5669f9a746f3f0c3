"""A proxy between the product and a server that understands message boundaries, and cuts where a test wants it.

Messages are one type byte and a length, but for the first ones of a connection, which have no type.
See https://www.postgresql.org/docs/18/protocol-message-formats.html.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from changeover.core.target import Target

_CANCEL_REQUEST: Final = 80877102
# When a server notices that its client has vanished; seconds. Keepalives need 25, which is too long for a test.
_KEEPALIVES: Final = 2.0

# How much later than it was sent; seconds.
_LATE: Final = 0.4


class Side(StrEnum):
    """Who says a message."""

    CLIENT = "client"
    SERVER = "server"


class Way(StrEnum):
    """What becomes of a message."""

    PASS = "passes"
    # not forwarded, and the link is cut
    DROP = "is dropped"
    # forwarded, and the link is cut before anything comes back
    MUTE = "arrives, and nothing after it"
    # forwarded, and the client's end is reset: RST on TCP, an abrupt close on a Unix socket
    RESET = "arrives, and the link is reset"
    # half of it is forwarded, then the link is cut
    HALF = "arrives by half"
    # neither it nor anything after it arrives, and both ends believe that the link is there
    HOLE = "vanishes, and all after it"
    # it arrives, nothing ever comes back, and both ends believe that the link is there
    SILENCE = "arrives, and is never answered"
    # what was sent after it, on other links, arrives before it
    LATE = "arrives late"
    # it passes, and the operator says "stop now" at this very moment
    STOP = "arrives as the run is told to stop"


class Message(Struct, frozen=True, kw_only=True):
    """A message on its way; `number` counts from 0 within its link and side.

    `link` is what the connection is for and the how manyeth of these it is: "migration 2", "cancel 1".
    """

    link: str
    side: Side
    number: int
    kind: bytes
    body: bytes

    @property
    def query(self) -> bytes | None:
        """The text of a simple query."""
        return self.body.rstrip(b"\0") if self.kind == b"Q" else None


Judge = Callable[[Message], Way]


class Proxy:
    """Links between clients and one server, and what a test does to them."""

    def __init__(self, target: Target, judge: Judge) -> None:
        self.judge = judge
        # what becomes of a new connection: forward, refuse (reset at once) or hang (accepted and never answered)
        self.door = "forward"
        self._server_path = ""
        self.lead_to(target)
        self._names: Counter[str] = Counter()
        self._links: set[_Link] = set()
        self._serving: set[asyncio.Task[None]] = set()

    def lead_to(self, target: Target) -> None:
        """Let new links end at this server."""
        self._server_path = f"{target.host}/.s.PGSQL.{target.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client; the callback of an asyncio server."""
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        if self.door == "refuse":
            _reset(writer)
            return
        link = _Link(self, reader, writer)
        self._links.add(link)
        try:
            if self.door == "hang":
                await asyncio.Event().wait()
            await link.serve(self._server_path)
        except asyncio.CancelledError:
            # the end of the test; a task that asyncio's server started must not end cancelled
            return
        finally:
            self._links.discard(link)
            writer.close()

    def name(self, purpose: str) -> str:
        """Return the name of the next link for this purpose."""
        self._names[purpose] += 1
        return f"{purpose} {self._names[purpose]}"

    def has_seen(self, purpose: str) -> bool:
        """Whether there was a link for this purpose."""
        return self._names[purpose] > 0

    def cut(self) -> None:
        """Reset every link that is open now."""
        for link in tuple(self._links):
            link.cut()

    def freeze(self) -> None:
        """Let nothing pass any more on the links that are open now; both ends believe that they are there."""
        for link in tuple(self._links):
            link.frozen = True

    async def close(self) -> None:
        """End every link."""
        for task in tuple(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)


class _Cut(Exception):
    """The link has ended by the judge's word."""


class _Link:
    def __init__(self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._reader = reader
        self._writer = writer
        self._server: asyncio.StreamWriter | None = None
        self._name = "unnamed"
        self._numbers = dict.fromkeys(Side, -1)
        # nothing passes, in either direction
        self.frozen = False
        # what the server says does not pass
        self._muted = False

    async def serve(self, server_path: str) -> None:
        server_reader, server = await asyncio.open_unix_connection(server_path)
        self._server = server
        ways = [
            asyncio.create_task(self._carry(Side.CLIENT, self._reader, server)),
            asyncio.create_task(self._carry(Side.SERVER, server_reader, self._writer)),
        ]
        try:
            # a client that hangs up ends its link; a server that does so has its last words forwarded first
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            if self.frozen or self._muted:
                # Neither end is told when the other one leaves, until its keepalives find out.
                await asyncio.wait(ways[:1])
                await asyncio.wait(ways[1:], timeout=_KEEPALIVES)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            server.close()

    def cut(self) -> None:
        _reset(self._writer)
        if self._server is not None:
            self._server.close()

    async def _carry(self, side: Side, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError, _Cut):
            if side is Side.CLIENT:
                await self._pass(side, writer, b"", *await self._greeting(reader))
            while True:
                kind = await reader.readexactly(1)
                size = await reader.readexactly(4)
                body = await reader.readexactly(int.from_bytes(size, "big") - 4)
                await self._pass(side, writer, kind, size, body)

    async def _greeting(self, reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
        """Return the first message of a client, which says who it is."""
        size = await reader.readexactly(4)
        body = await reader.readexactly(int.from_bytes(size, "big") - 4)
        words = body[4:].split(b"\0")
        purpose = "cancel" if int.from_bytes(body[:4], "big") == _CANCEL_REQUEST else "unnamed"
        if b"application_name" in words:
            # changeover <purpose> <session>
            purpose = words[words.index(b"application_name") + 1].split(b" ")[1].decode()
        self._name = self._proxy.name(purpose)
        return size, body

    async def _pass(self, side: Side, writer: asyncio.StreamWriter, kind: bytes, size: bytes, body: bytes) -> None:
        if self.frozen or (self._muted and side is Side.SERVER):
            return
        self._numbers[side] += 1
        message = Message(link=self._name, side=side, number=self._numbers[side], kind=kind, body=body)
        way = self._proxy.judge(message)
        whole = kind + size + body
        match way:
            case Way.DROP:
                raise _Cut
            case Way.HOLE:
                self.frozen = True
                return
            case Way.SILENCE | Way.MUTE:
                self._muted = True
            case Way.LATE:
                await asyncio.sleep(_LATE)
            case Way.HALF:
                whole = whole[: len(whole) // 2]
            case _:
                pass
        writer.write(whole)
        await writer.drain()
        if way in {Way.HALF, Way.MUTE, Way.RESET}:
            # long enough for what arrived to be read, and done where it is quickly done
            await asyncio.sleep(0.15 if way is Way.MUTE else 0.0 if side is Side.CLIENT else 0.02)
            if way is Way.RESET:
                _reset(self._writer)
            # now the other end may be told
            self._muted = False
            raise _Cut


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close at once; on TCP by RST instead of FIN, see SO_LINGER in socket(7)."""
    link = writer.get_extra_info("socket")
    if link is not None and link.family != socket.AF_UNIX:
        with contextlib.suppress(OSError):
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@asynccontextmanager
async def proxied(target: Target, judge: Judge) -> AsyncIterator[tuple[Proxy, Target]]:
    """Yield a proxy, and a target that reaches the same database through it by TCP on the loopback interface."""
    proxy = Proxy(target, judge)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    try:
        yield proxy, replace(target, host="127.0.0.1", port=server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await proxy.close()


def once(query: bytes, way: Way, *, after: int = 0) -> Judge:
    """Return a judge that lets everything pass but one simple query with this text, that `after` so many others."""
    waiting = True
    passed = 0

    def judge(message: Message) -> Way:
        nonlocal waiting, passed
        if waiting and message.query == query:
            passed += 1
            if passed > after:
                waiting = False
                return way
        return Way.PASS

    return judge


def everything_passes(_: Message) -> Way:
    """The judge of a link without faults."""
    return Way.PASS
