"""Which events of a session say that something went wrong, and where the first and the next of them are. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .errors import ExitCode
from .events import (
    AttemptFailed,
    BlockerEndAnswered,
    Event,
    MigrationEnded,
    MigrationRolledBack,
    NoticeRaised,
    PostChecked,
    Rehearsed,
    Result,
    RunFinished,
    StatementFailed,
    Verified,
)
from .view import Stamped

_WELL: Final = frozenset({Result.APPLIED, Result.REVERTED, Result.BASELINED, Result.REPAIRED, Result.NOTHING_TO_DO})


def is_trouble(event: Event) -> bool:
    """Whether an event says that something went wrong, even where it was tried again and went well then."""
    match event:
        case AttemptFailed() | StatementFailed() | MigrationRolledBack():
            return True
        case MigrationEnded():
            return event.result not in _WELL
        case RunFinished():
            return event.exit_code != ExitCode.DONE
        case Rehearsed() | Verified() | PostChecked():
            return event.fault is not None
        case BlockerEndAnswered():
            return not event.sent
        case NoticeRaised():
            return event.severity == "WARNING"
        case _:
            return False


def first_error(events: Sequence[Stamped]) -> int | None:
    """Return the index of the first trouble that is more than a warning of the server; None where there is none."""
    return next(
        (
            index
            for index, stamped in enumerate(events)
            if is_trouble(stamped.event) and not isinstance(stamped.event, NoticeRaised)
        ),
        None,
    )
