"""Flyway: `V1__name.sql`, `R__name.sql`, `U1__name.sql`, `B1__name.sql`, in the folder and all below it.

Versions compare part by part as numbers, whatever folder a file is in; repeatable migrations come after them, by their
description. See https://documentation.red-gate.com/flyway/flyway-concepts/migrations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Final

from msgspec import Struct

from .. import formats
from ..copy_data import Blocks
from ..errors import Fault, NumberingError
from ..facts import FlywayFacts
from ..flyway import checksum_of, order_of, repeatable_key, version_of
from ..foreign import Part, nothing, script_of
from ..migration import Folder, Kind, Migration, SideScript, checksums_of
from ..script import Script
from ..text import Text
from .files import content_of, no_migration, same_number, side_script, text_or_script
from .flyway_config import FILES, FlywayConfig, properties_of
from .flyway_config import read as read_config
from .listing import Listing, look
from .naming import TIMESTAMP, NewFile, Request, timestamp
from .placeholders import filled_in
from .reader import Options, Reader


class _Name(Struct, frozen=True, kw_only=True):
    """A file's name, taken apart."""

    # relative to the migrations folder, and to the location
    file: str
    script: str
    # V, R, U or B, whatever the configuration calls it
    kind: str
    version: str | None
    description: str


def read(path: Path, options: Options) -> Folder:
    """Return the migrations of the folder; raises `FolderError`, and `NumberingError` for two files of one version."""
    listing = look(path)
    config = read_config(listing, options.environ)
    names = [name for file in listing.files if (name := _name(file, config, path)) and _is_located(name, config, path)]
    undo = _by_version(name for name in names if name.kind == "U")
    files = _Files(path=path, config=config, options=options)
    migrations = [
        *(files.migration(name, undo.get(order)) for order, name in _ordered(names)),
        *(files.migration(name, None) for name in _repeatable(names)),
    ]
    if not migrations:
        raise no_migration(path, formats.FLYWAY.pattern)
    return Folder(
        path=path,
        format=formats.FLYWAY.name,
        migrations=tuple(migrations),
        history_schema=config.schema,
        history_table=config.table,
        asks_server=options.schema is None and (config.schema is not None or _asks(config, migrations)),
        refusals=_elsewhere(config, options),
    )


def _asks(config: FlywayConfig, migrations: Iterable[Migration]) -> bool:
    """Whether a file has a placeholder of the tool's own."""
    mark = f"{config.placeholder_prefix}flyway{config.placeholder_separator}".lower().encode()
    return any(
        mark in content.lower()
        for it in migrations
        for content in (it.content, it.revert.content if it.revert else b"")
    )


def _elsewhere(config: FlywayConfig, options: Options) -> tuple[Fault, ...]:
    """Return that the tool would run the files in another schema than the target's, which it sets first."""
    if config.schema is None or options.schema is None or config.schema == options.schema:
        return ()
    return (
        Fault(
            id="default-schema",
            summary=f"Flyway runs these files with {config.schema} first in the search_path, and here that is "
            f"{options.schema}.",
            advice=f"ALTER ROLE ... IN DATABASE ... SET search_path = {config.schema}, or take defaultSchema out of "
            "Flyway's configuration and name the history with `history_table` in changeover.toml.",
        ),
    )


def _ordered(names: Iterable[_Name]) -> list[tuple[tuple[int, ...], _Name]]:
    """Return the versioned and the baseline migrations by version, a baseline before what has the same one."""
    names = list(names)
    found = [
        (order, kind, name)
        for kind in "BV"
        for order, name in _by_version(name for name in names if name.kind == kind).items()
    ]
    return [(order, name) for order, _, name in sorted(found, key=lambda it: it[:2])]


def _by_version(names: Iterable[_Name]) -> dict[tuple[int, ...], _Name]:
    found: dict[tuple[int, ...], _Name] = {}
    for name in names:
        twin = found.setdefault(order_of(name.version or "0"), name)
        if twin is not name:
            raise same_number(twin.file, name.file)
    return found


def _repeatable(names: Iterable[_Name]) -> list[_Name]:
    found = sorted((name for name in names if name.kind == "R"), key=lambda name: name.description)
    for one, other in pairwise(found):
        if one.description == other.description:
            raise NumberingError(
                f"{one.file} and {other.file} are repeatable migrations of the same description.",
                advice="Give one of them another name.",
            )
    return found


def _name(file: str, config: FlywayConfig, path: Path) -> _Name | None:
    """Return the parts of a file's name; None for a file that Flyway passes over, as callbacks are."""
    base = file.rpartition("/")[2]
    suffixes = (*config.suffixes, ".java")
    suffix = next((it for it in suffixes if base.upper().endswith(it.upper())), None)
    if suffix is None:
        return None
    stem = base[: len(base) - len(suffix)]
    prefixes = {
        "V": config.prefix, "R": config.repeatable_prefix, "U": config.undo_prefix, "B": config.baseline_prefix
    }  # fmt: skip
    # the longest first, as Flyway does
    kinds = sorted(prefixes, key=lambda kind: -len(prefixes[kind]))
    kind = next((it for it in kinds if stem.startswith(prefixes[it])), None)
    if kind is None:
        return None
    before, _, after = stem.removeprefix(prefixes[kind]).partition(config.separator)
    version = version_of(before)
    if (version is None) != (kind == "R") or (kind == "R" and before):
        return None
    return _Name(
        file=file,
        script=_relative(file, config, path),
        kind=kind,
        version=version,
        description=after.replace("_", " "),
    )


def _is_located(name: _Name, config: FlywayConfig, path: Path) -> bool:
    """Whether the tool looks for migrations there: in the whole folder, unless its locations are inside of it."""
    inside = [at for at in config.locations if at.absolute() != path.absolute() and at.is_relative_to(path.absolute())]
    whole = (path / name.file).absolute()
    return not inside or any(whole.is_relative_to(at.absolute()) for at in config.locations)


