"""What a hazard rule is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..estimate import Toil
from ..judge import Judged

SEVERE = "severe"
WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Danger:
    """What a rule found in a statement."""

    relation: str
    # what happens, with the rows and the size of this table
    text: str
    # SQL for this very statement
    instead: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """SQL in which a rule finds something, or nothing; `schema` is what is there before, with rows in its tables."""

    schema: str
    migration: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A named danger. `find` answers for one piece of work on the rows of a table that was there and is not empty."""

    id: str
    # severe stops the run unless it is allowed; a warning is shown
    severity: str
    title: str
    # the manual's page
    manual: str
    find: Callable[[Judged, Toil, int], Danger | None]
    bad: tuple[Example, ...]
    good: tuple[Example, ...]


def size_of(toil: Toil) -> str:
    """Return rows and size of a table in words, by the planner's figures."""
    relation = toil.state.relation
    if relation is None:
        return "new"
    rows = "an unknown number of rows" if relation.rows < 0 else f"about {relation.rows:,.0f} rows"
    size, unit = float(relation.bytes), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{rows}, {size:,.0f} {unit}" if relation.bytes else rows
