"""tern: `001_name.sql`, a sequence without gaps from 1, with the way back below a line of its own.

The text is a Go template: a value (`{{.name}}`) is filled in from tern.conf and the settings, `{{env "NAME"}}` from the
environment, a comment is taken out, and what else a template can do only the tool does.
See https://pkg.go.dev/text/template.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from configparser import ConfigParser
from configparser import Error as ConfigError
from pathlib import Path
from typing import Final

from .. import formats
from ..errors import Fault, FolderError, NumberingError, Place
from ..foreign import Part, script_of
from ..migration import Folder, Migration, SideScript, checksums_of
from ..script import Script
from ..text import Edit, Span, Text
from .files import content_of, in_order, no_migration, side_script, text_or_script
from .listing import Listing, look
from .naming import NewFile, Request, next_number
from .reader import Options, Reader

_NAME: Final = re.compile(r"([0-9]+)_(.+)\.sql")
_BELOW: Final = b"---- create above / drop below ----"
_NO_TRANSACTION: Final = re.compile(rb"^---- tern: disable-tx ----$", re.MULTILINE)
# `{{-` takes the space before it along, `-}}` that behind it
_ACTION: Final = re.compile(rb"(?:\s*\{\{-(?=\s)|\{\{)(.*?)(?:(?<=\s)-\}\}\s*|\}\})", re.DOTALL)
_VALUE: Final = re.compile(r"\s*\.([A-Za-z_][A-Za-z0-9_]*)\s*")
_ENV: Final = re.compile(r"""\s*env\s+["`]([A-Za-z_][A-Za-z0-9_]*)["`]\s*""")
_COMMENT: Final = re.compile(r"\s*/\*.*\*/\s*", re.DOTALL)
_CONFIG: Final = "tern.conf"


def read(path: Path, options: Options) -> Folder:
    """Return the migrations of the folder; raises `FolderError`, and `NumberingError` where a number is missing."""
    listing = look(path)
    files = in_order((int(match[1]), name) for name in listing.names if (match := _NAME.fullmatch(name)))
    if not files:
        raise no_migration(path, formats.TERN.pattern)
    _refuse_gaps(files)
    config = _config(listing)
    values = {**_data(config, options.environ), **options.placeholders}
    values |= {f"env {name}": value for name, value in options.environ.items()}
    schema, table = _table(config)
    return Folder(
        path=path,
        format=formats.TERN.name,
        migrations=tuple(_migration(path, number, file, values) for number, file in files.items()),
        history_schema=schema,
        history_table=table,
    )


def _refuse_gaps(files: Mapping[int, str]) -> None:
    for expected, (number, file) in enumerate(files.items(), start=1):
        if number != expected:
            raise NumberingError(
                f"There is no migration {expected}: tern takes a sequence without gaps from 1, and {file} is next.",
                advice="Give the files the numbers that follow one another, or bring the missing one back.",
                place=Place(file=file, line=1),
            )


def _config(listing: Listing) -> ConfigParser:
    parser = ConfigParser(interpolation=None, delimiters=("=",), comment_prefixes=("#", ";"), strict=False)
    parser.optionxform = str  # type: ignore[assignment]  # names of values keep their case
    file = listing.beside(_CONFIG)
    try:
        if file is not None:
            parser.read_string(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, ConfigError) as error:
        raise FolderError(
            f"{_CONFIG} cannot be read: {error}.",
            advice="It is an INI file in UTF-8; values for the migrations stand in [data], as key = value.",
        ) from error
    return parser


def _data(config: ConfigParser, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the values of [data]; one that takes an unknown variable of the environment is none."""
    found: dict[str, str] = {}
    for name, value in config["data"].items() if config.has_section("data") else ():
        parts: list[str] = []
        end = 0
        for match in _ACTION.finditer(value.encode()):
            variable = _ENV.fullmatch(match[1].decode())
            if variable is None or variable[1] not in environ:
                break
            parts += [value.encode()[end : match.start()].decode(), environ[variable[1]]]
            end = match.end()
        else:
            found[name] = "".join([*parts, value.encode()[end:].decode()])
    return found


def _table(config: ConfigParser) -> tuple[str | None, str | None]:
    said = config.get("database", "version_table", fallback="").strip()
    schema, _, table = said.rpartition(".")
    return schema or None, table or None


def _migration(path: Path, number: int, file: str, values: Mapping[str, str]) -> Migration:
    content = content_of(path, file)
    up, down = _scripts(content, file, values)
    match = _NAME.fullmatch(file)
    return Migration(
        version=str(number),
        name=match[2] if match else file,
        file=file,
        content=content,
        checksums=checksums_of(content),
        script=up,
        revert=down,
    )


def _scripts(content: bytes, file: str, values: Mapping[str, str]) -> tuple[Script, SideScript | None]:
    text = text_or_script(content, file)
    if isinstance(text, Script):
        return text, None
    first, last = text.shift, len(text.bytes) + text.shift
    at = text.bytes.find(_BELOW)
    above = (first, at + text.shift if at >= 0 else last)
    below = (above[1] + len(_BELOW), last) if at >= 0 else None
    up = _script(text, above, values)
    if not any(_is_sql(line) for line in _of(text, above).split(b"\n")):
        up = script_of(Part(text=text, refusals=(_fault(text, first, "has no SQL above, which tern refuses"),)))
    if below is None or not _of(text, below).strip():
        return up, None
    return up, side_script(file, content, _script(text, below, values))


def _of(text: Text, span: Span) -> bytes:
    return text.bytes[span[0] - text.shift : span[1] - text.shift]


def _is_sql(line: bytes) -> bool:
    return bool(line.strip()) and not line.strip().startswith(b"--")


def _script(text: Text, span: Span, values: Mapping[str, str]) -> Script:
    # the tool looks for it once the space around the section is gone
    transactional = _NO_TRANSACTION.search(_of(text, span).strip()) is None
    edits: list[Edit] = []
    for match in _ACTION.finditer(_of(text, span)):
        start, end = match.start() + span[0], match.end() + span[0]
        value, problem = _evaluated(match[1].decode("utf-8", "replace"), values)
        if problem:
            return script_of(Part(text=text, refusals=(_fault(text, match.start(1) - 2 + span[0], problem),)))
        edits.append(Edit(start=start, end=end, value=value))
    part = text.only([span])
    return script_of(Part(text=part.edited(edits) if edits else part, transactional=transactional))


def _evaluated(action: str, values: Mapping[str, str]) -> tuple[str, str]:
    """Return what stands for an action of the template, or why nothing does."""
    if _COMMENT.fullmatch(action):
        return "", ""
    name, variable = _VALUE.fullmatch(action), _ENV.fullmatch(action)
    if name is None and variable is None:
        return "", f"has '{{{{{action}}}}}', which only tern can work out"
    key = name[1] if name else f"env {variable[1]}" if variable else ""
    if key in values:
        return values[key], ""
    return "", f"needs a value for {key.removeprefix('env ')}, and there is none"


def _fault(text: Text, at: int, what: str) -> Fault:
    place = text.place(at)
    return Fault(
        id="placeholder" if "value" in what else "script",
        summary=f"{text.file} {what}.",
        advice="Values come from [data] of tern.conf, from [placeholders] of changeover.toml, and `env` from the "
        "environment.",
        file=place.file,
        line=place.line,
        column=place.column,
    )


def _likeness(listing: Listing) -> int:
    if not any(_NAME.fullmatch(name) for name in listing.names):
        return 0
    if listing.beside(_CONFIG):
        return 3
    return 2 if any(_BELOW in head or _NO_TRANSACTION.search(head) for _, head in listing.heads()) else 1


def new(request: Request) -> tuple[str, tuple[NewFile, ...]]:
    """Return the next version and the file of a new migration."""
    version = next_number(request, [match[1] for match in request.matches(_NAME)], width=3)
    text = f"-- Write your migrate up statements here\n\n{_BELOW.decode()}\n\n"
    return version, (NewFile(name=f"{version}_{request.word}.sql", text=text),)


READER: Final = Reader(format=formats.TERN, likeness=_likeness, read=read, new=new)
