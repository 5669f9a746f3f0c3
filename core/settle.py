"""What became of a transaction whose end was not heard.

Take the fate key: once it is ours, the old backend can no longer commit. Then read the history row: with our run id
in it the migration is applied, without it it is not. `pg_xact_status` decides nothing: after a crash it called lost
transactions committed, because their ids were given out again.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from .connect import Connector
from .errors import ChangeoverError
from .events import Emit, Settled
from .history import native as history
from .keys import Keys, attempt_to_take

# The old backend ends within client_connection_check_interval or the keepalives' time; seconds.
_PATIENCE: Final = 60.0


async def settle(connect: Connector, *, schema: str, keys: Keys, version: str, run: str, emit: Emit) -> bool | None:
    """Return whether the migration is in force by this run; None where no primary answered in time."""
    began = time.monotonic()
    while time.monotonic() - began < _PATIENCE:
        try:
            applied = await _ask(connect, schema, keys, version, run)
        except ChangeoverError:
            # Connecting has its own retries; what comes here is a server that is still not there, or went again.
            await asyncio.sleep(1.0)
            continue
        if applied is not None:
            emit(Settled(version=version, applied=applied, elapsed=time.monotonic() - began))
            return applied
        await asyncio.sleep(0.2)
    return None


async def _ask(connect: Connector, schema: str, keys: Keys, version: str, run: str) -> bool | None:
    """Return the answer, or None where the old transaction has not ended, or a standby answered."""
    connection = await connect("settle")
    try:
        if connection.facts.in_recovery:
            return None
        await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
        if await connection.execute(attempt_to_take(keys.fate)) != "SELECT 1":
            return None
        tag = await connection.execute(history.applied_by(schema, version, run))
        await connection.execute("ROLLBACK")
        return tag == "SELECT 1"
    finally:
        await connection.close()
