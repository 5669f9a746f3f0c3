"""Follows a run: events in, commands out. The console and the plain lines do nothing else while a run goes on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

from .channel import short_path
from .codec import encode, event_of
from .directories import log_root
from .errors import ExitCode, NeedsAttention, UsageError
from .events import Backend, RunFinished, RunStarted, SessionOpened
from .journal import is_written, read_file
from .requests import Assignment, Command, RunRequest
from .session_log import CONSOLE_FILE, SessionLog, folder_of, newest_first, who
from .view import Stamped

# An event may carry a whole plan; bytes.
_LINE: Final = 1 << 30
# A runner that has not opened its socket by then has failed; seconds.
_STARTED_WITHIN: Final = 30.0
_PERIOD: Final = 0.05
# Between two links that brought nothing; seconds.
_LONGEST_PAUSE: Final = 2.0


class Run:
    """A run that goes on in a process of its own."""

    def __init__(self, folder: Path, name: str, process: subprocess.Popen[bytes] | None = None) -> None:
        self.folder = folder
        self.name = name
        self._process = process
        self._writer: asyncio.StreamWriter | None = None
        self._unsent: list[Command] = []

    @property
    def session(self) -> str:
        """The session that the run belongs to."""
        return self.folder.name

    @property
    def is_going_on(self) -> bool:
        """Whether its runner is alive."""
        return not self._is_gone()

    async def events(self) -> AsyncIterator[Stamped]:
        """Yield every event of the run from the first one on, live, until the run has finished.

        Raises `NeedsAttention` where the runner ended without saying how the run did.
        """
        after, pause = 0, _PERIOD
        while True:
            link = await self._reach()
            gone = link is None and self._is_gone()
            before = after
            async for stamped in self._live(link, after) if link else self._filed(after):
                after = stamped.seq
                yield stamped
                if isinstance(stamped.event, RunFinished):
                    await self._reap()
                    return
            if gone:
                raise self._silence()
            # A link that ended early is taken up again; one that brings nothing, less and less often.
            pause = _PERIOD if after > before else min(pause * 2, _LONGEST_PAUSE)
            await asyncio.sleep(pause)

    def _silence(self) -> NeedsAttention | UsageError:
        """Return what it means that the runner is gone and has not said how the run ended."""
        diagnostics = self.folder / f"{self.name}.log"
        if self._process is not None and self._process.returncode == ExitCode.USAGE:
            return UsageError(
                f"The run did not start: the session log cannot be written in {self.folder}.",
                advice=f"Nothing was run. Make room there, or set CHANGEOVER_HOME; the reason is in {diagnostics}.",
            )
        return NeedsAttention(
            "The runner ended without a word.",
            advice="The server ends its work by itself within seconds; then `changeover status` settles what it left. "
            f"What the runner said last is in {diagnostics}.",
        )

    async def stop(self, when: str) -> None:
        """Ask the run to stop: now, after-statement or after-migration."""
        await self._command(Command(command="stop", when=when, by=_me()))

    async def try_now(self) -> None:
        """End the pause before the next attempt."""
        await self._command(Command(command="try-now", by=_me()))

    async def give_up(self) -> None:
        """Let no further attempt begin: what is in hand is tried to its end, and is not tried again."""
        await self._command(Command(command="give-up", by=_me()))

    async def end_blocker(self, blocker: Backend, how: str) -> None:
        """Ask the runner to cancel or terminate a backend that blocks the run; it says in events what became of it."""
        await self._command(Command(command="end", how=how, pid=blocker.pid, started=blocker.started or "", by=_me()))

    async def _command(self, command: Command) -> None:
        if self._writer is None:
            self._unsent.append(command)
            return
        with contextlib.suppress(OSError):
            self._writer.write(encode(command))
            await self._writer.drain()

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """Return a link to the runner; None where there is no runner any more, or it could not be reached for long."""
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
            # what was cut off comes again, whole, over the next link
            while (line := await reader.readline()).endswith(b"\n"):
                yield event_of(line)
        except OSError:
            return
        finally:
            if self._writer is writer:
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


def running_runs(root: Path | None = None) -> tuple[Run, ...]:
    """Return the runs of this user that are going on, the newest session first."""
    base = root or log_root()
    try:
        journals = list(newest_first(base.glob("*/run-*.jsonl")))
    except OSError:
        return ()
    return tuple(Run(path.parent, path.stem) for path in journals if is_written(path))


def last_run(session: str, root: Path | None = None) -> Run | None:
    """Return the run of a session that is going on, else its last one; None where it has none.

    Raises `UsageError` where there is no such session.
    """
    folder = folder_of(session, root)
    runs = sorted(folder.glob("run-*.jsonl"), key=lambda path: int(path.stem.removeprefix("run-")))
    return Run(folder, runs[-1].stem) if runs else None


def opened_by(run: Run) -> Stamped | None:
    """Return the first line of the session that a run belongs to: who opened it, on which target."""
    path = run.folder / CONSOLE_FILE
    if not path.exists():
        return None
    return next((it for it, _ in read_file(path) if isinstance(it.event, SessionOpened)), None)


def started_by(run: Run) -> RunStarted | None:
    """Return the event with which a run began; None where it is not there yet."""
    path = run.folder / f"{run.name}.jsonl"
    if not path.exists():
        return None
    return next((it.event for it, _ in read_file(path) if isinstance(it.event, RunStarted)), None)


class ReadyRunner:
    """A runner that loads what it needs beside us, and waits for its assignment; without one it does nothing.

    Raises OSError where the process cannot be started.
    """

    def __init__(self, log: SessionLog) -> None:
        self.name = log.next_run()
        self._diagnostics = log.folder / f"{self.name}.log"
        self.process: Final = _spawn(self._diagnostics)
        self.is_assigned = False

    async def take(self, assignment: Assignment) -> None:
        """Hand it its work: from here on it lives by itself."""
        self.is_assigned = True
        await asyncio.to_thread(_hand_over, self.process, encode(assignment))

    def dismiss(self) -> None:
        """End one that nothing was handed to, and leave nothing of it."""
        self.process.kill()
        with self.process:
            self._diagnostics.unlink(missing_ok=True)


@contextlib.contextmanager
def runner_at_hand(log: SessionLog) -> Iterator[ReadyRunner | None]:
    """Have a runner load while a plan is made; it is gone at the end, where `start_run` was not called with it.

    None where no process can be started now: `start_run` tries again, and says why.
    """
    try:
        ready = ReadyRunner(log)
    except OSError:
        yield None
        return
    try:
        yield ready
    finally:
        if not ready.is_assigned:
            ready.dismiss()


async def start_run(log: SessionLog, request: RunRequest, ready: ReadyRunner | None = None) -> Run:
    """Start the runner of an approved run, or take one that is at hand; give it target and approval through a pipe.

    Raises `UsageError` where the log cannot be written or the process cannot be started.
    """
    log.journal.hide(request.target.password)
    if not await log.seal():
        raise UsageError(
            f"The session log cannot be written in {log.folder}, so nothing was started.",
            advice="Make room there, or set CHANGEOVER_HOME to a folder on another disk.",
        )
    try:
        ready = ready or ReadyRunner(log)
    except OSError as error:
        raise UsageError(
            f"The process that runs the migrations cannot be started: {error.strerror}.",
            advice="Nothing was run. Make room for one more process (memory, ulimit -u), and try again.",
        ) from None
    await ready.take(
        Assignment(
            request=request, folder=log.folder, session=log.id, name=ready.name, operator=_me(), starter=os.getpid()
        )
    )
    return Run(log.folder, ready.name, ready.process)


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
