"""Follows a run: events in, commands out. The console and the plain lines do nothing else while a run goes on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from .channel import short_path
from .codec import encode, event_of
from .errors import NeedsAttention, UsageError
from .events import RunFinished
from .requests import Assignment, Command, RunRequest
from .session_log import SessionLog, is_written, read_file, who
from .view import Stamped

# An event may carry a whole plan; bytes.
_LINE: Final = 1 << 30
# A runner that has not opened its socket by then has failed; seconds.
_STARTED_WITHIN: Final = 30.0
_PERIOD: Final = 0.05


class Run:
    """A run that goes on in a process of its own."""

    def __init__(self, folder: Path, name: str, process: subprocess.Popen[bytes] | None = None) -> None:
        self.folder = folder
        self.name = name
        self._process = process
        self._writer: asyncio.StreamWriter | None = None
        self._unsent: list[Command] = []

    async def events(self) -> AsyncIterator[Stamped]:
        """Yield every event of the run from the first one on, live, until the run has finished.

        Raises `NeedsAttention` where the runner ended without saying how the run did.
        """
        after = 0
        while True:
            link = await self._reach()
            async for stamped in self._live(link, after) if link else self._filed(after):
                after = stamped.seq
                yield stamped
                if isinstance(stamped.event, RunFinished):
                    await self._reap()
                    return
            # A link that ended early is taken up again, but never in a busy loop.
            await asyncio.sleep(_PERIOD)
            if link is None:
                raise NeedsAttention(
                    "The runner ended without a word.",
                    advice="The server ends its work by itself within seconds; then `changeover status` shows what is "
                    f"applied. What the runner said last is in {self.folder / f'{self.name}.log'}.",
                )

    async def stop(self, when: str) -> None:
        """Ask the run to stop: now, after-statement or after-migration."""
        await self._command(Command(command="stop", when=when, by=_me()))

    async def try_now(self) -> None:
        """End the pause before the next attempt."""
        await self._command(Command(command="try-now", by=_me()))

    async def _command(self, command: Command) -> None:
        if self._writer is None:
            self._unsent.append(command)
            return
        with contextlib.suppress(OSError):
            self._writer.write(encode(command))
            await self._writer.drain()

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """Return a link to the runner, or None where there is no runner any more."""
        for _ in range(round(_STARTED_WITHIN / _PERIOD)):
            try:
                with short_path(self.folder, f"{self.name}.sock") as path:
                    return await asyncio.open_unix_connection(path, limit=_LINE)
            except OSError:
                if self._is_gone():
                    return None
            await asyncio.sleep(_PERIOD)
        return None

    def _is_gone(self) -> bool:
        if self._process is not None:
            return self._process.poll() is not None
        return not is_written(self.folder / f"{self.name}.jsonl")

    async def _live(
        self, link: tuple[asyncio.StreamReader, asyncio.StreamWriter], after: int
    ) -> AsyncIterator[Stamped]:
        reader, writer = link
        try:
            writer.write(encode(Command(command="follow", after=after)))
            self._writer = writer
            for command in self._unsent:
                writer.write(encode(command))
            self._unsent.clear()
            while line := await reader.readline():
                yield event_of(line)
        except OSError:
            return
        finally:
            self._writer = None
            writer.close()

    async def _filed(self, after: int) -> AsyncIterator[Stamped]:
        path = self.folder / f"{self.name}.jsonl"
        if not path.exists():
            return
        for stamped, _ in read_file(path):
            if stamped.seq > after:
                yield stamped

    async def _reap(self) -> None:
        """Take note of the runner's end, so that nothing of it stays behind."""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self._process.wait, 10)


async def start_run(log: SessionLog, request: RunRequest) -> Run:
    """Start the runner of an approved run, and hand it target and approval through a pipe.

    Raises `UsageError` where the process cannot be started.
    """
    name = log.next_run()
    assignment = Assignment(request=request, folder=log.folder, session=log.id, name=name, operator=_me())
    try:
        process = _spawn(log.folder / f"{name}.log")
    except OSError as error:
        raise UsageError(f"The runner cannot be started: {error.strerror}.") from None
    line = encode(assignment)
    await asyncio.to_thread(_hand_over, process, line)
    return Run(log.folder, name, process)


def _spawn(diagnostics: Path) -> subprocess.Popen[bytes]:
    # The runner has its target from the request, and must not find another one.
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "DATABASE_URL" and (not name.startswith("PG") or name == "PGSYSCONFDIR")
    }
    stderr = os.open(diagnostics, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        # -P: the folder in which an operator happens to stand is no place to import from.
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "changeover.core.runner"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            env=environment,
            start_new_session=True,
        )
    finally:
        os.close(stderr)


def _hand_over(process: subprocess.Popen[bytes], line: bytes) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
        pipe.write(line)


def _me() -> str:
    person = who()
    return f"{person.sudo_user or person.os_user}@{person.host}"
