"""graphile-migrate: `committed/000001.sql`, a chain of hashes; what is not committed yet is not listed.

A file begins with headers (`--! Previous: ...`, `--! Hash: ...`) and an empty line; the rest is hashed, with the hash
of the file before it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import sha1
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from .. import formats
from ..errors import Fault
from ..facts import GraphileFacts
from ..foreign import Part, script_of
from ..migration import Folder, Migration, checksums_of
from ..script import Script
from ..text import Edit, Text
from .files import content_of, in_order, no_migration, text_or_script
from .listing import Listing, look
from .reader import Options, Reader

_NAME: Final = re.compile(r"([0-9]+)(-[-_a-zA-Z0-9]*)?\.sql")
_HEADER: Final = re.compile(r"--! ([A-Z][a-zA-Z0-9_]*)(?::(.*))?")
_NO_TRANSACTION: Final = re.compile(rb"--!\s*no-transaction\b")
_COMMITTED: Final = "committed"
_SETTINGS: Final = (".gmrc", ".gmrc.json")
_CODE: Final = (".gmrc.js", ".gmrc.cjs")
_PLACEHOLDER: Final = re.compile(rb"(?<!:):[A-Z][0-9A-Z_]+\b")
_OWN: Final = frozenset({":DATABASE_NAME", ":DATABASE_OWNER"})
# what JavaScript's trim() takes off
_SPACE: Final = "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"  # fmt: skip # noqa: E501


class _Headers(Struct, frozen=True, kw_only=True):
    values: Mapping[str, str]
    # where what is hashed and run begins, in bytes of the text
    body: int
    problem: str = ""


def read(path: Path, options: Options) -> Folder:
    """Return the committed migrations of the folder; raises `FolderError`, and `NumberingError` for a number twice."""
    listing = look(path)
    prefix = "" if path.name == _COMMITTED else f"{_COMMITTED}/"
    names = [file.removeprefix(prefix) for file in listing.files if file.startswith(prefix)]
    files = in_order((int(match[1]), name) for name in names if (match := _NAME.fullmatch(name)))
    if not files:
        raise no_migration(path, formats.GRAPHILE_MIGRATE.pattern)
    known = _values(listing, options)
    migrations: list[Migration] = []
    for file in files.values():
        before = migrations[-1] if migrations else None
        migrations.append(_migration(path, f"{prefix}{file}", before, known))
    return Folder(
        path=path,
        format=formats.GRAPHILE_MIGRATE.name,
        migrations=tuple(migrations),
        asks_server=options.database is None and any(b":DATABASE_" in it.content for it in migrations),
    )


class _Values(Struct, frozen=True, kw_only=True):
    """What stands for which placeholder, and why a name beside them may be one all the same."""

    known: Mapping[str, str]
    # why not all are known; empty where they are
    doubt: str = ""


def _values(listing: Listing, options: Options) -> _Values:
    """Return the placeholders of .gmrc, where it is plain JSON, those of our settings, and the tool's own two."""
    said = {f":{name.removeprefix(':')}": value for name, value in options.placeholders.items()}
    file = listing.beside(*_SETTINGS, *_CODE)
    if file is None:
        return _Values(known={**_own({}, options), **said})
    try:
        found: Any = None if file.name in _CODE else json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict):
        return _Values(known={**_own({}, options), **said}, doubt=f"{file.name} is not plain JSON")
    values = found.get("placeholders")
    known = _own(found, options)
    missing = ""
    for name, value in (values if isinstance(values, dict) else {}).items():
        if value != "!ENV":
            known[str(name)] = str(value)
        elif options.environ.get(name.removeprefix(":")):
            known[str(name)] = options.environ[name.removeprefix(":")]
        else:
            missing = f"{file.name} takes it from the environment, and it is not there"
    return _Values(known={**known, **said}, doubt=missing)


def _own(found: Mapping[str, Any], options: Options) -> dict[str, str]:
    """Return the database's name, and whom the tool takes for its owner: the user, unless its settings say another."""
    owner = found.get("databaseOwner") or options.user
    values = {":DATABASE_NAME": options.database, ":DATABASE_OWNER": owner if options.database is not None else None}
    return {name: str(value) for name, value in values.items() if value is not None}


def _migration(path: Path, file: str, before: Migration | None, values: _Values) -> Migration:
    content = content_of(path, file)
    number = file.rpartition("/")[2].removesuffix(".sql").partition("-")[0]
    text = text_or_script(content, file)
    headers = _Headers(values={}, body=0) if isinstance(text, Script) else _headers(text)
    recorded = headers.values.get("Hash")
    previous = headers.values.get("Previous")
    previous = None if previous in {None, "-"} else previous
    script = text if isinstance(text, Script) else _script(text, headers, before, values)
    return Migration(
        version=number,
        name=file.rpartition("/")[2].removesuffix(".sql").partition("-")[2],
        file=file,
        content=content,
        checksums=checksums_of(content),
        script=script,
        recorded_checksum=recorded,
        facts=GraphileFacts(filename=f"{number}.sql", previous_hash=previous),
    )


