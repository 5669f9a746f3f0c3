"""What became of a statement outside a transaction whose answer was lost: the catalog is asked once it is at rest."""

from __future__ import annotations

import logging
from typing import Final

from . import catalog as catalogs
from .errors import ChangeoverError
from .plan import PlannedMigration
from .resume import Found, look_for
from .work import Work
from .world import World

log = logging.getLogger(__name__)

# How long the old backend may take to notice that its client is gone; seconds.
_REST: Final = 15.0


async def what_became_of(work: Work, planned: PlannedMigration, number: int, backend: int) -> Found:
    """Return whether the statement was done; UNKNOWN where its backend goes on, or nobody can be asked."""
    statement = next((it for it in planned.migration.script.statements if it.number == number), None)
    if statement is None or not await work.watch.at_rest(backend, within=_REST):
        return Found.UNKNOWN
    try:
        connection = await work.connect("settle")
        try:
            await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            found, note, _ = look_for(statement, World(await catalogs.read(connection)))
        finally:
            await connection.close()
    except ChangeoverError as error:
        log.warning("statement %d could not be looked for: %s", number, error)
        return Found.UNKNOWN
    log.info("the answer of statement %d was lost; %s: %s", number, found, note)
    return found
