"""The demo: an embedded server with the donation platform as its migrations find it, under live traffic."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from .connect import Connection, Connector
from .demo_traffic import DATABASE
from .errors import ChangeoverError
from .sandbox import Sandbox
from .settings import Retry
from .sql import query
from .target import NamedTarget, Target

OWNER: Final = "donation_owner"
# What a changeover.toml would say of it: nothing here is anybody's, so who blocks may be ended.
SAID: Final = NamedTarget(name="demo", url=f"postgresql://{OWNER}@/{DATABASE}", source="the demo", end_blockers=True)
# Seconds that leaving the demo waits for a run that is still going on.
_PATIENCE: Final = 60.0


class Demo(Struct, frozen=True, kw_only=True):
    """A running demo."""

    # the donation platform, as the role that owns it and is no superuser
    target: Target
    # the folder with its migrations, as it was installed
    migrations: Path
    # whether the platform was made anew, so that no migration has been applied yet
    fresh: bool


@asynccontextmanager
async def running(
    home: Path, *, reset: bool = False, say: Callable[[str], object] = lambda _: None
) -> AsyncIterator[Demo]:
    """Run the demo in the folder `demo` of `home` (see `directories.data_root`) as long as the block lasts.

    `reset` begins again before the first migration; `say` is told, in a short sentence each, what takes a moment.
    At the end the traffic stops, then a run that is still going on may finish, then the server stops. Raises
    `SandboxError` where the server cannot be started, or a demo is running already.
    """
    sandbox = Sandbox(home / "demo", what="demo")
    say("Starting the embedded PostgreSQL ...")
    sandbox.start(fresh=reset)
    try:
        target = replace(sandbox.target(DATABASE, OWNER), name=SAID.name)
        fresh = await _prepare(sandbox, say)
        try:
            with as_file(files("changeover.migrations")) as folder, _traffic(sandbox, target):
                yield Demo(target=target, migrations=folder, fresh=fresh)
        finally:
            await _runs_end(sandbox, say)
    finally:
        say("Stopping the embedded PostgreSQL.")
        sandbox.stop()


async def create_sessions(target: Target) -> None:
    """Create the table that the deferred steps wait for, with rows that match; may be repeated.

    Raises `ConnectError` or `ServerError`.
    """
    async with _connected(target) as connection:
        await connection.execute(query("demo_sessions"))


async def _prepare(sandbox: Sandbox, say: Callable[[str], object]) -> bool:
    """Make the platform if it is not there; return whether it was made."""
    async with _connected(sandbox.target()) as connection:
        if await connection.fetch("SELECT FROM pg_database WHERE datname = $1", DATABASE):
            return False
        say("Filling the donation platform: 3,000 users, 60,000 donations ...")
        # Under another name first: a platform is there whole, or not at all.
        unfinished = f"{DATABASE}_unfinished"
        await connection.execute(f"DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)")
        if not await connection.fetch("SELECT FROM pg_roles WHERE rolname = $1", OWNER):
            await connection.execute(query("demo_roles"))
        await connection.execute(f"CREATE DATABASE {unfinished} OWNER {OWNER}")
        async with _connected(sandbox.target(unfinished, OWNER)) as owner:
            await owner.execute(query("demo_platform"), timeout=120)
        await _rename(connection, unfinished)
    return True


async def _rename(connection: Connection, unfinished: str) -> None:
    # The server may need a moment to see that the connection which filled it is gone.
    deadline = time.monotonic() + 10
    while await connection.fetch("SELECT FROM pg_stat_activity WHERE datname = $1", unfinished):
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(0.02)
    await connection.execute(f"ALTER DATABASE {unfinished} RENAME TO {DATABASE}")


@contextlib.contextmanager
def _traffic(sandbox: Sandbox, target: Target) -> Iterator[None]:
    log = os.open(sandbox.folder / "traffic.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        child = subprocess.Popen(
            # -P: the folder that somebody happens to stand in is no place to import from.
            [sys.executable, "-P", "-m", f"{__package__}.demo_traffic", target.host, str(target.port)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            # Ctrl-C in our terminal is not for it.
            start_new_session=True,
        )
    finally:
        os.close(log)
    try:
        yield
    finally:
        assert child.stdin is not None
        child.stdin.close()
        try:
            child.wait(3)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


async def _runs_end(sandbox: Sandbox, say: Callable[[str], object]) -> None:
    """Wait until no transaction of the owner is open: a run outlives the console that started it."""
    told = False
    deadline = time.monotonic() + _PATIENCE
    with contextlib.suppress(ChangeoverError):
        async with _connected(sandbox.target()) as connection:
            while time.monotonic() < deadline and await connection.fetch(
                "SELECT FROM pg_stat_activity WHERE datname = $1 AND usename = $2 AND xact_start IS NOT NULL",
                DATABASE,
                OWNER,
            ):
                if not told:
                    say("A run is still going on; the server stops when it has ended.")
                    told = True
                await asyncio.sleep(0.2)


@asynccontextmanager
async def _connected(target: Target) -> AsyncIterator[Connection]:
    connector = Connector(target, Retry(retries=0), emit=lambda _: None, session="demo")
    try:
        yield await connector("look")
    finally:
        await connector.close()
