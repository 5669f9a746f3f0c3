"""Backends of ours that still work for a run whose runner is gone.

The server ends them by itself when it notices that their client is gone. Where that takes longer, or a statement
outside a transaction goes on, they are ended by pid and backend_start together, and only by who holds the run key:
two recoveries must not end each other's work.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from .connect import Connection
from .directories import log_root
from .errors import ServerError
from .events import BackendsFound
from .journal import is_written
from .sql import query

log = logging.getLogger(__name__)

# As `connect` names its connections: changeover PURPOSE SESSION, cut to 63 bytes by the server.
_NAME: Final = re.compile(r"changeover (look|migration|watch|guard|settle) (\d{8}T\d{6}Z-[a-z0-9_-]*)")
# Whose life is the runner's; the others belong to any process of a session.
_OF_A_RUNNER: Final = frozenset({"migration", "watch", "guard"})
# How long a backend may take to go after it was told to; seconds.
_GONE_WITHIN: Final = 10.0


class OrphanBackend(Struct, frozen=True, kw_only=True):
    """A backend of a run of this user, on this host, whose runner is gone."""

    pid: int
    # backend_start as the server writes it; None where our role may not see it
    started: str | None
    purpose: str
    session: str
    state: str | None
    query: str | None
    # of its transaction, seconds
    age: float | None


async def backends_of(connection: Connection, session: str) -> tuple[int, ...]:
    """Return the pids of what still works for the runs of a session; raises `ServerError`."""
    return tuple(
        row["pid"]
        for row in await connection.fetch(query("our_backends"))
        if (found := _NAME.match(row["application"])) and _is_of(found, session) and found[1] in {"migration", "guard"}
    )


async def find(connection: Connection, root: Path | None = None) -> tuple[OrphanBackend, ...]:
    """Return the backends of this user's runs whose runner is gone; raises `ServerError`.

    Of a session that is not in our logs (another user's, another host's) nobody here knows whether it lives.
    """
    base = root or log_root()
    found: list[OrphanBackend] = []
    for row in await connection.fetch(query("our_backends")):
        name = _NAME.match(row["application"])
        folder = _folder(base, name) if name else None
        if name is None or folder is None or _is_alive(folder, name[1]):
            continue
        found.append(
            OrphanBackend(
                pid=row["pid"],
                started=row["started"],
                purpose=name[1],
                session=folder.name,
                state=row["state"],
                query=row["query"],
                age=row["xact_age"],
            )
        )
    return tuple(found)


async def end(connection: Connection, backends: Sequence[OrphanBackend]) -> tuple[OrphanBackend, ...]:
    """End these backends and return those that are still there; call it only while the run key is held.

    What the role may not end stays. Raises `ConnectionLost`.
    """
    for backend in backends:
        if backend.started is None:
            continue
        try:
            await connection.fetch(query("end_backend"), backend.pid, backend.started)
        except ServerError as error:
            log.warning("backend %d cannot be ended: %s", backend.pid, error.summary)
            if connection.is_closed:
                raise
    deadline = time.monotonic() + _GONE_WITHIN
    while True:
        alive = {(row["pid"], row["started"]) for row in await connection.fetch(query("our_backends"))}
        left = tuple(backend for backend in backends if (backend.pid, backend.started) in alive)
        if not left or time.monotonic() > deadline:
            return left
        await asyncio.sleep(0.05)


async def end_guards(connection: Connection, root: Path | None = None) -> tuple[OrphanBackend, ...]:
    """End what holds the run key for a runner that is gone, and return what was told to end.

    The one case without the run key, because it is what holds it. The proof is the lock on the file that the runner
    wrote on this host, which the system gives up only when the process is gone.
    """
    guards = [backend for backend in await find(connection, root) if backend.purpose == "guard"]
    await end(connection, guards)
    return tuple(guards)


def told(found: Sequence[OrphanBackend], left: Sequence[OrphanBackend] | None = None) -> BackendsFound:
    """Return the event that names them; where they were told to end, `left` are those that are still there."""
    pids = tuple(backend.pid for backend in found)
    still = set(pids) if left is None else {backend.pid for backend in left}
    return BackendsFound(
        pids=pids,
        sessions=tuple(sorted({backend.session for backend in found})),
        ended=tuple(pid for pid in pids if pid not in still),
    )


def _is_of(found: re.Match[str], session: str) -> bool:
    return found[0] == f"changeover {found[1]} {session}"[:63]


def _folder(base: Path, name: re.Match[str]) -> Path | None:
    """Return the folder of the session that a backend's name tells, also where the server cut it; None if not ours."""
    whole = base / name[2]
    if whole.is_dir():
        return whole
    if len(name[0]) < 63:
        return None
    matches = [folder for folder in base.glob(f"{name[2]}*") if folder.is_dir()]
    return matches[0] if len(matches) == 1 else None


def _is_alive(folder: Path, purpose: str) -> bool:
    pattern = "run-*.jsonl" if purpose in _OF_A_RUNNER else "*.jsonl"
    return any(is_written(path) for path in folder.glob(pattern))
