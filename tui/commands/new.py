"""`new`: a migration file with the next number, in the folder's format."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from ...core.document_types import VERSION, NewDocument, text_of
from ...core.new_migration import new_files, write
from ..beginning import settings_of
from ..format import visible
from ..options import Options
from ..output import show


def new(options: Options, name: str, *, revert: bool, verify: bool) -> int:
    """Write the files of a new migration and print their names; needs no database."""
    settings = settings_of(options)
    folder = settings.migrations or Path.cwd() / "migrations"
    version, files = new_files(
        folder,
        name,
        now=datetime.now(UTC),
        revert=revert,
        verify=verify,
        said=settings.format,
        environ={name: value.reveal() for name, value in settings.environ.items()},
    )
    paths = [_shown(path) for path in write(folder, files)]
    if options.json:
        show([text_of(NewDocument(changeover=VERSION, version=version, files=tuple(paths)))])
    else:
        show([visible(path) for path in paths])
    return 0


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
