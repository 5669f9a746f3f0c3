"""What was measured on one release of PostgreSQL, as another one does it. Pure.

Which locks a statement takes on the way (on partitions, on the indexes of what it opens) differs between releases in
ways that the estimate knows: where it says one thing for the target and another for the shadow, the target's holds.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from msgspec.structs import replace

from .catalog import Catalog
from .judge import Entry, judge
from .plan import LockClaim, Plan

# by entry of the plan and number of the statement
Estimates: TypeAlias = Mapping[tuple[int, int], tuple[LockClaim, ...]]


def estimates_at(plan: Plan, catalog: Catalog, version_num: int) -> Estimates:
    """Return the locks of the plan's statements, estimated as if its database were of `version_num`."""
    server = replace(catalog.server, version_num=version_num)
    numbers = [{one.number for one in planned.statements if not one.added} for planned in plan.migrations]
    entries = [
        Entry(
            version=planned.migration.version,
            statements=tuple(it for it in planned.migration.script.statements if it.number in wanted),
            transactional=planned.transactional,
        )
        for planned, wanted in zip(plan.migrations, numbers, strict=True)
    ]
    return {
        (entry, one.statement.number): one.estimate.locks
        for entry, statements in enumerate(judge(entries, dataclasses.replace(catalog, server=server)))
        for one in statements
    }


def as_on_target(
    measured: Sequence[LockClaim], *, on_target: Sequence[LockClaim], on_shadow: Sequence[LockClaim]
) -> tuple[LockClaim, ...]:
    """Return what was measured on a shadow with the differences between two estimates laid over it."""
    here = {claim.relation: claim.mode for claim in on_target}
    there = {claim.relation: claim.mode for claim in on_shadow}
    modes = {claim.relation: claim.mode for claim in measured}
    for relation in here.keys() | there.keys():
        if here.get(relation) == there.get(relation):
            continue
        if relation in here:
            modes[relation] = here[relation]
        else:
            modes.pop(relation, None)
    return tuple(LockClaim(relation=relation, mode=mode) for relation, mode in sorted(modes.items()))
