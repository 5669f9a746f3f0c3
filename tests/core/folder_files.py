"""Writes migration folders, and says what is in one."""

from __future__ import annotations

from pathlib import Path

from changeover.core.folders.reader import Options
from changeover.core.folders.registry import READERS, UNRECORDED
from changeover.core.migration import Folder, Migration
from changeover.core.script import Script


def lay(path: Path, files: dict[str, str | bytes]) -> Path:
    """Write files by their names, which may have folders in them."""
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def read(path: Path, form: str, files: dict[str, str | bytes], **options: object) -> Folder:
    """Write files and read them as a folder of the format."""
    reader = {**READERS, **UNRECORDED}[form]
    found = reader.read(lay(path, files), Options(**options))  # type: ignore[arg-type]
    assert found.format == form
    return found


def only(folder: Folder) -> Migration:
    """Return the one migration of a folder."""
    (migration,) = folder.migrations
    return migration


def sql(script: Script) -> list[str]:
    """Return the statements of a script that runs; each stands in its file where it says."""
    assert script.refusals == ()
    return [statement.sql for statement in script.statements]


def places(script: Script) -> list[tuple[int, int]]:
    """Return where the statements stand."""
    return [(statement.place.line, statement.place.column) for statement in script.statements]


def refusal(migration: Migration) -> str:
    """Return why a migration cannot run."""
    assert migration.script.statements == ()
    (fault,) = migration.script.refusals
    assert fault.file == migration.file
    assert fault.line
    return fault.summary
