"""What the parts of a run share: connections, the plan's identity, the operator's wishes; how an attempt ends."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from .blockers import EndWish
from .connect import Connector, WaitCutter
from .errors import ChangeoverError, Fault, Place, fault_of
from .events import Backend, Emit, LocksSeen
from .guard import Guard
from .history.ledger import Ledger
from .journal import Journal
from .keys import Keys
from .limits import Limits
from .plan import PlannedStatement
from .spare import Spare
from .watch import Watch

# COPY shop, line 2, column id: "x"
_ROW: Final = re.compile(r"COPY .*?, [^\d,]+ (\d+)(?=[,:]|$)")


class Stop:
    """What the operator asked of a run, read between its steps. "Now" is not here: that is task cancellation."""

    def __init__(self) -> None:
        self.after_statement = False
        self.after_migration = False
        # clear while the last viewer is gone, and may come back
        self.may_begin = asyncio.Event()
        self.may_begin.set()
        # ends the pause before the next attempt
        self.pause = WaitCutter()
        # no further attempt is wanted
        self.gave_up = False
        # ends a blocker at a viewer's wish, once there is a watch
        self.end_blocker: Callable[[EndWish], Coroutine[Any, Any, None]] | None = None


class Work(Struct, kw_only=True):
    """A run in progress."""

    ledger: Ledger
    keys: Keys
    guard: Guard
    limits: Limits
    connect: Connector
    watch: Watch
    emit: Emit
    stop: Stop
    journal: Journal
    spare: Spare = field(default_factory=Spare)
    # whether the guard held the key when it was asked last, before the next migration may begin
    guarded: bool = True
    # how far the server's log was when the last migration was committed; None once another one has begun
    wal: str | None = None


class Applied(Struct, frozen=True, kw_only=True):
    """COMMIT was answered with COMMIT."""

    xid: str | None
    deferred: tuple[int, ...]


class GaveWay(Struct, frozen=True, kw_only=True):
    """Rolled back, acknowledged, because of a lock or a deadlock: may be tried again."""

    fault: Fault
    blockers: tuple[Backend, ...]
    # another attempt would meet the same: what blocks us does not give way
    hopeless: bool = False


def gave_way(fault: Fault, seen: LocksSeen | None) -> GaveWay:
    """Return the ending of an attempt that gave way to whom the watch saw last, with what can be done about it."""
    blockers = seen.blockers if seen else ()
    guardian = next((it for it in blockers if it.prevents_wraparound), None)
    if guardian is None:
        return GaveWay(fault=fault, blockers=blockers)
    said = replace(
        fault,
        id="wraparound",
        summary=f"An autovacuum that prevents transaction ids from running out (pid {guardian.pid}) has the table.",
        advice="It does not give way to a lock that is waited for, so no further attempt was made. Never end it: wait "
        "until it is done (pg_stat_progress_vacuum shows how far it is), then apply again.",
    )
    return GaveWay(fault=said, blockers=blockers, hopeless=True)


class Failed(Struct, frozen=True, kw_only=True):
    """Rolled back, acknowledged, for good."""

    fault: Fault


class Diverged(Struct, frozen=True, kw_only=True):
    """Rolled back before it did what was not approved: a skip, a condition or the history is not as planned."""

    fault: Fault


class Interrupted(Struct, frozen=True, kw_only=True):
    """Rolled back because the operator asked; the watch saw the backend at rest."""

    backend: int


class Lost(Struct, frozen=True, kw_only=True):
    """The connection was lost after BEGIN: the server has to be asked what became of it."""

    fault: Fault
    xid: str | None = None
    deferred: tuple[int, ...] = ()
    # the backend that was told to stop, where the operator asked for it; None else
    stopped: int | None = None


class HalfDone(Struct, frozen=True, kw_only=True):
    """Outside a transaction, and some of it is done or left something behind."""

    fault: Fault | None
    left_behind: tuple[str, ...]
    stopped: bool


Ending: TypeAlias = Applied | GaveWay | Failed | Diverged | Interrupted | Lost | HalfDone


def place_of(statement: PlannedStatement, position: int | None) -> Place:
    """Return where in the file an error is; `position` counts characters of the statement from 1."""
    if position is None:
        return Place(file=statement.file, line=statement.line, column=statement.column)
    before = statement.sql[: position - 1]
    lines = before.count("\n")
    column = len(before) - before.rfind("\n") if lines else statement.column + len(before)
    return Place(file=statement.file, line=statement.line + lines, column=column)


def fault_at(error: ChangeoverError, statement: PlannedStatement) -> Fault:
    """Return the fault of a statement, with the place of the error or else of the statement."""
    error.place = _row(statement, error) or place_of(statement, error.report.position if error.report else None)
    return fault_of(error)


def _row(statement: PlannedStatement, error: ChangeoverError) -> Place | None:
    """Return where in the file the row stands that a COPY failed at; None where the server does not say one.

    Its context is that of the row last, in whatever language, and its number counts lines of the data from 1.
    """
    context = error.report.context if error.report else None
    if statement.data is None or not context:
        return None
    number = next((int(found[1]) for line in reversed(context.split("\n")) if (found := _ROW.match(line))), None)
    return None if number is None else Place(file=statement.file, line=statement.data.line + number - 1)
