"""A file's own BEGIN ... COMMIT: one pair around everything becomes our transaction.

Several pairs, or a part outside of one, are segments: each commits by itself, as it is written.

So does the way in which it begins: SET TRANSACTION, and the modes of BEGIN, go into our BEGIN, because they must come
before any query, and ours are there first. See https://www.postgresql.org/docs/18/sql-set-transaction.html.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from . import commands, tree
from .errors import Place, ScriptError
from .statement_reader import Found

_BEGINS: Final = frozenset({"BEGIN", "START TRANSACTION"})
_SETTINGS: Final = frozenset({"SET TRANSACTION", "SET SESSION CHARACTERISTICS"})
# What may end a pair.
ENDING: Final = frozenset({"COMMIT"})
_REMEDY: Final = (
    "Leave out BEGIN and COMMIT, or have one pair around the whole file: the migration and its history row commit "
    "together."
)


class Lifted(Struct, frozen=True, kw_only=True):
    """A file's statements without those of its transaction."""

    statements: list[Found]
    # what BEGIN is to say: ISOLATION LEVEL SERIALIZABLE
    modes: str = ""
    # whether the file had a pair of its own around everything
    paired: bool = False
    # how each of its transactions begins, where there are several or not all is in one; by their number from 1
    segments: tuple[str, ...] = ()


def lift(found: Sequence[Found], *, ends: Collection[str]) -> Lifted:
    """Return the statements that run inside our transaction. Raises `ScriptError` where one cannot be made of it.

    `ends` are the commands that may end the file's own.
    """
    control = [n for n, one in enumerate(found) if _is_control(one)]
    if not control:
        return _with_modes(list(found), [], paired=False)
    first, last = control[0], control[-1]
    for begins, ended in zip(control[::2], [*control[1::2], None], strict=False):
        _check_pair(found[begins], None if ended is None else found[ended], ends)
    around = (*found[:first], *found[last + 1 :])
    if control[1] != last or not all(map(_may_move_inside, around)):
        return _in_segments(found, control)
    begin = found[first]
    rest = [*found[:first], *found[first + 1 : last], *found[last + 1 :]]
    return _with_modes(rest, _modes(begin, tree.inner(begin.tree).options), paired=True)


def _check_pair(begin: Found, end: Found | None, ends: Collection[str]) -> None:
    if begin.kind not in _BEGINS:
        raise _refusal(begin.place, f"{begin.kind} without a BEGIN before it")
    if end is None:
        raise _refusal(begin.place, f"{begin.kind} without a COMMIT after it")
    if end.kind not in ends or tree.inner(end.tree).chain:
        what = "AND CHAIN" if end.kind == "COMMIT" else end.kind
        raise _refusal(end.place, f"{what} inside its own transaction")


def _in_segments(found: Sequence[Found], control: Sequence[int]) -> Lifted:
    """Return the statements, each with the number of its transaction; 0 is one that commits by itself."""
    statements: list[Found] = []
    segments: list[str] = []
    done = 0
    for first, last in zip(control[::2], control[1::2], strict=True):
        statements += _by_themselves(found[done:first])
        begin = found[first]
        within = _with_modes(list(found[first + 1 : last]), _modes(begin, tree.inner(begin.tree).options), paired=True)
        if within.statements:
            segments.append(within.modes)
            statements += [replace(one, segment=len(segments)) for one in within.statements]
        done = last + 1
    statements += _by_themselves(found[done:])
    return Lifted(statements=statements, segments=tuple(segments))


def _by_themselves(found: Sequence[Found]) -> Sequence[Found]:
    for one in found:
        if one.kind == "SET TRANSACTION":
            raise _refusal(one.place, "SET TRANSACTION outside of a transaction")
    return found


def _is_control(one: Found) -> bool:
    return commands.is_transaction_control(one.kind) and one.kind not in {
        "SET TRANSACTION",
        "SET SESSION CHARACTERISTICS",
    }


def _may_move_inside(one: Found) -> bool:
    """Whether a statement outside of the pair does the same inside: a SET of the session does, where all goes well."""
    return tree.kind(one.tree) == "variable_set_stmt" and not tree.inner(one.tree).is_local


def _with_modes(statements: list[Found], modes: list[str], *, paired: bool) -> Lifted:
    kept: list[Found] = []
    for one in statements:
        if one.kind != "SET TRANSACTION":
            kept.append(one)
            continue
        if any(tree.kind(before.tree) != "variable_set_stmt" for before in kept):
            raise ScriptError(
                "SET TRANSACTION stands before any other statement: PostgreSQL takes it only there.",
                advice="Move it to the top of the file.",
                place=one.place,
            )
        modes = [*modes, *_modes(one, tree.inner(one.tree).args)]
    return Lifted(statements=kept, modes=" ".join(dict.fromkeys(modes)), paired=paired)


def _modes(one: Found, options: Any) -> list[str]:
    if "SNAPSHOT" in one.sql.upper() and one.kind == "SET TRANSACTION":
        raise ScriptError(
            "SET TRANSACTION SNAPSHOT needs the transaction of another connection, which a migration has not.",
            advice="Leave it out.",
            place=one.place,
        )
    found: list[str] = []
    for item in options:
        value = item.def_elem.arg.a_const
        match item.def_elem.defname:
            case "transaction_isolation":
                found.append(f"ISOLATION LEVEL {value.sval.sval.upper()}")
            case "transaction_deferrable":
                found.append("DEFERRABLE" if value.ival.ival else "NOT DEFERRABLE")
            case "transaction_read_only" if value.ival.ival:
                raise ScriptError(
                    "The file makes its transaction read-only, so its history row could not be written.",
                    advice="Leave out READ ONLY.",
                    place=one.place,
                )
            case _:
                pass
    return found


def _refusal(place: Place, what: str) -> ScriptError:
    return ScriptError(f"The file has {what}.", advice=_REMEDY, place=place)
