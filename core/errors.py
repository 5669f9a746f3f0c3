"""Expected failures, as a tree.

Each says what happened (`summary`) and what to do next (`advice`; empty only where the server's own words or the
operator's answer are all there is to say). The server's words and the place in a file are data, not prose. A bug is
not in this tree: it stays a traceback.

    ChangeoverError
    ├── UsageError             wrong usage or configuration
    │   ├── SettingsError      changeover.toml or a flag
    │   ├── TargetError        the database is not named, or its name is malformed
    │   ├── FolderError        no migrations folder, or nothing in it
    │   ├── SandboxError       the embedded PostgreSQL cannot be started
    │   └── ApprovalNeeded     nobody can answer, and nothing was said beforehand
    ├── ConnectError           the server was not reached, or did not let us in
    ├── Refused                stopped before anything ran
    │   ├── ScriptError        a file that cannot be run as it is: encoding, syntax, psql meta-command
    │   ├── NumberingError     two files with one number
    │   ├── HistoryError       the history table is foreign or damaged, or does not match the files
    │   ├── NotReady           missing, conflict, hazard not allowed, standby, out of order
    │   └── PlanChanged        the plan is not the one that was approved
    ├── LockHeld               another run holds the run key
    ├── Declined               the operator said no
    ├── NeedsAttention         what happened has to be looked at by a person
    └── ServerError            the server's answer to a statement
        └── ConnectionLost     no answer: the fate of what was under way is for `settle` to find
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

from msgspec import Struct


class ExitCode(IntEnum):
    """What a process of changeover says when it ends; scripts rely on these numbers."""

    DONE = 0
    BUG = 1
    USAGE = 2
    NO_CONNECTION = 3
    REFUSED = 4
    PENDING = 5
    ROLLED_BACK = 6
    STOPPED = 7
    NEEDS_ATTENTION = 8
    LOCKED = 9


class Place(Struct, frozen=True, kw_only=True):
    """Where in a migration file; line and column count from 1, column in characters."""

    file: str
    line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class ServerReport(Struct, frozen=True, kw_only=True):
    """An error or notice in the server's words.

    See https://www.postgresql.org/docs/18/protocol-error-fields.html.
    """

    severity: str
    sqlstate: str
    message: str
    detail: str | None = None
    hint: str | None = None
    context: str | None = None
    # in characters of the statement that was sent, from 1
    position: int | None = None


class ChangeoverError(Exception):
    """The root of every expected failure."""

    id: ClassVar[str] = "error"
    exit_code: ClassVar[ExitCode] = ExitCode.BUG

    def __init__(
        self,
        summary: str,
        *,
        advice: str,
        place: Place | None = None,
        report: ServerReport | None = None,
    ) -> None:
        super().__init__(summary)
        self.summary = summary
        self.advice = advice
        self.place = place
        self.report = report

    def __str__(self) -> str:
        return f"{self.place}: {self.summary}" if self.place else self.summary


class UsageError(ChangeoverError):
    """Wrong usage or configuration; nothing was tried."""

    id = "usage"
    exit_code = ExitCode.USAGE


class SettingsError(UsageError):
    """A value in changeover.toml, the environment or a flag is wrong."""

    id = "settings"


class TargetError(UsageError):
    """The database to work on is not named, or its name cannot be read."""

    id = "target"


class TargetMissing(TargetError):
    """No database is named at all."""


class FolderError(UsageError):
    """There is no migrations folder, or no migration in it."""

    id = "folder"


class SandboxError(UsageError):
    """The embedded PostgreSQL is not installed or does not start."""

    id = "sandbox"


class ApprovalNeeded(UsageError):
    """A run needs an approval, and there is nobody to ask."""

    id = "approval-needed"


class ConnectError(ChangeoverError):
    """The server was not reached, or did not let us in."""

    id = "connect"
    exit_code = ExitCode.NO_CONNECTION
    # whether time can mend it: refused, no answer, starting up; not a wrong password
    mendable: bool = False


class Refused(ChangeoverError):
    """Stopped before anything ran."""

    id = "refused"
    exit_code = ExitCode.REFUSED


class ScriptError(Refused):
    """A migration file cannot be run as it is; `place` says where."""

    id = "script"


class NumberingError(Refused):
    """Two migration files claim one version."""

    id = "numbering"


class HistoryError(Refused):
    """The history table is foreign, damaged, or contradicts the files."""

    id = "history"


class NotReady(Refused):
    """The pre-check found something that the plan cannot run with."""

    id = "not-ready"


class PlanChanged(Refused):
    """What would run now is not what was approved."""

    id = "plan-changed"


class LockHeld(ChangeoverError):
    """Another run holds the run key of this database."""

    id = "lock-held"
    exit_code = ExitCode.LOCKED


class Declined(ChangeoverError):
    """The operator was asked and said no."""

    id = "declined"
    exit_code = ExitCode.STOPPED


class NeedsAttention(ChangeoverError):
    """Something may be half-done, and only a look at the database tells."""

    id = "needs-attention"
    exit_code = ExitCode.NEEDS_ATTENTION


class ServerError(ChangeoverError):
    """The server answered a statement with an error."""

    id = "server"
    exit_code = ExitCode.ROLLED_BACK

    @property
    def sqlstate(self) -> str:
        """The five characters of the error's class and condition, or an empty string where there was no answer."""
        return self.report.sqlstate if self.report else ""


class ConnectionLost(ServerError):
    """The connection ended or fell silent before the answer came."""

    id = "connection-lost"


class Fault(Struct, frozen=True, kw_only=True):
    """An error as data: what documents, events and receipts carry."""

    id: str
    summary: str
    advice: str = ""
    sqlstate: str | None = None
    detail: str | None = None
    hint: str | None = None
    context: str | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None


def fault_of(error: ChangeoverError) -> Fault:
    """Return the data of an expected failure."""
    report, place = error.report, error.place
    return Fault(
        id=error.id,
        summary=error.summary,
        advice=error.advice,
        sqlstate=report.sqlstate if report else None,
        detail=report.detail if report else None,
        hint=report.hint if report else None,
        context=report.context if report else None,
        file=place.file if place else None,
        line=place.line if place else None,
        column=place.column if place else None,
    )
