"""Whether a pooler between us and the server gives each transaction another backend.

In session mode a pooler is a detour and no more. In transaction mode nothing outlives a transaction: no setting, no
key, and a statement that runs outside of one could not be watched or stopped. No message of the protocol tells the
modes apart, so two connections compare which backends they get. See https://www.pgbouncer.org/features.html.
"""

from __future__ import annotations

from typing import Final

from .connect import Connection
from .errors import Refused
from .plan import Plan

_ROUNDS: Final = 3
_WHICH: Final = "SELECT pg_catalog.pg_backend_pid() AS backend"
_ADVICE: Final = (
    "Connect to the server itself, or through a pool in session mode (pool_mode = session); "
    "the transactional migrations before it can be applied with --to."
)


async def shares_backends(first: Connection, second: Connection) -> bool:
    """Whether two connections, both idle, are given each other's backends: then these belong to transactions.

    Raises `ServerError`.
    """
    for _ in range(_ROUNDS):
        before = await _backend(first)
        # Held by a transaction, the backend is kept from the other one; what is idle is handed out again.
        await second.execute("BEGIN READ ONLY")
        try:
            taken = (await second.fetch(_WHICH))[0]["backend"]
            if taken == before or await _backend(first) != before:
                return True
        finally:
            await second.execute("ROLLBACK")
    return False


def refuse_outside_transactions(plan: Plan) -> None:
    """Raise `Refused` where a plan has a migration that a pooler in transaction mode cannot carry."""
    outside = next((it.migration for it in plan.migrations if not it.transactional), None)
    if outside is not None:
        raise Refused(
            f"{outside.file} runs outside a transaction, and the connection goes through a pooler in transaction mode: "
            "its statements would land on backends that cannot be watched or stopped.",
            advice=_ADVICE,
        )


async def _backend(connection: Connection) -> int:
    # Outside a transaction even the two halves of one query could land on two backends.
    await connection.execute("BEGIN READ ONLY")
    try:
        backend: int = (await connection.fetch(_WHICH))[0]["backend"]
        return backend
    finally:
        await connection.execute("ROLLBACK")
