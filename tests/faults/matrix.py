"""The fault matrix as a table: which fault at which phase of a run, and how the run may end.

The phases are those of the three migrations of `ledger`: 0001 and 0003 inside a transaction, 0002 CONCURRENTLY.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from changeover.core.events import Result
from tests.faults.proxy import Message, Side


class Phase(StrEnum):
    """Where in a run the fault strikes."""

    CONNECTING = "connecting"
    PRE_CHECK = "pre-check"
    FIRST_STATEMENT = "first statement"
    MIDDLE_STATEMENT = "middle statement"
    LAST_STATEMENT = "last statement"
    COMMIT = "COMMIT"
    BETWEEN = "between migrations"
    CONCURRENTLY = "CONCURRENTLY step"
    WAITING = "waiting for a lock"
    CLEAN_UP = "clean-up"


class Fault(StrEnum):
    """What happens to the server, or on the way to it."""

    REFUSES = "the server refuses for a moment"
    HANGS = "the server hangs for a moment"
    RESETS = "every link is reset"
    STOPPED_FAST = "the server is stopped fast, and started again"
    STOPPED_IMMEDIATELY = "the server is stopped immediately, and started again"
    CRASHES = "the server is killed, and started again"
    TERMINATED = "the migration's backend is terminated"
    CANCELLED = "the migration's statement is cancelled by somebody"


def _on(link: str, query: bytes | None = None, kind: bytes = b"") -> Callable[[Message], bool]:
    def matches(message: Message) -> bool:
        if message.side is not Side.CLIENT or not message.link.startswith(link):
            return False
        return message.query == query if query is not None else message.kind == kind

    return matches


# A statement that is under way when the fault strikes.
SLEEP: Final = b"SELECT pg_catalog.pg_sleep(0.3)"
_ONE: Final = ("CREATE TABLE one (n int)", "INSERT INTO effect VALUES (1)")
_THREE: Final = ("ALTER TABLE one ADD COLUMN m int", "INSERT INTO effect VALUES (3)")


def files_of(phase: Phase) -> dict[str, str]:
    """Return the files that differ from the ledger's own: the statement that a phase is about takes its time."""
    slow = SLEEP.decode()
    match phase:
        case Phase.FIRST_STATEMENT:
            return {"0001_one.sql": ";\n".join((slow, *_ONE))}
        case Phase.MIDDLE_STATEMENT:
            return {"0001_one.sql": ";\n".join((_ONE[0], slow, _ONE[1]))}
        case Phase.LAST_STATEMENT:
            return {"0003_three.sql": ";\n".join((*_THREE, slow))}
        case _:
            return {}


# Which message of the client a phase begins with; the first migration connection makes the history.
BEGINS: Final[dict[Phase, Callable[[Message], bool]]] = {
    Phase.CONNECTING: _on("guard 1"),
    Phase.PRE_CHECK: _on("look 1", b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
    Phase.FIRST_STATEMENT: _on("migration", SLEEP),
    Phase.MIDDLE_STATEMENT: _on("migration", SLEEP),
    Phase.LAST_STATEMENT: _on("migration", SLEEP),
    Phase.COMMIT: _on("migration 2", b"COMMIT"),
    Phase.BETWEEN: _on("migration 3"),
    Phase.CONCURRENTLY: _on("migration", b"CREATE INDEX CONCURRENTLY effect_n ON effect (n)"),
    # behind somebody's lock on the table that the first migration writes to
    Phase.WAITING: _on("migration", b"INSERT INTO effect VALUES (1)"),
    Phase.CLEAN_UP: _on("migration 4", kind=b"X"),
}

APPLIED, ROLLED_BACK = frozenset({Result.APPLIED}), frozenset({Result.ROLLED_BACK})
REFUSED, STOPPED = frozenset({Result.REFUSED}), frozenset({Result.STOPPED})
PARTIAL = frozenset({Result.PARTIAL})
# Whoever settles it knows; the one that was in hand is applied or not.
EITHER = ROLLED_BACK | STOPPED | APPLIED

# Every connection is lost: what is in hand is rolled back, and so is the run key.
_ALL_LOST: Final = {
    Phase.CONNECTING: APPLIED,
    Phase.PRE_CHECK: REFUSED,
    Phase.FIRST_STATEMENT: ROLLED_BACK,
    Phase.MIDDLE_STATEMENT: ROLLED_BACK,
    # its migration is in hand; the two before it are applied
    Phase.LAST_STATEMENT: ROLLED_BACK,
    Phase.COMMIT: EITHER,
    # connecting is tried again, and then the guard is found to be lost
    Phase.BETWEEN: STOPPED | APPLIED,
    # done, not done, or an invalid index that is named; then the guard is found to be lost
    Phase.CONCURRENTLY: ROLLED_BACK | STOPPED | PARTIAL,
    Phase.WAITING: ROLLED_BACK,
    Phase.CLEAN_UP: APPLIED,
}
_ONE_LOST: Final = {
    Phase.FIRST_STATEMENT: ROLLED_BACK,
    Phase.MIDDLE_STATEMENT: ROLLED_BACK,
    Phase.LAST_STATEMENT: ROLLED_BACK,
    Phase.COMMIT: EITHER,
    Phase.CONCURRENTLY: ROLLED_BACK | APPLIED | PARTIAL,
    Phase.WAITING: ROLLED_BACK,
}

EXPECTED: Final[dict[Fault, dict[Phase, frozenset[Result]]]] = {
    Fault.REFUSES: _ALL_LOST,
    Fault.HANGS: _ALL_LOST,
    Fault.RESETS: _ALL_LOST,
    Fault.STOPPED_FAST: _ALL_LOST,
    Fault.STOPPED_IMMEDIATELY: _ALL_LOST,
    Fault.CRASHES: _ALL_LOST,
    Fault.TERMINATED: _ONE_LOST,
    # a COMMIT that was sent is not cancelled by a statement's cancellation
    Fault.CANCELLED: {**_ONE_LOST, Phase.COMMIT: APPLIED | ROLLED_BACK},
}

_NO_BACKEND: Final = "the migration has no backend then"
# Cells that cannot occur, and why.
CANNOT_OCCUR: Final[dict[tuple[Fault, Phase], str]] = {
    (fault, phase): _NO_BACKEND
    for fault in (Fault.TERMINATED, Fault.CANCELLED)
    for phase in (Phase.CONNECTING, Phase.PRE_CHECK, Phase.BETWEEN, Phase.CLEAN_UP)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One fault at one phase."""

    fault: Fault
    phase: Phase

    def __str__(self) -> str:
        return f"{self.fault} @ {self.phase}"

    @property
    def expected(self) -> frozenset[Result]:
        """How the run may end."""
        return EXPECTED[self.fault][self.phase]


CELLS: Final = [
    Cell(fault=fault, phase=phase) for fault in Fault for phase in Phase if (fault, phase) not in CANNOT_OCCUR
]
