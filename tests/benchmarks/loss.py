"""A million events through the reducer of the screen and the log: what they cost, and whether all are there."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

from changeover.core.errors import Fault
from changeover.core.events import (
    Event,
    MigrationBrief,
    MigrationRolledBack,
    MigrationStarted,
    PlanConfirmed,
    ServerFacts,
    StatementBrief,
    StatementFinished,
    StatementStarted,
    StatementState,
)
from changeover.core.journal import Journal, read_file
from changeover.core.view import RunView, reduce
from tests.benchmarks.place import Place
from tests.benchmarks.timing import Found, Row

PART = "memory and loss"
_STATEMENTS = 1000
_SERVER = ServerFacts(
    version="18", version_num=180000, database="bench", user="bench", host="bench", port=5432, system_identifier="1",
    timeline=1, in_recovery=False, tls=False, pooled=False, superuser=False, read_only=False,
)  # fmt: skip
_FAULT = Fault(id="sql", summary="canceling statement due to lock timeout", advice="")


def _events(count: int) -> Iterator[Event]:
    statements = tuple(
        StatementBrief(number=it, line=it, column=1, kind="INSERT", sql="INSERT INTO t", decision="run", reason="")
        for it in range(1, _STATEMENTS + 1)
    )
    brief = MigrationBrief(
        version="1", name="m", file="1_m.sql", entry="migration", transactional=True, statements=statements
    )
    yield PlanConfirmed(digest="", server=_SERVER, migrations=(brief,))
    for attempt in range(1, count // (2 * _STATEMENTS) + 1):
        yield MigrationStarted(version="1", entry="migration", attempt=attempt, of=10, backend=1)
        for number in range(1, _STATEMENTS + 1):
            yield StatementStarted(version="1", number=number)
            yield StatementFinished(
                version="1", number=number, state=StatementState.DONE, tag="INSERT 0 1", elapsed=0.001, rows=1
            )
        yield MigrationRolledBack(version="1", attempt=attempt, fault=_FAULT, blockers=(), wait=None)


def _memory() -> float:
    """Return what this process has in memory now; MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def run(place: Place, found: Found, *, runs: int, quick: bool) -> None:
    """Push them through, then read the log back."""
    count = 50_000 if quick else 1_000_000
    path = place.work / "million.jsonl"
    path.unlink(missing_ok=True)
    journal, view, sent, early = Journal(path), RunView(), 0, 0.0
    began = time.perf_counter()
    for event in _events(count):
        view = reduce(view, journal.record(event))
        sent += 1
        if sent % 5000 == 0:
            # as a run does between migrations
            asyncio.run(journal.flush())
            early = early or (_memory() if sent >= count // 10 else 0.0)
    asyncio.run(journal.flush())
    took, late = time.perf_counter() - began, _memory()
    journal.close()
    numbers = [stamped.seq for stamped, _ in read_file(path)]
    whole = numbers == list(range(1, sent + 1))
    path.unlink()
    note = "(the log has all of them, in order)" if whole else "(THE LOG IS NOT WHOLE)"
    words = f"{count:,} events"
    found.add(
        Row(
            part=PART,
            what=f"{words}, each",
            who="changeover",
            values=(took / sent * 1e6,),
            unit="µs",
            note=note,
            ours=True,
        )
    )
    what = f"memory from the first tenth of {words} to the last"
    found.add(Row(part=PART, what=what, who="changeover", values=(late - early,), unit="MB more", ours=True))
