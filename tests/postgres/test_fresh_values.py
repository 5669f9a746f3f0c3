"""A new value of an enum is refused before COMMIT: the pre-check says so wherever the server would."""

from __future__ import annotations

from pathlib import Path

import pytest

from changeover.core.events import Result
from changeover.core.precheck import Verdict
from changeover.core.target import Target
from tests.runs import Project, project
from tests.servers import connect, psql

SCENE = """
CREATE TYPE mood AS ENUM ('sad'); CREATE SCHEMA "Odd"; CREATE TYPE "Odd"."Mood" AS ENUM ('sad');
CREATE TABLE people (id int, note text, mood mood, odd "Odd"."Mood"); INSERT INTO people VALUES (1, 'x', 'sad', 'sad');
"""
ADD = "ALTER TYPE mood ADD VALUE 'glad'"
REFUSED = [
    f"{ADD}; SELECT 'glad'::mood",
    f"{ADD}; INSERT INTO people VALUES (2, 'y', 'glad', 'sad')",
    f"{ADD}; INSERT INTO people (mood) VALUES ('sad'), ('glad')",
    f"{ADD}; INSERT INTO people (mood) SELECT 'glad'",
    f"{ADD}; UPDATE people SET mood = 'glad'",
    f"{ADD}; DELETE FROM people WHERE mood = 'glad'",
    f"{ADD}; SELECT count(*) FROM people WHERE 'glad' <> people.mood",
    f"{ADD}; SELECT count(*) FROM people WHERE mood IN ('sad', 'glad')",
    f"{ADD}; ALTER TABLE people ALTER mood SET DEFAULT 'glad'",
    f"{ADD}; ALTER TABLE people ADD COLUMN other mood DEFAULT 'glad'",
    f"{ADD}; CREATE TABLE later (mood mood DEFAULT 'glad')",
    "ALTER TYPE \"Odd\".\"Mood\" ADD VALUE 'glad' BEFORE 'sad'; UPDATE people SET odd = 'glad'",
]
TAKEN = [
    f"{ADD}; UPDATE people SET note = 'glad'",
    f"{ADD}; INSERT INTO people (note, mood) VALUES ('glad', 'sad')",
    f"{ADD}; SELECT count(*) FROM people WHERE note = 'glad'",
    f"{ADD}; UPDATE people SET odd = 'sad'",
    f"-- changeover: transaction=off\n{ADD}; UPDATE people SET mood = 'glad'",
    "ALTER TYPE mood RENAME VALUE 'sad' TO 'glad'; UPDATE people SET mood = 'glad'",
]


@pytest.fixture
def shop(any_database: Target, tmp_path: Path) -> Project:
    psql(any_database, SCENE)
    return project(any_database, tmp_path / "migrations")


async def test_what_the_server_would_refuse_is_a_conflict(shop: Project) -> None:
    wrong = []
    for sql in REFUSED:
        shop.write(_0001_x=sql)
        plan = (await shop.look()).plan
        conflicts = [row for row in plan.rows if row.verdict is Verdict.CONFLICT]
        placed = [row for row in conflicts if "added at 0001_x.sql:1" in row.found]
        if len(placed) != 1 or plan.ready or await _refused(shop.target, sql) != "55P04":
            wrong.append((sql, conflicts))
    assert wrong == []


async def test_what_the_server_would_take_is_none(shop: Project) -> None:
    wrong = []
    for sql in TAKEN:
        shop.write(_0001_x=sql)
        plan = (await shop.look()).plan
        if not plan.ready or ("off" not in sql and await _refused(shop.target, sql)):
            wrong.append((sql, plan.refusals))
    assert wrong == []


async def test_a_type_of_the_same_transaction_is_judged_as_this_server_does(shop: Project) -> None:
    sql = "CREATE TYPE own AS ENUM ('a'); ALTER TYPE own ADD VALUE 'b'; SELECT 'b'::own"
    shop.write(_0001_x=sql)
    assert (await shop.look()).plan.ready is not bool(await _refused(shop.target, sql))


async def test_a_value_that_an_earlier_migration_adds_is_committed_by_then(shop: Project) -> None:
    shop.write(_0001_add=ADD, _0002_use="UPDATE people SET mood = 'glad'")
    assert (await shop.apply()).end.result is Result.APPLIED


async def _refused(target: Target, sql: str) -> str:
    """Return the SQLSTATE with which the server refuses it in one transaction, nothing where it takes it."""
    connection = await connect(target)
    try:
        await connection.execute("BEGIN")
        for statement in sql.split("; "):
            await connection.execute(statement)
        return ""
    except Exception as error:
        return str(getattr(error, "sqlstate", error))
    finally:
        await connection.execute("ROLLBACK")
        await connection.close()
