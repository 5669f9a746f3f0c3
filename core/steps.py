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

from . import segments, silence
from .connect import Connection
from .errors import ChangeoverError, ConnectError, ConnectionLost, Fault, PlanChanged, ServerError
from .events import MigrationCommitting
from .inquest import what_became_of
from .plan import PlannedMigration, PlannedStatement
from .recording import deed_of
from .resume import OF_THE_CONNECTION, Found
from .sending import check_proof, is_sent
from .settle import settle
from .step_states import Steps, attempt_row, ended, step_records, under_way
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


async def attempt(work: Work, planned: PlannedMigration, connection: Connection) -> Ending:
    """Run a migration statement by statement on a fresh connection, which is closed at the end; never raises."""
    steps = Steps(
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


async def _through(work: Work, planned: PlannedMigration, connection: Connection, steps: Steps) -> Ending:
    began = time.monotonic()
    steps.recording = False
    await connection.execute(limits(work, connection, scope="SET"))
    await as_approved(work, connection)
    if steps.invalid_before is None:
        steps.invalid_before = await work.watch.invalid_indexes()
    parts = list(segments.parts_of(planned))
    for part in parts:
        if any(map(is_sent, part)) and part[0].segment:
            if steps.losses and _is_over(steps, part):
                continue
            if work.stop.after_statement or was_cancelled():
                raise asyncio.CancelledError
            since = began if part is parts[-1] else None
            if applied := await segments.run(work, planned, connection, steps, part, since=since):
                return applied
            continue
        for statement in part:
            await _by_itself(work, planned, connection, steps, statement)
    steps.tell.statement = None
    return await _record(work, planned, connection, steps, seconds=time.monotonic() - began)


def _is_over(steps: Steps, part: segments.Part) -> bool:
    """Whether nothing of it is to be done again over a new connection."""
    return all(steps.states.get(it.number) == ended(it) and it.kind not in OF_THE_CONNECTION for it in part)


async def _by_itself(
    work: Work, planned: PlannedMigration, connection: Connection, steps: Steps, statement: PlannedStatement
) -> None:
    """Run a statement that commits by itself."""
    if steps.losses and _is_over(steps, (statement,)):
        # done before the link was lost
        return
    if work.stop.after_statement or was_cancelled():
        raise asyncio.CancelledError
    steps.tell.start(statement)
    await check_proof(connection, statement)
    tag = ""
    if is_sent(statement):
        tag = await _send(work, planned, connection, steps, statement)
    steps.states[statement.number] = ended(statement)
    steps.tell.finish(tag)
    if statement.added:
        # its name is free: an invalid index that has it from here on is a new one
        steps.invalid_before = (steps.invalid_before or frozenset()) & await work.watch.invalid_indexes()


async def _send(
    work: Work,
    planned: PlannedMigration,
    connection: Connection,
    steps: Steps,
    statement: PlannedStatement,
) -> str:
    """Record the statement as running, send it, and look whether it left an invalid index."""
    steps.states[statement.number] = "running"
    await under_way(work, planned, connection, steps)
    # A CONCURRENTLY step waits for others without blocking them; timed out, it would leave an invalid index.
    patient = statement.outside_transaction
    steps.budget.total = float("inf") if patient else work.limits.lock_timeout
    limit = 0 if patient else round(work.limits.lock_timeout * 1000)
    await connection.execute(f"SET lock_timeout = '{limit}ms'")
    async with _unobstructed(work, connection):
        tag = await silence.execute(connection, work.watch, statement.sql, data=statement.data)
    if new := await work.watch.invalid_indexes() - (steps.invalid_before or frozenset()):
        raise ServerError(
            f"The statement ended well and left an invalid index, which no query uses: {', '.join(sorted(new))}.",
            advice="Build it again: `changeover apply --rebuild-invalid-indexes`.",
        )
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
    work: Work, planned: PlannedMigration, connection: Connection, steps: Steps, *, seconds: float
) -> Ending:
    """Write down how it ended, in a transaction of its own under the fate key."""
    # Where the end of the record is not heard, the steps are known to be done.
    steps.recording = True
    await under_way(work, planned, connection, steps)
    await begin(work, connection)
    deed = deed_of(work.ledger, planned)
    rows = work.ledger.recording(deed, seconds=seconds, steps=step_records(planned, steps))
    await connection.execute(f"RESET ROLE; {rows}; SET LOCAL synchronous_commit = on")
    steps.xid = await xid_of(work, connection)
    work.emit(MigrationCommitting(version=planned.migration.version, xid=steps.xid))
    tag = await to_completion(silence.execute(connection, work.watch, "COMMIT"))
    if tag != "COMMIT":
        raise ServerError(
            f"The server answered COMMIT with {tag}: the steps are done, and the migration is not recorded as applied.",
            advice="`changeover apply` finds the steps done and records it; `changeover repair` shows them.",
        )
    return Applied(xid=steps.xid, deferred=deed.deferred)


