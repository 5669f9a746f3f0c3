"""A server of a test's own, which may be stopped, killed and started again."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from changeover.core import postmaster
from changeover.core.postgres_binaries import embedded
from changeover.core.sandbox import Sandbox
from changeover.core.target import Target
from tests.servers import psql

_SETTINGS = {
    "shared_buffers": "16MB",
    "autovacuum": "off",
    "fsync": "off",
    "full_page_writes": "off",
    "max_prepared_transactions": "5",
    # what an operator may have set, and a migration must not rely on
    "synchronous_commit": "off",
}


class Doomed:
    """A server that is there until a test says otherwise."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sandbox = self._new()
        self._sandbox.start()

    @property
    def target(self) -> Target:
        """Return how it is reached, also while it is down."""
        return self._sandbox.target()

    def kill(self, number: signal.Signals = signal.SIGQUIT) -> None:
        """End it without goodbye: SIGQUIT is an immediate shutdown, SIGINT a fast one; SIGKILL leaves all to recovery.

        See https://www.postgresql.org/docs/18/server-shutdown.html.
        """
        data = self._folder / "data"
        pid = postmaster.server_of(data)
        assert pid is not None
        os.kill(pid, number)
        postmaster.wait_until(lambda: not postmaster.is_postgres_of(pid, data), within=20)
        self._sandbox.stop()

    def start(self) -> None:
        """Start it again; a killed one recovers first."""
        self._sandbox = self._new()
        self._sandbox.start()

    def restart(self, number: signal.Signals = signal.SIGQUIT) -> None:
        """Kill it and start it again."""
        self.kill(number)
        self.start()

    def allow(self, method: str) -> None:
        """Let clients in by this method of pg_hba.conf from now on: trust, scram-sha-256, reject."""
        data = self._folder / "data"
        (data / "pg_hba.conf").write_text(f"local all all {method}\n")
        pid = postmaster.server_of(data)
        if pid is not None:
            os.kill(pid, signal.SIGHUP)

    def psql(self, sql: str) -> str:
        """Run statements and return what they answer."""
        return psql(self.target, sql, binaries=self._sandbox.binaries)

    def standby(self, folder: Path) -> Doomed:
        """Return a hot standby that streams from this server, which is restarted for it.

        See https://www.postgresql.org/docs/18/warm-standby.html#STANDBY-SERVER-SETUP.
        """
        self.stop()
        folder.mkdir(mode=0o700)
        shutil.copytree(self._folder / "data", folder / "data")
        (folder / "data" / "standby.signal").touch()
        self.start()
        with (folder / "data" / "postgresql.auto.conf").open("a") as settings:
            settings.write(f"primary_conninfo = 'host={self.target.host} port={self.target.port} user=postgres'\n")
        return Doomed(folder)

    def stop(self) -> None:
        """End it for good."""
        self._sandbox.stop()

    def _new(self) -> Sandbox:
        return Sandbox(self._folder, binaries=embedded(), settings=_SETTINGS)


@contextmanager
def doomed(folder: Path) -> Iterator[Doomed]:
    """Give a server to a test; it is stopped at the end, whatever became of it."""
    server = Doomed(folder)
    try:
        yield server
    finally:
        server.stop()
