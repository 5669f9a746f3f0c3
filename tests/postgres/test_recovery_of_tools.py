"""What a killed runner left in another tool's history: its rows know no run, but which transaction wrote them."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from changeover.core.events import MigrationApplied, MigrationCommitting, Result
from changeover.core.target import Target
from tests.foreign import A, shop_of
from tests.postgres.test_recovery import come_later, cut_before, killed
from tests.runs import Project, project
from tests.servers import psql

NAMES = ("golang-migrate", "dbmate", "goose", "prisma", "flyway", "tern")


@pytest.mark.parametrize("lost", [MigrationApplied, MigrationCommitting])
@pytest.mark.parametrize("name", NAMES)
async def test_what_was_committed_is_found_applied_whatever_the_log_has_lost(
    database: Target, tmp_path: Path, name: str, lost: type
) -> None:
    shop = shop_of(database, tmp_path / "migrations", name)
    done = await shop.apply()
    cut_before(done.folder, lost)
    found, _ = await come_later(database)
    assert [it.result for it in found.settled] == [Result.APPLIED]
    assert len(found.settled[0].applied) == len((await shop.look()).folder.migrations)
    assert (found.settled[0].not_applied, found.in_doubt) == ((), ())


@pytest.mark.parametrize("name", NAMES)
async def test_what_the_runner_had_in_hand_is_found_not_applied(database: Target, tmp_path: Path, name: str) -> None:
    shop = shop_of(database, tmp_path / "migrations", name)
    for file in shop.folder.rglob("*.sql"):
        if A in (text := file.read_text()):
            file.write_text(text.replace(A, f"{A}SELECT pg_sleep(60);\n"))
    await killed(shop)
    found, _ = await come_later(database)
    assert [(it.result, it.applied, len(it.not_applied)) for it in found.settled] == [(Result.ROLLED_BACK, (), 1)]
    assert psql(database, "SELECT to_regclass('shop')") == ""


async def test_steps_outside_a_transaction_are_told_from_the_log(database: Target, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "1_x.sql").write_text(
        "-- migrate:up transaction:false\nCREATE TABLE x ();\nSELECT pg_sleep(60);\n-- migrate:down\n"
    )
    shop: Project = project(database, folder)
    shop.settings = replace(shop.settings, format="dbmate", allowed_hazards={"all": "--allow"})
    await killed(shop)
    found, _ = await come_later(database)
    assert [(it.result, it.partial) for it in found.settled] == [(Result.PARTIAL, ("1",))]
