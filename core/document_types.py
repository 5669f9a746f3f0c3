"""The documents that `--json` prints: a contract, whose JSON Schemas in `schemas/` are made from these classes.

Every key is always there. `changeover` is the version of the contract; a key may be added within a version, none is
taken away or changes its meaning. `documents` fills them. The whole contract stands in this one module, past 400 lines.
"""

from __future__ import annotations

import inspect
import json
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

from .errors import ExitCode, Fault
from .events import AllowedHazard, Result, ServerFacts, Stalled
from .hazard_documents import HazardPart, HazardsDocument, PlacedHazardPart
from .history import OtherHistory
from .locks import LockMode
from .precheck import Aspect, Decision, Verdict
from .schema_difference import Change
from .status import State
from .traffic import Exposure

VERSION: Final = 1
Version: TypeAlias = Literal[1]


class TargetPart(Struct, frozen=True, kw_only=True):
    """The database as it was resolved, without the password, and where each value came from."""

    name: str | None
    host: str
    port: int
    database: str
    user: str
    sslmode: str
    protected: bool
    environment: str
    sources: dict[str, str]


class PlacePart(Struct, frozen=True, kw_only=True):
    """Where in a migration file; line and column count from 1."""

    file: str
    line: int
    column: int


class MigrationStatusPart(Struct, frozen=True, kw_only=True):
    """A line of `status`."""

    version: str
    name: str
    file: str | None
    state: State
    applied_at: datetime | None
    operator: str | None
    duration_ms: int | None
    checksum: str | None
    note: str


class StatusDocument(Struct, frozen=True, kw_only=True):
    """`changeover status --json`."""

    changeover: Version
    target: TargetPart
    server: ServerFacts
    format: str
    # qualified name of the history table; history_exists tells whether it is there yet
    history: str
    history_exists: bool
    also_managed_by: tuple[OtherHistory, ...]
    migrations: tuple[MigrationStatusPart, ...]
    pending: int
    # who is migrating this database right now; null where nobody is
    running: str | None


class AttemptPart(Struct, frozen=True, kw_only=True):
    """A connection attempt; `error` is None for the one that succeeded."""

    number: int
    of: int
    address: str
    duration_ms: int | None
    error: Fault | None


class RowPart(Struct, frozen=True, kw_only=True):
    """A row of the pre-check table."""

    object: str
    kind: str
    needed_by: PlacePart
    version: str
    expected: str
    found: str
    verdict: Verdict
    # SQL that mends it; empty where there is none
    remedy: str
    # type, nullable, default and definition side by side; `same` is null where they cannot be compared
    aspects: tuple[Aspect, ...]


class CheckDocument(Struct, frozen=True, kw_only=True):
    """`changeover check --json`. `refusals` says why `ready` is false."""

    changeover: Version
    target: TargetPart
    server: ServerFacts
    # histories of other tools in the same database
    also_managed_by: tuple[OtherHistory, ...]
    attempts: tuple[AttemptPart, ...]
    rows: tuple[RowPart, ...]
    # those that stop the plan first
    hazards: tuple[PlacedHazardPart, ...]
    ready: bool
    refusals: tuple[Fault, ...]
    # what is odd and stops nothing
    notes: tuple[Fault, ...]
    pending: int


class LockPart(Struct, frozen=True, kw_only=True):
    """The strongest lock on one relation."""

    relation: str
    mode: LockMode


class DataPart(Struct, frozen=True, kw_only=True):
    """Rows that stand in the file after COPY ... FROM STDIN; `line` is that of the first."""

    line: int
    lines: int
    bytes: int


