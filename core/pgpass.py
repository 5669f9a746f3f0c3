"""The password file: `host:port:database:user:password`, first match wins.

https://www.postgresql.org/docs/18/libpq-pgpass.html. Read here because the driver does not understand the escapes.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from .secret import Secret

# A socket in libpq's default folder matches as localhost: upstream's default, and the packagers'.
_DEFAULT_SOCKET_FOLDERS = frozenset({"/tmp", "/var/run/postgresql", "/run/postgresql"})  # noqa: S108


class Found(Struct, frozen=True, kw_only=True):
    """What a password file says of a target; `warning` says why it was passed over."""

    password: Secret | None = None
    line: int | None = None
    warning: str = ""


def look_up(file: Path, *, host: str, port: int, database: str, user: str) -> Found:
    """Return the password of the first matching line. A file that others can read is passed over, as libpq does."""
    try:
        mode = file.stat().st_mode
        if not stat.S_ISREG(mode):
            return Found(warning=f"The password file {file} is not a plain file and was passed over.")
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            return Found(
                warning=f"The password file {file} can be read by others and was passed over: chmod 0600 {file}"
            )
        text = file.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return Found()
    except OSError as error:
        return Found(warning=f"The password file {file} cannot be read: {error.strerror}.")
    asked = ("localhost" if host in _DEFAULT_SOCKET_FOLDERS else host, str(port), database, user)
    for number, written in enumerate(text.split("\n"), start=1):
        line = written.removesuffix("\r")
        if line.startswith("#") or not line.strip():
            continue
        fields = list(_fields(line))
        if len(fields) < 5:
            continue
        if all(raw == "*" or value == want for (raw, value), want in zip(fields[:4], asked, strict=True)):
            return Found(password=Secret(fields[4][1]), line=number)
    return Found()


class Named(Struct, frozen=True, kw_only=True):
    """A line of a password file that names one database wholly; without its password."""

    line: int
    host: str
    port: str
    database: str
    user: str


def named(file: Path) -> tuple[Named, ...]:
    """Return the lines that name host, database and user; one with `*` in them names nothing to connect to."""
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError):
        return ()
    found: list[Named] = []
    for number, written in enumerate(lines, start=1):
        fields = [] if written.startswith("#") else [value for _, value in _fields(written.removesuffix("\r"))]
        if len(fields) >= 5 and all(fields[:4]) and "*" not in (fields[0], fields[2], fields[3]):
            port = "5432" if fields[1] == "*" else fields[1]
            found.append(Named(line=number, host=fields[0], port=port, database=fields[2], user=fields[3]))
    return tuple(found)


def _fields(line: str) -> Iterator[tuple[str, str]]:
    """Yield each field as written and as meant: a backslash takes the next character as it is."""
    raw, value, at = "", "", 0
    while at < len(line):
        letter = line[at]
        if letter == "\\" and at + 1 < len(line):
            raw, value, at = raw + line[at : at + 2], value + line[at + 1], at + 2
        elif letter == ":":
            yield raw, value
            raw, value, at = "", "", at + 1
        else:
            raw, value, at = raw + letter, value + letter, at + 1
    yield raw, value
