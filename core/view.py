"""The run screen as a function of the events: a pure reducer that reads no clock.

The same reducer shows a live run, replays a past session and follows a run that somebody else started. Faces render
`(view, now)`; the times in a view are those that the session log stamped, in seconds since the epoch. One module for
the view and its reducer, past 400 lines: a field and the events that move it are read together.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce as fold
from typing import Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from .errors import Fault
from .events import (
    RESULTS,
    Approved,
    AttemptFailed,
    AttemptStarted,
    Backend,
    BackendsFound,
    BlockerEndAnswered,
    BlockerEndAsked,
    Connected,
    ConnectionsClosed,
    Event,
    LocksSeen,
    MigrationApplied,
    MigrationBrief,
    MigrationCommitting,
    MigrationEnded,
    MigrationRolledBack,
    MigrationStarted,
    NoticeRaised,
    PlanConfirmed,
    Planned,
    PostCheck,
    PostChecked,
    PreChecked,
    ProgressSeen,
    RehearsalCompared,
    RehearsalStep,
    Rehearsed,
    Result,
    RunFinished,
    RunKeyAwaited,
    RunKeyTaken,
    RunRecovered,
    RunStarted,
    SegmentEnded,
    ServerFacts,
    SessionClosed,
    SessionOpened,
    Settled,
    Stalled,
    StatementFailed,
    StatementFinished,
    StatementStarted,
    StatementState,
    StopAsked,
    StopConfirmed,
    Verified,
    WaitCut,
)

# Notices kept for the screen; all of them are in the session log.
NOTICES_KEPT: Final = 200
# Statement progress is kept in rows of this many, so that one event copies a row and not the whole migration.
ROW: Final = 128


class Stamped(Struct, frozen=True, kw_only=True):
    """An event with the time at which the session log took it, in seconds since the epoch, and its number there."""

    seq: int
    at: float
    event: Event


class AttemptView(Struct, frozen=True, kw_only=True):
    """A connection attempt as the connect screen shows it."""

    number: int
    of: int
    address: str
    started_at: float
    deadline: float
    fault: Fault | None = None
    elapsed: float | None = None
    # when the next attempt begins, None where there is none or this one is under way
    next_at: float | None = None


class Progress(Struct, frozen=True, kw_only=True):
    """How far one statement is."""

    state: StatementState = StatementState.WAITING
    tag: str = ""
    elapsed: float = 0.0
    reason: str = ""
    fault: Fault | None = None
    notices: int = 0
    # that the server says it touched, None where it says nothing of rows
    rows: int | None = None
    # numbers of the first and the last of those that went in one message with it, and took `elapsed` together
    together: tuple[int, int] | None = None


class MigrationView(Struct, frozen=True, kw_only=True):
    """How far one migration is."""

    brief: MigrationBrief
    rows: tuple[tuple[Progress, ...], ...]
    attempt: int = 0
    of: int = 0
    backend: int | None = None
    started_at: float | None = None
    # number of the statement under way, None between statements
    current: int | None = None
    current_since: float | None = None
    # number of the last one where it is one of several that went in one message
    last: int | None = None
    # statements that are done, skipped or deferred in this attempt
    finished: int = 0
    committing: bool = False
    xid: str | None = None
    # when the next attempt begins, while one is awaited
    retry_at: float | None = None
    result: Result | None = None
    elapsed: float = 0.0
    fault: Fault | None = None
    # whom the last attempt gave way to
    blockers: tuple[Backend, ...] = ()
    # who waited behind the attempts so far; once it has ended, behind all of them together
    stalled: Stalled = Stalled()
    deferred: tuple[int, ...] = ()

    def progress(self, number: int) -> Progress:
        """Return how far the statement with this number (from 1) is."""
        row, column = divmod(self.index(number), ROW)
        return self.rows[row][column]

    def index(self, number: int) -> int:
        """Return where the statement with this number stands in the brief; `ValueError` where it is not in it."""
        # The numbers of a migration are 1, 2, 3 ...; those of a deferred entry are some of them.
        statements = self.brief.statements
        if 0 < number <= len(statements) and statements[number - 1].number == number:
            return number - 1
        return [brief.number for brief in statements].index(number)


class NoticeView(Struct, frozen=True, kw_only=True):
    """A notice of the server, kept for the screen."""

    at: float
    version: str
    number: int
    severity: str
    message: str


class EndView(Struct, frozen=True, kw_only=True):
    """A wish to end who blocks the run, and what became of it: None as long as that is not known."""

    asked: BlockerEndAsked
    answered: BlockerEndAnswered | None = None


class RunView(Struct, frozen=True, kw_only=True):
    """Everything that a face shows of a session."""

    session: str = ""
    opened_at: float | None = None
    target: str = ""
    by: str = ""
    how: str = ""
    digest: str = ""
    on_hangup: str = ""
    end_blockers: bool = False
    server: ServerFacts | None = None
    attempts: tuple[AttemptView, ...] = ()
    run: str = ""
    pid: int | None = None
    started_at: float | None = None
    # connecting, looking, waiting for the run key, running, waiting, committing, stopping, finished
    phase: str = "connecting"
    migrations: tuple[MigrationView, ...] = ()
    # index in `migrations`
    current: int | None = None
    # who has the run key, as long as it is waited for
    awaited: RunKeyAwaited | None = None
    locks: LocksSeen | None = None
    # of the statement in hand, where the server has a progress view for it
    progress: ProgressSeen | None = None
    # the blockers that somebody asked to end, the last one last, and the pids that a cancel was sent to
    ends: tuple[EndView, ...] = ()
    cancelled: frozenset[int] = frozenset()
    notices: tuple[NoticeView, ...] = ()
    notice_count: int = 0
    stop: StopAsked | None = None
    stop_confirmed: bool = False
    connections_closed: int | None = None
    result: Result | None = None
    exit_code: int | None = None
    elapsed: float | None = None
    fault: Fault | None = None
    left_behind: tuple[str, ...] = ()
    # None as long as nobody has looked
    post_checks: tuple[PostCheck, ...] | None = None
    # None where the plan was not rehearsed, or nobody has compared yet
    compared: RehearsalCompared | None = None
    # runs of other sittings that were settled in this one
    recovered: tuple[RunRecovered, ...] = ()
    last_at: float | None = None

    @property
    def statements_total(self) -> int:
        """Statements of the whole run."""
        return sum(len(migration.brief.statements) for migration in self.migrations)

    @property
    def statements_finished(self) -> int:
        """Statements of the whole run that are done, skipped or deferred."""
        return sum(migration.finished for migration in self.migrations)

    @property
    def current_migration(self) -> MigrationView | None:
        """The migration in hand."""
        return None if self.current is None else self.migrations[self.current]


def reduce(view: RunView, stamped: Stamped) -> RunView:
    """Return the view after one more event."""
    view = replace(view, last_at=stamped.at)
    event, at = stamped.event, stamped.at
    match event:
        case SessionOpened():
            return replace(view, session=event.session, opened_at=at, target=event.target)
        case AttemptStarted() | AttemptFailed() | WaitCut() | Connected():
            return _connecting(view, event, at)
        case PreChecked() | Planned():
            return replace(view, phase="looking")
        case RehearsalStep() | Rehearsed():
            return view
        case RunKeyAwaited():
            return replace(view, awaited=event)
        case Verified():
            return view
        case Approved():
            return replace(view, by=event.by, how=event.how, digest=event.digest)
        case RunStarted() | RunKeyTaken() | PlanConfirmed() | StopAsked() | StopConfirmed():
            return _running(view, event, at)
        case RunFinished() | ConnectionsClosed() | SessionClosed():
            return _ending(view, event)
        case NoticeRaised():
            return _noticed(view, event, at)
        case LocksSeen() | ProgressSeen() | BlockerEndAsked() | BlockerEndAnswered():
            return _watched(view, event)
        case PostChecked() | RehearsalCompared() | RunRecovered() | BackendsFound():
            return _looked_after(view, event)
        case _:
            return _of_migration(view, event, at)


def view_of(events: list[Stamped]) -> RunView:
    """Return the view after all of `events`."""
    return fold(reduce, events, RunView())


def _connecting(view: RunView, event: AttemptStarted | AttemptFailed | WaitCut | Connected, at: float) -> RunView:
    match event:
        case AttemptStarted():
            attempt = AttemptView(
                number=event.number,
                of=event.of,
                address=event.address,
                started_at=at,
                deadline=event.deadline,
            )
            earlier = () if event.number == 1 else view.attempts
            return replace(view, attempts=(*earlier, attempt))
        case AttemptFailed():
            if not view.attempts:
                return view
            next_at = None if event.wait is None else at + event.wait
            failed = replace(view.attempts[-1], fault=event.fault, elapsed=event.elapsed, next_at=next_at)
            return replace(view, attempts=(*view.attempts[:-1], failed))
        case WaitCut():
            if not view.attempts:
                return view
            return replace(view, attempts=(*view.attempts[:-1], replace(view.attempts[-1], next_at=None)))
        case Connected():
            if not view.attempts:
                return replace(view, server=event.server)
            last = replace(view.attempts[-1], elapsed=event.elapsed, fault=None, next_at=None)
            return replace(view, server=event.server, attempts=(*view.attempts[:-1], last))


def _running(
    view: RunView, event: RunStarted | RunKeyTaken | PlanConfirmed | StopAsked | StopConfirmed, at: float
) -> RunView:
    match event:
        case RunStarted():
            # a sitting may have several runs, and each begins with nothing of the one before
            return RunView(
                session=view.session,
                opened_at=view.opened_at,
                target=view.target,
                server=view.server,
                attempts=view.attempts,
                recovered=view.recovered,
                last_at=view.last_at,
                run=event.run,
                digest=event.digest,
                by=event.by,
                how=event.how,
                pid=event.pid,
                on_hangup=event.on_hangup,
                end_blockers=event.end_blockers,
                started_at=at,
                phase="waiting for the run key",
            )
        case RunKeyTaken():
            return replace(view, phase="looking", awaited=None)
        case PlanConfirmed():
            migrations = tuple(
                MigrationView(brief=brief, rows=_blank(len(brief.statements))) for brief in event.migrations
            )
            return replace(view, server=event.server, migrations=migrations, phase="running")
        case StopAsked():
            if view.stop is not None and view.stop.when == "now":
                # what is being cancelled does not go on for a later wish
                return view
            return replace(view, stop=event, phase="stopping" if event.when == "now" else view.phase)
        case StopConfirmed():
            return replace(view, stop_confirmed=True)


def _ending(view: RunView, event: RunFinished | ConnectionsClosed | SessionClosed) -> RunView:
    match event:
        case RunFinished():
            return replace(
                view,
                phase="finished",
                result=event.result,
                exit_code=event.exit_code,
                elapsed=event.elapsed,
                fault=event.fault,
                left_behind=event.left_behind,
                locks=None,
                progress=None,
            )
        case ConnectionsClosed():
            return replace(view, connections_closed=(view.connections_closed or 0) + event.count)
        case SessionClosed():
            exit_code = event.exit_code if view.exit_code is None else view.exit_code
            return replace(view, phase="finished", exit_code=exit_code)


def _looked_after(view: RunView, event: PostChecked | RehearsalCompared | RunRecovered | BackendsFound) -> RunView:
    match event:
        case RehearsalCompared():
            return replace(view, compared=event)
        case PostChecked():
            return replace(view, post_checks=event.findings if event.fault is None else None)
        case RunRecovered() if event.session != view.session:
            return replace(view, recovered=(*view.recovered, event))
        case _:
            return view


def _watched(view: RunView, event: LocksSeen | ProgressSeen | BlockerEndAsked | BlockerEndAnswered) -> RunView:
    match event:
        case LocksSeen():
            nobody = event.waiting_for is None and not event.behind
            return replace(view, locks=None if nobody else event)
        case ProgressSeen():
            return replace(view, progress=event)
        case BlockerEndAsked():
            return replace(view, ends=(*view.ends, EndView(asked=event)))
        case BlockerEndAnswered():
            ended = {*view.cancelled, event.pid} if event.sent and event.how == "cancel" else view.cancelled
            return replace(view, ends=_answered(view.ends, event), cancelled=frozenset(ended))


def _answered(ends: tuple[EndView, ...], event: BlockerEndAnswered) -> tuple[EndView, ...]:
    """Return the wishes with the oldest one that an answer can be of answered: two viewers may wish the same."""
    for index, end in enumerate(ends):
        if end.answered is None and (end.asked.pid, end.asked.how) == (event.pid, event.how):
            return (*ends[:index], replace(end, answered=event), *ends[index + 1 :])
    return ends


def _noticed(view: RunView, event: NoticeRaised, at: float) -> RunView:
    notice = NoticeView(
        at=at, version=event.version, number=event.number, severity=event.severity, message=event.message
    )
    view = replace(view, notices=(*view.notices, notice)[-NOTICES_KEPT:], notice_count=view.notice_count + 1)
    return _change(view, event.version, lambda it: _noted(it, event.number))


def _noted(migration: MigrationView, number: int) -> MigrationView:
    if number == 0:
        return migration
    before = migration.progress(number)
    return _put(migration, number, replace(before, notices=before.notices + 1))


_OfMigration: TypeAlias = (
    MigrationStarted
    | StatementStarted
    | StatementFinished
    | StatementFailed
    | SegmentEnded
    | MigrationCommitting
    | MigrationApplied
    | MigrationRolledBack
    | MigrationEnded
    | Settled
)


def _of_migration(view: RunView, event: _OfMigration, at: float) -> RunView:
    change = _change(view, event.version, lambda migration: _moved(migration, event, at))
    match event:
        case MigrationStarted():
            return replace(change, current=_index(view, event.version), phase=_unless_stopping(view, "running"))
        case StatementStarted():
            return replace(change, locks=None, progress=None)
        case MigrationCommitting():
            return replace(change, phase="committing", locks=None, progress=None)
        case MigrationRolledBack():
            waits = event.wait is not None
            phase = _unless_stopping(view, "waiting") if waits else view.phase
            return replace(change, phase=phase, locks=None, progress=None)
        case MigrationApplied() | MigrationEnded():
            return replace(change, phase=_unless_stopping(view, "running"), locks=None, progress=None)
        case StatementFinished() | StatementFailed() | SegmentEnded():
            return replace(change, progress=None)
        case Settled():
            return change


def _unless_stopping(view: RunView, phase: str) -> str:
    return view.phase if view.phase == "stopping" else phase


def _moved(migration: MigrationView, event: _OfMigration, at: float) -> MigrationView:
    match event:
        case MigrationStarted():
            return replace(
                migration,
                rows=_blank(len(migration.brief.statements)),
                attempt=event.attempt,
                of=event.of,
                backend=event.backend,
                started_at=migration.started_at or at,
                current=None,
                last=None,
                finished=0,
                retry_at=None,
                committing=False,
                fault=None,
            )
        case StatementStarted():
            running = replace(migration, current=event.number, current_since=at, last=event.last)
            return _put(running, event.number, Progress(state=StatementState.RUNNING))
        case StatementFinished():
            return _finished(migration, event)
        case StatementFailed():
            before = migration.progress(event.number)
            failed = replace(
                before, state=StatementState.FAILED, elapsed=event.elapsed, fault=event.fault, together=None
            )
            return _put(replace(migration, current_since=None, fault=event.fault), event.number, failed)
        case SegmentEnded():
            return migration if event.committed else _taken_back(migration, event)
        case MigrationCommitting():
            return replace(migration, committing=True, current=None, xid=event.xid)
        case MigrationRolledBack():
            retry_at = None if event.wait is None else at + event.wait
            return replace(
                migration,
                current=None,
                fault=event.fault,
                retry_at=retry_at,
                blockers=event.blockers,
                stalled=_worse(migration.stalled, event.stalled),
            )
        case MigrationApplied() | MigrationEnded() | Settled():
            return _concluded(migration, event)


def _taken_back(migration: MigrationView, event: SegmentEnded) -> MigrationView:
    """Return the migration without what a rollback took back; what failed stays seen as failed."""
    count = 0
    for number in range(event.first, event.last + 1):
        before = migration.progress(number)
        if before.state is StatementState.DONE:
            migration, count = _put(migration, number, Progress(notices=before.notices)), count + 1
    return replace(migration, finished=migration.finished - count)


def _finished(migration: MigrationView, event: StatementFinished) -> MigrationView:
    first = migration.index(event.number)
    last = first if event.last is None else migration.index(event.last)
    ended = replace(
        migration, current=None, current_since=None, last=None, finished=migration.finished + last - first + 1
    )
    now = Progress(
        state=event.state,
        tag=event.tag,
        elapsed=event.elapsed,
        reason=event.reason,
        notices=migration.progress(event.number).notices,
        rows=event.rows,
        together=None if event.last is None else (event.number, event.last),
    )
    if last == first:
        return _put(ended, event.number, now)
    # one object for all but the first, which has the notices of all
    return replace(ended, rows=_filled(_put(ended, event.number, now).rows, first + 1, last, replace(now, notices=0)))


def _filled(
    rows: tuple[tuple[Progress, ...], ...], first: int, last: int, progress: Progress
) -> tuple[tuple[Progress, ...], ...]:
    """Return the rows with the cells from index `first` to `last` set."""
    changed = list(rows)
    for row in range(first // ROW, last // ROW + 1):
        cells, begin = rows[row], row * ROW
        left, right = max(first - begin, 0), min(last - begin + 1, len(cells))
        changed[row] = (*cells[:left], *(progress,) * (right - left), *cells[right:])
    return tuple(changed)


def _concluded(migration: MigrationView, event: MigrationApplied | MigrationEnded | Settled) -> MigrationView:
    over = replace(migration, committing=False, current=None, current_since=None, last=None, retry_at=None)
    match event:
        case MigrationApplied():
            return replace(
                over,
                result=RESULTS.get(event.entry, Result.APPLIED),
                attempt=event.attempts,
                elapsed=event.elapsed,
                xid=event.xid,
                deferred=event.deferred,
                fault=None,
                stalled=event.stalled,
            )
        case MigrationEnded():
            return replace(
                over,
                result=event.result,
                attempt=event.attempts,
                elapsed=event.elapsed,
                fault=event.fault,
                stalled=event.stalled,
            )
        case Settled():
            return over


def _worse(before: Stalled, more: Stalled) -> Stalled:
    """Return the waits of two attempts together; the sessions of the worse one, as some may be in both."""
    return Stalled(
        sessions=max(before.sessions, more.sessions),
        longest=max(before.longest, more.longest),
        total=before.total + more.total,
    )


def _change(view: RunView, version: str, change: Callable[[MigrationView], MigrationView]) -> RunView:
    """Return the view with one migration changed; events of a migration that is not in the view change nothing."""
    index = _index(view, version)
    if index is None:
        return view
    before = view.migrations
    return replace(view, migrations=(*before[:index], change(before[index]), *before[index + 1 :]))


def _index(view: RunView, version: str) -> int | None:
    """Return where a migration is in the view; most events are of the current one, however many there are."""
    current = view.current
    if current is not None and view.migrations[current].brief.version == version:
        return current
    return next((i for i, it in enumerate(view.migrations) if it.brief.version == version), None)


def _blank(count: int) -> tuple[tuple[Progress, ...], ...]:
    blank = Progress()
    return tuple((blank,) * min(ROW, count - start) for start in range(0, count, ROW))


def _put(migration: MigrationView, number: int, progress: Progress) -> MigrationView:
    index = migration.index(number)
    row, column = divmod(index, ROW)
    cells = migration.rows[row]
    changed = (*cells[:column], progress, *cells[column + 1 :])
    return replace(migration, rows=(*migration.rows[:row], changed, *migration.rows[row + 1 :]))
