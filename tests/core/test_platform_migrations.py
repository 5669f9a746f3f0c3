"""The donation platform's migrations, as changeover itself reads them."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from changeover.core.folders import native
from changeover.core.migration import Folder


@pytest.fixture(scope="module")
def folder() -> Folder:
    return native.read(Path(str(files("changeover.migrations"))))


def test_they_are_numbered_without_a_gap(folder: Folder) -> None:
    versions = [migration.version for migration in folder.migrations]
    assert versions == [f"{number:04}" for number in range(1, len(versions) + 1)]


def test_none_of_them_begins_or_ends_a_transaction(folder: Folder) -> None:
    kinds = {statement.kind for migration in folder.migrations for statement in migration.script.statements}
    assert kinds.isdisjoint({"BEGIN", "START TRANSACTION", "COMMIT", "END", "ROLLBACK", "SAVEPOINT"})


def test_what_cannot_run_in_a_transaction_stands_alone_in_a_file_that_says_so(folder: Folder) -> None:
    outside = [migration for migration in folder.migrations if not migration.script.transactional]
    assert [migration.version for migration in outside] == ["0007"]
    assert [statement.outside_transaction for statement in outside[0].script.statements] == [True]


def test_steps_that_wait_for_sessions_say_so_in_both_ways(folder: Folder) -> None:
    waiting = {
        (migration.version, str(statement.condition))
        for migration in folder.migrations
        for statement in migration.script.statements
        if statement.condition
    }
    assert waiting == {("0005", "table sessions"), ("0008", "table sessions")}
    blocks = {
        migration.version
        for migration in folder.migrations
        for statement in migration.script.statements
        if statement.kind == "DO"
    }
    assert blocks == {"0006"}


def test_every_file_says_why_in_its_first_line(folder: Folder) -> None:
    for migration in folder.migrations:
        assert migration.content.startswith(b"-- "), migration.file
