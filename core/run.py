"""Executes an approved plan: one migration after another, tried again where it gave way, settled where it is in doubt.

    outcome = await run(plan, approval, ...)

The result is the return value, and facts are pushed to `emit`. "Stop now" is cancellation of the task: the migration
in hand is rolled back, the server confirms it, and `run` returns. A COMMIT that was sent is always heard out.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from . import steps, transaction
from .connect import Connector
from .errors import ChangeoverError, ExitCode, Fault, Refused, ServerError, UsageError, fault_of
from .events import (
    RESULTS,
    Emit,
    MigrationApplied,
    MigrationEnded,
    MigrationRolledBack,
    MigrationStarted,
    Result,
    StopConfirmed,
)
from .guard import Guard
from .history.ledger import Deed, Ledger
from .journal import Journal
from .keys import Keys
from .plan import Approval, Plan, PlannedMigration
from .recording import deed_of
from .settle import settle
from .stalls import Stalls
from .tasks import to_completion, was_cancelled
from .watch import Watch
from .work import Applied, Diverged, Ending, Failed, GaveWay, HalfDone, Interrupted, Lost, Stop, Work

log = logging.getLogger(__name__)

EXIT_CODES: Final = {
    Result.APPLIED: ExitCode.DONE,
    Result.REVERTED: ExitCode.DONE,
    Result.BASELINED: ExitCode.DONE,
    Result.REPAIRED: ExitCode.DONE,
    Result.NOTHING_TO_DO: ExitCode.DONE,
    Result.ROLLED_BACK: ExitCode.ROLLED_BACK,
    Result.STOPPED: ExitCode.STOPPED,
    Result.PARTIAL: ExitCode.NEEDS_ATTENTION,
    Result.IN_DOUBT: ExitCode.NEEDS_ATTENTION,
    Result.REFUSED: ExitCode.REFUSED,
}


class Outcome(Struct, frozen=True, kw_only=True):
    """How a run ended."""

    result: Result
    exit_code: ExitCode
    applied: int = 0
    fault: Fault | None = None
    left_behind: tuple[str, ...] = ()


async def run(
    plan: Plan,
    approval: Approval,
    *,
    ledger: Ledger,
    keys: Keys,
    guard: Guard,
    connect: Connector,
    journal: Journal,
    emit: Emit,
    stop: Stop,
    end_blockers: bool = False,
) -> Outcome:
    """Run the plan, which must be the approved one, under the guard that holds the run key.

    Raises `ChangeoverError` only before anything ran.
    """
    plan.approve(digest=approval.digest, by=approval.by, how=approval.how)
    if not plan.ready:
        raise Refused(plan.refusals[0].summary, advice=plan.refusals[0].advice)
    if not plan.migrations:
        return Outcome(result=Result.NOTHING_TO_DO, exit_code=ExitCode.DONE)
    if not await journal.seal():
        raise UsageError(
            "The session log cannot be written, so the run does not start.",
            advice=f"Look at the disk of {journal.path.parent}.",
        )
    watch = Watch(await connect("watch"), emit, end_blockers=end_blockers, connect=connect)
    await watch.prepare()
    stop.end_blocker = watch.end_blocker
    if not plan.history.exists:
        await _create_history(connect, ledger)
    work = Work(
        ledger=ledger,
        keys=keys,
        guard=guard,
        guarded=await to_completion(guard.stands()),
        limits=plan.limits,
        connect=connect,
        watch=watch,
        emit=emit,
        stop=stop,
        journal=journal,
    )
    try:
        return await _all(work, plan)
    finally:
        await to_completion(work.spare.close())


async def _all(work: Work, plan: Plan) -> Outcome:
    for applied, planned in enumerate(plan.migrations):
        with contextlib.suppress(asyncio.CancelledError):
            await work.stop.may_begin.wait()
        if was_cancelled() or work.stop.after_migration or work.stop.after_statement:
            return _outcome(Result.STOPPED, applied, None)
        if reason := await _unfit(work):
            return _outcome(Result.STOPPED, applied, reason)
        outcome = await _one(work, planned, applied, follows=next(iter(plan.migrations[applied + 1 :]), None))
        if outcome is not None:
            return outcome
    await work.journal.flush()
    whole = "Everything was done, and the history in the database has it."
    return _outcome(RESULTS[plan.migrations[-1].entry], len(plan.migrations), _log_lost(work.journal, whole))


async def _unfit(work: Work) -> Fault | None:
    """Return why no further migration may begin; the guard was asked when the one before was done."""
    if not work.guarded:
        return Fault(
            id="guard-lost",
            summary="The guard connection was lost, so another run could begin.",
            advice="Nothing further was started; apply again for the rest.",
        )
    await work.journal.flush()
    return _log_lost(work.journal, "Nothing further was started.")


def _log_lost(journal: Journal, then: str) -> Fault | None:
    """Return why the record of this run is not whole; `then` is what that means for the run."""
    if journal.failure is None:
        return None
    return Fault(
        id="log-lost",
        summary=f"The session log cannot be written any more: {journal.failure.strerror}.",
        advice=f"{then} Make room for {journal.path.parent} before the next run.",
    )


async def _one(
    work: Work, planned: PlannedMigration, applied: int, *, follows: PlannedMigration | None
) -> Outcome | None:
    """Run one migration with all its attempts; return how the run ends by it, or None where it was applied."""
    turn = _Turn(work=work, planned=planned, applied=applied, follows=follows, began=time.monotonic())
    attempts = work.limits.lock_attempts
    while True:
        turn.number += 1
        try:
            ending = await _attempt(turn)
        except asyncio.CancelledError:
            return turn.end(Result.STOPPED, None)
        except ChangeoverError as error:
            # The connection of this attempt could not be opened: nothing of the migration ran.
            refused = turn.end(Result.REFUSED, fault_of(error))
            return replace(refused, exit_code=error.exit_code)
        turn.take_stalls()
        turn.told_to_stop = was_cancelled()
        if not isinstance(ending, GaveWay) or ending.hopeless or turn.number >= attempts:
            return await to_completion(_conclude(turn, ending))
        if not await _pause(turn, ending):
            return turn.end(Result.STOPPED, ending.fault)


class _Turn(Struct, kw_only=True):
    """One migration's turn in a run."""

    work: Work
    planned: PlannedMigration
    # migrations applied before it
    applied: int
    # the migration after it, where there is one
    follows: PlannedMigration | None
    began: float
    # of the attempt under way, from 1
    number: int = 0
    # whether the operator said "stop now" before the attempt ended
    told_to_stop: bool = False
    # who waited behind the attempt that has just ended, and behind all of them
    behind: Stalls = field(default_factory=Stalls)
    stalls: Stalls = field(default_factory=Stalls)

    @property
    def version(self) -> str:
        return self.planned.migration.version

    @property
    def deed(self) -> Deed:
        return deed_of(self.work.ledger, self.planned)

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.began

    def take_stalls(self) -> None:
        """Take over who waited behind the attempt, now that it holds nothing any more."""
        self.behind = self.work.watch.stalls
        self.behind.end(time.monotonic())
        self.stalls.add(self.behind)

    def end(self, result: Result, fault: Fault | None, left_behind: tuple[str, ...] = ()) -> Outcome:
        """Say that the migration ended without being applied, and return how the run ends by it."""
        self.work.emit(
            MigrationEnded(
                version=self.version,
                result=result,
                attempts=self.number,
                elapsed=self.elapsed,
                fault=fault,
                left_behind=left_behind,
                stalled=self.stalls.told,
            )
        )
        return _outcome(result, self.applied, fault, left_behind)

    async def recorded(self, xid: str | None, deferred: tuple[int, ...]) -> None:
        """Say that the entry is done, and expect what it wrote into the history from now on.

        What the next migration needs to know is asked at the same time, on the connections that know it.
        """
        work = self.work
        work.ledger.expect(self.deed)
        if self.follows is not None and self.follows.transactional:
            work.spare.refresh()
        wal, work.guarded = await asyncio.gather(work.watch.wal_position(), work.guard.stands())
        work.wal = wal
        work.emit(
            MigrationApplied(
                version=self.version,
                entry=self.planned.entry,
                attempts=self.number,
                elapsed=self.elapsed,
                xid=xid,
                deferred=deferred,
                wal=wal,
                stalled=self.stalls.told,
            )
        )

    def rolled_back(self, ending: GaveWay | Failed | Diverged, wait: float | None) -> None:
        """Say that the server acknowledged the rollback of this attempt."""
        self.work.emit(
            MigrationRolledBack(
                version=self.version,
                attempt=self.number,
                fault=ending.fault,
                blockers=ending.blockers if isinstance(ending, GaveWay) else (),
                wait=wait,
                stalled=self.behind.told,
            )
        )


