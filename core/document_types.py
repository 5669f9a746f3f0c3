"""The documents that `--json` prints: a contract, whose JSON Schemas in `schemas/` are made from these classes.

Every key is always there. `changeover` is the version of the contract; a key may be added within a version, none is
taken away or changes its meaning. `documents` fills them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

import msgspec

from .errors import ExitCode, Fault
from .events import Result, ServerFacts
from .locks import LockMode
from .plan import HazardFinding
from .precheck import Decision, Verdict
from .status import State

VERSION: Final = 1
Version: TypeAlias = Literal[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetPart:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacePart:
    """Where in a migration file; line and column count from 1."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationStatusPart:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusDocument:
    """`changeover status --json`."""

    changeover: Version
    target: TargetPart
    server: ServerFacts
    format: str
    # qualified name of the history table; history_exists tells whether it is there yet
    history: str
    history_exists: bool
    migrations: tuple[MigrationStatusPart, ...]
    pending: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptPart:
    """A connection attempt; `error` is None for the one that succeeded."""

    number: int
    of: int
    address: str
    duration_ms: int | None
    error: Fault | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPart:
    """A row of the pre-check table."""

    object: str
    kind: str
    needed_by: PlacePart
    version: str
    expected: str
    found: str
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckDocument:
    """`changeover check --json`. `refusals` says why `ready` is false."""

    changeover: Version
    target: TargetPart
    server: ServerFacts
    attempts: tuple[AttemptPart, ...]
    rows: tuple[RowPart, ...]
    ready: bool
    refusals: tuple[Fault, ...]
    pending: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LockPart:
    """The strongest lock on one relation."""

    relation: str
    mode: LockMode


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementPart:
    """A statement of a plan."""

    number: int
    line: int
    column: int
    kind: str
    sql: str
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
    hazards: tuple[HazardFinding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedMigrationPart:
    """A migration of a plan; `entry` is `deferred` where only its deferred steps are left."""

    version: str
    name: str
    file: str
    entry: str
    transactional: bool
    checksum: str
    statements: tuple[StatementPart, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDocument:
    """`changeover plan --json`, printed whole also where the plan cannot run."""

    changeover: Version
    target: TargetPart
    server: ServerFacts
    digest: str
    ready: bool
    refusals: tuple[Fault, ...]
    migrations: tuple[PlannedMigrationPart, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RanStatementPart:
    """What became of a statement: waiting, running, done, skipped, deferred or failed."""

    number: int
    line: int
    column: int
    kind: str
    state: str
    tag: str
    duration_ms: int
    reason: str
    notices: int
    error: Fault | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RanMigrationPart:
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
    error: Fault | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PostCheckPart:
    """Something that was looked at after the run."""

    object: str
    expected: str
    found: str
    ok: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyDocument:
    """`changeover apply --json`; `error` says why the outcome is not `applied` or `nothing_to_do`."""

    changeover: Version
    session: str
    target: TargetPart
    server: ServerFacts | None
    digest: str
    outcome: Result
    exit_code: int
    migrations: tuple[RanMigrationPart, ...]
    left_behind: tuple[str, ...]
    post_checks: tuple[PostCheckPart, ...]
    connections_closed: int
    error: Fault | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorPart:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorDocument:
    """What every command prints in failure."""

    changeover: Version
    error: ErrorPart
    exit_code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPart:
    """A session of the list; `result` and `exit_code` are None where it never said them."""

    id: str
    opened_at: datetime
    command: str
    target: str
    by: str
    result: str | None
    exit_code: int | None
    running: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LogsDocument:
    """`changeover logs --json`, newest first."""

    changeover: Version
    folder: str
    sessions: tuple[SessionPart, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDocument:
    """`changeover logs show ID --json`: the events as the session log has them."""

    changeover: Version
    session: str
    events: tuple[dict[str, Any], ...]


Document: TypeAlias = (
    StatusDocument | CheckDocument | PlanDocument | ApplyDocument | ErrorDocument | LogsDocument | SessionDocument
)

# Name of the schema's file -> class.
DOCUMENTS: Final[dict[str, type[Any]]] = {
    "status": StatusDocument,
    "check": CheckDocument,
    "plan": PlanDocument,
    "apply": ApplyDocument,
    "error": ErrorDocument,
    "logs": LogsDocument,
    "session": SessionDocument,
}


def text_of(document: Document) -> str:
    """Return the JSON text: indented, its characters ASCII, so that no value in it can act on a terminal."""
    return json.dumps(msgspec.to_builtins(document), indent=2, ensure_ascii=True)


def schema_text(name: str) -> str:
    """Return the text of the JSON Schema (2020-12) of a document."""
    schema = msgspec.json.schema(DOCUMENTS[name])
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"changeover {name}"}
    return json.dumps({**head, **schema}, indent=2, ensure_ascii=True) + "\n"


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
