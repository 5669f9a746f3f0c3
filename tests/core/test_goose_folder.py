"""goose's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from changeover.core.errors import NumberingError
from changeover.core.migration import Migration

from .folder_files import only, places, read, refusal, sql


def one(path: Path, text: str | bytes, **options: object) -> Migration:
    return only(read(path, "goose", {"00001_x.sql": text}, **options))


def test_sections_run_one_way_and_back_each_in_its_place(tmp_path: Path) -> None:
    found = one(tmp_path, "-- é\n-- +goose Up\nSELECT 1;\nSELECT 2;\n\n-- +goose Down\nSELECT 3;\n")
    assert (found.version, found.name, sql(found.script)) == ("1", "x", ["SELECT 1", "SELECT 2"])
    assert places(found.script) == [(3, 1), (4, 1)]
    assert found.revert is not None
    assert sql(found.revert.script) == ["SELECT 3"]
    assert places(found.revert.script) == [(7, 1)]


def test_a_file_without_a_way_back_has_no_revert(tmp_path: Path) -> None:
    assert one(tmp_path, "-- +goose Up\nSELECT 1;\n").revert is None


def test_a_body_between_its_marks_is_one_statement(tmp_path: Path) -> None:
    body = "CREATE FUNCTION f() RETURNS int AS $$\nBEGIN\n  RETURN 1;\nEND;\n$$ LANGUAGE plpgsql"
    text = f"-- +goose Up\n-- +goose StatementBegin\n{body};\n-- +goose StatementEnd\nSELECT 1;\n"
    assert sql(one(tmp_path, text).script) == [body, "SELECT 1"]


@pytest.mark.parametrize(
    "line",
    ["-- +goose NO TRANSACTION", "--+goose no transaction", "-- +goose No Transaction  ", "-- +goose NO TRANSACTION\r"],
)
@pytest.mark.parametrize("first", [True, False])
def test_the_opt_out_is_read_in_any_case_anywhere_in_the_file(line: str, first: bool, tmp_path: Path) -> None:
    text = f"{line}\n-- +goose Up\nSELECT 1;\n" if first else f"-- +goose Up\nSELECT 1;\n{line}\n"
    assert not one(tmp_path, text).script.transactional


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        ("SELECT 1;\n", "statements above", 1),
        ("-- nothing\n", "no line `-- +goose Up`", 1),
        ("-- +goose Down\nSELECT 1;", "follows no Up", 1),
        ("-- +goose Up\n-- +goose Up\n", "twice", 2),
        ("-- +goose Up\n -- +goose Down\n", "at the beginning of its line", 2),
        ("-- +goose Up\n-- +goose NOTRANSACTION\n", "no annotation", 2),
        ("-- +goose Up\n-- +goose StatementBegin\nSELECT 1;\n", "has no `-- +goose StatementEnd`", 4),
        ("-- +goose Up\n-- +goose StatementEnd\n", "out of place", 2),
    ],
)
def test_what_goose_does_not_read_is_listed_and_says_why(text: str, words: str, line: int, tmp_path: Path) -> None:
    found = one(tmp_path, text)
    assert words in refusal(found)
    assert found.script.refusals[0].line == line


def test_names_are_those_that_the_tool_takes_and_go_is_listed(tmp_path: Path) -> None:
    text = "-- +goose Up\nSELECT 1;\n"
    files = dict.fromkeys(
        ["10_b.sql", "002_a.sql", "0_zero.sql", "x_y.sql", "3.sql", "4_c_test.go", "sub/1_d.sql"], text
    )
    found = read(tmp_path, "goose", {**files, "5_code.go": "package x", "helpers.go": "package x"})
    assert [(m.version, m.foreign) for m in found.migrations] == [("2", ""), ("5", "Go"), ("10", "")]
    assert found.migrations[1].script.statements == ()
    with pytest.raises(NumberingError):
        read(tmp_path, "goose", {"5_other.sql": text})


# -- ENVSUB


def up(path: Path, line: str, **environ: str) -> Migration:
    return one(
        path, f"-- +goose Up\n-- +goose ENVSUB ON\n{line}\n-- +goose ENVSUB OFF\nSELECT '${{A}}';\n", environ=environ
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("SELECT '${A}';", "SELECT 'one'"),
        ("SELECT '$A';", "SELECT 'one'"),
        ("SELECT '${A:-two}';", "SELECT 'one'"),
        ("SELECT '${B:-two}', '${B-three}', '${EMPTY-x}', '${EMPTY:-y}';", "SELECT 'two', 'three', '', 'y'"),
        ("SELECT '${B:-${A}}';", "SELECT 'one'"),
        ("SELECT '${A:1}', '${A:0:2}', '${A:-1}';", "SELECT 'ne', 'on', 'one'"),
        ("SELECT $$$$body;$$$$;", "SELECT $$body;$$"),
        ("SELECT '\\$A', '$(x)';", "SELECT '$A', '$(x)'"),
    ],
)
def test_values_are_filled_in_between_the_marks_and_nowhere_else(line: str, said: str, tmp_path: Path) -> None:
    found = up(tmp_path, line, A="one", EMPTY="")
    assert sql(found.script) == [said, "SELECT '${A}'"]
    assert places(found.script) == [(3, 1), (5, 1)]
    assert found.script.substituted


def test_statements_after_a_value_still_stand_where_the_file_has_them(tmp_path: Path) -> None:
    found = up(tmp_path, "SELECT '${A}'; SELECT 2;", A="a longer one")
    assert places(found.script) == [(3, 1), (3, 16), (5, 1)]
    spans = [found.content[s.start : s.end].decode() for s in found.script.statements]
    assert spans == ["SELECT '${A}'", "SELECT 2", "SELECT '${A}'"]


@pytest.mark.parametrize("line", ["SELECT '${NOWHERE}';", "SELECT $1;", "SELECT '${A", "SELECT '${NOWHERE?needed}';"])
def test_a_name_without_a_value_is_refused_and_never_guessed(line: str, tmp_path: Path) -> None:
    found = up(tmp_path, line, A="x")
    assert "ENVSUB" in refusal(found)
    assert found.script.refusals[0].line == 3


def test_comments_above_a_statement_are_left_as_they_are(tmp_path: Path) -> None:
    assert sql(up(tmp_path, "-- ${NOWHERE}\nSELECT 1;").script)[0] == "SELECT 1"
