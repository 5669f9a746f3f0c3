"""What is in a migration folder, looked at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..errors import FolderError

# How much of a file says which tool it is for.
_HEAD = 65536
# Folders below the migrations folder: nested releases are two or three deep.
_DEPTH = 8
# What other programs keep in a project.
_ELSEWHERE = frozenset({"node_modules", "__pycache__", "target", "vendor"})


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The files of a folder, by their names relative to it with `/`, sorted; not those in hidden folders."""

    path: Path
    files: tuple[str, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The files that stand in the folder itself."""
        return tuple(file for file in self.files if "/" not in file)

    @cached_property
    def parents(self) -> tuple[Path, ...]:
        """The folders above, up to the project's root (where .git is), the nearest first; at most four."""
        found: list[Path] = []
        for parent in self.path.absolute().parents[:4]:
            found.append(parent)
            if (parent / ".git").exists():
                break
        return tuple(found)

    def beside(self, *names: str) -> Path | None:
        """Return the nearest file with one of these names, in the folder or above it in the project."""
        folders = (self.path.absolute(), *self.parents)
        return next((at / name for at in folders for name in names if (at / name).is_file()), None)

    def mentions(self, word: str, *names: str) -> bool:
        """Whether the nearest file with one of these names, in the folder or above it, has the word in it."""
        file = self.beside(*names)
        try:
            return file is not None and word in file.read_text("utf-8", "replace")
        except OSError:
            return False

    def heads(self) -> Iterator[tuple[str, bytes]]:
        """Yield the beginning of each SQL file of the folder itself, as far as it can be read."""
        for name in self.names:
            if name.endswith(".sql") and not name.startswith("."):
                yield name, self.head(name)

    def head(self, file: str) -> bytes:
        """Return the beginning of a file, read once; nothing of one that cannot be read."""
        if file not in self._read:
            try:
                with (self.path / file).open("rb") as stream:
                    self._read[file] = stream.read(_HEAD)
            except OSError:
                self._read[file] = b""
        return self._read[file]

    @cached_property
    def _read(self) -> dict[str, bytes]:
        return {}


def look(path: Path, *, depth: int | None = None) -> Listing:
    """Return what is in the folder and below it, `depth` folders deep; links to folders are not followed.

    Raises `FolderError`.
    """
    try:
        if not path.is_dir():
            there = "is a file, not a folder" if path.exists() else "does not exist"
            raise FolderError(
                f"The migrations folder {path} {there}.",
                advice="Name the folder with --migrations DIR, or as `migrations` in changeover.toml.",
            )
        return Listing(path=path, files=tuple(sorted(_files(path, "", _DEPTH if depth is None else depth))))
    except OSError as error:
        raise FolderError(
            f"The migrations folder {path} cannot be read: {error.strerror}.",
            advice="Look at its owner and rights.",
        ) from error


def _files(path: Path, prefix: str, depth: int) -> Iterator[str]:
    for entry in path.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            if depth and not entry.name.startswith(".") and entry.name not in _ELSEWHERE:
                yield from _files(entry, f"{prefix}{entry.name}/", depth - 1)
        else:
            yield f"{prefix}{entry.name}"
