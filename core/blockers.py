"""Who may be ended, and who never: the rules for ending a backend that blocks a migration.

Cancelling comes first, which ends a statement; terminating comes second, which ends the connection. Who is idle in a
transaction runs no statement, and the server takes no notice of a cancel then: terminating is all there is. See
https://www.postgresql.org/docs/18/functions-admin.html#FUNCTIONS-ADMIN-SIGNAL.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from msgspec import Struct, field

from .events import Backend

CANCEL: Final = "cancel"
TERMINATE: Final = "terminate"
# Every connection of ours says so in its application name.
_OURS: Final = "changeover "


class EndWish(Struct, frozen=True, kw_only=True):
    """A viewer's wish to end the backend `pid` that began at `started`."""

    pid: int
    started: str
    # cancel or terminate
    how: str
    by: str


class EndPolicy(Struct, kw_only=True):
    """Whether blockers may be ended in this run, and whom a cancel was sent to already."""

    # `end_blockers = true` of the target
    allowed: bool = False
    cancelled: set[tuple[int, str]] = field(default_factory=set)

    def refusal(self, wish: EndWish, blocker: Backend | None) -> str:
        """Return why a wish is not granted, empty where it is."""
        if not self.allowed:
            return "the settings of this target do not allow it (end_blockers = true)"
        if wish.how not in {CANCEL, TERMINATE}:
            return f"{wish.how} is neither cancel nor terminate"
        if blocker is None:
            return "it does not block this migration, or not any more"
        if blocker.started != wish.started:
            return "another backend has its pid now"
        if not blocker.endable:
            return blocker.why_not or "it may not be ended"
        if wish.how == TERMINATE and (wish.pid, wish.started) not in self.cancelled and not is_idle(blocker):
            return "cancel comes first, while it runs a statement"
        return ""


def is_idle(blocker: Backend) -> bool:
    """Return whether a blocker holds its locks in a transaction in which no statement runs."""
    return (blocker.state or "").startswith("idle in transaction")


def how_to_end(blocker: Backend, cancelled: Collection[int]) -> str:
    """Return what would end a blocker: cancel, or terminate where that was sent to its pid or would do nothing."""
    return TERMINATE if blocker.pid in cancelled or is_idle(blocker) else CANCEL


def why_not(row: Mapping[str, Any]) -> str:
    """Return why the backend of a row of watch.sql must not or cannot be ended by us; empty where it may be."""
    if row["pid"] == 0:
        return "a prepared transaction has no connection: COMMIT PREPARED or ROLLBACK PREPARED ends it"
    if row["prevents_wraparound"]:
        return "an autovacuum that prevents transaction ids from running out is never ended"
    if (row["application"] or "").startswith(_OURS):
        return "it is a connection of changeover"
    if row["superuser"]:
        return "a superuser's connection is never ended"
    if not row["visible"]:
        return "this role cannot see what it is: GRANT pg_monitor TO this role"
    if row["kind"] == "walsender":
        return "replication is never ended"
    if row["kind"] != "client backend":
        return f"it is no application's connection but {row['kind']}"
    if not row["may_signal"]:
        return "this role may not: GRANT pg_signal_backend TO this role"
    return ""
