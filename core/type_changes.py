"""Which changes of a column's type leave the rows as they are.

Measured on PostgreSQL 12 to 18, where they are the same. See the notes on ALTER COLUMN TYPE in
https://www.postgresql.org/docs/18/sql-altertable.html#SQL-ALTERTABLE-NOTES.
"""

from __future__ import annotations

import re
from collections.abc import Container
from typing import Final

_TYPE: Final = re.compile(
    r"(?P<head>[^(]+?)(?:\((?P<numbers>[\d,-]+)\))?(?P<tail> with(?:out)? time zone)?(?P<array>\[\])?"
)
_TEXTS: Final = frozenset({"text", "character varying"})
_SIX: Final = (6,)
_TIMES: Final = frozenset({"timestamp", "time"})
# Casts that change nothing, where no database is asked.
_BINARY: Final = frozenset({("cidr", "inet"), ("text", "character varying"), ("character varying", "text")})
# Types that are indexed by the operators of another one.
_ORDERED: Final = {"character varying": "text", "cidr": "inet"} | dict.fromkeys(
    ("regclass", "regproc", "regprocedure", "regoper", "regoperator", "regtype", "regrole", "regnamespace", "regconfig",
     "regdictionary", "regcollation"), "oid"
)  # fmt: skip


def keeps_rows(old: str, new: str, *, utc: bool = False, binary: Container[tuple[str, str]] = _BINARY) -> bool:
    """Whether ALTER COLUMN TYPE from `old` to `new` rewrites nothing.

    Both as format_type says them, of domains what they are over. `utc` says that the session's TimeZone is UTC: only
    then are timestamps with and without time zone the same bytes. `binary` holds the casts of the database that change
    nothing, without numbers in parentheses.
    """
    if old == new:
        return True
    before, after = _parts(old), _parts(new)
    if before is None or after is None or before[3] != after[3]:
        return False
    (head, numbers, tail, array), (new_head, new_numbers, new_tail, _) = before, after
    if array:
        # only where no element has to be looked at
        return head + tail == new_head + new_tail and not new_numbers
    if head == new_head and head in _TIMES:
        zone = tail == new_tail or (utc and head == "timestamp")
        return zone and _finer(numbers, new_numbers)
    if head + tail != new_head + new_tail and (head + tail, new_head + new_tail) not in binary:
        return False
    if head == "numeric":
        return not new_numbers or (len(numbers) == 2 and new_numbers[1] == numbers[1] and new_numbers[0] >= numbers[0])
    if head == new_head == "interval":
        return _finer(numbers, new_numbers)
    if {head, new_head} <= _TEXTS or head == new_head == "bit varying":
        return _wider(numbers, new_numbers)
    return not new_numbers


def same_operators(old: str, new: str) -> bool:
    """Whether an index on a column of type `old` serves as it is once the column is of type `new`."""
    before, after = _parts(old), _parts(new)
    if before is None or after is None:
        return old == new
    return _ORDERED.get(before[0], before[0]) + before[2] == _ORDERED.get(after[0], after[0]) + after[2]


def _wider(numbers: tuple[int, ...], new: tuple[int, ...]) -> bool:
    return not new or (bool(numbers) and new[0] >= numbers[0])


def _finer(numbers: tuple[int, ...], new: tuple[int, ...]) -> bool:
    """Whether no digit of a second is lost; without a number there are six."""
    return (new or _SIX)[0] >= (numbers or _SIX)[0]


def _parts(text: str) -> tuple[str, tuple[int, ...], str, bool] | None:
    found = _TYPE.fullmatch(text.replace("bpchar", "character", 1) if text.startswith("bpchar") else text)
    if found is None:
        return None
    numbers = tuple(int(number) for number in (found["numbers"] or "").split(",") if number)
    return found["head"], numbers, found["tail"] or "", bool(found["array"])
