"""Ten runners at once: one applies, nine are told who has the run key, directly and through poolers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from changeover.core.events import RunFinished
from changeover.core.limits import Limits
from changeover.core.target import Target
from tests.poolers import needs_pgbouncer, pooled
from tests.runs import Project, follow, project
from tests.servers import psql

RUNNERS = 10


@contextmanager
def way(kind: str, target: Target) -> Iterator[Target]:
    """Yield the target as it is, or behind a pooler in this mode."""
    if kind == "direct":
        yield target
        return
    with pooled(target, mode=kind, size=40) as through:
        yield through


async def end_of(shop: Project, digest: str) -> RunFinished:
    return (await follow(await shop.start(digest=digest))).end


@pytest.mark.parametrize(
    "kind",
    ["direct", pytest.param("transaction", marks=needs_pgbouncer), pytest.param("session", marks=needs_pgbouncer)],
)
async def test_of_ten_runners_one_applies_and_nine_are_turned_away(database: Target, tmp_path: Path, kind: str) -> None:
    psql(database, "CREATE TABLE effect (n int)")
    with way(kind, database) as target:
        shop = project(target, tmp_path / "m", Limits(lock_timeout=5))
        # long enough for the last of the ten to arrive on a slow machine
        shop.write(_0001_x="INSERT INTO effect VALUES (1); SELECT pg_sleep(8)")
        digest = (await shop.look()).plan.digest
        ends = await asyncio.gather(*(end_of(shop, digest) for _ in range(RUNNERS)))
    assert sorted(int(end.exit_code) for end in ends) == [0] + [9] * (RUNNERS - 1)
    told = [end.fault.summary for end in ends if end.fault is not None]
    assert len(told) == RUNNERS - 1
    assert psql(database, "SELECT count(*) FROM effect") == "1"
    assert psql(database, "SELECT version, state FROM changeover.attempt") == "0001|applied"
    assert psql(database, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == "0"
