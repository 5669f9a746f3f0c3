"""Goes through a file's lexemes once: statements with their places, and the directives between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct, field
from postgast.pg_query_pb2 import KeywordKind, Token

from . import commands
from .copy_data import CopyData
from .directives import Allowance, Condition, Directive, directive_of
from .errors import Place, ScriptError
from .lexemes import COMMENTS, Lexeme
from .text import Text

# Looked up once: protobuf makes the number of a name anew each time.
_NO_KEYWORD: Final = int(KeywordKind.NO_KEYWORD)
_SQL_COMMENT: Final = int(Token.SQL_COMMENT)


class Found(Struct, kw_only=True):
    """A statement before its number is known."""

    sql: str
    start: int
    end: int
    place: Place
    kind: str
    outside_transaction: bool
    condition: Condition | None
    allows: tuple[Allowance, ...]
    tree: Any
    shift: int
    # why there is no tree
    unread: str = ""
    # the rows that a COPY takes from the file
    data: CopyData | None = None
    # which of the file's own transactions it is in, from 1; 0 where it commits by itself or the file is one
    segment: int = 0


class Reader(Struct, kw_only=True):
    """Goes through the tokens once, statement by statement."""

    text: Text
    tokens: list[Lexeme]
    at: int = 0
    seen: int = 0
    transactional: bool = True
    allows: list[Allowance] = field(default_factory=list)
    pending: list[tuple[Directive, Place]] = field(default_factory=list)
    # the rows of the file by the offset at which their COPY begins
    copies: Mapping[int, CopyData] = field(default_factory=dict)

    def statement(self, node: Any, origin: int, start: int, end: int) -> Found:
        """Return the statement between two byte offsets of the text; its tree counts from `origin`."""
        tokens, count = self.tokens, len(self.tokens)
        first = self.at
        while first < count and (tokens[first][0] < start or tokens[first][2] in COMMENTS):
            first += 1
        self.directives_until(first)
        last = first
        words: list[str] = []
        index = first
        while index < count and tokens[index][1] <= end:
            begin, finish, token, keyword = tokens[index]
            if token in COMMENTS:
                self._refuse_inside(index)
            else:
                last = index
                if len(words) < 8 and keyword != _NO_KEYWORD:
                    words.append(self.text.bytes[begin:finish].decode().upper())
            index += 1
        self.at = index
        self.seen += 1
        condition, allows = self._take()
        begin, finish = tokens[first][0], tokens[last][1]
        shift = self.text.shift
        return Found(
            sql=self.text.bytes[begin:finish].decode(),
            start=self.text.origin(begin + shift),
            end=self.text.origin(finish + shift),
            place=self.text.place(begin + shift),
            kind=commands.command_of(node, words),
            outside_transaction=commands.refused_inside(node),
            condition=condition,
            allows=allows,
            tree=node,
            shift=origin + shift,
            data=self.copies.get(begin),
        )

    def directives_until(self, index: int) -> None:
        """Read the comments before token `index`; what they say waits for the statement after them."""
        for number in range(self.at, index):
            start, end, token, _keyword = self.tokens[number]
            if token != _SQL_COMMENT:
                continue
            place = self.text.place(start + self.text.shift)
            found = directive_of(self.text.bytes[start:end].decode(), place=place)
            if found is None:
                continue
            if self.text.before_on_line(start).strip():
                raise ScriptError(
                    "A directive stands on a line of its own.",
                    advice="Move the comment to the line above the statement that it is for.",
                    place=place,
                )
            self._place_directive(found, place)
        self.at = index

    def _place_directive(self, found: Directive, place: Place) -> None:
        if isinstance(found, Allowance) and self.seen == 0:
            self.allows.append(found)
        elif isinstance(found, Allowance | Condition):
            self.pending.append((found, place))
        elif self.seen:
            raise ScriptError(
                "transaction=off is for the whole file and stands above its first statement.",
                advice="Move it to the top, or move the statements into two files.",
                place=place,
            )
        else:
            self.transactional = False

    def _refuse_inside(self, number: int) -> None:
        start, end, token, _ = self.tokens[number]
        if token != _SQL_COMMENT:
            return
        place = self.text.place(start + self.text.shift)
        if directive_of(self.text.bytes[start:end].decode(), place=place) is not None:
            raise ScriptError(
                "A directive stands above a statement, not inside it.",
                advice="Move the comment to the line above the statement that it is for.",
                place=place,
            )

    def _take(self) -> tuple[Condition | None, tuple[Allowance, ...]]:
        conditions = [(found, place) for found, place in self.pending if isinstance(found, Condition)]
        if len(conditions) > 1:
            raise ScriptError(
                "A statement has one condition; this is the second.",
                advice="Write a DO block with IF ... THEN for more than one.",
                place=conditions[1][1],
            )
        allows = tuple(found for found, _ in self.pending if isinstance(found, Allowance))
        self.pending.clear()
        return (conditions[0][0] if conditions else None), allows


def refuse_misplaced(reader: Reader) -> None:
    """Raise `ScriptError` where a directive has no statement below it."""
    if not reader.pending:
        return
    found, place = reader.pending[0]
    word = "when" if isinstance(found, Condition) else "allow"
    raise ScriptError(
        f"There is no statement below this `{word}`.",
        advice="A directive is for the statement that follows it.",
        place=place,
    )
