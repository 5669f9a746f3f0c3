"""The fault matrix as a table: which fault at which phase of a run, and how the run may end.

The phases are those of the three migrations of `ledger`: 0001 and 0003 inside a transaction, 0002 CONCURRENTLY.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Final

from msgspec import Struct

from changeover.core.events import Result
from tests.faults.proxy import Message, Side


class Phase(StrEnum):
    """Where in a run the fault strikes."""

    CONFIRMATION = "waiting at the confirmation"
    CONNECTING = "connecting"
    PRE_CHECK = "pre-check"
    WAITING = "waiting for a lock"
    FIRST_STATEMENT = "first statement"
    MIDDLE_STATEMENT = "middle statement"
    LAST_STATEMENT = "last statement"
    COMMIT = "COMMIT"
    BETWEEN = "between migrations"
    CONCURRENTLY = "CONCURRENTLY step"
    CLEAN_UP = "clean-up"


class Fault(StrEnum):
    """What happens to the server, on the way to it, around it, or to who runs and watches."""

    REFUSES = "the server refuses for a moment"
    HANGS = "the server hangs for a moment"
    RESETS = "every link is reset"
    STOPPED_FAST = "the server is stopped fast, and started again"
    STOPPED_IMMEDIATELY = "the server is stopped immediately, and started again"
    CRASHES = "the server is killed, and started again"
    TERMINATED = "the migration's backend is terminated"
    CANCELLED = "the migration's statement is cancelled by somebody"
    WRONG_PASSWORD = "the password is wrong after a restart"
    NO_RIGHTS = "the role loses its rights"
    ROLE_LIMITS = "the role has short time-outs"
    DISK_FULL = "the server's disk is full"
    DEADLOCK = "a deadlock"
    LOCKED = "a lock is held for ever"
    TAMPERED = "somebody writes to the history"
    FILE_CHANGED = "a file is changed"
    CLOCK_JUMPS = "the clock of the host jumps by a day"
    # the runner, which is a process of its own here
    TERM = "the runner is told to end"
    KILL = "the runner is killed"
    LOG_FULL = "the session log cannot grow"
    # the viewer at its terminal
    VIEWER_KILLED = "the viewer is killed"
    HANG_UP = "the terminal goes away"
    STALL = "nobody reads the terminal"


OF_RUNNER: Final = frozenset({Fault.TERM, Fault.KILL, Fault.LOG_FULL})
OF_TERMINAL: Final = frozenset({Fault.VIEWER_KILLED, Fault.HANG_UP, Fault.STALL})


def _on(link: str, query: bytes | None = None, kind: bytes = b"") -> Callable[[Message], bool]:
    def matches(message: Message) -> bool:
        if message.side is not Side.CLIENT or not message.link.startswith(link):
            return False
        return message.query == query if query is not None else message.kind == kind

    return matches


# A statement that is under way when the fault strikes.
SLEEP: Final = b"SELECT pg_catalog.pg_sleep(0.3)"
# One that has to write after that, on a disk that is full by then.
WRITE: Final = (
    b"CREATE TEMP TABLE filler ON COMMIT DROP TABLESPACE small AS "
    b"SELECT pg_catalog.repeat('x', 1000) AS x FROM pg_catalog.pg_sleep(0.3), pg_catalog.generate_series(1, 500)"
)
BUILD: Final = b"CREATE INDEX CONCURRENTLY effect_n ON effect (n)"
BUILD_THERE: Final = BUILD + b" TABLESPACE small"
_ONE: Final = ("CREATE TABLE one (n int)", "INSERT INTO effect VALUES (1)")
_THREE: Final = ("ALTER TABLE one ADD COLUMN m int", "INSERT INTO effect VALUES (3)")


def files_of(phase: Phase, fault: Fault | None = None) -> dict[str, str]:
    """Return the files that differ from the ledger's own: the statement that a phase is about takes its time."""
    slow = (WRITE if fault is Fault.DISK_FULL else SLEEP).decode()
    # a deadlock needs a lock before the statement and one after it; the other table is the other session's
    then = ("LOCK TABLE other",) if fault is Fault.DEADLOCK else ()
    match phase:
        case Phase.FIRST_STATEMENT:
            return {"0001_one.sql": ";\n".join((slow, *_ONE))}
        case Phase.MIDDLE_STATEMENT if fault is Fault.DEADLOCK:
            return {"0001_one.sql": ";\n".join((*_ONE, slow, *then))}
        case Phase.MIDDLE_STATEMENT:
            return {"0001_one.sql": ";\n".join((_ONE[0], slow, _ONE[1]))}
        case Phase.LAST_STATEMENT:
            return {"0003_three.sql": ";\n".join((*_THREE, slow, *then))}
        case Phase.CONCURRENTLY if fault is Fault.DISK_FULL:
            return {"0002_two.sql": f"-- changeover: transaction=off\n{BUILD_THERE.decode()};"}
        case _:
            return {}


