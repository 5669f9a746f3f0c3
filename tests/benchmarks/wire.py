"""What the console writes to an 80x24 terminal, and how soon it answers on a slow line."""

from __future__ import annotations

import asyncio
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from changeover.core.attach import running_runs
from changeover.core.directories import log_root
from tests.benchmarks.place import ADDRESS, Place, environment
from tests.benchmarks.throughput import small
from tests.benchmarks.timing import Found, Row
from tests.tui.pty_terminal import Terminal

PART = "the wire"
_SCENE = "CREATE TABLE account (id int PRIMARY KEY, n int);"
_STEP = "ALTER TABLE account ADD COLUMN note text;\n"
_BAUD = 57_600
_LOOK = 6.0
_PROGRAM = str(Path(sys.executable).with_name("changeover"))


class SlowTerminal(Terminal):
    """A terminal on a serial line: ten bits a byte, and what does not fit waits in the program."""

    def _read(self, wait: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], wait)
        if not ready:
            return False
        try:
            data = os.read(self._master, _BAUD // 10 // 20)
        except OSError:
            return False
        time.sleep(len(data) / (_BAUD / 10))
        self.written += data
        self._stream.feed(data)
        return bool(data)


def run(place: Place, found: Found, *, runs: int, quick: bool) -> None:
    """Count bytes on the idle overview, beside a lock and while statements go by; press the stop key on a slow line."""
    folder = place.work / "wire"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "0001_m.sql").write_text(_STEP)
    with place.database(_SCENE) as database:
        env = environment(place, DATABASE_URL=place.url(database))
        with Terminal([_PROGRAM, "--migrations", str(folder)], environ=env, cwd=folder) as terminal:
            terminal.shows("0001")
            _settle(terminal)
            _add(found, "idle overview", _rate(terminal, _LOOK))
        _beside_a_lock(found, folder, database, env)
    _statements(place, found, 5_000 if quick else 100_000)


def _beside_a_lock(found: Found, folder: Path, database: str, env: dict[str, str]) -> None:
    loop = asyncio.new_event_loop()
    reader = loop.run_until_complete(asyncpg.connect(host=ADDRESS, user="postgres", database=database, ssl=False))
    loop.run_until_complete(reader.execute("BEGIN; SELECT count(*) FROM account"))
    try:
        with _applying(folder, env, "--lock-timeout", "60"):
            with Terminal([_PROGRAM, "attach"], environ=env, cwd=folder) as terminal:
                terminal.shows("account", "waiting")
                _settle(terminal)
                _add(found, "a run with its lock panel", _rate(terminal, _LOOK))
            with SlowTerminal([_PROGRAM, "attach"], environ=env, cwd=folder) as terminal:
                terminal.shows("account", "waiting")
                took = []
                for _ in range(5):
                    _rate(terminal, 1.5)
                    began = time.perf_counter()
                    terminal.type("x")
                    terminal.shows("Stop this run?")
                    took.append(time.perf_counter() - began)
                    terminal.type("\x1b")
                    _rate(terminal, 1.0)
            what = "stop key to its question, at 57,600 baud, the slowest of five"
            found.add(Row(part=PART, what=what, who="changeover", values=(max(took),), ours=True))
    finally:
        loop.run_until_complete(reader.close())
        loop.close()


def _statements(place: Place, found: Found, count: int) -> None:
    folder = place.work / "wire-many"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    # the table is locked by the first, so that the viewer is there before the others go by
    (folder / "0001_m.sql").write_text("SELECT pg_sleep(8);\n" + small(count))
    with place.database() as database:
        env = environment(place, DATABASE_URL=place.url(database))
        with _applying(folder, env) as applying:
            with Terminal([_PROGRAM, "attach"], environ=env, cwd=folder) as terminal:
                terminal.shows("0001", within=400)
                before, began = len(terminal.written), time.perf_counter()
                terminal.shows("RECEIPT", within=400)
                rate = (len(terminal.written) - before) / (time.perf_counter() - began)
            applying.wait(400)
        _add(found, f"{count:,} statements going by", rate)


@contextmanager
def _applying(folder: Path, env: dict[str, str], *more: str) -> Iterator[subprocess.Popen[bytes]]:
    """Apply in the background, without a screen; stopped at the end."""
    words = [_PROGRAM, "apply", "--yes", "--plain", "--allow", "all", "--migrations", str(folder), *more]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(words, env=env, cwd=folder, stdin=quiet, stdout=quiet, stderr=quiet) as process:
        try:
            _wait_for_the_run(env)
            yield process
        finally:
            process.terminate()


def _wait_for_the_run(env: dict[str, str]) -> None:
    """Wait until there is something to attach to."""
    deadline = time.monotonic() + 400
    while not running_runs(log_root(env)):
        assert time.monotonic() < deadline, "the run never began"
        time.sleep(0.2)


def _settle(terminal: Terminal) -> None:
    _rate(terminal, 3.0)


def _rate(terminal: Terminal, seconds: float) -> float:
    """Return bytes per second, of so many seconds."""
    before, end = len(terminal.written), time.monotonic() + seconds
    while time.monotonic() < end:
        terminal._read(0.05)
    return (len(terminal.written) - before) / seconds


def _add(found: Found, what: str, rate: float) -> None:
    found.add(Row(part=PART, what=what, who="changeover", values=(rate,), unit="bytes/s", ours=True))
