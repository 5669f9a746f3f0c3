"""Flyway's own configuration: flyway.toml or flyway.conf beside a folder, and FLYWAY_ variables, which stand before it.

See https://documentation.red-gate.com/flyway/reference/configuration.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import Struct, field

from ..errors import FolderError, Place
from .listing import Listing

FILES: Final = ("flyway.toml", "flyway.conf", "flyway.user.toml")
_USER: Final = "flyway.user.toml"
_PLACEHOLDERS: Final = "PLACEHOLDERS_"
_KEY: Final = re.compile(r"\s*(?P<key>(?:\\.|[^\s=:\\])+)\s*[=:\s]\s*(?P<value>.*)")


class FlywayConfig(Struct, frozen=True, kw_only=True):
    """What of the configuration says how files are named, found and read; with the tool's defaults."""

    prefix: str = "V"
    repeatable_prefix: str = "R"
    undo_prefix: str = "U"
    baseline_prefix: str = "B"
    separator: str = "__"
    suffixes: tuple[str, ...] = (".sql",)
    # folders below that of the configuration file
    locations: tuple[Path, ...] = ()
    placeholders: Mapping[str, str] = field(default_factory=dict)
    replaces: bool = True
    placeholder_prefix: str = "${"
    placeholder_suffix: str = "}"
    placeholder_separator: str = ":"
    in_transaction: bool = True
    schema: str | None = None
    table: str | None = None


def read(listing: Listing, environ: Mapping[str, str] | None = None) -> FlywayConfig:
    """Return what the nearest files and the variables say; raises `FolderError` where a file cannot be read."""
    file = listing.beside(*FILES)
    values: dict[str, str] = {}
    if file is not None:
        # what a person has for himself stands before what the project has
        own = file.with_name(_USER)
        for one in (file, *([own] if own != file and own.is_file() else [])):
            values.update(_of_file(one))
    values.update(_of_environment(environ or {}))
    return _config(values, file.parent if file is not None else listing.path)


def _of_file(file: Path) -> dict[str, str]:
    try:
        text = file.read_text("utf-8")
        return _of_toml(text) if file.suffix == ".toml" else _of_properties(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise FolderError(
            f"{file.name} cannot be read: {error}.",
            advice="It says how the migrations of this folder are named; correct it.",
            place=Place(file=file.name, line=1),
        ) from error


def _of_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what FLYWAY_DEFAULT_SCHEMA and its like say; the name of a placeholder keeps its underscores."""
    found: dict[str, str] = {}
    for variable, value in environ.items():
        if not variable.startswith("FLYWAY_") or not value:
            continue
        key = variable.removeprefix("FLYWAY_")
        if key.startswith(_PLACEHOLDERS):
            found[f"placeholders.{key.removeprefix(_PLACEHOLDERS).lower()}"] = value
        else:
            found[key.replace("_", "").lower()] = value
    return found


def _config(values: Mapping[str, str], base: Path) -> FlywayConfig:
    defaults = FlywayConfig()

    def of(key: str, default: str) -> str:
        return values.get(key.lower(), default)

    schemas = [it.strip() for it in of("schemas", "").split(",") if it.strip()]
    return FlywayConfig(
        prefix=of("sqlMigrationPrefix", defaults.prefix),
        repeatable_prefix=of("repeatableSqlMigrationPrefix", defaults.repeatable_prefix),
        undo_prefix=of("undoSqlMigrationPrefix", defaults.undo_prefix),
        baseline_prefix=of("baselineMigrationPrefix", defaults.baseline_prefix),
        separator=of("sqlMigrationSeparator", defaults.separator),
        suffixes=tuple(it.strip() for it in of("sqlMigrationSuffixes", ".sql").split(",")),
        locations=_locations(of("locations", ""), base),
        placeholders={
            key.removeprefix("placeholders."): value for key, value in values.items() if key.startswith("placeholders.")
        },
        replaces=of("placeholderReplacement", "true").lower() == "true",
        placeholder_prefix=of("placeholderPrefix", defaults.placeholder_prefix),
        placeholder_suffix=of("placeholderSuffix", defaults.placeholder_suffix),
        placeholder_separator=of("placeholderSeparator", defaults.placeholder_separator),
        in_transaction=of("executeInTransaction", "true").lower() == "true",
        schema=of("defaultSchema", schemas[0] if schemas else "") or None,
        table=of("table", "") or None,
    )


def _locations(text: str, base: Path) -> tuple[Path, ...]:
    """Return the folders that are in the file system; those of a class path are not here."""
    found = (it.strip() for it in text.split(",") if it.strip())
    return tuple(base / it.removeprefix("filesystem:") for it in found if ":" not in it.removeprefix("filesystem:"))


def _of_toml(text: str) -> dict[str, str]:
    return dict(_flat(tomllib.loads(text).get("flyway", {}), ""))


def _flat(table: Mapping[str, Any], prefix: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in table.items():
        name = f"{prefix}{key.lower()}"
        if isinstance(value, dict):
            found += _flat(value, f"{name}.")
        elif isinstance(value, list):
            found.append((name, ",".join(map(str, value))))
        else:
            found.append((name, str(value).lower() if isinstance(value, bool) else str(value)))
    return found


def _of_properties(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    # a line that ends in a backslash goes on
    for line in re.sub(r"\\\r?\n\s*", "", text).splitlines():
        if line.lstrip().startswith(("#", "!")):
            continue
        if match := _KEY.fullmatch(line):
            found[match["key"].lower().removeprefix("flyway.")] = match["value"].strip()
    return found


def properties_of(text: str) -> dict[str, str]:
    """Return the keys, in lower case, and values of a `.sql.conf` beside a migration."""
    return _of_properties(text)