class StatementPart(Struct, frozen=True, kw_only=True):
    """A statement of a plan."""

    number: int
    # the migration's own, or one that it puts in
    file: str
    line: int
    column: int
    kind: str
    sql: str
    # the rows that a COPY takes from the file
    data: DataPart | None
    decision: Decision
    reason: str
    # `table sessions` of `-- changeover: when table sessions`
    condition: str | None
    needs: tuple[str, ...]
    makes: tuple[str, ...]
    changes: tuple[str, ...]
    drops: tuple[str, ...]
    # the catalog shows that nothing is left to do: it is skipped
    satisfied: bool
    locks: tuple[LockPart, ...]
    rewrites: tuple[str, ...]
    scans: tuple[str, ...]
    builds: tuple[str, ...]
    long: bool
    source: str
    error: str | None
    hazards: tuple[HazardPart, ...]


class PlannedMigrationPart(Struct, frozen=True, kw_only=True):
    """A migration of a plan; `entry` is `deferred` where only its deferred steps are left."""

    version: str
    name: str
    file: str
    entry: str
    transactional: bool
    checksum: str
    statements: tuple[StatementPart, ...]


class UnknowablePart(Struct, frozen=True, kw_only=True):
    """A statement that a rehearsal could not measure, and why; its effects are estimated."""

    file: str
    line: int
    why: str


class RehearsalPart(Struct, frozen=True, kw_only=True):
    """The rehearsal that the measured parts of a plan come from; `remarks` is what was not as on the target."""

    at: datetime
    shadow: str
    duration_ms: int
    measured: int
    unknowable: tuple[UnknowablePart, ...]
    remarks: tuple[str, ...]
    # part -> milliseconds
    phases: dict[str, int]
    error: Fault | None


class ComparisonPart(Struct, frozen=True, kw_only=True):
    """What a run changed in the schema, against what its rehearsal had said; `error` says why nobody could tell."""

    as_rehearsed: bool
    # rehearsed, and not so on the target
    missing: tuple[Change, ...]
    # on the target, and not rehearsed
    unexpected: tuple[Change, ...]
    changes: tuple[Change, ...]
    error: Fault | None


class PlanDocument(Struct, frozen=True, kw_only=True):
    """`changeover plan --json`, printed whole also where the plan cannot run.

    `rehearsal` is null where this plan was not rehearsed; `difference` is what the rehearsal changed in the schema.
    """

    changeover: Version
    target: TargetPart
    server: ServerFacts
    digest: str
    ready: bool
    refusals: tuple[Fault, ...]
    # what is odd and stops nothing
    notes: tuple[Fault, ...]
    migrations: tuple[PlannedMigrationPart, ...]
    rehearsal: RehearsalPart | None
    difference: tuple[Change, ...]
    # who is using what the plan locks; null where the server did not say
    exposure: Exposure | None


class TogetherPart(Struct, frozen=True, kw_only=True):
    """Statements that went in one message, by number: of these the server tells neither tags nor rows."""

    first: int
    last: int


class RanStatementPart(Struct, frozen=True, kw_only=True):
    """What became of a statement: waiting, running, done, skipped, deferred or failed.

    `duration_ms` is of the message that it went in.
    """

    number: int
    # the migration's own, or one that it puts in
    file: str
    line: int
    column: int
    kind: str
    state: str
    tag: str
    # that the server says it touched; null where it says nothing of rows
    rows: int | None
    # null where it went alone
    together: TogetherPart | None
    duration_ms: int
    reason: str
    notices: int
    error: Fault | None
    # hazards in it that were allowed, by whom and why
    allowed: tuple[AllowedHazard, ...]


class BlockerPart(Struct, frozen=True, kw_only=True):
    """A connection that was in the way; null is what our role may not see."""

    pid: int
    user: str | None
    application: str | None
    kind: str | None
    state: str | None
    # of its transaction, in seconds
    xact_age: float | None
    query: str | None
    prevents_wraparound: bool


