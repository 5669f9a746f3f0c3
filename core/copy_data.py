r"""The rows that stand in a file after COPY ... FROM STDIN, up to a line `\.`: found, and taken out of the SQL.

They are no SQL, and may hold any quote: what is before them is read by PostgreSQL's own lexer, to the semicolon of the
COPY, and they begin with the next line, as psql has it. See https://www.postgresql.org/docs/18/sql-copy.html and
https://www.postgresql.org/docs/18/app-psql.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import Final

from msgspec import Struct
from postgast.pg_query_pb2 import Token

from .errors import Place, ScriptError
from .lexemes import BACKSLASH, COMMENTS, Lexeme, lexemes_of
from .text import Span, Text

_END: Final = re.compile(rb"^\\\.\r?$", re.MULTILINE)
# either means the client: COPY t FROM STDOUT is the same
_CLIENT: Final = frozenset({Token.STDIN, Token.STDOUT})
_WORD: Final = re.compile(rb"(?i)\bcopy\b")


class Blocks(Enum):
    r"""What becomes of rows in a file: REFUSED, or read to their `\.`, or, as psql does, to the end of the file."""

    REFUSED = "refused"
    CLOSED = "closed"
    OPEN = "open"


class CopyData(Struct, frozen=True, kw_only=True):
    r"""The rows of one COPY, as the file has them, without the line `\.`."""

    rows: bytes
    # of the file, where the first of them stands
    line: int

    @property
    def lines(self) -> int:
        """How many lines they are; the last may have no line end."""
        return self.rows.count(b"\n") + (bool(self.rows) and not self.rows.endswith(b"\n"))


class Unfinished(Struct, kw_only=True):
    """The statement that is being read, lexeme by lexeme."""

    # byte offset of its first lexeme; None between statements
    began: int | None = None
    # whether it is a COPY from the client; of a statement that has just ended, too
    takes_rows: bool = False
    _copies: bool = False
    _depth: int = 0
    _previous: int = 0

    def ends_with(self, start: int, token: int) -> bool:
        """Take the next lexeme in; return whether it is the semicolon that ends the statement."""
        if token in COMMENTS:
            return False
        if token == ord(";") and self._depth <= 0:
            self.began, self._depth, self._previous = None, 0, 0
            return True
        if self.began is None:
            self.began, self._copies, self.takes_rows = start, token == Token.COPY, False
        self._depth += (token == ord("(")) - (token == ord(")"))
        if self._copies and self._depth == 0 and self._previous == Token.FROM and token in _CLIENT:
            self.takes_rows = True
        self._previous = token
        return False


class _Block(Struct, frozen=True, kw_only=True):
    # byte offsets of the COPY, and of the rows with their end
    copy: int
    start: int
    end: int
    after: int


def taken_out(text: Text, blocks: Blocks) -> tuple[Text, dict[int, CopyData]]:
    r"""Return the text with rows as blanks, and the rows by the byte offset at which their COPY begins.

    Raises `ScriptError` where there are rows and `blocks` refuses them, or they have no end, or do not begin with a
    line of their own.
    """
    copies: dict[int, CopyData] = {}
    spans: list[Span] = []
    for block in _blocks(text, blocks):
        line = text.place(block.start + text.shift).line
        copies[block.copy] = CopyData(rows=text.bytes[block.start : block.end], line=line)
        spans.append((block.start + text.shift, block.after + text.shift))
    return (text.without(spans) if spans else text), copies


def copy_from_stdin(place: Place) -> ScriptError:
    """Return that a folder's own tool could not run COPY ... FROM STDIN at this place."""
    return ScriptError(
        "COPY ... FROM STDIN waits for data from the client, and this folder's own tool has none to send.",
        advice="Write the rows as INSERT ... VALUES, or COPY from a file on the server.",
        place=place,
    )


def _blocks(text: Text, blocks: Blocks) -> Iterator[_Block]:
    at = 0
    while _WORD.search(text.bytes, at):
        found = _next(text, at)
        if found is None:
            return
        copy, semicolon = found
        place = text.place(copy + text.shift)
        if blocks is Blocks.REFUSED:
            raise copy_from_stdin(place)
        start, end = rows_after(text, semicolon)
        if end is None and blocks is Blocks.CLOSED:
            raise ScriptError(
                r"The data of COPY ... FROM STDIN has no end: there is no line \. after it.",
                advice=r"Write \. on a line of its own below the last row; also where there is no row at all.",
                place=place,
            )
        size = len(text.bytes)
        at = end[1] if end else size
        yield _Block(copy=copy, start=start, end=end[0] if end else size, after=at)


def rows_after(text: Text, semicolon: int) -> tuple[int, Span | None]:
    r"""Return where the rows of a COPY begin whose semicolon ends here, and their line `\.`; None where it has none.

    Raises `ScriptError` where they do not begin with a line of their own.
    """
    start = _first_line(text, semicolon)
    end = _END.search(text.bytes, start)
    return start, end.span() if end else None


def _next(text: Text, at: int) -> tuple[int, int] | None:
    r"""Return where the next COPY from the client begins, and its semicolon; None where there is none.

    What is read ends at the next line `\.`, for what follows the semicolon is no SQL. A string may have such a line in
    it: then the lexer does not come to its end, and more is read.
    """
    upto = at
    while upto < len(text.bytes):
        end = _END.search(text.bytes, upto)
        upto = end.end() if end else len(text.bytes)
        head = text.bytes[at : end.start() if end else upto]
        if (found := _copy_in(head, lexemes_of(head.decode()))) is not None:
            return at + found[0], at + found[1]
    return None


def _copy_in(head: bytes, tokens: list[Lexeme]) -> tuple[int, int] | None:
    """Return byte offsets of the first COPY from the client among lexemes, and of the end of its semicolon."""
    statement = Unfinished()
    skipped = 0
    for start, end, token, _ in tokens:
        if start < skipped:
            continue
        if token == BACKSLASH:
            # a command of psql goes to the end of its line
            newline = head.find(b"\n", start)
            skipped = newline if newline >= 0 else len(head)
            continue
        began = statement.began
        if statement.ends_with(start, token) and began is not None and statement.takes_rows:
            return began, end
    return None


def _first_line(text: Text, semicolon: int) -> int:
    """Return where the line after the semicolon begins; raises `ScriptError` where something else is on its line."""
    newline = text.bytes.find(b"\n", semicolon)
    rest = text.bytes[semicolon : newline if newline >= 0 else len(text.bytes)]
    if any(token not in COMMENTS for _, _, token, _ in lexemes_of(rest.decode("utf-8", "replace"))):
        raise ScriptError(
            "The data of COPY ... FROM STDIN begins on the line after it, and something else is on its own line.",
            advice=r"Write what follows below the line \. that ends the data.",
            place=text.place(semicolon + text.shift),
        )
    return newline + 1 if newline >= 0 else len(text.bytes)
