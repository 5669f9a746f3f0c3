"""Folders of migrations near where the set-up was started, and which tool's they look like. Looks at names only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# Where tools keep them by default or by habit.
_PLACES: Final = (
    "migrations",
    "db/migrations",
    "db/migrate",
    "database/migrations",
    "sql/migrations",
    "sql",
    "supabase/migrations",
    "prisma/migrations",
    "drizzle",
    "alembic/versions",
    "migrations/versions",
    "src/main/resources/db/migration",
    "deploy",
    ".",
)
# By the names of the files in it, or (with a slash) of the files in the folders in it; the first that fits.
_FORMATS: Final = (
    ("golang-migrate", re.compile(r"\d+_.+\.up\.sql")),
    ("Flyway", re.compile(r"[VUR][\d._]*__.+\.sql")),
    ("Prisma", re.compile(r"\d+_.+/migration\.sql")),
    ("Diesel", re.compile(r".+/up\.sql")),
    ("Alembic", re.compile(r"[0-9a-f]{12}_.+\.py")),
    ("numbered files", re.compile(r"\d+[_-].+\.sql")),
)
# More files than these are not looked at: a name is known by then.
_MOST: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFolder:
    """A folder with files in it that look like migrations."""

    path: Path
    # as its tool is called
    format: str
    files: int


def find(start: Path) -> tuple[FoundFolder, ...]:
    """Return the folders under `start` that look like migrations, the usual places first."""
    found: list[FoundFolder] = []
    for place in _PLACES:
        folder = start / place
        looked = _look(folder)
        if looked is not None and all(each.path != looked.path for each in found):
            found.append(looked)
    return tuple(found)


def _look(folder: Path) -> FoundFolder | None:
    names = _names(folder)
    if any(name == "sqitch.plan" for name in _names(folder.parent)) and folder.name == "deploy":
        return FoundFolder(path=folder, format="Sqitch", files=sum(name.endswith(".sql") for name in names))
    for tool, pattern in _FORMATS:
        fitting = [name for name in names if pattern.fullmatch(name)]
        if fitting:
            return FoundFolder(path=folder, format=tool, files=len(fitting))
    return None


def _names(folder: Path) -> list[str]:
    """Return the names of the files in a folder, and of those in its folders with their folder before them."""
    names: list[str] = []
    try:
        entries = sorted(folder.iterdir())[:_MOST]
        for entry in entries:
            if entry.is_file():
                names.append(entry.name)
            elif entry.is_dir() and not entry.name.startswith("."):
                names += [f"{entry.name}/{name}" for name in ("migration.sql", "up.sql") if (entry / name).is_file()]
    except OSError:
        return names
    return names
