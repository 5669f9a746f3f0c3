"""sqlx: `1_name.sql`, or `1_name.up.sql` and `1_name.down.sql`, ordered by number.

The checksum is over every byte, a byte order mark and line ends included, and `-- no-transaction` has to be the very
first bytes of a file.
"""

from __future__ import annotations

from hashlib import sha384
from pathlib import Path
from typing import Final

from msgspec import Struct

from .. import formats
from ..errors import NumberingError, Place
from ..facts import SqlxFacts
from ..foreign import script_of_bytes
from ..migration import Folder, Migration, SideScript, checksums_of, line_end_variants
from .files import content_of, in_order, no_migration, side_script
from .listing import Listing, look
from .naming import NewFile, Request, next_number
from .reader import Options, Reader

_UP, _DOWN, _SIMPLE = ".up.sql", ".down.sql", ".sql"
_NO_TRANSACTION: Final = b"-- no-transaction"


class _Name(Struct, frozen=True):
    number: int
    # what is after the underscore, without the suffix
    rest: str
    suffix: str


def read(path: Path, _options: Options) -> Folder:
    """Return the migrations of the folder; raises `FolderError`, and `NumberingError` as the tool refuses names."""
    names = {file: name for file in look(path).names if (name := _name(file))}
    ups = in_order((name.number, file) for file, name in names.items() if name.suffix != _DOWN)
    downs = in_order((name.number, file) for file, name in names.items() if name.suffix == _DOWN)
    if not ups:
        raise no_migration(path, formats.SQLX.pattern)
    return Folder(
        path=path,
        format=formats.SQLX.name,
        migrations=tuple(_migration(path, file, names[file], downs.get(number)) for number, file in ups.items()),
    )


def _name(file: str) -> _Name | None:
    digits, line, rest = file.partition("_")
    if not line or not rest.endswith(_SIMPLE):
        return None
    if not (digits.isascii() and digits.isdecimal() and int(digits) < 2**63):
        raise NumberingError(
            f"{file} is not named as a migration: sqlx takes a whole number before the first underscore.",
            advice="Name it as 20060102150405_name.sql, or move it out of the folder; sqlx refuses the folder with it.",
            place=Place(file=file, line=1),
        )
    suffix = next(it for it in (_UP, _DOWN, _SIMPLE) if rest.endswith(it))
    # each suffix is taken off as often as it is there
    while rest.endswith(suffix):
        rest = rest.removesuffix(suffix)
    return _Name(int(digits), rest, suffix)


def _migration(path: Path, file: str, name: _Name, down: str | None) -> Migration:
    content = content_of(path, file)
    return Migration(
        version=str(name.number),
        name=name.rest,
        file=file,
        content=content,
        checksums=checksums_of(content),
        script=script_of_bytes(content, file=file, transactional=not content.startswith(_NO_TRANSACTION)),
        revert=_revert(path, down),
        recorded_checksum=sha384(content).hexdigest(),
        nearly_equal=tuple(sha384(variant).hexdigest() for variant in line_end_variants(content)),
        facts=SqlxFacts(description=name.rest.replace("_", " "), reversible=name.suffix == _UP),
    )


def _revert(path: Path, file: str | None) -> SideScript | None:
    if file is None:
        return None
    content = content_of(path, file)
    transactional = not content.startswith(_NO_TRANSACTION)
    return side_script(file, content, script_of_bytes(content, file=file, transactional=transactional))


def _likeness(listing: Listing) -> int:
    try:
        names = [name for file in listing.names if (name := _name(file))]
    except NumberingError:
        return 0
    if not any(name.suffix != _DOWN for name in names):
        return 0
    if listing.mentions("sqlx", "Cargo.toml") or listing.beside("sqlx.toml", "sqlx-data.json"):
        return 3
    return 2 if any(name.suffix == _UP for name in names) else 1


def new(request: Request) -> tuple[str, tuple[NewFile, ...]]:
    """Return the next version and the files of a new migration, with a way back where the last one has it."""
    names = sorted(((_name(file), file) for file in request.names if _name(file)), key=lambda it: _number_of(it[0]))
    version = next_number(request, [file.partition("_")[0] for _, file in names], width=None)
    stem = f"{version}_{request.word}"
    last = names[-1][0] if names else None
    if not request.revert and (last is None or last.suffix == _SIMPLE):
        return version, (NewFile(name=f"{stem}{_SIMPLE}", text="-- Add migration script here\n"),)
    return version, (
        NewFile(name=f"{stem}{_UP}", text="-- Add up migration script here\n"),
        NewFile(name=f"{stem}{_DOWN}", text="-- Add down migration script here\n"),
    )


def _number_of(name: _Name | None) -> int:
    return name.number if name else 0


READER: Final = Reader(format=formats.SQLX, likeness=_likeness, read=read, new=new)
