"""Where a benchmark takes place: the embedded server, a fresh database for each run, and a link as long as wanted."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from msgspec import Struct

from changeover.core.postgres_binaries import embedded
from changeover.core.sandbox import Sandbox

# All of 127/8 is this machine: an address of its own leaves alone what listens on the port already.
ADDRESS = f"127.83.{os.getpid() // 256 % 256}.{os.getpid() % 256}"
_SETTINGS = {
    "listen_addresses": ADDRESS,
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "autovacuum": "off",
    "max_locks_per_transaction": "256",
}
_numbers = itertools.count(1)


class Place(Struct, frozen=True, kw_only=True):
    """A server on this machine and how to reach it; `work` is a folder for files."""

    sandbox: Sandbox
    work: Path
    host: str = ADDRESS
    port: int = 5432

    @classmethod
    @contextlib.contextmanager
    def open(cls) -> Iterator[Self]:
        """Start the embedded server, and stop it at the end. It is not durable: nobody's disk is measured."""
        work = Path(tempfile.mkdtemp(prefix="changeover-bench-"))
        # the server's own account reads files of COPY here
        work.chmod(0o755)
        sandbox = Sandbox(work / "server", binaries=embedded(), fast=True, settings=_SETTINGS)
        sandbox.start()
        try:
            yield cls(sandbox=sandbox, work=work)
        finally:
            sandbox.stop()
            shutil.rmtree(work, ignore_errors=True)

    @contextlib.contextmanager
    def database(self, scene: str = "") -> Iterator[str]:
        """Make a database with a scene in it, and drop it at the end; its name."""
        name = f"bench_{next(_numbers)}"
        self.psql(f"CREATE DATABASE {name}", "postgres")
        try:
            if scene:
                self.psql(scene, name)
            yield name
        finally:
            self.psql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", "postgres")

    def psql(self, sql: str, database: str) -> str:
        """Run SQL over the socket, beside what is measured."""
        words = [str(psql_program()), "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.sandbox.target("postgres").host]
        done = subprocess.run(
            [*words, "-U", "postgres", "-d", database], input=sql, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def url(self, database: str) -> str:
        """Return the URL of a database, without TLS: the embedded server has none."""
        return f"postgresql://postgres@{self.host}:{self.port}/{database}?sslmode=disable"


def psql_program() -> Path:
    """Return the psql of the embedded wheel."""
    return embedded().folder / "psql"


def environment(place: Place, **more: str) -> dict[str, str]:
    """Return the environment of whatever is measured: settings of its own, and bytecode that is kept."""
    mine = {it: value for it, value in os.environ.items() if not it.startswith(("PG", "DATABASE_URL", "PYTHONDONT"))}
    return {**mine, "CHANGEOVER_HOME": str(place.work / "home"), "PGSSLMODE": "disable", "LC_ALL": "C.UTF-8", **more}


@contextlib.contextmanager
def far(place: Place, round_trip: float) -> Iterator[Place]:
    """Reach the server through a link that adds to each round trip; seconds."""
    words = [sys.executable, "-m", "tests.benchmarks.slow_link", place.host, str(place.port), str(round_trip)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            yield Place(sandbox=place.sandbox, work=place.work, host="127.0.0.1", port=port)
        finally:
            process.terminate()
