"""What was found, planned and done -> the documents that `--json` prints. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from .briefs import masked
from .document_types import (
    VERSION,
    ApplyDocument,
    AttemptPart,
    CheckDocument,
    LockPart,
    LogsDocument,
    MigrationStatusPart,
    PlacePart,
    PlanDocument,
    PlannedMigrationPart,
    RanMigrationPart,
    RanStatementPart,
    RowPart,
    SessionDocument,
    SessionPart,
    StatementPart,
    StatusDocument,
    TargetPart,
)
from .errors import Fault
from .events import Result
from .plan import PlannedMigration, PlannedStatement
from .precheck import Decision, Row
from .session_log import SessionSummary
from .status import MigrationStatus
from .survey import Survey
from .target import Target
from .view import AttemptView, MigrationView, RunView


def status_document(survey: Survey, target: Target) -> StatusDocument:
    """Return the document of `status`."""
    return StatusDocument(
        changeover=VERSION,
        target=target_part(target),
        server=survey.server,
        format=survey.history.format,
        history=survey.history.table,
        history_exists=survey.history.exists,
        migrations=tuple(_status(one) for one in survey.statuses),
        pending=len(survey.plan.migrations),
    )


def check_document(survey: Survey, target: Target, attempts: Sequence[AttemptView]) -> CheckDocument:
    """Return the document of `check`; `attempts` are those of the connection that looked."""
    return CheckDocument(
        changeover=VERSION,
        target=target_part(target),
        server=survey.server,
        attempts=tuple(
            AttemptPart(
                number=attempt.number,
                of=attempt.of,
                address=attempt.address,
                duration_ms=None if attempt.elapsed is None else _ms(attempt.elapsed),
                error=attempt.fault,
            )
            for attempt in attempts
        ),
        rows=tuple(_row(row) for row in survey.plan.rows),
        ready=survey.plan.ready,
        refusals=survey.plan.refusals,
        pending=len(survey.plan.migrations),
    )


def plan_document(survey: Survey, target: Target) -> PlanDocument:
    """Return the document of `plan`."""
    return PlanDocument(
        changeover=VERSION,
        target=target_part(target),
        server=survey.server,
        digest=survey.plan.digest,
        ready=survey.plan.ready,
        refusals=survey.plan.refusals,
        migrations=tuple(_planned(one) for one in survey.plan.migrations),
    )


def apply_document(
    view: RunView, target: Target, *, session: str, outcome: Result, exit_code: int, error: Fault | None = None
) -> ApplyDocument:
    """Return the document of `apply`: what the events of the run say, or why none began."""
    return ApplyDocument(
        changeover=VERSION,
        session=session,
        target=target_part(target),
        server=view.server,
        digest=view.digest,
        outcome=outcome,
        exit_code=exit_code,
        migrations=tuple(_ran(one) for one in view.migrations),
        left_behind=view.left_behind,
        post_checks=(),
        connections_closed=view.connections_closed or 0,
        error=error or view.fault,
    )


def logs_document(folder: str, sessions: Sequence[SessionSummary]) -> LogsDocument:
    """Return the document of `logs`."""
    parts = tuple(
        SessionPart(
            id=one.id,
            opened_at=datetime.fromtimestamp(one.opened_at, UTC),
            command=one.command,
            target=one.target,
            by=one.by,
            result=one.result,
            exit_code=one.exit_code,
            running=one.running,
        )
        for one in sessions
    )
    return LogsDocument(changeover=VERSION, folder=folder, sessions=parts)


def session_document(session: str, events: Sequence[Mapping[str, Any]]) -> SessionDocument:
    """Return the document of `logs show`."""
    return SessionDocument(changeover=VERSION, session=session, events=tuple(dict(event) for event in events))


def target_part(target: Target) -> TargetPart:
    """Return a target as documents show it."""
    return TargetPart(
        name=target.name,
        host=target.host,
        port=target.port,
        database=target.database,
        user=target.user,
        sslmode=target.sslmode,
        protected=target.protected,
        environment=target.environment,
        sources=target.sources,
    )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _status(one: MigrationStatus) -> MigrationStatusPart:
    return MigrationStatusPart(
        version=one.version,
        name=one.name,
        file=one.file,
        state=one.state,
        applied_at=one.applied_at,
        operator=one.operator,
        duration_ms=one.duration_ms,
        checksum=one.checksum,
        note=one.note,
    )


def _row(row: Row) -> RowPart:
    place = row.needed_by
    return RowPart(
        object=row.object,
        kind=row.kind,
        needed_by=PlacePart(file=place.file, line=place.line, column=place.column),
        version=row.version,
        expected=row.expected,
        found=row.found,
        verdict=row.verdict,
    )


def _planned(planned: PlannedMigration) -> PlannedMigrationPart:
    migration = planned.migration
    return PlannedMigrationPart(
        version=migration.version,
        name=migration.name,
        file=migration.file,
        entry=planned.entry,
        transactional=planned.transactional,
        checksum=migration.checksums.exact,
        statements=tuple(_statement(one) for one in planned.statements),
    )


def _statement(one: PlannedStatement) -> StatementPart:
    return StatementPart(
        number=one.number,
        line=one.line,
        column=one.column,
        kind=one.kind,
        sql=masked(one.sql),
        decision=one.decision,
        reason=one.reason,
        condition=str(one.condition) if one.condition else None,
        needs=one.needs,
        makes=one.makes,
        changes=one.changes,
        drops=one.drops,
        satisfied=one.decision is Decision.SKIP,
        locks=tuple(LockPart(relation=claim.relation, mode=claim.mode) for claim in one.locks),
        rewrites=one.rewrites,
        scans=one.scans,
        builds=one.builds,
        long=one.long,
        source=one.source,
        error=one.error,
        hazards=one.hazards,
    )


def _ran(migration: MigrationView) -> RanMigrationPart:
    cells = [progress for row in migration.rows for progress in row]
    return RanMigrationPart(
        version=migration.brief.version,
        name=migration.brief.name,
        file=migration.brief.file,
        entry=migration.brief.entry,
        outcome=migration.result.value if migration.result else "not_run",
        attempts=migration.attempt,
        duration_ms=_ms(migration.elapsed),
        xid=migration.xid,
        statements=tuple(
            RanStatementPart(
                number=brief.number,
                line=brief.line,
                column=brief.column,
                kind=brief.kind,
                state=progress.state.value,
                tag=progress.tag,
                duration_ms=_ms(progress.elapsed),
                reason=progress.reason or brief.reason,
                notices=progress.notices,
                error=progress.fault,
            )
            for brief, progress in zip(migration.brief.statements, cells, strict=True)
        ),
        deferred=migration.deferred,
        error=migration.fault,
    )
