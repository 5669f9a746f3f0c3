"""The session folder: who did what, when, and how it ended, as JSON lines of events.

One folder per sitting of an operator, 0700; one file per writer in it, 0600: `console.jsonl` of the process that
looks, `run-1.jsonl` of the runner that it started. Reading a session merges them by time.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import getpass
import heapq
import logging
import os
import queue
import re
import secrets
import socket
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from .codec import MalformedLine, event_line, event_of
from .directories import log_root, make_private
from .errors import UsageError
from .events import Event, RunFinished, SessionClosed, SessionOpened, Who
from .view import RunView, Stamped, reduce

log = logging.getLogger(__name__)

CONSOLE_FILE: Final = "console.jsonl"
_SESSION_ID: Final = re.compile(r"\d{8}T\d{6}Z-[a-z0-9_-]{1,32}-[0-9a-f]{4}")
# How long sealing may take before it is given up; seconds. A stuck disk must not hold a run.
_SEAL_DEADLINE: Final = 5.0


class Journal:
    """The one writer of one file of a session; `record` only queues, a thread of its own writes."""

    def __init__(self, path: Path) -> None:
        """Create the file, 0600, which must not exist; raises `OSError`."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o600)
        # Held as long as this process lives: who can take it knows that the writer is gone.
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.path = path
        self.failure: OSError | None = None
        self._seq = 0
        self._queue: queue.SimpleQueue[bytes | _Mark | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name=f"journal {path.name}", daemon=True)
        self._thread.start()

    def record(self, event: Event) -> Stamped:
        """Stamp the event, queue it for the file and return it; never waits."""
        self._seq += 1
        stamped = Stamped(seq=self._seq, at=time.time(), event=event)
        self._queue.put(event_line(stamped))
        return stamped

    async def seal(self) -> bool:
        """Wait until all that was recorded is on disk; False where that did not happen within 5 seconds."""
        return await self._reached(sync=True)

    async def flush(self) -> bool:
        """Wait until all that was recorded can be read from the file, though it may not be on disk yet."""
        return await self._reached(sync=False)

    async def _reached(self, *, sync: bool) -> bool:
        mark = _Mark(sync=sync)
        self._queue.put(mark)
        # A timer is cheaper than a thread that waits, and marks are few.
        deadline = time.monotonic() + _SEAL_DEADLINE
        while not mark.reached:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.002)
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
                    case bytes():
                        _write_all(self._file, item)
                    case _Mark(sync=True) | None:
                        os.fsync(self._file)
            except OSError as error:
                # A full disk must not change what happens in the database; the faces say it.
                self.failure = self.failure or error
            if item is None:
                os.close(self._file)
                return
            if isinstance(item, _Mark):
                item.reached = True


@dataclass(slots=True, kw_only=True)
class _Mark:
    """A place in the queue of a journal, reached when all before it is written."""

    sync: bool
    reached: bool = False


def _write_all(file: int, line: bytes) -> None:
    while line:
        line = line[os.write(file, line) :]


class SessionLog:
    """One sitting: its folder, and the journal of the process that looks."""

    def __init__(self, folder: Path, journal: Journal) -> None:
        self.folder = folder
        self.id = folder.name
        self.journal = journal
        self._runs = 0

    @classmethod
    def open(cls, *, command: str, target: str, label: str = "", root: Path | None = None) -> SessionLog:
        """Make the folder of a new session and record who opened it; raises `UsageError`.

        `target` names the database without a password; `label` becomes part of the session's name.
        """
        try:
            folder = _make_folder(root or log_root(), label or "session")
            journal = Journal(folder / CONSOLE_FILE)
        except OSError as error:
            where = root or log_root()
            raise UsageError(
                f"The session log cannot be written in {where}: {error.strerror}.",
                advice="Nothing was done. Make the folder writable, or set CHANGEOVER_HOME to one that is.",
            ) from None
        session = cls(folder, journal)
        session.record(
            SessionOpened(
                session=session.id, who=who(), changeover=version("changeover"), command=command, target=target
            )
        )
        return session

    def record(self, event: Event) -> Stamped:
        """Record an event of this process; never waits."""
        return self.journal.record(event)

    async def seal(self) -> bool:
        """Sync the journal; False where it is not on disk within the deadline."""
        return await self.journal.seal()

    def next_run(self) -> str:
        """Return the name under which the next run of this session files its events: run-1, run-2, ..."""
        self._runs += 1
        return f"run-{self._runs}"

    def close(self, exit_code: int, reason: str = "") -> None:
        """Record how the sitting ended, and close the journal."""
        self.record(SessionClosed(exit_code=exit_code, reason=reason))
        self.journal.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSummary:
    """A session as the list shows it."""

    id: str
    opened_at: float
    command: str
    target: str
    by: str
    result: str | None
    exit_code: int | None
    running: bool


