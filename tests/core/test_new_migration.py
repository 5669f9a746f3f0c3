"""The next number, and names that can stand in a file name."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from changeover.core.errors import FolderError, UsageError
from changeover.core.folders import native
from changeover.core.new_migration import names_in, next_files, write

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


def version(*names: str, now: datetime = NOW) -> str:
    return next_files(names, "x", now=now)[0]


def test_the_number_is_the_next_one_in_the_folders_own_width() -> None:
    assert version() == "0001"
    assert version("0001_a.sql", "0009_b.sql", "0010_c.revert.sql", "readme.md") == "0011"
    assert version("1_a.sql", "9_b.sql") == "10"
    assert version("001_a.sql") == "002"


def test_a_folder_numbered_by_time_goes_on_by_time() -> None:
    assert version("20260101000000_a.sql") == "20260504030201"
    assert version("20270101000000_a.sql") == "20270101000001"


@pytest.mark.parametrize(
    ("name", "file"),
    [("Add e-mail", "0001_add_e_mail.sql"), ("Spenden über.sql", "0001_spenden_uber.sql"), ("../x", "0001_x.sql")],
)
def test_a_name_becomes_one_that_every_system_takes(name: str, file: str) -> None:
    assert next_files((), name, now=NOW)[1][0].name == file


def test_a_name_of_which_nothing_is_left_is_wrong_usage() -> None:
    with pytest.raises(UsageError):
        next_files((), "!?", now=NOW)


def test_the_files_are_read_back_as_a_migration(tmp_path: Path) -> None:
    folder = tmp_path / "db" / "migrations"
    _, files = next_files(names_in(folder), "first\n-- changeover: when table x", now=NOW, revert=True, verify=True)
    write(folder, files)
    (found,) = native.read(folder).migrations
    assert (found.version, found.script.statements) == ("0001", ())
    assert found.revert is not None
    assert found.verify is not None


def test_no_file_is_ever_overwritten(tmp_path: Path) -> None:
    (tmp_path / "0001_x.revert.sql").write_text("mine")
    _, files = next_files((), "x", now=NOW, revert=True)
    with pytest.raises(FolderError):
        write(tmp_path, files)
    assert [path.name for path in tmp_path.iterdir()] == ["0001_x.revert.sql"]
