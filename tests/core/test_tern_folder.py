"""tern's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from changeover.core.errors import NumberingError
from changeover.core.migration import Migration

from .folder_files import only, places, read, refusal, sql

BELOW = "---- create above / drop below ----"


def one(path: Path, text: str | bytes, **options: object) -> Migration:
    return only(read(path, "tern", {"001_x.sql": text}, **options))


def test_what_stands_below_the_line_is_the_way_back(tmp_path: Path) -> None:
    found = one(tmp_path, f"SELECT 'é';\n\n{BELOW}\n\n  SELECT 2;\n")
    assert (found.version, found.name, sql(found.script)) == ("1", "x", ["SELECT 'é'"])
    assert found.revert is not None
    assert (sql(found.revert.script), places(found.revert.script)) == (["SELECT 2"], [(5, 3)])


@pytest.mark.parametrize("text", ["SELECT 1;", f"SELECT 1;\n{BELOW}\n \n"])
def test_nothing_below_the_line_is_no_way_back(text: str, tmp_path: Path) -> None:
    assert one(tmp_path, text).revert is None


@pytest.mark.parametrize(
    ("line", "transactional"),
    [
        ("---- tern: disable-tx ----", False),
        ("--- tern: disable-tx ----", True),
        ("---- tern: disable-tx ---- ", True),
        (" ---- tern: disable-tx ----", True),
        ("---- tern: DISABLE-TX ----", True),
        ("---- tern: disable-tx ----\r", True),
    ],
)
def test_the_opt_out_is_a_line_letter_by_letter(line: str, transactional: bool, tmp_path: Path) -> None:
    found = one(tmp_path, f"SELECT 1;\n{line}\nSELECT 2;\n{BELOW}\nSELECT 3;")
    assert found.script.transactional is transactional
    assert found.revert is not None
    assert found.revert.script.transactional


@pytest.mark.parametrize("names", [["1_a.sql", "3_b.sql"], ["2_a.sql"], ["1_a.sql", "001_b.sql"]])
def test_a_sequence_with_a_gap_or_a_number_twice_is_refused(names: list[str], tmp_path: Path) -> None:
    with pytest.raises(NumberingError):
        read(tmp_path, "tern", dict.fromkeys(names, "SELECT 1;"))


def test_the_order_is_by_number_and_other_files_are_passed_over(tmp_path: Path) -> None:
    names = ["10_j.sql", "002_b.sql", "1_a.sql", *(f"{n}_x.sql" for n in range(3, 10)), "tern.txt", "sub/1_z.sql"]
    found = read(tmp_path, "tern", dict.fromkeys(names, "SELECT 1;"))
    assert [m.version for m in found.migrations] == [str(n) for n in range(1, 11)]


def test_values_of_the_configuration_and_of_the_settings_are_filled_in(tmp_path: Path) -> None:
    conf = "[database]\nversion_table = meta.version\n\n[data]\nprefix = app\nWho = someone\n"
    text = "SELECT '{{.prefix}}', '{{ .Who }}'; SELECT 2;"
    found = read(tmp_path, "tern", {"tern.conf": conf, "1_a.sql": text}, placeholders={"Who": "me"})
    assert sql(only(found).script) == ["SELECT 'app', 'me'", "SELECT 2"]
    assert places(only(found).script) == [(1, 1), (1, 37)]
    assert (found.history_schema, found.history_table) == ("meta", "version")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('SELECT 1;\n{{ template "shared/a.sql" . }}', "only tern can work out"),
        ("SELECT '{{.nowhere}}'", "a value for nowhere"),
        ("-- only\n\n-- comments", "no SQL above"),
    ],
)
def test_what_a_template_can_do_besides_is_refused(text: str, words: str, tmp_path: Path) -> None:
    assert words in refusal(one(tmp_path, text))


def test_the_environment_is_read_where_a_template_says_so(tmp_path: Path) -> None:
    conf = '[data]\nowner = {{env "OWNER"}}-role\nlost = {{env "NOWHERE"}}\n'
    text = "SELECT '{{.owner}}', '{{ env \"SIZE\" }}';{{/* a note */}}\nSELECT '{{.lost}}';"
    (tmp_path / "tern.conf").write_text(conf)
    found = one(tmp_path, text, environ={"OWNER": "app", "SIZE": "5"})
    assert "a value for lost" in refusal(found)
    assert found.script.refusals[0].line == 2
    found = one(tmp_path, text, environ={"OWNER": "app", "SIZE": "5", "NOWHERE": "x"})
    assert sql(found.script) == ["SELECT 'app-role', '5'", "SELECT 'x'"]


def test_an_action_with_a_dash_takes_the_space_beside_it_along(tmp_path: Path) -> None:
    found = one(tmp_path, "SELECT '\n  {{- .who -}}\n ';", placeholders={"who": "me"})
    assert sql(found.script) == ["SELECT 'me'"]
