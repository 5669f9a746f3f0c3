"""The examples of every hazard rule, on real servers: the schema is made, filled and analysed, then planned."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import groupby

import pytest

from changeover.core import catalog as catalogs
from changeover.core.catalog import Catalog
from changeover.core.connect import Connection, Connector
from changeover.core.hazards.rule import SEVERE, Example, Rule
from changeover.core.hazards.rules import RULES
from changeover.core.plan import HazardFinding, Plan
from changeover.core.settings import Retry
from changeover.core.target import Target
from tests.core.catalogs import plan_of
from tests.servers import Server

# Every example with its rule, and whether the rule finds something in it; those with one schema stand together.
_ALL = sorted(
    [(example, rule, True) for rule in RULES for example in rule.bad]
    + [(example, rule, False) for rule in RULES for example in rule.good],
    key=lambda it: it[0].schema,
)


@asynccontextmanager
async def connected(target: Target) -> AsyncIterator[Connection]:
    connect = Connector(target, Retry(), emit=lambda _: None)
    try:
        yield await connect("look")
    finally:
        await connect.close()


@asynccontextmanager
async def scene(connection: Connection, schema: str) -> AsyncIterator[Catalog]:
    """Make the schema, fill and analyse it, and take it away again."""
    await connection.execute("BEGIN")
    try:
        await connection.execute(schema or "SELECT 1")
        await connection.execute("ANALYZE")
        yield await catalogs.read(connection)
    finally:
        await connection.execute("ROLLBACK")


def suits(example: Example, major: int) -> bool:
    return example.since <= major <= example.until


def hazards_of(plan: Plan) -> list[HazardFinding]:
    return [hazard for _, _, hazard in plan.hazards]


async def plans(server: Server, target: Target) -> list[tuple[Example, Rule, bool, Plan]]:
    found: list[tuple[Example, Rule, bool, Plan]] = []
    async with connected(target) as connection:
        fitting = [it for it in _ALL if suits(it[0], server.major)]
        for schema, group in groupby(fitting, key=lambda it: it[0].schema):
            async with scene(connection, schema) as catalog:
                found += [(example, rule, bad, plan_of(example.migration, at=catalog)) for example, rule, bad in group]
    return found


@pytest.fixture(scope="module")
def planned(any_server: Server) -> Iterator[list[tuple[Example, Rule, bool, Plan]]]:
    with any_server.new_database() as target:
        yield asyncio.run(plans(any_server, target))


def test_each_bad_example_is_found_and_no_good_one(planned: list[tuple[Example, Rule, bool, Plan]]) -> None:
    wrong = [
        f"{rule.id} {'misses' if bad else 'cries at'}: {example.migration}"
        for example, rule, bad, plan in planned
        if (rule.id in {hazard.id for hazard in hazards_of(plan)}) is not bad
    ]
    assert not wrong, "\n".join(wrong)


def test_only_what_is_severe_stops_the_plan(planned: list[tuple[Example, Rule, bool, Plan]]) -> None:
    for example, _rule, _bad, plan in planned:
        severe = {hazard.id for hazard in hazards_of(plan) if hazard.severity == SEVERE}
        stopped = [fault.summary.partition(":")[0] for fault in plan.refusals if fault.id == "hazard"]
        assert set(stopped) == severe, example.migration