class RanMigrationPart(Struct, frozen=True, kw_only=True):
    """What became of a migration; `outcome` is one of a run's, or `not_run` where the run ended before it."""

    version: str
    name: str
    file: str
    entry: str
    outcome: str
    attempts: int
    duration_ms: int
    xid: str | None
    statements: tuple[RanStatementPart, ...]
    deferred: tuple[int, ...]
    # application sessions that waited behind its attempts; seconds
    stalled: Stalled
    # whom its last attempt gave way to
    blockers: tuple[BlockerPart, ...]
    error: Fault | None


class EndPart(Struct, frozen=True, kw_only=True):
    """A connection that somebody asked to end because it blocked the run: `how` is cancel (its statement) or terminate.

    `sent` is whether the server took that, null where the run ended before it was told; `reason` says why not.
    """

    pid: int
    how: str
    by: str
    sent: bool | None
    reason: str
    # null where it did not block the run
    blocker: BlockerPart | None


class PostCheckPart(Struct, frozen=True, kw_only=True):
    """Something that was looked at after the run."""

    object: str
    expected: str
    found: str
    ok: bool


class ApplyDocument(Struct, frozen=True, kw_only=True):
    """`changeover apply --json`; `error` says why the outcome is not `applied` or `nothing_to_do`."""

    changeover: Version
    session: str
    target: TargetPart
    server: ServerFacts | None
    digest: str
    outcome: Result
    exit_code: int
    migrations: tuple[RanMigrationPart, ...]
    # in the order in which it was asked
    ends: tuple[EndPart, ...]
    left_behind: tuple[str, ...]
    post_checks: tuple[PostCheckPart, ...]
    # null where the plan was not rehearsed
    difference: ComparisonPart | None
    connections_closed: int
    error: Fault | None


class VerificationPart(Struct, frozen=True, kw_only=True):
    """What a verify script found; `outcome` is ok or failed."""

    version: str
    name: str
    file: str
    outcome: str
    statements: int
    duration_ms: int
    error: Fault | None


class VerifyDocument(Struct, frozen=True, kw_only=True):
    """`changeover verify --json`."""

    changeover: Version
    session: str
    target: TargetPart
    server: ServerFacts
    ok: bool
    exit_code: int
    verifications: tuple[VerificationPart, ...]


class StepPart(Struct, frozen=True, kw_only=True):
    """A statement of a migration that stopped half-way.

    `recorded` is what the attempt log says: waiting, running, done, skipped or deferred. `found` is what the catalog
    says: done, not done, invalid or unknown.
    """

    number: int
    line: int
    kind: str
    sql: str
    recorded: str
    found: str
    edited: bool
    note: str


class CasePart(Struct, frozen=True, kw_only=True):
    """A migration that needs a look; `remedies` are the answers that are open, `safe` the one that cannot be wrong."""

    version: str
    name: str
    file: str
    state: State
    note: str
    reverting: bool
    steps: tuple[StepPart, ...]
    invalid_indexes: tuple[str, ...]
    remedies: tuple[str, ...]
    safe: str | None
    why: str


class RepairDocument(Struct, frozen=True, kw_only=True):
    """`changeover repair --json`: what was found, the runs that settled it, and the versions that are still open.

    `recovered` are sessions whose runner had died, and whose outcome was settled by reading the history; `backends`
    are the pids of what still works for a runner that is gone.
    """

    changeover: Version
    session: str
    target: TargetPart
    server: ServerFacts | None
    cases: tuple[CasePart, ...]
    runs: tuple[ApplyDocument, ...]
    open: tuple[str, ...]
    recovered: tuple[str, ...]
    backends: tuple[int, ...]
    exit_code: int


class NewDocument(Struct, frozen=True, kw_only=True):
    """`changeover new --json`: the files that were written."""

    changeover: Version
    version: str
    files: tuple[str, ...]


class ErrorPart(Struct, frozen=True, kw_only=True):
    """What went wrong, and what to do."""

    id: str
    summary: str
    advice: str
    sqlstate: str | None
    detail: str | None
    hint: str | None
    file: str | None
    line: int | None
    column: int | None


