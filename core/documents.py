"""What was found, planned and done -> the documents that `--json` prints. Pure.

Past 400 lines: a function for each document, and one for each of the parts that they share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from .document_types import (
    VERSION,
    ApplyDocument,
    AttemptPart,
    BlockerPart,
    CasePart,
    CheckDocument,
    ComparisonPart,
    DataPart,
    EndPart,
    LockPart,
    LogsDocument,
    MigrationStatusPart,
    PlacePart,
    PlanDocument,
    PlannedMigrationPart,
    PostCheckPart,
    PruneDocument,
    RanMigrationPart,
    RanStatementPart,
    RehearsalPart,
    RemovalPart,
    RepairDocument,
    RowPart,
    SessionDocument,
    SessionPart,
    StatementPart,
    StatusDocument,
    StepPart,
    TargetPart,
    TogetherPart,
    UnknowablePart,
    VerificationPart,
    VerifyDocument,
)
from .errors import Fault
from .events import Backend, RehearsalCompared, Result, ServerFacts
from .hazard_documents import hazard_part, hazard_parts
from .masking import masked
from .plan import Plan, PlannedMigration, PlannedStatement, Rehearsal
from .precheck import Decision, Row
from .rehearsal import failure_of
from .repair import Case
from .retention import Removal
from .session_log import SessionSummary
from .status import MigrationStatus
from .survey import Glance, Survey
from .target import Target
from .verify import Verification
from .view import AttemptView, EndView, MigrationView, Progress, RunView


def status_document(found: Survey | Glance, target: Target, *, pending: int) -> StatusDocument:
    """Return the document of `status`; `pending` is how many migrations would run."""
    return StatusDocument(
        changeover=VERSION,
        target=target_part(target),
        server=found.server,
        format=found.history.format,
        history=found.history.table,
        history_exists=found.history.exists,
        also_managed_by=found.history.others,
        migrations=tuple(_status(one) for one in found.statuses),
        pending=pending,
        running=found.running or None,
    )


def check_document(survey: Survey, target: Target, attempts: Sequence[AttemptView]) -> CheckDocument:
    """Return the document of `check`; `attempts` are those of the connection that looked."""
    return CheckDocument(
        changeover=VERSION,
        target=target_part(target),
        server=survey.server,
        also_managed_by=survey.history.others,
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
        hazards=hazard_parts(survey.plan),
        ready=survey.plan.ready,
        refusals=survey.plan.refusals,
        notes=survey.plan.notes,
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
        notes=survey.plan.notes,
        migrations=tuple(_planned(one) for one in survey.plan.migrations),
        rehearsal=_rehearsal(survey.plan, survey.plan.rehearsal) if survey.plan.rehearsal else None,
        difference=survey.plan.rehearsal.difference if survey.plan.rehearsal else (),
        exposure=survey.exposure,
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
        ends=tuple(_end(one) for one in view.ends),
        left_behind=view.left_behind,
        post_checks=tuple(
            PostCheckPart(object=finding.object, expected=finding.expected, found=finding.found, ok=False)
            for finding in view.post_checks or ()
        ),
        difference=_comparison(view.compared) if view.compared else None,
        connections_closed=view.connections_closed or 0,
        error=error or view.fault,
    )


def verify_document(
    found: Sequence[Verification], target: Target, server: ServerFacts, *, session: str, exit_code: int
) -> VerifyDocument:
    """Return the document of `verify`."""
    return VerifyDocument(
        changeover=VERSION,
        session=session,
        target=target_part(target),
        server=server,
        ok=all(one.fault is None for one in found),
        exit_code=exit_code,
        verifications=tuple(
            VerificationPart(
                version=one.version,
                name=one.name,
                file=one.file,
                outcome="ok" if one.fault is None else "failed",
                statements=one.statements,
                duration_ms=_ms(one.elapsed),
                error=one.fault,
            )
            for one in found
        ),
    )


def repair_document(
    cases: Sequence[Case],
    target: Target,
    server: ServerFacts | None,
    *,
    session: str,
    runs: Sequence[ApplyDocument],
    still_open: Sequence[str],
    recovered: Sequence[str],
    backends: Sequence[int],
    exit_code: int,
) -> RepairDocument:
    """Return the document of `repair`."""
    return RepairDocument(
        changeover=VERSION,
        session=session,
        target=target_part(target),
        server=server,
        cases=tuple(_case(case) for case in cases),
        runs=tuple(runs),
        open=tuple(still_open),
        recovered=tuple(recovered),
        backends=tuple(backends),
        exit_code=exit_code,
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


def prune_document(folder: str, removals: Sequence[Removal], *, dry_run: bool) -> PruneDocument:
    """Return the document of `logs prune`."""
    parts = tuple(
        RemovalPart(
            id=one.session.id,
            opened_at=datetime.fromtimestamp(one.session.opened_at, UTC),
            target=one.session.target,
            bytes=one.session.size,
            why=one.why,
        )
        for one in removals
    )
    return PruneDocument(changeover=VERSION, folder=folder, dry_run=dry_run, removed=parts)


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


def _case(case: Case) -> CasePart:
    return CasePart(
        version=case.version,
        name=case.status.name,
        file=case.file,
        state=case.status.state,
        note=case.status.note,
        reverting=case.undoing,
        steps=tuple(
            StepPart(
                number=step.statement.number,
                line=step.statement.place.line,
                kind=step.statement.kind,
                sql=masked(step.statement.sql),
                recorded=step.recorded,
                found=step.found.value,
                edited=step.is_edited,
                note=step.note,
            )
            for step in case.steps
        ),
        invalid_indexes=tuple(index.name for index in case.invalid),
        remedies=tuple(remedy.value for remedy in case.remedies),
        safe=case.safe.value if case.safe else None,
        why=case.why,
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
        remedy=row.remedy,
        aspects=row.aspects,
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


def _rehearsal(plan: Plan, rehearsal: Rehearsal) -> RehearsalPart:
    unknowable = []
    for found in rehearsal.statements:
        if found.unknowable:
            planned = plan.migrations[found.entry]
            one = next((it for it in planned.statements if it.number == found.number), None)
            file, line = (one.file, one.line) if one else (planned.migration.file, 0)
            unknowable.append(UnknowablePart(file=file, line=line, why=found.unknowable))
    return RehearsalPart(
        at=datetime.fromtimestamp(rehearsal.at, UTC),
        shadow=rehearsal.shadow,
        duration_ms=_ms(rehearsal.elapsed),
        measured=sum(it.is_measured for it in rehearsal.statements),
        unknowable=tuple(unknowable),
        remarks=rehearsal.remarks,
        phases={part: _ms(seconds) for part, seconds in rehearsal.phases.items()},
        error=failure_of(plan, rehearsal),
    )


def _comparison(event: RehearsalCompared) -> ComparisonPart:
    return ComparisonPart(
        as_rehearsed=event.as_rehearsed,
        missing=event.missing,
        unexpected=event.unexpected,
        changes=event.changes,
        error=event.fault,
    )


def _statement(one: PlannedStatement) -> StatementPart:
    return StatementPart(
        number=one.number,
        file=one.file,
        line=one.line,
        column=one.column,
        kind=one.kind,
        sql=masked(one.sql),
        data=DataPart(line=one.data.line, lines=one.data.lines, bytes=len(one.data.rows)) if one.data else None,
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
        hazards=tuple(map(hazard_part, one.hazards)),
    )


def _together(progress: Progress) -> TogetherPart | None:
    if progress.together is None:
        return None
    first, last = progress.together
    return TogetherPart(first=first, last=last)


def _blocker(backend: Backend) -> BlockerPart:
    return BlockerPart(
        pid=backend.pid,
        user=backend.user,
        application=backend.application,
        kind=backend.kind,
        state=backend.state,
        xact_age=backend.xact_age,
        query=backend.query,
        prevents_wraparound=backend.prevents_wraparound,
    )


def _end(end: EndView) -> EndPart:
    asked, answered = end.asked, end.answered
    return EndPart(
        pid=asked.pid,
        how=asked.how,
        by=asked.by,
        sent=None if answered is None else answered.sent,
        reason="" if answered is None else answered.reason,
        blocker=None if asked.blocker is None else _blocker(asked.blocker),
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
                file=brief.file or migration.brief.file,
                line=brief.line,
                column=brief.column,
                kind=brief.kind,
                state=progress.state.value,
                tag=progress.tag,
                duration_ms=_ms(progress.elapsed),
                reason=progress.reason or brief.reason,
                rows=progress.rows,
                together=_together(progress),
                notices=progress.notices,
                error=progress.fault,
                allowed=brief.allowed,
            )
            for brief, progress in zip(migration.brief.statements, cells, strict=True)
        ),
        deferred=migration.deferred,
        stalled=migration.stalled,
        blockers=tuple(_blocker(one) for one in migration.blockers),
        error=migration.fault,
    )