def begins(cell: Cell) -> Callable[[Message], bool]:
    """Return whether a message of the client is the one that the cell's phase begins with."""
    if cell.fault is Fault.DISK_FULL:
        return _on("migration", BUILD_THERE if cell.phase is Phase.CONCURRENTLY else WRITE)
    return _begins(makes_history=cell.fault is not Fault.TAMPERED)[cell.phase]


def _begins(*, makes_history: bool) -> dict[Phase, Callable[[Message], bool]]:
    # the links of the migrations, behind the one that makes the history; the third goes over that of the first again
    first, second = (f"migration {number + makes_history}" for number in (1, 2))
    return {
        Phase.CONNECTING: _on("guard 1"),
        Phase.PRE_CHECK: _on("look", b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
        Phase.FIRST_STATEMENT: _on("migration", SLEEP),
        Phase.MIDDLE_STATEMENT: _on("migration", SLEEP),
        Phase.LAST_STATEMENT: _on("migration", SLEEP),
        Phase.COMMIT: _on(first, b"COMMIT"),
        Phase.BETWEEN: _on(second),
        Phase.CONCURRENTLY: _on("migration", BUILD),
        # behind somebody's lock on the table that the first migration writes to
        Phase.WAITING: _on("migration", b"INSERT INTO effect VALUES (1)"),
        Phase.CLEAN_UP: _on(first, kind=b"X"),
    }


BEGINS: Final = _begins(makes_history=True)

APPLIED, ROLLED_BACK = frozenset({Result.APPLIED}), frozenset({Result.ROLLED_BACK})
REFUSED, STOPPED = frozenset({Result.REFUSED}), frozenset({Result.STOPPED})
PARTIAL, IN_DOUBT = frozenset({Result.PARTIAL}), frozenset({Result.IN_DOUBT})
# Whoever settles it knows; the one that was in hand is applied or not.
EITHER = ROLLED_BACK | STOPPED | APPLIED

_STATEMENTS: Final = (Phase.FIRST_STATEMENT, Phase.MIDDLE_STATEMENT, Phase.LAST_STATEMENT)
# Who waits for a lock that is never let go of gives way in the end, whatever else is the matter.
_UNHURT: Final = {**dict.fromkeys(Phase, APPLIED), Phase.WAITING: ROLLED_BACK}

# Every connection is lost: what is in hand is rolled back, and so is the run key.
_ALL_LOST: Final = {
    Phase.CONFIRMATION: APPLIED,
    Phase.CONNECTING: APPLIED,
    Phase.PRE_CHECK: REFUSED,
    **dict.fromkeys(_STATEMENTS, ROLLED_BACK),
    Phase.COMMIT: EITHER,
    # connecting is tried again, and then the guard is found to be lost
    Phase.BETWEEN: STOPPED | APPLIED,
    # done, not done, or an invalid index that is named; then the guard is found to be lost
    Phase.CONCURRENTLY: ROLLED_BACK | STOPPED | PARTIAL,
    Phase.WAITING: ROLLED_BACK,
    Phase.CLEAN_UP: APPLIED,
}
_ONE_LOST: Final = {
    **dict.fromkeys(_STATEMENTS, ROLLED_BACK),
    Phase.COMMIT: EITHER,
    Phase.CONCURRENTLY: ROLLED_BACK | APPLIED | PARTIAL,
    Phase.WAITING: ROLLED_BACK,
}
_Ends = Mapping[Phase, frozenset[Result]]


def _without(ends: _Ends, *phases: Phase) -> _Ends:
    return {phase: results for phase, results in ends.items() if phase not in phases}


EXPECTED: Final[dict[Fault, _Ends]] = {
    Fault.REFUSES: _ALL_LOST,
    Fault.HANGS: _ALL_LOST,
    Fault.RESETS: _without(_ALL_LOST, Phase.CONFIRMATION),
    Fault.STOPPED_FAST: _ALL_LOST,
    Fault.STOPPED_IMMEDIATELY: _ALL_LOST,
    Fault.CRASHES: _ALL_LOST,
    Fault.TERMINATED: _ONE_LOST,
    # a COMMIT that was sent is not cancelled by a statement's cancellation
    Fault.CANCELLED: {**_ONE_LOST, Phase.COMMIT: APPLIED | ROLLED_BACK},
    # No primary answers us any more: what was in hand is the one thing that cannot be known yet.
    Fault.WRONG_PASSWORD: {
        **dict.fromkeys((Phase.CONFIRMATION, Phase.CONNECTING, Phase.PRE_CHECK, Phase.BETWEEN), REFUSED),
        **dict.fromkeys((*_STATEMENTS, Phase.WAITING), IN_DOUBT),
        # or answered just before: then the next one meets the guard's loss, or the password
        Phase.COMMIT: IN_DOUBT | STOPPED | REFUSED,
        Phase.CONCURRENTLY: IN_DOUBT | PARTIAL,
        Phase.CLEAN_UP: APPLIED,
    },
    Fault.NO_RIGHTS: {
        **dict.fromkeys((Phase.CONFIRMATION, Phase.CONNECTING, Phase.PRE_CHECK), REFUSED),
        **dict.fromkeys((Phase.FIRST_STATEMENT, Phase.MIDDLE_STATEMENT, Phase.WAITING), ROLLED_BACK),
        # what is in hand has what it needs, and the next one has not
        **dict.fromkeys((Phase.COMMIT, Phase.BETWEEN, Phase.CONCURRENTLY), ROLLED_BACK),
        **dict.fromkeys((Phase.LAST_STATEMENT, Phase.CLEAN_UP), APPLIED),
    },
    Fault.ROLE_LIMITS: dict.fromkeys((*_STATEMENTS, Phase.CONCURRENTLY), APPLIED),
    Fault.DISK_FULL: {**dict.fromkeys(_STATEMENTS, ROLLED_BACK), Phase.CONCURRENTLY: ROLLED_BACK | PARTIAL},
    # tried again once the other one has gone on; an index that is being built is left invalid, and named
    Fault.DEADLOCK: {
        Phase.MIDDLE_STATEMENT: APPLIED,
        Phase.LAST_STATEMENT: APPLIED,
        Phase.CONCURRENTLY: PARTIAL | APPLIED,
    },
    # connecting: the run key. CONCURRENTLY: it waits for as long as it takes, and is told to stop.
    Fault.LOCKED: {
        Phase.CONNECTING: REFUSED,
        Phase.WAITING: ROLLED_BACK,
        Phase.CONCURRENTLY: STOPPED | PARTIAL,
    },
    # The migration in hand is not concerned; the next one finds another history than the approved one.
    Fault.TAMPERED: {**dict.fromkeys(Phase, REFUSED), Phase.LAST_STATEMENT: APPLIED, Phase.CLEAN_UP: APPLIED},
    # The bytes that were planned are the bytes that run.
    Fault.FILE_CHANGED: {**_UNHURT, Phase.CONFIRMATION: REFUSED, Phase.CONNECTING: REFUSED},
    Fault.CLOCK_JUMPS: _without(_UNHURT, Phase.CONFIRMATION),
    Fault.TERM: {
        **dict.fromkeys((Phase.CONNECTING, Phase.PRE_CHECK, Phase.BETWEEN, Phase.WAITING), STOPPED),
        **dict.fromkeys(_STATEMENTS, STOPPED),
        # heard out: the migration is applied, and no other begins
        Phase.COMMIT: STOPPED,
        Phase.CONCURRENTLY: STOPPED | PARTIAL,
        Phase.CLEAN_UP: APPLIED,
    },
    # who comes next finds out; CLEAN_UP: all is done, and only the word of it is missing
    Fault.KILL: {
        **dict.fromkeys((Phase.CONNECTING, Phase.PRE_CHECK), STOPPED),
        **dict.fromkeys((*_STATEMENTS, Phase.WAITING), ROLLED_BACK),
        Phase.COMMIT: ROLLED_BACK | STOPPED,
        Phase.BETWEEN: ROLLED_BACK | STOPPED,
        Phase.CONCURRENTLY: ROLLED_BACK | STOPPED | PARTIAL,
        Phase.CLEAN_UP: APPLIED,
    },
    # the migration in hand is brought to its end
    Fault.LOG_FULL: {
        **dict.fromkeys((Phase.CONNECTING, Phase.PRE_CHECK), REFUSED),
        **dict.fromkeys((Phase.FIRST_STATEMENT, Phase.MIDDLE_STATEMENT, Phase.COMMIT), STOPPED),
        **dict.fromkeys((Phase.BETWEEN, Phase.CONCURRENTLY), STOPPED),
        **dict.fromkeys((Phase.LAST_STATEMENT, Phase.CLEAN_UP), APPLIED),
        Phase.WAITING: ROLLED_BACK,
    },
    # These runs are to go on without a viewer.
    Fault.VIEWER_KILLED: _UNHURT,
    Fault.HANG_UP: _UNHURT,
    Fault.STALL: _UNHURT,
}

_NO_BACKEND: Final = "the migration has no backend then"
_NO_RUNNER: Final = "there is no runner yet"
_WHY_NOT: Final[dict[Fault, str]] = {
    Fault.RESETS: "no link is open then",
    Fault.TERMINATED: _NO_BACKEND,
    Fault.CANCELLED: _NO_BACKEND,
    Fault.ROLE_LIMITS: "they hold from the beginning, and end what takes its time",
    Fault.DISK_FULL: "nothing is written there then; a WAL that cannot be written is a crash",
    Fault.DEADLOCK: "it takes two locks in one transaction",
    Fault.LOCKED: "no lock is waited for then; in a statement it is the wait for a lock",
    Fault.CLOCK_JUMPS: "nothing looks at the clock then",
    Fault.TERM: _NO_RUNNER,
    Fault.KILL: _NO_RUNNER,
    Fault.LOG_FULL: "without a log that can be written there is no confirmation; see `test_evidence`",
}


class Cell(Struct, frozen=True, kw_only=True):
    """One fault at one phase."""

    fault: Fault
    phase: Phase

    def __str__(self) -> str:
        return f"{self.fault} @ {self.phase}"

    @property
    def expected(self) -> frozenset[Result]:
        """How the run may end."""
        return EXPECTED[self.fault][self.phase]


def cells_of(faults: Iterable[Fault]) -> list[Cell]:
    """Return the cells of these faults, in the order of the table."""
    wanted = frozenset(faults)
    return [
        Cell(fault=fault, phase=phase)
        for fault in Fault
        if fault in wanted
        for phase in Phase
        if phase in EXPECTED[fault]
    ]


# Cells that cannot occur, and why.
CANNOT_OCCUR: Final[dict[tuple[Fault, Phase], str]] = {
    (fault, phase): _WHY_NOT[fault] for fault in Fault for phase in Phase if phase not in EXPECTED[fault]
}
