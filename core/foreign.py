"""A file of another tool's folder -> the script of it that runs.

Nothing here raises for what a file holds: old files of a folder are listed whatever is in them, and only a plan that
would run one is refused. What runs is what the tool would run: no directive of ours conditions it or takes it out of
its transaction, and a statement that our parser does not know is left to the server.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from msgspec import Struct
from msgspec.structs import replace
from postgast.pg_query_pb2 import KeywordKind, Token

from .copy_data import Blocks, taken_out
from .dumped import unrestricted
from .errors import Fault, Place, ScriptError, fault_of
from .lexemes import COMMENTS, Lexeme, scan
from .own_transaction import ENDING, lift
from .script import Script, check_inside, copy_refusal, not_atomic, numbered
from .statement_reader import Found, Reader, refuse_misplaced
from .text import Text
from .trees import Parsed, known, trees

_UNREAD: Final = "PostgreSQL 18's parser does not know it"
_VERIFY_ENDS: Final = frozenset({"COMMIT", "ROLLBACK"})
_ENDS: Final = frozenset({Token.COMMIT, Token.ROLLBACK, Token.ABORT_P, Token.BEGIN_P, Token.START, Token.END_P})


class Part(Struct, frozen=True, kw_only=True):
    """The part of a file that runs, as the tool reads it."""

    text: Text
    # whether the tool's own opt-out asks for no transaction
    transactional: bool = True
    # a verify script: it ends its own transaction with ROLLBACK
    verifies: bool = False
    # whether the tool sends rows that stand in the file after COPY ... FROM STDIN
    copies: Blocks = Blocks.REFUSED
    # why the tool itself would not run it, or we do not
    refusals: tuple[Fault, ...] = ()
    notes: tuple[Fault, ...] = ()


def script_of(part: Part) -> Script:
    """Return the script; what keeps it from running is among its refusals."""
    if part.refusals:
        return _empty(part)
    try:
        return _read(part)
    except ScriptError as error:
        return _empty(replace(part, refusals=(fault_of(error),)))


def script_of_bytes(content: bytes, *, file: str, transactional: bool = True) -> Script:
    """Return the script of a file that runs as a whole."""
    try:
        return script_of(Part(text=Text.read(content, file=file), transactional=transactional))
    except ScriptError as error:
        return unreadable(error, transactional=transactional)


def unreadable(error: ScriptError, *, transactional: bool = True) -> Script:
    """Return the script of a file that cannot be read: nothing, and why."""
    return Script(statements=(), transactional=transactional, allows=(), refusals=(fault_of(error),))


def nothing() -> Script:
    """Return the script of a migration that is not SQL, or that has none."""
    return Script(statements=(), transactional=True, allows=())


def _empty(part: Part) -> Script:
    return Script(statements=(), transactional=part.transactional, allows=(), refusals=part.refusals, notes=part.notes)


def _read(part: Part) -> Script:
    text, copies = taken_out(part.text, part.copies)
    text = unrestricted(text)
    lexemes = scan(text)
    reader = Reader(text=text, tokens=lexemes, copies=copies)
    found, notes = _found(text, lexemes, reader)
    reader.directives_until(len(lexemes))
    refuse_misplaced(reader)
    _refuse_directives(reader, found)
    lifted = lift(found, ends=_VERIFY_ENDS if part.verifies else ENDING)
    for one in lifted.statements:
        if refusal := copy_refusal(one):
            raise refusal
    if lifted.segments and part.verifies:
        raise ScriptError(
            "A verify script runs in one transaction, and this one has several of its own.",
            advice="Have one pair of BEGIN and ROLLBACK around all of it.",
            place=lifted.statements[0].place,
        )
    check_inside(lifted)
    alone = next((one for one in lifted.statements if one.outside_transaction), None)
    transactional = (part.transactional or lifted.paired) and alone is None and not lifted.segments
    notes = [*notes, *not_atomic(lifted)]
    if alone is not None and part.transactional and not lifted.segments:
        notes = [*notes, _outside(alone, len(lifted.statements))]
    if lifted.modes and not transactional:
        raise ScriptError(
            "The file says how its transaction begins, and has none.",
            advice="Leave out SET TRANSACTION, or the directive that keeps it out of a transaction.",
            place=lifted.statements[0].place if lifted.statements else None,
        )
    return Script(
        statements=numbered(lifted.statements, text),
        transactional=transactional,
        allows=tuple(reader.allows),
        notes=(*part.notes, *notes),
        modes=lifted.modes,
        segments=lifted.segments,
        substituted=sha256(text.bytes).hexdigest() if text.is_edited else "",
    )


def _found(text: Text, lexemes: list[Lexeme], reader: Reader) -> tuple[list[Found], list[Fault]]:
    spans: list[Parsed] = []
    refused = None
    try:
        spans = trees(text, lexemes)
    except ScriptError as error:
        refused = error
    if refused is None:
        return [reader.statement(*span) for span in spans], []
    # The grammar ends a statement at its semicolon: what is read up to one is read alike by every server.
    head, spans = known(text, lexemes, refused.place)
    found = [reader.statement(*span) for span in spans]
    rest = [lexeme for lexeme in lexemes if lexeme[0] >= head and lexeme[2] not in COMMENTS]
    _refuse_hidden_data(text, [at for at in reader.copies if at >= head])
    _refuse_hidden_end(text, rest)
    last = max((end for _, end, token, _ in rest if token != ord(";")), default=head)
    words = _words(text, rest)
    one = reader.statement(None, head, head, last)
    outside = ("CONCURRENTLY" in words and words[0] in {"CREATE", "DROP", "REINDEX"}) or words[:1] == ["VACUUM"]
    found.append(replace(one, unread=_UNREAD, outside_transaction=outside))
    return found, [_not_known(refused)]


def _words(text: Text, lexemes: Sequence[Lexeme]) -> list[str]:
    """Return the keywords of the first statement, in upper case."""
    words: list[str] = []
    for start, end, token, keyword in lexemes:
        if token == ord(";"):
            break
        if keyword != KeywordKind.NO_KEYWORD:
            words.append(text.bytes[start:end].decode().upper())
    return words or [""]


def _refuse_hidden_end(text: Text, lexemes: Sequence[Lexeme]) -> None:
    """Refuse what would end our transaction in the part that the server alone tells apart."""
    if any(token == Token.ATOMIC for _, _, token, _ in lexemes):
        # END is of a body then; a real one is noticed when it has run
        return
    fresh = True
    for start, _, token, _ in lexemes:
        if fresh and token in _ENDS:
            raise ScriptError(
                "The file ends or begins a transaction after a statement that PostgreSQL 18's parser does not know.",
                advice="Leave out BEGIN and COMMIT: the migration and its history row commit together.",
                place=text.place(start + text.shift),
            )
        fresh = token == ord(";")


def _refuse_hidden_data(text: Text, copies: Sequence[int]) -> None:
    """Refuse rows in the part that the server alone tells apart: it would wait for them."""
    if copies:
        raise ScriptError(
            "COPY ... FROM STDIN stands after a statement that PostgreSQL 18's parser does not know.",
            advice="Move it before that statement, or into a file of its own.",
            place=text.place(copies[0] + text.shift),
        )


def _refuse_directives(reader: Reader, found: Sequence[Found]) -> None:
    condition = next((one for one in found if one.condition), None)
    if condition is not None:
        raise ScriptError(
            "`-- changeover: when` is for folders of Changeover's own: this one's history has no place for a "
            "deferred step.",
            advice="Write a DO block with IF to_regclass(...) IS NOT NULL THEN ... END IF.",
            place=condition.place,
        )
    if not reader.transactional:
        raise ScriptError(
            "`-- changeover: transaction=off` is for folders of Changeover's own.",
            advice="Say it as this folder's own tool reads it.",
            place=Place(file=reader.text.file, line=1),
        )


def _outside(one: Found, count: int) -> Fault:
    others = "" if count == 1 else ", and so do the other statements of the file: each commits by itself"
    return Fault(
        id="outside-transaction",
        summary=f"{one.kind} runs outside a transaction{others}.",
        advice="" if count == 1 else "Move it into a file of its own, and the others stay in one transaction.",
        file=one.place.file,
        line=one.place.line,
        column=one.place.column,
    )


def _not_known(error: ScriptError) -> Fault:
    place = error.place
    return Fault(
        id="not-known",
        summary=f"From here on the file is sent as it is, because {_UNREAD}: {error.summary}",
        advice="What it locks and needs is not known. If it is a slip, correct it: the server will refuse it, too.",
        file=place.file if place else None,
        line=place.line if place else None,
        column=place.column if place else None,
    )
