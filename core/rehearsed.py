"""Whether a run changed the target as its rehearsal changed the shadow.

The schema is read before the run and after it, each time in one READ ONLY snapshot, where there is a rehearsal to
compare with.
"""

from __future__ import annotations

import time

from msgspec import Struct

from . import schema_state
from .connect import Connection, Connector
from .errors import ChangeoverError, ServerError, fault_of
from .events import RehearsalCompared
from .plan import Plan, Rehearsal
from .schema_difference import compare, difference
from .schema_state import SchemaState


class Comparing(Struct, frozen=True, kw_only=True):
    """The target before a run that was rehearsed; `schema` is that of the history, which is left out."""

    rehearsal: Rehearsal
    before: SchemaState
    schema: str

    async def end(self, connect: Connector) -> RehearsalCompared:
        """Look at the target after the run and compare; never raises."""
        began = time.monotonic()
        try:
            connection = await connect("look")
            try:
                after = await schema_state.read(connection, without=self.schema)
            finally:
                await connection.close()
        except ChangeoverError as error:
            return RehearsalCompared(
                missing=(), unexpected=(), changes=(), elapsed=time.monotonic() - began, fault=fault_of(error)
            )
        changes = difference(self.before, after)
        found = compare(self.rehearsal.difference, changes)
        return RehearsalCompared(
            missing=found.missing,
            unexpected=found.unexpected,
            changes=changes,
            elapsed=time.monotonic() - began,
        )


async def begin(connection: Connection, plan: Plan, schema: str) -> Comparing | None:
    """Read the schema before a run; None where there is nothing to compare it with, or it cannot be read now."""
    if plan.rehearsal is None:
        return None
    try:
        before = await schema_state.read(connection, without=schema)
    except ServerError:
        return None
    return Comparing(rehearsal=plan.rehearsal, before=before, schema=schema)