class ErrorDocument(Struct, frozen=True, kw_only=True):
    """What every command prints in failure."""

    changeover: Version
    error: ErrorPart
    exit_code: int


class SessionPart(Struct, frozen=True, kw_only=True):
    """A session of the list; `result` and `exit_code` are None where it never said them."""

    id: str
    opened_at: datetime
    command: str
    target: str
    by: str
    result: str | None
    exit_code: int | None
    running: bool


class LogsDocument(Struct, frozen=True, kw_only=True):
    """`changeover logs --json`, newest first."""

    changeover: Version
    folder: str
    sessions: tuple[SessionPart, ...]


class RemovalPart(Struct, frozen=True, kw_only=True):
    """A session that was removed, or would be, and why."""

    id: str
    opened_at: datetime
    target: str
    bytes: int
    why: str


class PruneDocument(Struct, frozen=True, kw_only=True):
    """`changeover logs prune --json`, oldest first; with `dry_run` they are all still there."""

    changeover: Version
    folder: str
    dry_run: bool
    removed: tuple[RemovalPart, ...]


class PathDocument(Struct, frozen=True, kw_only=True):
    """`changeover logs path --json`: the folder of a session, or the one that has them all."""

    changeover: Version
    path: str


class SessionDocument(Struct, frozen=True, kw_only=True):
    """`changeover logs show ID --json`: the events as the session log has them."""

    changeover: Version
    session: str
    events: tuple[dict[str, Any], ...]


Document: TypeAlias = (
    StatusDocument
    | CheckDocument
    | PlanDocument
    | ApplyDocument
    | VerifyDocument
    | RepairDocument
    | NewDocument
    | ErrorDocument
    | LogsDocument
    | PruneDocument
    | PathDocument
    | SessionDocument
    | HazardsDocument
)

# Name of the schema's file -> class.
DOCUMENTS: Final[dict[str, type[Any]]] = {
    "status": StatusDocument,
    "check": CheckDocument,
    "plan": PlanDocument,
    "apply": ApplyDocument,
    "verify": VerifyDocument,
    "repair": RepairDocument,
    "new": NewDocument,
    "error": ErrorDocument,
    "hazards": HazardsDocument,
    "logs": LogsDocument,
    "prune": PruneDocument,
    "path": PathDocument,
    "session": SessionDocument,
}


def text_of(document: Document) -> str:
    """Return the JSON text: indented, its characters ASCII, so that no value in it can act on a terminal."""
    # indented by msgspec: json's own encoder in C does not, and takes ten times as long in Python
    return msgspec.json.format(json.dumps(msgspec.to_builtins(document), ensure_ascii=True), indent=2)


def schema_text(name: str) -> str:
    """Return the text of the JSON Schema (2020-12) of a document."""
    schema = _dedented(msgspec.json.schema(DOCUMENTS[name]))
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"changeover {name}"}
    return json.dumps({**head, **schema}, indent=2, ensure_ascii=True) + "\n"


def _dedented(schema: Any) -> Any:
    """Return the schema with its descriptions free of the indentation of our source.

    They are docstrings, which Python strips of it itself from 3.13 on: the text must not depend on the version.
    """
    if isinstance(schema, list):
        return [_dedented(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: inspect.cleandoc(value) if key == "description" and isinstance(value, str) else _dedented(value)
        for key, value in schema.items()
    }


def error_document(fault: Fault, exit_code: ExitCode) -> ErrorDocument:
    """Return the document of a failure."""
    part = ErrorPart(
        id=fault.id,
        summary=fault.summary,
        advice=fault.advice,
        sqlstate=fault.sqlstate,
        detail=fault.detail,
        hint=fault.hint,
        file=fault.file,
        line=fault.line,
        column=fault.column,
    )
    return ErrorDocument(changeover=VERSION, error=part, exit_code=int(exit_code))
