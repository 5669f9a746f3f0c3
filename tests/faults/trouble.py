"""Makes the faults of the matrix happen: sets the scene before a run, strikes as a phase begins, mends at the end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import asyncpg
import pytest
from msgspec import Struct, field
from msgspec.structs import replace

from changeover.core.history.native import creation
from changeover.core.keys import attempt_to_take, keys_of
from changeover.core.limits import Limits
from tests.faults.doomed import Doomed
from tests.faults.ledger import LIMITS, Ledger
from tests.faults.matrix import Cell, Fault, Phase, begins, files_of
from tests.faults.proxy import Message, Proxy, Way
from tests.servers import connect

# A moment of trouble is shorter than what connecting is tried for; seconds.
MOMENT: Final = 0.6
_STOPS: Final = {
    Fault.STOPPED_FAST: signal.SIGINT,
    Fault.STOPPED_IMMEDIATELY: signal.SIGQUIT,
    Fault.CRASHES: signal.SIGKILL,
}
_MIGRATION: Final = "application_name LIKE 'changeover migration%' AND datname = current_database()"
_ALONE: Final = "DELETE FROM changeover.migration WHERE version = '0000'"
_FOREIGN: Final = (
    "INSERT INTO changeover.migration (version, name, file, checksum, checksum_normalised, duration_ms, operator,"
    " run_id) VALUES ('0000', 'foreign', '0000_foreign.sql', '', '', 0, 'somebody', gen_random_uuid())"
)
# shorter than a statement that sleeps, and than the guard is idle
_LIMITS: Final = {
    "statement_timeout": "250ms",
    "lock_timeout": "250ms",
    "idle_in_transaction_session_timeout": "600ms",
    "idle_session_timeout": "900ms",
}
_A_DAY: Final = 86_400.0


class Trouble(Struct, kw_only=True):
    """One fault on its way to its phase."""

    cell: Cell
    server: Doomed
    ledger: Ledger
    proxy: Proxy | None = None
    # the process of the runner, where it is one of its own
    runner: int | None = None
    # what a terminal does, where the fault is its
    at_terminal: Callable[[], None] = lambda: None
    striking: asyncio.Task[None] | None = None
    # another session of the application, where the fault is about one
    _other: asyncpg.Connection | None = None
    _disk: Path | None = None
    _clock: pytest.MonkeyPatch = field(default_factory=pytest.MonkeyPatch)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    def judge(self, message: Message) -> Way:
        """Strike as the phase begins; the judge of a proxy."""
        if self.striking is None and self.cell.phase is not Phase.CONFIRMATION and self._begins(message):
            self.strike()
            # What strikes between two migrations is there before the second begins, however slow the machine is.
            return Way.LATE if self.cell.phase is Phase.BETWEEN else Way.PASS
        return Way.PASS

    def _begins(self, message: Message) -> bool:
        if not begins(self.cell)(message):
            return False
        # the runner's own pre-check, and not that of the command before it
        return self.cell.phase is not Phase.PRE_CHECK or self.proxy is None or self.proxy.has_seen("guard")

    def strike(self) -> None:
        """Let the fault happen, beside everything else."""
        if self._disk is not None and self.cell.phase is Phase.CONCURRENTLY:
            # an index is built at once: before the message arrives
            fill(self._disk)
        self.striking = asyncio.create_task(self._strike(), name=str(self.cell))

    async def strike_before(self) -> None:
        """Let the fault happen while nobody runs anything yet; a moment of trouble is still there as the run begins."""
        self.strike()
        assert self.striking is not None
        if self.cell.fault not in {Fault.REFUSES, Fault.HANGS}:
            await self.striking

    @asynccontextmanager
    async def scene(self) -> AsyncIterator[None]:
        """Prepare what the fault needs, and leave the server as it was before."""
        self.ledger.write(files_of(self.cell.phase, self.cell.fault))
        await self._prepare()
        try:
            yield
        finally:
            await self._mend()
            await self._stack.aclose()

    async def over(self) -> None:
        """Wait until the fault has struck, and mend what it broke: what comes now is a run without it."""
        assert self.striking is not None, "the phase was not reached"
        await self.striking
        await self._mend()

    # -- before

    async def _prepare(self) -> None:
        ledger, phase = self.ledger, self.cell.phase
        match self.cell.fault:
            case Fault.TAMPERED:
                await ledger.execute(creation("changeover"))
            case Fault.NO_RIGHTS:
                await self._with_an_ordinary_role()
            case Fault.ROLE_LIMITS:
                for name, limit in _LIMITS.items():
                    await ledger.execute(f"ALTER ROLE postgres SET {name} = '{limit}'")
            case Fault.DISK_FULL:
                self._disk = self._stack.enter_context(small_disk())
                await ledger.execute(f"CREATE TABLESPACE small LOCATION '{self._disk}'")
                self._stack.push_async_callback(ledger.execute, "DROP TABLESPACE small")
                self._stack.push_async_callback(ledger.execute, "DROP INDEX IF EXISTS effect_n")
            case Fault.DEADLOCK:
                await ledger.execute("DROP TABLE IF EXISTS other; CREATE TABLE other (n int)")
                # long enough for the server to see the deadlock before our budget is spent
                ledger.settings = replace(ledger.settings, limits=Limits(lock_timeout=20, lock_pause=(0.05, 0.1)))
                begin = "SET deadlock_timeout = '60s'; BEGIN; LOCK TABLE other"
                if phase is Phase.CONCURRENTLY:
                    begin = "SET deadlock_timeout = '60s'; BEGIN; SELECT count(*) FROM effect"
                    begin = f"{begin}; LOCK TABLE effect IN ROW EXCLUSIVE MODE"
                self._other = await self._stack.enter_async_context(self._session(begin))
            case Fault.LOCKED if phase is Phase.CONNECTING:
                await self._stack.enter_async_context(
                    self._session(f"BEGIN; {attempt_to_take(keys_of('changeover').run)}")
                )
            case Fault.LOCKED if phase is Phase.CONCURRENTLY:
                # it reads the table and goes on: an index build waits for whoever could see the old state
                begin = "BEGIN; LOCK TABLE effect IN ROW EXCLUSIVE MODE"
                await self._stack.enter_async_context(self._session(begin))
            case _:
                pass
        if phase is Phase.WAITING:
            await self._stack.enter_async_context(self._session("BEGIN; LOCK TABLE effect"))

    async def _with_an_ordinary_role(self) -> None:
        await self.ledger.execute(
            "DROP ROLE IF EXISTS deployer; DROP ROLE IF EXISTS shop; CREATE ROLE shop; "
            "CREATE ROLE deployer LOGIN IN ROLE shop; ALTER TABLE effect OWNER TO shop; "
            "GRANT CREATE ON SCHEMA public TO shop; GRANT CREATE ON DATABASE postgres TO shop"
        )
        superuser, self.ledger.target = self.ledger.target, replace(self.ledger.target, user="deployer")

        async def away() -> None:
            self.ledger.target = superuser
            await self.ledger.execute("DROP OWNED BY deployer, shop CASCADE; DROP ROLE deployer, shop")
            await self.ledger.execute("CREATE TABLE IF NOT EXISTS effect (n int)")

        self._stack.push_async_callback(away)

    @asynccontextmanager
    async def _session(self, begin: str) -> AsyncIterator[asyncpg.Connection]:
        other = await connect(self.server.target, application_name="nightly-report")
        await other.execute(begin)
        try:
            yield other
        finally:
            other.terminate()

    # -- the fault

    async def _strike(self) -> None:
        # a wait, and a statement that sleeps, are under way only after a moment
        slow = self.cell.phase is Phase.WAITING or bool(files_of(self.cell.phase))
        await asyncio.sleep(0.1 if slow else 0)
        match self.cell.fault:
            case Fault.RESETS | Fault.REFUSES | Fault.HANGS:
                await self._on_the_way()
            case Fault.TERMINATED | Fault.CANCELLED as fault:
                does = "terminate" if fault is Fault.TERMINATED else "cancel"
                await self.ledger.execute(f"SELECT pg_{does}_backend(pid) FROM pg_stat_activity WHERE {_MIGRATION}")
            case Fault.STOPPED_FAST | Fault.STOPPED_IMMEDIATELY | Fault.CRASHES as fault:
                await asyncio.to_thread(self.server.restart, _STOPS[fault])
            case Fault.WRONG_PASSWORD:
                self.server.allow("scram-sha-256")
                await asyncio.to_thread(self.server.restart)
            case Fault.NO_RIGHTS:
                await self.ledger.execute("REVOKE shop FROM deployer")
            case Fault.DISK_FULL if self.cell.phase is not Phase.CONCURRENTLY:
                assert self._disk is not None
                fill(self._disk)
            case Fault.DEADLOCK:
                assert self._other is not None
                mode = "SHARE" if self.cell.phase is Phase.CONCURRENTLY else "ACCESS EXCLUSIVE"
                await self._other.execute(f"LOCK TABLE effect IN {mode} MODE")
                await self._other.execute("COMMIT")
            case Fault.LOCKED if self.cell.phase is Phase.CONCURRENTLY:
                await asyncio.sleep(MOMENT)
                self.ledger.stop_now()
            case Fault.TAMPERED:
                await self.ledger.execute(_FOREIGN)
            case Fault.FILE_CHANGED:
                path = self._third_file
                path.write_bytes(path.read_bytes() + b"-- changed\n")
            case Fault.CLOCK_JUMPS:
                self._jump()
            case Fault.TERM | Fault.KILL | Fault.LOG_FULL:
                self._on_the_runner()
            case Fault.VIEWER_KILLED | Fault.HANG_UP | Fault.STALL:
                self.at_terminal()
            case _:
                pass

    async def _on_the_way(self) -> None:
        assert self.proxy is not None
        if self.cell.fault is Fault.RESETS:
            self.proxy.cut()
            return
        self.proxy.door = "refuse" if self.cell.fault is Fault.REFUSES else "hang"
        if self.cell.fault is Fault.REFUSES:
            self.proxy.cut()
        else:
            self.proxy.freeze()
        await asyncio.sleep(MOMENT)
        self.proxy.door = "forward"

    def _on_the_runner(self) -> None:
        assert self.runner is not None
        if self.cell.fault is Fault.LOG_FULL:
            resource.prlimit(self.runner, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        else:
            os.kill(self.runner, signal.SIGTERM if self.cell.fault is Fault.TERM else signal.SIGKILL)

    def _jump(self) -> None:
        """Set the clock of this process back by a day, and a moment later a day ahead."""
        real, jumped = time.time, time.monotonic()
        self._clock.setattr(time, "time", lambda: real() + (-_A_DAY if time.monotonic() - jumped < 0.2 else _A_DAY))

    @property
    def _third_file(self) -> Path:
        return self.ledger.folder / "migrations" / "0003_three.sql"

    # -- after

    async def _mend(self) -> None:
        """Take the fault away; done twice, it does nothing the second time."""
        if self.cell.fault is Fault.WRONG_PASSWORD:
            self.server.allow("trust")
        await self.ledger.reconnect()
        match self.cell.fault:
            case Fault.NO_RIGHTS:
                await self.ledger.execute("GRANT shop TO deployer")
            case Fault.ROLE_LIMITS:
                for name in _LIMITS:
                    await self.ledger.execute(f"ALTER ROLE postgres RESET {name}")
            case Fault.DISK_FULL:
                assert self._disk is not None
                (self._disk / "filler").unlink(missing_ok=True)
            case Fault.TAMPERED:
                await self.ledger.execute(_ALONE)
            case Fault.FILE_CHANGED:
                path = self._third_file
                path.write_bytes(path.read_bytes().removesuffix(b"-- changed\n"))
            case Fault.CLOCK_JUMPS:
                self._clock.undo()
            case _:
                pass
        # whoever was in the way goes home
        if self.cell.phase is Phase.WAITING or self.cell.fault in {Fault.LOCKED, Fault.DEADLOCK}:
            await self.ledger.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                " WHERE application_name = 'nightly-report'"
            )
        self.ledger.settings = replace(self.ledger.settings, limits=LIMITS)


@contextmanager
def small_disk() -> Iterator[Path]:
    """Yield a folder on a file system of its own with four megabytes; the test is skipped where we cannot mount one."""
    folder = Path(tempfile.mkdtemp(prefix="co-disk-"))
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs", str(folder)], capture_output=True, check=False
        )
        if done.returncode != 0:
            pytest.skip("only root can mount a small disk")
        try:
            yield folder
        finally:
            subprocess.run(["umount", str(folder)], check=True)
    finally:
        folder.rmdir()


def fill(folder: Path) -> None:
    """Leave no room on a disk."""
    with (folder / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(bytes(4096))
