"""dbmate: `20060102150405_name.sql` with the sections `-- migrate:up` and `-- migrate:down`.

The files come in the order of their names, not of their numbers, and the version is the name's digits as they are.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from .. import formats
from ..errors import Fault
from ..foreign import Part, script_of
from ..migration import Folder, Migration, SideScript, checksums_of
from ..script import Script
from ..text import Text
from .files import content_of, no_migration, same_number, side_script, text_or_script
from .listing import Listing, look
from .naming import NewFile, Request, next_number
from .reader import Options, Reader

_NAME: Final = re.compile(r"([0-9]+)(.*)\.sql", re.DOTALL)
# As dbmate has them. Its \s is five ASCII characters and takes ends of lines; its $ stands before \n only.
_WHITE: Final = rb"[\t\n\f\r ]"
_UP: Final = re.compile(
    rb"^--" + _WHITE + rb"*migrate:up(?:" + _WHITE + rb"*$|" + _WHITE + rb"+[^\t\n\f\r ]+)", re.MULTILINE
)
_DOWN: Final = re.compile(_UP.pattern.replace(b":up", b":down"), re.MULTILINE)
_BLOCK: Final = re.compile(rb"--" + _WHITE + rb"*migrate:(?:up|down)")


def read(path: Path, _options: Options) -> Folder:
    """Return the migrations of the folder; raises `FolderError`, and `NumberingError` for two files of one version."""
    found: dict[str, str] = {}
    for file in sorted((name for name in look(path).names if _NAME.fullmatch(name)), key=str.encode):
        twin = found.setdefault(_version(file), file)
        if twin != file:
            raise same_number(twin, file)
    if not found:
        raise no_migration(path, formats.DBMATE.pattern)
    return Folder(
        path=path,
        format=formats.DBMATE.name,
        migrations=tuple(_migration(path, version, file) for version, file in found.items()),
    )


def _version(file: str) -> str:
    match = _NAME.fullmatch(file)
    return match[1] if match else ""


def _migration(path: Path, version: str, file: str) -> Migration:
    content = content_of(path, file)
    up, down = _sections(content, file)
    return Migration(
        version=version,
        name=file.removesuffix(".sql")[len(version) :].removeprefix("_"),
        file=file,
        content=content,
        checksums=checksums_of(content),
        script=up,
        revert=down,
    )


def _sections(content: bytes, file: str) -> tuple[Script, SideScript | None]:
    text = text_or_script(content, file)
    if isinstance(text, Script):
        return text, None
    ups = [match.start() for match in _UP.finditer(text.bytes)]
    downs = [match.start() for match in _DOWN.finditer(text.bytes)]
    if problem := _problem(text, ups, downs):
        return script_of(Part(text=text, refusals=(problem,))), None
    up, down, end = ups[0], downs[0], len(text.bytes)
    return _section(text, up, down), side_script(file, content, _section(text, down, end))


def _section(text: Text, start: int, end: int) -> Script:
    return script_of(
        Part(
            text=text.only([(start + text.shift, end + text.shift)]),
            transactional=_options(text.bytes[start:end]).get(b"transaction") != b"false",
        )
    )


def _options(section: bytes) -> dict[bytes, bytes]:
    """Return what the line of a section says after its marker: `transaction:false`, with nothing around the colon."""
    line = _BLOCK.sub(b"", section.split(b"\n", 1)[0], count=1)
    pairs = (word.split(b":") for word in re.split(_WHITE + rb"+", line.strip(b"\t\n\v\f\r ")))
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


def _problem(text: Text, ups: list[int], downs: list[int]) -> Fault | None:
    """Return why dbmate would not run the file."""
    if not ups:
        return _fault(text, 0, "dbmate runs nothing of it: it has no line `-- migrate:up`")
    before = text.bytes[: ups[0]].split(b"\n")
    offset = 0
    for line in before:
        if line.strip() and not line.lstrip().startswith(b"--"):
            return _fault(text, offset, "it has statements above `-- migrate:up`, which dbmate refuses")
        offset += len(line) + 1
    if len(ups) > 1:
        return _fault(text, ups[1], "it has `-- migrate:up` twice, and dbmate records each, so the second one fails")
    if not downs:
        return _fault(text, ups[0], "dbmate refuses it: it has no line `-- migrate:down`")
    if downs[0] < ups[0]:
        return _fault(text, downs[0], "dbmate refuses it: `-- migrate:down` is above `-- migrate:up`")
    if len(downs) > 1:
        return _fault(text, downs[1], "dbmate refuses it: it has `-- migrate:down` twice")
    return None


def _fault(text: Text, at: int, what: str) -> Fault:
    place = text.place(at + text.shift)
    return Fault(
        id="script",
        summary=f"{text.file} cannot be run: {what}.",
        advice="A file has one `-- migrate:up` and below it one `-- migrate:down`, each on a line of its own.",
        file=place.file,
        line=place.line,
        column=place.column,
    )


def _likeness(listing: Listing) -> int:
    return 2 if any(_UP.search(head) for name, head in listing.heads() if _NAME.fullmatch(name)) else 0


def new(request: Request) -> tuple[str, tuple[NewFile, ...]]:
    """Return the next version and the file of a new migration, as `dbmate new` writes it."""
    version = next_number(request, [match[1] for match in request.matches(_NAME)], width=None)
    return version, (NewFile(name=f"{version}_{request.word}.sql", text="-- migrate:up\n\n\n-- migrate:down\n\n"),)


READER: Final = Reader(format=formats.DBMATE, likeness=_likeness, read=read, new=new)
