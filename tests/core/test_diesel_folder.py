"""diesel's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from changeover.core.errors import NumberingError

from .folder_files import only, read, refusal, sql


def test_versions_are_what_stands_before_the_line_without_dashes(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "2020-01-02-030405_second_one/up.sql": "SELECT 2;",
        "2020-01-02-030405_second_one/down.sql": "SELECT -2;",
        "00000000000000_diesel_initial_setup/up.sql": "SELECT 0;",
        "20191231235959/up.sql": "SELECT 1;",
        ".hidden/up.sql": "!",
        "notes/readme.md": "",
        ".keep": "",
    }
    found = read(tmp_path, "diesel", files)
    assert [(m.version, m.name) for m in found.migrations] == [
        ("00000000000000", "diesel_initial_setup"),
        ("20191231235959", ""),
        ("20200102030405", "second_one"),
    ]
    last = found.migrations[2]
    assert (sql(last.script), last.file) == (["SELECT 2"], "2020-01-02-030405_second_one/up.sql")
    assert last.revert is not None
    assert sql(last.revert.script) == ["SELECT -2"]
    assert found.migrations[0].revert is None


@pytest.mark.parametrize(
    ("metadata", "transactional"),
    [
        (None, True),
        ("run_in_transaction = false", False),
        ("run_in_transaction = true", True),
        # there, and silent: the tool's default is false then
        ("", False),
        ("not toml", True),
    ],
)
def test_the_opt_out_is_read_as_diesel_reads_it(metadata: str | None, transactional: bool, tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"1_a/up.sql": "SELECT 1;", "1_a/down.sql": "SELECT 2;"}
    if metadata is not None:
        files["1_a/metadata.toml"] = metadata
    found = only(read(tmp_path, "diesel", files))
    assert found.script.transactional is transactional
    assert found.revert is not None
    assert found.revert.script.transactional is transactional


def test_an_empty_file_is_refused_as_the_tool_does_and_a_comment_is_enough(tmp_path: Path) -> None:
    assert "empty" in refusal(only(read(tmp_path, "diesel", {"1_a/up.sql": ""})))
    assert sql(only(read(tmp_path, "diesel", {"1_a/up.sql": "-- nothing"})).script) == []


def test_two_folders_of_one_version_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NumberingError, match=r"1-0_a/up\.sql and 10_b/up\.sql"):
        read(tmp_path, "diesel", {"1-0_a/up.sql": "", "10_b/up.sql": ""})
