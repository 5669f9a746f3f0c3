"""What runs of a file of another tool's folder."""

from __future__ import annotations

import pytest

from changeover.core.foreign import script_of_bytes
from changeover.core.script import Script


def script(text: str | bytes, *, transactional: bool = True) -> Script:
    content = text.encode() if isinstance(text, str) else text
    return script_of_bytes(content, file="1_x.up.sql", transactional=transactional)


def runs(text: str | bytes) -> list[str]:
    found = script(text)
    assert found.refusals == ()
    return [statement.sql for statement in found.statements]


def refused(text: str | bytes) -> tuple[str, tuple[int | None, int | None]]:
    found = script(text)
    assert found.statements == ()
    (fault,) = found.refusals
    assert fault.advice
    assert fault.file == "1_x.up.sql"
    return fault.summary, (fault.line, fault.column)


# -- its own transaction


@pytest.mark.parametrize(
    "text",
    [
        "BEGIN;\nCREATE TABLE a (b int);\nCOMMIT;",
        "-- head\nbegin transaction;\nCREATE TABLE a (b int);\nend;\n-- tail",
        "START TRANSACTION; CREATE TABLE a (b int); COMMIT WORK",
        "SET statement_timeout = 0; BEGIN; CREATE TABLE a (b int); COMMIT; RESET statement_timeout;",
    ],
)
def test_one_pair_around_everything_becomes_our_transaction(text: str) -> None:
    found = script(text)
    assert "CREATE TABLE a (b int)" in [it.sql for it in found.statements]
    assert not any(it.kind in {"BEGIN", "START TRANSACTION", "COMMIT"} for it in found.statements)
    assert found.transactional


def test_a_pair_in_a_file_that_opts_out_of_a_transaction_is_one_all_the_same() -> None:
    assert script("BEGIN; SELECT 1; COMMIT;", transactional=False).transactional


@pytest.mark.parametrize(
    ("text", "words", "place"),
    [
        ("SELECT 1;\nCOMMIT;", "COMMIT without a BEGIN", (2, 1)),
        ("SELECT 1; END", "COMMIT without a BEGIN", (1, 11)),
        ("BEGIN;\nSELECT 1;", "BEGIN without a COMMIT", (1, 1)),
        ("BEGIN; SELECT 1; ROLLBACK;", "ROLLBACK inside its own", (1, 18)),
        ("BEGIN; SELECT 1; COMMIT AND CHAIN; SELECT 2; COMMIT", "AND CHAIN", (1, 18)),
        ("BEGIN; SAVEPOINT a; SELECT 1; COMMIT", "SAVEPOINT inside", (1, 8)),
        ("BEGIN; SELECT 1; COMMIT; SELECT 2; COMMIT;", "COMMIT without a BEGIN", (1, 36)),
        ("BEGIN; SELECT 1; COMMIT; BEGIN; SELECT 2;", "BEGIN without a COMMIT", (1, 26)),
        ("BEGIN; SELECT 1; BEGIN; SELECT 2; COMMIT; COMMIT", "BEGIN inside", (1, 18)),
        ("SELECT 1; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; BEGIN; SELECT 2; COMMIT;", "outside of a", (1, 11)),
        ("BEGIN; VACUUM; COMMIT; SELECT 1;", "VACUUM inside the BEGIN", (1, 8)),
        ("SELECT 1; PREPARE TRANSACTION 'x'", "PREPARE TRANSACTION without", (1, 11)),
    ],
)
def test_any_other_transaction_of_a_file_is_refused_where_it_is(text: str, words: str, place: tuple[int, int]) -> None:
    summary, where = refused(text)
    assert words in summary
    assert where == place


