"""What statements say of columns x what the columns are -> the rows about them, with their sides. Pure.

A step on a column that is there is skipped whatever its default is: the verdict tells that what is left there is not
what the file says, and where nothing converts it, it stops the run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from .defaults import same_default
from .precheck import Aspect, Row, Verdict, Wish
from .surroundings import ColumnFound


def with_sides(rows: Sequence[Row], wishes: Sequence[Wish], found: Mapping[Wish, ColumnFound]) -> tuple[Row, ...]:
    """Return the rows, those about columns that are there with type, nullability, default and definition."""
    by_row = {(wish.version, wish.statement, wish.object): wish for wish in wishes}
    return tuple(_with(row, by_row, found) for row in rows)


def _with(row: Row, by_row: Mapping[tuple[str, int, str], Wish], found: Mapping[Wish, ColumnFound]) -> Row:
    wish = by_row.get((row.version, row.statement, row.object)) if row.kind == "column" else None
    column = found.get(wish) if wish is not None else None
    if wish is None or column is None or column.type not in row.found:
        # not there, or not any more what it is when the statement's turn comes
        return row
    sides = (_type(row, column), *_sides(wish, column))
    row = replace(row, aspects=sides)
    if row.verdict is not Verdict.SATISFIED:
        return row
    odd = [side for side in sides if side.same is False]
    vague = [side for side in sides if side.same is None]
    if odd:
        converted = all(side.name in wish.converts for side in odd)
        words = _texts(odd)
        later = ", converted by a later statement" if converted else ""
        verdict = Verdict.DIFFERENT if converted else Verdict.CONFLICT
        return replace(
            row, verdict=verdict, expected=f"{row.expected} {words[0]}", found=f"{row.found} {words[1]}{later}"
        )
    if vague:
        words = _texts(vague)
        return replace(
            row, verdict=Verdict.UNKNOWABLE, expected=f"{row.expected} {words[0]}", found=f"{row.found} {words[1]}"
        )
    return row


def _texts(sides: Sequence[Aspect]) -> tuple[str, str]:
    """Return both sides in the words of a column definition."""
    return (
        " ".join(f"default {s.expected}" if s.name == "default" else s.expected for s in sides),
        " ".join(
            (f"default {s.found}" if s.found != "none" else "no default") if s.name == "default" else s.found
            for s in sides
        ),
    )


def _type(row: Row, column: ColumnFound) -> Aspect:
    expected = row.expected.removeprefix("new, ")
    return Aspect(name="type", expected=expected, found=column.type, same=expected == column.type)


def _sides(wish: Wish, column: ColumnFound) -> list[Aspect]:
    sides: list[Aspect] = []
    nullable = {True: "not null", False: "null"}
    if wish.not_null is None:
        sides.append(Aspect(name="nullable", expected="not said", found=nullable[column.not_null], same=True))
    else:
        same = wish.not_null == column.not_null
        sides.append(
            Aspect(name="nullable", expected=nullable[wish.not_null], found=nullable[column.not_null], same=same)
        )
    stored = "generated" if column.generated else column.default or "none"
    if wish.default is None:
        sides.append(Aspect(name="default", expected="not said", found=stored, same=True))
    else:
        equal = None if column.generated else same_default(wish.default, column.default, column.type)
        sides.append(Aspect(name="default", expected=wish.default, found=stored, same=equal))
    expected, found = _definition(wish), _found_definition(column)
    if expected or found:
        sides.append(_defined(expected, found))
    return sides


def _defined(expected: str, found: str) -> Aspect:
    """Compare identity and generation; of two generated columns only the server can compare the expressions."""
    same: bool | None = expected == found or not expected
    if expected == found and expected.startswith("generated column"):
        same = None
    return Aspect(name="definition", expected=expected or "not said", found=found or "a plain column", same=same)


def _definition(wish: Wish) -> str:
    return "identity" if wish.identity else f"generated column, {wish.generated}" if wish.generated else ""


def _found_definition(column: ColumnFound) -> str:
    if column.identity:
        return "identity"
    return {"s": "generated column, stored", "v": "generated column, virtual"}.get(column.generated, "")
