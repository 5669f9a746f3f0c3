"""SQL text as parse trees, by PostgreSQL's own parser, each with the span of its statement."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import postgast
from google.protobuf.message import DecodeError

from .errors import Place
from .lexemes import COMMENTS, Lexeme, syntax_error
from .text import Text

# How many ends of statements are tried, from the error backwards; a body with more semicolons is read as a whole.
_TRIES: Final = 50

# tree, the offset that its locations count from, and the byte span of the statement
Parsed: TypeAlias = tuple[Any, int, int, int]


def trees(text: Text, tokens: list[Lexeme]) -> list[Parsed]:
    """Return the statements of a text. Raises `ScriptError` with the place where the parser refuses it."""
    if all(token in COMMENTS for _, _, token, _ in tokens):
        return []
    try:
        parsed = postgast.parse(text.sql)
    except postgast.PgQueryError as error:
        raise syntax_error(text, error) from error
    except DecodeError:
        # protobuf reads 100 levels; one statement of the file is deeper (a hundred operands of || are)
        return _apart(text)
    size = len(text.bytes)
    return [
        (raw.stmt, 0, raw.stmt_location, raw.stmt_location + raw.stmt_len if raw.stmt_len else size)
        for raw in parsed.stmts
    ]


def _apart(text: Text) -> list[Parsed]:
    spans: list[Parsed] = []
    position = 0
    for part in postgast.split(text.sql):
        data = part.encode()
        start = text.bytes.index(data, position)
        position = start + len(data)
        try:
            node: Any = postgast.parse(part).stmts[0].stmt
        except DecodeError:
            node = None
        spans.append((node, start, start, position))
    return spans


def known(text: Text, lexemes: list[Lexeme], place: Place | None) -> tuple[int, list[Parsed]]:
    """Return up to where a text that the parser refuses at `place` can be read, and the statements up to there.

    That is the last semicolon before which all of it parses: inside a body or parentheses it does not.
    """
    ends = [end for _, end, token, _ in lexemes if token == ord(";") and _is_before(text, end, place)]
    for end in reversed(ends[-_TRIES:]):
        try:
            parsed = postgast.parse(text.bytes[:end].decode())
        except (postgast.PgQueryError, DecodeError):
            continue
        return end, [(raw.stmt, 0, raw.stmt_location, raw.stmt_location + raw.stmt_len) for raw in parsed.stmts]
    return 0, []


def _is_before(text: Text, end: int, place: Place | None) -> bool:
    found = text.place(end + text.shift)
    return place is None or (found.line, found.column) <= (place.line, place.column)
