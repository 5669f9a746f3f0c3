"""One plain line per event, for pipes, CI and TERM=dumb; and the printer that follows a run with them.

`line` is exhaustive: an event that is added to the engine fails the type check here until it has its words. The module
grows with the list of events, past 400 lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, TextIO, TypeAlias, assert_never

from msgspec import Struct, field

from ..core.events import (
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
    StatementBrief,
    StatementFailed,
    StatementFinished,
    StatementStarted,
    StatementState,
    StopAsked,
    StopConfirmed,
    Verified,
    WaitCut,
)
from ..core.view import Stamped
from .aftermath import aftermath_lines
from .fault_lines import TEXT, fault_words
from .folding import laid_out
from .format import age, bounded, count, countdown, duration, numbered, stalled, visible
from .rehearsal_words import rehearsal_lines

# Foreign text is cut to these many characters; a line must stay one that a log can hold.
_SQL: Final = 160


class Step(Struct, frozen=True, kw_only=True):
    """A statement, and which one it is of how many in its migration."""

    index: int
    total: int
    brief: StatementBrief


# (version, number of the statement) -> step; empty until the run has confirmed its plan.
Steps: TypeAlias = Mapping[tuple[str, int], Step]
_NO_STEPS: Final[Steps] = {}


def steps_of(migrations: tuple[MigrationBrief, ...]) -> dict[tuple[str, int], Step]:
    """Return where to find each statement of a run."""
    return {
        (migration.version, brief.number): Step(index=index, total=len(migration.statements), brief=brief)
        for migration in migrations
        for index, brief in enumerate(migration.statements, start=1)
    }


def line(event: Event, steps: Steps = _NO_STEPS) -> str | None:
    """Return the line that says what an event says, None where there is nothing to say beside its neighbours."""
    match event:
        case SessionOpened() | SessionClosed() | Approved():
            return _of_session(event)
        case AttemptStarted() | AttemptFailed() | WaitCut() | Connected() | ConnectionsClosed():
            return _of_connecting(event)
        case PreChecked() | Planned():
            return _of_looking(event)
        case RunStarted() | RunKeyTaken() | PlanConfirmed() | StopAsked() | StopConfirmed() | RunFinished():
            return _of_run(event)
        case MigrationStarted() | SegmentEnded() | MigrationCommitting() | MigrationApplied() | MigrationRolledBack():
            return _of_migration(event)
        case MigrationEnded() | Settled():
            return _of_end(event)
        case StatementStarted() | StatementFinished() | StatementFailed() | NoticeRaised():
            return _of_statement(event, steps)
        case LocksSeen() | ProgressSeen() | BlockerEndAsked() | BlockerEndAnswered():
            return _of_watch(event)
        case RunKeyAwaited() | Verified():
            return _of_verbs(event)
        case RehearsalStep() | Rehearsed() | RehearsalCompared():
            return "; ".join(rehearsal_lines(event))
        case PostChecked() | RunRecovered() | BackendsFound():
            return "; ".join(aftermath_lines(event))
        case _:
            assert_never(event)


def server_words(server: ServerFacts) -> str:
    """Return who is connected where, over what, to which server."""
    role = ", standby" if server.in_recovery else ""
    only = ", read-only" if server.read_only else ""
    socket = server.host.startswith("/")
    link = "socket" if socket else "TLS" if server.tls else "no TLS"
    host = f"[{server.host}]" if ":" in server.host else server.host
    where = visible(f"{server.user}@{host}:{server.port}/{server.database}")
    detour = ", through a pooler" if server.pooled else ""
    return f"{where}, PostgreSQL {visible(server.version)}, {link}{detour}{role}{only}"


def _of_session(event: SessionOpened | SessionClosed | Approved) -> str:
    match event:
        case SessionOpened():
            who = event.who.os_user if not event.who.sudo_user else f"{event.who.os_user} for {event.who.sudo_user}"
            return visible(
                f"session {event.session}: {who} on {event.who.host}, changeover {event.changeover}, "
                f"{event.command}, {event.target}"
            )
        case SessionClosed():
            reason = f": {event.reason}" if event.reason else ""
            return visible(f"session closed with exit code {event.exit_code}{reason}")
        case Approved():
            return visible(f"plan {event.digest[:12]} approved by {event.by} ({event.how})")


def _of_connecting(event: AttemptStarted | AttemptFailed | WaitCut | Connected | ConnectionsClosed) -> str | None:
    match event:
        # A run opens a connection for each migration and more: they are worth a line where one does not come up.
        case AttemptStarted(number=1, purpose=purpose) if purpose != "look":
            return None
        case Connected(attempts=1, purpose=purpose) if purpose != "look":
            return None
        case AttemptStarted():
            limit = duration(event.deadline)
            return f"connecting to {visible(event.address)}, attempt {event.number} of {event.of}, at most {limit}"
        case AttemptFailed():
            words = fault_words(event.fault)
            failed = f"attempt {event.number} of {event.of} failed after {duration(event.elapsed)}: {words}"
            if event.wait is None:
                return failed
            return f"{failed} attempt {event.number + 1} of {event.of}, next in {countdown(event.wait)}"
        case WaitCut():
            return "gave up waiting" if event.give_up else "trying now"
        case Connected():
            taken = f" after {count(event.attempts, 'attempt')}" if event.attempts > 1 else ""
            where = server_words(event.server)
            return f"connected ({visible(event.purpose)}) in {duration(event.elapsed)}{taken}: {where}"
        case ConnectionsClosed():
            return f"{count(event.count, 'connection')} closed" if event.count else "no connection was open"


def _of_looking(event: PreChecked | Planned) -> str:
    match event:
        case PreChecked():
            found = ", ".join(f"{number:,} {visible(verdict)}" for verdict, number in event.verdicts.items() if number)
            return f"pre-check: {found or 'nothing to check'}; {'ready' if event.ready else 'NOT READY'}"
        case Planned():
            refused = f", refused: {fault_words(event.refusals[0])}" if event.refusals else ""
            size = f"{count(event.migrations, 'migration')}, {count(event.statements, 'statement')}"
            return f"plan {visible(event.digest[:12])}: {size}{refused}"


def _of_run(event: RunStarted | RunKeyTaken | PlanConfirmed | StopAsked | StopConfirmed | RunFinished) -> str:
    match event:
        case RunStarted():
            return visible(f"run {event.run} started for {event.by}, process {event.pid}")
        case RunKeyTaken():
            waited = f" after {duration(event.waited)}" if event.waited >= 0.1 else ""
            return f"run key taken{waited}: no other run can begin on this database"
        case PlanConfirmed():
            size = count(len(event.migrations), "migration")
            return f"plan {visible(event.digest[:12])} made again and confirmed, {size}"
        case StopAsked():
            return visible(f"stop asked by {event.by}: {event.when.replace('-', ' ')}")
        case StopConfirmed():
            taken = duration(event.elapsed)
            return f"stop confirmed by the server after {taken}: backend {event.backend} holds nothing"
        case RunFinished():
            words = f": {fault_words(event.fault)}" if event.fault else ""
            applied = f"{count(event.applied, 'migration')} {_DONE.get(event.result, 'applied')}"
            left = f"; left behind: {visible(', '.join(event.left_behind))}" if event.left_behind else ""
            return f"{result_words(event.result)}, {applied} in {duration(event.elapsed)}{words}{left}"


# What a line says of an entry that is not a migration to apply: as it starts, and once it is done.
_ENTRIES: Final = {
    "deferred": (" (its deferred steps)", "applied"),
    "revert": (" (revert)", "reverted"),
    "baseline": (" (baseline)", "marked as applied"),
    "repair": (" (repair)", "settled"),
}


def _of_verbs(event: RunKeyAwaited | Verified) -> str:
    match event:
        case RunKeyAwaited():
            left = duration(max(event.limit - event.waited, 0.0))
            return f"another run goes on here; waiting for its end, at most {left} more: {visible(event.holder)}"
        case Verified(fault=None):
            return f"{visible(numbered(event.version))} verify ok in {duration(event.elapsed)}"
        case Verified():
            found = fault_words(event.fault) if event.fault else ""
            return f"{visible(numbered(event.version))} verify FAILED after {duration(event.elapsed)}: {found}"


def _of_migration(
    event: MigrationStarted | SegmentEnded | MigrationCommitting | MigrationApplied | MigrationRolledBack,
) -> str:
    version = visible(numbered(event.version))
    match event:
        case MigrationStarted():
            entry, _ = _ENTRIES.get(event.entry, ("", ""))
            again = f", attempt {event.attempt} of {event.of}" if event.attempt > 1 else ""
            return f"{version}{entry} started{again}, backend {event.backend}"
        case SegmentEnded():
            became = "committed" if event.committed else "rolled back"
            return f"{version} statements {event.first} to {event.last} {became}"
        case MigrationCommitting():
            return f"{version} committing" + (f", transaction {visible(event.xid)}" if event.xid else "")
        case MigrationApplied():
            again = f", {count(event.attempts, 'attempt')}" if event.attempts > 1 else ""
            numbers = ", ".join(map(str, event.deferred))
            deferred = f", statement {numbers} deferred" if event.deferred else ""
            waited = _stalled(event.stalled)
            _, done = _ENTRIES.get(event.entry, ("", "applied"))
            return f"{version} {done} in {duration(event.elapsed)}{again}{deferred}{waited}"
        case MigrationRolledBack():
            blockers = "".join(f"; blocked by {backend_words(blocker)}" for blocker in event.blockers)
            next_one = f"; again in {countdown(event.wait)}" if event.wait is not None else ""
            words = f"{fault_words(event.fault)}{blockers}{_stalled(event.stalled)}{next_one}"
            return f"{version} rolled back (attempt {event.attempt}): {words}"


def _stalled(seen: Stalled) -> str:
    return f"; {stalled(seen.sessions, seen.longest)}" if seen.sessions else ""


def _of_end(event: MigrationEnded | Settled) -> str:
    version = visible(numbered(event.version))
    match event:
        case MigrationEnded():
            words = f": {fault_words(event.fault)}" if event.fault else ""
            return f"{version} {result_words(event.result)} after {count(event.attempts, 'attempt')}{words}"
        case Settled():
            found = "it is applied" if event.applied else "it is not applied"
            return f"{version} settled by reading the history in {duration(event.elapsed)}: {found}"


def _of_statement(
    event: StatementStarted | StatementFinished | StatementFailed | NoticeRaised, steps: Steps
) -> str | None:
    step = steps.get((event.version, event.number))
    where = _where(event, step)
    kind = f" {visible(step.brief.kind)}" if step else ""
    match event:
        case StatementStarted():
            if step is None or step.brief.decision != "run":
                return None
            return f"{where}{_more(event)} {bounded(' '.join(step.brief.sql.split()), _SQL)}"
        case StatementFinished():
            if event.state is StatementState.DONE:
                tag = f": {bounded(event.tag, _SQL)}" if event.last is None else ""
                return f"{where}{_more(event)} done in {duration(event.elapsed)}{tag}"
            reason = event.reason or (step.brief.reason if step else "")
            return f"{where}{kind} {event.state}: {bounded(reason, TEXT)}"
        case StatementFailed():
            return f"{where}{kind} FAILED after {duration(event.elapsed)}: {fault_words(event.fault)}"
        case NoticeRaised():
            return f"{where} {visible(event.severity)}: {bounded(event.message, TEXT)}"


def _where(event: StatementStarted | StatementFinished | StatementFailed | NoticeRaised, step: Step | None) -> str:
    if step is None:
        return f"{visible(numbered(event.version))} #{event.number}"
    return f"{visible(numbered(event.version))} {step.index}/{step.total}"


def _more(event: StatementStarted | StatementFinished) -> str:
    """Return how many more went in one message with it."""
    return "" if event.last is None else f" and {event.last - event.number:,} more"


def _of_watch(event: LocksSeen | ProgressSeen | BlockerEndAsked | BlockerEndAnswered) -> str | None:
    match event:
        case LocksSeen():
            return _of_locks(event)
        case ProgressSeen():
            return visible(f"{numbered(event.version)} {progress_words(event)}")
        case BlockerEndAsked(blocker=blocker):
            whom = backend_words(blocker) if blocker else f"pid {event.pid}"
            ran = f", which runs: {bounded(' '.join(blocker.query.split()), _SQL)}" if blocker and blocker.query else ""
            return f"{visible(event.by)} asks to {visible(event.how)} {whom}{ran}"
        case BlockerEndAnswered():
            became = "sent" if event.sent else f"not sent: {bounded(event.reason, TEXT)}"
            return f"{visible(event.how)} of pid {event.pid} {became}"


def progress_words(event: ProgressSeen) -> str:
    """Return how far a statement is: its phase, the share of it where the server counts, and what is counted."""
    share = f" {event.share:.0%} of this phase" if event.share is not None else ""
    counted = f" ({event.counted})" if event.counted else ""
    return f"{event.command}: {event.phase}{share}{counted}"


def _of_locks(event: LocksSeen) -> str | None:
    parts: list[str] = []
    if event.waiting_for or event.blockers:
        what = f" for {visible(event.waiting_for)}" if event.waiting_for else ""
        parts.append(f"waits{what} ({duration(event.waited)})")
    parts += [f"blocked by {backend_words(blocker)}" for blocker in event.blockers]
    if any(blocker.prevents_wraparound for blocker in event.blockers):
        parts.append("which does not give way: it prevents transaction ids from running out")
    if event.behind:
        parts.append(f"{count(event.behind, 'connection')} waiting behind it")
    if any(not backend.visible for backend in event.blockers):
        parts.append("what they do is hidden from this role: GRANT pg_monitor to it")
    return f"{visible(numbered(event.version))} {', '.join(parts)}" if parts else None


def backend_words(backend: Backend) -> str:
    """Return another connection in words: pid, role, application, state and age of its transaction."""
    who = " ".join(part for part in (backend.user, backend.application) if part)
    state = backend.state or backend.kind or "state not visible"
    if backend.blocked_by:
        state = f"waits for pid {', '.join(map(str, backend.blocked_by))}"
    old = f", transaction {age(backend.xact_age)} old" if backend.xact_age is not None else ""
    return bounded(f"pid {backend.pid} ({who or 'unknown'}, {state}{old})", 200)


_DONE: Final = {Result.REVERTED: "reverted", Result.BASELINED: "marked as applied", Result.REPAIRED: "settled"}


def result_words(result: Result) -> str:
    """Return how a run or migration ended, in words."""
    return result.value.replace("_", " ")


class LinePrinter(Struct):
    """Prints the line of each event it is given. What a stream cannot take is dropped: a run must not end for it."""

    stream: TextIO
    # every event, with the time of day in UTC in front; else a run's connections that just work go without saying
    whole: bool = False
    _in_run: bool = False
    _steps: dict[tuple[str, int], Step] = field(default_factory=dict)
    # the last look at locks: it is printed again only when something else is in the way
    _locks: tuple[object, ...] = ()
    _progress: tuple[object, ...] = ()

    def __call__(self, event: Event, at: float | None = None) -> None:
        """Print an event that happened at `at`, in seconds since the epoch."""
        if isinstance(event, PlanConfirmed):
            self._steps = steps_of(event.migrations)
        if not self.whole and self._goes_without_saying(event):
            return
        text = line(event, self._steps)
        if text is None:
            return
        if self.whole and at is not None:
            text = f"{datetime.fromtimestamp(at, UTC):%H:%M:%S.%f}"[:-3] + f" {text}"
        self.say(text)

    def stamped(self, stamped: Stamped) -> None:
        """Print an event of a session log."""
        self(stamped.event, stamped.at)

    def say(self, text: str) -> None:
        """Print a line of our own. A reader that has gone away is no error."""
        try:
            self.stream.write("\n".join(laid_out([text], self.stream)) + "\n")
            self.stream.flush()
        except (BrokenPipeError, ValueError):
            return

    def _goes_without_saying(self, event: Event) -> bool:
        match event:
            case RunStarted():
                self._in_run = True
            case MigrationStarted():
                self._locks = ()
            case AttemptStarted():
                return self._in_run and event.number == 1
            case Connected():
                return self._in_run and event.attempts == 1
            case LocksSeen():
                return not self._is_news(event)
            case ProgressSeen():
                return not self._has_moved(event)
            case _:
                pass
        return False

    def _is_news(self, event: LocksSeen) -> bool:
        pids = tuple(blocker.pid for blocker in event.blockers)
        seen = (event.version, event.waiting_for, pids, event.behind > 0)
        news, self._locks = seen != self._locks, seen
        return news

    def _has_moved(self, event: ProgressSeen) -> bool:
        share = None if event.share is None else int(event.share * 10)
        seen = (event.version, event.command, event.phase, share)
        news, self._progress = seen != self._progress, seen
        return news
