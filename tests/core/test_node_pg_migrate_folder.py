"""node-pg-migrate's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from changeover.core.errors import NumberingError
from changeover.core.migration import Migration

from .folder_files import only, places, read, sql


def one(path: Path, text: str | bytes) -> Migration:
    return only(read(path, "node-pg-migrate", {"1600000000000_x-y.sql": text}))


def test_names_are_the_files_and_javascript_is_listed(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "1600000000001_b.js": "exports.up = 1",
        "1600000000000_a.sql": "SELECT 1;",
        "1600000000002_c.d.ts": "export {}",
        ".eslintrc": "",
    }
    found = read(tmp_path, "node-pg-migrate", files)
    assert [(m.version, m.name, m.foreign) for m in found.migrations] == [
        ("1600000000000_a", "a", ""),
        ("1600000000001_b", "b", "JavaScript"),
        ("1600000000002_c.d", "c.d", "TypeScript"),
    ]
    assert found.migrations[1].script.statements == ()


def test_seventeen_digits_are_a_time_and_others_a_number(tmp_path: Path) -> None:
    # the second one is 1 January 2021 at 00:00:00.001, between the two in milliseconds
    names = [
        "1609459200002_c.sql",
        "20210101000000001_b.sql",
        "1609459200000_a.sql",
        "0012_index.sql",
        "12_b10.sql",
        "12_b9.sql",
    ]
    found = read(tmp_path, "node-pg-migrate", dict.fromkeys(names, "SELECT 1;"))
    assert [m.version for m in found.migrations] == [
        "12_b9", "12_b10", "0012_index", "1609459200000_a", "20210101000000001_b", "1609459200002_c"
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["readme.md", "a_1.sql", "20210229000000000_no_such_day.sql"])
def test_a_file_without_a_place_in_the_order_is_refused_by_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(NumberingError, match=name):
        read(tmp_path, "node-pg-migrate", {"1_a.sql": "", name: ""})


@pytest.mark.parametrize(
    ("text", "up", "down"),
    [
        ("-- Up Migration\nSELECT 1;\n-- Down Migration\nSELECT 2;", ["SELECT 1"], ["SELECT 2"]),
        ("-- Down Migration\nSELECT 2;\n--- - UP  MIGRATION here\nSELECT 1;", ["SELECT 1"], ["SELECT 2"]),
        ("  --up migration\nSELECT 1;", ["SELECT 1"], None),
        ("SELECT 1;", ["SELECT 1"], None),
        # without a mark for the way there all of it is the way there
        ("SELECT 1;\n-- down migration\nSELECT 2;", ["SELECT 1", "SELECT 2"], ["SELECT 2"]),
        ("SELECT 0;\n-- Up Migration\nSELECT 1;", ["SELECT 1"], None),
    ],
)
def test_sections_are_read_as_the_tool_reads_them(
    text: str, up: list[str], down: list[str] | None, tmp_path: Path
) -> None:
    found = one(tmp_path, text)
    assert sql(found.script) == up
    assert (None if found.revert is None else sql(found.revert.script)) == down


def test_statements_stand_where_the_file_has_them(tmp_path: Path) -> None:
    found = one(tmp_path, b"\xef\xbb\xbf-- Up Migration\r\n  SELECT 1;\r\n-- Down Migration\r\nSELECT 2;\r\n")
    assert places(found.script) == [(2, 3)]
    assert found.revert is not None
    assert places(found.revert.script) == [(4, 1)]
