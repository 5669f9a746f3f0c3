"""SQL text -> statements, by PostgreSQL's own parser: what a script is, and how a file of ours is read."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Final
from weakref import WeakValueDictionary

from msgspec import Struct

from . import commands, tree
from .copy_data import Blocks, CopyData, copy_from_stdin, taken_out
from .directives import Allowance, Condition
from .dumped import unrestricted
from .errors import Fault, Place, ScriptError
from .lexemes import scan
from .own_transaction import ENDING, Lifted, lift
from .statement_reader import Found, Reader, refuse_misplaced
from .text import Text
from .trees import trees


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
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
    tree: Any = dataclasses.field(default=None, compare=False, repr=False)
    # the file that it is in, for the places of what it mentions
    text: Text | None = dataclasses.field(default=None, compare=False, repr=False)
    # how far the byte offsets in `tree` are from those in the file
    shift: int = dataclasses.field(default=0, compare=False, repr=False)
    # why there is no tree; it may be several statements then, which the server tells apart
    unread: str = ""
    # the rows that a COPY takes from the file
    data: CopyData | None = None
    # which of the file's own transactions it is in, from 1; 0 where it commits by itself or the file is one
    segment: int = 0

    def place_of(self, offset: int) -> Place:
        """Return the place of a byte offset in `tree`; the statement's own where it has none."""
        if offset < 0 or self.text is None:
            return self.place
        return self.text.place(offset + self.shift)


class Script(Struct, frozen=True, kw_only=True, weakref=True):
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
    # how each of its own transactions begins, where the file commits on its way; by their number from 1
    segments: tuple[str, ...] = ()
    # SHA-256 of the text that runs, where placeholders made another one of the file's
    substituted: str = ""


# By name and bytes: a folder is read again and again, and what has not changed is parsed once while anybody has it.
_KNOWN: Final[WeakValueDictionary[tuple[str, bytes], Script]] = WeakValueDictionary()


def parse(content: bytes, *, file: str) -> Script:
    """Return the statements and directives of a migration file of ours; an empty file has none.

    `file` is its name as people say it. A BEGIN ... COMMIT around everything is dropped: it becomes the
    migration's own transaction. Raises `ScriptError`, with the place, for a file that cannot be run as it is.
    """
    known = _KNOWN.get((file, content))
    if known is None:
        known = _KNOWN[file, content] = _parsed(content, file)
    return known


def _parsed(content: bytes, file: str) -> Script:
    text, copies = taken_out(Text.read(content, file=file), Blocks.CLOSED)
    text = unrestricted(text)
    lexemes = scan(text)
    reader = Reader(text=text, tokens=lexemes, copies=copies)
    found = [reader.statement(*span) for span in trees(text, lexemes)]
    reader.directives_until(len(lexemes))
    refuse_misplaced(reader)
    if not reader.transactional:
        return _in_parts(reader, found, text)
    found = _without_pair(found)
    for one in found:
        _refuse_unrunnable(one)
    return Script(statements=numbered(found, text), transactional=True, allows=tuple(reader.allows))


def _in_parts(reader: Reader, found: Sequence[Found], text: Text) -> Script:
    """Return the script of a file outside a transaction, which may have some of its own."""
    lifted = lift(found, ends=ENDING)
    for one in lifted.statements:
        if refusal := copy_refusal(one):
            raise refusal
    check_inside(lifted)
    return Script(
        statements=numbered(lifted.statements, text),
        transactional=lifted.paired,
        allows=tuple(reader.allows),
        notes=not_atomic(lifted),
        modes=lifted.modes,
        segments=lifted.segments,
    )


def check_inside(lifted: Lifted) -> None:
    """Raise `ScriptError` where what takes no transaction stands inside one of the file's own."""
    for one in lifted.statements:
        if one.outside_transaction and (lifted.paired or one.segment):
            raise ScriptError(
                f"PostgreSQL does not run {one.kind} inside the BEGIN ... COMMIT of the file.",
                advice="Leave out BEGIN and COMMIT, or move the statement into a file of its own.",
                place=one.place,
            )


def not_atomic(lifted: Lifted) -> tuple[Fault, ...]:
    """Return that a file commits on its way, where it does."""
    if not lifted.segments:
        return ()
    second = next((one for one in lifted.statements if one.segment != lifted.statements[0].segment), None)
    place = (second or lifted.statements[0]).place
    count = len(lifted.segments)
    alone = any(not one.segment for one in lifted.statements)
    others = ", and so is every statement outside of them" if alone else ""
    return (
        Fault(
            id="not-atomic",
            summary=f"The file is not atomic: {count} BEGIN ... COMMIT {'pair' if count == 1 else 'pairs'}, each "
            f"committed by itself{others}. A failure on the way leaves what came before.",
            advice="It goes on where it stopped. One pair around everything, or none, would be all or nothing.",
            file=place.file,
            line=place.line,
            column=place.column,
        ),
    )


def numbered(found: Sequence[Found], text: Text) -> tuple[Statement, ...]:
    """Return the statements of a file in their order, with their numbers from 1."""
    return tuple(
        Statement(
            number=number,
            sql=one.sql,
            start=one.start,
            end=one.end,
            place=one.place,
            kind=one.kind,
            outside_transaction=one.outside_transaction,
            condition=one.condition,
            allows=one.allows,
            tree=one.tree,
            text=text,
            shift=one.shift,
            unread=one.unread,
            data=one.data,
            segment=one.segment,
        )
        for number, one in enumerate(found, start=1)
    )


def copy_refusal(one: Found) -> ScriptError | None:
    """Return why a COPY cannot be run that takes rows from a client, or gives it some."""
    if tree.kind(one.tree) != "copy_stmt" or one.tree.copy_stmt.filename:
        return None
    if one.tree.copy_stmt.is_from:
        if one.data is None:
            return copy_from_stdin(one.place)
        if any(_is_binary(it.def_elem) for it in one.tree.copy_stmt.options):
            return ScriptError(
                "The binary format of COPY has no place in a text file.",
                advice="Use the text format, or CSV.",
                place=one.place,
            )
        return None
    return ScriptError(
        "COPY ... TO STDOUT sends rows to a client, and a migration has nowhere to put them.",
        advice="Leave it out, or export with psql.",
        place=one.place,
    )


def _is_binary(option: Any) -> bool:
    return bool(option.defname == "format" and option.arg.string.sval.lower() == "binary")


def _without_pair(statements: list[Found]) -> list[Found]:
    """Drop a BEGIN ... COMMIT around everything: it becomes the migration's own transaction."""
    if len(statements) < 2:
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


def _refuse_unrunnable(found: Found) -> None:
    if commands.is_transaction_control(found.kind):
        raise ScriptError(
            f"{found.kind} inside a migration is refused: the migration and its history row commit together.",
            advice="Leave it out, or have one plain BEGIN ... COMMIT around the whole file. To commit on the way, put "
            "the line `-- changeover: transaction=off` at the top.",
            place=found.place,
        )
    refusal = copy_refusal(found)
    if refusal is not None:
        raise refusal
    if found.outside_transaction:
        raise ScriptError(
            f"PostgreSQL does not run {found.kind} inside a transaction.",
            advice="Put it into a file of its own with the line `-- changeover: transaction=off` at the top.",
            place=found.place,
        )
