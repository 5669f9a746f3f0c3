"""Atlas: the `.sql` files of a folder in the order of their names, and `atlas.sum`, a running hash over all of them.

Where the sum is not that of the files, nothing of the folder runs: Atlas refuses it, too. A checkpoint stands for
everything before it, on a database without a history.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from .. import formats
from ..errors import Fault, UsageError
from ..facts import AtlasFacts
from ..foreign import Part, script_of
from ..migration import Folder, Kind, Migration, checksums_of
from ..script import Script
from ..text import Text
from .files import content_of, no_migration, same_number, text_or_script
from .listing import Listing, look
from .naming import NewFile, Request, next_number, timestamp
from .reader import Options, Reader

SUM: Final = "atlas.sum"
_DIRECTIVE: Final = re.compile(r"([ -~]*)atlas:(\w+)(?: +(.+))*", re.ASCII)
_ADVICE: Final = "Look at what changed; `atlas migrate hash` writes the sum anew."


def read(path: Path, _options: Options) -> Folder:
    """Return the migrations of the folder; raises `FolderError`, and `NumberingError` for two files of one version."""
    files = sorted((name for name in look(path).names if name.endswith(".sql")), key=str.encode)
    if not files:
        raise no_migration(path, formats.ATLAS.pattern)
    contents = {file: content_of(path, file) for file in files}
    sums = sums_of(contents)
    found: dict[str, str] = {}
    for file in files:
        twin = found.setdefault(_version(file), file)
        if twin != file:
            raise same_number(twin, file)
    return Folder(
        path=path,
        format=formats.ATLAS.name,
        migrations=tuple(_migration(file, contents[file], sums.get(file)) for file in files),
        refusals=_verified(path, sums),
    )


def sums_of(contents: Mapping[str, bytes]) -> dict[str, str]:
    """Return the hash of each file, which is over all files up to it, in their order; base64 without its `h1:`."""
    running = sha256()
    found: dict[str, str] = {}
    for file, content in contents.items():
        running.update(file.encode())
        first = content.split(b"\n", 1)[0].decode("utf-8", "replace")
        match = _DIRECTIVE.match(first)
        if match and (match[2], match[3]) == ("sum", "ignore"):
            continue
        running.update(content)
        found[file] = b64encode(running.digest()).decode()
    return found


def sum_of(sums: Mapping[str, str]) -> str:
    """Return the hash over the names and hashes of all files: the first line of atlas.sum, without its `h1:`."""
    running = sha256()
    for file, value in sums.items():
        running.update(file.encode())
        running.update(value.encode())
    return b64encode(running.digest()).decode()


def _verified(path: Path, sums: Mapping[str, str]) -> tuple[Fault, ...]:
    """Return why Atlas would refuse the folder."""
    if not (path / SUM).is_file():
        return (_fault(1, f"There is no {SUM} in the folder, and Atlas runs nothing without it."),)
    first, *lines = content_of(path, SUM).decode("utf-8", "replace").splitlines() or [""]
    said: dict[str, str] = {}
    for number, line in enumerate(lines, start=2):
        name, mark, value = line.partition("h1:")
        if not mark:
            return (_fault(number, f"{SUM} cannot be read: this line has no hash."),)
        said[name.strip()] = value
    if first.removeprefix("h1:") != sum_of(said):
        return (_fault(1, f"{SUM} contradicts itself: its first line is not the hash of the others."),)
    for number, (file, value) in enumerate(said.items(), start=2):
        if file not in sums:
            return (_fault(number, f"{file} is in {SUM}, and not in the folder."),)
        if sums[file] != value:
            earlier = next((it for it in sums if it not in said and it < file), None)
            what = f"{earlier} is not in it" if earlier else f"{file} was edited after it was hashed"
            return (_fault(number, f"{SUM} is not that of the folder: {what}."),)
    added = next((it for it in sums if it not in said), None)
    return (_fault(1, f"{SUM} is not that of the folder: {added} is not in it."),) if added else ()


def _fault(line: int, summary: str) -> Fault:
    return Fault(id="checksum", summary=summary, advice=_ADVICE, file=SUM, line=line)


def _version(file: str) -> str:
    return file.removesuffix(".sql").partition("_")[0]


def _migration(file: str, content: bytes, recorded: str | None) -> Migration:
    text = text_or_script(content, file)
    directives = [] if isinstance(text, Script) else _directives(text.sql)
    return Migration(
        version=_version(file),
        name=file.removesuffix(".sql").partition("_")[2],
        file=file,
        content=content,
        checksums=checksums_of(content),
        script=text if isinstance(text, Script) else _script(text, directives),
        kind=Kind.BASELINE if any(name == "checkpoint" for name, _ in directives) else Kind.VERSIONED,
        recorded_checksum=recorded,
        facts=AtlasFacts(description=file.partition("_")[2].removesuffix(".sql")),
    )


def _directives(sql: str) -> list[tuple[str, str]]:
    """Return the directives of the file: those among the comments at its top, which an empty line parts from the rest.

    A line that ends in CR LF is no empty one to the tool.
    """
    found: list[str] = []
    rest = sql
    while rest.startswith(("#", "--")):
        line, end, rest = rest.partition("\n")
        found.append(line.strip() if end else line)
    if rest and not rest.lstrip(" \t").startswith("\n"):
        return []
    return [(match[2], match[3] or "") for line in found if (match := _DIRECTIVE.match(line))]


def _script(text: Text, directives: Sequence[tuple[str, str]]) -> Script:
    modes = [value for name, value in directives if name == "txmode"]
    if problem := _problem(text, modes):
        return script_of(Part(text=text, refusals=(problem,)))
    script = script_of(Part(text=text, transactional=modes != ["none"]))
    if any(note.id == "not-known" for note in script.notes) and _is_delimited(text):
        what = "it has a delimiter of its own, and only Atlas can tell its statements apart"
        return replace(script, statements=(), refusals=(_refusal(text, what),), notes=())
    return script


def _problem(text: Text, modes: Sequence[str]) -> Fault | None:
    if len(modes) > 1 or not set(modes) <= {"none", "file"}:
        return _refusal(text, f"Atlas does not take the txmode {' and '.join(modes)}")
    match = _DIRECTIVE.match(text.sql)
    if match and match[2] == "txtar":
        return _refusal(text, "it holds several files in one (txtar), with checks that only Atlas runs")
    return None


def _is_delimited(text: Text) -> bool:
    match = _DIRECTIVE.match(text.sql)
    return match is not None and (match[1], match[2]) == ("-- ", "delimiter")


def _refusal(text: Text, what: str) -> Fault:
    return Fault(
        id="script",
        summary=f"{text.file} cannot be run: {what}.",
        advice="Run this one with Atlas, or write it anew without.",
        file=text.file,
        line=1,
    )


def _likeness(listing: Listing) -> int:
    if SUM in listing.names:
        return 3
    return 1 if any(name.endswith(".sql") for name in listing.names) and listing.beside("atlas.hcl") else 0


def new(request: Request) -> tuple[str, tuple[NewFile, ...]]:
    """Return the next version, its file, and the sum with it. Raises `UsageError` where the sum is not the folder's."""
    files = sorted((name for name in request.names if "/" not in name and name.endswith(".sql")), key=str.encode)
    contents = {file: content_of(request.path, file) for file in files}
    has_sum = (request.path / SUM).is_file()
    if files and (faults := _verified(request.path, sums_of(contents))):
        raise UsageError(faults[0].summary, advice=f"{faults[0].advice} A new file would hide that.")
    version, file = _next(request, files)
    sums = sums_of({**contents, file: b""})
    lines = [f"h1:{sum_of(sums)}", *(f"{name} h1:{value}" for name, value in sums.items())]
    before = content_of(request.path, SUM) if has_sum else b""
    return version, (NewFile(name=file, text=""), NewFile(name=SUM, text="\n".join(lines) + "\n", before=before))


def _next(request: Request, files: Sequence[str]) -> tuple[str, str]:
    """Return the version and file after the last, in the order of the names; by time, as the tool gives them."""
    numbers = [version for file in files if (version := _version(file)).isdecimal()]
    for version in (timestamp(request.now), next_number(request, numbers, width=None)):
        file = f"{version}_{request.word}.sql"
        if not files or (file.encode() > files[-1].encode() and version != _version(files[-1])):
            return version, file
    raise UsageError(
        f"No name is known that Atlas would take for later than {files[-1]}.",
        advice="Its order is that of the names, letter by letter; `atlas migrate hash` takes in a file of your own.",
    )


READER: Final = Reader(format=formats.ATLAS, likeness=_likeness, read=read, new=new)
