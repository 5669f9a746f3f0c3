"""Atlas's folder."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import pytest

from changeover.core.facts import AtlasFacts
from changeover.core.folders.atlas import SUM, sum_of, sums_of
from changeover.core.migration import Folder, Kind, Migration

from .folder_files import only, read, refusal, sql


def hashed(files: dict[str, str | bytes]) -> dict[str, str | bytes]:
    contents = {name: text.encode() if isinstance(text, str) else text for name, text in sorted(files.items())}
    sums = sums_of(contents)
    lines = [f"h1:{sum_of(sums)}", *(f"{name} h1:{value}" for name, value in sums.items())]
    return {**files, SUM: "\n".join(lines) + "\n"}


def atlas(path: Path, files: dict[str, str | bytes]) -> Folder:
    return read(path, "atlas", files)


def one(path: Path, text: str) -> Migration:
    return only(atlas(path, hashed({"20240101000000_a.sql": text})))


def test_files_come_by_name_and_their_hashes_are_a_chain(tmp_path: Path) -> None:
    found = atlas(tmp_path, hashed({"2_b_c.sql": "SELECT 2;", "1.sql": "SELECT 1;", "10_d.sql": "SELECT 3;"}))
    assert [(m.version, m.name) for m in found.migrations] == [("1", ""), ("10", "d"), ("2", "b_c")]
    assert found.refusals == ()
    last = found.migrations[2]
    assert last.facts == AtlasFacts(description="b_c")
    chain = sha256(b"1.sqlSELECT 1;10_d.sqlSELECT 3;2_b_c.sqlSELECT 2;").digest()
    assert last.recorded_checksum == b64encode(chain).decode()


@pytest.mark.parametrize(
    ("change", "words", "line"),
    [
        ({"2_b.sql": "SELECT 22;"}, "2_b.sql was edited", 3),
        ({"4_d.sql": "SELECT 4;"}, "4_d.sql is not in it", 1),
        ({"1b_x.sql": "SELECT 4;"}, "1b_x.sql is not in it", 3),
        ({SUM: "h1:x\n"}, "contradicts itself", 1),
        ({SUM: "h1:x\n1_a.sql\n"}, "has no hash", 2),
    ],
)
def test_a_sum_that_is_not_the_folders_refuses_everything_and_says_why(
    change: dict[str, str | bytes], words: str, line: int, tmp_path: Path
) -> None:
    files = hashed({"1_a.sql": "SELECT 1;", "2_b.sql": "SELECT 2;", "3_c.sql": "SELECT 3;"})
    (fault,) = atlas(tmp_path, {**files, **change}).refusals
    assert words in fault.summary
    assert (fault.file, fault.line) == (SUM, line)
    assert fault.advice


def test_a_file_that_is_gone_or_a_sum_that_is_not_there_is_said(tmp_path: Path) -> None:
    files = hashed({"1_a.sql": "SELECT 1;", "2_b.sql": "SELECT 2;"})
    (gone,) = atlas(tmp_path / "a", {name: text for name, text in files.items() if name != "2_b.sql"}).refusals
    assert "2_b.sql is in atlas.sum, and not in the folder" in gone.summary
    (none,) = atlas(tmp_path / "b", {name: text for name, text in files.items() if name != SUM}).refusals
    assert "no atlas.sum" in none.summary


@pytest.mark.parametrize(
    ("text", "transactional"),
    [
        ("-- atlas:txmode none\n\nSELECT 1;", False),
        ("-- x\n-- atlas:txmode none\n  \t\nSELECT 1;", False),
        ("-- atlas:txmode file\n\nSELECT 1;", True),
        # a comment of the statement below it, not of the file
        ("-- atlas:txmode none\nSELECT 1;", True),
        ("\n-- atlas:txmode none\n\nSELECT 1;", True),
        ("-- atlas:txmode none\r\n\r\nSELECT 1;", True),
        ("-- Atlas:txmode none\n\nSELECT 1;", True),
    ],
)
def test_the_opt_out_is_read_as_atlas_reads_it(text: str, transactional: bool, tmp_path: Path) -> None:
    assert one(tmp_path, text).script.transactional is transactional


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("-- atlas:txmode all\n\nSELECT 1;", "txmode all"),
        ("-- atlas:txmode none\n-- atlas:txmode file\n\nSELECT 1;", "none and file"),
        ("-- atlas:txtar\n\n-- checks.sql --\nSELECT 1;", "txtar"),
        ("-- atlas:delimiter \\n\\n\nSELECT 1\n\nSELECT 2", "delimiter of its own"),
    ],
)
def test_what_only_atlas_can_run_is_listed_and_says_why(text: str, words: str, tmp_path: Path) -> None:
    assert words in refusal(one(tmp_path, text))


def test_a_delimiter_that_changes_nothing_is_fine(tmp_path: Path) -> None:
    assert sql(one(tmp_path, "-- atlas:delimiter \\n\\n\nSELECT 1;\n\nSELECT 2;").script) == ["SELECT 1", "SELECT 2"]


def test_a_checkpoint_is_a_baseline(tmp_path: Path) -> None:
    assert one(tmp_path, "-- atlas:checkpoint\n\nSELECT 1;").kind is Kind.BASELINE