def _relative(file: str, config: FlywayConfig, path: Path) -> str:
    """Return the file relative to the location that it is in: that is what the table has."""
    whole = (path / file).absolute()
    inside = [at for at in config.locations if whole.is_relative_to(at.absolute())]
    return whole.relative_to(max(inside, key=lambda at: len(at.parts)).absolute()).as_posix() if inside else file


class _Files(Struct, frozen=True, kw_only=True):
    path: Path
    config: FlywayConfig
    options: Options

    def migration(self, name: _Name, undo: _Name | None) -> Migration:
        content = content_of(self.path, name.file)
        is_java = name.file.endswith(".java")
        script, raw, filled = (nothing(), None, None) if is_java else self._script(name, content)
        # of a repeatable migration, the text with its values is what counts
        sums = [filled, raw] if name.kind == "R" else [raw]
        known = list(dict.fromkeys(str(it) for it in sums if it is not None))
        side, undone = self._undo(undo)
        return Migration(
            version=name.version or repeatable_key(name.description),
            name=name.description,
            file=name.file,
            content=content,
            checksums=checksums_of(content),
            script=script,
            revert=side,
            kind={"R": Kind.REPEATABLE, "B": Kind.BASELINE}.get(name.kind, Kind.VERSIONED),
            recorded_checksum=known[0] if known else None,
            also_equal=tuple(known[1:]),
            foreign="Java" if is_java else "",
            facts=FlywayFacts(
                type="JDBC" if is_java else "SQL_BASELINE" if name.kind == "B" else "SQL",
                description=name.description,
                script=name.script,
                version=name.version,
                undo_script=undo.script if undo else None,
                undo_checksum=undone,
            ),
        )

    def _undo(self, name: _Name | None) -> tuple[SideScript | None, str | None]:
        if name is None:
            return None, None
        content = content_of(self.path, name.file)
        script, raw, _ = self._script(name, content)
        return side_script(name.file, content, script), str(raw) if raw is not None else None

    def _script(self, name: _Name, content: bytes) -> tuple[Script, int | None, int | None]:
        """Return the script, and the checksum of the file and of the file with its values, where there is one."""
        text = text_or_script(content, name.file)
        if isinstance(text, Script):
            return text, None, None
        raw = checksum_of(text.sql)
        own = self._own_config(name)
        refusals: tuple[Fault, ...] = ()
        transactional = own.get("executeintransaction", str(self.config.in_transaction)).lower() != "false"
        if own.get("placeholderreplacement", str(self.config.replaces)).lower() != "false":
            filled = self._filled(text, name)
            if isinstance(filled, Fault):
                return script_of(Part(text=text, refusals=(filled,))), raw, None
            text = filled
        if "shouldexecute" in own:
            refusals = (_conditional(name.file),)
        part = Part(text=text, transactional=transactional, copies=Blocks.CLOSED, refusals=refusals)
        return script_of(part), raw, checksum_of(text.sql)

    def _filled(self, text: Text, name: _Name) -> Text | Fault:
        return filled_in(
            text,
            self._values(name),
            prefix=self.config.placeholder_prefix,
            suffix=self.config.placeholder_suffix,
        )

    def _values(self, name: _Name) -> Mapping[str, str]:
        """Return the values by name. What the server says has none before there is a connection."""
        own = {
            "filename": name.file.rpartition("/")[2],
            "table": self.config.table or "flyway_schema_history",
            "defaultSchema": self.config.schema or self.options.schema,
            "environment": "default",
            "database": self.options.database,
            "user": self.options.user,
            "timestamp": f"{self.options.now:%Y-%m-%d %H:%M:%S}" if self.options.now else None,
        }
        builtin = {
            f"flyway{self.config.placeholder_separator}{key}": value for key, value in own.items() if value is not None
        }
        said = {name.lower(): value for name, value in self.options.placeholders.items()}
        return {**builtin, **self.config.placeholders, **said}

    def _own_config(self, name: _Name) -> dict[str, str]:
        """Return the configuration of one script: a file of its name with `.conf` after it."""
        file = f"{name.file}.conf"
        if not (self.path / file).is_file():
            return {}
        return properties_of(content_of(self.path, file).decode("utf-8", "replace"))


def _conditional(file: str) -> Fault:
    return Fault(
        id="script",
        summary=f"{file}.conf has shouldExecute, which only Flyway can work out.",
        advice="Run this one with Flyway, or take the condition out.",
        file=file,
        line=1,
    )


def _likeness(listing: Listing) -> int:
    config = read_config(listing)
    if not any(name.kind in "VRB" for file in listing.files if (name := _name(file, config, listing.path))):
        return 0
    return 3 if listing.beside(*FILES) else 2


def new(request: Request) -> tuple[str, tuple[NewFile, ...]]:
    """Return the next version and the files of a new migration, in the tool's default names."""
    found = [name for file in request.names if (name := _name(file, FlywayConfig(), Path())) and name.kind in "VB"]
    first = max((order_of(name.version or "0")[0] for name in found), default=0)
    last = next((name for name in found if order_of(name.version or "0")[0] == first), None)
    width = len((last.version or "").partition(".")[0]) if last else 1
    version = str(first + 1).zfill(width)
    if width >= TIMESTAMP:
        version = str(max(int(timestamp(request.now)), first + 1))
    kinds = ("V", "U") if request.revert else ("V",)
    return version, tuple(NewFile(name=f"{kind}{version}__{request.word}.sql", text="") for kind in kinds)


READER: Final = Reader(format=formats.FLYWAY, likeness=_likeness, read=read, new=new)
