"""A file's own BEGIN ... COMMIT, in the folder of another tool: one pair around everything becomes our transaction.

So does the way in which it begins: SET TRANSACTION, and the modes of BEGIN, go into our BEGIN, because they must come
before any query, and ours are there first. See https://www.postgresql.org/docs/18/sql-set-transaction.html.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from . import commands, tree
from .errors import Place, ScriptError
from .statement_reader import Found

_BEGINS: Final = frozenset({"BEGIN", "START TRANSACTION"})
_SETTINGS: Final = frozenset({"SET TRANSACTION", "SET SESSION CHARACTERISTICS"})
_REMEDY: Final = (
    "Leave out BEGIN and COMMIT, or have one pair around the whole file: the migration and its history row commit "
    "together."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifted:
    """A file's statements without those of its transaction."""

    statements: list[Found]
    # what BEGIN is to say: ISOLATION LEVEL SERIALIZABLE
    modes: str = ""
    # whether the file had a pair of its own
    paired: bool = False


def lift(found: Sequence[Found], *, ends: Collection[str]) -> Lifted:
    """Return the statements that run inside our transaction. Raises `ScriptError` where one cannot be made of it.

    `ends` are the commands that may end the file's own.
    """
    control = [n for n, one in enumerate(found) if _is_control(one)]
    if not control:
        return _with_modes(list(found), [], paired=False)
    first, last = control[0], control[-1]
    if found[first].kind not in _BEGINS:
        raise _refusal(found[first].place, f"{found[first].kind} without a BEGIN before it")
    if len(control) == 1:
        raise _refusal(found[first].place, f"{found[first].kind} without a COMMIT after it")
    inside = control[1]
    if found[inside].kind not in ends or tree.inner(found[inside].tree).chain:
        what = "AND CHAIN" if found[inside].kind == "COMMIT" else found[inside].kind
        raise _refusal(found[inside].place, f"{what} inside its own transaction")
    if inside != last:
        raise _refusal(found[control[2]].place, f"{found[control[2]].kind} after the end of its first transaction")
    outside = next((one for one in (*found[:first], *found[last + 1 :]) if not _may_move_inside(one)), None)
    if outside is not None:
        raise _refusal(outside.place, f"{outside.kind} outside of its own BEGIN ... COMMIT")
    begin = found[first]
    rest = [*found[:first], *found[first + 1 : last], *found[last + 1 :]]
    return _with_modes(rest, _modes(begin, tree.inner(begin.tree).options), paired=True)


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
