"""A real pgbouncer in front of a test's server: `pooled(target, mode="transaction")` gives the way through it.

A test that needs one is marked with `needs_pgbouncer`, and is skipped where the program is not installed.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from changeover.core.target import Target

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")

needs_pgbouncer = pytest.mark.skipif(PROGRAM is None, reason="pgbouncer is not installed")

_PORT = 6432


@contextmanager
def pooled(
    target: Target, *, mode: str = "transaction", size: int = 20, users: tuple[str, ...] = (), **settings: str
) -> Iterator[Target]:
    """Yield a target that reaches the same database through a pgbouncer in session, transaction or statement mode.

    `size` is how many server connections it keeps for a database and role; `users` may come in beside the target's.
    """
    assert PROGRAM is not None
    # a socket's path may have about 100 bytes: not under pytest's own folders
    folder = Path(tempfile.mkdtemp(prefix="co-pooler-"))
    try:
        (folder / "users").write_text("".join(f'"{user}" ""\n' for user in {target.user, *users}))
        (folder / "pgbouncer.ini").write_text(_configuration(target, folder, mode, size, settings))
        process = subprocess.Popen(
            [*_unprivileged(), PROGRAM, str(folder / "pgbouncer.ini")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_for(folder / f".s.PGSQL.{_PORT}", process, folder / "log")
            yield replace(target, host=str(folder), port=_PORT)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _configuration(target: Target, folder: Path, mode: str, size: int, settings: dict[str, str]) -> str:
    values = {
        "listen_port": str(_PORT),
        "unix_socket_dir": str(folder),
        "auth_type": "trust",
        "auth_file": str(folder / "users"),
        "logfile": str(folder / "log"),
        "pool_mode": mode,
        "default_pool_size": str(size),
        "max_client_conn": "200",
        **settings,
    }
    lines = [f"* = host={target.host} port={target.port}"]
    return "\n".join(["[databases]", *lines, "[pgbouncer]", *(f"{k} = {v}" for k, v in values.items()), ""])


def _unprivileged() -> tuple[str, ...]:
    """Return what makes root look like somebody else to a program that refuses root; its files stay its own."""
    return ("unshare", "--user", "--map-user=65534") if os.geteuid() == 0 else ()


def _wait_for(path: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 10
    while True:
        with socket.socket(socket.AF_UNIX) as link:
            try:
                link.connect(str(path))
                return
            except OSError:
                said = log.read_text() if log.exists() else ""
                assert process.poll() is None, f"pgbouncer did not start: {said}"
                assert time.monotonic() < deadline, f"pgbouncer does not listen: {said}"
        time.sleep(0.05)
