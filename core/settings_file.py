"""One settings file -> checked values, each with its line. Unknown keys and wrong values are errors.

migrations = "db/migrations"      # all of these are optional
format = "native"                 # of the folder; found out where nothing says it
schema = "changeover"             # of the native history tables
history_table = "app.migrations"  # of another tool's history, where it is not the tool's default
target = "staging"                # the target where nothing else names one
retries = 3
connect_timeout = 30              # seconds
lock_timeout = 2                  # seconds
lock_attempts = 10
lock_pause = [1, 30]              # seconds
statement_timeout = 0             # seconds; 0 is no limit
out_of_order = false
read_only = false
log_days = 180                    # session logs older than this are removed, and those beyond the next two
log_sessions = 200
log_megabytes = 512

[allow]                           # hazards that this project accepts, with the reason
drop-column = "the application has not read it since May"

[placeholders]                    # for the formats that substitute them: ${owner} in a file of Flyway
owner = "app"

[targets.staging]
url = "postgresql://deployer@db.example.org/shop"     # never with a password
protected = true
read_only = false
end_blockers = false              # whether a person may end who blocks a run, from the lock panel
environment = "staging"
migrations = "db/migrations"
format = "sqlx"                   # of that folder, where its files could be of several tools
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from msgspec import Struct, field

from . import conninfo, formats, names
from .errors import Place, SettingsError, TargetError
from .target import NamedTarget

FORMATS: Final = tuple(it.name for it in formats.ALL if it.is_applied)


class Kind(Struct, frozen=True, kw_only=True):
    """What a value must be; both functions raise ValueError, whose text ends the sentence "... must be"."""

    # checks a TOML value
    check: Callable[[object], Any]
    # reads an environment variable
    from_text: Callable[[str], Any]


class Values(Struct, frozen=True, kw_only=True):
    """A file's values. `values` and `sources` have the same keys."""

    values: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, Place] = field(default_factory=dict)
    allow: dict[str, str] = field(default_factory=dict)
    allow_places: dict[str, Place] = field(default_factory=dict)
    targets: dict[str, NamedTarget] = field(default_factory=dict)
    placeholders: dict[str, str] = field(default_factory=dict)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError("a text, not empty, without control characters")
    return value


