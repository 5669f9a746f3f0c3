"""The hazard rules: their examples are their tests."""

from __future__ import annotations

import pytest

from changeover.core.catalog import Catalog
from changeover.core.hazards.find import find
from changeover.core.hazards.rule import Example, Rule
from changeover.core.hazards.rules import KNOWN, RULES
from changeover.core.plan import HazardFinding
from changeover.core.script import parse
from tests.core.catalogs import catalog, judged, plan_of, server

SCHEMA = "CREATE TABLE t (a int, b varchar(10), c int NOT NULL)"


def hazards_of(sql: str, at: Catalog, settings: dict[str, str] | None = None) -> tuple[HazardFinding, ...]:
    in_file = parse(sql.encode(), file="0001_step.sql").allows
    version = at.server.version_num
    return tuple(
        hazard
        for one in judged(sql, at=at)
        for hazard in find(one, in_file=in_file, settings=settings or {}, version=version)
    )


@pytest.mark.parametrize(("rule", "example"), [(rule, bad) for rule in RULES for bad in rule.bad])
def test_each_bad_example_is_found(rule: Rule, example: Example) -> None:
    assert rule.id in {hazard.id for hazard in hazards_of(example.migration, catalog(example.schema))}


@pytest.mark.parametrize(("rule", "example"), [(rule, good) for rule in RULES for good in rule.good])
def test_no_good_example_is(rule: Rule, example: Example) -> None:
    assert rule.id not in {hazard.id for hazard in hazards_of(example.migration, catalog(example.schema))}


@pytest.mark.parametrize(("rule", "example"), [(rule, bad) for rule in RULES for bad in rule.bad])
def test_an_empty_table_is_exempt_and_one_that_was_never_analysed_is_not(rule: Rule, example: Example) -> None:
    assert not hazards_of(example.migration, catalog(example.schema, rows=0))
    (found,) = hazards_of(example.migration, catalog(example.schema, rows=-1))
    assert "an unknown number of rows" in found.text


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_says_rows_and_size_of_this_table_and_gives_sql_that_is_safe(rule: Rule) -> None:
    example = rule.bad[0]
    (found,) = hazards_of(example.migration, catalog(example.schema, rows=12345))
    assert "about 12,345 rows, 80 kB" in found.text
    assert found.relation == "public.donations"
    again = "-- changeover: transaction=off\n" + found.instead.replace("AND ...", "AND true")
    assert rule.id not in {hazard.id for hazard in hazards_of(again, catalog(example.schema))}
    assert rule.manual.startswith("https://www.postgresql.org/docs/18/")


def test_the_safe_index_is_this_very_index() -> None:
    sql = 'CREATE UNIQUE INDEX "Odd" ON t (lower(b), a DESC) WHERE a > 1'
    (found,) = hazards_of(sql, catalog(SCHEMA))
    assert (
        'CREATE UNIQUE INDEX CONCURRENTLY "Odd" ON t USING btree (lower(b), a DESC) WHERE a > 1' in found.instead
        or ('CREATE UNIQUE INDEX CONCURRENTLY "Odd" ON t (lower(b), a DESC) WHERE a > 1' in found.instead)
    )


def test_the_safe_way_to_not_null_is_shorter_on_18() -> None:
    sql = "ALTER TABLE t ALTER a SET NOT NULL"
    (old,) = hazards_of(sql, catalog(SCHEMA, facts=server(version_num=170004)))
    (new,) = hazards_of(sql, catalog(SCHEMA))
    assert "CHECK (a IS NOT NULL) NOT VALID" in old.instead
    assert "NOT NULL a NOT VALID" in new.instead
    assert "DROP CONSTRAINT" in old.instead
    assert "DROP CONSTRAINT" not in new.instead


def test_the_safe_way_is_recognised_within_one_plan() -> None:
    sql = (
        "ALTER TABLE t ADD CONSTRAINT n CHECK (a IS NOT NULL AND a > 0) NOT VALID;"
        "ALTER TABLE t VALIDATE CONSTRAINT n; ALTER TABLE t ALTER a SET NOT NULL"
    )
    assert not hazards_of(sql, catalog(SCHEMA))


def test_an_or_proves_nothing() -> None:
    sql = "ALTER TABLE t ADD CONSTRAINT n CHECK (a IS NOT NULL OR c > 0); ALTER TABLE t ALTER a SET NOT NULL"
    assert {hazard.id for hazard in hazards_of(sql, catalog(SCHEMA))} == {"scan-set-not-null"}


@pytest.mark.parametrize(
    ("sql", "settings", "by"),
    [
        ("CREATE INDEX i ON t (a)", {}, None),
        ("-- changeover: allow scan-create-index: small\n\nSELECT 1; CREATE INDEX i ON t (a)", {}, "file"),
        ("SELECT 1;\n-- changeover: allow scan-create-index: small\nCREATE INDEX i ON t (a)", {}, "file"),
        ("SELECT 1;\n-- changeover: allow scan-set-not-null: small\nCREATE INDEX i ON t (a)", {}, None),
        ("CREATE INDEX i ON t (a)", {"scan-create-index": "small tables"}, "settings"),
        ("CREATE INDEX i ON t (a)", {"all": "--allow"}, "flag"),
        ("CREATE INDEX i ON t (a)", {"scan-set-not-null": "--allow"}, None),
    ],
)
def test_a_hazard_is_allowed_in_the_file_the_settings_or_by_flag(
    sql: str, settings: dict[str, str], by: str | None
) -> None:
    (found,) = hazards_of(sql, catalog(SCHEMA), settings)
    assert found.allowed_by == by


def test_an_allowance_above_one_statement_is_not_for_the_next() -> None:
    sql = "SELECT 1;\n-- changeover: allow scan-create-index: x\nCREATE INDEX i ON t (a);\nCREATE INDEX j ON t (c)"
    assert [hazard.allowed_by for hazard in hazards_of(sql, catalog(SCHEMA))] == ["file", None]


def test_a_severe_hazard_that_nobody_allowed_stops_the_plan() -> None:
    plan = plan_of("SELECT 1;\nCREATE INDEX i ON t (a)", at=catalog(SCHEMA))
    (fault,) = plan.refusals
    assert (fault.id, fault.file, fault.line) == ("hazard", "0001_step.sql", 2)
    assert not plan_of("CREATE INDEX i ON t (a)", at=catalog(SCHEMA), allowed={"all": "--allow"}).refusals


@pytest.mark.parametrize(
    ("sql", "allowed"),
    [
        ("-- changeover: allow no-such-thing: x\nSELECT 1", {}),
        ("SELECT 1;\n-- changeover: allow no-such-thing: x\nSELECT 2", {}),
        ("SELECT 1", {"no-such-thing": "--allow"}),
    ],
)
def test_allowing_a_hazard_that_does_not_exist_is_an_error(sql: str, allowed: dict[str, str]) -> None:
    (fault,) = plan_of(sql, allowed=allowed).refusals
    assert fault.id == "unknown-hazard"
    assert "no-such-thing" in fault.summary
    assert all(known in fault.advice for known in KNOWN)
