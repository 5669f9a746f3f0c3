"""Effects x catalog -> rows of the pre-check table, and what becomes of each statement."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .errors import Place


class Verdict(StrEnum):
    """What the catalog says about something that a statement needs or makes.

    READY is there, or free, as needed. SATISFIED: the step has nothing left to do and is skipped. DIFFERENT: there,
    but not as the plan leaves it, and a statement of the plan converts it. CONFLICT: there, otherwise than needed,
    and nothing converts it. MISSING: needed and not there. OPTIONAL: not there, and nothing depends on it.
    DEFERRED: its condition does not hold yet. UNKNOWABLE: only running it tells (dynamic SQL).
    """

    READY = "ready"
    SATISFIED = "satisfied"
    DIFFERENT = "different"
    CONFLICT = "conflict"
    MISSING = "missing"
    OPTIONAL = "optional"
    DEFERRED = "deferred"
    UNKNOWABLE = "unknowable"


class Decision(StrEnum):
    """What becomes of a statement."""

    RUN = "run"
    SKIP = "skip"
    DEFER = "defer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the pre-check table: one object against the catalog."""

    object: str
    # table, column, type, constraint, index, function, schema, ...
    kind: str
    needed_by: Place
    version: str
    statement: int
    expected: str
    found: str
    verdict: Verdict