async def _attempt(turn: _Turn) -> Ending:
    work, planned = turn.work, turn.planned
    connection = await (work.spare.take(work.connect) if planned.transactional else work.connect("migration"))
    if connection.facts.pooled and planned.transactional:
        # a pooler chooses it with BEGIN
        connection.backend = 0
    wal, work.wal = work.wal or await work.watch.wal_position(), None
    work.emit(
        MigrationStarted(
            version=turn.version,
            entry=planned.entry,
            attempt=turn.number,
            of=work.limits.lock_attempts,
            backend=connection.backend,
            wal=wal,
        )
    )
    if planned.transactional:
        return await transaction.attempt(work, planned, connection)
    return await steps.attempt(work, planned, connection)


async def _pause(turn: _Turn, ending: GaveWay) -> bool:
    """Wait before the next attempt; return whether there is to be one."""
    first, last = turn.work.limits.lock_pause
    wait = min(first * 2 ** (turn.number - 1), last) * random.uniform(0.8, 1.2)
    turn.rolled_back(ending, wait)
    try:
        return not await turn.work.stop.pause.wait(wait)
    except asyncio.CancelledError:
        return False


async def _conclude(turn: _Turn, ending: Ending) -> Outcome | None:
    match ending:
        case Applied():
            await turn.recorded(ending.xid, ending.deferred)
            return None
        case GaveWay() | Failed() | Diverged():
            turn.rolled_back(ending, None)
            await _record_failure(turn, ending.fault)
            return turn.end(Result.REFUSED if isinstance(ending, Diverged) else Result.ROLLED_BACK, ending.fault)
        case Interrupted():
            turn.work.emit(StopConfirmed(backend=ending.backend, elapsed=turn.elapsed))
            return turn.end(Result.STOPPED, None)
        case HalfDone():
            clean = ending.stopped and not ending.left_behind
            return turn.end(Result.STOPPED if clean else Result.PARTIAL, ending.fault, ending.left_behind)
        case Lost():
            return await _settled(turn, ending)


