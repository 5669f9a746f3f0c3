"""Which sessions are kept, and the removal of the others: by age, count and size.

Never removed are a session that somebody still writes, one with a run that is in doubt, and the last one of each
database (the last with a run, where it had one): a log that forgets what it was kept for is no evidence.
"""

from __future__ import annotations

import logging
import shutil
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from .directories import log_root
from .events import SessionOpened
from .journal import is_written, read_file
from .session_log import CONSOLE_FILE, SESSION_ID
from .settings import Retention
from .unfinished import is_unfinished

log = logging.getLogger(__name__)


# Between two prunings that nobody asked for; seconds. Looking at every folder at each start would be felt.
_NOW_AND_THEN: Final = 3600
_STAMP: Final = ".pruned"


class KeptSession(Struct, frozen=True, kw_only=True):
    """A session as far as pruning needs it."""

    id: str
    folder: Path
    # seconds since the epoch
    opened_at: float
    # user@host:port/database, or what the session says instead; empty where its beginning is lost
    target: str
    size: int
    ran: bool


class Removal(Struct, frozen=True, kw_only=True):
    """A session that is not kept, and why."""

    session: KeptSession
    why: str


def prune(retention: Retention, *, root: Path | None = None, dry_run: bool = False) -> tuple[Removal, ...]:
    """Remove the sessions that are not kept, oldest first, and return them; with `dry_run`, only return them."""
    base = root or log_root()
    sessions = sorted(_sessions(base), key=lambda session: session.opened_at, reverse=True)
    removals = []
    for removal in superfluous(sessions, retention, now=time.time()):
        # looked at one by one, and only those that would go: reading a log takes time
        if _is_busy(removal.session.folder):
            continue
        if not dry_run:
            shutil.rmtree(removal.session.folder, ignore_errors=True)
        removals.append(removal)
    return tuple(removals)


def prune_now_and_then(retention: Retention, *, root: Path | None = None) -> None:
    """Prune if that was not done for an hour; what cannot be removed stays."""
    stamp = (root or log_root()) / _STAMP
    try:
        if stamp.exists() and 0 <= time.time() - stamp.stat().st_mtime < _NOW_AND_THEN:
            return
        stamp.touch(mode=0o600)
        for removal in prune(retention, root=root):
            log.info("session %s was removed: %s", removal.session.id, removal.why)
    except OSError as error:
        log.info("the session logs were not pruned: %s", error.strerror)


def superfluous(sessions: Sequence[KeptSession], retention: Retention, *, now: float) -> tuple[Removal, ...]:
    """Return which of the sessions, newest first, are not kept, oldest first. Pure.

    What makes room are those that only looked, before any that ran something: `status` every minute pushes out no
    record of a run.
    """
    last = _last_of_each_database(sessions)
    removals: dict[str, Removal] = {}
    size = 0
    for number, session in enumerate(sorted(sessions, key=lambda session: not session.ran), start=1):
        size += session.size
        if session.id in last:
            continue
        days = (now - session.opened_at) / 86400
        if days > retention.days:
            removals[session.id] = Removal(session=session, why=f"{days:.0f} days old")
        elif number > retention.sessions:
            removals[session.id] = Removal(session=session, why=f"more than {retention.sessions} sessions")
        elif size > retention.megabytes * 1_000_000:
            removals[session.id] = Removal(session=session, why=f"more than {retention.megabytes:g} MB")
    return tuple(removals[session.id] for session in reversed(sessions) if session.id in removals)


def _last_of_each_database(sessions: Sequence[KeptSession]) -> frozenset[str]:
    last: dict[str, KeptSession] = {}
    for session in sessions:
        known = last.get(session.target)
        if not session.target:
            continue
        if known is None or (session.ran and not known.ran):
            last[session.target] = session
    return frozenset(session.id for session in last.values())


def _sessions(base: Path) -> list[KeptSession]:
    try:
        folders = [entry for entry in base.iterdir() if SESSION_ID.fullmatch(entry.name)]
    except OSError:
        return []
    return [session for folder in folders if (session := _session(folder)) is not None]


def _session(folder: Path) -> KeptSession | None:
    try:
        # never through a link: what is removed is what is here
        if not stat.S_ISDIR(folder.lstat().st_mode):
            return None
        facts = {path.name: path.lstat() for path in folder.iterdir()}
        opened = KeptSession(
            id=folder.name,
            folder=folder,
            opened_at=folder.lstat().st_mtime,
            target="",
            size=sum(fact.st_size for fact in facts.values()),
            ran=any(name.startswith("run-") for name in facts),
        )
        for stamped, _ in read_file(folder / CONSOLE_FILE):
            if isinstance(stamped.event, SessionOpened):
                return replace(opened, opened_at=stamped.at, target=stamped.event.target)
            break
    except OSError as error:
        log.info("session %s is not looked at: %s", folder.name, error.strerror)
        return None
    return opened


def _is_busy(folder: Path) -> bool:
    return any(is_written(path) for path in folder.glob("*.jsonl")) or is_unfinished(folder)
