"""Effects x catalog -> rows of the pre-check table, and what becomes of each statement."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from msgspec import Struct

from .errors import Place


class Verdict(StrEnum):
    """What the catalog says about something that a statement needs or makes.

    READY is there, or free, as needed. SATISFIED: the step has nothing left to do and is skipped. DIFFERENT: there,
    but not as the plan leaves it, and a statement of the plan converts it. CONFLICT: there, otherwise than needed,
    and nothing converts it. MISSING: needed and not there. OPTIONAL: not there, and nothing depends on it.
    DEFERRED: its condition does not hold yet. UNKNOWABLE: only running it tells (dynamic SQL).

    Of the surroundings (server, settings, traffic) DIFFERENT is what bites and does not stop a run, or what a run
    overrides; MISSING and CONFLICT stop it, as they do for objects.
    """

    READY = "ready"
    SATISFIED = "satisfied"
    DIFFERENT = "different"
    CONFLICT = "conflict"
    MISSING = "missing"
    OPTIONAL = "optional"
    DEFERRED = "deferred"
    UNKNOWABLE = "unknowable"


# Those with which a plan cannot run.
STOPPING: Final = frozenset({Verdict.CONFLICT, Verdict.MISSING})


class Decision(StrEnum):
    """What becomes of a statement."""

    RUN = "run"
    SKIP = "skip"
    DEFER = "defer"


class Aspect(Struct, frozen=True, kw_only=True):
    """One side of an object that a statement says something about: type, nullable, default or definition."""

    name: str
    expected: str
    found: str
    # None where the two cannot be compared without running the statement
    same: bool | None


class Row(Struct, frozen=True, kw_only=True):
    """A row of the pre-check table: one object against the catalog, or one thing around the plan against the server."""

    object: str
    # table, column, type, constraint, index, function, schema, ...; of the surroundings: server, connections, right,
    # setting, replication, prepared transaction, event trigger
    kind: str
    needed_by: Place
    version: str
    statement: int
    expected: str
    found: str
    verdict: Verdict
    # SQL that mends what is missing or bites; empty where there is none
    remedy: str = ""
    # what differs side by side, for objects of which the statement says more than the name
    aspects: tuple[Aspect, ...] = ()


class Wish(Struct, frozen=True, kw_only=True):
    """What a statement says of a column that is there already; None and empty is what it does not say."""

    version: str
    statement: int
    # the row's
    object: str
    # schema, table, column
    column: tuple[str, ...]
    not_null: bool | None = None
    default: str | None = None
    identity: bool = False
    # stored or virtual
    generated: str = ""
    # aspects that a later statement of the plan changes
    converts: frozenset[str] = frozenset()
