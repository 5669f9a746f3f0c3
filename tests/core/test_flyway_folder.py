"""Flyway's folder."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.core.errors import NumberingError
from changeover.core.facts import FlywayFacts
from changeover.core.flyway import checksum_of, order_of, version_of
from changeover.core.migration import Folder, Kind, Migration

from .folder_files import only, read, refusal, sql


def flyway(path: Path, files: dict[str, str | bytes], **options: object) -> Folder:
    return read(path, "flyway", files, **options)


def one(path: Path, text: str | bytes, more: dict[str, str | bytes] | None = None, **options: object) -> Migration:
    return only(flyway(path, {"V1__x.sql": text, **(more or {})}, **options))


def test_versions_compare_part_by_part_whatever_folder_a_file_is_in(tmp_path: Path) -> None:
    names = ["V66__a.sql", "V66.1__b.sql", "r2/V66_2__c.sql", "r1/deep/V100__d.sql", "V2__e.sql", "V066.0.1__f.sql"]
    found = flyway(tmp_path, dict.fromkeys(names, "SELECT 1;"))
    assert [(m.version, m.file) for m in found.migrations] == [
        ("2", "V2__e.sql"),
        ("66", "V66__a.sql"),
        ("066.0.1", "V066.0.1__f.sql"),
        ("66.1", "V66.1__b.sql"),
        ("66.2", "r2/V66_2__c.sql"),
        ("100", "r1/deep/V100__d.sql"),
    ]
    facts = found.migrations[4].facts
    assert facts == FlywayFacts(type="SQL", description="c", script="r2/V66_2__c.sql", version="66.2")


@pytest.mark.parametrize(
    "names", [["V1__a.sql", "V1.0__b.sql"], ["V1__a.sql", "sub/V01__a.sql"], ["R__a.sql", "x/R__a.sql"]]
)
def test_two_files_of_one_version_are_refused(names: list[str], tmp_path: Path) -> None:
    with pytest.raises(NumberingError):
        flyway(tmp_path, dict.fromkeys(names, ""))


def test_repeatable_baseline_undo_and_java_migrations_are_told_apart(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "V1__a.sql": "SELECT 1;", "U1__a.sql": "SELECT -1;", "B2__all.sql": "SELECT 2;", "V2__b.sql": "SELECT 3;",
        "R__view_two.sql": "SELECT 5;", "R__view.sql": "SELECT 4;", "V3__C.java": "class", "beforeMigrate.sql": "!",
        "V1_no.sql": "!", "Vx__y.sql": "!", "R1__z.sql": "!", "v4__d.sql": "!", "V5.txt": "!", "V__e.sql": "!",
    }  # fmt: skip
    found = flyway(tmp_path, files)
    assert [(m.version, m.kind, m.foreign) for m in found.migrations] == [
        ("1", Kind.VERSIONED, ""),
        ("2", Kind.BASELINE, ""),
        ("2", Kind.VERSIONED, ""),
        ("3", Kind.VERSIONED, "Java"),
        ("R__view", Kind.REPEATABLE, ""),
        ("R__view two", Kind.REPEATABLE, ""),
    ]
    first = found.migrations[0]
    assert first.revert is not None
    assert sql(first.revert.script) == ["SELECT -1"]
    assert isinstance(first.facts, FlywayFacts)
    assert (first.facts.undo_script, first.facts.undo_checksum) == ("U1__a.sql", str(checksum_of("SELECT -1;")))


# -- checksums


def test_the_checksum_is_over_the_lines_without_their_ends() -> None:
    assert checksum_of("CREATE TABLE a (\r\n  b int\r\n);\r\n") == checksum_of("CREATE TABLE a (\n  b int\n);")
    assert checksum_of("\N{ZERO WIDTH NO-BREAK SPACE}é\n") == checksum_of("é")
    assert checksum_of("a") == crc32(b"a") - 2**32 == -390611389
    assert checksum_of("") == 0


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n")), min_size=1, max_size=5))
def test_line_ends_never_count(lines: list[str]) -> None:
    lines[0] = lines[0].lstrip("\N{ZERO WIDTH NO-BREAK SPACE}")
    sums = {checksum_of(end.join(lines)) for end in ("\n", "\r\n", "\r")}
    assert sums == {checksum_of("".join(lines))}
    assert all(-(2**31) <= value < 2**31 for value in sums)


def test_a_versioned_file_counts_as_it_is_and_a_repeatable_one_with_its_values(tmp_path: Path) -> None:
    text = "SELECT '${who}';"
    found = flyway(tmp_path, {"V1__a.sql": text, "R__b.sql": text}, placeholders={"who": "me"})
    versioned, repeatable = found.migrations
    assert (versioned.recorded_checksum, versioned.also_equal) == (str(checksum_of(text)), ())
    assert repeatable.recorded_checksum == str(checksum_of("SELECT 'me';"))
    assert repeatable.also_equal == (str(checksum_of(text)),)


# -- versions


@given(st.lists(st.integers(min_value=0, max_value=30), min_size=1, max_size=4), st.integers(0, 2), st.booleans())
def test_the_same_version_has_one_order_however_it_is_written(parts: list[int], zeros: int, line: bool) -> None:
    text = ("_" if line else ".").join(f"{'0' * zeros}{part}" for part in parts)
    version = version_of(text)
    assert version is not None
    assert order_of(version) == order_of(".".join(map(str, [*parts, 0])))
    assert order_of(version) < order_of(".".join(map(str, [parts[0] + 1])))


@pytest.mark.parametrize("text", ["", "a", "1.", "1..2", "-1", "1__2", ".1"])
def test_what_is_no_version_is_none(text: str) -> None:
    assert version_of(text) is None


# -- placeholders


def test_values_are_filled_in_everywhere_in_any_case_and_places_stay(tmp_path: Path) -> None:
    text = "-- ${Name}\nSELECT '${NAME}', ${flyway:filename}; SELECT\n  ${flyway:database};\n"
    text = text.replace("${flyway:filename}", "'${flyway:filename}'")
    found = one(tmp_path, text, placeholders={"name": "a longer name"}, database="shop")
    assert sql(found.script) == ["SELECT 'a longer name', 'V1__x.sql'", "SELECT\n  shop"]
    assert [(s.place.line, s.place.column) for s in found.script.statements] == [(2, 1), (2, 41)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SELECT 1; -- ${unknown}", "unknown has no value"),
        ("SELECT '${flyway:timestamp}'", "flyway:timestamp has no value"),
        ("SELECT '${open", "not closed"),
    ],
)
def test_a_name_without_a_value_is_refused_and_never_guessed(text: str, words: str, tmp_path: Path) -> None:
    assert words in refusal(one(tmp_path, text))


def test_the_tools_own_configuration_is_read(tmp_path: Path) -> None:
    conf = (
        "# comment\nflyway.sqlMigrationPrefix=M\nflyway.sqlMigrationSuffixes=.ddl,.sql\nflyway.placeholders.who = me\n"
        "flyway.placeholderPrefix=#[\nflyway.placeholderSuffix=]\nflyway.table: history\nflyway.schemas=app,other\n"
        "flyway.locations=filesystem:sql\n"
    )
    found = flyway(tmp_path, {"flyway.conf": conf, "sql/x/M1__a.ddl": "SELECT '#[who]', '${who}'", "V9__b.txt": ""})
    assert sql(only(found).script) == ["SELECT 'me', '${who}'"]
    facts = only(found).facts
    assert isinstance(facts, FlywayFacts)
    assert (facts.script, found.history_schema, found.history_table) == ("x/M1__a.ddl", "app", "history")


def test_a_toml_configuration_above_the_folder_is_read(tmp_path: Path) -> None:
    toml = '[flyway]\nplaceholderReplacement = false\ndefaultSchema = "s"\n[flyway.placeholders]\nwho = "me"\n'
    (tmp_path / "flyway.toml").write_text(toml)
    found = flyway(tmp_path / "sql", {"V1__a.sql": "SELECT '${who}'"})
    assert sql(only(found).script) == ["SELECT '${who}'"]
    assert found.history_schema == "s"


@pytest.mark.parametrize(("value", "transactional"), [("false", False), ("FALSE", False), ("true", True)])
def test_a_script_can_have_a_configuration_of_its_own(value: str, transactional: bool, tmp_path: Path) -> None:
    found = one(tmp_path, "SELECT 1", {"V1__x.sql.conf": f"executeInTransaction={value}\n"})
    assert found.script.transactional is transactional


def test_a_condition_that_only_the_tool_can_work_out_is_refused(tmp_path: Path) -> None:
    assert "shouldExecute" in refusal(one(tmp_path, "SELECT 1", {"V1__x.sql.conf": "shouldExecute=${x}==1\n"}))


def test_the_environment_stands_before_the_configuration_and_the_settings_before_both(tmp_path: Path) -> None:
    conf = "flyway.placeholders.a_b=file\nflyway.placeholders.c=file\nflyway.table=from_file\n"
    environ = {"FLYWAY_PLACEHOLDERS_A_B": "env", "FLYWAY_TABLE": "from_env", "FLYWAY_DEFAULT_SCHEMA": "s", "PATH": "x"}
    files: dict[str, str | bytes] = {"flyway.conf": conf, "V1__x.sql": "SELECT '${a_b}', '${c}', '${flyway:table}'"}
    found = flyway(tmp_path, files, environ=environ)
    assert sql(only(found).script) == ["SELECT 'env', 'file', 'from_env'"]
    assert (found.history_schema, found.history_table) == ("s", "from_env")
    found = flyway(tmp_path, files, environ=environ, placeholders={"A_b": "settings"})
    assert sql(only(found).script) == ["SELECT 'settings', 'file', 'from_env'"]


def test_what_a_person_has_for_himself_stands_before_the_project(tmp_path: Path) -> None:
    project = '[flyway.placeholders]\nwho = "all"\nwhat = "x"\n'
    mine = '[flyway.placeholders]\nwho = "me"\n'
    found = flyway(tmp_path, {"flyway.toml": project, "flyway.user.toml": mine, "V1__a.sql": "SELECT '${who}${what}'"})
    assert sql(only(found).script) == ["SELECT 'mex'"]


def test_what_the_server_says_and_the_time_are_filled_in(tmp_path: Path) -> None:
    text = "SELECT '${flyway:database} ${flyway:user} ${flyway:defaultSchema} ${FLYWAY:TIMESTAMP}'"
    now = datetime(2026, 11, 24, 8, 9, 10, tzinfo=UTC)
    assert flyway(tmp_path, {"V1__x.sql": text}, now=now).asks_server
    found = flyway(tmp_path, {"V1__x.sql": text}, now=now, database="shop", user="ann", schema="public")
    assert sql(only(found).script) == ["SELECT 'shop ann public 2026-11-24 08:09:10'"]
    assert not found.asks_server


def test_another_first_schema_than_the_tool_would_set_is_refused(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"flyway.conf": "flyway.defaultSchema=app\n", "V1__x.sql": "SELECT 1"}
    assert flyway(tmp_path, files).asks_server
    assert [fault.id for fault in flyway(tmp_path, files, schema="public").refusals] == ["default-schema"]
    assert flyway(tmp_path, files, schema="app").refusals == ()


def test_migrations_are_where_the_locations_say(tmp_path: Path) -> None:
    conf = "flyway.locations=filesystem:sql,filesystem:more\n"
    files = dict.fromkeys(("sql/V1__a.sql", "more/x/V2__b.sql", "old/V1__a.sql", "V9__z.sql"), "SELECT 1")
    found = flyway(tmp_path, {"flyway.conf": conf, **files})
    assert [it.file for it in found.migrations] == ["sql/V1__a.sql", "more/x/V2__b.sql"]
