"""A file's own BEGIN ... COMMIT among several: a step outside our transaction that has one of its own.

Its statements are done together or not at all. In Changeover's own history that is written inside it, so that the
attempt log says for sure which transactions of a file are there; the last one has the history row itself. Elsewhere
the session log has it, and the catalog where that ends before the answer to COMMIT.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final, TypeAlias

from msgspec.structs import replace

from . import silence
from .connect import Connection
from .errors import ConnectionLost, ServerError
from .events import MigrationCommitting, SegmentEnded
from .inquest import what_became_of
from .plan import PlannedMigration, PlannedStatement
from .recording import deed_of
from .resume import Found
from .sending import Escaped, Sending, Stopping, is_sent
from .step_states import Steps, attempt_row, ended, step_records, under_way
from .tasks import to_completion, was_cancelled
from .transaction import XID_KEPT, XID_SAME, as_approved, begin, xid_of
from .work import Applied, Work

_ROLLBACK: Final = 15.0

Part: TypeAlias = tuple[PlannedStatement, ...]


def parts_of(planned: PlannedMigration) -> Iterator[Part]:
    """Yield what is done together: the statements of one transaction of the file, or one that commits by itself."""
    for segment, statements in groupby(planned.statements, key=lambda it: it.segment):
        if segment:
            yield tuple(statements)
        else:
            yield from ((it,) for it in statements)


async def run(
    work: Work, planned: PlannedMigration, connection: Connection, steps: Steps, part: Part, *, since: float | None
) -> Applied | None:
    """Run one transaction of a file. The last one records the migration, which began at `since`, and returns its end.

    Raises as a transaction does, after its rollback; what was not committed is waiting again then.
    """
    before = dict(steps.states)
    steps.states.update({it.number: "running" for it in part if is_sent(it)})
    await under_way(work, planned, connection, steps)
    steps.budget.total, steps.budget.waited = work.limits.lock_timeout, 0.0
    try:
        return await _through(work, planned, connection, steps, part, since=since)
    except ConnectionLost:
        if not steps.in_hand:
            # before its COMMIT was sent nothing of it can be there
            _undone(work, planned, steps, part, before)
        raise
    except BaseException as error:
        steps.in_hand = ()
        _undone(work, planned, steps, part, before)
        await to_completion(_rolled_back(connection))
        if isinstance(error, Stopping):
            raise asyncio.CancelledError from None
        if isinstance(error, Escaped):
            raise ServerError(
                "The file ended its own transaction on the way: what it did up to there may be committed.",
                advice="Look at what is there; take transaction control out of what it calls.",
            ) from None
        raise


def _undone(
    work: Work, planned: PlannedMigration, steps: Steps, part: Sequence[PlannedStatement], before: dict[int, str]
) -> None:
    steps.states = before
    _tell(work, planned, part, committed=False)


def _tell(work: Work, planned: PlannedMigration, part: Sequence[PlannedStatement], *, committed: bool) -> None:
    version = planned.migration.version
    work.emit(SegmentEnded(version=version, first=part[0].number, last=part[-1].number, committed=committed))


async def _rolled_back(connection: Connection) -> None:
    try:
        if connection.in_transaction:
            await connection.execute("ROLLBACK", timeout=_ROLLBACK)
    except ServerError:
        connection.terminate()


async def _through(
    work: Work, planned: PlannedMigration, connection: Connection, steps: Steps, part: Part, *, since: float | None
) -> Applied | None:
    await begin(work, connection, planned.migration.script.segments[part[0].segment - 1])
    await as_approved(work, connection)
    await connection.execute(XID_KEPT)
    await Sending(work, replace(planned, statements=part), connection, steps.budget, steps.tell).all()
    steps.states.update({it.number: ended(it) for it in part})
    deed = deed_of(work.ledger, planned)
    if since is not None:
        steps.recording = True
        rows = work.ledger.recording(deed, seconds=time.monotonic() - since, steps=step_records(planned, steps))
    else:
        rows = attempt_row(work, planned, steps, state="running")
    if rows:
        # the file may have changed the role; the history belongs to the one that connected
        role = "RESET ROLE; " if since is not None else ""
        await connection.execute(f"{role}{rows}")
    steps.xid = await xid_of(work, connection) if since is not None else None
    if await connection.execute(f"SET LOCAL synchronous_commit = on; {XID_SAME}") != "SELECT 1":
        raise Escaped
    if was_cancelled():
        raise asyncio.CancelledError
    if since is not None:
        work.emit(MigrationCommitting(version=planned.migration.version, xid=steps.xid))
    await _commit(work, planned, connection, steps, part, last=since is not None)
    return Applied(xid=steps.xid, deferred=deed.deferred) if since is not None else None


async def _commit(
    work: Work, planned: PlannedMigration, connection: Connection, steps: Steps, part: Part, *, last: bool
) -> None:
    steps.in_hand = tuple(it.number for it in part if is_sent(it))
    try:
        tag = await to_completion(silence.execute(connection, work.watch, "COMMIT"))
    except ConnectionLost:
        if not last:
            connection.terminate()
            await to_completion(_find_out(work, planned, connection, steps, part))
        raise
    if tag != "COMMIT":
        raise ServerError(
            f"The server answered COMMIT with {tag}: nothing of this transaction of the file is there.",
            advice="It was rolled back whole. What failed is in the server's log; mend that, and apply again.",
        )
    steps.in_hand = ()
    _tell(work, planned, part, committed=True)


async def _find_out(
    work: Work, planned: PlannedMigration, connection: Connection, steps: Steps, part: Sequence[PlannedStatement]
) -> None:
    """Look in the catalog whether a transaction was committed whose answer was lost; one statement tells for all."""
    for number in steps.in_hand:
        became = await what_became_of(work, planned, number, connection.backend)
        if became in {Found.DONE, Found.NOT_DONE}:
            there = became is Found.DONE
            if not there:
                steps.states.update(dict.fromkeys(steps.in_hand, "waiting"))
            _tell(work, planned, part, committed=there)
            return
    steps.states.update(dict.fromkeys(steps.in_hand, "running"))
    steps.unknown += steps.in_hand
    steps.commit_lost = True
