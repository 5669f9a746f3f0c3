"""Looking through a database, on a real server: nothing is changed, and every read is in a read-only transaction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from changeover.core.connect import Connector
from changeover.core.settings import Retry
from changeover.core.target import Target
from changeover.tui.opening import Mode
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
        await seen(pilot, "PRE-CHECK", "baseline")
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


async def ask_all(target: Target, sql: str) -> None:
    """Have the server run a script."""
    connector = Connector(target, Retry(), emit=lambda _event: None)
    connection = await connector("look")
    try:
        await connection.execute(sql)
    finally:
        await connector.close()
