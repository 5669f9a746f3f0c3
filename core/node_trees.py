"""The stored form of expressions (pg_node_tree), as far as a plan has to read it.

The functions that turn it into SQL open the table, and would wait behind a migration. The form is not documented; what
is not recognised proves nothing.
"""

from __future__ import annotations

import re
from typing import Final

_AND: Final = "{BOOLEXPR :boolop and :args ("
# `column IS NOT NULL`, of a column of the table itself
_NOT_NULL: Final = re.compile(r"\{NULLTEST :arg \{VAR [^{}]*:varattno (\d+) [^{}]*\} :nulltesttype 1 [^{}]*\}")

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
