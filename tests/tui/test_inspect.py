"""Looking through a database, on a real server: nothing is changed, and every read is in a read-only transaction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from changeover.core.connect import Connector
from changeover.core.settings import Retry
from changeover.core.target import Target
from changeover.tui.opening import Mode
from tests.servers import Server
from tests.tui.showing import readable
from tests.tui.test_console import ask, described, opened, seen, to_the_confirmation

SCENE = """
CREATE TABLE donors (id integer PRIMARY KEY, email text NOT NULL UNIQUE, born date);
COMMENT ON TABLE donors IS 'who gives [/b] \x1b]0;owned\x07';
COMMENT ON COLUMN donors.email IS 'as they typed it';
CREATE TABLE gifts (id bigint GENERATED ALWAYS AS IDENTITY, donor integer REFERENCES donors, amount numeric(12,2));
ALTER TABLE gifts ADD CONSTRAINT positive CHECK (amount > 0) NOT VALID;
CREATE INDEX gifts_donor ON gifts (donor) WHERE amount > 10;
INSERT INTO donors SELECT i, 'a' || i, NULL FROM generate_series(1, 2000) AS i;
ANALYZE donors;
"""


async def _held(target: Target) -> Any:
    connector = Connector(target, Retry(), emit=lambda _event: None)
    connection = await connector("other")
    await connection.execute("BEGIN; LOCK TABLE donors IN ACCESS EXCLUSIVE MODE")
    return connector


async def test_the_schema_the_history_and_what_goes_on_are_looked_through(database: Target, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_scene.sql").write_text("SELECT 1;\n")
    await ask_all(database, SCENE)
    async with opened(described(database), folder, mode=Mode.INSPECT) as pilot:
        await seen(pilot, "READ-ONLY TRANSACTION", "1 pending")
        # behind somebody's ACCESS EXCLUSIVE nothing of this waits
        holder = await _held(database)
        await pilot.press("2")
        shown = await seen(pilot, "SCHEMA", "public.donors", "public.gifts", "~2,000", "not known")
        assert "\x1b" not in shown
        await pilot.press("slash", *"email", "enter")
        shown = await seen(pilot, "1 of", "filter: email")
        assert "public.gifts" not in shown
        await pilot.press("enter")
        shown = await seen(pilot, "as they typed it", "not null", "PRIMARY KEY (id)", "unique btree (email)")
        assert "who gives [/b] ␛]0;owned␇" in shown
        await pilot.press("G")
        await seen(pilot, "public.gifts  has a foreign key to it")
        await pilot.press("escape", "escape")
        await seen(pilot, "public.gifts")
        # read again is read from the server, not from what the overview had
        await ask_all(database, "CREATE TABLE later ()")
        await pilot.press("r")
        await seen(pilot, "public.later")
        await pilot.press("4")
        shown = await seen(pilot, "ACTIVITY", "1 connection with a transaction open", "BEGIN; LOCK")
        await pilot.press("enter")
        await seen(pilot, "AccessExclusiveLock on public.donors", "idle in transaction")
        await pilot.press("escape")
        await seen(pilot, "ACTIVITY")
        await holder.close()
        # it is read again by itself
        await seen(pilot, "no connections with a transaction open")
        await pilot.press("3")
        await seen(pilot, "HISTORY", "nothing was applied yet")
        await pilot.press("b")
        await seen(pilot, "Baseline is not here: this console only reads")
        await pilot.press("1")
        await seen(pilot, "OVERVIEW", "1 pending")
    assert await ask(database, "SELECT 1 FROM pg_namespace WHERE nspname = 'changeover'") == []


async def test_without_a_folder_the_schema_the_history_and_what_goes_on_are_looked_through(database: Target) -> None:
    await ask_all(database, SCENE)
    async with opened(described(database), None, mode=Mode.INSPECT) as pilot:
        shown = await seen(pilot, "There is no migrations folder here.", "READ-ONLY TRANSACTION")
        assert "2 schema, 3 history and 4 activity can be" in shown
        await pilot.press("2")
        await seen(pilot, "SCHEMA", "public.donors")
        await ask_all(database, "CREATE TABLE later ()")
        await pilot.press("r")
        await seen(pilot, "public.later")
        await pilot.press("4")
        await seen(pilot, "ACTIVITY", "no connections with a transaction open")
        await pilot.press("3")
        await seen(pilot, "HISTORY", "nothing was applied yet")
        # a history of another tool is found by its columns, as it is with a folder
        await ask_all(
            database,
            "CREATE TABLE schema_migrations (version varchar(128) PRIMARY KEY);"
            "INSERT INTO schema_migrations VALUES ('20260101000000')",
        )
        await pilot.press("r")
        await seen(pilot, "public.schema_migrations: 1 migration in force", "20260101000000")
        await pilot.press("1")
        await seen(pilot, "OVERVIEW", "There is no migrations folder here.")
        await pilot.press("1")
        await seen(pilot, "Why they cannot be shown is above")


DEFINED = """
CREATE TABLE shop.item (
    id integer GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    state text NOT NULL DEFAULT 'new',
    name text,
    price numeric,
    gross numeric GENERATED ALWAYS AS (price * 1.2) STORED,
    CHECK (price > 0),
    EXCLUDE USING btree (name WITH =)
);
CREATE UNIQUE INDEX item_name ON shop.item (lower(name)) INCLUDE (price) WHERE state <> E'\x1bgone';
CREATE TABLE shop.part (item integer REFERENCES shop.item ON DELETE CASCADE);
CREATE VIEW shop.items AS SELECT id, name FROM shop.item WHERE price > 10;
"""


async def test_a_relation_in_full_has_the_definitions_as_psql_shows_them(database: Target) -> None:
    await ask_all(database, f"CREATE SCHEMA shop; {DEFINED}")
    async with opened(described(database), None, mode=Mode.INSPECT) as pilot:
        await pilot.resize_terminal(120, 40)
        await seen(pilot, "There is no migrations folder here.")
        await pilot.press("2")
        await seen(pilot, "SCHEMA", "shop.item")
        await pilot.press("enter")
        shown = await seen(
            pilot,
            "not null, generated by default as identity",
            "not null, default 'new'::text",
            "generated always as (price * 1.2) stored",
            "CHECK (price > 0::numeric)",
            "EXCLUDE USING btree (name WITH =)",
            "unique btree (lower(name)) INCLUDE (price) WHERE state <> '␛gone'::text",
        )
        assert "\x1b" not in shown
        await pilot.press("escape", "down", "down", "enter")
        await seen(pilot, "Query", "SELECT id,", "WHERE price > 10::numeric;")
        await pilot.press("escape", "down", "enter")
        await seen(pilot, "FOREIGN KEY (item) REFERENCES shop.item(id) ON DELETE CASCADE")
        await pilot.press("escape")
        # whoever holds the relation keeps nobody from what the catalog says by itself
        connector = Connector(database, Retry(), emit=lambda _event: None)
        await (await connector("other")).execute("BEGIN; LOCK TABLE shop.item IN ACCESS EXCLUSIVE MODE")
        await pilot.press("g", "enter")
        await seen(pilot, "unique btree (an expression), includes price, partial", "Definitions are not shown")
        await connector.close()


async def test_the_history_names_the_operators_and_opens_a_row_in_full(database: Target, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_people.sql").write_text("CREATE TABLE people (id integer);\n")
    (folder / "0001_people.revert.sql").write_text("DROP TABLE people;\n")
    async with opened(described(database), folder) as pilot:
        await seen(pilot, "1 pending")
        await pilot.press("b")
        await seen(pilot, "Mark what as applied?", "Mark 0001 as applied")
        await readable(pilot)
        await pilot.press("1")
        await seen(pilot, "PRE-CHECK", "baseline", "0001 people is written down as applied; no statement runs")
        await pilot.press("c")
        await seen(pilot, "CONFIRM", "0001 people (baseline)")
        await readable(pilot)
        await pilot.press("y")
        await seen(pilot, "RECEIPT", "baselined")
        assert await ask(database, "SELECT 1 FROM pg_class WHERE relname = 'people'") == []
        await pilot.press("enter")
        await seen(pilot, "OVERVIEW", "nothing pending")
        await pilot.press("3")
        await seen(pilot, "1 migration in force, by 1 operator")
        await pilot.press("enter")
        await seen(pilot, "in force", "checksum", "run")
        await pilot.press("escape", "escape")
        # undone: the table that the revert script drops is made by hand, as a baseline assumes it
        await ask_all(database, "CREATE TABLE people (id integer)")
        await seen(pilot, "OVERVIEW")
        await pilot.press("u")
        await seen(pilot, "Undo what?", "Undo 0001 people")
        await pilot.pause(0.6)
        await pilot.press("1")
        await seen(pilot, "PRE-CHECK")
        await pilot.press("c")
        await seen(pilot, "CONFIRM", "0001 people (revert)", "1 to run")
        await readable(pilot)
        await pilot.press("y")
        await seen(pilot, "RECEIPT", "reverted")
        await pilot.press("enter")
        await seen(pilot, "1 pending")
        await pilot.press("u")
        await seen(pilot, "nothing to undo")
    assert await ask(database, "SELECT 1 FROM pg_class WHERE relname = 'people'") == []


async def _run_it(pilot: Pilot[int], *entries: str) -> None:
    """Go from the plan that is shown to its receipt, and back to the overview."""
    await seen(pilot, "PRE-CHECK")
    await pilot.press("c")
    await seen(pilot, "CONFIRM", *entries)
    await readable(pilot)
    await pilot.press("y")
    await seen(pilot, "RECEIPT")
    await pilot.press("enter")
    await seen(pilot, "OVERVIEW")


async def test_a_baseline_ends_at_the_chosen_migration_and_undoing_goes_back_to_it(
    database: Target, tmp_path: Path
) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    for number in (1, 2, 3):
        (folder / f"000{number}_step.sql").write_text(f"SELECT {number};\n")
        (folder / f"000{number}_step.revert.sql").write_text(f"SELECT -{number};\n")
    in_force = "SELECT version FROM changeover.migration ORDER BY 1"
    async with opened(described(database), folder) as pilot:
        await seen(pilot, "3 pending", "> 0001")
        await pilot.press("down", "b")
        await seen(pilot, "Mark 2 migrations up to 0002 as applied")
        await readable(pilot)
        await pilot.press("1")
        await _run_it(pilot, "0001 step (baseline)", "0002 step (baseline)")
        await seen(pilot, "1 pending")
        assert [row["version"] for row in await ask(database, in_force)] == ["0001", "0002"]
        await pilot.press("p")
        await _run_it(pilot, "0003 step  1 to run")
        await seen(pilot, "nothing pending")
        await pilot.press("g", "u")
        await seen(pilot, "Undo 0003 step", "Undo all 2 after 0001")
        await readable(pilot)
        await pilot.press("2")
        await _run_it(pilot, "0003 step (revert)", "0002 step (revert)")
        await seen(pilot, "2 pending")
    assert [row["version"] for row in await ask(database, in_force)] == ["0001"]


async def test_what_stopped_half_way_is_settled_through_plan_and_confirmation(database: Target, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    await ask_all(database, "CREATE TABLE people (id integer); INSERT INTO people VALUES (1), (1)")
    (folder / "0001_index.sql").write_text(
        "-- changeover: transaction=off\nCREATE UNIQUE INDEX CONCURRENTLY people_id ON people (id);\n"
    )
    async with opened(described(database), folder) as pilot:
        await seen(pilot, "1 pending")
        await pilot.press("e")
        await seen(pilot, "there is nothing to settle")
        await to_the_confirmation(pilot)
        await pilot.press("y")
        await seen(pilot, "RECEIPT")
        await pilot.press("enter")
        await seen(pilot, "OVERVIEW", "partial")
        await pilot.press("e")
        shown = await seen(pilot, "REPAIR", "drop-invalid", "invalid index public.people_id")
        assert "> 0001" in shown
        await pilot.press("enter")
        await seen(pilot, "PRE-CHECK")
        await pilot.press("c")
        await seen(pilot, "CONFIRM", "(repair)")
        await readable(pilot)
        await pilot.press("y")
        await seen(pilot, "RECEIPT")
        await pilot.press("enter")
        await seen(pilot, "OVERVIEW")
    assert await ask(database, "SELECT 1 FROM pg_class WHERE relname = 'people_id'") == []


async def test_the_first_row_says_whether_the_role_or_only_the_transaction_keeps_us_from_writing(
    server: Server, database: Target, tmp_path: Path
) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_people.sql").write_text("CREATE TABLE people (id integer);\n")
    reader = f"reader_of_{database.database}"
    server.psql(f"CREATE ROLE {reader} LOGIN")
    try:
        async with opened(described(replace(database, user=reader)), folder, mode=Mode.INSPECT) as pilot:
            await seen(pilot, "READ-ONLY ROLE", "1 pending", "the role cannot write: no right to change anything")
            await ask_all(database, f"CREATE TABLE gifts (); GRANT INSERT ON gifts TO {reader}")
            # each look finds out anew what the role may
            await pilot.press("r")
            shown = await seen(pilot, "READ-ONLY TRANSACTION", "role could write: INSERT on public.gifts")
            assert "READ-ONLY ROLE" not in shown
    finally:
        server.psql(f"DROP OWNED BY {reader}", database=database.database)
        server.psql(f"DROP ROLE {reader}")


async def test_a_target_that_may_only_be_looked_at_has_no_key_that_writes(database: Target, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_people.sql").write_text("CREATE TABLE people (id integer);\n")
    async with opened(replace(described(database), read_only=True), folder) as pilot:
        await seen(pilot, "READ-ONLY TRANSACTION", "role could write: superuser", "1 pending")
        await pilot.press("b")
        await seen(pilot, "Baseline is not here: this console only reads")
        await pilot.press("p")
        await seen(pilot, "PRE-CHECK", "nothing can be run")
        await pilot.press("c")
        shown = await seen(pilot, "Confirm is not here: this console only reads")
        assert "CONFIRM" not in shown
        console: Any = pilot.app
        with pytest.raises(Exception, match="read-only"):
            await console.journey._link.connection.execute("CREATE TABLE nothing ()")


async def ask_all(target: Target, sql: str) -> None:
    """Have the server run a script."""
    connector = Connector(target, Retry(), emit=lambda _event: None)
    connection = await connector("look")
    try:
        await connection.execute(sql)
    finally:
        await connector.close()
