"""Folders of this user: where they are, and that nobody else can read what is in them."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from changeover.core.directories import config_root, data_root, log_root, make_private, write_private
from changeover.core.errors import UsageError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_one_variable_moves_all_three(tmp_path: Path) -> None:
    environ = {"CHANGEOVER_HOME": str(tmp_path)}
    assert [root(environ) for root in (config_root, log_root, data_root)] == [
        tmp_path / "config",
        tmp_path / "log",
        tmp_path / "data",
    ]


def test_every_folder_that_is_made_is_private_and_one_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    made = make_private(shared / "a" / "b")
    assert (mode(shared), mode(shared / "a"), mode(made)) == (0o755, 0o700, 0o700)


def test_a_private_file_is_replaced_whole_and_leaves_no_draft(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "file"
    write_private(file, "one")
    file.chmod(0o644)
    write_private(file, "two")
    assert (file.read_text(), mode(file)) == ("two", 0o600)
    assert [entry.name for entry in file.parent.iterdir()] == ["file"]


def test_a_folder_that_cannot_be_made_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be made"):
        make_private(tmp_path / "file" / "folder")