def _yes_or_no(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")  # noqa: TRY004 - one kind of error for wrong type and wrong value
    return value


def _yes_or_no_text(text: str) -> bool:
    if text.lower() in {"1", "true", "yes", "on"}:
        return True
    if text.lower() in {"0", "false", "no", "off"}:
        return False
    raise ValueError("true or false")


def _whole(low: int, high: int) -> Kind:
    words = f"a whole number from {low} to {high}"

    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(words)
        return value

    def from_text(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text):
            raise ValueError(words)
        return check(int(text))

    return Kind(check=check, from_text=from_text)


def _seconds(low: float, high: float) -> Kind:
    words = f"a number of seconds from {low:g} to {high:g}"

    def check(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(words)
        return float(value)

    def from_text(text: str) -> float:
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
            raise ValueError(words)
        return check(float(text))

    return Kind(check=check, from_text=from_text)


def _pause(value: object) -> tuple[float, float]:
    words = "a list of two numbers of seconds, the first wait and the longest, from 0 to 3600"
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError(words)
    if any(isinstance(part, bool) or not isinstance(part, int | float) for part in value):
        raise ValueError(words)
    first, last = value
    if not 0 <= first <= last <= 3600:
        raise ValueError(words)
    return float(first), float(last)


def _pause_text(text: str) -> tuple[float, float]:
    parts = text.split(",")
    if not all(re.fullmatch(r"\s*[0-9]{1,6}(\.[0-9]{1,6})?\s*", part) for part in parts):
        parts = []
    return _pause([float(part) for part in parts])


def _one_of(*words: str) -> Kind:
    def check(value: object) -> str:
        if value not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return str(value)

    return Kind(check=check, from_text=check)


def _table_name(value: object) -> str:
    words = "the name of a table, with its schema or without"
    text = str(value)
    try:
        parts = names.read(text)
    except ValueError:
        parts = ("",) * 3
    if len(parts) > 2 or not isinstance(value, str):
        raise ValueError(words)
    return text


_TEXT: Final = Kind(check=_text, from_text=_text)
_FLAG: Final = Kind(check=_yes_or_no, from_text=_yes_or_no_text)

KINDS: Final[dict[str, Kind]] = {
    "migrations": _TEXT,
    "format": _one_of(*FORMATS),
    "schema": _TEXT,
    "history_table": Kind(check=_table_name, from_text=_table_name),
    "target": _TEXT,
    "retries": _whole(0, 1000),
    "connect_timeout": _seconds(0.1, 3600),
    "lock_timeout": _seconds(0.01, 3600),
    "lock_attempts": _whole(1, 1000),
    "lock_pause": Kind(check=_pause, from_text=_pause_text),
    "statement_timeout": _seconds(0, 2_000_000),
    "out_of_order": _FLAG,
    "read_only": _FLAG,
    "log_days": _whole(1, 36_500),
    "log_sessions": _whole(1, 1_000_000),
    "log_megabytes": _whole(1, 1_000_000),
}
_TARGET_KINDS: Final[dict[str, Kind]] = {
    "url": _TEXT,
    "protected": _FLAG,
    "read_only": _FLAG,
    "end_blockers": _FLAG,
    "environment": _TEXT,
    "migrations": _TEXT,
    "format": KINDS["format"],
}


def read(file: Path, *, shown: str) -> Values:
    """Return the values of a settings file. Raises SettingsError; `shown` is the file's name in messages."""
    try:
        text = file.read_bytes().decode("utf-8")
    except OSError as error:
        raise SettingsError(
            f"{shown} cannot be read: {error.strerror}.", advice="Look at its owner and rights."
        ) from None
    except UnicodeDecodeError as error:
        line = file.read_bytes()[: error.start].count(b"\n") + 1
        raise SettingsError(
            "The file is not UTF-8.", advice="Save it as UTF-8, as TOML wants it.", place=Place(file=shown, line=line)
        ) from None
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(error, text, shown) from None
    return _Reader(text=text, shown=shown, folder=file.parent).read(document)


def _syntax_error(error: tomllib.TOMLDecodeError, text: str, shown: str) -> SettingsError:
    # the message is the only place where Python 3.11 to 3.13 keep the position
    match = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
    line, column = (int(match[1]), int(match[2])) if match else (text.count("\n") + 1, 1)
    reason = re.sub(r"\s*\(at .*\)$", "", str(error))
    return SettingsError(
        f"This is not TOML: {reason if reason.isascii() and reason.isprintable() else 'it cannot be read'}.",
        advice='Correct it there; a text stands in quotes, as in migrations = "db/migrations".',
        place=Place(file=shown, line=line, column=column),
    )


class _Reader(Struct, frozen=True, kw_only=True):
    text: str
    shown: str
    folder: Path

    def read(self, document: Mapping[str, Any]) -> Values:
        values: dict[str, Any] = {}
        for key, value in document.items():
            if key in {"allow", "targets", "placeholders"}:
                continue
            values[key] = self.checked(KINDS, (key,), value, also=("allow", "targets", "placeholders"))
        targets = self.table(document, "targets")
        allow = self.table(document, "allow")
        placeholders = self.table(document, "placeholders")
        return Values(
            values=values,
            sources={key: self.place(key) for key in values},
            allow={key: self.reason(key, value) for key, value in allow.items()},
            allow_places={key: self.place("allow", key) for key in allow},
            targets={name: self.target(name, value) for name, value in targets.items()},
            placeholders={name: self.placeholder(name, value) for name, value in placeholders.items()},
        )

    def table(self, document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        table = document.get(name, {})
        if not isinstance(table, dict):
            raise SettingsError(
                f"{name} must be a table.",
                advice=f"Write [{name}] on a line of its own, and its values below.",
                place=self.place(name),
            )
        return table

    def checked(
        self, kinds: Mapping[str, Kind], path: tuple[str, ...], value: object, *, also: tuple[str, ...] = ()
    ) -> Any:
        key = path[-1]
        if key not in kinds:
            close = get_close_matches(key, (*kinds, *also), n=1)
            raise SettingsError(
                f"{'.'.join(map(_shown_key, path))} is not a setting.",
                advice=f"Did you mean {close[0]}?" if close else f"There are: {', '.join((*kinds, *also))}.",
                place=self.place(*path),
            )
        try:
            return kinds[key].check(value)
        except ValueError as error:
            shown = ".".join(map(_shown_key, path))
            raise SettingsError(
                f"{shown} must be {error}.",
                advice="Correct it there, or take the line away for the default.",
                place=self.place(*path),
            ) from None

    def reason(self, hazard: str, value: object) -> str:
        try:
            return _text(value)
        except ValueError as error:
            raise SettingsError(
                f"allow.{_shown_key(hazard)} must be the reason: {error}.",
                advice=f'Say why it is fine here: {_shown_key(hazard)} = "the table is empty".',
                place=self.place("allow", hazard),
            ) from None

    def placeholder(self, name: str, value: object) -> str:
        if not isinstance(value, str):
            raise SettingsError(
                f"placeholders.{_shown_key(name)} must be a text.",
                advice="Put its value in quotes.",
                place=self.place("placeholders", name),
            )
        return value

    def target(self, name: str, table: object) -> NamedTarget:
        place = self.place("targets", name)
        if not isinstance(table, dict) or not re.fullmatch(r"[\w.-]+", name):
            raise SettingsError(
                "A target is a table with a name of letters, digits, -, . and _.",
                advice="Write [targets.staging] on a line of its own, and url = below.",
                place=place,
            )
        values = {key: self.checked(_TARGET_KINDS, ("targets", name, key), value) for key, value in table.items()}
        if "url" not in values:
            raise SettingsError(f"targets.{name} has no url.", advice=conninfo.ADVICE, place=place)
        where = self.place("targets", name, "url")
        self.check_url(name, values["url"], where)
        migrations = values.get("migrations")
        return NamedTarget(
            name=name,
            url=values["url"],
            source=f"{where.file}:{where.line}",
            protected=values.get("protected", False),
            read_only=values.get("read_only", False),
            end_blockers=values.get("end_blockers", False),
            environment=values.get("environment", ""),
            migrations=(self.folder / Path(migrations).expanduser()).absolute() if migrations else None,
            format=values.get("format"),
        )

    def check_url(self, name: str, url: str, where: Place) -> None:
        try:
            parsed = conninfo.parse(url, said_by="The url")
        except TargetError as error:
            raise SettingsError(f"targets.{name}: {error.summary}", advice=error.advice, place=where) from None
        if "password" in parsed:
            raise SettingsError(
                f"targets.{name} has a password in its url. Passwords are never kept in a settings file.",
                advice="Put it into ~/.pgpass (0600) or PGPASSWORD, take it out of this file, and change it: "
                "it may be in the history of the repository.",
                place=where,
            )

    def place(self, *path: str) -> Place:
        """Return where the file says `path`; tomllib keeps no positions, so the lines are searched."""
        return Place(file=self.shown, line=line_of(self.text, path))


def line_of(text: str, path: tuple[str, ...]) -> int:
    """Return the line, from 1, of a key or table of a TOML text; of the nearest table around it if it is not found."""
    section: tuple[str, ...] = ()
    best, best_depth = 1, 0
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip()
        if header := re.fullmatch(r"\[+\s*([^\]]+?)\s*\]+\s*(#.*)?", stripped):
            section = _keys(header[1])
            here = section
        elif assignment := re.match(r"""((?:[\w-]+|"[^"]*"|'[^']*'|\s*\.\s*)+?)\s*=""", stripped):
            here = (*section, *_keys(assignment[1]))
        else:
            continue
        depth = len(here) if path[: len(here)] == here else 0
        if depth > best_depth:
            best, best_depth = number, depth
        elif here[: len(path)] == path and best_depth < len(path):
            best, best_depth = number, len(path)
    return best


def _keys(text: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in re.findall(r""""[^"]*"|'[^']*'|[^.]+""", text))


def _shown_key(key: str) -> str:
    return key if re.fullmatch(r"[\w.-]{1,60}", key) else ascii(key[:60])
