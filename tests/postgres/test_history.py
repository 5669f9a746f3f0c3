"""What is read from a history table, and what is refused because it is not ours or not whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from changeover.core.connect import Connector
from changeover.core.errors import HistoryError
from changeover.core.history import History, native
from changeover.core.history.ledger import Authorship
from changeover.core.target import Target
from tests.runs import QUICK, Project, project
from tests.servers import psql

BY = Authorship(run="00000000-0000-0000-0000-000000000001", operator="O'Neil\\", session="s", digest="d")


@pytest.fixture
def shop(any_database: Target, tmp_path: Path) -> Project:
    return project(any_database, tmp_path / "migrations")


async def read(target: Target, schema: str = "changeover") -> History:
    connect = Connector(target, QUICK, emit=lambda _: None)
    try:
        return await native.read(await connect("look"), schema)
    finally:
        await connect.close()


async def test_a_history_that_is_not_there_is_empty_and_reading_does_not_make_it(any_database: Target) -> None:
    history = await read(any_database)
    assert (history.exists, history.applied) == (False, ())
    assert psql(any_database, "SELECT to_regnamespace('changeover')") == ""


async def test_names_that_need_quoting_are_written_and_read_back(any_database: Target) -> None:
    psql(any_database, "SET standard_conforming_strings = off;" + native.creation('odd "name'))
    attempt = native.record_attempt(
        'odd "name', "00'1\\", BY, entry="migration", state="failed", sqlstate="42601", error="it's \\ broken\n"
    )
    psql(any_database, f"SET standard_conforming_strings = off; {attempt}")
    history = await read(any_database, 'odd "name')
    assert history.attempts[0].version == "00'1\\"
    assert history.attempts[0].error == "it's \\ broken\n"
    assert history.attempts[0].operator == "O'Neil\\"


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("ALTER TABLE changeover.migration DROP COLUMN checksum", "has no column checksum"),
        ("DROP TABLE changeover.attempt", "changeover.attempt is not there"),
        ("TRUNCATE changeover.migration", "has lost its row of 0001"),
        ("UPDATE changeover.meta SET format_version = 99", "says format"),
        ("TRUNCATE changeover.meta", "says format"),
    ],
)
async def test_a_damaged_history_is_one_clear_error_and_nothing_runs(shop: Project, damage: str, words: str) -> None:
    shop.write(_0001_x="CREATE TABLE t ()")
    assert (await shop.apply()).end.exit_code == 0
    psql(shop.target, damage)
    with pytest.raises(HistoryError, match=words):
        await shop.look()


async def test_a_foreign_table_of_the_same_name_is_told_apart(any_database: Target) -> None:
    psql(any_database, "CREATE SCHEMA changeover; CREATE TABLE changeover.migration (id int, applied bool)")
    with pytest.raises(HistoryError, match=r"meta is not there|has no column"):
        await read(any_database)


async def test_a_role_without_rights_is_told_which_it_needs(shop: Project) -> None:
    shop.write(_0001_x="SELECT 1")
    await shop.apply()
    psql(shop.target, "CREATE ROLE looker LOGIN")
    try:
        with pytest.raises(HistoryError) as caught:
            await read(replace(shop.target, user="looker"))
        assert "GRANT USAGE" in caught.value.advice
    finally:
        psql(shop.target, "DROP ROLE looker")


async def test_the_fingerprint_that_the_server_computes_is_ours(shop: Project) -> None:
    shop.write(
        _0001_ä="SELECT 1",
        _0010_z="-- changeover: when table nowhere\nALTER TABLE nowhere ADD COLUMN a int;\nSELECT 1;\n"
        "-- changeover: when table nowhere\nALTER TABLE nowhere ADD COLUMN b int;",
        _0002_y="SELECT 2",
    )
    await shop.apply()
    rows = [(row.version, row.checksum or "", row.deferred) for row in (await read(shop.target)).applied]
    assert ("0010", (1, 3)) in [(version, deferred) for version, _, deferred in rows]
    ours = native.fingerprint(rows)
    assert psql(shop.target, native.fingerprint_check("changeover", ours)) == "1"
    assert psql(shop.target, native.fingerprint_check("changeover", native.fingerprint(rows[1:]))) == ""
