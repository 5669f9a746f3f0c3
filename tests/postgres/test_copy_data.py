r"""Rows that stand in a migration file after COPY ... FROM STDIN, on real servers."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from changeover.core.events import MigrationRolledBack, Result, StatementFinished, StatementStarted
from changeover.core.target import Target
from tests.postgres.test_files_of_tools import shop_of
from tests.rehearsals import rehearse_on
from tests.runs import follow, project, until
from tests.servers import psql

SHOP = "CREATE TABLE shop (id int PRIMARY KEY, name text NOT NULL);\n"
DUMP = (
    "--\n-- PostgreSQL database dump\n--\n\n\\restrict aB3\n\nSET statement_timeout = 0;\n"
    "SELECT pg_catalog.set_config('search_path', '', false);\nSET default_table_access_method = heap;\n\n"
    "CREATE TABLE public.shop (\n    id integer NOT NULL,\n    name text\n);\n\n"
    "COPY public.shop (id, name) FROM stdin;\n1\tit's; $$ --\n2\t\\N\n3\tBEGIN;\\ttab\n\\.\n\n\n"
    "ALTER TABLE ONLY public.shop\n    ADD CONSTRAINT shop_pkey PRIMARY KEY (id);\n\n\\unrestrict aB3\n"
)


async def test_rows_of_a_file_are_copied_in_its_transaction(any_database: Target, tmp_path: Path) -> None:
    shop = project(any_database, tmp_path / "m")
    shop.allow_hazards()
    rows = "".join(f'{number},"row; ""{number}""\nof two lines"\n' for number in range(1, 40_001))
    shop.write(
        _0001_shop=f"{SHOP}copy shop from STDIN (format csv);\n{rows}\\.\nUPDATE shop SET name = 'é' WHERE id = 2;\n",
        _0002_dump=DUMP.replace("shop", "dumped"),
        _0003_none="COPY shop (id, name) FROM stdin WITH DELIMITER '|';\n\\.\n",
    )
    plan = (await shop.look()).plan
    assert [it.data and (it.data.line, it.data.lines) for it in plan.migrations[0].statements] == [
        None,
        (3, 80_000),
        None,
    ]
    done = await shop.apply()
    assert (done.end.result, done.end.applied) == (Result.APPLIED, 3)
    tags = [(it.tag, it.rows) for it in done.of(StatementFinished) if it.tag.startswith("COPY")]
    assert tags == [("COPY 40000", 40_000), ("COPY 3", 3), ("COPY 0", 0)]
    assert psql(any_database, "SELECT count(*), max(length(name)) FROM shop") == "40000|25"
    assert psql(any_database, "SELECT name FROM dumped ORDER BY id") == "it's; $$ --\n\nBEGIN;\ttab"


@pytest.mark.parametrize(
    ("rows", "line", "words"),
    [
        ("1\ta\nx\tb\n3\tc\n", 5, "invalid input syntax"),
        ("1\ta\n2\tb\n1\tagain\n", 6, "duplicate key"),
        ("1\ta\n2\tb\t2\n", 5, "extra data"),
        ("1\ta\n2\n", 5, "missing data"),
        ("1\ta\n2\t\\N\n", 5, "null value"),
    ],
)
async def test_a_row_that_fails_is_named_by_its_line_in_the_file(
    any_database: Target, tmp_path: Path, rows: str, line: int, words: str
) -> None:
    shop = project(any_database, tmp_path / "m")
    shop.write(_0001_shop=f"{SHOP}\nCOPY shop FROM stdin;\n{rows}\\.\nSELECT 1;\n")
    done = await shop.apply()
    assert (done.end.result, done.end.exit_code) == (Result.ROLLED_BACK, 6)
    assert done.end.fault is not None
    assert words in done.end.fault.summary
    assert (done.end.fault.file, done.end.fault.line) == ("0001_shop.sql", line)
    assert psql(any_database, "SELECT to_regclass('shop')") == ""


async def test_an_error_at_the_first_of_many_rows_is_heard(database: Target, tmp_path: Path) -> None:
    shop = project(database, tmp_path / "m")
    rows = "x\ta\n" + "".join(f"{number}\t{'a' * 100}\n" for number in range(100_000))
    shop.write(_0001_shop=f"{SHOP}COPY shop FROM stdin;\n{rows}\\.\n")
    done = await shop.apply()
    assert done.end.fault is not None
    assert (done.end.fault.sqlstate, done.end.fault.line) == ("22P02", 3)


async def test_it_gives_way_to_whoever_holds_the_table(database: Target, tmp_path: Path) -> None:
    psql(database, SHOP)
    shop = project(database, tmp_path / "m")
    shop.write(_0001_rows="COPY shop FROM stdin;\n1\ta\n\\.\n")
    other = await asyncpg.connect(
        host=database.host, port=database.port, user=database.user, database=database.database
    )
    await other.execute("BEGIN; LOCK TABLE shop IN SHARE MODE")
    run = await shop.start()
    await until(run, lambda event: isinstance(event, MigrationRolledBack))
    await other.execute("COMMIT")
    await other.close()
    assert (await follow(run)).end.result is Result.APPLIED
    assert psql(database, "SELECT count(*) FROM shop") == "1"


async def test_stop_now_ends_it_between_two_rows(database: Target, tmp_path: Path) -> None:
    psql(database, SHOP)
    psql(
        database,
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'begin perform pg_sleep(60); return new; end'",
    )
    psql(database, "CREATE TRIGGER slow BEFORE INSERT ON shop FOR EACH ROW EXECUTE FUNCTION slow()")
    shop = project(database, tmp_path / "m")
    shop.write(_0001_rows="COPY shop FROM stdin;\n1\ta\n2\tb\n\\.\n")
    run = await shop.start()
    await until(run, lambda event: isinstance(event, StatementStarted))
    await run.stop("now")
    done = await follow(run)
    assert (done.end.result, done.end.exit_code) == (Result.STOPPED, 7)
    assert psql(database, "SELECT count(*) FROM shop") == "0"


async def test_outside_a_transaction_it_is_a_step(database: Target, tmp_path: Path) -> None:
    shop = project(database, tmp_path / "m")
    shop.allow_hazards()
    shop.write(
        _0001_x=f"-- changeover: transaction=off\n{SHOP}COPY shop FROM stdin;\n1\ta\n2\tb\n\\.\n"
        "CREATE UNIQUE INDEX CONCURRENTLY one ON shop ((1));\n"
    )
    assert (await shop.apply()).end.result is Result.PARTIAL
    psql(database, "DROP INDEX one; DELETE FROM shop WHERE id = 2")
    # what was copied is done: with other rows it would be another statement
    file = shop.folder / "0001_x.sql"
    text = file.read_text()
    file.write_text(text.replace("2\tb", "2\tc"))
    assert not (await shop.look()).plan.ready
    file.write_text(text)
    assert (await shop.apply()).end.result is Result.APPLIED
    assert psql(database, "SELECT string_agg(name, ',') FROM shop") == "a"


@pytest.mark.parametrize(
    ("form", "file"),
    [("flyway", "V1__x.sql"), ("sqlx", "1_x.sql"), ("golang-migrate", "1_x.up.sql"), ("goose", "1_x.sql")],
)
async def test_a_tool_that_sends_rows_has_them_sent_and_any_other_says_so_before(
    database: Target, tmp_path: Path, form: str, file: str
) -> None:
    head = "-- +goose Up\n" if form == "goose" else "\n"
    files = {file: f"{head}{SHOP}COPY shop FROM stdin;\n1\tit's :name\n\\.\n"}
    shop = shop_of(database, tmp_path / "m", files, form)
    found = (await shop.look()).plan
    if form != "flyway":
        assert [(it.line, it.summary.partition(",")[0]) for it in found.refusals] == [
            (3, "COPY ... FROM STDIN waits for data from the client")
        ]
        return
    assert (await shop.apply()).end.result is Result.APPLIED
    assert psql(database, "SELECT name FROM shop") == "it's :name"


async def test_a_rehearsal_copies_them_too(database: Target, tmp_path: Path) -> None:
    psql(database, SHOP)
    done = await rehearse_on(
        database,
        tmp_path / "m",
        {"0001_a": "COPY shop FROM stdin;\n1\ta\n\\.\nCREATE INDEX shop_name ON shop (name);\n"},
    )
    copied, _ = done.statements
    assert (copied.source, [str(it.mode) for it in copied.locks]) == ("measured", ["ROW EXCLUSIVE"])
    wrong = await rehearse_on(database, tmp_path / "m2", {"0001_a": "COPY shop FROM stdin;\nx\ta\n\\.\n"})
    assert "invalid input syntax" in (wrong.statements[0].error or "")
