"""The pending migrations on a shadow of the target's schema: locks, rewrites, scans, errors, as they happened.

Each migration runs twice. *Together*, as a run would send it, in one transaction or outside of any: that tells what
fails, and what the catalog is like afterwards. *Apart*, on a copy, each statement in a transaction of its own: there a
lock is this statement's and not one that an earlier statement took already. Nothing is run on the target.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from . import schema_state, shadow_needs
from .connect import Connection
from .errors import ConnectionLost, ServerError
from .events import Emit, RehearsalStep, Rehearsed
from .lent_shadow import lent
from .measure import Meter
from .other_version import Estimates, estimates_at
from .plan import Plan, Rehearsal
from .postgres_binaries import Binaries
from .rehearsal import failure_of
from .rehearse_apart import Apart
from .rehearse_together import Together
from .rehearse_work import BEFOREHAND, RehearsalWork
from .schema_difference import Change, difference
from .schema_dump import dump
from .shadow import HARMLESS, Shadow, make_database, shadow, shadow_ended
from .shadow_needs import ShadowNeeds
from .shadow_schema import load
from .survey import Survey
from .target import Target
from .tasks import to_completion
from .unrehearsed import extension_of

# The copy in which statements run apart.
_COPY: Final = "changeover_apart"


async def rehearse(
    survey: Survey,
    target: Target,
    connection: Connection,
    *,
    emit: Emit,
    schema: str,
    binaries: Binaries | None = None,
    into: Target | None = None,
) -> Rehearsal:
    """Run the plan of a survey on a shadow and return what was measured.

    `connection` is one to the target that nobody uses now; `schema` is that of the history. The shadow is a server of
    our own, of `binaries` or of the nearest version here, or the database `into` that is lent for it. Cancelled, it
    cleans up and leaves nothing. Raises `SandboxError` where there can be no shadow, `UsageError` where `into` is
    none, and what `schema_dump.dump` raises.
    """
    clock = _Clock(emit=emit)
    needs = _with_extensions(survey.estimated or survey.plan, await shadow_needs.read(connection))
    emit(RehearsalStep(part="read the schema of the target"))
    dumping = asyncio.ensure_future(dump(target, needs.server, without=needs.unreadable))
    try:
        async with lent(into, needs) if into else shadow(needs, binaries=binaries) as made:
            clock.lap("start")
            text = await dumping
            clock.lap("dump")
            return await _on(made, survey, needs, text=text, schema=schema, clock=clock)
    finally:
        dumping.cancel()
        await to_completion(_ended(dumping))
        if not dumping.cancelled():
            # where the shadow failed first, nobody else hears of it
            dumping.exception()


async def _ended(task: asyncio.Future[str]) -> None:
    await asyncio.wait({task})


class _Clock(Struct, kw_only=True):
    """Where the time goes."""

    emit: Emit
    phases: dict[str, float] = field(default_factory=dict)
    last: float = field(default_factory=time.monotonic)

    def lap(self, part: str) -> None:
        now = time.monotonic()
        self.phases[part] = self.phases.get(part, 0.0) + now - self.last
        self.last = now


async def _on(made: Shadow, survey: Survey, needs: ShadowNeeds, *, text: str, schema: str, clock: _Clock) -> Rehearsal:
    plan = survey.estimated or survey.plan
    clock.emit(RehearsalStep(part="load the schema into the shadow"))
    loaded = await load(made, text, as_superuser=needs.server.superuser)
    clock.lap("load")
    work = RehearsalWork(
        plan=plan,
        shadow=made,
        lacking={*made.lacking, *made.missing_roles, *loaded.names},
        emit=clock.emit,
        on_shadow=_estimates(survey, plan, made, needs),
    )
    if needs.unreadable:
        made.remarks.append(f"{len(needs.unreadable)} tables that this role may not read are left out.")
    if work.wants_apart:
        await make_database(made, _COPY, template=made.database)
        clock.lap("copy")
    observer = await made.look(made.database)
    before = await schema_state.read(observer, without=schema)
    clock.lap("difference")
    await _with_history(made, plan, [made.database, *([_COPY] if work.wants_apart else [])])
    async with _meter(work, made.database) as meter:
        work.lacking |= _left_out(survey, meter)
        together = await Together(work=work, meter=meter).all()
    clock.lap("together")
    after = await schema_state.read(observer, without=schema)
    changes = (*difference(before, after), *_created_beforehand(work))
    clock.lap("difference")
    if work.wants_apart:
        async with _meter(work, _COPY) as meter:
            together = await Apart(work=work, meter=meter).all(together)
        clock.lap("apart")
    rehearsal = Rehearsal(
        digest=plan.digest,
        at=time.time(),
        shadow=f"PostgreSQL {made.version}",
        version_num=made.version_num,
        statements=tuple(together.values()),
        difference=changes,
        remarks=tuple(made.remarks),
        phases=clock.phases,
    )
    clock.emit(_told(plan, rehearsal))
    return rehearsal


async def _with_history(made: Shadow, plan: Plan, databases: Sequence[str]) -> None:
    """Make another tool's history where the target has none yet: a run makes it before its first migration.

    It is among the changes, then, and a migration may name it.
    """
    history = plan.history
    if history.place is None or history.exists:
        return
    for database in databases:
        connection = await made.connect(database)
        try:
            await connection.execute(history.creation)
        except ConnectionLost as error:
            raise shadow_ended("while the history was made", error) from error
        except ServerError as error:
            made.remarks.append(f"The history {history.table} could not be made on the shadow: {error.summary}")
            return
        finally:
            await connection.close()


def _estimates(survey: Survey, plan: Plan, made: Shadow, needs: ShadowNeeds) -> Estimates:
    if made.version_num == needs.server.version_num:
        return {}
    return estimates_at(plan, survey.catalog, made.version_num)


def _with_extensions(plan: Plan, needs: ShadowNeeds) -> ShadowNeeds:
    """Return what is needed with the extensions that the plan creates and only a superuser may."""
    wanted = {
        name: schema
        for planned in plan.migrations
        for statement in planned.migration.script.statements
        for name, schema in [extension_of(statement) or ("", "")]
        if name in HARMLESS and name not in needs.extensions
    }
    return replace(needs, extensions={**needs.extensions, **wanted})


def _created_beforehand(work: RehearsalWork) -> list[Change]:
    """Return the extensions of the plan that were there before it, because only we may create them."""
    names = set[str]()
    for (entry, number), why in work.left.items():
        planned = work.plan.migrations[entry]
        one = next(it for it in planned.statements if it.number == number)
        statement = work.statement_of(planned, one)
        if why == BEFOREHAND and statement is not None and (extension := extension_of(statement)):
            names.add(extension[0])
    return [Change(kind="extension", object=name, action="added") for name in sorted(names)]


def _told(plan: Plan, rehearsal: Rehearsal) -> Rehearsed:
    return Rehearsed(
        digest=plan.digest,
        shadow=rehearsal.shadow,
        measured=sum(it.is_measured for it in rehearsal.statements),
        unknowable=sum(bool(it.unknowable) for it in rehearsal.statements),
        changes=len(rehearsal.difference),
        elapsed=rehearsal.elapsed,
        fault=failure_of(plan, rehearsal),
    )


def _left_out(survey: Survey, meter: Meter) -> set[str]:
    """Return the bare names of what the target has and the shadow lacks, an invalid index for example."""
    known = {it.name for it in meter.known.values()}
    wanted = (r for r in survey.catalog.relations.values() if r.schema not in {"pg_catalog", "information_schema"})
    return {r.name for r in wanted if r.qualified not in known}


@contextlib.asynccontextmanager
async def _meter(work: RehearsalWork, database: str) -> AsyncIterator[Meter]:
    connection = await work.shadow.connect(database)
    observer = await work.shadow.look(database)
    meter = Meter(connection=connection, observer=observer)
    try:
        await meter.prepare()
        yield meter
    except ConnectionLost as error:
        raise shadow_ended("during the rehearsal", error) from error
    finally:
        await meter.connection.close()
        await observer.close()
