"""What would run, with its digest; `Plan.approve` makes the only `Approval`."""

from __future__ import annotations

from dataclasses import dataclass

from .directives import Condition
from .errors import Fault, PlanChanged
from .history import History
from .locks import LockMode
from .migration import Migration
from .precheck import Decision, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How a run gives way; seconds. They are part of the digest."""

    # lock waiting of one attempt, over all its statements
    lock_timeout: float = 2.0
    lock_attempts: int = 10
    # pause before the next attempt: doubled from the first to the second number, jittered
    lock_pause: tuple[float, float] = (1.0, 30.0)
    # 0 is no limit
    statement_timeout: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LockClaim:
    """The strongest lock that a statement takes on one relation."""

    relation: str
    mode: LockMode


@dataclass(frozen=True, slots=True, kw_only=True)
class HazardFinding:
    """A named danger in a statement; `severe` ones stop the run unless they are allowed."""

    id: str
    severity: str
    relation: str
    text: str
    # SQL or advice for the safe way; empty where there is none
    instead: str
    # file, settings, flag; None where nobody allowed it
    allowed_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStatement:
    """A statement with what becomes of it and what it will do."""

    number: int
    line: int
    column: int
    sql: str
    kind: str
    outside_transaction: bool
    decision: Decision
    # why it is skipped or deferred, in words; empty for `run`
    reason: str
    # what must hold for a conditional step; checked again inside the transaction
    condition: Condition | None
    # a query of ours that answers one row as long as the decision stands, asked again inside the transaction
    proof: str | None
    # deferred by a guard of its own (DO ... IF EXISTS): it is sent all the same, and says so itself
    guards_itself: bool
    needs: tuple[str, ...]
    makes: tuple[str, ...]
    changes: tuple[str, ...]
    drops: tuple[str, ...]
    locks: tuple[LockClaim, ...]
    rewrites: tuple[str, ...]
    scans: tuple[str, ...]
    builds: tuple[str, ...]
    long: bool
    # measured (by a rehearsal) or estimated
    source: str
    error: str | None
    hazards: tuple[HazardFinding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedMigration:
    """A pending migration, or the deferred steps of one that is in force (`entry` is `deferred`)."""

    migration: Migration
    entry: str
    transactional: bool
    statements: tuple[PlannedStatement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """The leave to run exactly one plan. Made by `Plan.approve` and nowhere else."""

    digest: str
    by: str
    # what was pressed or typed: "--yes", "typed database name", ...
    how: str
    # finish (the migration in hand, then stop), continue or rollback
    on_hangup: str = "finish"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Pure: folder, history, catalog and settings, worked out."""

    digest: str
    database: str
    system_identifier: str
    limits: Limits
    history: History
    migrations: tuple[PlannedMigration, ...]
    rows: tuple[Row, ...]
    # why the plan cannot run; empty when it can
    refusals: tuple[Fault, ...]

    @property
    def ready(self) -> bool:
        """Whether the plan may run once it is approved."""
        return not self.refusals

    @property
    def statement_count(self) -> int:
        """Statements in it, those that are skipped or deferred included."""
        return sum(len(planned.statements) for planned in self.migrations)

    def approve(self, *, digest: str, by: str, how: str, on_hangup: str = "finish") -> Approval:
        """Return the approval of this plan by somebody who has seen the plan with `digest`.

        Raises `PlanChanged` where that was another plan.
        """
        if digest != self.digest:
            raise PlanChanged(
                f"The plan has changed: it was approved as {digest[:12]}, and is now {self.digest[:12]}.",
                advice="Read the plan again and approve it anew; files, history, conditions or limits have changed.",
            )
        return Approval(digest=digest, by=by, how=how, on_hangup=on_hangup)
