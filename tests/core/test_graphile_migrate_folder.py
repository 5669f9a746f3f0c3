"""graphile-migrate's folder."""

from __future__ import annotations

import json
from hashlib import sha1
from pathlib import Path

import pytest

from changeover.core.facts import GraphileFacts
from changeover.core.folders.graphile_migrate import hash_of
from changeover.core.migration import Migration

from .folder_files import only, places, read, refusal, sql


def committed(body: str, previous: str | None = None, **more: str) -> str:
    headers = {"Previous": previous or "-", "Hash": hash_of(body, previous), **more}
    return "".join(f"--! {key}: {value}\n" for key, value in headers.items()) + f"\n{body}"


def one(path: Path, text: str, **options: object) -> Migration:
    return only(read(path, "graphile-migrate", {"committed/000001.sql": text}, **options))


def test_committed_files_are_a_chain_and_what_is_current_is_not_listed(tmp_path: Path) -> None:
    first = committed("SELECT 1;\n")
    second = committed("SELECT 2;\n", hash_of("SELECT 1;\n", None), Message="add users")
    found = read(
        tmp_path,
        "graphile-migrate",
        {"committed/000001.sql": first, "committed/000002-add-users.sql": second, "current.sql": "SELECT 3;",
         "fixtures/a.sql": "", "committed/notes.txt": ""},
    )  # fmt: skip
    assert [(m.version, m.name, m.file) for m in found.migrations] == [
        ("000001", "", "committed/000001.sql"),
        ("000002", "add-users", "committed/000002-add-users.sql"),
    ]
    last = found.migrations[1]
    assert (sql(last.script), places(last.script)) == (["SELECT 2"], [(5, 1)])
    assert last.recorded_checksum == hash_of("SELECT 2;\n", found.migrations[0].recorded_checksum)
    assert last.facts == GraphileFacts(filename="000002.sql", previous_hash=found.migrations[0].recorded_checksum)


def test_the_hash_is_over_the_trimmed_text_after_the_one_before() -> None:
    assert hash_of("\n  SELECT 1;\n\n", None) == "sha1:" + sha1(b"SELECT 1;\n").hexdigest()
    assert hash_of("SELECT 1;", "sha1:ab") == "sha1:" + sha1(b"sha1:ab\nSELECT 1;\n").hexdigest()


@pytest.mark.parametrize(
    ("body", "transactional"),
    [
        ("--! no-transaction\nSELECT 1;\n", False),
        ("--!no-transaction please\nSELECT 1;\n", False),
        ("\n\n--! no-transaction\nSELECT 1;\n", False),
        ("-- x\n--! no-transaction\nSELECT 1;\n", True),
        ("--! NO-TRANSACTION\nSELECT 1;\n", True),
        ("-- ! no-transaction\nSELECT 1;\n", True),
        ("--! no-transactions\nSELECT 1;\n", True),
    ],
)
def test_the_opt_out_is_the_first_line_of_the_body(body: str, transactional: bool, tmp_path: Path) -> None:
    assert one(tmp_path, committed(body)).script.transactional is transactional


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (committed("SELECT 1;\n").replace("SELECT 1", "SELECT 2"), "edited after it was committed"),
        (committed("SELECT 1;\n").replace("\n", "\r\n"), "CR LF"),
        (committed("SELECT 1;\n", "sha1:ab"), "expects sha1:ab"),
        (committed("SELECT 1;\n").replace("\n\n", "\n"), "no empty line"),
        ("SELECT 1;\n", "no empty line"),
        ("--! Previous: -\n\nSELECT 1;\n", "no header `--! Hash:`"),
        (committed("SELECT 1;\n", AllowInvalidHash="x"), "its hash is valid"),
    ],
)
def test_a_chain_that_does_not_hold_is_refused(text: str, words: str, tmp_path: Path) -> None:
    assert words in refusal(one(tmp_path, text))


def test_an_invalid_hash_can_be_allowed_by_the_file(tmp_path: Path) -> None:
    text = committed("SELECT 1;\n", AllowInvalidHash="").replace("SELECT 1", "SELECT 2")
    assert sql(one(tmp_path, text.replace("AllowInvalidHash: ", "AllowInvalidHash")).script) == ["SELECT 2"]


def test_placeholders_are_those_of_the_settings_and_the_database(tmp_path: Path) -> None:
    (tmp_path / ".gmrc").write_text(json.dumps({"placeholders": {":ROLE": "app", ":ROLE_RO": "reader"}}))
    text = committed("GRANT :ROLE TO :ROLE_RO; COMMENT ON DATABASE :DATABASE_NAME IS ':ROLES';\n")
    found = one(tmp_path / "migrations", text, database="shop")
    assert sql(found.script) == ["GRANT app TO reader", "COMMENT ON DATABASE shop IS ':ROLES'"]
    assert found.script.substituted


def test_the_committed_folder_itself_can_be_named(tmp_path: Path) -> None:
    found = read(tmp_path / "committed", "graphile-migrate", {"000001.sql": committed("SELECT 1;\n")})
    assert only(found).file == "000001.sql"


def test_a_placeholder_may_be_taken_from_the_environment(tmp_path: Path) -> None:
    (tmp_path / ".gmrc").write_text(json.dumps({"placeholders": {":ROLE": "!ENV"}}))
    text = committed("SELECT 1;\nGRANT :ROLE TO app;\n")
    found = one(tmp_path / "migrations", text, environ={"ROLE": "reader"})
    assert sql(found.script)[1] == "GRANT reader TO app"
    without = one(tmp_path / "migrations", text)
    assert "takes it from the environment" in refusal(without)
    assert without.script.refusals[0].line == 5


def test_the_owner_is_the_user_unless_the_settings_say_another(tmp_path: Path) -> None:
    text = committed("GRANT :DATABASE_OWNER TO app;\n")
    known = {"database": "shop", "user": "ann"}
    assert sql(one(tmp_path / "migrations", text, **known).script) == ["GRANT ann TO app"]
    (tmp_path / ".gmrc").write_text(json.dumps({"databaseOwner": "owner"}))
    assert sql(one(tmp_path / "migrations", text, **known).script) == ["GRANT owner TO app"]


def test_what_only_the_database_says_is_asked_for_and_not_guessed(tmp_path: Path) -> None:
    text = committed("COMMENT ON DATABASE :DATABASE_NAME IS '';\n")
    found = read(tmp_path, "graphile-migrate", {"committed/000001.sql": text})
    assert found.asks_server
    assert ":DATABASE_NAME has no value" in refusal(only(found))
    assert not read(tmp_path, "graphile-migrate", {}, database="shop").asks_server


def test_settings_that_are_code_leave_every_name_in_doubt(tmp_path: Path) -> None:
    (tmp_path / ".gmrc.js").write_text("module.exports = {}\n")
    found = one(tmp_path / "migrations", committed("SELECT 1;\nSELECT :SIZE, x::int;\n"))
    assert ":SIZE has no value: .gmrc.js is not plain JSON" in refusal(found)
    text = committed("SELECT 1;\nSELECT :SIZE, x::INT;\n")
    assert sql(one(tmp_path / "migrations", text, placeholders={"SIZE": "5"}).script)[1] == "SELECT 5, x::INT"
