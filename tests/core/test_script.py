"""SQL text -> statements."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.core.directives import Allowance, Condition
from changeover.core.errors import ScriptError
from changeover.core.script import Script, parse


def script(text: str | bytes) -> Script:
    return parse(text.encode() if isinstance(text, str) else text, file="0001_x.sql")


def refused(text: str | bytes) -> ScriptError:
    with pytest.raises(ScriptError) as caught:
        script(text)
    assert caught.value.advice
    return caught.value


def test_a_statement_is_the_text_from_its_first_token_to_its_last() -> None:
    content = "-- head\n/* c */ SELECT 'é', $$;$$ ; -- tail\n\n  ALTER TABLE a ADD b int -- end".encode()
    first, second = script(content).statements
    assert (first.sql, second.sql) == ("SELECT 'é', $$;$$", "ALTER TABLE a ADD b int")
    for statement in (first, second):
        assert content[statement.start : statement.end].decode() == statement.sql
    assert (first.number, second.number) == (1, 2)


def test_columns_count_characters_not_bytes() -> None:
    first, second = script("SELECT 'ééé'; SELECT 2").statements
    assert (str(first.place), str(second.place)) == ("0001_x.sql:1:1", "0001_x.sql:1:15")


def test_a_byte_order_mark_is_skipped_and_spans_stay_those_of_the_file() -> None:
    content = b"\xef\xbb\xbfSELECT 1"
    (statement,) = script(content).statements
    assert content[statement.start : statement.end] == b"SELECT 1"
    assert statement.place.column == 1


@pytest.mark.parametrize("text", ["", "\n\n", "-- only a comment", "/* another */ ;;"])
def test_a_file_without_a_statement_is_fine(text: str) -> None:
    assert script(text).statements == ()


def test_a_semicolon_inside_a_function_body_ends_nothing() -> None:
    text = "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END; SELECT 3"
    assert [s.kind for s in script(text).statements] == ["CREATE FUNCTION", "SELECT"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ALTER TABLE t ADD c int", "ALTER TABLE"),
        ("CREATE UNIQUE INDEX i ON t (a)", "CREATE INDEX"),
        ("CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE FUNCTION"),
        ("DROP MATERIALIZED VIEW IF EXISTS m", "DROP MATERIALIZED VIEW"),
        ("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO x", "ALTER DEFAULT PRIVILEGES"),
        ("CREATE TEMP TABLE t AS SELECT 1", "CREATE TABLE AS"),
        ("WITH a AS (SELECT 1) INSERT INTO t SELECT 1", "INSERT"),
        ("DO $$BEGIN END$$", "DO"),
        ("ALTER INDEX i RENAME TO j", "ALTER INDEX"),
        ("SET lock_timeout = 1", "SET"),
        ("TABLE t", "SELECT"),
        ("GRANT SELECT ON t TO x", "GRANT"),
    ],
)
def test_kinds_are_named_as_the_manual_names_commands(text: str, kind: str) -> None:
    assert script(text).statements[0].kind == kind


def test_a_file_that_is_not_utf8_names_the_byte_and_its_line() -> None:
    error = refused(b"SELECT 1;\nSELECT 'a\xff'")
    assert (error.place.line, error.place.column) == (2, 10) if error.place else False
    assert "0xff" in error.summary


@pytest.mark.parametrize("content", [b"\xff\xfeS\0", "SELECT 1".encode("utf-16-be"), b"SELECT '\0'"])
def test_utf16_and_zero_bytes_are_refused(content: bytes) -> None:
    assert "UTF" in refused(content).summary + refused(content).advice


@pytest.mark.parametrize(
    ("text", "command", "line"),
    [("\\i other.sql", "\\i", 1), ("SELECT 1;\n\\connect x it's", "\\connect", 2), ("SELECT 1 \\gset", "\\gset", 1)],
)
def test_a_psql_command_is_named(text: str, command: str, line: int) -> None:
    error = refused(text)
    assert error.summary.startswith(f"{command} ")
    assert error.place is not None
    assert error.place.line == line
    assert "psql" in error.advice


@pytest.mark.parametrize("text", ["COPY t FROM STDIN", "COPY t FROM STDIN;", "COPY t FROM STDIN;\n1\tit's\n"])
def test_copy_from_stdin_whose_data_has_no_end_is_refused(text: str) -> None:
    error = refused(f"SELECT 1;\n {text}")
    assert "COPY" in error.summary
    assert str(error.place) == "0001_x.sql:2:2"


def test_copy_from_a_file_of_the_server_is_a_statement() -> None:
    assert script("COPY t FROM '/srv/x.csv'").statements[0].kind == "COPY"


def test_a_syntax_error_says_file_line_and_column_in_characters() -> None:
    error = refused("SELECT 1;\nSELECT 'é' FORM t x")
    assert str(error.place) == "0001_x.sql:2:17"
    assert "x" in error.summary


def test_a_variable_of_psql_is_explained() -> None:
    assert "psql" in refused("SELECT :name").advice


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1; COMMIT; SELECT 2",
        "BEGIN; SELECT 1",
        "BEGIN; SELECT 1; COMMIT; SELECT 2",
        "BEGIN; SELECT 1; ROLLBACK",
        "BEGIN; SELECT 1; COMMIT AND CHAIN",
        "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1; COMMIT",
        "SAVEPOINT a",
        "PREPARE TRANSACTION 'x'",
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    ],
)
def test_transaction_control_is_refused(text: str) -> None:
    assert "history row" in refused(text).summary


@pytest.mark.parametrize("begin", ["BEGIN", "START TRANSACTION", "BEGIN READ WRITE"])
def test_one_plain_pair_around_everything_is_dropped(begin: str) -> None:
    (statement,) = script(f"{begin};\nSELECT 1;\nCOMMIT;").statements
    assert (statement.number, statement.sql) == (1, "SELECT 1")


OUTSIDE = [
    "CREATE INDEX CONCURRENTLY i ON t (a)",
    "DROP INDEX CONCURRENTLY i",
    "REINDEX TABLE CONCURRENTLY t",
    "REINDEX (CONCURRENTLY) INDEX i",
    "REINDEX SCHEMA s",
    "VACUUM t",
    "CREATE DATABASE d",
    "DROP DATABASE d",
    "CREATE TABLESPACE s LOCATION '/x'",
    "DROP TABLESPACE s",
    "ALTER SYSTEM SET work_mem = 1",
    "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
    "ALTER DATABASE d SET TABLESPACE s",
    "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p",
    "CLUSTER",
    "DISCARD ALL",
]


@pytest.mark.parametrize("text", OUTSIDE)
def test_what_postgresql_refuses_in_a_transaction_needs_a_file_without_one(text: str) -> None:
    error = refused(text)
    assert "transaction=off" in error.advice
    found = script(f"-- changeover: transaction=off\n{text}")
    assert not found.transactional
    assert found.statements[0].outside_transaction


@pytest.mark.parametrize(
    "text",
    ["ANALYZE t", "REINDEX TABLE t", "CREATE INDEX i ON t (a)", "REINDEX (CONCURRENTLY false) TABLE t",
     "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p WITH (connect = false)", "ALTER TYPE e ADD VALUE 'x'"],
)  # fmt: skip
def test_the_others_run_inside_it(text: str) -> None:
    assert not script(text).statements[0].outside_transaction


def test_directives_belong_to_the_statement_below_and_those_at_the_top_to_the_file() -> None:
    found = script(
        "-- changeover: allow scan-x: small\nSELECT 1;\n"
        '  --  changeover: when table app."Big One"\n-- a word\n-- changeover: allow scan-y: no: traffic\nSELECT 2'
    )
    assert found.allows == (Allowance(hazard="scan-x", reason="small"),)
    first, second = found.statements
    assert (first.condition, first.allows) == (None, ())
    assert second.condition == Condition(kind="table", name='app."Big One"')
    assert second.allows == (Allowance(hazard="scan-y", reason="no: traffic"),)


@pytest.mark.parametrize(
    "text",
    [
        "-- changeover: foo\nSELECT 1",
        "-- changeover:\nSELECT 1",
        "-- changeover: transaction=on\nSELECT 1",
        "-- changeover when table x\nSELECT 1",
        "-- changeover: when tabel x\nSELECT 1",
        "-- changeover: when table\nSELECT 1",
        "-- changeover: when table a b\nSELECT 1",
        "-- changeover: when column x\nSELECT 1",
        "-- changeover: when schema a.b\nSELECT 1",
        "-- changeover: allow x\nSELECT 1",
        "-- changeover: allow x:\nSELECT 1",
        "-- changeover: allow Big: y\nSELECT 1",
    ],
)
def test_a_directive_that_cannot_be_read_is_an_error_at_its_place(text: str) -> None:
    assert str(refused(text).place) == "0001_x.sql:1:1"


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1;\n-- changeover: when table x",
        "SELECT 1;\n-- changeover: allow x: y",
        "SELECT 1;\n-- changeover: transaction=off\nSELECT 2",
        "SELECT 1; -- changeover: when table x\nSELECT 2",
        "SELECT\n-- changeover: when table x\n1",
        "-- changeover: when table x\n-- changeover: when table y\nSELECT 1",
    ],
)
def test_a_directive_in_the_wrong_place_is_an_error(text: str) -> None:
    refused(text)


def test_what_looks_like_a_directive_in_a_string_or_body_is_none() -> None:
    found = script("SELECT '\n-- changeover: foo\n'; DO $$\n-- changeover: foo\nBEGIN END$$")
    assert len(found.statements) == 2


def test_a_statement_that_is_nested_too_deeply_for_its_tree_still_has_its_place_and_kind() -> None:
    deep = "SELECT " + " || ".join(["'é'"] * 150)
    first, second, third = script(f"SELECT 0;\n{deep};\n  DROP TABLE t").statements
    assert (first.kind, second.kind, third.kind) == ("SELECT", "SELECT", "DROP TABLE")
    assert second.tree is None
    assert (second.sql, third.sql, str(third.place)) == (deep, "DROP TABLE t", "0001_x.sql:3:3")


def test_the_fastest_way_through_a_big_file_loses_nothing() -> None:
    count = 20_000
    found = script("INSERT INTO t VALUES ('é', 1); " * count)
    assert len(found.statements) == count
    assert found.statements[-1].place.column == 31 * (count - 1) + 1


@given(st.text(max_size=60))
def test_any_text_is_parsed_or_refused_with_a_place_inside_it(text: str) -> None:
    place = None
    try:
        found = script(text.encode("utf-8", "surrogatepass"))
        assert all(statement.sql for statement in found.statements)
    except ScriptError as error:
        place = error.place or pytest.fail("a refusal without a place")
    assert place is None or 1 <= place.line <= text.count("\n") + 1


def test_a_file_outside_a_transaction_may_have_several_of_its_own() -> None:
    found = script("-- changeover: transaction=off\nBEGIN; SELECT 1; COMMIT;\nSELECT 2;\nBEGIN; SELECT 3; COMMIT;")
    assert ([it.segment for it in found.statements], found.transactional) == ([1, 0, 2], False)
    assert [note.id for note in found.notes] == ["not-atomic"]
    assert "COMMIT without a BEGIN" in refused("-- changeover: transaction=off\nSELECT 1; COMMIT").summary
