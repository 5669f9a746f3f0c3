"""Rehearses a plan for the plain face: over a connection of its own, kept for whoever approves the plan."""

from __future__ import annotations

import os

from ..core.connect import Connector
from ..core.rehearsing import rehearsed
from ..core.survey import Survey
from ..core.target import Target, choose, resolve
from .sitting import Sitting, run_with_password


def rehearse_in(sitting: Sitting, survey: Survey, shadow: str | None) -> Survey:
    """Return the survey with what a rehearsal measured; `shadow` names a database for it, None takes our own server.

    Raises what `rehearse` raises, and Declined where it was stopped.
    """
    settings = sitting.settings
    into = shadow_target(shadow, sitting) if shadow is not None else None

    async def once() -> Survey:
        connector = Connector(
            sitting.target, settings.retry, emit=sitting.emit, session=sitting.log.id, read_only=settings.read_only
        )
        try:
            return await rehearsed(survey, connector, settings, emit=sitting.emit, into=into)
        finally:
            await connector.close()

    return run_with_password(sitting, once)


def shadow_target(named: str, sitting: Sitting) -> Target:
    """Return the database that is lent as shadow; raises TargetError. Variables of the target are not for it."""
    environ = {"HOME": os.environ.get("HOME", "")}
    choice = choose(named, environ=environ, named=sitting.settings.targets, option="--shadow")
    return resolve(choice, environ=environ)
