"""Rehearses the plan of a survey and keeps what was found: what both faces call."""

from __future__ import annotations

from msgspec.structs import replace

from . import kept_rehearsals
from .connect import Connector
from .events import Emit
from .rehearsal import is_overridden, with_rehearsal
from .rehearse import rehearse
from .settings import Settings
from .survey import Survey
from .target import Target


async def rehearsed(
    survey: Survey, connector: Connector, settings: Settings, *, emit: Emit, into: Target | None = None
) -> Survey:
    """Return the survey with what a rehearsal measured, which is kept by the plan's digest.

    `into` is a database that is lent as shadow; None takes a server of our own. Raises what `rehearse` raises.
    """
    connection = await connector("look")
    try:
        found = await rehearse(survey, connector.target, connection, emit=emit, schema=settings.schema, into=into)
    finally:
        await connection.close()
    kept_rehearsals.keep(found)
    plan = survey.estimated or survey.plan
    shown = with_rehearsal(plan, found, overridden=is_overridden(settings.allowed_hazards))
    return replace(survey, plan=shown, estimated=plan)
