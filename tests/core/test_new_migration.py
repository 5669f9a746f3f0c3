"""The next number, and names that can stand in a file name."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from changeover.core.errors import FolderError, UsageError
from changeover.core.folders.detect import read_any
from changeover.core.new_migration import new_files, write
from tests.foreign import SAMPLES

from .folder_files import lay, sql

NOW = datetime(2026, 5, 4, 3, 2, 1, 250000, tzinfo=UTC)


def version(path: Path, *names: str, said: str | None = None) -> str:
    lay(path, dict.fromkeys(names, "SELECT 1;"))
    return new_files(path, "x", now=NOW, said=said)[0]


def test_the_number_is_the_next_one_in_the_folders_own_width(tmp_path: Path) -> None:
    assert version(tmp_path / "none") == "0001"
    assert version(tmp_path / "a", "0001_a.sql", "0009_b.sql", "0010_c.revert.sql", "readme.md") == "0011"
    assert version(tmp_path / "b", "1_a.sql", "9_b.sql") == "10"
    assert version(tmp_path / "c", "001_a.sql") == "002"


def test_a_folder_numbered_by_time_goes_on_by_time(tmp_path: Path) -> None:
    assert version(tmp_path / "a", "20260101000000_a.sql") == "20260504030201"
    assert version(tmp_path / "b", "20270101000000_a.sql") == "20270101000001"


@pytest.mark.parametrize(
    ("name", "file"),
    [("Add e-mail", "0001_add_e_mail.sql"), ("Spenden über.sql", "0001_spenden_uber.sql"), ("../x", "0001_x.sql")],
)
def test_a_name_becomes_one_that_every_system_takes(name: str, file: str, tmp_path: Path) -> None:
    assert new_files(tmp_path, name, now=NOW)[1][0].name == file


def test_a_name_of_which_nothing_is_left_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        new_files(tmp_path, "!?", now=NOW)


def test_the_files_are_read_back_as_a_migration(tmp_path: Path) -> None:
    folder = tmp_path / "db" / "migrations"
    _, files = new_files(folder, "first\n-- changeover: when table x", now=NOW, revert=True, verify=True)
    write(folder, files)
    (found,) = read_any(folder).migrations
    assert (found.version, found.script.statements) == ("0001", ())
    assert found.revert is not None
    assert found.verify is not None


def test_no_file_is_ever_overwritten(tmp_path: Path) -> None:
    (tmp_path / "0001_x.revert.sql").write_text("mine")
    _, files = new_files(tmp_path, "x", now=NOW, revert=True, said="native")
    write(tmp_path / "other", files)
    (tmp_path / "0002_x.revert.sql").write_text("mine")
    with pytest.raises(FolderError):
        write(tmp_path, files)
    assert not (tmp_path / "0002_x.sql").exists()


# -- folders of other tools

UP = "-- migrate:up\n-- migrate:down\n"
PLACES = {
    "golang-migrate": ({"000001_a.up.sql": "", "000009_b.up.sql": ""}, "000010",
                       ["000010_x.up.sql", "000010_x.down.sql"]),
    "dbmate": ({"20240101000000_a.sql": UP}, "20260504030201", ["20260504030201_x.sql"]),
    "goose": ({"00007_a.sql": "-- +goose Up\nSELECT 1;"}, "00008", ["00008_x.sql"]),
    "sqlx": ({"20240101000000_a.up.sql": "", "20240101000000_a.down.sql": ""}, "20260504030201",
             ["20260504030201_x.up.sql", "20260504030201_x.down.sql"]),
    "prisma": ({"20240101000000_a/migration.sql": ""}, "20260504030201_x", ["20260504030201_x/migration.sql"]),
    "flyway": ({"V66.1__a.sql": "", "old/V9__b.sql": "", "R__c.sql": ""}, "67", ["V67__x.sql"]),
    "tern": ({"001_a.sql": "SELECT 1;\n---- create above / drop below ----"}, "002", ["002_x.sql"]),
    "node-pg-migrate": ({"1600000000000_a.sql": "-- Up Migration"}, "1777863721250_x", ["1777863721250_x.sql"]),
    "diesel": ({"2020-01-01-000000_a/up.sql": "-- a"}, "20260504030201",
               ["2026-05-04-030201_x/up.sql", "2026-05-04-030201_x/down.sql"]),
}  # fmt: skip


@pytest.mark.parametrize("form", PLACES)
def test_a_folder_of_another_tool_goes_on_in_its_own_names_and_reads_back(form: str, tmp_path: Path) -> None:
    files, number, names = PLACES[form]
    lay(tmp_path, dict(files))
    found, made = new_files(tmp_path, "x", now=NOW, said=form)
    assert (found, [file.name for file in made]) == (number, names)
    write(tmp_path, made)
    last = [m for m in read_any(tmp_path, said=form).migrations if not m.is_repeatable][-1]
    assert last.file == names[0]
    if form != "tern":
        # tern refuses a file without SQL
        assert sql(last.script) == []
    assert new_files(tmp_path, "y", now=NOW, said=form)[1][0].name > names[0]


@pytest.mark.parametrize("form", [form for form in PLACES if form not in {"golang-migrate", "sqlx"}])
def test_the_format_is_the_folders_own_without_a_word(form: str, tmp_path: Path) -> None:
    lay(tmp_path, dict(PLACES[form][0]))
    assert [file.name for file in new_files(tmp_path, "x", now=NOW)[1]] == PLACES[form][2]


def test_flyway_writes_a_way_back_where_one_is_asked_for_and_prisma_has_none(tmp_path: Path) -> None:
    lay(tmp_path / "f", {"V01__a.sql": ""})
    made = new_files(tmp_path / "f", "x", now=NOW, revert=True)[1]
    assert [file.name for file in made] == ["V02__x.sql", "U02__x.sql"]
    lay(tmp_path / "p", {"1_a/migration.sql": ""})
    with pytest.raises(UsageError, match="no way back"):
        new_files(tmp_path / "p", "x", now=NOW, revert=True)
    with pytest.raises(UsageError, match="no verify"):
        new_files(tmp_path / "f", "x", now=NOW, verify=True)


def test_what_only_the_tool_can_write_is_left_to_it(tmp_path: Path) -> None:
    lay(tmp_path, {"committed/000001.sql": ""})
    with pytest.raises(UsageError, match="has no new: graphile-migrate") as caught:
        new_files(tmp_path, "x", now=NOW)
    assert "current.sql" in caught.value.advice


def test_a_new_file_of_atlas_is_in_the_sum_and_its_folder_is_whole(tmp_path: Path) -> None:
    lay(tmp_path, dict(SAMPLES["atlas"].files))
    number, made = new_files(tmp_path, "x", now=NOW, said="atlas")
    # 3_index.sql is later than 2026..., letter by letter
    assert (number, [file.name for file in made]) == ("4", ["4_x.sql", "atlas.sum"])
    write(tmp_path, made)
    found = read_any(tmp_path)
    assert (found.format, found.refusals, found.migrations[-1].file) == ("atlas", (), "4_x.sql")
    (tmp_path / "4_x.sql").write_text("SELECT 1;")
    assert read_any(tmp_path).refusals
    with pytest.raises(UsageError, match="edited after it was hashed"):
        new_files(tmp_path, "y", now=NOW, said="atlas")


def test_the_first_file_of_atlas_makes_the_sum(tmp_path: Path) -> None:
    number, made = new_files(tmp_path, "x", now=NOW, said="atlas")
    assert number == "20260504030201"
    write(tmp_path, made)
    assert read_any(tmp_path).refusals == ()


WHO = {"SQITCH_FULLNAME": "Ann", "SQITCH_EMAIL": "ann@example.org"}


def test_a_new_change_of_sqitch_is_planned_and_reads_back(tmp_path: Path) -> None:
    lay(tmp_path, dict(SAMPLES["sqitch"].files))
    number, made = new_files(tmp_path, "Add mail \\ address", now=NOW, said=None, environ=WHO)
    scripts = [f"{kind}/add_mail_address.sql" for kind in ("deploy", "revert", "verify")]
    assert [file.name for file in made] == [*scripts, "sqitch.plan"]
    write(tmp_path, made)
    line = (tmp_path / "sqitch.plan").read_text().splitlines()[-1]
    assert line == "add_mail_address 2026-05-04T03:02:01Z Ann <ann@example.org> # Add mail \\\\ address"
    last = read_any(tmp_path).migrations[-1]
    assert (last.version, last.name, sql(last.script)) == (number, "add_mail_address", [])
    assert last.revert is not None
    assert last.verify is not None
    with pytest.raises(UsageError, match="planned already"):
        new_files(tmp_path, "add mail address", now=NOW, environ=WHO)


def test_who_plans_is_known_or_the_change_is_not_made(tmp_path: Path) -> None:
    lay(tmp_path, dict(SAMPLES["sqitch"].files))
    lay(tmp_path / "home", {".sqitch/sqitch.conf": "[user]\n\tname = Bea\n\temail = bea@example.org\n"})
    with pytest.raises(UsageError, match="your name is not known"):
        new_files(tmp_path, "x", now=NOW)
    made = new_files(tmp_path, "x", now=NOW, environ={"HOME": str(tmp_path / "home")})[1]
    assert "Bea <bea@example.org> # x\n" in made[-1].text
    git = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "other")}
    lay(tmp_path / "other", {".gitconfig": "[user]\n\tname = Cy\n\temail = cy@example.org\n"})
    assert "Cy <cy@example.org> # x\n" in new_files(tmp_path, "x", now=NOW, environ=git)[1][-1].text


def test_a_list_that_somebody_else_has_changed_since_is_left_alone(tmp_path: Path) -> None:
    lay(tmp_path, dict(SAMPLES["sqitch"].files))
    made = new_files(tmp_path, "x", now=NOW, environ=WHO)[1]
    (tmp_path / "sqitch.plan").write_text("theirs")
    with pytest.raises(FolderError, match="has changed"):
        write(tmp_path, made)
    assert (tmp_path / "sqitch.plan").read_text() == "theirs"
    assert not (tmp_path / "deploy/x.sql").exists()
