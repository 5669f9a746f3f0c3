r"""The common commands and the variables of psql, for folders whose scripts psql runs.

`\set` gives a variable a value, `:name`, `:'name'` and `:"name"` put it in, and commands that only print, or shape what
is printed, do nothing here. Every other command is refused with its line. See
https://www.postgresql.org/docs/18/app-psql.html.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Final

import postgast
from postgast.pg_query_pb2 import Token

from ..copy_data import Blocks, taken_out
from ..errors import Fault, ScriptError, fault_of
from ..quoting import literal
from ..text import Edit, Span, Text

_BACKSLASH: Final = ord("\\")
_COLON: Final = ord(":")
_QUIET: Final = frozenset({
    "\\echo", "\\qecho", "\\warn", "\\timing", "\\pset", "\\x", "\\t", "\\a", "\\restrict", "\\unrestrict",
})  # fmt: skip
_WORD: Final = re.compile(r"'(?:[^']|'')*'|[^\s']+")
# Variables that change what psql does, and the values of them that are what happens here.
_CONTROLS: Final = {
    "ON_ERROR_STOP": {"on", "1", "true", "yes"}, "AUTOCOMMIT": {"on", "1", "true"}, "ON_ERROR_ROLLBACK": {"off", "0"},
    "SINGLELINE": {"off"},
}  # fmt: skip
_NAME: Final = re.compile(r"[A-Za-z0-9_]+")


def prepared(text: Text, variables: Mapping[str, str]) -> tuple[Text, tuple[str, ...]] | Fault:
    """Return the text as psql sends it, and the names that have no value and stay as they are; or what is refused."""
    commands: list[tuple[int, str, str]] = []
    spans: list[Span] = []
    try:
        # rows after COPY are no SQL, and no variable is put into them
        seen, _ = taken_out(text, Blocks.OPEN)
    except ScriptError as error:
        return fault_of(error)
    while (at := _first_backslash(seen)) is not None:
        line_end = text.bytes.find(b"\n", at)
        end = line_end if line_end >= 0 else len(text.bytes)
        words = _WORD.findall(text.bytes[at:end].decode().rstrip("\r"))
        problem = _command(words, at, commands)
        if problem:
            return _fault(text, at, problem)
        spans.append((at + text.shift, end + text.shift))
        seen = seen.without(spans[-1:])
    return _filled_in(text.without(spans), seen, variables, commands)


def _first_backslash(text: Text) -> int | None:
    try:
        tokens = postgast.scan(text.sql).tokens
    except postgast.PgQueryError as error:
        # an apostrophe in what a command prints ends nothing: what is before it can be read
        try:
            tokens = postgast.scan(text.sql[: max(error.cursorpos - 1, 0)]).tokens
        except postgast.PgQueryError:
            return None
    return next((token.start for token in tokens if token.token == _BACKSLASH), None)


def _command(words: list[str], at: int, sets: list[tuple[int, str, str]]) -> str:
    """Take a command in; return what keeps it from being run, if anything does."""
    name = words[0] if words else "\\"
    if name in _QUIET:
        return ""
    if name != "\\set" or len(words) < 2 or not _NAME.fullmatch(words[1]):
        return f"{name} is a command of psql that is not run here"
    if any("`" in word or word.startswith(":") for word in words[2:]):
        return "\\set from a command or another variable is not run here"
    values = [word[1:-1].replace("''", "'") if word.startswith("'") else word for word in words[2:]]
    if words[1] in _CONTROLS and "".join(values).lower() not in _CONTROLS[words[1]]:
        return f"\\set {words[1]} changes what an error does, and is not run here"
    sets.append((at, words[1], "".join(values)))
    return ""


def _filled_in(
    text: Text, seen: Text, variables: Mapping[str, str], sets: list[tuple[int, str, str]]
) -> tuple[Text, tuple[str, ...]] | Fault:
    try:
        tokens = list(postgast.scan(seen.sql).tokens)
    except postgast.PgQueryError:
        return text, ()
    edits: list[Edit] = []
    unknown: list[str] = []
    for colon, word in pairwise(tokens):
        if colon.token != _COLON or colon.end != word.start:
            continue
        said = text.bytes[word.start : word.end].decode()
        quote = said[0] if said[0] in "'\"" else ""
        name = said.strip(quote) if quote else said
        if not _NAME.fullmatch(name) or word.token in {Token.ICONST, Token.FCONST}:
            continue
        value = next((it for at, key, it in reversed(sets) if key == name and at < word.start), variables.get(name))
        if value is None:
            unknown.append(name)
            continue
        shown = _literal(value) if quote == "'" else _quoted(value) if quote else value
        edits.append(Edit(start=colon.start + text.shift, end=word.end + text.shift, value=shown))
    return (text.edited(edits) if edits else text), tuple(unknown)


def _literal(value: str) -> str:
    return literal(value) if "\\" in value else "'" + value.replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _fault(text: Text, at: int, what: str) -> Fault:
    place = text.place(at + text.shift)
    return Fault(
        id="script",
        summary=f"{what[:1].upper()}{what[1:]}.",
        advice="Write it as SQL, or run this change with sqitch.",
        file=place.file,
        line=place.line,
        column=place.column,
    )
