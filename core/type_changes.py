"""Which changes of a column's type leave the rows as they are.

Measured on PostgreSQL 12 to 18, where they are the same. See the notes on ALTER COLUMN TYPE in
https://www.postgresql.org/docs/18/sql-altertable.html#SQL-ALTERTABLE-NOTES.
"""

from __future__ import annotations

import re
from typing import Final

_TYPE: Final = re.compile(
    r"(?P<head>[^(]+?)(?:\((?P<numbers>[\d,-]+)\))?(?P<tail> with(?:out)? time zone)?(?P<array>\[\])?"
)
_TEXTS: Final = frozenset({"text", "character varying"})
_TIMES: Final = frozenset({"timestamp", "time"})


def keeps_rows(old: str, new: str, *, utc: bool = False) -> bool:
    """Whether ALTER COLUMN TYPE from `old` to `new`, without USING, rewrites nothing.

    Both as format_type says them. `utc` says that the session's TimeZone is UTC: only then are timestamps with and
    without time zone the same bytes.
    """
    if old == new:
        return True
    before, after = _parts(old), _parts(new)
    if before is None or after is None or before[3] != after[3] or before[3]:
        return False
    (head, numbers, tail, _), (new_head, new_numbers, new_tail, _) = before, after
    if head in _TEXTS and new_head in _TEXTS:
        wider = bool(numbers) and bool(new_numbers) and new_numbers[0] >= numbers[0]
        return not new_numbers or wider
    if head == new_head == "numeric":
        return not new_numbers or (len(numbers) == 2 and new_numbers[1] == numbers[1] and new_numbers[0] >= numbers[0])
    if head == new_head and head in _TIMES:
        zone = tail == new_tail or (utc and head == "timestamp")
        return zone and _wider(numbers, new_numbers)
    if head == new_head and head in {"interval", "bit varying"}:
        return _wider(numbers, new_numbers)
    return (head, new_head) == ("cidr", "inet")


def _wider(numbers: tuple[int, ...], new: tuple[int, ...]) -> bool:
    return not new or (bool(numbers) and new[0] >= numbers[0])


def _parts(text: str) -> tuple[str, tuple[int, ...], str, bool] | None:
    found = _TYPE.fullmatch(text)
    if found is None:
        return None
    numbers = tuple(int(number) for number in (found["numbers"] or "").split(",") if number)
    return found["head"], numbers, found["tail"] or "", bool(found["array"])
