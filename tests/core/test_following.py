"""Starting and following a run: a runner at hand, and links that end early: nothing lost, nothing half-read."""

from __future__ import annotations

import asyncio
from pathlib import Path

from changeover.core.attach import ReadyRunner, Run, runner_at_hand
from changeover.core.channel import short_path
from changeover.core.codec import event_line
from changeover.core.errors import ExitCode
from changeover.core.events import Result, RunFinished, RunKeyTaken
from changeover.core.journal import Journal
from changeover.core.session_log import CONSOLE_FILE, SessionLog
from changeover.core.view import Stamped

END = RunFinished(run="r", result=Result.APPLIED, exit_code=0, applied=1, elapsed=0.1, fault=None)


async def test_links_that_end_at_once_are_taken_up_less_and_less_often(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "run-1.jsonl")
    first = journal.record(RunKeyTaken(waited=0.0))
    links = 0

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal links
        links += 1
        await reader.readline()
        # the second line is cut off, as where a runner drops a viewer
        writer.write(event_line(first) + event_line(first)[:9] if links == 1 else b"")
        writer.close()

    with short_path(tmp_path, "run-1.sock") as path:
        server = await asyncio.start_unix_server(accept, path)
    seen: list[Stamped] = []

    async def follow() -> None:
        async for stamped in Run(tmp_path, "run-1").events():
            seen.append(stamped)  # noqa: PERF401 - it is read before the end

    following = asyncio.create_task(follow())
    await asyncio.sleep(3.0)
    assert [it.seq for it in seen] == [1]
    assert 3 <= links <= 8
    journal.record(END)
    server.close()
    journal.close()
    await asyncio.wait_for(following, 10)
    assert [it.seq for it in seen] == [1, 2]


async def test_a_runner_at_hand_that_gets_no_work_is_gone_and_leaves_nothing(tmp_path: Path) -> None:
    log = SessionLog.open(command="test", target="test", root=tmp_path)
    with runner_at_hand(log) as ready:
        assert ready is not None
        assert ready.process.poll() is None
    assert ready.process.poll() is not None
    assert [it.name for it in log.folder.iterdir()] == [CONSOLE_FILE]


async def test_a_runner_at_hand_whose_starter_is_gone_ends_without_a_word(tmp_path: Path) -> None:
    log = SessionLog.open(command="test", target="test", root=tmp_path)
    ready = ReadyRunner(log)
    assert ready.process.stdin is not None
    ready.process.stdin.close()
    assert await asyncio.to_thread(ready.process.wait, 60) == ExitCode.USAGE
    assert (log.folder / f"{ready.name}.log").read_text() == ""


def test_where_no_runner_can_load_yet_there_is_none_at_hand(tmp_path: Path) -> None:
    log = SessionLog.open(command="test", target="test", root=tmp_path)
    (log.folder / "run-1.log").mkdir()
    with runner_at_hand(log) as ready:
        assert ready is None
