"""What stopped half-way in another tool's folder is gone on with from the session log, which alone knows how far."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from changeover.core.actions import Action, Choice, Settlement, Verb
from changeover.core.directories import log_root
from changeover.core.events import Result, SegmentEnded, StatementFinished
from changeover.core.target import Target
from tests.postgres.test_files_of_tools import shop_of
from tests.postgres.test_recovery import come_later, killed
from tests.runs import Project
from tests.servers import Server, psql

STEPS = (
    "CREATE TABLE shop (id int);\nINSERT INTO shop VALUES (1), (2);\n"
    "CREATE UNIQUE INDEX CONCURRENTLY shop_one ON shop ((1));\nALTER TABLE shop ADD note text;\n"
)
FOLDERS = {
    "dbmate": ("1_x.sql", "-- migrate:up transaction:false\n{}-- migrate:down\n"),
    "goose": ("1_x.sql", "-- +goose NO TRANSACTION\n-- +goose Up\n{}-- +goose Down\n"),
    "tern": ("001_x.sql", "---- tern: disable-tx ----\n{}"),
    "diesel": ("2024-01-01-000000_x/up.sql", "{}"),
    "node-pg-migrate": ("1700000000001_x.sql", "-- Up Migration\n{}"),
}


def half(database: Target, path: Path, form: str, text: str = STEPS) -> Project:
    file, around = FOLDERS[form]
    (path / file).parent.mkdir(parents=True, exist_ok=True)
    return shop_of(database, path, {file: around.format(text)}, form)


@pytest.mark.parametrize("form", FOLDERS)
async def test_apply_goes_on_with_the_first_step_that_is_not_done(database: Target, tmp_path: Path, form: str) -> None:
    shop = half(database, tmp_path / "m", form)
    assert (await shop.apply()).end.result is Result.PARTIAL
    found = await shop.look()
    assert [str(it.state) for it in found.statuses] == ["partial"]
    psql(database, "DROP INDEX shop_one; DELETE FROM shop WHERE id = 2")
    plan = (await shop.look()).plan
    assert [it.done_before for it in plan.migrations[0].statements] == [True, True, False, False]
    # twice over: what the first run did is known to the third, too
    psql(database, "INSERT INTO shop VALUES (2)")
    assert (await shop.apply()).end.result is Result.PARTIAL
    psql(database, "DROP INDEX shop_one; DELETE FROM shop WHERE id = 2")
    done = await shop.apply()
    assert (done.end.result, done.end.exit_code) == (Result.APPLIED, 0)
    assert [it.number for it in done.of(StatementFinished) if it.state == "done"] == [3, 4]
    assert psql(database, "SELECT string_agg(id::text, ',') FROM shop") == "1"
    assert (await shop.look()).plan.migrations == ()


async def test_an_edited_step_that_is_done_is_refused_and_repair_begins_anew(database: Target, tmp_path: Path) -> None:
    shop = half(database, tmp_path / "m", "dbmate")
    stopped = await shop.apply()
    psql(database, "DROP INDEX shop_one")
    half(database, tmp_path / "m", "dbmate", STEPS.replace("(1), (2)", "(1)"))
    assert not (await shop.look()).plan.ready
    settlement = Settlement(version="1", choice=Choice.NOT_APPLIED)
    settled = await shop.apply(action=Action(verb=Verb.REPAIR, settlements=(settlement,)))
    assert (settled.end.result, settled.end.exit_code) == (Result.REPAIRED, 0)
    # both in the same second: what ends their names is drawn by lot
    for folder, end in ((stopped.folder, "ffff"), (settled.folder, "0000")):
        folder.rename(folder.parent / f"20261129T120000Z-session-{end}")
    psql(database, "DROP TABLE shop")
    plan = (await shop.look()).plan
    assert [it.done_before for it in plan.migrations[0].statements] == [False] * 4
    half(database, tmp_path / "m", "dbmate", STEPS.replace("(1), (2)", "(1)").replace("((1))", "(id)"))
    assert (await shop.apply()).end.result is Result.APPLIED


async def test_a_database_that_was_made_anew_has_nothing_of_it(server: Server, tmp_path: Path) -> None:
    with server.new_database() as target:
        shop = half(target, tmp_path / "m", "dbmate")
        await shop.apply()
        assert (await shop.look()).statuses[0].state == "partial"
        server.psql(f"DROP DATABASE {target.database}")
        server.psql(f"CREATE DATABASE {target.database}")
        assert (await shop.look()).statuses[0].state == "pending"


async def test_without_the_log_nothing_is_known(database: Target, tmp_path: Path) -> None:
    shop = half(database, tmp_path / "m", "dbmate")
    await shop.apply()
    shutil.rmtree(log_root())
    assert (await shop.look()).statuses[0].state == "pending"


PAIRS = (
    "BEGIN;\nCREATE TABLE a (id int);\nCOMMIT;\n"
    "BEGIN;\nINSERT INTO a VALUES (1);\nSELECT 1 / (SELECT count(*) FROM gate);\nCOMMIT;\n"
)


async def test_a_transaction_of_the_files_own_that_is_there_is_not_run_again(database: Target, tmp_path: Path) -> None:
    psql(database, "CREATE TABLE gate (id int)")
    shop = half(database, tmp_path / "m", "dbmate", PAIRS)
    done = await shop.apply()
    assert (done.end.result, done.end.exit_code) == (Result.PARTIAL, 8)
    assert done.end.left_behind == ("statement 1 is done",)
    psql(database, "INSERT INTO gate VALUES (1)")
    done = await shop.apply()
    assert done.end.result is Result.APPLIED
    assert [(it.first, it.committed) for it in done.of(SegmentEnded)] == [(2, True)]
    assert psql(database, "SELECT count(*) FROM a") == "1"


async def test_what_a_killed_runner_had_in_hand_is_looked_for(database: Target, tmp_path: Path) -> None:
    shop = half(database, tmp_path / "m", "dbmate", "CREATE TABLE shop (id int);\nSELECT pg_sleep(60);\n")
    await killed(shop, runs="pg_sleep(60)")
    await come_later(database)
    plan = (await shop.look()).plan
    assert [it.id for it in plan.refusals] == ["step-unknown"]
    assert [it.done_before for it in plan.migrations[0].statements] == [True, False]
