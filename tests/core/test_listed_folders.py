"""Folders that are listed and never run."""

from __future__ import annotations

from pathlib import Path

import pytest

from changeover.core import formats
from changeover.core.errors import FolderError
from changeover.core.folders.detect import candidates, detect
from changeover.core.folders.listing import look
from changeover.core.folders.reader import Options
from changeover.core.folders.registry import UNRECORDED

from .folder_files import lay

ALEMBIC = 'revision: str = "{0}"\ndown_revision: Union[str, None] = {1}\n'
DJANGO = "from django.db import migrations\n"
FOLDERS: dict[str, tuple[dict[str, str | bytes], list[tuple[str, str]]]] = {
    "alembic": (
        {
            "env.py": "", "versions/b_second.py": ALEMBIC.format("aaa", "'bbb'"),
            "versions/a_third.py": ALEMBIC.format("ccc", "('aaa', 'ddd')"),
            "versions/c_first.py": ALEMBIC.format("bbb", "None"),
            "versions/d_side.py": ALEMBIC.format("ddd", "'bbb'"),
        },
        [("bbb", "Python"), ("aaa", "Python"), ("ddd", "Python"), ("ccc", "Python")],
    ),
    "django": (
        {"__init__.py": "", "0002_b.py": DJANGO, "0001_initial.py": DJANGO, "helpers.py": DJANGO},
        [("0001_initial", "Python"), ("0002_b", "Python")],
    ),
    "rails": (
        {"20200101000000_a.rb": "A < ActiveRecord::Migration[7.0]", "2_b.rb": "B < ActiveRecord::Migration"},
        [("2", "Ruby"), ("20200101000000", "Ruby")],
    ),
    "liquibase": (
        {"changelog.xml": "<databaseChangeLog>", "a.sql": "--liquibase formatted sql\n", "b.sql": "SELECT 1"},
        [("a", "SQL of another tool"), ("changelog", "XML")],
    ),
    "yoyo": (
        {"0001_a.py": "from yoyo import x", "0002_b.sql": "-- depends: 0001_a\n", "0002_b.rollback.sql": "-- depends:"},
        [("0001_a", "Python"), ("0002_b", "SQL of another tool")],
    ),
    "ecto": ({"20200101000000_a.exs": "use Ecto.Migration"}, [("20200101000000", "Elixir")]),
    "refinery": (
        {"Cargo.toml": "refinery = 1", "V10__b.rs": "fn", "V2__a.sql": "SELECT 1"},
        [("2", "SQL of another tool"), ("10", "Rust")],
    ),
    "pgroll": ({"02_b.yaml": "operations:\n", "01_a.json": '{"operations": []}'}, [("01_a", "JSON"), ("02_b", "YAML")]),
}  # fmt: skip


@pytest.mark.parametrize("form", FOLDERS)
def test_they_come_in_the_tools_order_and_have_no_statements(form: str, tmp_path: Path) -> None:
    files, expected = FOLDERS[form]
    assert candidates(look(lay(tmp_path, dict(files)))) == (form,)
    found = UNRECORDED[form].read(tmp_path, Options())
    assert [(m.version, m.foreign) for m in found.migrations] == expected
    assert all(m.script.statements == () for m in found.migrations)
    assert not formats.BY_NAME[found.format].is_applied


@pytest.mark.parametrize("form", FOLDERS)
def test_a_folder_that_is_only_recognised_is_refused_by_its_tools_name(form: str, tmp_path: Path) -> None:
    lay(tmp_path, dict(FOLDERS[form][0]))
    for said in (None, form):
        with pytest.raises(FolderError, match=f"folder of {formats.BY_NAME[form].title}"):
            detect(tmp_path, said=said)


def test_words_in_a_file_beside_do_not_make_a_folder_of_sql_files_another_tools(tmp_path: Path) -> None:
    lay(tmp_path, {"20240101000000_a.sql": "-- migrate:up\n-- migrate:down\n", "notes.yaml": "operations: none\n"})
    assert detect(tmp_path) == "dbmate"