@pytest.mark.parametrize(
    ("text", "segments", "modes"),
    [
        ("BEGIN; SELECT 1; SELECT 2; COMMIT;\nBEGIN; SELECT 3; END;", [1, 1, 2], ("", "")),
        ("SELECT 1;\n  BEGIN; SELECT 2; COMMIT;", [0, 1], ("",)),
        ("BEGIN ISOLATION LEVEL READ COMMITTED; SELECT 2; COMMIT;\nSELECT 1;", [1, 0],
         ("ISOLATION LEVEL READ COMMITTED",)),
        ("BEGIN; SELECT 2; COMMIT; SET LOCAL work_mem = '1MB'", [1, 0], ("",)),
        ("BEGIN; COMMIT; BEGIN; SET TRANSACTION DEFERRABLE; SELECT 1; COMMIT; VACUUM", [1, 0], ("DEFERRABLE",)),
        ("BEGIN; CREATE TABLE a (); COMMIT; CREATE INDEX CONCURRENTLY i ON t (a); BEGIN; SELECT 1; COMMIT", [1, 0, 2],
         ("", "")),
    ],
)  # fmt: skip
def test_several_transactions_of_a_file_are_run_one_by_one_and_said_to_be_so(
    text: str, segments: list[int], modes: tuple[str, ...]
) -> None:
    found = script(text)
    assert found.refusals == ()
    assert [it.segment for it in found.statements] == segments
    assert (found.segments, found.transactional, found.modes) == (modes, False, "")
    (note,) = found.notes
    assert (note.id, "not atomic" in note.summary) == ("not-atomic", True)


@pytest.mark.parametrize(
    ("text", "modes"),
    [
        ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SELECT 1", "ISOLATION LEVEL SERIALIZABLE"),
        ("SET lock_timeout = 1; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE; SELECT 1",
         "ISOLATION LEVEL REPEATABLE READ"),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE DEFERRABLE; SELECT 1; COMMIT", "ISOLATION LEVEL SERIALIZABLE DEFERRABLE"),
        ("BEGIN; SET TRANSACTION NOT DEFERRABLE; SELECT 1; COMMIT", "NOT DEFERRABLE"),
        ("SELECT 1", ""),
    ],
)  # fmt: skip
def test_how_its_transaction_begins_goes_into_ours(text: str, modes: str) -> None:
    found = script(text)
    assert found.refusals == ()
    assert found.modes == modes
    assert [it.kind for it in found.statements][-1] == "SELECT"
    assert "SET TRANSACTION" not in [it.kind for it in found.statements]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "SET TRANSACTION READ ONLY; SELECT 1",
        "BEGIN READ ONLY; SELECT 1; COMMIT",
        "SET TRANSACTION SNAPSHOT '00000003-0000001B-1'; SELECT 1",
    ],
)
def test_a_beginning_that_ours_cannot_have_is_refused(text: str) -> None:
    refused(text)


# -- outside a transaction


def test_what_cannot_run_in_a_transaction_takes_the_file_out_of_it_and_says_so() -> None:
    found = script("CREATE INDEX CONCURRENTLY i ON t (a);")
    assert not found.transactional
    (note,) = found.notes
    assert note.id == "outside-transaction"
    assert "CREATE INDEX CONCURRENTLY" in note.summary
    assert "other statements" not in note.summary


def test_the_other_statements_of_the_file_are_said_to_commit_by_themselves() -> None:
    (note,) = script("ALTER TABLE t ADD a int;\n CREATE INDEX CONCURRENTLY i ON t (a);").notes
    assert "each commits by itself" in note.summary
    assert (note.line, note.column) == (2, 2)
    assert note.advice


def test_an_opt_out_needs_no_note() -> None:
    assert script("CREATE INDEX CONCURRENTLY i ON t (a)", transactional=False).notes == ()


def test_what_cannot_run_in_a_transaction_inside_the_files_own_is_refused() -> None:
    assert "inside the BEGIN" in refused("BEGIN; CREATE INDEX CONCURRENTLY i ON t (a); COMMIT")[0]


# -- what the parser does not know


def test_a_statement_that_the_parser_refuses_is_left_to_the_server_with_all_after_it() -> None:
    text = "CREATE TABLE a (b int);\n-- new\n  FROBNICATE é TABLE a;\nCREATE TABLE c (d int);\n-- end\n"
    found = script(text)
    assert [it.sql for it in found.statements] == [
        "CREATE TABLE a (b int)",
        "FROBNICATE é TABLE a;\nCREATE TABLE c (d int)",
    ]
    unread = found.statements[1]
    assert (unread.tree, unread.place.line, unread.place.column) == (None, 3, 3)
    assert text.encode()[unread.start : unread.end].decode() == unread.sql
    (note,) = found.notes
    assert (note.id, note.line) == ("not-known", 3)


