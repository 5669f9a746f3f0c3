"""Rehearsals for the tests: a schema on a target, migrations beside it, and what the engine measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from changeover.core.connect import Connector
from changeover.core.events import Event, ServerFacts
from changeover.core.plan import Measurement, PlannedStatement
from changeover.core.rehearsing import rehearsed
from changeover.core.settings import Retry, Settings
from changeover.core.shadow_needs import ShadowNeeds
from changeover.core.survey import Survey, look
from changeover.core.target import Target

# Of a target of PostgreSQL 18 with nothing around its schema.
NEEDS = ShadowNeeds(
    server=ServerFacts(
        version="18.6",
        version_num=180006,
        database="shop",
        user="deployer",
        host="db.example",
        port=5432,
        system_identifier="1",
        timeline=1,
        in_recovery=False,
        tls=False,
        pooled=False,
        superuser=False,
        read_only=False,
    ),
    roles=(),
    members=(),
    settings={},
    tablespaces=(),
    extensions={},
    access_methods={},
    unreadable=(),
)


class Rehearsed(Struct, frozen=True):
    """A survey with a rehearsal in its plan, and the events on the way."""

    survey: Survey
    events: list[Event]

    @property
    def measurements(self) -> list[Measurement]:
        """What was measured, in the plan's order."""
        assert self.survey.plan.rehearsal is not None
        return list(self.survey.plan.rehearsal.statements)

    @property
    def statements(self) -> list[PlannedStatement]:
        """The statements of the plan."""
        return [one for planned in self.survey.plan.migrations for one in planned.statements]


async def rehearse_on(
    target: Target,
    folder: Path,
    migrations: Mapping[str, str],
    *,
    allowed: Mapping[str, str] | None = None,
    into: Target | None = None,
    read_only: bool = False,
) -> Rehearsed:
    """Write the migrations, look at the target and rehearse them."""
    folder.mkdir(exist_ok=True)
    for name, sql in migrations.items():
        (folder / f"{name}.sql").write_text(sql, encoding="utf-8")
    settings = Settings(migrations=folder, allowed_hazards=dict(allowed or {}))
    return await rehearse_by(target, settings, into=into, read_only=read_only)


async def rehearse_by(
    target: Target, settings: Settings, *, into: Target | None = None, read_only: bool = False
) -> Rehearsed:
    """Look at the target with these settings and rehearse what is there."""
    events: list[Event] = []
    connector = Connector(target, Retry(retries=0), emit=events.append, read_only=read_only)
    try:
        survey = await look(await connector("look"), settings)
        return Rehearsed(await rehearsed(survey, connector, settings, emit=events.append, into=into), events)
    finally:
        await connector.close()
