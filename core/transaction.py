"""One attempt at a migration inside one transaction, its history row in it.

The connection speaks only the simple protocol here, and answers are read from command tags: a query by parameters
would keep a snapshot, and a stall in the middle of it is ended by no time-out.
See https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-FLOW-SIMPLE-QUERY.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from . import silence
from .connect import KEEPALIVES, Connection
from .errors import ConnectionLost, Fault, PlanChanged, ServerError, fault_of
from .events import MigrationCommitting
from .keys import attempt_to_take
from .plan import PlannedMigration
from .recording import deed_of
from .sending import Escaped, Sending, Stopping, lock_limit
from .tasks import to_completion, was_cancelled
from .telling import Telling
from .watch import LockBudget
from .work import Applied, Diverged, Ending, Failed, HalfDone, Interrupted, Lost, Work, gave_way

# Lock time-out and deadlock: the transaction was rolled back and may succeed when tried again.
_GIVES_WAY: Final = frozenset({"55P03", "40P01"})
_CANCELLED: Final = "57014"
# How long a rollback may take to be acknowledged, and a stopped backend to come to rest; seconds.
_ROLLBACK: Final = 15.0
# Between two cancellations of a statement that is to stop; seconds.
_PRESS: Final = 0.5
# What the transaction is told its own id is, and the question whether it is still that one.
XID_KEPT: Final = (
    "SELECT pg_catalog.set_config('changeover.xid', pg_catalog.pg_current_xact_id()::pg_catalog.text, true)"
)
XID_SAME: Final = (
    "SELECT 1 WHERE pg_catalog.current_setting('changeover.xid', true) "
    "OPERATOR(pg_catalog.=) pg_catalog.pg_current_xact_id()::pg_catalog.text"
)


class _Progress(Struct):
    """What is known of the transaction, also after it was lost."""

    tell: Telling
    xid: str | None = None
    deferred: tuple[int, ...] = ()


async def attempt(work: Work, planned: PlannedMigration, connection: Connection) -> Ending:
    """Run a migration in one transaction on a connection as good as new; never raises.

    The connection is closed at the end, or kept for the migration after it where this one was committed.
    """
    progress = _Progress(tell=Telling(work.emit, planned))
    kept = False
    budget = LockBudget(work.limits.lock_timeout)
    connection.on_notice(progress.tell.notice)
    try:
        async with _watched(work, planned, connection, budget):
            applied = await _through(work, planned, connection, budget, progress)
        kept = work.spare.keep(connection, planned)
        return applied
    except (asyncio.CancelledError, Stopping):
        return await to_completion(_interrupted(work, connection, progress))
    except Escaped:
        return await to_completion(_escaped(planned, connection, progress))
    except PlanChanged as error:
        diverged = Diverged(fault=progress.tell.fail(error))
        return await to_completion(_rolled_back(connection, diverged, progress))
    except ConnectionLost as error:
        connection.terminate()
        return Lost(fault=progress.tell.fail(error), xid=progress.xid, deferred=progress.deferred)
    except ServerError as error:
        if error.sqlstate == _CANCELLED and budget.cancelled:
            error.summary = f"canceling statement: its waits for locks add up to more than {budget.total:g} s"
        fault = progress.tell.fail(error)
        gives_way = error.sqlstate in _GIVES_WAY or budget.cancelled
        ending: Ending = gave_way(fault, work.watch.last) if gives_way else Failed(fault=fault)
        return await to_completion(_rolled_back(connection, ending, progress))
    finally:
        if not kept:
            await to_completion(connection.close())


@contextlib.asynccontextmanager
async def _watched(
    work: Work, planned: PlannedMigration, connection: Connection, budget: LockBudget
) -> AsyncIterator[None]:
    work.watch.begin()
    watching = asyncio.create_task(work.watch.follow(planned.migration.version, connection, budget), name="watch")
    try:
        yield
    finally:
        watching.cancel()


async def _through(
    work: Work, planned: PlannedMigration, connection: Connection, budget: LockBudget, progress: _Progress
) -> Ending:
    began = time.monotonic()
    limit = budget.left
    await _begin_as_approved(work, connection, planned.migration.script.modes, first=f"{lock_limit(limit)}; {XID_KEPT}")
    async with _xid_known(work, connection, progress):
        await Sending(work, planned, connection, budget, progress.tell, limit=limit).all()
    progress.deferred = deed_of(work.ledger, planned).deferred
    await _record(work, planned, connection, seconds=time.monotonic() - began)
    return await _commit(work, planned, connection, progress)


@contextlib.asynccontextmanager
async def _xid_known(work: Work, connection: Connection, progress: _Progress) -> AsyncIterator[None]:
    """Learn the id of our transaction beside what is done in the block, and before it where it is the only proof."""

    async def learn() -> None:
        progress.xid = await xid_of(work, connection)

    if work.ledger.proven_by_xid:
        await learn()
        yield
        return
    learning = asyncio.create_task(learn(), name="xid")
    try:
        yield
        await learning
    finally:
        learning.cancel()


async def xid_of(work: Work, connection: Connection) -> str | None:
    """Return the id of our transaction; raises `ServerError` where nothing else would prove its commit."""
    xid = await work.watch.transaction_id(connection.backend)
    if xid is None and work.ledger.proven_by_xid:
        raise ServerError(
            "The id of our transaction, by which this history shows whether it was committed, cannot be seen in"
            " pg_stat_activity. The migration was rolled back.",
            advice="Try again.",
        )
    return xid


async def _begin_as_approved(work: Work, connection: Connection, modes: str, *, first: str) -> None:
    """Do in one message what `begin`, `first` and `as_approved` do, each with its errors: a far server is far away.

    Each is still a query of its own: what the last one sees, it sees with the fate key in our hands. Where it does not
    say that all is well, it is found out step by step what is not.
    """
    message = (
        f"{_opening(work, connection, modes)}{first}; "
        f"SELECT pg_catalog.set_config('changeover.fate', "
        f"pg_catalog.pg_try_advisory_xact_lock({work.keys.fate})::pg_catalog.text, true); "
        f"SELECT 1 WHERE pg_catalog.current_setting('changeover.fate') OPERATOR(pg_catalog.=) 'true' "
        f"AND EXISTS (\n{work.ledger.unchanged()}\n)"
    )
    well = await connection.execute(message) == "SELECT 1"
    await _take_fate(work, connection, held=well)
    if not well:
        await as_approved(work, connection)


async def begin(work: Work, connection: Connection, modes: str = "") -> None:
    """Open the transaction, with our limits in place of the role's, and take the fate key.

    `modes` is how the file wants it to begin: ISOLATION LEVEL SERIALIZABLE.
    """
    await _take_fate(work, connection, opening=_opening(work, connection, modes))


def _opening(work: Work, connection: Connection, modes: str) -> str:
    level = "" if "ISOLATION" in modes else "ISOLATION LEVEL READ COMMITTED "
    return f"BEGIN {level}{modes} READ WRITE; {limits(work, connection, scope='SET LOCAL')}; "


async def _take_fate(work: Work, connection: Connection, *, opening: str = "", held: bool = False) -> None:
    """Ask for the fate key, unless it is `held`, until it is ours; `opening` goes before, in the first message."""
    for _ in range(50):
        # all in one message the first time: a far server is a round trip away
        if held or await connection.execute(f"{opening}{attempt_to_take(work.keys.fate)}") == "SELECT 1":
            if connection.facts.pooled:
                # a pooler gives the transaction a backend of its own choice
                with contextlib.suppress(ServerError):
                    connection.backend = await work.watch.backend_of(work.keys.fate)
            return
        opening = ""
        await asyncio.sleep(0.1)
    raise ServerError(
        "An earlier attempt has not ended on the server: its transaction still holds the key that tells its fate.",
        advice="Its backend ends by itself when the server notices that its client is gone; try again in a minute.",
    )


def limits(work: Work, connection: Connection, *, scope: str) -> str:
    """Return the settings of a migration's transaction (SET LOCAL) or connection (SET), in place of the role's.

    They free the locks when this process or its host is gone. Those of the link stay on after the transaction, also
    where a reset took them away before; through a pooler the backend is somebody else's then. See
    https://www.postgresql.org/docs/18/runtime-config-client.html and
    https://www.postgresql.org/docs/18/runtime-config-connection.html#RUNTIME-CONFIG-TCP-SETTINGS.
    """
    settings = {
        "statement_timeout": f"{round(work.limits.statement_timeout * 1000)}ms",
        "idle_in_transaction_session_timeout": "60s",
    }
    if scope == "SET":
        # Each statement outside a transaction commits by itself, and what was said to be done must outlive a crash.
        settings["synchronous_commit"] = "on"
    if connection.facts.version_num >= 140000:
        settings["client_connection_check_interval"] = "1s"
    if connection.facts.version_num >= 170000:
        settings["transaction_timeout"] = "0"
    lasting = scope if connection.facts.pooled else "SET"
    return "; ".join(
        [
            *(f"{scope} {name} = '{value}'" for name, value in settings.items()),
            *(f"{lasting} {name} = '{value}'" for name, value in KEEPALIVES.items()),
        ]
    )


async def as_approved(work: Work, connection: Connection) -> None:
    """Compare the history with the approved one plus our own rows; raises `PlanChanged` where it is another one."""
    if await connection.execute(work.ledger.unchanged()) != "SELECT 1":
        raise PlanChanged(
            "The history is not the approved one plus what this run has done.",
            advice="Somebody else wrote to it meanwhile: look with `changeover status`.",
        )


async def _record(work: Work, planned: PlannedMigration, connection: Connection, *, seconds: float) -> None:
    """Write the history row and, in the same message, see that the transaction is still the one that we began."""
    rows = work.ledger.recording(deed_of(work.ledger, planned), seconds=seconds).rstrip().rstrip(";")
    # A file may have changed the role; the history belongs to the one that connected.
    last = f"RESET ROLE; {rows}; SET LOCAL synchronous_commit = on; {XID_SAME}"
    if await connection.execute(last) != "SELECT 1":
        raise Escaped


async def _commit(work: Work, planned: PlannedMigration, connection: Connection, progress: _Progress) -> Ending:
    if was_cancelled():
        raise asyncio.CancelledError
    work.emit(MigrationCommitting(version=planned.migration.version, xid=progress.xid))
    tag = await to_completion(silence.execute(connection, work.watch, "COMMIT"))
    if tag != "COMMIT":
        # On a failed transaction the server answers COMMIT with ROLLBACK and no error.
        raise ServerError(
            f"The server answered COMMIT with {tag}: nothing of the migration is there.",
            advice="It was rolled back whole. What failed is in the server's log; mend that, and apply again.",
        )
    return Applied(xid=progress.xid, deferred=progress.deferred)


async def _rolled_back(connection: Connection, ending: Ending, progress: _Progress) -> Ending:
    """Return `ending` once the server has acknowledged the rollback; else what became of it is not known here."""
    try:
        if connection.in_transaction:
            await connection.execute("ROLLBACK", timeout=_ROLLBACK)
    except ServerError as error:
        connection.terminate()
        return Lost(fault=fault_of(error), xid=progress.xid, deferred=progress.deferred)
    return ending


async def _escaped(planned: PlannedMigration, connection: Connection, progress: _Progress) -> Ending:
    statement = progress.tell.statement or (planned.statements[-1] if planned.statements else None)
    fault = Fault(
        id="escaped",
        summary="The file ended our transaction on the way: what it did up to there may be committed.",
        advice="Look at what is there; take transaction control out of the file, also out of what it calls.",
        file=statement.file if statement else planned.migration.file,
        line=statement.line if statement else None,
    )
    await _rolled_back(connection, Failed(fault=fault), progress)
    upto = statement.number if statement else 0
    return HalfDone(fault=fault, left_behind=(f"whatever statements 1 to {upto} made",), stopped=False)


async def _interrupted(work: Work, connection: Connection, progress: _Progress) -> Ending:
    """Roll back at the operator's word; known to have stopped only once the watch has seen the backend at rest."""
    backend = connection.backend
    pressing = asyncio.create_task(_press(work), name="cancel again")
    try:
        ending = await _rolled_back(connection, Interrupted(backend=backend), progress)
    finally:
        pressing.cancel()
    await connection.close()
    if isinstance(ending, Lost):
        return replace(ending, stopped=backend)
    key = work.keys.fate if connection.facts.pooled else None
    if await work.watch.at_rest(backend, within=_ROLLBACK, key=key):
        return ending
    fault = Fault(id="connection-lost", summary="The server has not confirmed that the migration stopped.")
    return Lost(fault=fault, xid=progress.xid, stopped=backend)


async def _press(work: Work) -> None:
    """Cancel again and again: a CancelRequest that overtakes the statement on its way finds nothing to cancel."""
    while True:
        await asyncio.sleep(_PRESS)
        await work.watch.cancel_holder(work.keys.fate, work.connect.application("migration"))