def test_a_body_is_never_cut_where_the_parser_lost_its_way() -> None:
    text = "SELECT 1; CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; FROBNICATE; SELECT 2; END; SELECT 3;"
    assert runs(text) == ["SELECT 1", text.removeprefix("SELECT 1; ").removesuffix(";")]


def test_a_transaction_that_ends_behind_what_is_not_known_is_refused() -> None:
    assert "ends or begins a transaction" in refused("FROBNICATE; COMMIT; SELECT 1")[0]


def test_an_unknown_form_of_a_concurrent_build_runs_outside_a_transaction() -> None:
    found = script("CREATE INDEX CONCURRENTLY i ON t (a) FROBNICATE")
    assert not found.transactional
    assert found.statements[0].outside_transaction


def test_what_the_lexer_refuses_no_server_takes() -> None:
    assert "nterminated" in refused("SELECT 'a;\nSELECT 2;")[0]


# -- real files


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("", []),
        ("\n\n", []),
        ("-- nothing\n/* here */", []),
        (";;", []),
        (b"\xef\xbb\xbfSELECT 1;\r\nSELECT 2\r\n", ["SELECT 1", "SELECT 2"]),
        ("SELECT 'a\\';SELECT $$b;$$;SELECT 'c''d;'", ["SELECT 'a\\'", "SELECT $$b;$$", "SELECT 'c''d;'"]),
        ("SELECT $a$ $b$ ; $b$ $a$;SELECT 1", ["SELECT $a$ $b$ ; $b$ $a$", "SELECT 1"]),
        ("-- it's; odd \" here\nSELECT 1 /* ; ' */; SELECT 2", ["SELECT 1", "SELECT 2"]),
        ("SELECT '${NAME}'; -- ${OTHER}\nSELECT 1", ["SELECT '${NAME}'", "SELECT 1"]),
        (
            "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$begin return 1; end;$$;CREATE TABLE t (a int)",
            ["CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$begin return 1; end;$$", "CREATE TABLE t (a int)"],
        ),
        (
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; end;CREATE TABLE t (a int)",
            ["CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; end", "CREATE TABLE t (a int)"],
        ),
    ],
)
def test_real_files_are_taken_apart_as_the_server_does(text: str | bytes, statements: list[str]) -> None:
    assert runs(text) == statements


def test_a_statement_of_240_kilobytes_is_one() -> None:
    values = ",\n".join(f"({number}, 'row; number {number}')" for number in range(9000))
    assert len(values) > 240_000
    assert runs(f"INSERT INTO t VALUES\n{values};\nSELECT 1") == [f"INSERT INTO t VALUES\n{values}", "SELECT 1"]


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        ("SELECT 1;\nCOPY t FROM stdin;\n1\tit's\n\\.\n", "COPY ... FROM STDIN", 2),
        ("COPY t (a) FROM STDIN WITH CSV;", "COPY ... FROM STDIN", 1),
        ("SELECT 1;\n\n\\connect other\n", "\\connect is a command of psql", 3),
        ("\\set x 1\nSELECT :x", "\\set is a command of psql", 1),
    ],
)
def test_what_only_psql_does_is_refused_with_its_line(text: str, words: str, line: int) -> None:
    summary, where = refused(text)
    assert words in summary
    assert where[0] == line


def test_what_pg_dump_writes_around_its_output_is_left_out() -> None:
    text = "\\restrict aB3dE\n\nSELECT 1;\nSELECT '\n\\restrict x\n';\n\\unrestrict aB3dE\n"
    found = script(text)
    assert [it.sql for it in found.statements] == ["SELECT 1", "SELECT '\n\\restrict x\n'"]
    assert found.statements[0].place.line == 3


def test_a_file_that_is_not_utf8_is_data_too() -> None:
    summary, where = refused(b"SELECT 1;\nSELECT '\xff'")
    assert "0xff" in summary
    assert where == (2, 9)


# -- directives of ours


def test_a_hazard_can_be_allowed_in_any_folder() -> None:
    found = script("-- changeover: allow drop-table: it is empty\nDROP TABLE t;")
    assert found.allows[0].hazard == "drop-table"


@pytest.mark.parametrize(
    "text", ["-- changeover: when table t\nDROP TABLE t;", "-- changeover: transaction=off\nVACUUM"]
)
def test_directives_that_another_history_has_no_place_for_are_refused(text: str) -> None:
    assert "folders of Changeover's own" in refused(text)[0]
