"""golang-migrate's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from changeover.core.errors import FolderError, NumberingError

from .folder_files import only, read, sql


def test_versions_are_numbers_whatever_their_zeros_and_down_files_undo(tmp_path: Path) -> None:
    folder = read(
        tmp_path,
        "golang-migrate",
        {
            "000010_c.up.sql": "SELECT 10;",
            "9_b.b.up.sql": "SELECT 9;",
            "000009_b.down.sql": "SELECT -9;",
            "20210229999999_impossible_date.up.pgsql": "SELECT 3;",
            "1_a.up.sql": "SELECT 1;",
        },
    )
    assert [(m.version, m.name) for m in folder.migrations] == [
        ("1", "a"),
        ("9", "b.b"),
        ("10", "c"),
        ("20210229999999", "impossible_date"),
    ]
    nine = folder.migrations[1]
    assert nine.revert is not None
    assert (nine.revert.file, sql(nine.revert.script)) == ("000009_b.down.sql", ["SELECT -9"])
    assert folder.migrations[0].revert is None
    assert nine.recorded_checksum is None


def test_files_with_other_names_are_passed_over_as_the_tool_does(tmp_path: Path) -> None:
    files = dict.fromkeys(("README.md", "1_a.sql", "2-b.up.sql", "x_c.up.sql", "99999999999999999999_d.up.sql"), "!")
    folder = read(tmp_path, "golang-migrate", {"1_a.up.sql": "SELECT 1", "old/1_z.up.sql": "!", **files})
    assert only(folder).file == "1_a.up.sql"


def test_two_files_of_one_number_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NumberingError, match=r"01_b\.up\.sql and 1_a\.up\.sql"):
        read(tmp_path, "golang-migrate", {"1_a.up.sql": "", "01_b.up.sql": ""})


def test_a_folder_of_down_files_alone_has_no_migration(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="no migration"):
        read(tmp_path, "golang-migrate", {"1_a.down.sql": ""})
