"""SQL text as lexemes, by PostgreSQL's own lexer; what only psql understands is refused here."""

from __future__ import annotations

from typing import Final, TypeAlias

import postgast
from postgast.pg_query_pb2 import ScanResult, Token

from .errors import ScriptError
from .text import Text

BACKSLASH: Final = ord("\\")
COMMENTS: Final = frozenset({Token.SQL_COMMENT, Token.C_COMMENT})
# Looked up once: protobuf makes the number of a name anew each time.
_COPY: Final = int(Token.COPY)

# Start, end, token, keyword kind as plain numbers: protobuf attributes are slow to read twice.
Lexeme: TypeAlias = tuple[int, int, int, int]


def _plain(scanned: ScanResult) -> list[Lexeme]:
    return [(t.start, t.end, int(t.token), int(t.keyword_kind)) for t in scanned.tokens]


def scan(text: Text) -> list[Lexeme]:
    """Return the lexemes of a text, comments among them. Raises `ScriptError` with the place."""
    try:
        scanned = postgast.scan(text.sql)
    except postgast.PgQueryError as error:
        # what comes before may say why: a psql command with an apostrophe
        refuse_psql(text, _before(text.sql, error))
        raise syntax_error(text, error) from error
    tokens = _plain(scanned)
    refuse_psql(text, tokens)
    return tokens


def lexemes_of(sql: str) -> list[Lexeme]:
    """Return the lexemes of some SQL, up to the first that the lexer refuses."""
    try:
        return _plain(postgast.scan(sql))
    except postgast.PgQueryError as error:
        return _before(sql, error)


def _before(sql: str, error: postgast.PgQueryError) -> list[Lexeme]:
    head = sql[: max(error.cursorpos - 1, 0)]
    try:
        return _plain(postgast.scan(head))
    except postgast.PgQueryError:
        return []


def refuse_psql(text: Text, tokens: list[Lexeme]) -> None:
    """Refuse what only psql understands: a backslash is a token of no SQL statement."""
    for start, _, token, _ in tokens:
        if token == BACKSLASH:
            line = text.bytes[start:].split(b"\n", 1)[0].decode()
            command = line.split()[0] if line.split() else "\\"
            raise ScriptError(
                f"{command} is a command of psql, not SQL.",
                advice="Only psql runs it. Write it as SQL, or run this file with psql yourself.",
                place=text.place(start + text.shift),
            )


def syntax_error(text: Text, error: postgast.PgQueryError) -> ScriptError:
    """Return the parser's or lexer's error, with its place in the file."""
    # the parser counts characters here, and bytes everywhere else
    position = len(text.sql[: max(error.cursorpos - 1, 0)].encode())
    advice = "This is PostgreSQL's own parser; correct the file."
    if text.bytes[position : position + 1] == b":":
        advice = "Variables of psql (:name) are not filled in here; write the value."
    return ScriptError(
        error.message[:1].upper() + error.message[1:] + ".",
        advice=advice,
        place=text.place(position + text.shift),
    )
