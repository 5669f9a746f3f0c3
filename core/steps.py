"""A migration outside a transaction: one statement per message, each recorded before and after.

CREATE INDEX CONCURRENTLY and its like commit on their own; what a failure leaves behind is looked for and named.
See https://www.postgresql.org/docs/18/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from hashlib import sha256

from .connect import Connection
from .errors import ConnectionLost, Fault, PlanChanged, ServerError
from .events import MigrationCommitting
from .history import StepRecord
from .history import native as history
from .plan import PlannedMigration, PlannedStatement
from .precheck import Decision
from .tasks import to_completion, was_cancelled
from .telling import Telling
from .transaction import begin, check_proof, is_sent, limits
from .watch import LockBudget
from .work import Applied, Ending, Failed, GaveWay, HalfDone, Lost, Work

_GIVES_WAY = frozenset({"55P03", "40P01"})


@dataclass(slots=True)
class _Steps:
    """How far the attempt is."""

    tell: Telling
    budget: LockBudget
    # number -> running or done
    states: dict[int, str] = field(default_factory=dict)
    invalid_before: frozenset[str] = frozenset()


async def attempt(work: Work, planned: PlannedMigration, connection: Connection) -> Ending:
    """Run a migration statement by statement on a fresh connection, which is closed at the end; never raises."""
    steps = _Steps(tell=Telling(work.emit, planned), budget=LockBudget(work.limits.lock_timeout))
    connection.on_notice(steps.tell.notice)
    work.watch.last = None
    watching = asyncio.create_task(
        work.watch.follow(planned.migration.version, connection.backend, steps.budget), name="watch"
    )
    try:
        return await _through(work, planned, connection, steps)
    except asyncio.CancelledError:
        await to_completion(connection.close())
        await to_completion(work.watch.at_rest(connection.backend, within=15))
        return await to_completion(_stopped_short(work, planned, steps, None))
    except (ServerError, PlanChanged) as error:
        fault = steps.tell.fail(error)
        if isinstance(error, ConnectionLost):
            connection.terminate()
            await to_completion(work.watch.at_rest(connection.backend, within=15))
            if steps.tell.statement is None:
                return Lost(fault=fault)
        return await to_completion(_stopped_short(work, planned, steps, fault))
    finally:
        watching.cancel()
        await to_completion(connection.close())


async def _through(work: Work, planned: PlannedMigration, connection: Connection, steps: _Steps) -> Ending:
    began = time.monotonic()
    await connection.execute(limits(work, connection, scope="SET"))
    steps.invalid_before = await work.watch.invalid_indexes()
    for statement in planned.statements:
        if work.stop.after_statement or was_cancelled():
            raise asyncio.CancelledError
        steps.tell.start(statement)
        await check_proof(connection, statement)
        tag = ""
        if is_sent(statement):
            tag = await _send(work, planned, connection, steps, statement)
        steps.states[statement.number] = "done"
        steps.tell.finish(tag)
    steps.tell.statement = None
    return await _record(work, planned, connection, duration_ms=round((time.monotonic() - began) * 1000))


async def _send(
    work: Work,
    planned: PlannedMigration,
    connection: Connection,
    steps: _Steps,
    statement: PlannedStatement,
) -> str:
    """Record the statement as running, send it, and look whether it left an invalid index."""
    steps.states[statement.number] = "running"
    await connection.execute(_attempt_row(work, planned, steps, state="running"))
    # A CONCURRENTLY step waits for others without blocking them; timed out, it would leave an invalid index.
    patient = statement.outside_transaction
    steps.budget.total = float("inf") if patient else work.limits.lock_timeout
    limit = 0 if patient else round(work.limits.lock_timeout * 1000)
    await connection.execute(f"SET lock_timeout = '{limit}ms'")
    tag = await connection.execute(statement.sql, timeout=None)
    if new := await work.watch.invalid_indexes() - steps.invalid_before:
        raise ServerError(f"The statement ended well and left an invalid index: {', '.join(sorted(new))}.")
    return tag


async def _record(work: Work, planned: PlannedMigration, connection: Connection, *, duration_ms: int) -> Ending:
    """Put the migration in force, in a transaction of its own under the fate key."""
    migration = planned.migration
    deferred = tuple(it.number for it in planned.statements if it.decision is Decision.DEFER)
    await begin(work, connection)
    row = history.record_applied(work.schema, migration, work.by, duration_ms=duration_ms, deferred=deferred)
    done = [StepRecord(number=it.number, sha256=_hash(it), state="done") for it in planned.statements]
    log = history.record_attempt(
        work.schema, migration.version, work.by, entry=planned.entry, state="applied", with_xid=True, steps=done
    )
    await connection.execute(f"RESET ROLE; {row}; {log}; SET LOCAL synchronous_commit = on")
    xid = await work.watch.transaction_id(connection.backend)
    work.emit(MigrationCommitting(version=migration.version, xid=xid))
    tag = await to_completion(connection.execute("COMMIT", timeout=None))
    if tag != "COMMIT":
        raise ServerError(f"COMMIT was answered with {tag}: the steps are done, and not recorded.")
    return Applied(xid=xid, deferred=deferred)


async def _stopped_short(work: Work, planned: PlannedMigration, steps: _Steps, fault: Fault | None) -> Ending:
    """Return what is there after a step failed or was stopped, and record it where something is."""
    done = sum(state == "done" for state in steps.states.values())
    left = await _left_behind(work, steps)
    gives_way = fault is not None and fault.sqlstate in _GIVES_WAY
    if gives_way and not done and not left:
        last = work.watch.last
        return GaveWay(fault=fault or _NO_FAULT, blockers=last.blockers if last else ())
    state = "partial" if done or left else "failed"
    left_behind = (*(f"statement {n} is done" for n, it in steps.states.items() if it == "done"), *left)
    if not done and not left and fault is not None:
        return Failed(fault=fault)
    await _note(work, planned, steps, state, fault)
    return HalfDone(fault=fault, left_behind=left_behind, stopped=fault is None)


_NO_FAULT = Fault(id="stopped", summary="stopped by the operator")


async def _left_behind(work: Work, steps: _Steps) -> tuple[str, ...]:
    try:
        new = await work.watch.invalid_indexes() - steps.invalid_before
    except ServerError:
        return ("perhaps an invalid index: the watch connection could not look",)
    return tuple(f"index {name} is invalid: DROP INDEX CONCURRENTLY {name}" for name in sorted(new))


async def _note(work: Work, planned: PlannedMigration, steps: _Steps, state: str, fault: Fault | None) -> None:
    """Write the end of the attempt into the attempt log, on a connection of its own."""
    connection = await work.connect("migration")
    try:
        await connection.execute(_attempt_row(work, planned, steps, state=state, fault=fault or _NO_FAULT))
    finally:
        await connection.close()


def _attempt_row(
    work: Work, planned: PlannedMigration, steps: _Steps, *, state: str, fault: Fault | None = None
) -> str:
    records = [
        StepRecord(number=it.number, sha256=_hash(it), state=steps.states.get(it.number, "waiting"))
        for it in planned.statements
    ]
    return history.record_attempt(
        work.schema,
        planned.migration.version,
        work.by,
        entry=planned.entry,
        state=state,
        sqlstate=fault.sqlstate if fault else None,
        error=fault.summary if fault else None,
        steps=records,
    )


def _hash(statement: PlannedStatement) -> str:
    return sha256(statement.sql.encode()).hexdigest()