def list_sessions(root: Path | None = None) -> tuple[SessionSummary, ...]:
    """Return the sessions that can be read, newest first."""
    base = root or log_root()
    try:
        names = sorted((entry.name for entry in base.iterdir() if _SESSION_ID.fullmatch(entry.name)), reverse=True)
    except FileNotFoundError:
        return ()
    summaries = (_summary(base / name) for name in names)
    found = [summary for summary in summaries if summary is not None]
    # the names are exact to the second only
    return tuple(sorted(found, key=lambda summary: summary.opened_at, reverse=True))


def read_session(session_id: str, root: Path | None = None) -> tuple[Stamped, ...]:
    """Return the events of a session, merged by time; raises `UsageError` where there is no such session."""
    folder = (root or log_root()) / session_id
    if not _SESSION_ID.fullmatch(session_id) or not folder.is_dir():
        raise UsageError(
            f"There is no session {session_id!r}.", advice="`changeover logs` lists the sessions and their names."
        )
    return tuple(_events(folder))


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


def who() -> Who:
    """Return who sits here, as far as the system tells."""
    try:
        os_user = getpass.getuser()
    except (KeyError, OSError):
        os_user = str(os.getuid())
    tty = None
    with contextlib.suppress(OSError):
        tty = os.ttyname(0)
    return Who(
        os_user=os_user,
        sudo_user=os.environ.get("SUDO_USER"),
        host=socket.gethostname(),
        ssh_connection=os.environ.get("SSH_CONNECTION"),
        tty=tty,
    )


def _make_folder(base: Path, label: str) -> Path:
    make_private(base)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    word = re.sub(r"[^a-z0-9_-]+", "-", label.lower()).strip("-")[:32] or "session"
    folder = base / f"{stamp}-{word}-{secrets.token_hex(2)}"
    folder.mkdir(mode=0o700)
    return folder


def _events(folder: Path) -> Iterator[Stamped]:
    streams = [(stamped for stamped, _ in read_file(path)) for path in _files(folder)]
    return heapq.merge(*streams, key=lambda stamped: stamped.at)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.jsonl") if stat.S_ISREG(path.lstat().st_mode))


def _summary(folder: Path) -> SessionSummary | None:
    view, opened, run_exit = RunView(), None, None
    try:
        for stamped in _events(folder):
            if isinstance(stamped.event, SessionOpened):
                opened = stamped.event
            if isinstance(stamped.event, RunFinished):
                run_exit = stamped.event.exit_code
            view = reduce(view, stamped)
    except OSError:
        return None
    if opened is None or view.opened_at is None:
        return None
    person = opened.who.sudo_user or opened.who.os_user
    return SessionSummary(
        id=folder.name,
        opened_at=view.opened_at,
        command=opened.command,
        target=opened.target,
        by=f"{person}@{opened.who.host}",
        result=view.result.value if view.result else None,
        exit_code=view.exit_code if run_exit is None else run_exit,
        running=any(is_written(path) for path in _files(folder)),
    )
