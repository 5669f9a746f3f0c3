"""The stored form of expressions (pg_node_tree), as far as a plan has to read it.

The functions that turn it into SQL open the table, and would wait behind a migration. The form is not documented; what
is not recognised proves nothing.
"""

from __future__ import annotations

import re
from typing import Any, Final, TypeAlias

_AND: Final = "{BOOLEXPR :boolop and :args ("
# `column IS NOT NULL`, of a column of the table itself
_NOT_NULL: Final = re.compile(r"\{NULLTEST :arg \{VAR [^{}]*:varattno (\d+) [^{}]*\} :nulltesttype 1 [^{}]*\}")

# A constant of a comparison, and a piece of the number line: from a lower end to an upper one. The number in an end
# says on which side of the value it is: (5, 0) is before 5, (5, 1) after it.
Comparison: TypeAlias = int | float | str
Interval: TypeAlias = tuple[tuple[Any, int], tuple[Any, int]]

_OR: Final = "{BOOLEXPR :boolop or :args ("
_BELOW: Final = (float("-inf"), 0)
_ABOVE: Final = (float("inf"), 1)
# oids of the server's own operators, see pg_operator.dat: int2, int4, int8 and across, date, timestamps, text
_OPERATORS: Final = {
    oid: sign
    for sign, oids in {
        "<": (95, 97, 412, 418, 37, 534, 535, 1095, 2062, 1322),
        "<=": (522, 523, 414, 420, 80, 540, 541, 1096, 2063, 1323),
        "=": (94, 96, 410, 416, 15, 532, 533, 1093, 2060, 1320, 98),
        ">": (520, 521, 413, 419, 76, 536, 537, 1097, 2064, 1324),
        ">=": (524, 525, 415, 430, 82, 542, 543, 1098, 2065, 1325),
    }.items()
    for oid in oids
}
_COMPARED: Final = re.compile(
    r"\{OPEXPR :opno (\d+) .*?:args \((?:\{RELABELTYPE :arg )?\{VAR :varno 1 :varattno (\d+) [^{}]*\}(?:[^{}]*\})? "
    r"\{CONST :consttype (\d+) [^{}]*:constisnull false :location -?\d+ :constvalue \d+ \[ ([-\d ]+) \]\}\)[^{}]*\}"
)
_TEXT_TYPES: Final = frozenset({25, 1043})


def allowed(checks: list[str], column: int) -> list[Interval] | None:
    """Return where the values of a column may be, by comparisons with constants; None where nothing is understood."""
    found: list[Interval] | None = None
    for check in checks:
        found = _both(found, _where(check, column))
    return found


def _where(node: str, column: int) -> list[Interval] | None:
    if node.startswith(_AND):
        found: list[Interval] | None = None
        for item in _nodes(node[len(_AND) :]):
            found = _both(found, _where(item, column))
        return found
    if node.startswith(_OR):
        parts = [_where(item, column) for item in _nodes(node[len(_OR) :])]
        return None if None in parts else [one for part in parts for one in part or ()]
    match = _COMPARED.fullmatch(node)
    sign = _OPERATORS.get(int(match[1])) if match is not None else None
    if match is None or sign is None or int(match[2]) != column:
        return None
    value = _constant(int(match[3]), match[4])
    before, after = (value, 0), (value, 1)
    match sign:
        case "<":
            return [(_BELOW, before)]
        case "<=":
            return [(_BELOW, after)]
        case "=":
            return [(before, after)]
        case ">":
            return [(after, _ABOVE)]
        case _:
            return [(before, _ABOVE)]


def _both(one: list[Interval] | None, other: list[Interval] | None) -> list[Interval] | None:
    if one is None or other is None:
        return other if one is None else one
    pairs = [(max(a[0], b[0]), min(a[1], b[1])) for a in one for b in other if _comparable(a, b)]
    return [pair for pair in pairs if pair[0] < pair[1]]


def _comparable(one: Interval, other: Interval) -> bool:
    return all(isinstance(end[0], str) for end in one) == all(isinstance(end[0], str) for end in other)


def _constant(kind: int, numbers: str) -> Comparison:
    """Return a stored constant: a little-endian integer, or a text after its length word."""
    data = bytes(int(number) % 256 for number in numbers.split())
    if kind in _TEXT_TYPES:
        return data[4:].decode(errors="replace")
    return int.from_bytes(data, "little", signed=True)


_VAR: Final = re.compile(r"\{VAR :varno 1 :varattno (\d+) ")


def columns_in(tree: str) -> tuple[int, ...]:
    """Return the numbers of the columns that an expression of a table or index mentions."""
    return tuple(sorted({int(number) for number in _VAR.findall(tree)}))


def never_null(tree: str) -> tuple[int, ...]:
    """Return the numbers of the columns that a CHECK says are never null, alone or joined by AND to others."""
    found: list[int] = []
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if node.startswith(_AND):
            waiting.extend(_nodes(node[len(_AND) :]))
        elif match := _NOT_NULL.fullmatch(node):
            found.append(int(match[1]))
    return tuple(sorted(found))


def _nodes(text: str) -> list[str]:
    """Return the nodes of a list, each from its opening brace to its closing one."""
    nodes: list[str] = []
    depth = start = 0
    escaped = False
    for at, letter in enumerate(text):
        if escaped:
            escaped = False
        elif letter == "\\":
            escaped = True
        elif letter == "{":
            if depth == 0:
                start = at
            depth += 1
        elif letter == "}":
            depth -= 1
            if depth == 0:
                nodes.append(text[start : at + 1])
        elif letter == ")" and depth == 0:
            break
    return nodes