async def _after_loss(
    work: Work, planned: PlannedMigration, connection: Connection, steps: Steps, error: ConnectionLost
) -> Ending | None:
    """Find out where the link was lost; return how the attempt ends by it, or None where it goes on over a new one."""
    steps.losses += 1
    statement = steps.tell.statement
    if steps.commit_lost:
        # the COMMIT of one of the file's own transactions was not answered, and the catalog does not show it
        return await _stopped_short(work, planned, steps, steps.tell.fail(error))
    if statement is None and steps.recording:
        deed = deed_of(work.ledger, planned)
        found = await settle(work.connect, ledger=work.ledger, keys=work.keys, deed=deed, xid=steps.xid, emit=work.emit)
        if found is None:
            return Lost(fault=steps.tell.fail(error), xid=steps.xid)
        if found:
            return Applied(xid=steps.xid, deferred=deed.deferred)
        steps.xid = None
        # the last of the file's own transactions was to have the record
        steps.states.update(dict.fromkeys(steps.in_hand, "waiting"))
        steps.in_hand = ()
    elif not await _find_out(work, planned, connection, steps):
        return await _stopped_short(work, planned, steps, steps.tell.fail(error))
    if steps.losses > _LOSSES or any(it.kind in {"SET", "RESET", "LOAD"} for it in planned.statements):
        return await _stopped_short(work, planned, steps, steps.tell.fail(error))
    return None


async def _find_out(work: Work, planned: PlannedMigration, connection: Connection, steps: Steps) -> bool:
    """Look what became of the statement in hand, whose answer was not heard; False where it was sent and is not done.

    A stop may come as it ends: what it made is there then, and the stop comes too late for it.
    """
    statement = steps.tell.statement
    if statement is None or steps.states.get(statement.number) != "running":
        await work.watch.at_rest(connection.backend, within=15)
        return True
    became = await what_became_of(work, planned, statement.number, connection.backend)
    if became is Found.DONE:
        steps.states[statement.number] = ended(statement)
        steps.tell.finish("")
    elif became is Found.NOT_DONE:
        steps.states[statement.number] = "waiting"
    elif became is Found.UNKNOWN:
        steps.unknown.append(statement.number)
    return became is Found.DONE


async def _stopped_short(work: Work, planned: PlannedMigration, steps: Steps, fault: Fault | None) -> Ending:
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


async def _left_behind(work: Work, steps: Steps) -> tuple[str, ...]:
    try:
        new = await work.watch.invalid_indexes() - (steps.invalid_before or frozenset())
    except ServerError:
        return ("perhaps an invalid index: the watch connection could not look",)
    return tuple(f"index {name} is invalid: DROP INDEX CONCURRENTLY {name}" for name in sorted(new))


async def _note(work: Work, planned: PlannedMigration, steps: Steps, state: str, fault: Fault | None) -> None:
    """Write the end of the attempt into the attempt log, on a connection of its own.

    Where that cannot be done, the row that says `running` stands: the next look settles it by the catalog.
    """
    row = attempt_row(work, planned, steps, state=state, fault=fault or _NO_FAULT)
    if not row or (steps.commit_lost and not work.ledger.proven_by_xid):
        # the attempt log knows better: what its transaction committed is in its newest row
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
