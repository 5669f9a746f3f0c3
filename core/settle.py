"""What became of a transaction whose end was not heard.

Take the fate key: once it is ours, the old backend can no longer commit. Then read the history row: with our run id
in it the migration is applied, without it it is not. `pg_xact_status` decides nothing: after a crash it called lost
transactions committed, because their ids were given out again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from .connect import Connector
from .errors import ChangeoverError, ConnectError, ConnectionLost
from .events import Emit, Settled
from .history.ledger import Deed, Ledger
from .keys import Keys, attempt_to_take
from .sql import query

log = logging.getLogger(__name__)

# The old backend ends within client_connection_check_interval or the keepalives' time; seconds.
_PATIENCE: Final = 60.0
# What is left of the old attempt may end by itself for as long; then it is ended. Seconds.
_GRACE: Final = 1.0


async def settle(
    connect: Connector, *, ledger: Ledger, keys: Keys, deed: Deed, xid: str | None, emit: Emit
) -> bool | None:
    """Return whether this run's record of the deed is there; None where no primary answered in time.

    `xid` is the transaction that would have written it, None where that is not known.
    """
    began = time.monotonic()
    while (elapsed := time.monotonic() - began) < _PATIENCE:
        try:
            applied = await _ask(connect, ledger.proof(deed, xid=xid), keys, end_holder=elapsed > _GRACE)
        except ConnectError as error:
            if not error.mendable:
                # A changed password, say: asked again and again it locks the account, and answers nothing.
                log.warning("the outcome cannot be settled: %s", error)
                return None
            await asyncio.sleep(1.0)
            continue
        except ChangeoverError as error:
            if error.report is not None and not isinstance(error, ConnectionLost):
                # The history cannot be read: it was dropped, or a right was taken away. Asking again changes nothing.
                log.warning("the outcome cannot be settled: %s", error)
                return None
            # Connecting has its own retries; what comes here is a server that is still not there, or went again.
            await asyncio.sleep(1.0)
            continue
        if applied is not None:
            emit(Settled(version=deed.migration.version, applied=applied, elapsed=time.monotonic() - began))
            return applied
        await asyncio.sleep(0.2)
    return None


async def _ask(connect: Connector, proof: str | None, keys: Keys, *, end_holder: bool) -> bool | None:
    """Return the answer, or None where the old transaction has not ended, or a standby answered."""
    connection = await connect("settle")
    try:
        if connection.facts.in_recovery:
            return None
        await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
        if await connection.execute(attempt_to_take(keys.fate)) != "SELECT 1":
            if end_holder:
                # Its client gave it up, and a link with a hole in it does not tell it so.
                await connection.fetch(query("end_holder"), keys.fate, connect.application("migration"))
            return None
        found = proof is not None and await connection.execute(proof) == "SELECT 1"
        await connection.execute("ROLLBACK")
        return found
    finally:
        await connection.close()
