"""What a run leaves behind is found after it, on a real server, and what was there before is not held against it."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from changeover.core.documents import apply_document
from changeover.core.events import PostChecked, Result
from changeover.core.target import Target
from tests.runs import Finished, Project, project
from tests.servers import Server, psql


@pytest.fixture
def shop(database: Target, tmp_path: Path) -> Project:
    return project(database, tmp_path / "migrations")


def found(done: Finished) -> list[tuple[str, str, bool]]:
    (checked,) = done.of(PostChecked)
    assert checked.fault is None
    return [(it.object, it.found.partition(":")[0], it.new) for it in checked.findings]


async def test_a_clean_run_is_said_to_be_clean(any_database: Target, tmp_path: Path) -> None:
    shop = project(any_database, tmp_path / "m")
    shop.write(
        _0001_a="CREATE TABLE a (id int PRIMARY KEY, n int CHECK (n > 0));"
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'"
    )
    done = await shop.apply()
    assert found(done) == []
    assert done.view.post_checks == ()


async def test_nothing_is_looked_at_where_nothing_was_done(shop: Project) -> None:
    shop.write(_0001_a="SELECT 1/0")
    assert not (await shop.apply()).of(PostChecked)


async def test_an_index_that_a_run_left_invalid_is_found(any_database: Target, tmp_path: Path) -> None:
    shop = project(any_database, tmp_path / "m")
    psql(any_database, "CREATE TABLE orders (id int); INSERT INTO orders VALUES (1), (1)")
    shop.write(
        _0001_x="-- changeover: transaction=off\nANALYZE orders;\nCREATE UNIQUE INDEX CONCURRENTLY once ON orders (id);"
    )
    done = await shop.apply()
    assert done.end.result is Result.PARTIAL
    assert found(done) == [("index public.once", "invalid", True)]


async def test_an_old_invalid_index_is_told_on_a_table_that_the_run_touched(shop: Project) -> None:
    for table in ("touched", "untouched"):
        psql(shop.target, f"CREATE TABLE {table} (id int); CREATE INDEX {table}_id ON {table} (id)")
        psql(shop.target, f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{table}_id'::regclass")
    shop.write(_0001_x="ALTER TABLE touched ADD COLUMN note text")
    assert found(await shop.apply()) == [("index public.touched_id", "invalid", False)]


async def test_a_constraint_left_not_valid_is_found_and_an_old_one_is_not(shop: Project) -> None:
    psql(shop.target, "CREATE TABLE t (n int); ALTER TABLE t ADD CONSTRAINT old CHECK (n > 0) NOT VALID")
    shop.write(_0001_x='ALTER TABLE t ADD CONSTRAINT "New one" CHECK (n < 9) NOT VALID')
    assert found(await shop.apply()) == [('constraint "New one" on public.t', "NOT VALID", True)]


async def test_a_constraint_that_is_not_enforced_on_purpose_is_no_finding(shop: Project) -> None:
    psql(shop.target, "CREATE TABLE t (n int)")
    shop.write(_0001_x="ALTER TABLE t ADD CONSTRAINT c CHECK (n < 9) NOT ENFORCED")
    assert found(await shop.apply()) == []


async def test_a_setting_that_reaches_every_new_connection_is_found(shop: Project) -> None:
    name = psql(shop.target, "SELECT current_database()")
    psql(shop.target, f"ALTER DATABASE {name} SET work_mem = '8MB'")
    shop.write(
        _0001_x=f"ALTER DATABASE {name} SET search_path = ''; ALTER DATABASE {name} SET work_mem = '9MB'; "
        "SET lock_timeout = '1s'"
    )
    checked = (await shop.apply()).of(PostChecked)[0]
    assert [(it.object, it.expected, it.found.partition(": ")[0]) for it in checked.findings] == [
        (f"database {name}", "search_path not set", 'search_path=""'),
        (f"database {name}", "work_mem=8MB", "work_mem=9MB"),
    ]


async def test_a_new_object_of_another_owner_than_its_neighbours_is_found(server: Server, tmp_path: Path) -> None:
    server.psql("CREATE ROLE shop_owner; CREATE ROLE other_owner")
    with server.new_database() as target:
        psql(target, "CREATE TABLE old (); ALTER TABLE old OWNER TO shop_owner")
        psql(target, "CREATE SCHEMA mine; CREATE SCHEMA yours")
        shop = project(target, tmp_path / "m")
        shop.write(
            _0001_x="CREATE TABLE new (); CREATE TABLE right_one (); ALTER TABLE right_one OWNER TO shop_owner;"
            "CREATE TABLE mine.t (); CREATE TABLE yours.t (); ALTER TABLE yours.t OWNER TO other_owner;"
            "ALTER TABLE old OWNER TO other_owner"
        )
        assert found(await shop.apply()) == [
            ("public.new", "owned by postgres", True),
            ("yours.t", "owned by other_owner", True),
        ]
    server.psql("DROP ROLE shop_owner; DROP ROLE other_owner")


async def test_the_document_of_the_run_has_the_findings(shop: Project) -> None:
    psql(shop.target, "CREATE TABLE t (n int)")
    shop.write(_0001_x="ALTER TABLE t ADD CONSTRAINT c CHECK (n < 9) NOT VALID")
    done = await shop.apply()
    document = apply_document(done.view, replace(shop.target), session="s", outcome=Result.APPLIED, exit_code=0)
    assert [(it.object, it.expected, it.ok) for it in document.post_checks] == [
        ("constraint c on public.t", "valid", False)
    ]
