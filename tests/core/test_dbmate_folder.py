"""dbmate's folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.core.errors import NumberingError
from changeover.core.folders.dbmate import _sections
from changeover.core.migration import Migration
from changeover.core.script import Script

from .folder_files import only, places, read, refusal, sql


def one(path: Path, text: str | bytes) -> Migration:
    return only(read(path, "dbmate", {"20240101000000_x.sql": text}))


def test_sections_run_one_way_and_back_each_in_its_place(tmp_path: Path) -> None:
    text = "-- é\n-- migrate:up\nCREATE TABLE a (b int);\n  CREATE TABLE c (d int)\n\n--migrate:down\nDROP TABLE c;\n"
    found = one(tmp_path, text)
    assert (found.version, found.name) == ("20240101000000", "x")
    assert sql(found.script) == ["CREATE TABLE a (b int)", "CREATE TABLE c (d int)"]
    assert places(found.script) == [(3, 1), (4, 3)]
    statement = found.script.statements[1]
    assert text.encode()[statement.start : statement.end] == b"CREATE TABLE c (d int)"
    assert found.revert is not None
    assert (found.revert.file, sql(found.revert.script)) == ("20240101000000_x.sql", ["DROP TABLE c"])
    assert places(found.revert.script) == [(7, 1)]
    assert found.content == text.encode()


def test_files_come_in_the_order_of_their_names_and_versions_are_digits_as_they_are(tmp_path: Path) -> None:
    text = "-- migrate:up\n-- migrate:down\n"
    names = ["9_z.sql", "10_y.sql", "007.sql", "20240101_B.sql", "readme.sql", "x/1_a.sql", "1_a.sql.bak"]
    found = read(tmp_path, "dbmate", dict.fromkeys(names, text))
    assert [(m.version, m.name) for m in found.migrations] == [("007", ""), ("10", "y"), ("20240101", "B"), ("9", "z")]


@pytest.mark.parametrize(
    ("marker", "transactional"),
    [
        ("-- migrate:up", True),
        ("-- migrate:up transaction:false", False),
        ("--migrate:up  x:y   transaction:false", False),
        ("-- migrate:up transaction:FALSE", True),
        ("-- migrate:up transaction: false", True),
        ("-- migrate:up transaction=false", True),
        ("-- migrate:up Transaction:false", True),
        ("-- migrate:up transaction:false:x", True),
        ("-- migrate:up transaction:true transaction:false", False),
        ("-- migrate:up\ttransaction:false\r", False),
    ],
)
def test_the_opt_out_is_read_as_dbmate_reads_it(marker: str, transactional: bool, tmp_path: Path) -> None:
    found = one(tmp_path, f"{marker}\nSELECT 1;\n-- migrate:down transaction:false\nSELECT 2;")
    assert sql(found.script) == ["SELECT 1"]
    assert found.script.transactional is transactional
    assert found.revert is not None
    assert not found.revert.script.transactional


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        ("CREATE TABLE a (b int);", "no line `-- migrate:up`", 1),
        ("-- MIGRATE:UP\nSELECT 1;\n-- migrate:down", "no line `-- migrate:up`", 1),
        (" -- migrate:up\nSELECT 1;\n-- migrate:down", "no line `-- migrate:up`", 1),
        ("-- migrate:upward\n-- migrate:down", "no line `-- migrate:up`", 1),
        ("-- migrate:up\nSELECT 1;", "no line `-- migrate:down`", 1),
        ("-- migrate:down\n-- migrate:up\n", "above", 1),
        ("\n-- x\nSELECT 1;\n-- migrate:up\n-- migrate:down", "statements above", 3),
        ("-- migrate:up\n-- migrate:down\n-- migrate:down\n", "twice", 3),
        ("-- migrate:up\n-- migrate:down\n-- migrate:up\n-- migrate:down\n", "twice", 3),
    ],
)
def test_what_dbmate_does_not_run_is_listed_and_says_why(text: str, words: str, line: int, tmp_path: Path) -> None:
    found = one(tmp_path, text)
    assert words in refusal(found)
    assert found.script.refusals[0].line == line


def test_a_file_with_a_mark_and_windows_line_ends_is_read(tmp_path: Path) -> None:
    found = one(tmp_path, b"\xef\xbb\xbf-- migrate:up\r\nSELECT 1;\r\n-- migrate:down\r\n")
    assert sql(found.script) == ["SELECT 1"]
    assert places(found.script) == [(2, 1)]
    statement = found.script.statements[0]
    assert found.content[statement.start : statement.end] == b"SELECT 1"


def test_two_files_of_one_version_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NumberingError, match="same number"):
        read(tmp_path, "dbmate", {"1_a.sql": "", "1_b.sql": ""})


@given(st.lists(st.sampled_from(["SELECT 'é';\n", "-- x\n", "\n", "SELECT 2;\r\n"]), max_size=6), st.data())
def test_a_section_is_its_bytes_and_nothing_else(lines: list[str], data: st.DataObject) -> None:
    cut = data.draw(st.integers(min_value=0, max_value=len(lines)))
    up, down = "".join(lines[:cut]), "".join(lines[cut:])
    content = f"-- migrate:up\n{up}-- migrate:down\n{down}".encode()
    script, side = _sections(content, "1_x.sql")
    assert side is not None
    for part, text in ((script, up), (side.script, down)):
        assert isinstance(part, Script)
        assert [s.sql for s in part.statements] == [
            line.rstrip("\r\n;") for line in text.splitlines() if line.startswith("S")
        ]
        assert all(content[s.start : s.end].decode() == s.sql for s in part.statements)
