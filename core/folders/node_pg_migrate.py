"""node-pg-migrate: `1600000000000_name.sql` with `-- Up Migration` and `-- Down Migration`; JavaScript is listed.

Files come by the number at the beginning of their names, of which 17 digits are a time of day; every file of the
folder is a migration, whatever it ends in. A SQL file always runs in a transaction.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from .. import formats
from ..errors import NumberingError, Place
from ..foreign import Part, nothing, script_of
from ..migration import Folder, Migration, SideScript, checksums_of
from ..script import Script
from ..text import Span, Text
from .files import content_of, no_migration, same_number, side_script, text_or_script
from .listing import Listing, look
from .naming import NewFile, Request, next_number
from .reader import Options, Reader

_NUMBER: Final = re.compile(r"[0-9]+")
_UP: Final = re.compile(rb"^\s*--[\s-]*up\s+migration", re.IGNORECASE | re.MULTILINE)
_DOWN: Final = re.compile(rb"^\s*--[\s-]*down\s+migration", re.IGNORECASE | re.MULTILINE)
_TIME_OF_DAY: Final = 17
_SCRIPTS: Final = {
    ".js": "JavaScript", ".cjs": "JavaScript", ".mjs": "JavaScript", ".ts": "TypeScript", ".cts": "TypeScript",
    ".mts": "TypeScript",
}  # fmt: skip


def read(path: Path, _options: Options) -> Folder:
    """Return the migrations of the folder; raises `FolderError`, and `NumberingError` for names without an order."""
    files = [name for name in look(path).names if not name.startswith(".")]
    if not files:
        raise no_migration(path, formats.NODE_PG_MIGRATE.pattern)
    found: dict[str, str] = {}
    for file in sorted(files, key=lambda file: (_number(file), _natural(file))):
        twin = found.setdefault(_stem(file), file)
        if twin != file:
            raise same_number(twin, file)
    return Folder(
        path=path,
        format=formats.NODE_PG_MIGRATE.name,
        migrations=tuple(_migration(path, version, file) for version, file in found.items()),
    )


def _stem(file: str) -> str:
    """Return the name that the history has: the file's without what follows its last dot."""
    return file.rpartition(".")[0] or file


def _number(file: str) -> int:
    """Return the number by which a file is ordered; 17 digits are a time, in milliseconds since the epoch."""
    match = _NUMBER.match(file)
    if match is None:
        raise _unordered(file, "its name does not begin with a number")
    if len(match[0]) != _TIME_OF_DAY:
        return int(match[0])
    try:
        time = datetime.strptime(match[0][:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        raise _unordered(file, "the time at the beginning of its name is none") from None
    return int(time.timestamp()) * 1000 + int(match[0][14:])


def _natural(file: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part.lower()) for part in re.split(r"([0-9]+)", file)]


def _unordered(file: str, why: str) -> NumberingError:
    return NumberingError(
        f"{file} has no place in the order of migrations: {why}.",
        advice="node-pg-migrate takes every file of the folder for a migration; move what is none out of it.",
        place=Place(file=file, line=1),
    )


def _migration(path: Path, version: str, file: str) -> Migration:
    content = content_of(path, file)
    foreign = "" if file.endswith(".sql") else _SCRIPTS.get(Path(file).suffix, "JavaScript")
    up, down = (nothing(), None) if foreign else _scripts(content, file)
    return Migration(
        version=version,
        name=re.sub(r"^[0-9]+[_-]?", "", version),
        file=file,
        content=content,
        checksums=checksums_of(content),
        script=up,
        revert=down,
        also_called=(version, match[0]) if (match := _NUMBER.match(version)) else (),
        foreign=foreign,
    )


def _scripts(content: bytes, file: str) -> tuple[Script, SideScript | None]:
    text = text_or_script(content, file)
    if isinstance(text, Script):
        return text, None
    up, down = _start(_UP, text), _start(_DOWN, text)
    end = len(text.bytes)
    # without a mark for the way there, all of the file is it
    there = (0, end) if up is None else (up, down if down is not None and down > up else end)
    script = _script(text, there)
    if down is None:
        return script, None
    return script, side_script(file, content, _script(text, (down, up if up is not None and up > down else end)))


def _start(mark: re.Pattern[bytes], text: Text) -> int | None:
    match = mark.search(text.bytes)
    return match.start() if match else None


def _script(text: Text, span: Span) -> Script:
    return script_of(Part(text=text.only([(span[0] + text.shift, span[1] + text.shift)])))


def _likeness(listing: Listing) -> int:
    files = [name for name in listing.names if not name.startswith(".") and _NUMBER.match(name)]
    if not any(name.endswith((".sql", *_SCRIPTS)) for name in files):
        return 0
    if listing.mentions("node-pg-migrate", "package.json"):
        return 3
    if any(_UP.search(head) or _DOWN.search(head) for name, head in listing.heads() if name in files):
        return 2
    return 1 if any(name.endswith(tuple(_SCRIPTS)) for name in files) else 0


def new(request: Request) -> tuple[str, tuple[NewFile, ...]]:
    """Return the next version and the file of a new migration, numbered as the last one is."""
    found = [match[0] for name in request.names if not name.startswith(".") and (match := _NUMBER.match(name))]
    now = request.now.astimezone(UTC)
    milliseconds = str(int(now.timestamp() * 1000))
    last = max(found, key=int, default=milliseconds)
    if len(last) == _TIME_OF_DAY:
        number = f"{now:%Y%m%d%H%M%S}{now.microsecond // 1000:03d}"
    elif len(last) >= len(milliseconds):
        number = max(milliseconds, str(int(last) + bool(found)), key=int)
    else:
        number = next_number(request, found, width=4)
    stem = f"{number}_{request.word}"
    return stem, (NewFile(name=f"{stem}.sql", text="-- Up Migration\n\n-- Down Migration\n"),)


READER: Final = Reader(format=formats.NODE_PG_MIGRATE, likeness=_likeness, read=read, new=new)
