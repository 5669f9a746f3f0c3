"""The session folder: who did what, when, and how it ended, as JSON lines of events.

One folder per sitting of an operator, 0700; one file per writer in it, 0600: `console.jsonl` of the process that
looks, `run-1.jsonl` of the runner that it started, `settled.jsonl` of whoever found out later what a dead runner left.
Reading a session merges them by time.
"""

from __future__ import annotations

import contextlib
import getpass
import heapq
import logging
import os
import re
import secrets
import socket
import stat
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import groupby, islice
from pathlib import Path
from typing import Final

from msgspec import Struct

from .directories import log_root, make_private
from .errors import UsageError
from .events import Connected, Event, RunFinished, SessionClosed, SessionOpened, Who
from .journal import Journal, is_written, last_event, read_file
from .secret import Secret
from .target import address_of
from .view import Stamped

log = logging.getLogger(__name__)

CONSOLE_FILE: Final = "console.jsonl"
SETTLED_FILE: Final = "settled.jsonl"
# Characters of a session's label: the server cuts the name of a connection, which ends with the session, to 63 bytes.
_LABEL: Final = 20
SESSION_ID: Final = re.compile(r"\d{8}T\d{6}Z-[a-z0-9_-]{1,32}-[0-9a-f]{4}")


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

    def hide(self, *secrets: Secret | None) -> None:
        """Mask these in every line from now on."""
        self.journal.hide(*secrets)

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


class SessionSummary(Struct, frozen=True, kw_only=True):
    """A session as the list shows it."""

    id: str
    opened_at: float
    command: str
    target: str
    by: str
    result: str | None
    exit_code: int | None
    # whether somebody still writes it
    running: bool
    # whether that is a run, which can be attached to, and not only a console that is open
    run_goes_on: bool = False


def list_sessions(root: Path | None = None, *, newest: int | None = None) -> tuple[SessionSummary, ...]:
    """Return the sessions that can be read, or so many of the newest, newest first."""
    base = root or log_root()
    try:
        folders = [entry for entry in base.iterdir() if SESSION_ID.fullmatch(entry.name)]
    except FileNotFoundError:
        return ()
    summaries = map(_summary, newest_first(folders))
    return tuple(islice((summary for summary in summaries if summary is not None), newest))


def newest_first(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield folders of sessions, or files in them, newest first.

    That is by the second in the session's name, and within it by when each was last written.
    """
    for _, alike in groupby(sorted(paths, key=_second, reverse=True), _second):
        first, *others = alike
        # nothing is asked of the disk where the second tells
        yield from sorted((first, *others), key=_last_written, reverse=True) if others else (first,)


def _second(path: Path) -> str:
    session = path.name if SESSION_ID.fullmatch(path.name) else path.parent.name
    return session.partition("-")[0]


def _last_written(path: Path) -> tuple[int, str]:
    try:
        written = [file.stat().st_mtime_ns for file in (files_of(path) if path.is_dir() else (path,))]
    except OSError:
        written = []
    return max(written, default=0), str(path)


def read_session(session_id: str, root: Path | None = None) -> tuple[Stamped, ...]:
    """Return the events of a session, merged by time; raises `UsageError` where there is no such session."""
    return tuple(_events(folder_of(session_id, root)))


def folder_of(session_id: str, root: Path | None = None) -> Path:
    """Return the folder of a session; raises `UsageError` where there is none that is ours to read."""
    folder = (root or log_root()) / session_id
    if not SESSION_ID.fullmatch(session_id) or not os.access(folder, os.R_OK | os.X_OK) or not folder.is_dir():
        raise UsageError(
            f"There is no session {session_id!r}.", advice="`changeover logs` lists the sessions and their names."
        )
    return folder


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
    word = re.sub(r"[^a-z0-9_-]+", "-", label.lower()).strip("-")[:_LABEL].strip("-") or "session"
    folder = base / f"{stamp}-{word}-{secrets.token_hex(2)}"
    folder.mkdir(mode=0o700)
    return folder


def _events(folder: Path) -> Iterator[Stamped]:
    # A merge and no sort: a clock that is set back in the middle must not mix up what one process has said.
    streams = [(stamped for stamped, _ in read_file(path)) for path in files_of(folder)]
    return heapq.merge(*streams, key=lambda stamped: stamped.at)


def is_open(session_id: str, root: Path | None = None) -> bool:
    """Whether somebody still writes a session: its console, or its run. Raises `UsageError` where there is none."""
    return any(is_written(path) for path in files_of(folder_of(session_id, root)))


def files_of(folder: Path) -> list[Path]:
    """Return the files of a session's events, one for each writer."""
    return sorted(path for path in folder.glob("*.jsonl") if stat.S_ISREG(path.lstat().st_mode))


def _summary(folder: Path) -> SessionSummary | None:
    """Read the first line of each file and its end: a list must not take the time of all that was ever done."""
    try:
        files = files_of(folder)
        first = [stamped for path in files for stamped, _ in islice(read_file(path), 1)]
        ends = {end.at: end for path in files if (end := last_event(path, RunFinished.__name__)) is not None}
        settled = last_event(path, RunFinished.__name__) if (path := folder / SETTLED_FILE) in files else None
        closed = [end for path in files if (end := last_event(path, SessionClosed.__name__)) is not None]
        reached = last_event(folder / CONSOLE_FILE, Connected.__name__)
        written = [path for path in files if is_written(path)]
    except OSError:
        return None
    opened = next(((it.at, it.event) for it in first if isinstance(it.event, SessionOpened)), None)
    if opened is None:
        return None
    at, event = opened
    person = event.who.sudo_user or event.who.os_user
    last = ends[max(ends)].event if ends else None
    # how the sitting ended says more than how its last run did, as a case may still be open after a repair; but not
    # more than what was found out later
    over = settled or max(closed, key=lambda end: end.at, default=None)
    final = last if over is None else over.event
    return SessionSummary(
        id=folder.name,
        opened_at=at,
        command=event.command,
        target=_reached(reached) or event.target,
        by=f"{person}@{event.who.host}",
        result=last.result.value if isinstance(last, RunFinished) else None,
        exit_code=final.exit_code if isinstance(final, (RunFinished, SessionClosed)) else None,
        running=bool(written),
        run_goes_on=any(path.name.startswith("run-") for path in written),
    )


def _reached(connected: Stamped | None) -> str:
    """Return the target that a sitting came to: a set-up begins without one, and one that fails may be edited."""
    if connected is None or not isinstance(connected.event, Connected):
        return ""
    facts = connected.event.server
    return f"{facts.user}@{address_of(facts.host, facts.port)}/{facts.database}"
