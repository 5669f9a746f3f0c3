"""The server process of a data directory: is it there, is it ready, end it.

A process number alone proves nothing: after a reboot the number in a left-over `postmaster.pid` may belong to
anybody. A process counts as this directory's server only if its program is postgres and it works in the directory.
The lines of `postmaster.pid` are described in PostgreSQL's src/include/utils/pidfile.h; the signals in
https://www.postgresql.org/docs/18/server-shutdown.html.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

_PROC = Path("/proc")
_POLL = 0.01


def server_of(data: Path) -> int | None:
    """Return the process number of the server that runs on the directory `data`, or None."""
    pid = _noted(data)
    return pid if pid is not None and is_postgres_of(pid, data) else None


def is_ready(data: Path, pid: int) -> bool:
    """Whether the server with this process number says that it takes connections."""
    lines = _pid_file(data)
    return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() in {"ready", "standby"}


def is_postgres_of(pid: int, data: Path) -> bool:
    """Whether this process is a postgres, server or backend, that works in the directory `data`."""
    if not (_PROC / "self" / "exe").exists():
        return _ps_says(pid, data)
    process = _PROC / str(pid)
    try:
        # "postgres (deleted)" after the package was upgraded under the running server.
        if not (process / "exe").readlink().name.startswith("postgres"):
            return False
        return (process / "cwd").samefile(data)
    except OSError:
        return False


def end_all(data: Path) -> None:
    """End everything that runs on the directory `data`, politely first; return when it is gone, or after 25 seconds.

    Fast shutdown (SIGINT) for the server, then immediate (SIGQUIT), then SIGKILL. Backends that outlived their
    server are ended too: as long as one is left, a new server refuses to start on the directory.
    """
    pid = server_of(data)
    if pid is not None:
        for number, within in ((signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
            _signal(pid, number)
            if wait_until(lambda: not is_postgres_of(pid, data), within=within):
                break
    for number in (signal.SIGQUIT, signal.SIGKILL):
        left = _processes_of(data)
        for orphan in left:
            _signal(orphan, number)
        if not left or wait_until(lambda: not _processes_of(data), within=2.5):
            return


def forget_stale(data: Path) -> None:
    """Remove a `postmaster.pid` whose number now belongs to a foreign process.

    PostgreSQL refuses to start when any process has that number, whatever it is. A number that nobody has is left to
    PostgreSQL, which then makes sure that the shared memory named in the file is not in use either.
    """
    pid = _noted(data)
    if pid is None or is_postgres_of(pid, data):
        return
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return
    except PermissionError:
        pass
    (data / "postmaster.pid").unlink(missing_ok=True)


def wait_until(condition: Callable[[], bool], *, within: float) -> bool:
    """Return True as soon as the condition holds, False if it does not within so many seconds."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True


def _noted(data: Path) -> int | None:
    try:
        # The number is negative for a stand-alone backend.
        return abs(int(_pid_file(data)[0])) or None
    except (IndexError, ValueError):
        return None


def _pid_file(data: Path) -> list[str]:
    try:
        return (data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _processes_of(data: Path) -> list[int]:
    if not _PROC.is_dir():
        return []
    return [
        int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit() and is_postgres_of(int(entry.name), data)
    ]


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _ps_says(pid: int, data: Path) -> bool:
    # Without /proc (macOS) the command line is what there is: the server is always started with -D and the directory.
    shown = subprocess.run(
        ["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, timeout=10, check=False
    ).stdout
    return "postgres" in shown and str(data) in shown
