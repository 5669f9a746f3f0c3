"""One look at a target: everything that a face shows before a run, read in one snapshot, and the plan made of it.

What a plan is made with is imported where one is made: a glance at the history needs none of it, and is quick.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from . import sources
from .actions import APPLY, Action
from .connect import Connection, Connector
from .errors import ServerError
from .events import ServerFacts
from .guard import holding
from .history import History
from .migration import Folder
from .settings import Settings
from .status import MigrationStatus, statuses

if TYPE_CHECKING:
    from .catalog import Catalog
    from .plan import Plan
    from .traffic import Exposure

# Reading must never wait behind a migration's lock, or hold anybody up.
_PATIENCE = (
    "SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '60s'; "
    # between two reads the plan is worked out, which takes a while for a big folder
    "SET LOCAL idle_in_transaction_session_timeout = '120s'"
)


class Glance(Struct, frozen=True, kw_only=True):
    """What folder and history say without the catalog."""

    server: ServerFacts
    folder: Folder
    history: History
    statuses: tuple[MigrationStatus, ...]
    # who is migrating this database right now; empty where nobody is
    running: str = ""


class Survey(Struct, frozen=True, kw_only=True):
    """What was found."""

    server: ServerFacts
    folder: Folder
    history: History
    catalog: Catalog
    statuses: tuple[MigrationStatus, ...]
    # with what a rehearsal of it measured, where there was one
    plan: Plan
    # the same without; None where it is the same
    estimated: Plan | None = None
    # who is using what the plan locks; None where that was not asked
    exposure: Exposure | None = None
    # by what our role could write, empty where it cannot at all; None where we can write: nobody has asked then
    power: str | None = None
    # who is migrating this database right now; empty where nobody is
    running: str = ""


async def look(
    connection: Connection,
    settings: Settings,
    *,
    action: Action = APPLY,
    folder: Folder | None = None,
    connect: Connector | None = None,
) -> Survey:
    """Read folder, catalog and history and plan `action`; nothing is written, no lock stronger than ACCESS SHARE.

    `connect` opens a second connection where a pooler stands between, whose mode decides what can run through it.

    A rehearsal of this very plan that was kept is in it. One REPEATABLE READ READ ONLY transaction of fixed queries
    over the extended protocol, so that nothing in it can leave the transaction. See
    https://www.postgresql.org/docs/18/sql-set-transaction.html.
    """
    from . import catalog as catalogs
    from . import kept_rehearsals, surroundings
    from .hazards.allowances import Allowances
    from .inspection import read_power
    from .planning import make_plan
    from .pooling import as_carried
    from .rehearsal import is_overridden, with_rehearsal
    from .surrounded import surrounded

    folder = folder or sources.read_folder(settings)
    async with _reading(connection):
        found = await sources.find(connection, settings, folder)
        history, folder = await sources.read_history(connection, settings, found)
        history = _with_steps(history, folder, connection.facts)
        running = await _running(connection, settings, history, found.tables.database)
        catalog = await catalogs.read(connection)
        power = await read_power(connection) if connection.facts.read_only else None
        plan = make_plan(
            folder=folder,
            history=history,
            catalog=catalog,
            limits=settings.limits,
            allowances=Allowances(
                settings=settings.allowed_hazards, operator=settings.operator_allows, places=settings.allowed_places
            ),
            out_of_order=settings.out_of_order,
            action=action,
        )
        if plan.migrations:
            plan = surrounded(plan, catalog, await surroundings.read(connection, plan.rights, plan.columns))
    if connect is not None:
        plan = await as_carried(plan, connection, connect)
    kept = kept_rehearsals.find(plan.digest)
    shown = with_rehearsal(plan, kept, overridden=is_overridden(settings.allowed_hazards))
    return Survey(
        server=connection.facts,
        folder=folder,
        history=history,
        catalog=catalog,
        statuses=statuses(folder, history),
        plan=shown,
        estimated=plan,
        power=power,
        running=running,
    )


async def glance(connection: Connection, settings: Settings, *, folder: Folder | None = None) -> Glance:
    """Read folder and history as `look` does, and no more: for the states of the migrations."""
    folder = folder or sources.read_folder(settings)
    async with _reading(connection):
        found = await sources.find(connection, settings, folder)
        history, folder = await sources.read_history(connection, settings, found)
        history = _with_steps(history, folder, connection.facts)
        running = await _running(connection, settings, history, found.tables.database)
    return Glance(
        server=connection.facts,
        folder=folder,
        history=history,
        statuses=statuses(folder, history),
        running=running,
    )


async def read_schema(connection: Connection) -> Catalog:
    """Return what the database has; that needs no folder. Raises `ServerError` or `ConnectionLost`."""
    from . import catalog as catalogs

    async with _reading(connection):
        return await catalogs.read(connection)


async def read_history_alone(connection: Connection, settings: Settings) -> History:
    """Return the history where no folder can be read. Raises `HistoryError`, and as `read_schema` does."""
    async with _reading(connection):
        return await sources.read_history_alone(connection, settings)


@contextlib.asynccontextmanager
async def _reading(connection: Connection) -> AsyncIterator[None]:
    await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        await connection.execute(_PATIENCE)
        yield
    finally:
        if not connection.is_closed:
            await connection.execute("ROLLBACK")


async def _running(connection: Connection, settings: Settings, history: History, database: str) -> str:
    found = await holding(connection, sources.keys_of_history(settings, history, database))
    if found is None:
        return ""
    return f"{found.tool} is migrating: {found.who}" if found.tool else found.who


def _with_steps(history: History, folder: Folder, server: ServerFacts) -> History:
    """Return the history with what only the session logs know of attempts; ours knows all by itself."""
    if history.place is None:
        return history
    from .step_log import with_logged_steps

    return with_logged_steps(history, folder, server)


async def exposed(connection: Connection, survey: Survey) -> Survey:
    """Return the survey with who is using what its plan locks; without it where the server does not answer that."""
    from .exposure import measure, targets_of

    with contextlib.suppress(ServerError):
        found = await measure(connection, targets_of(survey.plan, survey.catalog))
        return replace(survey, exposure=found)
    return survey
