"""What a left-over `postmaster.pid` proves, which is little."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from changeover.core import postmaster


def note(data: Path, pid: int, status: str = "ready   ") -> Path:
    file = data / "postmaster.pid"
    file.write_text(f"{pid}\n{data}\n1700000000\n5432\n/sock\n\n   1   1\n{status}\n")
    return file


@pytest.fixture
def foreign(tmp_path: Path) -> Iterator[int]:
    """Give the number of a process that works in the folder, and is no postgres."""
    with subprocess.Popen(["sleep", "600"], cwd=tmp_path) as process:
        yield process.pid
        process.kill()


@pytest.fixture
def nobody() -> int:
    """Return a number that no process has any more."""
    with subprocess.Popen(["true"]) as process:
        pass
    return process.pid


def test_a_folder_without_a_pid_file_has_no_server(tmp_path: Path) -> None:
    assert postmaster.server_of(tmp_path) is None


@pytest.mark.parametrize("text", ["", "\n", "no number\n", "0\n"])
def test_a_damaged_pid_file_names_no_server(text: str, tmp_path: Path) -> None:
    (tmp_path / "postmaster.pid").write_text(text)
    assert postmaster.server_of(tmp_path) is None


def test_a_living_process_that_is_no_postgres_is_no_server(tmp_path: Path, foreign: int) -> None:
    note(tmp_path, foreign)
    assert postmaster.server_of(tmp_path) is None


def test_a_program_called_postgres_that_works_elsewhere_is_no_server_of_this_folder(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    program = tmp_path / "postgres"
    program.write_bytes(Path("/bin/sleep").read_bytes())
    program.chmod(0o755)
    with subprocess.Popen([str(program), "600"], cwd=other) as process:
        note(tmp_path, process.pid)
        here, there = postmaster.server_of(tmp_path), postmaster.is_postgres_of(process.pid, other)
        process.kill()
    assert here is None
    assert there


def test_only_the_process_that_wrote_the_file_is_ready(tmp_path: Path) -> None:
    note(tmp_path, 4711)
    assert postmaster.is_ready(tmp_path, 4711)
    assert not postmaster.is_ready(tmp_path, 471)
    note(tmp_path, 4711, status="starting")
    assert not postmaster.is_ready(tmp_path, 4711)


def test_a_pid_file_half_written_is_not_ready(tmp_path: Path) -> None:
    (tmp_path / "postmaster.pid").write_text(f"4711\n{tmp_path}\n")
    assert not postmaster.is_ready(tmp_path, 4711)


def test_a_file_that_names_a_foreign_process_is_removed_and_the_process_left_alone(
    tmp_path: Path, foreign: int
) -> None:
    file = note(tmp_path, foreign)
    postmaster.forget_stale(tmp_path)
    assert not file.exists()
    os.kill(foreign, 0)


def test_a_file_that_names_nobody_is_left_to_postgresql_which_also_looks_at_its_shared_memory(
    tmp_path: Path, nobody: int
) -> None:
    file = note(tmp_path, nobody)
    postmaster.forget_stale(tmp_path)
    assert file.exists()


def test_ending_everything_ends_no_foreign_process(tmp_path: Path, foreign: int) -> None:
    note(tmp_path, foreign)
    postmaster.end_all(tmp_path)
    os.kill(foreign, 0)
    assert Path(f"/proc/{foreign}/stat").read_text().split()[2] != "Z"
