"""The connection of a migration that was committed, kept for the next one after a full reset.

DISCARD ALL leaves a session as a new one is, and costs a round trip and no process of the server. What it does not
undo is kept out: a migration that may have changed what a new session begins with, or loaded code into its backend, is
followed by a fresh connection. See https://www.postgresql.org/docs/18/sql-discard.html.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from msgspec import Struct

from .connect import Connection, Connector
from .errors import ServerError
from .plan import PlannedMigration
from .precheck import Decision

log = logging.getLogger(__name__)

# Definitions and rows; SELECT, DO and CALL run code that may do anything by a text that it puts together.
_PLAIN: Final = frozenset({"CREATE", "ALTER", "DROP", "COMMENT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"})
# The settings with which a session begins, who it is, and extensions, whose scripts may do anything.
_NOT_PLAIN: Final = frozenset({"DATABASE", "ROLE", "USER", "GROUP", "SYSTEM", "EXTENSION"})


class Spare(Struct):
    """At most one connection, between two migrations."""

    _kept: Connection | None = None
    # its reset, where that was begun already
    _reset: asyncio.Task[None] | None = None

    def keep(self, connection: Connection, planned: PlannedMigration) -> bool:
        """Keep the connection on which a migration was committed; return False where it is not fit for another one."""
        if connection.facts.pooled or connection.is_closed or connection.in_transaction:
            return False
        if not all(_is_plain(it.kind) for it in planned.statements if it.decision is not Decision.SKIP):
            return False
        self._kept = connection
        return True

    def refresh(self) -> None:
        """Begin to reset what is kept, for a migration that comes at once: other things can be asked meanwhile."""
        if self._kept is not None and self._reset is None:
            self._reset = asyncio.create_task(self._kept.reset(), name="reset")

    async def take(self, connect: Connector) -> Connection:
        """Return the kept one as good as new, else a new one; raises `ConnectError`."""
        kept, self._kept = self._kept, None
        reset, self._reset = self._reset, None
        if kept is not None:
            try:
                await (reset or kept.reset())
            except ServerError as error:
                log.info("a fresh connection takes the place of one that cannot be reset: %s", error)
                kept.terminate()
            else:
                return kept
        return await connect("migration")

    async def close(self) -> None:
        """Close what is kept."""
        kept, self._kept = self._kept, None
        reset, self._reset = self._reset, None
        if kept is not None and reset is not None and not reset.done():
            # no further migration came, and what would be said politely waits behind the reset
            kept.terminate()
        if reset is not None:
            await asyncio.gather(reset, return_exceptions=True)
        if kept is not None:
            await kept.close()


def _is_plain(kind: str) -> bool:
    words = kind.split()
    return bool(words) and words[0] in _PLAIN and not _NOT_PLAIN.intersection(words)