def _headers(text: Text) -> _Headers:
    values: dict[str, str] = {}
    at = 0
    for line in text.bytes.split(b"\n"):
        match = _HEADER.fullmatch(line.decode("utf-8", "replace"))
        if match is None:
            break
        if match[1] in values:
            return _Headers(values=values, body=at, problem=f"its header {match[1]} is there twice")
        values[match[1]] = (match[2] or "").strip()
        at += len(line) + 1
    problem = ""
    rest = text.bytes[at:]
    if rest.startswith(b"\r\n"):
        problem = "its line ends are CR LF, which git may have made of them: `*.sql -text` in .gitattributes keeps them"
    elif rest and not rest.startswith(b"\n"):
        problem = "there is no empty line after its headers"
    missing = next((name for name in ("Previous", "Hash") if not values.get(name)), None)
    if missing and not problem:
        problem = f"it has no header `--! {missing}:`"
    return _Headers(values=values, body=at, problem=problem)


def _script(text: Text, headers: _Headers, before: Migration | None, values: _Values) -> Script:
    problem = headers.problem or _broken(text, headers, before)
    if problem:
        fault = Fault(
            id="script",
            summary=f"{text.file} cannot be run: {problem}.",
            advice="Bring back the file as it was committed; graphile-migrate refuses it, too.",
            file=text.file,
            line=1,
        )
        return script_of(Part(text=text, refusals=(fault,)))
    body = text.bytes[headers.body :]
    start = headers.body + len(body) - len(body.decode().lstrip(_SPACE).encode())
    first = text.bytes[start:].split(b"\n", 1)[0]
    part = text.only([(start + text.shift, len(text.bytes) + text.shift)])
    edits = _edits(part, values.known)
    if unfilled := _unfilled(part, values):
        return script_of(Part(text=text, refusals=(unfilled,)))
    return script_of(
        Part(text=part.edited(edits) if edits else part, transactional=_NO_TRANSACTION.match(first) is None)
    )


def _broken(text: Text, headers: _Headers, before: Migration | None) -> str:
    """Return why the chain of hashes does not hold at this file."""
    previous, recorded = headers.values["Previous"], headers.values["Hash"]
    expected = before.recorded_checksum if before and before.recorded_checksum else "-"
    if previous != expected:
        return f"the migration before it is {expected}, and it expects {previous}"
    allowed = "AllowInvalidHash" in headers.values
    is_valid = hash_of(text.bytes[headers.body :].decode(), None if previous == "-" else previous) == recorded
    if not is_valid and not allowed:
        return "its hash is not that of its text, so it was edited after it was committed"
    if is_valid and allowed:
        return "it has the header AllowInvalidHash, and its hash is valid"
    return ""


def hash_of(body: str, previous: str | None) -> str:
    """Return the hash of a migration after the one with the hash `previous`."""
    text = f"{previous or ''}\n{body.strip(_SPACE)}".strip(_SPACE) + "\n"
    return f"sha1:{sha1(text.encode(), usedforsecurity=False).hexdigest()}"


def _unfilled(text: Text, values: _Values) -> Fault | None:
    """Return the first name that may be a placeholder and has no value; a name that is none to the tool stays."""
    for match in _PLACEHOLDER.finditer(text.bytes):
        name = match[0].decode()
        is_own = name in _OWN
        if name in values.known or not (is_own or values.doubt):
            continue
        place = text.place(match.start() + text.shift)
        return Fault(
            id="placeholder",
            summary=f"{name} has no value: {'only the database says it' if is_own else values.doubt}.",
            advice="Give it one in changeover.toml under [placeholders], without the colon.",
            file=place.file,
            line=place.line,
            column=place.column,
        )
    return None


def _edits(text: Text, values: Mapping[str, str]) -> list[Edit]:
    if not values:
        return []
    names = "|".join(re.escape(name) for name in sorted(values, key=len, reverse=True))
    found = re.finditer(rf"(?:{names})\b".encode(), text.bytes)
    return [
        Edit(start=match.start() + text.shift, end=match.end() + text.shift, value=values[match[0].decode()])
        for match in found
    ]


def _likeness(listing: Listing) -> int:
    inside = listing.path.name == _COMMITTED
    prefix = "" if inside else f"{_COMMITTED}/"
    if not any(_NAME.fullmatch(file.removeprefix(prefix)) for file in listing.files if file.startswith(prefix)):
        return 0
    if not inside:
        return 3
    return 3 if any(head.startswith(b"--! Previous:") for _, head in listing.heads()) else 0


READER: Final = Reader(
    format=formats.GRAPHILE_MIGRATE,
    likeness=_likeness,
    read=read,
    instead_of_new="Write what comes next into current.sql; `graphile-migrate commit` makes a file of it.",
)
