"""sqlx's folder."""

from __future__ import annotations

from hashlib import sha384
from pathlib import Path

import pytest

from changeover.core.errors import NumberingError
from changeover.core.facts import SqlxFacts

from .folder_files import only, read, sql


def test_simple_and_reversible_files_stand_side_by_side(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "20210101000000_a_b.up.sql": "SELECT 1;",
        "20210101000000_a_b.down.sql": "SELECT 2;",
        "0002_c.sql": "SELECT 3;",
        "README.md": "",
        "notes_x.txt": "",
    }
    found = read(tmp_path, "sqlx", files)
    assert [(m.version, m.name, m.facts) for m in found.migrations] == [
        ("2", "c", SqlxFacts(description="c", reversible=False)),
        ("20210101000000", "a_b", SqlxFacts(description="a b", reversible=True)),
    ]
    revert = found.migrations[1].revert
    assert revert is not None
    assert sql(revert.script) == ["SELECT 2"]
    assert found.migrations[0].revert is None


def test_the_checksum_is_over_every_byte_and_other_line_ends_are_only_near(tmp_path: Path) -> None:
    found = only(read(tmp_path, "sqlx", {"1_a.sql": b"SELECT 1;\r\n"}))
    assert found.recorded_checksum == sha384(b"SELECT 1;\r\n").hexdigest()
    assert not found.has_checksum(sha384(b"SELECT 1;\n").hexdigest())
    assert found.nearly_equal == (sha384(b"SELECT 1;\n").hexdigest(),)


@pytest.mark.parametrize(
    ("text", "transactional"),
    [
        (b"-- no-transaction\nVACUUM;", False),
        (b"-- no-transactions at all\nSELECT 1;", False),
        (b"\n-- no-transaction\nSELECT 1;", True),
        (b" -- no-transaction\nSELECT 1;", True),
        (b"--no-transaction\nSELECT 1;", True),
        (b"-- NO-TRANSACTION\nSELECT 1;", True),
        (b"\xef\xbb\xbf-- no-transaction\nSELECT 1;", True),
    ],
)
def test_the_opt_out_is_the_very_first_bytes(text: bytes, transactional: bool, tmp_path: Path) -> None:
    assert only(read(tmp_path, "sqlx", {"1_a.sql": text})).script.transactional is transactional


@pytest.mark.parametrize("files", [["abc_x.sql"], ["1.2_x.sql"], ["1_a.sql", "01_b.up.sql"]])
def test_names_that_the_tool_refuses_are_refused(files: list[str], tmp_path: Path) -> None:
    with pytest.raises(NumberingError):
        read(tmp_path, "sqlx", dict.fromkeys(files, ""))
