"""The viewers of a runner: everyone gets every event from the first one on, and nobody can delay the engine."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from .channel import is_own_user, short_path
from .codec import MalformedLine, decode, event_line
from .journal import Journal, read_file
from .requests import Command
from .view import Stamped

log = logging.getLogger(__name__)

# A viewer that is this many events behind is dropped; it comes back and catches up from the file.
_BACKLOG: Final = 4096
# A viewer that comes back within this time was never gone; seconds.
_GRACE: Final = 5.0
# Whoever started the run may take so long to become its first viewer, as long as that process lives; seconds.
_FIRST_VIEWER: Final = 30.0


class _Viewer(Struct, eq=False):
    """One link, and the events that wait for it."""

    writer: asyncio.StreamWriter
    queue: asyncio.Queue[Stamped | None] = field(default_factory=lambda: asyncio.Queue(_BACKLOG))

    def end(self) -> None:
        """Make the sending come to its end, also where the queue is full."""
        with contextlib.suppress(asyncio.QueueEmpty):
            if self.queue.full():
                self.queue.get_nowait()
        self.queue.put_nowait(None)

    def drop(self) -> None:
        """Cut the link of a viewer that does not read: what lies in it unread is not waited for."""
        self.writer.transport.abort()
        self.end()


class Audience:
    """Serves the events of one journal on a socket, and takes commands from it.

    `watched` is told when the last viewer goes, and when one comes; `left_alone` is called once nobody came back.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        obey: Callable[[Command], None],
        watched: Callable[[bool], None],
        left_alone: Callable[[], None],
        starter: int | None = None,
    ) -> None:
        self._journal = journal
        self._obey = obey
        self._watched = watched
        self._left_alone = left_alone
        self._viewers: set[_Viewer] = set()
        self._server: asyncio.Server | None = None
        self._waiting: asyncio.TimerHandle | None = None
        # our parent, as long as it lives, and until when it may become the first viewer
        self._starter = os.getppid() if starter is None else starter
        self._patient_until = 0.0
        self._serving: set[asyncio.Task[None]] = set()

    async def open(self, folder: Path, name: str) -> None:
        """Begin to listen on the socket `name` in `folder`."""
        with short_path(folder, name) as path:
            self._server = await asyncio.start_unix_server(self._accept, path)
            (folder / name).chmod(0o600)
        self._patient_until = time.monotonic() + _FIRST_VIEWER
        self._expect_viewer()

    def tell(self, stamped: Stamped) -> None:
        """Queue an event for every viewer; who is too far behind is dropped."""
        for viewer in tuple(self._viewers):
            try:
                viewer.queue.put_nowait(stamped)
            except asyncio.QueueFull:
                log.info("a viewer that does not read was dropped, %d events behind", _BACKLOG)
                self._viewers.discard(viewer)
                viewer.drop()

    async def close(self) -> None:
        """Let the viewers have the last events, then close the socket."""
        if self._waiting:
            self._waiting.cancel()
        for viewer in tuple(self._viewers):
            with contextlib.suppress(asyncio.QueueFull):
                viewer.queue.put_nowait(None)
        if self._serving:
            await asyncio.wait(self._serving, timeout=2.0)
        for viewer in tuple(self._viewers):
            viewer.drop()
        if self._server is not None:
            self._server.close()

    def _expect_viewer(self) -> None:
        self._waiting = asyncio.get_running_loop().call_later(_GRACE, self._nobody_came)

    def _nobody_came(self) -> None:
        if self._viewers:
            return
        if os.getppid() == self._starter and time.monotonic() < self._patient_until:
            self._expect_viewer()
        else:
            self._left_alone()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = writer.get_extra_info("socket")
        if not is_own_user(link):
            log.warning("a viewer of another user was turned away")
            writer.close()
            return
        task = asyncio.current_task()
        if task is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        viewer = _Viewer(writer)
        try:
            first = decode(await asyncio.wait_for(reader.readline(), 10), Command)
            self._viewers.add(viewer)
            self._watched(True)
            # who was there and left is not waited for as who is still to come
            self._patient_until = 0.0
            if self._waiting:
                self._waiting.cancel()
            commands = asyncio.create_task(self._listen(reader, viewer), name="commands of a viewer")
            try:
                await self._serve(viewer, first.after)
            finally:
                commands.cancel()
        except (OSError, MalformedLine, TimeoutError, ValueError) as error:
            log.info("a viewer left: %s", error)
        finally:
            self._viewers.discard(viewer)
            writer.close()
            if not self._viewers:
                self._watched(False)
                self._expect_viewer()

    async def _serve(self, viewer: _Viewer, after: int) -> None:
        """Send what the file has behind `after`, then what arrives."""
        writer = viewer.writer
        await self._journal.flush()
        # what a full disk did not take; asked for first, so that nothing is missed that gets into the file meanwhile
        unwritten = self._journal.unwritten
        filed = await asyncio.to_thread(lambda: [it for it, _ in read_file(self._journal.path)])
        for stamped in (*filed, *unwritten):
            if stamped.seq > after:
                after = stamped.seq
                writer.write(event_line(stamped))
                # at the pace of who reads, so that a long past does not pile up in memory
                await writer.drain()
        while (stamped_or_end := await viewer.queue.get()) is not None:
            if stamped_or_end.seq > after:
                after = stamped_or_end.seq
                writer.write(event_line(stamped_or_end))
                await writer.drain()

    async def _listen(self, reader: asyncio.StreamReader, viewer: _Viewer) -> None:
        """Take commands until the viewer hangs up."""
        try:
            while line := await reader.readline():
                self._obey(decode(line, Command))
        except (OSError, MalformedLine, ValueError) as error:
            log.warning("a viewer was dropped for what it sent: %s", error)
        self._viewers.discard(viewer)
        viewer.end()
