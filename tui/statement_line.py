"""A statement on one short line, for lists in which it has to be told from its neighbours. Never for what is run. Pure.

Migrations say the same words over and over: in `ALTER TABLE donations ADD COLUMN IF NOT EXISTS refunded_at` only the
last one tells what this statement is about, and it is the first to go where the end is cut off.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

# Only heads and the clauses of ALTER TABLE are shortened: a body, of a function or a DO block, is left as it is.
_HEAD: Final = re.compile(
    r"^((?:CREATE|DROP|ALTER)(?: (?:OR|REPLACE|UNIQUE|TEMPORARY|TEMP|UNLOGGED|MATERIALIZED|FOREIGN|EVENT|ACCESS|METHOD"
    r"|TABLE|INDEX|CONCURRENTLY|SEQUENCE|SCHEMA|EXTENSION|TYPE|DOMAIN|VIEW|FUNCTION|PROCEDURE|ROLE|TRIGGER|POLICY"
    r"|COLLATION|STATISTICS|SERVER|RULE))+?) IF (?:NOT )?EXISTS\b",
    re.IGNORECASE,
)
# In a line as long as this the words ALTER TABLE do no harm; characters.
_LITTLE: Final = 50
_TABLE: Final = re.compile(r"^ALTER TABLE (?:ONLY )?", re.IGNORECASE)
_CLAUSE: Final = re.compile(r"\b((?:ADD|DROP)(?: COLUMN| CONSTRAINT)?) IF (?:NOT )?EXISTS\b", re.IGNORECASE)
# https://www.postgresql.org/docs/18/sql-altertable.html: the word COLUMN may be left out
_COLUMN: Final = re.compile(r"\b(ADD|DROP|ALTER|RENAME) COLUMN\b", re.IGNORECASE)


def statement_line(sql: str, width: int) -> str:
    """Return `sql` on one line, shortened step by step until it fits `width` characters, or no step is left.

    First the guards go, `IF [NOT] EXISTS`; then the word COLUMN; then, where there is little room for what comes after
    them, the words ALTER TABLE before the table's name.
    """
    line = " ".join(sql.split())
    for step in _STEPS if width < _LITTLE else _STEPS[:-1]:
        if len(line) <= width:
            break
        line = step(line)
    return line


def _unguarded(line: str) -> str:
    line = _HEAD.sub(r"\1", line, count=1)
    return _CLAUSE.sub(r"\1", line) if _TABLE.match(line) else line


def _without_column(line: str) -> str:
    return _COLUMN.sub(r"\1", line) if _TABLE.match(line) else line


def _without_verb(line: str) -> str:
    return _TABLE.sub("", line)


_STEPS: Final[tuple[Callable[[str], str], ...]] = (_unguarded, _without_column, _without_verb)
