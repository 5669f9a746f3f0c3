"""Which format a folder is of."""

from __future__ import annotations

from pathlib import Path

import pytest

from changeover.core.errors import FolderError
from changeover.core.folders.detect import detect, read_any

from .folder_files import lay

UP = "-- migrate:up\nSELECT 1;\n-- migrate:down\n"
GOOSE = "-- +goose Up\nSELECT 1;\n"
PAIR: dict[str, str | bytes] = {"1_a.up.sql": "SELECT 1;", "1_a.down.sql": ""}


@pytest.mark.parametrize(
    ("files", "form"),
    [
        ({"0001_a.sql": "SELECT 1;"}, "native"),
        ({"20240101000000_a.sql": "SELECT 1;", "20240101000000_a.verify.sql": ""}, "native"),
        ({"20240101000000_a.sql": UP}, "dbmate"),
        ({"00001_a.sql": GOOSE, "00002_b.go": "package x"}, "goose"),
        ({"20240101000000_a/migration.sql": "SELECT 1;"}, "prisma"),
        ({"migration_lock.toml": "", "0_init/migration.sql": ""}, "prisma"),
        ({"V1__a.sql": "SELECT 1;"}, "flyway"),
        ({"R__a.sql": "SELECT 1;", "flyway.toml": ""}, "flyway"),
        ({"001_a.sql": "SELECT 1;\n---- create above / drop below ----\n"}, "tern"),
        ({"tern.conf": "", "001_a.sql": "SELECT 1;"}, "tern"),
        ({"1600000000000_a.sql": "-- Up Migration\n"}, "node-pg-migrate"),
        (
            {"package.json": '{"node-pg-migrate": "^8"}', "1600000000000_a.js": ""},
            "node-pg-migrate",
        ),
        ({"committed/000001.sql": "--! Previous: -\n"}, "graphile-migrate"),
        ({"2020-01-01-000000_a/up.sql": "SELECT 1;"}, "diesel"),
        ({"20240101000000_a.sql": "SELECT 1;", "atlas.sum": "h1:x"}, "atlas"),
    ],
)
def test_names_texts_and_files_of_the_tools_own_say_it(
    files: dict[str, str | bytes], form: str, tmp_path: Path
) -> None:
    assert detect(lay(tmp_path, files)) == form
    if "package.json" not in files:
        assert read_any(tmp_path).format == form


@pytest.mark.parametrize(
    ("project", "form"),
    [
        ({"Cargo.toml": '[dependencies]\nsqlx = "0.8"\n'}, "sqlx"),
        ({"go.mod": "require github.com/golang-migrate/migrate/v4 v4.18.1\n"}, "golang-migrate"),
    ],
)
def test_the_project_around_tells_two_tools_of_the_same_names_apart(
    project: dict[str, str | bytes], form: str, tmp_path: Path
) -> None:
    lay(tmp_path, project)
    assert detect(lay(tmp_path / "db" / "migrations", PAIR)) == form


@pytest.mark.parametrize("history", ["golang-migrate", "sqlx"])
def test_the_history_tells_them_apart(history: str, tmp_path: Path) -> None:
    assert detect(lay(tmp_path, PAIR), history=history) == history


def test_what_nothing_tells_apart_is_an_error_that_names_the_candidates(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="golang-migrate or sqlx") as caught:
        detect(lay(tmp_path, PAIR))
    assert "--format" in caught.value.advice
    assert detect(tmp_path, said="sqlx") == "sqlx"


def test_a_history_that_the_folder_cannot_be_of_says_nothing(tmp_path: Path) -> None:
    assert detect(lay(tmp_path, {"20240101000000_a.sql": UP}), history="flyway") == "dbmate"


def test_plain_numbered_files_are_those_of_the_history_that_is_there(tmp_path: Path) -> None:
    lay(tmp_path, {"0001_a.sql": "SELECT 1;"})
    assert detect(tmp_path, history="sqlx") == "sqlx"
    assert detect(tmp_path, history="dbmate") == "native"


def test_an_unknown_format_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(FolderError) as caught:
        detect(tmp_path, said="fly")
    assert "flyway" in caught.value.advice


def test_a_plan_of_sqitch_further_down_says_nothing(tmp_path: Path) -> None:
    plan = "%project=p\n\na 2026-01-01T00:00:00Z N <n@example.org>\n"
    lay(tmp_path, {"0001_a.sql": "SELECT 1;", "old/sqitch.plan": plan})
    assert detect(tmp_path) == "native"
    assert detect(tmp_path / "old") == "sqitch"


def test_a_folder_of_nothing_has_no_format(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="no migration"):
        detect(lay(tmp_path, {"readme.md": ""}))


def test_numbered_javascript_may_be_of_many_tools(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="may be a folder of node-pg-migrate"):
        detect(lay(tmp_path, {"20240101000000_a.js": ""}))
    assert detect(tmp_path, history="node-pg-migrate") == "node-pg-migrate"
