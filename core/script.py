"""SQL text -> statements, by PostgreSQL's own parser."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import postgast
from google.protobuf.message import DecodeError
from postgast.pg_query_pb2 import KeywordKind, ScanResult, Token

from . import commands, tree
from .directives import Allowance, Condition, Directive, directive_of
from .errors import Fault, Place, ScriptError
from .text import Text

_BACKSLASH = ord("\\")
_COMMENTS = frozenset({Token.SQL_COMMENT, Token.C_COMMENT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement of a file."""

    number: int
    # the exact text from its first token to its last, without the closing semicolon
    sql: str
    # byte span of `sql` in the file
    start: int
    end: int
    place: Place
    # the command as the manual names it: ALTER TABLE, CREATE INDEX CONCURRENTLY, DO, ...
    kind: str
    # PostgreSQL refuses it inside a transaction block
    outside_transaction: bool
    condition: Condition | None = None
    # those directly above it; those at the top of the file are the script's
    allows: tuple[Allowance, ...] = ()
    # the parse tree: a pg_query_pb2 message, opaque to everything but `effects`; None where it is too deep to read
    tree: Any = field(default=None, compare=False, repr=False)
    # the file that it is in, for the places of what it mentions
    text: Text | None = field(default=None, compare=False, repr=False)
    # how far the byte offsets in `tree` are from those in the file
    shift: int = field(default=0, compare=False, repr=False)

    def place_of(self, offset: int) -> Place:
        """Return the place of a byte offset in `tree`; the statement's own where it has none."""
        if offset < 0 or self.text is None:
            return self.place
        return self.text.place(offset + self.shift)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A parsed file."""

    statements: tuple[Statement, ...]
    # -- changeover: transaction=off
    transactional: bool
    # those above the first statement: they hold for the whole file
    allows: tuple[Allowance, ...]
    # why it cannot be run as it is; for a plan that would run it, and for no other
    refusals: tuple[Fault, ...] = ()
    # what a person should know of it that stops nothing
    notes: tuple[Fault, ...] = ()
    # how its transaction begins, where the file says so: ISOLATION LEVEL SERIALIZABLE
    modes: str = ""
    # SHA-256 of the text that runs, where placeholders made another one of the file's
    substituted: str = ""


def parse(content: bytes, *, file: str) -> Script:
    """Return the statements and directives of a migration file; an empty file has none.

    `file` is its name as people say it. A BEGIN ... COMMIT around everything is dropped: it becomes the
    migration's own transaction. Raises `ScriptError`, with the place, for a file that cannot be run as it is.
    """
    text = Text.read(content, file=file)
    tokens = _tokens(text)
    reader = _Reader(text=text, tokens=tokens)
    statements = [reader.statement(*span) for span in _trees(text, tokens)]
    reader.directives_until(len(tokens))
    _refuse_misplaced(reader)
    statements = _without_pair(statements, transactional=reader.transactional)
    for found in statements:
        _refuse_unrunnable(found, transactional=reader.transactional)
    return Script(
        statements=tuple(
            Statement(
                number=number,
                sql=found.sql,
                start=found.start,
                end=found.end,
                place=found.place,
                kind=found.kind,
                outside_transaction=found.outside_transaction,
                condition=found.condition,
                allows=found.allows,
                tree=found.tree,
                text=text,
                shift=found.shift,
            )
            for number, found in enumerate(statements, start=1)
        ),
        transactional=reader.transactional,
        allows=tuple(reader.allows),
    )


# A token as plain numbers: start, end, token, keyword kind. Protobuf attributes are slow to read twice.
_Token = tuple[int, int, int, int]


def _plain(scanned: ScanResult) -> list[_Token]:
    return [(t.start, t.end, int(t.token), int(t.keyword_kind)) for t in scanned.tokens]


def _tokens(text: Text) -> list[_Token]:
    try:
        scanned = postgast.scan(text.sql)
    except postgast.PgQueryError as error:
        # what comes before may say why: data after COPY FROM STDIN, a psql command with an apostrophe
        _refuse_psql(text, _before(text, error))
        raise _syntax(text, error) from error
    tokens = _plain(scanned)
    _refuse_psql(text, tokens)
    return tokens


def _before(text: Text, error: postgast.PgQueryError) -> list[_Token]:
    head = text.sql[: max(error.cursorpos - 1, 0)]
    try:
        return _plain(postgast.scan(head))
    except postgast.PgQueryError:
        return []


def _refuse_psql(text: Text, tokens: list[_Token]) -> None:
    """Refuse what only psql understands: a backslash is a token of no SQL statement."""
    # the words of a COPY statement being read, and where it starts
    copies: list[int] | None = None
    began = 0
    fresh = True
    for start, _, token, _ in tokens:
        if token in _COMMENTS:
            continue
        if token == _BACKSLASH:
            line = text.bytes[start:].split(b"\n", 1)[0].decode()
            command = line.split()[0] if line.split() else "\\"
            raise ScriptError(
                f"{command} is a command of psql, not SQL.",
                advice="Only psql runs it. Write it as SQL, or run this file with psql yourself.",
                place=text.place(start + text.shift),
            )
        if token == ord(";"):
            if copies is not None and Token.FROM in copies and Token.STDIN in copies:
                raise _copy(text.place(began + text.shift))
            fresh, copies = True, None
        elif fresh:
            fresh, began, copies = False, start, [] if token == Token.COPY else None
        elif copies is not None:
            copies.append(token)


def _copy(place: Place) -> ScriptError:
    return ScriptError(
        "COPY ... FROM STDIN waits for data from the client, and a migration has none to send.",
        advice="Write the rows as INSERT ... VALUES, or COPY from a file on the server.",
        place=place,
    )


def _syntax(text: Text, error: postgast.PgQueryError) -> ScriptError:
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


# tree, the offset that its locations count from, and the byte span of the statement
_Span = tuple[Any, int, int, int]


def _trees(text: Text, tokens: list[_Token]) -> list[_Span]:
    if all(token in _COMMENTS for _, _, token, _ in tokens):
        return []
    try:
        parsed = postgast.parse(text.sql)
    except postgast.PgQueryError as error:
        raise _syntax(text, error) from error
    except DecodeError:
        # protobuf reads 100 levels; one statement of the file is deeper (a hundred operands of || are)
        return _trees_apart(text)
    size = len(text.bytes)
    return [
        (raw.stmt, 0, raw.stmt_location, raw.stmt_location + raw.stmt_len if raw.stmt_len else size)
        for raw in parsed.stmts
    ]


def _trees_apart(text: Text) -> list[_Span]:
    spans: list[_Span] = []
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


@dataclass(slots=True, kw_only=True)
class _Found:
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


@dataclass(slots=True, kw_only=True)
class _Reader:
    """Goes through the tokens once, statement by statement."""

    text: Text
    tokens: list[_Token]
    at: int = 0
    seen: int = 0
    transactional: bool = True
    allows: list[Allowance] = field(default_factory=list)
    pending: list[tuple[Directive, Place]] = field(default_factory=list)

    def statement(self, node: Any, origin: int, start: int, end: int) -> _Found:
        tokens, count = self.tokens, len(self.tokens)
        first = self.at
        while first < count and (tokens[first][0] < start or tokens[first][2] in _COMMENTS):
            first += 1
        self.directives_until(first)
        last = first
        words: list[str] = []
        index = first
        while index < count and tokens[index][1] <= end:
            begin, finish, token, keyword = tokens[index]
            if token in _COMMENTS:
                self.refuse_inside(index)
            else:
                last = index
                if len(words) < 8 and keyword != KeywordKind.NO_KEYWORD:
                    words.append(self.text.bytes[begin:finish].decode().upper())
            index += 1
        self.at = index
        self.seen += 1
        condition, allows = self.take()
        begin, finish = tokens[first][0], tokens[last][1]
        shift = self.text.shift
        return _Found(
            sql=self.text.bytes[begin:finish].decode(),
            start=begin + shift,
            end=finish + shift,
            place=self.text.place(begin + shift),
            kind=commands.command_of(node, words),
            outside_transaction=commands.refused_inside(node),
            condition=condition,
            allows=allows,
            tree=node,
            shift=origin + shift,
        )

    def directives_until(self, index: int) -> None:
        """Read the comments before token `index`; what they say waits for the statement after them."""
        for number in range(self.at, index):
            start, end, token, _keyword = self.tokens[number]
            if token != Token.SQL_COMMENT:
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
            self.place_directive(found, place)
        self.at = index

    def place_directive(self, found: Directive, place: Place) -> None:
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

    def refuse_inside(self, number: int) -> None:
        start, end, token, _ = self.tokens[number]
        if token != Token.SQL_COMMENT:
            return
        place = self.text.place(start + self.text.shift)
        if directive_of(self.text.bytes[start:end].decode(), place=place) is not None:
            raise ScriptError(
                "A directive stands above a statement, not inside it.",
                advice="Move the comment to the line above the statement that it is for.",
                place=place,
            )

    def take(self) -> tuple[Condition | None, tuple[Allowance, ...]]:
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


def _refuse_misplaced(reader: _Reader) -> None:
    if not reader.pending:
        return
    found, place = reader.pending[0]
    word = "when" if isinstance(found, Condition) else "allow"
    raise ScriptError(
        f"There is no statement below this `{word}`.",
        advice="A directive is for the statement that follows it.",
        place=place,
    )


def _without_pair(statements: list[_Found], *, transactional: bool) -> list[_Found]:
    """Drop a BEGIN ... COMMIT around everything: it becomes the migration's own transaction."""
    if not transactional or len(statements) < 2:
        return statements
    first, last = statements[0], statements[-1]
    if first.kind not in {"BEGIN", "START TRANSACTION"} or last.kind != "COMMIT":
        return statements
    begins, commits = tree.inner(first.tree), tree.inner(last.tree)
    plain = all(item.def_elem.defname == "transaction_read_only" and not _true(item) for item in begins.options)
    if not plain or commits.chain or first.condition or last.condition:
        return statements
    return statements[1:-1]


def _true(option: Any) -> bool:
    return bool(option.def_elem.arg.a_const.ival.ival)


def _refuse_unrunnable(found: _Found, *, transactional: bool) -> None:
    if commands.is_transaction_control(found.kind):
        raise ScriptError(
            f"{found.kind} inside a migration is refused: the migration and its history row commit together.",
            advice="Leave it out; a BEGIN ... COMMIT is understood only as one plain pair around the whole file.",
            place=found.place,
        )
    if tree.kind(found.tree) == "copy_stmt":
        copy = found.tree.copy_stmt
        if not copy.filename:
            if copy.is_from:
                raise _copy(found.place)
            raise ScriptError(
                "COPY ... TO STDOUT sends rows to a client, and a migration has nowhere to put them.",
                advice="Leave it out, or export with psql.",
                place=found.place,
            )
    if found.outside_transaction and transactional:
        raise ScriptError(
            f"PostgreSQL does not run {found.kind} inside a transaction.",
            advice="Put it into a file of its own with the line `-- changeover: transaction=off` at the top.",
            place=found.place,
        )
