"""The native folder."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.core.errors import ExitCode, FolderError, NumberingError, ScriptError
from changeover.core.folders.native import read
from changeover.core.migration import checksums_of


def write(path: Path, *names: str, text: str = "SELECT 1;") -> Path:
    for name in names:
        (path / name).write_text(text)
    return path


def test_migrations_come_in_the_order_of_their_numbers_with_their_bytes_and_scripts(tmp_path: Path) -> None:
    write(tmp_path, "10_last.sql", "2_second.sql", "0001_first.sql", "README.md", ".hidden.sql")
    found = read(tmp_path)
    assert [m.version for m in found.migrations] == ["0001", "2", "10"]
    first = found.migrations[0]
    assert (first.name, first.file, first.content) == ("first", "0001_first.sql", b"SELECT 1;")
    assert first.checksums.exact == sha256(b"SELECT 1;").hexdigest()
    assert [s.sql for s in first.script.statements] == ["SELECT 1"]
    assert (found.format, found.path) == ("native", tmp_path)


def test_revert_and_verify_scripts_belong_to_their_migration(tmp_path: Path) -> None:
    write(tmp_path, "0001_a.sql", "0001_a.revert.sql", text="SELECT 2;")
    write(tmp_path, "0001_a.verify.sql", text="SELECT 3;")
    (found,) = read(tmp_path).migrations
    assert found.revert is not None
    assert found.verify is not None
    assert (found.revert.file, found.revert.script.statements[0].sql) == ("0001_a.revert.sql", "SELECT 2")
    assert (found.verify.file, found.verify.content) == ("0001_a.verify.sql", b"SELECT 3;")


@pytest.mark.parametrize("names", [("0001_a.sql", "0001_b.sql"), ("1_a.sql", "0001_a.sql")])
def test_two_files_with_one_number_are_refused_by_name(names: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(NumberingError) as caught:
        read(write(tmp_path, *names))
    assert all(name in caught.value.summary for name in names)
    assert caught.value.exit_code is ExitCode.REFUSED


@pytest.mark.parametrize(
    "name", ["add_users.sql", "0001.sql", "0001-a.sql", "0001_a.undo.sql", "0001_.sql", "V1__a.sql"]
)
def test_a_sql_file_with_another_name_is_refused_with_the_pattern(name: str, tmp_path: Path) -> None:
    with pytest.raises(NumberingError, match="not named") as caught:
        read(write(tmp_path, "0002_b.sql", name))
    assert "0001_name.sql" in caught.value.advice


@pytest.mark.parametrize("name", ["0002_b.revert.sql", "0001_b.verify.sql", "01_a.revert.sql"])
def test_a_side_script_without_its_migration_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(NumberingError, match="has no migration"):
        read(write(tmp_path, "0001_a.sql", name))


def test_a_folder_that_is_absent_a_file_or_empty_is_wrong_usage(tmp_path: Path) -> None:
    write(tmp_path, "0001_a.sql")
    (tmp_path / "empty").mkdir()
    for path, words in [("gone", "does not exist"), ("0001_a.sql", "is a file"), ("empty", "no migration")]:
        with pytest.raises(FolderError, match=words) as caught:
            read(tmp_path / path)
        assert caught.value.exit_code is ExitCode.USAGE
        assert caught.value.advice


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    write(tmp_path, "0001_a.sql")
    os.mkfifo(tmp_path / "0002_b.sql")
    with pytest.raises(FolderError, match="not a regular file"):
        read(tmp_path)
    (tmp_path / "0002_b.sql").unlink()
    (tmp_path / "0002_b.sql").symlink_to(tmp_path / "gone")
    with pytest.raises(FolderError, match="cannot be read"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["0001_a.sql", "0001_a.revert.sql"])
def test_a_file_that_cannot_be_parsed_is_refused_with_its_place(name: str, tmp_path: Path) -> None:
    write(tmp_path, "0001_a.sql")
    write(tmp_path, name, text="SELECT 1;\nSELEC 2")
    with pytest.raises(ScriptError) as caught:
        read(tmp_path)
    assert str(caught.value.place) == f"{name}:2:1"


@given(st.lists(st.sampled_from(["a", "\r", "\n", "\r\n"]), max_size=12))
def test_the_normalised_checksum_forgets_line_ends_and_nothing_else(pieces: list[str]) -> None:
    text = "".join(pieces)
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    assert checksums_of(text.encode()).normalised == checksums_of(lines.encode()).exact
    assert checksums_of(text.encode() + b"b").normalised != checksums_of(text.encode()).normalised
