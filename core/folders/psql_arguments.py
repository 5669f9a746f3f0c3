r"""The arguments of psql's commands: words with quotes, escapes and variables, up to the next backslash or line end.

See "Meta-Commands" and "Variables" at https://www.postgresql.org/docs/18/app-psql.html.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from ..quoting import literal

NAME: Final = re.compile(r"[A-Za-z0-9_]+")
# :name, :'name', :"name" and :{?name}
REFERENCE: Final = re.compile(
    r""":(?:(?P<plain>[A-Za-z0-9_]+)|'(?P<literal>[A-Za-z0-9_]+)'|"(?P<quoted>[A-Za-z0-9_]+)"|"""
    r"""\{\?(?P<asked>[A-Za-z0-9_]+)\})"""
)
_QUOTED: Final = re.compile(r"'((?:[^'\\]|''|\\.)*)('?)")
_ESCAPE: Final = re.compile(r"''|\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|(.))")
_NAMED: Final = {"n": "\n", "t": "\t", "b": "\b", "r": "\r", "f": "\f"}


class Arguments(Struct, frozen=True, kw_only=True):
    """What was said after a command."""

    values: tuple[str, ...]
    # how many characters they took, with the `\\` that ends them
    length: int
    # whether one of them is the output of a shell command
    runs_shell: bool = False


def read(line: str, variables: Mapping[str, str]) -> Arguments:
    """Return the arguments at the beginning of `line`."""
    values: list[str] = []
    runs_shell = False
    at = 0
    while at < len(line) and line[at] != "\\":
        if line[at].isspace():
            at += 1
            continue
        pieces: list[str] = []
        while at < len(line) and not line[at].isspace() and line[at] != "\\":
            runs_shell = runs_shell or line[at] == "`"
            piece, at = _piece(line, at, variables)
            pieces.append(piece)
        values.append("".join(pieces))
    at += 2 * line.startswith("\\\\", at)
    return Arguments(values=tuple(values), length=at, runs_shell=runs_shell)


def value_of(reference: re.Match[str], variables: Mapping[str, str]) -> str | None:
    """Return what stands in for a reference; None where the variable has no value."""
    if asked := reference["asked"]:
        return "TRUE" if asked in variables else "FALSE"
    value = variables.get(reference["plain"] or reference["literal"] or reference["quoted"])
    if value is None or reference["plain"]:
        return value
    if reference["quoted"]:
        return '"' + value.replace('"', '""') + '"'
    return literal(value) if "\\" in value else "'" + value.replace("'", "''") + "'"


def boolean(text: str) -> bool | None:
    """Return what psql takes a word for; None where it is no Boolean. A beginning of a word is enough."""
    word = text.lower()
    if word and ("true".startswith(word) or "yes".startswith(word) or word in {"on", "1"}):
        return True
    if word and ("false".startswith(word) or "no".startswith(word) or word in {"of", "off", "0"}):
        return False
    return None


def _piece(line: str, at: int, variables: Mapping[str, str]) -> tuple[str, int]:
    """Return a part of a word, and where it ends."""
    if match := _QUOTED.match(line, at):
        # one that is not closed goes to the end of the line
        return _ESCAPE.sub(_unescaped, match[1]), match.end()
    if line[at] in '"`':
        close = line.find(line[at], at + 1)
        end = close + 1 if close >= 0 else len(line)
        return line[at:end], end
    if match := REFERENCE.match(line, at):
        value = value_of(match, variables)
        return match[0] if value is None else value, match.end()
    return line[at], at + 1


def _unescaped(match: re.Match[str]) -> str:
    if match[0] == "''":
        return "'"
    if code := match[1] or match[2]:
        return chr(int(code, 8 if match[1] else 16) & 0xFF)
    return _NAMED.get(match[3], match[3])
