"""A migration outside a transaction: one statement per message, each recorded before and after.

CREATE INDEX CONCURRENTLY and its like commit on their own; what a failure leaves behind is looked for and named.
See https://www.postgresql.org/docs/18/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from . import silence
from .connect import Connection
from .errors import ChangeoverError, ConnectError, ConnectionLost, Fault, PlanChanged, ServerError
from .events import MigrationCommitting
from .history import StepRecord
from .inquest import what_became_of
from .plan import PlannedMigration, PlannedStatement
from .precheck import Decision
from .recording import deed_of
from .resume import OF_THE_CONNECTION, Found, step_hash
from .sending import check_proof, is_sent
from .settle import settle
from .tasks import to_completion, was_cancelled
from .telling import Telling
from .transaction import as_approved, begin, limits, xid_of
from .watch import LockBudget
from .work import Applied, Diverged, Ending, Failed, HalfDone, Lost, Work, gave_way

log = logging.getLogger(__name__)

_GIVES_WAY = frozenset({"55P03", "40P01"})
# Between two looks at who waits for another tool's lock; seconds.
_WAITERS = 1.0
# How often an attempt goes on over a new connection, when what is done is known.
_LOSSES = 3


@dataclass(slots=True)
class _Steps:
    """How far the attempt is."""

    tell: Telling
    budget: LockBudget
    # number -> running, done, skipped, deferred or dropped; what an earlier attempt did is done from the start
    states: dict[int, str] = field(default_factory=dict)
    # None until it was looked for
    invalid_before: frozenset[str] | None = None
    # how often the link was lost and the attempt went on
    losses: int = 0
    # statements that may be done or not
    unknown: list[int] = field(default_factory=list)
    # of the transaction that records the end
    xid: str | None = None


async def attempt(work: Work, planned: PlannedMigration, connection: Connection) -> Ending:
    """Run a migration statement by statement on a fresh connection, which is closed at the end; never raises."""
    steps = _Steps(
        tell=Telling(work.emit, planned),
        budget=LockBudget(work.limits.lock_timeout),
        states={it.number: "done" for it in planned.statements if it.done_before},
    )
    connection.on_notice(steps.tell.notice)
    work.watch.begin()
    watching = asyncio.create_task(work.watch.follow(planned.migration.version, connection, steps.budget), name="watch")
    try:
        while True:
            try:
                return await _through(work, planned, connection, steps)
            except ConnectionLost as error:
                connection.terminate()
                ending = await to_completion(_after_loss(work, planned, connection, steps, error))
                if ending is not None:
                    return ending
                connection = await work.connect("migration")
                connection.on_notice(steps.tell.notice)
    except asyncio.CancelledError:
        await to_completion(connection.close())
        await to_completion(_find_out(work, planned, connection, steps))
        return await to_completion(_stopped_short(work, planned, steps, None))
    except (ServerError, ConnectError, PlanChanged) as error:
        return await to_completion(_stopped_short(work, planned, steps, steps.tell.fail(error)))
    finally:
        watching.cancel()
        await to_completion(connection.close())


async def _through(work: Work, planned: PlannedMigration, connection: Connection, steps: _Steps) -> Ending:
    began = time.monotonic()
    await connection.execute(limits(work, connection, scope="SET"))
    await as_approved(work, connection)
    if steps.invalid_before is None:
        steps.invalid_before = await work.watch.invalid_indexes()
    for statement in planned.statements:
        over = steps.states.get(statement.number) == _ended(statement)
        if steps.losses and over and statement.kind not in OF_THE_CONNECTION:
            # done before the link was lost
            continue
        if work.stop.after_statement or was_cancelled():
            raise asyncio.CancelledError
        steps.tell.start(statement)
        await check_proof(connection, statement)
        tag = ""
        if is_sent(statement):
            tag = await _send(work, planned, connection, steps, statement)
        steps.states[statement.number] = _ended(statement)
        steps.tell.finish(tag)
        if statement.added:
            # its name is free: an invalid index that has it from here on is a new one
            steps.invalid_before &= await work.watch.invalid_indexes()
    steps.tell.statement = None
    return await _record(work, planned, connection, steps, seconds=time.monotonic() - began)


def _ended(statement: PlannedStatement) -> str:
    """Return what the attempt log says of a statement that came to its end."""
    if statement.added:
        return "dropped"
    if statement.decision is Decision.RUN or statement.done_before:
        return "done"
    return "skipped" if statement.decision is Decision.SKIP else "deferred"


async def _send(
    work: Work,
    planned: PlannedMigration,
    connection: Connection,
    steps: _Steps,
    statement: PlannedStatement,
) -> str:
    """Record the statement as running, send it, and look whether it left an invalid index."""
    steps.states[statement.number] = "running"
    await _under_way(work, planned, connection, steps)
    # A CONCURRENTLY step waits for others without blocking them; timed out, it would leave an invalid index.
    patient = statement.outside_transaction
    steps.budget.total = float("inf") if patient else work.limits.lock_timeout
    limit = 0 if patient else round(work.limits.lock_timeout * 1000)
    await connection.execute(f"SET lock_timeout = '{limit}ms'")
    async with _unobstructed(work, connection):
        tag = await silence.execute(connection, work.watch, statement.sql, data=statement.data)
    if new := await work.watch.invalid_indexes() - (steps.invalid_before or frozenset()):
        raise ServerError(f"The statement ended well and left an invalid index: {', '.join(sorted(new))}.")
    return tag


@contextlib.asynccontextmanager
async def _unobstructed(work: Work, connection: Connection) -> AsyncIterator[None]:
    """Keep who waits inside the server for another tool's lock, which our guard holds, from stopping a statement.

    CREATE INDEX CONCURRENTLY waits for every older snapshot, that of such a waiter too, and the waiter for the guard:
    a circle that the server does not see, for the guard waits for nothing. Between connections of the tool itself, the
    deadlock detector ends the waiter; here its wait is cancelled, which tells the tool that it did not get its lock.
    """
    if not work.keys.theirs:
        yield
        return

    async def look() -> None:
        while True:
            await asyncio.sleep(_WAITERS)
            await work.watch.cancel_waiters(connection.backend, work.keys.theirs)

    looking = asyncio.create_task(look(), name="waiters for the tool's lock")
    try:
        yield
    finally:
        looking.cancel()


async def _record(
    work: Work, planned: PlannedMigration, connection: Connection, steps: _Steps, *, seconds: float
) -> Ending:
    """Write down how it ended, in a transaction of its own under the fate key."""
    # Where the end of the record is not heard, the steps are known to be done.
    await _under_way(work, planned, connection, steps)
    await begin(work, connection)
    deed = deed_of(work.ledger, planned)
    rows = work.ledger.recording(deed, seconds=seconds, steps=_step_records(planned, steps))
    await connection.execute(f"RESET ROLE; {rows}; SET LOCAL synchronous_commit = on")
    steps.xid = await xid_of(work, connection)
    work.emit(MigrationCommitting(version=planned.migration.version, xid=steps.xid))
    tag = await to_completion(silence.execute(connection, work.watch, "COMMIT"))
    if tag != "COMMIT":
        raise ServerError(f"COMMIT was answered with {tag}: the steps are done, and not recorded.")
    return Applied(xid=steps.xid, deferred=deed.deferred)


async def _after_loss(
    work: Work, planned: PlannedMigration, connection: Connection, steps: _Steps, error: ConnectionLost
) -> Ending | None:
    """Find out where the link was lost; return how the attempt ends by it, or None where it goes on over a new one."""
    steps.losses += 1
    statement = steps.tell.statement
    if statement is None:
        deed = deed_of(work.ledger, planned)
        found = await settle(work.connect, ledger=work.ledger, keys=work.keys, deed=deed, xid=steps.xid, emit=work.emit)
        if found is None:
            return Lost(fault=steps.tell.fail(error), xid=steps.xid)
        if found:
            return Applied(xid=steps.xid, deferred=deed.deferred)
        steps.xid = None
    elif not await _find_out(work, planned, connection, steps):
        return await _stopped_short(work, planned, steps, steps.tell.fail(error))
    if steps.losses > _LOSSES or any(it.kind in {"SET", "RESET", "LOAD"} for it in planned.statements):
        return await _stopped_short(work, planned, steps, steps.tell.fail(error))
    return None


async def _find_out(work: Work, planned: PlannedMigration, connection: Connection, steps: _Steps) -> bool:
    """Look what became of the statement in hand, whose answer was not heard; False where it was sent and is not done.

    A stop may come as it ends: what it made is there then, and the stop comes too late for it.
    """
    statement = steps.tell.statement
    if statement is None or steps.states.get(statement.number) != "running":
        await work.watch.at_rest(connection.backend, within=15)
        return True
    became = await what_became_of(work, planned, statement.number, connection.backend)
    if became is Found.DONE:
        steps.states[statement.number] = _ended(statement)
        steps.tell.finish("")
    elif became is Found.NOT_DONE:
        steps.states[statement.number] = "waiting"
    elif became is Found.UNKNOWN:
        steps.unknown.append(statement.number)
    return became is Found.DONE


async def _stopped_short(work: Work, planned: PlannedMigration, steps: _Steps, fault: Fault | None) -> Ending:
    """Return what is there after a step failed or was stopped, and record it where something is."""
    done = sum(state == "done" for state in steps.states.values())
    left = (
        *await _left_behind(work, steps),
        *(f"statement {n} may be done: its answer was lost, and the catalog does not show it" for n in steps.unknown),
    )
    gives_way = fault is not None and fault.sqlstate in _GIVES_WAY
    if gives_way and not done and not left and not planned.carried:
        return gave_way(fault or _NO_FAULT, work.watch.last)
    # an earlier attempt's steps that a repair carries on are no less done because the repair failed
    done += sum(step.state == "done" for step in planned.carried)
    state = "partial" if done or left or planned.carried else "failed"
    left_behind = (*(f"statement {n} is done" for n, it in steps.states.items() if it == "done"), *left)
    if state == "failed" and fault is not None:
        return Diverged(fault=fault) if fault.id == PlanChanged.id else Failed(fault=fault)
    await _note(work, planned, steps, state, fault)
    return HalfDone(fault=fault, left_behind=left_behind, stopped=fault is None)


_NO_FAULT = Fault(id="stopped", summary="stopped by the operator")


async def _left_behind(work: Work, steps: _Steps) -> tuple[str, ...]:
    try:
        new = await work.watch.invalid_indexes() - (steps.invalid_before or frozenset())
    except ServerError:
        return ("perhaps an invalid index: the watch connection could not look",)
    return tuple(f"index {name} is invalid: DROP INDEX CONCURRENTLY {name}" for name in sorted(new))


async def _note(work: Work, planned: PlannedMigration, steps: _Steps, state: str, fault: Fault | None) -> None:
    """Write the end of the attempt into the attempt log, on a connection of its own.

    Where that cannot be done, the row that says `running` stands: the next look settles it by the catalog.
    """
    row = _attempt_row(work, planned, steps, state=state, fault=fault or _NO_FAULT)
    if not row:
        return
    try:
        connection = await work.connect("migration")
        try:
            await connection.execute(row)
            work.ledger.attempted(deed_of(work.ledger, planned), state)
        finally:
            await connection.close()
    except ChangeoverError as error:
        log.warning("the end of the attempt could not be recorded: %s", error)


async def _under_way(work: Work, planned: PlannedMigration, connection: Connection, steps: _Steps) -> None:
    """Write into the history how far the attempt is, where the format has a place for it."""
    if row := _attempt_row(work, planned, steps, state="running"):
        await connection.execute(row)
        work.ledger.attempted(deed_of(work.ledger, planned), "running")


def _attempt_row(
    work: Work, planned: PlannedMigration, steps: _Steps, *, state: str, fault: Fault | None = None
) -> str:
    return work.ledger.attempt(
        deed_of(work.ledger, planned),
        state=state,
        sqlstate=fault.sqlstate if fault else None,
        error=fault.summary if fault else None,
        steps=_step_records(planned, steps),
    )


def _step_records(planned: PlannedMigration, steps: _Steps) -> list[StepRecord]:
    ours = (
        StepRecord(number=it.number, sha256=step_hash(it.sql, it.data), state=steps.states.get(it.number, "waiting"))
        for it in planned.statements
    )
    return [*planned.carried, *ours]
