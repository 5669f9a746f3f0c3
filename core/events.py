"""One frozen dataclass per fact; `Event`, `Emit`, `fan_out`.

Facts are pushed: `emit` is called on the event loop and only queues or writes. Events carry durations and what the
server said, never a time of their own: the session log stamps them on arrival, and a face renders `(view, now)`.
The module is as long as the list of facts: whoever adds one is told by the type checkers which readers to teach.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias, get_args

from .errors import Fault

log = logging.getLogger(__name__)


class StatementState(StrEnum):
    """How far a statement of a run has come."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    DEFERRED = "deferred"
    FAILED = "failed"


class Result(StrEnum):
    """How a migration, or a whole run, ended."""

    APPLIED = "applied"
    NOTHING_TO_DO = "nothing_to_do"
    ROLLED_BACK = "rolled_back"
    STOPPED = "stopped"
    PARTIAL = "partial"
    IN_DOUBT = "in_doubt"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Which person, through which account and line, sits at this session."""

    os_user: str
    sudo_user: str | None
    host: str
    ssh_connection: str | None
    tty: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """The server and the role that a connection really reached, as the server says."""

    version: str
    version_num: int
    database: str
    user: str
    # where the client went: a host name, an address or a socket folder
    host: str
    port: int
    system_identifier: str
    timeline: int
    in_recovery: bool
    tls: bool
    pooled: bool
    superuser: bool
    read_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOpened:
    """The first line of a session log."""

    session: str
    who: Who
    changeover: str
    command: str
    # name, host, port, database and user of the target, never a password
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionClosed:
    """The sitting ended, with this exit code."""

    exit_code: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStarted:
    """A connection attempt begins; `deadline` is its limit in seconds, from DNS to authentication.

    `purpose` is what the connection is for: `look`, `migration`, `watch`, `guard` or `settle`.
    """

    number: int
    of: int
    address: str
    deadline: float
    purpose: str = "look"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFailed:
    """A connection attempt failed; `wait` seconds until the next one, None where there is none."""

    number: int
    of: int
    fault: Fault
    elapsed: float
    wait: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitCut:
    """The wait before the next attempt was ended by the operator: try now, or give up."""

    give_up: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """A connection is up."""

    purpose: str
    attempts: int
    elapsed: float
    server: ServerFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionsClosed:
    """Every connection of this session is closed; `count` of them."""

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PreChecked:
    """The pre-check table was made: how many rows of each verdict."""

    verdicts: dict[str, int]
    ready: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementBrief:
    """A statement as a run shows it."""

    number: int
    line: int
    column: int
    kind: str
    # PASSWORD literals are masked, and long text is cut
    sql: str
    decision: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationBrief:
    """A migration, or a deferred step of one, as a run shows it."""

    version: str
    name: str
    file: str
    entry: str
    transactional: bool
    statements: tuple[StatementBrief, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan was made."""

    digest: str
    migrations: int
    statements: int
    refusals: tuple[Fault, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """A person, or a script in a person's name, approved the plan with this digest."""

    digest: str
    by: str
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """The runner begins; `pid` is its process on this host."""

    run: str
    digest: str
    by: str
    how: str
    pid: int
    on_hangup: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunKeyTaken:
    """The run key is held: no other run can begin on this database."""

    waited: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanConfirmed:
    """The plan was made anew under the run key and is the approved one; what will run."""

    digest: str
    server: ServerFacts
    migrations: tuple[MigrationBrief, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationStarted:
    """An attempt at a migration begins."""

    version: str
    entry: str
    attempt: int
    of: int
    backend: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementStarted:
    """A statement is about to be sent, or skipped, or deferred."""

    version: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementFinished:
    """A statement ended well; `tag` is the server's command tag, `state` done, skipped or deferred."""

    version: str
    number: int
    state: StatementState
    tag: str
    elapsed: float
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementFailed:
    """A statement failed; the fault has the server's words and the place."""

    version: str
    number: int
    fault: Fault
    elapsed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRaised:
    """The server sent a notice, warning or info message; `number` is the statement's, or 0 between statements."""

    version: str
    number: int
    severity: str
    sqlstate: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """Another connection to the server, as far as our rights let us see it; ages in seconds by the server's clock."""

    pid: int
    user: str | None
    application: str | None
    kind: str | None
    state: str | None
    xact_age: float | None
    wait: str | None
    query: str | None
    blocked_by: tuple[int, ...]
    prevents_wraparound: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LocksSeen:
    """One look of the watch: who blocks the migration, who waits behind it, what it waits for."""

    version: str
    waiting_for: str | None
    waited: float
    blockers: tuple[Backend, ...]
    waiters: tuple[Backend, ...]
    # phase and share (0 to 1) where the server has a progress view, else None
    progress: str | None = None
    share: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationCommitting:
    """COMMIT is about to be sent; from here on the migration is not cancelled."""

    version: str
    xid: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationApplied:
    """COMMIT was answered with COMMIT, or settling found our row."""

    version: str
    entry: str
    attempts: int
    elapsed: float
    xid: str | None
    deferred: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationRolledBack:
    """The server acknowledged the rollback; tried again after `wait` seconds, or not if None."""

    version: str
    attempt: int
    fault: Fault
    blockers: tuple[Backend, ...]
    wait: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationEnded:
    """A migration ended without being applied."""

    version: str
    result: Result
    attempts: int
    elapsed: float
    fault: Fault | None
    left_behind: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAsked:
    """Somebody asked the run to stop; `when` is now, after-statement or after-migration."""

    when: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopConfirmed:
    """The watch connection saw that the migration's backend is idle or gone and holds no lock."""

    backend: int
    elapsed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A migration in doubt was settled under the fate key by reading its history row."""

    version: str
    applied: bool
    elapsed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """The last fact of a run."""

    run: str
    result: Result
    exit_code: int
    applied: int
    elapsed: float
    fault: Fault | None
    left_behind: tuple[str, ...] = ()


Event: TypeAlias = (
    SessionOpened
    | SessionClosed
    | AttemptStarted
    | AttemptFailed
    | WaitCut
    | Connected
    | ConnectionsClosed
    | PreChecked
    | Planned
    | Approved
    | RunStarted
    | RunKeyTaken
    | PlanConfirmed
    | MigrationStarted
    | StatementStarted
    | StatementFinished
    | StatementFailed
    | NoticeRaised
    | LocksSeen
    | MigrationCommitting
    | MigrationApplied
    | MigrationRolledBack
    | MigrationEnded
    | StopAsked
    | StopConfirmed
    | Settled
    | RunFinished
)

# The word that stands for each event in a session log.
EVENTS: Final[dict[str, type[Event]]] = {kind.__name__: kind for kind in get_args(Event)}

Emit: TypeAlias = Callable[[Event], object]


def fan_out(*readers: Emit) -> Emit:
    """Return an `Emit` that hands each event to every reader in turn; a reader that raises does not stop the rest."""

    def emit(event: Event) -> None:
        for reader in readers:
            try:
                reader(event)
            except Exception:
                log.exception("a reader of events failed on %s", type(event).__name__)

    return emit
