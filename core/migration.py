"""A migration as its folder holds it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .script import Script


@dataclass(frozen=True, slots=True, kw_only=True)
class Checksums:
    """Hexadecimal SHA-256 of a file: of its exact bytes, and of the text with CR LF and CR turned into LF."""

    exact: str
    normalised: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SideScript:
    """The script that undoes a migration, or the one that verifies it; it stands beside the migration's own file."""

    # relative to the folder
    file: str
    content: bytes
    checksums: Checksums
    script: Script


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One migration of a folder, read once: what was shown is what runs."""

    version: str
    name: str
    # relative to the folder, as people say it
    file: str
    content: bytes
    checksums: Checksums
    script: Script
    revert: SideScript | None = None
    verify: SideScript | None = None

    @property
    def stem(self) -> str:
        """The file's name without `.sql`: what the names of its revert and verify scripts begin with."""
        return self.file.removesuffix(".sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A migrations folder and its migrations in the order in which they apply."""

    path: Path
    format: str
    migrations: tuple[Migration, ...]
