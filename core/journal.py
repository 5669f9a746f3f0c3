"""One file of a session: JSON lines of events, one writer, any number of readers while it is written.

The writer never waits for the disk, and never dies of it: what cannot be written is kept and tried again, and the
run that it tells of stops after the migration in hand.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import logging
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from .codec import MalformedLine, event_of, without_passwords
from .events import Event
from .secret import Secret
from .view import Stamped

log = logging.getLogger(__name__)

# How long sealing may take before it is given up; seconds. A stuck disk must not hold a run.
_SEAL_DEADLINE: Final = 5.0
# Events kept for a disk that may have room again, and for viewers meanwhile.
_KEPT: Final = 20_000
# An end is looked for in so many bytes at the end of a file: what is said after it is short.
_TAIL: Final = 1 << 17


class Journal:
    """The one writer of one file of a session; `record` only queues, a thread of its own writes."""

    def __init__(self, path: Path, *, secrets: tuple[Secret, ...] = (), again: bool = False) -> None:
        """Create the file, 0600, which must not exist; or, with `again`, go on with one that was closed.

        `secrets` are masked in every line. Raises `OSError`; `BlockingIOError` where another process writes the file.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.open(path, flags if again else flags | os.O_EXCL, 0o600)
        try:
            # Held as long as this process lives: who can take it knows that the writer is gone.
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._seq = _resumed(self._file, path) if again else 0
            self._size = os.fstat(self._file).st_size
        except OSError:
            os.close(self._file)
            raise
        self.path = path
        self.failure: OSError | None = None
        # events that the disk did not take yet with their lines, oldest first
        self._pending: deque[tuple[Stamped, bytes]] = deque(maxlen=_KEPT)
        self._secrets = secrets
        self._queue: queue.SimpleQueue[tuple[Stamped, bytes] | _Mark | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name=f"journal {path.name}", daemon=True)
        self._thread.start()

    def hide(self, *secrets: Secret | None) -> None:
        """Mask these in every line from now on."""
        self._secrets = (*self._secrets, *(secret for secret in secrets if secret is not None))

    def record(self, event: Event) -> Stamped:
        """Stamp the event, queue it for the file and return it, its secrets masked; never waits and never fails."""
        self._seq += 1
        stamped = Stamped(seq=self._seq, at=time.time(), event=event)
        try:
            stamped, line = without_passwords(stamped, self._secrets)
        except (TypeError, ValueError) as error:
            # An event that cannot be written is a bug of ours; the transaction that it tells of must not break by it.
            log.exception("an event cannot be written")
            self.failure = self.failure or OSError(errno.EINVAL, f"an event cannot be written ({type(error).__name__})")
            return stamped
        self._queue.put((stamped, line))
        return stamped

    @property
    def unwritten(self) -> tuple[Stamped, ...]:
        """What the disk did not take yet, oldest first."""
        return tuple(stamped for stamped, _ in tuple(self._pending))

    async def seal(self) -> bool:
        """Wait until all that was recorded is on disk; False where that did not happen within 5 seconds."""
        return await self._reached(sync=True)

    async def flush(self) -> bool:
        """Wait until all that was recorded can be read from the file, though it may not be on disk yet."""
        return await self._reached(sync=False)

    async def _reached(self, *, sync: bool) -> bool:
        mark = _Mark(sync=sync)
        self._queue.put(mark)
        try:
            async with asyncio.timeout(_SEAL_DEADLINE):
                await mark.reached.wait()
        except TimeoutError:
            self.failure = self.failure or OSError(errno.EIO, "the disk does not answer")
            return False
        return self.failure is None

    def close(self) -> None:
        """Write what is queued and close the file."""
        self._queue.put(None)
        self._thread.join(_SEAL_DEADLINE)

    def _write(self) -> None:
        while True:
            item = self._queue.get()
            try:
                match item:
                    case (stamped, line):
                        self._put(stamped, line)
                    case _Mark(sync=True) | None:
                        os.fsync(self._file)
            except OSError as error:
                # A full disk must not change what happens in the database; the run reads this, and the faces say it.
                self.failure = self.failure or error
            if item is None:
                os.close(self._file)
                return
            if isinstance(item, _Mark):
                item.reach()

    def _put(self, stamped: Stamped, line: bytes) -> None:
        """Write the line behind all that is still unwritten; whole lines only, also on a disk that is full."""
        self._pending.append((stamped, line))
        while self._pending:
            _, line = self._pending[0]
            try:
                _write_all(self._file, line)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._file, self._size)
                raise
            self._size += len(line)
            self._pending.popleft()


class _Mark(Struct, kw_only=True):
    """A place in the queue of a journal, reached when all before it is written."""

    sync: bool
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    def reach(self) -> None:
        """Wake who waits, from the thread that writes."""
        with contextlib.suppress(RuntimeError):
            # who waited may be gone, and its loop closed
            self._loop.call_soon_threadsafe(self.reached.set)


def _write_all(file: int, line: bytes) -> None:
    while line:
        line = line[os.write(file, line) :]


def _resumed(file: int, path: Path) -> int:
    """Return the number of the last event in the file, and end a line that its writer could not end."""
    size = os.fstat(file).st_size
    if size and os.pread(file, 1, size - 1) != b"\n":
        _write_all(file, b"\n")
    return max((stamped.seq for stamped, _ in read_file(path)), default=0)


def read_file(path: Path, *, offset: int = 0) -> Iterator[tuple[Stamped, int]]:
    """Yield the events of one file from a byte offset on, each with the offset behind it.

    A last line that is cut off (its writer was killed, or is still writing) ends the reading; any other line that
    cannot be read is passed over.
    """
    with path.open("rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            try:
                yield event_of(line), offset
            except MalformedLine as error:
                log.warning("%s at byte %d: %s", path, offset - len(line), error)


def last_event(path: Path, kind: str) -> Stamped | None:
    """Return the last event of a kind (the name of its class), looked for in the last 128 KB of the file only.

    For ends, which are among the last lines of a log of any length; None where no whole line there has it. Raises
    `OSError`.
    """
    mark = f'"event":"{kind}"'.encode("ascii")
    with path.open("rb") as file:
        file.seek(max(file.seek(0, os.SEEK_END) - _TAIL, 0))
        lines = file.read().splitlines(keepends=True)
    for line in reversed(lines):
        if mark in line and line.endswith(b"\n"):
            with contextlib.suppress(MalformedLine):
                return event_of(line)
    return None


def is_written(path: Path) -> bool:
    """Whether the process that writes this file of a session is still alive."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False
