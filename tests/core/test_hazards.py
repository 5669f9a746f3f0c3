"""What is allowed, what stops a plan, and what is exempt. The rules' examples are tried on real servers."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import postgast
import pytest

from changeover.core.catalog import Catalog
from changeover.core.errors import Place, ScriptError, UsageError
from changeover.core.hazards import catalogue
from changeover.core.hazards.allowances import Allowances
from changeover.core.hazards.rates import duration
from changeover.core.hazards.rule import NOTE, SEVERE, WARNING, Rule
from changeover.core.hazards.rules import FAMILIES, KNOWN, RULES
from changeover.core.plan import HazardFinding
from changeover.core.touches import WorkKind
from tests.core.catalogs import catalog, plan_of, server

SCHEMA = "CREATE TABLE t (a int, b varchar(10), c int NOT NULL); CREATE TABLE u (a int PRIMARY KEY)"


def hazards_of(
    sql: str, at: Catalog | None = None, settings: dict[str, str] | None = None, operator: dict[str, str] | None = None
) -> list[HazardFinding]:
    plan = plan_of(sql, at=at or catalog(SCHEMA), allowed=settings, operator=operator)
    return [hazard for planned in plan.migrations for statement in planned.statements for hazard in statement.hazards]


def ids(sql: str, at: Catalog | None = None) -> set[str]:
    return {hazard.id for hazard in hazards_of(sql, at)}


def one(sql: str, hazard: str, at: Catalog | None = None) -> HazardFinding:
    (found,) = [it for it in hazards_of(sql, at) if it.id == hazard]
    return found


# -- the rules


def test_every_rule_has_a_name_of_its_own_a_severity_a_page_of_the_manual_and_good_examples() -> None:
    assert len(KNOWN) == len(RULES)
    for rule in RULES:
        assert rule.severity in {SEVERE, WARNING, NOTE}
        assert rule.manual.startswith("https://www.postgresql.org/docs/18/")
        assert rule.good
        assert rule.title
        assert rule.why
        assert rule.safe
        assert rule.find.__doc__


# what no example can show on the servers at hand
_WITHOUT = {"rewrite-tablespace", "index-corruption-14"}


def test_every_rule_has_bad_examples_where_a_server_can_show_them() -> None:
    assert {rule.id for rule in RULES if not rule.bad} == _WITHOUT


def test_rules_of_severity_severe_are_about_blocking_failing_or_losing() -> None:
    mild = {rule.id for family in FAMILIES if family.name == "hygiene" for rule in family.rules}
    assert not {rule.id for rule in RULES if rule.severity == SEVERE} & mild


def test_the_page_is_what_the_rules_say() -> None:
    page = Path(catalogue.__file__).parent / "README.md"
    assert page.read_text(encoding="utf-8") == catalogue.page(), "stale: run `python -m changeover.core.hazards`"


def test_a_rule_is_found_by_its_id_and_a_slip_is_told_the_nearest() -> None:
    assert [rule.id for rule in catalogue.chosen("scan-add-check")] == ["scan-add-check"]
    with pytest.raises(UsageError) as raised:
        catalogue.chosen("scan-ad-check")
    assert "scan-add-check" in (raised.value.advice or "")


def test_the_document_has_every_rule_with_its_examples() -> None:
    document = catalogue.document(RULES)
    assert [part.id for part in document.hazards] == [rule.id for rule in RULES]
    assert all(part.family for part in document.hazards)


FORMS = (Path(__file__).parent / "grammar_forms.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("names", [("t", "u", "int"), ('"N"', "public.t", "mood"), ("u", "t", "text")])
def test_no_form_of_the_grammar_makes_a_rule_fail(names: tuple[str, str, str]) -> None:
    at = catalog(
        f"{SCHEMA}; CREATE TABLE \"N\" (a int, b text); CREATE TYPE mood AS ENUM ('a'); CREATE INDEX i ON t (a)"
    )
    planned = 0
    for form in FORMS:
        for mark, name in zip(("{n}", "{m}", "{k}"), names, strict=True):
            form = form.replace(mark, name)
        for head in ("", "-- changeover: transaction=off\n"):
            with suppress(ScriptError):
                hazards_of(head + form, at)
                planned += 1
    assert planned > len(FORMS)


# -- figures


def test_a_hazard_says_rows_size_and_how_long_at_which_rate() -> None:
    found = one("ALTER TABLE t ALTER a TYPE bigint", "rewrite-type-change", catalog(SCHEMA, rows=12345))
    assert "about 12,345 rows, 80 kB" in found.text
    assert "less than a second at 40 MB/s" in found.text
    assert found.seconds == pytest.approx(81920 / 40e6)


def test_a_table_that_was_never_analysed_has_no_estimate() -> None:
    found = one("ALTER TABLE t ALTER a TYPE bigint", "rewrite-type-change", catalog(SCHEMA, rows=-1))
    assert "an unknown number of rows" in found.text
    assert found.seconds is None


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.4, "less than a second"), (42, "about 42 s"), (600, "about 10 min"), (36000, "about 10.0 h")],
)
def test_a_duration_is_told_in_a_unit_that_fits(seconds: float, said: str) -> None:
    assert duration(WorkKind.SCAN, seconds) == f", {said} at 125 MB/s"


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE t ALTER a TYPE bigint",
        "CREATE INDEX i ON t (a)",
        "ALTER TABLE t ALTER a SET NOT NULL",
        "DROP TABLE t",
        "TRUNCATE t",
        "DELETE FROM t",
        "ALTER TABLE t RENAME TO s",
    ],
)
def test_an_empty_table_and_one_that_the_plan_makes_are_exempt(sql: str) -> None:
    assert ids(sql)
    assert not ids(sql, catalog(SCHEMA, rows=0))
    assert not ids(f"CREATE TABLE t (a int PRIMARY KEY);{sql}", catalog())


def test_a_statement_that_is_skipped_or_deferred_has_no_hazard() -> None:
    at = catalog(f"{SCHEMA}; CREATE INDEX t_a ON t (a)")
    assert not ids("CREATE INDEX IF NOT EXISTS t_a ON t (a)", at)
    assert not ids("-- changeover: when table later\nALTER TABLE t ALTER a TYPE bigint")


def test_a_rule_sees_what_earlier_statements_have_done() -> None:
    sql = (
        "ALTER TABLE t ADD CONSTRAINT n CHECK (a IS NOT NULL AND a > 0) NOT VALID;"
        "ALTER TABLE t VALIDATE CONSTRAINT n; ALTER TABLE t ALTER a SET NOT NULL"
    )
    assert "scan-set-not-null" not in ids(sql)
    found = one("ALTER TABLE t RENAME TO s; ALTER TABLE s ALTER a TYPE bigint", "rewrite-type-change")
    assert found.relation == "public.s"


def test_an_or_proves_nothing() -> None:
    sql = "ALTER TABLE t ADD CONSTRAINT n CHECK (a IS NOT NULL OR c > 0); ALTER TABLE t ALTER a SET NOT NULL"
    assert "scan-set-not-null" in ids(sql)


def test_a_block_is_looked_into_as_far_as_its_guards_hold() -> None:
    block = "DO $$ BEGIN IF {} EXISTS (SELECT FROM pg_class WHERE relname = 't') THEN DROP TABLE t; END IF; END $$"
    assert "drop-table" in ids(block.format(""))
    assert "drop-table" not in ids(block.format("NOT"))


def test_each_statement_outside_a_transaction_stands_alone() -> None:
    both = "ALTER TABLE t ADD x int;\nALTER TABLE u ADD x int;"
    assert "multi-table-lock-tx" in ids(both)
    assert "multi-table-lock-tx" not in ids(f"-- changeover: transaction=off\n{both}")


# -- the safe way


def test_the_safe_index_is_this_very_index() -> None:
    found = one('CREATE UNIQUE INDEX "Odd" ON t (lower(b), a DESC) WHERE a > 1', "scan-create-index")
    assert 'CREATE UNIQUE INDEX CONCURRENTLY "Odd" ON t ' in found.instead
    assert "(lower(b), a DESC) WHERE a > 1" in found.instead


def test_the_safe_way_to_not_null_is_shorter_on_18() -> None:
    sql = "ALTER TABLE t ALTER a SET NOT NULL"
    old = one(sql, "scan-set-not-null", catalog(SCHEMA, facts=server(version_num=170004)))
    new = one(sql, "scan-set-not-null")
    assert "CHECK (a IS NOT NULL) NOT VALID" in old.instead
    assert "NOT NULL a NOT VALID" in new.instead
    assert "DROP CONSTRAINT" in old.instead
    assert "DROP CONSTRAINT" not in new.instead


@pytest.mark.parametrize(
    "sql",
    [
        'ALTER TABLE "Odd Name" ALTER "Größe" TYPE bigint USING "Größe" * 2',
        'ALTER TABLE "Odd Name" ALTER "Größe" SET NOT NULL',
        'ALTER TABLE "Odd Name" ADD CHECK ("Größe" > 0)',
        'ALTER TABLE "Odd Name" ADD UNIQUE ("Größe") INCLUDE ("select") DEFERRABLE',
        'ALTER TABLE "Odd Name" ADD "from" uuid NOT NULL DEFAULT gen_random_uuid()',
        'ALTER TABLE "Odd Name" ADD "from" bigserial',
        'DELETE FROM "Odd Name" WHERE "select" = 1',
    ],
)
def test_odd_names_stay_what_they_are_in_the_safe_way(sql: str) -> None:
    found = hazards_of(
        sql, catalog('CREATE TABLE "Odd Name" (id int CONSTRAINT k PRIMARY KEY, "Größe" int, "select" int)')
    )
    assert any(hazard.instead for hazard in found)
    for hazard in found:
        postgast.parse(hazard.instead.replace("= ... ", "= 1 ").replace("AND ...", "AND true"))


# -- allowing


@pytest.mark.parametrize(
    ("sql", "settings", "operator", "by"),
    [
        ("CREATE INDEX i ON t (a)", {}, {}, (None, "")),
        (
            "-- changeover: allow scan-create-index: small\n\nSELECT 1; CREATE INDEX i ON t (a)",
            {},
            {},
            ("file", "small"),
        ),
        ("SELECT 1;\n-- changeover: allow scan-create-index: few\nCREATE INDEX i ON t (a)", {}, {}, ("file", "few")),
        ("SELECT 1;\n-- changeover: allow scan-set-not-null: small\nCREATE INDEX i ON t (a)", {}, {}, (None, "")),
        ("CREATE INDEX i ON t (a)", {"scan-create-index": "small tables"}, {}, ("settings", "small tables")),
        ("CREATE INDEX i ON t (a)", {"all": "--allow"}, {}, ("flag", "--allow all")),
        ("CREATE INDEX i ON t (a)", {"scan-create-index": "CHANGEOVER_ALLOW"}, {}, ("flag", "CHANGEOVER_ALLOW")),
        ("CREATE INDEX i ON t (a)", {"scan-set-not-null": "--allow"}, {}, (None, "")),
        ("CREATE INDEX i ON t (a)", {}, {"scan-create-index": "at night"}, ("operator", "at night")),
    ],
)
def test_a_hazard_is_allowed_in_the_file_the_settings_by_flag_or_by_the_operator(
    sql: str, settings: dict[str, str], operator: dict[str, str], by: tuple[str | None, str]
) -> None:
    (found,) = [it for it in hazards_of(sql, None, settings, operator) if it.id == "scan-create-index"]
    assert (found.allowed_by, found.reason) == by


def test_an_allowance_above_one_statement_is_not_for_the_next() -> None:
    sql = "SELECT 1;\n-- changeover: allow scan-create-index: x\nCREATE INDEX i ON t (a);\nCREATE INDEX j ON t (c)"
    found = [hazard.allowed_by for hazard in hazards_of(sql) if hazard.id == "scan-create-index"]
    assert found == ["file", None]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_good_example_that_reads_like_a_bad_one_says_what_is_different(rule: Rule) -> None:
    said = [
        {(it.migration, catalogue.before(it), catalogue.versions(it)) for it in examples}
        for examples in (rule.bad, rule.good)
    ]
    bad, good = said
    assert not bad & good


def test_a_severe_hazard_that_nobody_allowed_stops_the_plan() -> None:
    plan = plan_of("SELECT 1;\nCREATE INDEX i ON t (a)", at=catalog(SCHEMA))
    (fault,) = plan.refusals
    assert (fault.id, fault.file, fault.line) == ("hazard", "0001_step.sql", 2)
    # `apply` says this, and shows no plan with it
    assert "the safe way, which `changeover plan` shows" in fault.advice
    assert plan.can_be_allowed
    assert not plan_of("CREATE INDEX i ON t (a)", at=catalog(SCHEMA), allowed={"all": "--allow"}).refusals


def test_a_plan_that_something_else_stops_as_well_cannot_be_allowed() -> None:
    assert not plan_of("CREATE INDEX i ON t (a); DROP TABLE missing", at=catalog(SCHEMA)).can_be_allowed
    assert not plan_of("SELECT 1").can_be_allowed


def test_warnings_and_notes_stop_nothing() -> None:
    plan = plan_of("ALTER TABLE t RENAME TO s; CREATE TABLE n (a int)", at=catalog(SCHEMA))
    assert {hazard.severity for _, _, hazard in plan.hazards} == {WARNING, NOTE}
    assert plan.ready


def test_what_is_allowed_is_part_of_the_digest() -> None:
    sql, at = "CREATE INDEX i ON t (a)", catalog(SCHEMA)
    plain = plan_of(sql, at=at)
    by_operator = plan_of(sql, at=at, operator={"scan-create-index": "at night"})
    by_flag = plan_of(sql, at=at, allowed={"scan-create-index": "--allow"})
    assert len({plain.digest, by_operator.digest}) == 2
    # by whom it is allowed is not what is approved, but that it is
    assert by_operator.digest == by_flag.digest
    assert by_operator.ready
    approval = by_operator.approve(
        digest=by_operator.digest, by="me", how="y", allowed={"scan-create-index": "at night"}
    )
    assert approval.allowed == {"scan-create-index": "at night"}


@pytest.mark.parametrize(
    ("sql", "allowed", "line"),
    [
        ("-- a comment\n-- changeover: allow scan-create-indx: x\nSELECT 1", {}, 2),
        ("SELECT 1;\n\n-- changeover: allow scan-create-indx: x\nSELECT 2", {}, 3),
        ("SELECT 1", {"scan-create-indx": "--allow"}, None),
    ],
)
def test_allowing_what_is_no_hazard_is_an_error_with_its_place_and_the_nearest_name(
    sql: str, allowed: dict[str, str], line: int | None
) -> None:
    (fault,) = plan_of(sql, allowed=allowed).refusals
    assert fault.id == "unknown-hazard"
    assert fault.line == line
    assert "scan-create-indx" in fault.summary
    assert "scan-create-index" in fault.advice


def test_an_unknown_name_in_the_settings_is_told_with_their_line() -> None:
    place = Place(file="changeover.toml", line=7, column=1)
    (fault,) = Allowances(settings={"drop-colum": "old"}, places={"drop-colum": place}).unknown([])
    assert (fault.file, fault.line) == ("changeover.toml", 7)


@pytest.mark.parametrize(
    ("sql", "allowed", "told"),
    [
        ("-- changeover: allow truncate: x\nCREATE INDEX i ON t (a)", {"all": "--allow"}, ["truncate"]),
        ("SELECT 1;\n-- changeover: allow truncate: x\nSELECT 2", {}, ["truncate"]),
        ("SELECT 1", {"truncate": "--allow"}, ["truncate"]),
        # a project's settings are not about one plan
        ("SELECT 1", {"truncate": "we often do"}, []),
        ("-- changeover: allow scan-create-index: x\nCREATE INDEX i ON t (a)", {}, []),
        # what does not run has nothing to allow yet
        ("SELECT 1;\n-- changeover: when table later\n-- changeover: allow truncate: x\nTRUNCATE t", {}, []),
    ],
)
def test_an_allowance_that_allows_nothing_is_noted(sql: str, allowed: dict[str, str], told: list[str]) -> None:
    plan = plan_of(sql, at=catalog(SCHEMA), allowed=allowed)
    assert plan.ready
    assert [note.summary.split(" ")[0] for note in plan.notes] == told
