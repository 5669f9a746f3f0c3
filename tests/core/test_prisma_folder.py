"""Prisma's folder."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from changeover.core.errors import FolderError

from .folder_files import only, read, sql


def test_each_folder_with_a_script_is_a_migration_in_the_order_of_names(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "migration_lock.toml": 'provider = "postgresql"',
        "20210102000000_second/migration.sql": "SELECT 2;",
        "20210101000000_first/migration.sql": "SELECT 1;",
        "20210101000000_first/README.md": "",
        "20210103000000_empty/notes.txt": "",
        "0_init/migration.sql": "SELECT 0;",
    }
    found = read(tmp_path, "prisma", files)
    assert [(m.version, m.name, m.file) for m in found.migrations] == [
        ("0_init", "init", "0_init/migration.sql"),
        ("20210101000000_first", "first", "20210101000000_first/migration.sql"),
        ("20210102000000_second", "second", "20210102000000_second/migration.sql"),
    ]
    assert sql(found.migrations[1].script) == ["SELECT 1"]
    assert found.migrations[1].script.statements[0].place.file == "20210101000000_first/migration.sql"
    assert found.migrations[1].revert is None


@pytest.mark.parametrize("content", [b"SELECT 1;\nSELECT 2;\n", b"SELECT 1;\r\nSELECT 2;\r\n"])
def test_the_checksum_is_over_the_bytes_and_other_line_ends_are_the_same_to_the_tool(
    content: bytes, tmp_path: Path
) -> None:
    found = only(read(tmp_path, "prisma", {"1_a/migration.sql": content}))
    assert found.recorded_checksum == sha256(content).hexdigest()
    for variant in (b"SELECT 1;\nSELECT 2;\n", b"SELECT 1;\r\nSELECT 2;\r\n"):
        digest = sha256(variant).digest()
        assert found.has_checksum(digest.hex())
        assert found.has_checksum("".join(f"{byte:x}" for byte in digest))
    assert not found.has_checksum(sha256(b"SELECT 1;").hexdigest())


def test_a_folder_without_migrations_says_how_they_are_named(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="no migration") as caught:
        read(tmp_path, "prisma", {"migration_lock.toml": ""})
    assert "migration.sql" in caught.value.advice
