"""The link is cut around COMMIT: the run finds out what became of it, and says nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from changeover.core.events import MigrationApplied, Result, Settled
from changeover.core.target import Target
from tests.faults.proxy import Way, once, proxied
from tests.runs import Finished, Project, project
from tests.servers import psql


async def applied_through(database: Target, tmp_path: Path, query: bytes, way: Way) -> tuple[Finished, Project]:
    """Apply two migrations through a proxy that cuts the link at the first message with this query."""
    shop = project(database, tmp_path / "m")
    shop.write(_0000_first="SELECT 1")
    assert (await shop.apply()).end.exit_code == 0
    shop.write(_0001_x="CREATE TABLE one ()", _0002_y="CREATE TABLE two ()")
    async with proxied(database, once(query, way)) as (_, target):
        through = project(target, shop.folder)
        return await through.apply(), shop


async def test_a_commit_whose_answer_is_lost_is_found_applied(database: Target, tmp_path: Path) -> None:
    done, shop = await applied_through(database, tmp_path, b"COMMIT", Way.MUTE)
    assert [settled.applied for settled in done.of(Settled)] == [True]
    assert (done.end.result, done.end.exit_code, done.end.applied) == (Result.APPLIED, 0, 2)
    assert len(done.of(MigrationApplied)) == 2
    assert psql(database, "SELECT count(*) FROM changeover.migration") == "3"
    assert not (await shop.look()).plan.migrations


@pytest.mark.parametrize("query", [b"COMMIT", b"CREATE TABLE one ()"])
async def test_what_never_reached_the_server_is_found_not_applied(
    database: Target, tmp_path: Path, query: bytes
) -> None:
    done, shop = await applied_through(database, tmp_path, query, Way.DROP)
    assert [settled.applied for settled in done.of(Settled)] == [False]
    assert (done.end.result, done.end.exit_code, done.end.applied) == (Result.ROLLED_BACK, 6, 0)
    assert psql(database, "SELECT to_regclass('one'), to_regclass('two')") == "|"
    assert (await shop.apply()).end.exit_code == 0


async def test_a_history_that_was_not_heard_to_be_made_stops_the_run_before_anything(
    database: Target, tmp_path: Path
) -> None:
    shop = project(database, tmp_path / "m")
    shop.write(_0001_x="CREATE TABLE one ()")
    async with proxied(database, once(b"COMMIT", Way.MUTE)) as (_, target):
        done = await project(target, shop.folder).apply()
    assert (done.end.result, done.end.exit_code) == (Result.REFUSED, 4)
    assert psql(database, "SELECT to_regclass('one')") == ""
    assert (await shop.apply()).end.exit_code == 0
