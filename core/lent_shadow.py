"""A database that somebody lends as shadow, for extensions that the embedded server does not have.

It must be empty, or carry our mark; it gets the mark, and is left empty again. Foreign SQL runs in it as the role of
its URL, which therefore must not be a powerful one.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from .connect import Connection, Connector
from .errors import UsageError
from .events import ServerFacts
from .quoting import identifier, literal
from .settings import Retry
from .shadow import Shadow, settings
from .shadow_needs import ShadowNeeds
from .sql import query
from .target import Target
from .tasks import to_completion

MARK: Final = "changeover shadow"
_REMEDY: Final = "Make one for it: CREATE DATABASE shadow OWNER somebody, by a role without any power, and name that."


@contextlib.asynccontextmanager
async def lent(target: Target, needs: ShadowNeeds) -> AsyncIterator[Shadow]:
    """Give a shadow in the database `target`; raises `UsageError` where it cannot be one."""
    connector = Connector(target, Retry(retries=0), emit=lambda _: None, session="shadow")
    try:
        connection = await connector("look")
        found = (await connection.fetch(query("shadow_database")))[0]
        _fit(target, connection.facts, needs.server, found)
        await connection.execute(f"COMMENT ON DATABASE {identifier(target.database)} IS {literal(MARK)}")
        await connection.execute("SET search_path = pg_catalog, pg_temp")
        await connection.execute(query("shadow_empty"))
        made = _shadow(target, connection, needs, found)
        try:
            await settings(made, needs)
            yield made
        finally:
            await to_completion(_left_empty(made, connection))
    finally:
        await connector.close()


def _fit(target: Target, server: ServerFacts, of_target: ServerFacts, found: Mapping[str, Any]) -> None:
    here, there = server.system_identifier, of_target.system_identifier
    if server.database == of_target.database and (not here or not there or here == there):
        raise UsageError(f"{target} is the target itself, and cannot be its shadow.", advice=_REMEDY)
    if found["power"]:
        raise UsageError(
            f"The role {server.user} is too powerful for a shadow ({found['power']}): the migrations run as it.",
            advice=_REMEDY,
        )
    if not found["owns"]:
        raise UsageError(f"The database {server.database} does not belong to {server.user}.", advice=_REMEDY)
    if found["things"] and found["mark"] != MARK:
        raise UsageError(
            f"The database {server.database} is not empty ({found['things']} objects), and carries no mark of ours.",
            advice=_REMEDY,
        )


def _shadow(target: Target, connection: Connection, needs: ShadowNeeds, found: Mapping[str, Any]) -> Shadow:
    made = Shadow(
        reach=lambda _database, _role: target,
        version=connection.facts.version,
        version_num=connection.facts.version_num,
        database=target.database,
        owner=connection.facts.user,
        observer=connection.facts.user,
    )
    made.available = frozenset(found["extensions"])
    made.lacking = tuple(name for name in needs.extensions if name not in made.available)
    made.roles = {role for role in needs.roles if role in found["roles"]}
    made.missing_roles = frozenset(needs.roles) - made.roles
    made.remarks.append(f"The shadow is {target}; everything in it belongs to {made.owner}.")
    made.remarks.append("Locks that a migration holds already when a statement takes them again are estimated.")
    if made.lacking:
        made.remarks.append(f"Extension {', '.join(sorted(made.lacking))} is not in the shadow: create it there.")
    if made.missing_roles:
        made.remarks.append(f"{len(made.missing_roles)} roles of the target are not known there.")
    if found["language"] and not found["language"].lower().startswith(("c", "posix", "en")):
        made.remarks.append(f"Its messages are in {found['language']}: scans of foreign keys and builds are not seen.")
    return made


async def _left_empty(made: Shadow, connection: Connection) -> None:
    """Drop what the rehearsal left, and the settings of its role."""
    await made.close()
    role = identifier(made.owner)
    await connection.execute("RESET ROLE; SET statement_timeout = 0")
    await connection.execute(query("shadow_empty"))
    await connection.execute(f"ALTER ROLE {role} IN DATABASE {identifier(made.database)} RESET ALL")
