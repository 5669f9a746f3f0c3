"""Whether a pooler between us and the server gives each transaction another backend.

In session mode a pooler is a detour and no more. In transaction mode nothing outlives a transaction: no setting, no
key, and a statement that runs outside of one could not be watched or stopped. No message of the protocol tells the
modes apart, so two connections compare which backends they get. See https://www.pgbouncer.org/features.html.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from .connect import Connection, Connector
from .errors import Fault, Refused
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


def refusal(plan: Plan) -> Fault | None:
    """Return why a pooler in transaction mode cannot carry the plan: it has a migration outside a transaction."""
    outside = next((it.migration for it in plan.migrations if not it.transactional), None)
    if outside is None:
        return None
    return Fault(
        id=Refused.id,
        summary=f"{outside.file} runs outside a transaction, and the connection goes through a pooler in transaction "
        "mode: its statements would land on backends that cannot be watched or stopped.",
        advice=_ADVICE,
    )


async def as_carried(plan: Plan, connection: Connection, connect: Connector) -> Plan:
    """Return the plan with what the way to the server refuses; a second connection is opened only where it tells.

    Raises `ConnectError` and `ServerError`.
    """
    refused = refusal(plan) if connection.facts.pooled else None
    if refused is None:
        return plan
    second = await connect("look")
    try:
        shared = await shares_backends(connection, second)
    finally:
        await second.close()
    return replace(plan, refusals=(*plan.refusals, refused)) if shared else plan


async def _backend(connection: Connection) -> int:
    # Outside a transaction even the two halves of one query could land on two backends.
    await connection.execute("BEGIN READ ONLY")
    try:
        backend: int = (await connection.fetch(_WHICH))[0]["backend"]
        return backend
    finally:
        await connection.execute("ROLLBACK")
