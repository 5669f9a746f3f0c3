"""What would run, with its digest; `Plan.approve` makes the only `Approval`."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from .copy_data import CopyData
from .directives import Condition
from .errors import Fault, PlanChanged
from .history import History, StepRecord
from .history.ledger import Record
from .limits import Limits
from .locks import LockMode
from .migration import Migration
from .precheck import Decision, Row, Wish
from .rights import Right
from .schema_difference import Change


class LockClaim(Struct, frozen=True, kw_only=True):
    """The strongest lock that a statement takes on one relation."""

    relation: str
    mode: LockMode


class HazardFinding(Struct, frozen=True, kw_only=True):
    """A named danger in a statement; `severe` ones stop the run unless they are allowed."""

    id: str
    # severe, warning or note
    severity: str
    title: str
    relation: str
    # what happens, with rows and size of this relation
    text: str
    # SQL for the safe way; empty where there is none
    instead: str
    # whether `instead` can run as it is, and does what the statement does
    complete: bool = False
    # how long it blocks at the stated rate; None where that is not known
    seconds: float | None = None
    # the manual's section
    manual: str = ""
    # file, settings, flag or operator; None where nobody allowed it
    allowed_by: str | None
    # why it was allowed
    reason: str = ""

    @property
    def stops(self) -> bool:
        """Whether it keeps the plan from running."""
        return self.severity == "severe" and self.allowed_by is None


class PlannedStatement(Struct, frozen=True, kw_only=True):
    """A statement with what becomes of it and what it will do."""

    number: int
    # the migration's own, or one that it puts in
    file: str
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
    # an earlier attempt, outside a transaction, did it
    done_before: bool = False
    # ours and not the file's: it makes room for the statement after it
    added: bool = False
    # the rows that a COPY takes from the file
    data: CopyData | None = None
    # which of the file's own transactions it is in, from 1; 0 where it commits by itself or the file is one
    segment: int = 0


class PlannedMigration(Struct, frozen=True, kw_only=True):
    """An entry of a plan: one migration, and what is done with it.

    `entry` is migration, deferred (the deferred steps of one in force), revert, baseline or repair; the attempt log
    has the same word. `migration` names the script that runs: for a revert, that is the revert script.
    """

    migration: Migration
    entry: str
    transactional: bool
    statements: tuple[PlannedStatement, ...]
    record: Record = Record.APPLIED
    # of a repair: the operator's reason
    reason: str = ""
    carried: tuple[StepRecord, ...] = ()


class Measurement(Struct, frozen=True, kw_only=True):
    """One statement on the shadow; relations by their qualified names before it."""

    # which entry of the plan, from 0, and which statement of it
    entry: int
    number: int
    locks: tuple[LockClaim, ...] = ()
    rewrites: tuple[str, ...] = ()
    scans: tuple[str, ...] = ()
    builds: tuple[str, ...] = ()
    long: bool = False
    notices: tuple[str, ...] = ()
    # the server's answer, where the statement failed
    error: Fault | None = None
    # why it was not run, or why its failure says nothing; its effects stay estimated then
    unknowable: str = ""
    # locks of a statement that cannot be held still are sampled: whether all that is documented was seen
    complete: bool = True

    @property
    def is_measured(self) -> bool:
        """Whether the server said what the statement does."""
        return not self.unknowable and self.error is None and self.complete


class Rehearsal(Struct, frozen=True, kw_only=True):
    """A plan on a shadow of its target's schema.

    It stands beside the plan and never in the digest: it tells what an approved plan will do, it is no part of it.
    """

    digest: str
    # seconds since the epoch
    at: float
    # in words: PostgreSQL 18.6, embedded
    shadow: str
    # server_version_num
    version_num: int
    statements: tuple[Measurement, ...]
    # what the plan changes in the catalog, as the shadow showed it
    difference: tuple[Change, ...]
    # what is not as on the target, and what was done about it; whole sentences
    remarks: tuple[str, ...]
    # part -> seconds
    phases: dict[str, float]

    @property
    def elapsed(self) -> float:
        """Seconds of all parts."""
        return sum(self.phases.values())

    def of(self, entry: int, number: int) -> Measurement | None:
        """Return what was measured of a statement."""
        return next((it for it in self.statements if (it.entry, it.number) == (entry, number)), None)


class Approval(Struct, frozen=True, kw_only=True):
    """The leave to run exactly one plan. Made by `Plan.approve` and nowhere else."""

    digest: str
    by: str
    # what was pressed or typed: "--yes", "typed database name", ...
    how: str
    # finish (the migration in hand, then stop), continue or rollback
    on_hangup: str = "finish"
    # letter by letter, where something was typed
    typed: str = ""
    # hazards that were allowed on the way to it, with the reason that was typed
    allowed: dict[str, str] = field(default_factory=dict)


class Plan(Struct, frozen=True, kw_only=True):
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
    # what is odd about it and stops nothing
    notes: tuple[Fault, ...] = ()
    # what a shadow showed of this very plan; no part of the digest
    rehearsal: Rehearsal | None = None
    # what its statements need of our role; asked of the server, and never part of the digest
    rights: tuple[Right, ...] = ()
    # what its statements say of columns that are there already, to be held against them
    columns: tuple[Wish, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether the plan may run once it is approved."""
        return not self.refusals

    @property
    def can_be_allowed(self) -> bool:
        """Whether nothing but severe hazards stops the plan, which the operator may allow."""
        return bool(self.refusals) and all(fault.id == "hazard" for fault in self.refusals)

    @property
    def statement_count(self) -> int:
        """Statements in it, those that are skipped or deferred included."""
        return sum(len(planned.statements) for planned in self.migrations)

    @property
    def hazards(self) -> tuple[tuple[PlannedMigration, PlannedStatement, HazardFinding], ...]:
        """Every hazard of the plan with its place, those that stop it first, then by severity."""
        found = [(m, s, h) for m in self.migrations for s in m.statements for h in s.hazards]
        order = {"severe": 1, "warning": 2, "note": 3}
        return tuple(sorted(found, key=lambda it: 0 if it[2].stops else order.get(it[2].severity, 4)))

    def approve(
        self,
        *,
        digest: str,
        by: str,
        how: str,
        on_hangup: str = "finish",
        typed: str = "",
        allowed: Mapping[str, str] | None = None,
    ) -> Approval:
        """Return the approval of this plan by somebody who has seen the plan with `digest`.

        `allowed` is what the operator allowed on the way, with the reasons.
        Raises `PlanChanged` where that was another plan.
        """
        if digest != self.digest:
            raise PlanChanged(
                f"The plan has changed: it was approved as {digest[:12]}, and is now {self.digest[:12]}.",
                advice="Read the plan again and approve it anew; files, history, conditions or limits have changed.",
            )
        return Approval(digest=digest, by=by, how=how, on_hangup=on_hangup, typed=typed, allowed=dict(allowed or {}))
