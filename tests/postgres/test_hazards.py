"""The examples of every hazard rule, on real servers: the schema is made, filled and analysed, then planned."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from itertools import groupby
from pathlib import Path

import postgast
import pytest

from changeover.core import catalog as catalogs
from changeover.core.catalog import Catalog
from changeover.core.connect import Connection, Connector
from changeover.core.errors import ServerError
from changeover.core.folders import native
from changeover.core.hazards.rule import SEVERE, Example, Rule
from changeover.core.hazards.rules import RULES
from changeover.core.hazards.schemas import EMPTY
from changeover.core.plan import HazardFinding, Plan
from changeover.core.settings import Retry
from changeover.core.sql import query
from changeover.core.target import Target
from tests.core.catalogs import plan_from, plan_of
from tests.servers import Server

# Every example with its rule, and whether the rule finds something in it; those with one schema stand together.
_ALL = sorted(
    [(example, rule, True) for rule in RULES for example in rule.bad]
    + [(example, rule, False) for rule in RULES for example in rule.good],
    key=lambda it: it[0].schema,
)


# What stands for the operator's own bounds and values.
_BLANKS = {" AND ...;": " AND true;", "= ... WHERE": "= NULL WHERE"}

_SNAPSHOT = """
SELECT 'column', c.oid::regclass::text, a.attname::text, a.attnum::text, format_type(a.atttypid, a.atttypmod),
    a.attnotnull::text, COALESCE(pg_get_expr(d.adbin, d.adrelid), '')
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (c.oid, a.attnum)
WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT 'constraint', conrelid::regclass::text, conname::text, contype::text, pg_get_constraintdef(oid),
    convalidated::text, ''
FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
UNION ALL
SELECT 'index', indrelid::regclass::text, indexrelid::regclass::text, pg_get_indexdef(indexrelid), indisvalid::text,
    '', ''
FROM pg_index WHERE indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
UNION ALL
SELECT 'partition', inhparent::regclass::text, inhrelid::regclass::text, '', '', '', '' FROM pg_inherits
ORDER BY 1, 2, 3
"""


Planned = tuple[Example, Rule, bool, Plan]


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
    # before 14, a table that was analysed and has no rows is like one that was never analysed: nothing is exempt
    told_apart = major >= 14 or not example.schema.startswith(EMPTY)
    return example.since <= major <= example.until and told_apart


def hazards_of(plan: Plan) -> list[HazardFinding]:
    return [hazard for _, _, hazard in plan.hazards]


async def plans(server: Server, target: Target) -> list[Planned]:
    found: list[Planned] = []
    async with connected(target) as connection:
        fitting = [it for it in _ALL if suits(it[0], server.major)]
        for schema, group in groupby(fitting, key=lambda it: it[0].schema):
            async with scene(connection, schema) as catalog:
                found += [(example, rule, bad, plan_of(example.migration, at=catalog)) for example, rule, bad in group]
    return found


@pytest.fixture(scope="module")
def planned(any_server: Server) -> Iterator[list[Planned]]:
    with any_server.new_database() as target:
        yield asyncio.run(plans(any_server, target))


def test_each_bad_example_is_found_and_no_good_one(planned: list[Planned]) -> None:
    wrong = [
        f"{rule.id} {'misses' if bad else 'cries at'}: {example.migration}"
        for example, rule, bad, plan in planned
        if (rule.id in {hazard.id for hazard in hazards_of(plan)}) is not bad
    ]
    assert not wrong, "\n".join(wrong)


def test_only_what_is_severe_stops_the_plan(planned: list[Planned]) -> None:
    for example, _rule, _bad, plan in planned:
        severe = {hazard.id for hazard in hazards_of(plan) if hazard.severity == SEVERE}
        stopped = [fault.summary.partition(":")[0] for fault in plan.refusals if fault.id == "hazard"]
        assert set(stopped) == severe, example.migration


# -- the safe way


def found_by(rule: Rule, plan: Plan) -> list[tuple[int, HazardFinding]]:
    return [(statement.number, hazard) for _, statement, hazard in plan.hazards if hazard.id == rule.id]


def test_every_safe_way_is_sql(planned: list[Planned]) -> None:
    for _example, rule, _bad, plan in planned:
        for _number, hazard in found_by(rule, plan):
            text = hazard.instead
            for blank, value in _BLANKS.items():
                text = text.replace(blank, value)
            postgast.parse(text)


async def test_a_complete_safe_way_does_what_the_original_does(planned: list[Planned], any_server: Server) -> None:
    tried: set[str] = set()
    wrong: list[str] = []
    with any_server.new_database() as target:
        async with connected(target) as connection:
            for example, rule, bad, plan in planned:
                complete = [(number, hazard) for number, hazard in found_by(rule, plan) if hazard.complete]
                # what the server refuses leaves nothing to compare with
                fails = any("Will fail" in hazard.text for hazard in hazards_of(plan))
                if bad and complete and not fails:
                    tried.add(rule.id)
                    wrong += await differences(connection, example, plan, *complete[0])
    assert not wrong, "\n".join(wrong)
    assert len(tried) > 15, tried


async def differences(
    connection: Connection, example: Example, plan: Plan, number: int, hazard: HazardFinding
) -> list[str]:
    statements = [statement.sql for migration in plan.migrations for statement in migration.statements]
    safe = [*statements[: number - 1], *postgast.split(hazard.instead), *statements[number:]]
    plain = await state_after(connection, example.schema, statements)
    try:
        other = await state_after(connection, example.schema, safe)
    except ServerError as error:
        return [f"{hazard.id}: {error.summary}: {hazard.instead}"]
    return [f"{hazard.id}: {sorted({*plain} ^ {*other})}: {hazard.instead}"] if other != plain else []


async def rebuilt(connection: Connection, schema: str) -> None:
    await connection.execute(
        "DROP SCHEMA IF EXISTS old, archive CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public"
    )
    await connection.execute(schema or "SELECT 1")


async def state_after(connection: Connection, schema: str, statements: Sequence[str]) -> list[tuple[str, ...]]:
    """Return what is there once the statements have run, each in a transaction of its own."""
    await rebuilt(connection, schema)
    for statement in statements:
        await connection.execute(statement)
    return [tuple(row.values()) for row in await connection.fetch(_SNAPSHOT)]


# -- the demo


@pytest.mark.parametrize("sessions", [False, True])
async def test_the_demo_has_the_hazards_that_are_meant(server: Server, sessions: bool) -> None:
    with server.new_database() as target:
        async with connected(target) as connection:
            await connection.execute("BEGIN; CREATE ROLE donation_app")
            await connection.execute(query("demo_platform"), timeout=120)
            if sessions:
                await connection.execute(query("demo_sessions"))
            await connection.execute("ANALYZE")
            catalog = await catalogs.read(connection)
            await connection.execute("ROLLBACK")
    folder = native.read(Path(str(files("changeover.migrations"))))
    plan = plan_from(folder, at=catalog)
    assert plan.ready
    assert not plan.notes
    # the reference to sessions is only made where there are sessions, and its column has no index on purpose
    unindexed = [("0006", "fk-without-index", None)] if sessions else []
    assert [(planned.migration.version, hazard.id, hazard.allowed_by) for planned, _, hazard in plan.hazards] == [
        ("0003", "rewrite-type-change", "file"),
        *unindexed,
    ]
