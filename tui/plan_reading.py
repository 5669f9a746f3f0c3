"""What goes on beside a plan that is being read: a rehearsal, and who is using what it locks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from ..core.connect import Connector
from ..core.errors import ChangeoverError, Fault, fault_of
from ..core.events import Event, RehearsalStep
from ..core.exposure import follow, targets_of
from ..core.rehearsing import rehearsed
from ..core.settings import Retry, Settings
from ..core.survey import Survey
from ..core.target import Target
from ..core.traffic import Exposure
from .screens.precheck import Follow

# After a look at the traffic that failed, until the next one; seconds.
_AGAIN: Final = 10.0


async def rehearse(
    survey: Survey,
    target: Target,
    settings: Settings,
    *,
    record: Callable[[Event], object],
    tell: Callable[[RehearsalStep], object],
    reading: bool,
) -> Survey:
    """Rehearse a survey's plan over a connection of its own, and return the survey with what was measured.

    Raises what connecting, dumping and the shadow raise.
    """

    def emit(event: Event) -> None:
        record(event)
        if isinstance(event, RehearsalStep):
            tell(event)

    connector = Connector(target, settings.retry, emit=emit, read_only=reading)
    try:
        return await rehearsed(survey, connector, settings, emit=emit)
    finally:
        await connector.close()


def exposure_of(survey: Survey, target: Target | None, retry: Retry, *, session: str, reading: bool) -> Follow | None:
    """Return what samples the traffic on the plan's tables over a connection of its own; None where it locks none."""
    watched = targets_of(survey.plan, survey.catalog)
    if target is None or not watched:
        return None
    once = replace(retry, retries=0)

    async def sample(tell: Callable[[Exposure | Fault], object]) -> None:
        connect = Connector(target, once, emit=lambda _event: None, session=session, read_only=reading)
        while True:
            try:
                await follow(connect, watched, tell)
            except ChangeoverError as error:
                tell(fault_of(error))
            await asyncio.sleep(_AGAIN)

    return sample
