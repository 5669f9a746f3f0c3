"""Folders of tools whose migrations are not SQL, or not ours to run: listed in their order, and that is all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from msgspec import Struct

from .. import formats
from ..foreign import nothing
from ..formats import Format
from ..migration import Folder, Migration, checksums_of
from .files import content_of, no_migration
from .listing import Listing, look
from .reader import Options, Reader

_LANGUAGES: Final = {
    ".py": "Python", ".rb": "Ruby", ".exs": "Elixir", ".rs": "Rust", ".sql": "SQL of another tool", ".xml": "XML",
    ".yaml": "YAML", ".yml": "YAML", ".json": "JSON",
}  # fmt: skip
_REVISION: Final = re.compile(r"^revision\b[^=\n]*=\s*['\"]([^'\"]+)['\"]", re.MULTILINE)
_DOWN: Final = re.compile(r"^down_revision\b[^=\n]*=\s*(.+?)\s*(?:#.*)?$", re.MULTILINE)
_QUOTED: Final = re.compile(r"['\"]([^'\"]+)['\"]")


class _Found(Struct, frozen=True, kw_only=True):
    """A migration as its file's name and text tell of it."""

    version: str
    name: str
    file: str
    # versions that come before it
    after: tuple[str, ...] = ()


class _Kind(Struct, frozen=True, kw_only=True):
    format: Format
    # of the file, relative to the folder
    pattern: re.Pattern[str]
    # words of which one is in a file of the format; none where the names alone say it
    words: tuple[str, ...] = ()
    # files beside the folder that are the tool's own, and a word that a file of the project has: (file, word)
    own: tuple[str, ...] = ()
    project: tuple[str, str] = ("", "")
    # 007 and 7 are one version
    is_number: bool = False
    order: Callable[[Iterable[_Found]], list[_Found]]


def _by_number(found: Iterable[_Found]) -> list[_Found]:
    return sorted(found, key=lambda it: (int(it.version), it.file))


def _by_name(found: Iterable[_Found]) -> list[_Found]:
    return sorted(found, key=lambda it: it.file.rpartition("/")[2])


def _by_parent(found: Iterable[_Found]) -> list[_Found]:
    """Return the migrations so that each comes after those that it builds on, by name where that leaves a choice."""
    waiting = {it.version: it for it in sorted(found, key=lambda it: it.file)}
    done: list[_Found] = []
    while waiting:
        ready = [it for it in waiting.values() if not any(version in waiting for version in it.after)]
        for it in ready or list(waiting.values()):
            done.append(it)
            del waiting[it.version]
    return done


_KINDS: Final = (
    _Kind(
        format=formats.ALEMBIC,
        pattern=re.compile(r"(?:.*/)?(?P<version>[^/]+)\.py"),
        words=("down_revision",),
        own=("alembic.ini",),
        order=_by_parent,
    ),
    _Kind(
        format=formats.DJANGO,
        pattern=re.compile(r"(?P<version>[0-9]{4}_(?P<name>\w+))\.py"),
        words=("django.db", "migrations.Migration"),
        own=("manage.py",),
        order=_by_name,
    ),
    _Kind(
        format=formats.RAILS,
        pattern=re.compile(r"(?P<version>[0-9]+)_(?P<name>\w+)\.rb"),
        words=("ActiveRecord::Migration",),
        project=("Gemfile", "rails"),
        is_number=True,
        order=_by_number,
    ),
    _Kind(
        format=formats.LIQUIBASE,
        pattern=re.compile(r"(?P<version>(?:.*/)?(?P<name>[^/]+))\.(?:xml|ya?ml|json|sql)"),
        words=("databaseChangeLog", "liquibase formatted sql"),
        own=("liquibase.properties",),
        order=_by_name,
    ),
    _Kind(
        format=formats.YOYO,
        pattern=re.compile(r"(?P<version>(?P<name>[^/]+))(?<!\.rollback)\.(?:py|sql)"),
        words=("from yoyo import", "-- depends:", "__depends__"),
        own=("yoyo.ini",),
        order=_by_name,
    ),
    _Kind(
        format=formats.ECTO,
        pattern=re.compile(r"(?P<version>[0-9]+)_(?P<name>\w+)\.exs"),
        words=("Ecto.Migration",),
        is_number=True,
        order=_by_number,
    ),
    _Kind(
        format=formats.REFINERY,
        pattern=re.compile(r"(?:.*/)?[VU](?P<version>[0-9]+)__(?P<name>\w+)\.(?:sql|rs)"),
        project=("Cargo.toml", "refinery"),
        is_number=True,
        order=_by_number,
    ),
    _Kind(
        format=formats.PGROLL,
        pattern=re.compile(r"(?P<version>(?P<name>[^/]+))\.(?:ya?ml|json)"),
        words=("operations:", '"operations"'),
        order=_by_name,
    ),
)  # fmt: skip


def _reader(kind: _Kind) -> Reader:
    def read(path: Path, _options: Options) -> Folder:
        listing = look(path)
        contents = {file: content_of(path, file) for file in _files(kind, listing)}
        found = kind.order(_found(kind, file, content) for file, content in contents.items())
        if not found:
            raise no_migration(path, kind.format.pattern)
        return Folder(
            path=path,
            format=kind.format.name,
            migrations=tuple(_migration(it, contents[it.file]) for it in found),
        )

    def likeness(listing: Listing) -> int:
        files = _files(kind, listing)
        if not files:
            return 0
        file, word = kind.project
        if (kind.own and listing.beside(*kind.own)) or (file and listing.mentions(word, file)):
            return 3
        return 2 if kind.words else 1

    return Reader(format=kind.format, likeness=likeness, read=read)


def _files(kind: _Kind, listing: Listing) -> list[str]:
    """Return the files that are migrations, by their names and, where those say too little, their texts."""
    names = (file for file in listing.files if kind.pattern.fullmatch(file) and not _is_hidden(file))
    return [name for name in names if not kind.words or any(word.encode() in listing.head(name) for word in kind.words)]


def _is_hidden(file: str) -> bool:
    return file.rpartition("/")[2].startswith(".")


def _found(kind: _Kind, file: str, content: bytes) -> _Found:
    match = kind.pattern.fullmatch(file)
    groups = match.groupdict() if match else {}
    version = groups.get("version") or file
    name = groups.get("name") or version
    if kind.format is not formats.ALEMBIC:
        return _Found(version=str(int(version)) if kind.is_number else version, name=name, file=file)
    text = content.decode("utf-8", "replace")
    revision, down = _REVISION.search(text), _DOWN.search(text)
    return _Found(
        version=revision[1] if revision else version,
        name=name.partition("_")[2] or name,
        file=file,
        after=tuple(_QUOTED.findall(down[1])) if down else (),
    )


def _migration(found: _Found, content: bytes) -> Migration:
    return Migration(
        version=found.version,
        name=found.name,
        file=found.file,
        content=content,
        checksums=checksums_of(content),
        script=nothing(),
        foreign=_LANGUAGES.get(Path(found.file).suffix, "code"),
    )


LISTED: Final = tuple(_reader(kind) for kind in _KINDS)
