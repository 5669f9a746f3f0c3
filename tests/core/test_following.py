"""Following a run over links that end early: no busy loop, nothing lost, nothing half-read."""

from __future__ import annotations

import asyncio
from pathlib import Path

from changeover.core.attach import Run
from changeover.core.channel import short_path
from changeover.core.codec import event_line
from changeover.core.events import Result, RunFinished, RunKeyTaken
from changeover.core.journal import Journal
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
