"""How far an attempt outside a transaction is: the state of each statement, and what of it goes into the history."""

from __future__ import annotations

from msgspec import Struct, field

from .connect import Connection
from .errors import Fault, ServerError
from .history import StepRecord
from .plan import PlannedMigration, PlannedStatement
from .precheck import Decision
from .recording import deed_of
from .resume import step_hash
from .telling import Telling
from .watch import LockBudget
from .work import Work


class Steps(Struct):
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
    # whether the transaction that records the end is under way, and its id
    recording: bool = False
    xid: str | None = None
    # what is in the file's own transaction whose COMMIT was sent, until its answer was heard
    in_hand: tuple[int, ...] = ()
    # that answer was lost, and the catalog does not show what became of it
    commit_lost: bool = False


def ended(statement: PlannedStatement) -> str:
    """Return what the attempt log says of a statement that came to its end."""
    if statement.added:
        return "dropped"
    if statement.decision is Decision.RUN or statement.done_before:
        return "done"
    return "skipped" if statement.decision is Decision.SKIP else "deferred"


def step_records(planned: PlannedMigration, steps: Steps) -> list[StepRecord]:
    """Return the state of each statement as the history keeps it."""
    ours = (
        StepRecord(number=it.number, sha256=step_hash(it.sql, it.data), state=steps.states.get(it.number, "waiting"))
        for it in planned.statements
    )
    return [*planned.carried, *ours]


def attempt_row(work: Work, planned: PlannedMigration, steps: Steps, *, state: str, fault: Fault | None = None) -> str:
    """Return the statements that record how far the attempt is; empty where the format has no place for it."""
    return work.ledger.attempt(
        deed_of(work.ledger, planned),
        state=state,
        sqlstate=fault.sqlstate if fault else None,
        error=fault.summary if fault else None,
        steps=step_records(planned, steps),
    )


async def under_way(work: Work, planned: PlannedMigration, connection: Connection, steps: Steps) -> None:
    """Write into the history how far the attempt is; where the format has no place for it, the session log has it.

    What is to be sent is on disk before that is done. Between the steps no lock of a table is held.
    """
    if row := attempt_row(work, planned, steps, state="running"):
        await connection.execute(row)
        work.ledger.attempted(deed_of(work.ledger, planned), "running")
    elif not await work.journal.seal():
        raise ServerError(
            "The session log cannot be written, and nothing else tells how far this migration came.",
            advice=f"Make room for {work.journal.path.parent}, then apply again: it goes on where it stopped.",
        )