async def _settled(turn: _Turn, ending: Lost) -> Outcome | None:
    work = turn.work
    found = await settle(
        work.connect, ledger=work.ledger, keys=work.keys, deed=turn.deed, xid=ending.xid, emit=work.emit
    )
    if found is None:
        return turn.end(Result.IN_DOUBT, ending.fault)
    if found:
        await turn.recorded(ending.xid, ending.deferred)
        return None
    if not turn.planned.transactional:
        left = ("every statement of it is done, and the history does not say so yet: apply again to record it",)
        return turn.end(Result.PARTIAL, ending.fault, left)
    if ending.stopped is not None:
        # whoever holds the fate key knows that nobody else does
        work.emit(StopConfirmed(backend=ending.stopped, elapsed=turn.elapsed))
        return turn.end(Result.STOPPED, None)
    await _record_failure(turn, ending.fault)
    return turn.end(Result.STOPPED if turn.told_to_stop else Result.ROLLED_BACK, ending.fault)


def _outcome(result: Result, applied: int, fault: Fault | None, left_behind: tuple[str, ...] = ()) -> Outcome:
    return Outcome(result=result, exit_code=EXIT_CODES[result], applied=applied, fault=fault, left_behind=left_behind)


async def _record_failure(turn: _Turn, fault: Fault) -> None:
    """Write the failed attempt into the history, in a transaction of its own; a loss of it is only logged."""
    ledger, deed = turn.work.ledger, turn.deed
    row = ledger.attempt(deed, state="failed", sqlstate=fault.sqlstate, error=fault.summary)
    if not row:
        return
    try:
        connection = await turn.work.connect("migration")
        try:
            await connection.execute(row)
            ledger.attempted(deed, "failed")
        finally:
            await connection.close()
    except ChangeoverError as error:
        log.warning("the failed attempt could not be recorded: %s", error)


async def _create_history(connect: Connector, ledger: Ledger) -> None:
    connection = await connect("migration")
    try:
        await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
        # durable, whatever the role is set to: the first migration's fate is read from it after a crash
        await connection.execute("SET LOCAL lock_timeout = '2s'; SET LOCAL synchronous_commit = on")
        await connection.execute(ledger.creation())
        await connection.execute("COMMIT")
    except ServerError as error:
        raise Refused(
            f"The history table {ledger.table} could not be made: {error.summary}",
            advice="GRANT CREATE ON its schema (or the DATABASE, where that is not there yet) to this role.",
            report=error.report,
        ) from None
    finally:
        await connection.close()
