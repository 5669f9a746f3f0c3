"""Folder, history, catalog and settings -> the plan."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from changeover.core.errors import PlanChanged, UsageError
from changeover.core.history import AppliedMigration, AttemptRecord, History, StepRecord
from changeover.core.limits import Limits
from changeover.core.migration import Checksums, Migration
from changeover.core.plan import Plan
from changeover.core.precheck import Decision
from tests.core.catalogs import NO_HISTORY, catalog, migration, plan_of, server

WHEN = DEFERRED = "SELECT 1;\n-- changeover: when table sessions\nSELECT FROM sessions"
BLOCK = (
    "SELECT 1; DO $$ BEGIN IF to_regclass('sessions') IS NOT NULL THEN "
    "DELETE FROM sessions WHERE id = 1; END IF; END $$"
)
WITH_SESSIONS = "CREATE TABLE sessions (id int)"


def row(file: Migration, *, deferred: tuple[int, ...] = (), checksums: Checksums | None = None) -> AppliedMigration:
    return AppliedMigration(
        version=file.version,
        name=file.name,
        checksums=checksums or file.checksums,
        applied_at=datetime(2026, 1, 1, tzinfo=UTC),
        operator="ann",
        duration_ms=5,
        run="r1",
        deferred=deferred,
    )


def history(*rows: AppliedMigration, attempts: tuple[AttemptRecord, ...] = ()) -> History:
    return History(format="native", table="changeover.migration", exists=True, applied=rows, attempts=attempts)


def attempt(state: str, *steps: StepRecord) -> History:
    started = datetime(2026, 1, 1, tzinfo=UTC)
    one = AttemptRecord(version="0001", state=state, run="r1", started_at=started, operator="ann", steps=steps)
    return history(attempts=(one,))


def ids(plan: Plan) -> list[str]:
    return [fault.id for fault in plan.refusals]


def versions(plan: Plan) -> list[tuple[str, str, list[int]]]:
    return [(m.migration.version, m.entry, [s.number for s in m.statements]) for m in plan.migrations]


def test_what_is_not_in_force_is_pending_in_the_order_of_the_folder() -> None:
    plan = plan_of("SELECT 1", "SELECT 2", "SELECT 3; SELECT 4", history=history(row(migration("SELECT 1"))))
    assert versions(plan) == [("0002", "migration", [1]), ("0003", "migration", [1, 2])]
    assert plan.ready
    assert plan.statement_count == 3


@pytest.mark.parametrize("to", ["2", "0002", "0002_step", "0002_step.sql"])
def test_to_ends_the_plan_with_that_version(to: str) -> None:
    assert [m.migration.version for m in plan_of("SELECT 1", "SELECT 2", "SELECT 3", to=to).migrations] == [
        "0001",
        "0002",
    ]


def test_to_a_version_that_is_not_there_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="no migration 9"):
        plan_of("SELECT 1", to="9")


def test_a_failed_attempt_was_rolled_back_and_is_pending() -> None:
    assert versions(plan_of("SELECT 1", history=attempt("failed"))) == [("0001", "migration", [1])]


def test_an_older_pending_migration_is_refused_unless_asked_for() -> None:
    newer = history(row(migration("SELECT 2", version="0002")))
    plan = plan_of("SELECT 1", "SELECT 2", history=newer)
    assert ids(plan) == ["out-of-order"]
    assert plan.refusals[0].file == "0001_step.sql"
    assert plan_of("SELECT 1", "SELECT 2", history=newer, out_of_order=True).ready


def test_a_file_that_was_edited_after_it_was_applied_is_refused() -> None:
    edited = history(row(migration("SELECT 1"), checksums=migration("SELECT 9").checksums))
    plan = plan_of("SELECT 1", "SELECT 2", history=edited)
    assert ids(plan) == ["changed"]
    assert "0001_step.sql" in plan.refusals[0].summary


def test_other_line_ends_alone_are_no_change() -> None:
    applied = history(row(migration("SELECT\r\n1")))
    assert plan_of("SELECT\n1", history=applied).ready


def test_a_history_row_without_its_file_is_refused() -> None:
    assert ids(plan_of("SELECT 1", history=history(row(migration("SELECT 9", version="0009"))))) == ["missing-file"]


def test_an_attempt_whose_end_is_not_known_is_refused_with_what_to_do() -> None:
    doubt = plan_of("SELECT 1", history=attempt("running"))
    assert ids(doubt) == ["in-doubt"]
    assert "changeover repair" in doubt.refusals[0].advice
    assert doubt.migrations == ()


def test_a_standby_is_refused() -> None:
    assert ids(plan_of("SELECT 1", at=catalog(facts=server(in_recovery=True)))) == ["standby"]


def test_missing_and_conflict_are_refused_with_object_and_place_once() -> None:
    plan = plan_of("SELECT 1;\n  DELETE FROM gone", "DELETE FROM gone", "CREATE SCHEMA public")
    assert ids(plan) == ["missing", "conflict"]
    missing, conflict = plan.refusals
    assert (missing.file, missing.line, missing.column) == ("0001_step.sql", 2, 15)
    assert "public.gone" in missing.summary
    assert "public" in conflict.summary
    assert not plan.ready


@pytest.mark.parametrize("sql", [WHEN, BLOCK])
def test_a_deferred_step_is_an_entry_of_its_own_once_its_condition_holds(sql: str) -> None:
    applied = history(row(migration(sql), deferred=(2,)))
    assert versions(plan_of(sql, "SELECT 9", history=applied)) == [("0002", "migration", [1])]
    plan = plan_of(sql, "SELECT 9", history=applied, at=catalog(WITH_SESSIONS))
    assert versions(plan) == [("0001", "deferred", [2]), ("0002", "migration", [1])]
    assert plan.ready
    assert plan.migrations[0].statements[0].decision is Decision.RUN


def test_a_conditional_step_of_a_plan_carries_its_condition_and_proof() -> None:
    (planned,) = plan_of(WHEN).migrations
    first, second = planned.statements
    assert (first.proof, first.condition, first.reason) == (None, None, "")
    assert (second.decision, str(second.condition), second.line) == (Decision.DEFER, "table sessions", 3)
    assert second.proof is not None
    assert second.source == "estimated"


def test_names_in_the_plan_are_quoted_and_qualified() -> None:
    at = catalog('CREATE TABLE "Odd" (id int)')
    sql = 'ALTER TABLE "Odd" ADD b int; ALTER TABLE "Odd" DROP id; CREATE TABLE n (o int); DROP TABLE n'
    statements = plan_of(sql, at=at).migrations[0].statements
    assert statements[0].makes == ('public."Odd".b',)
    assert statements[0].changes == ('public."Odd"',)
    assert statements[1].drops == ('public."Odd".id',)
    assert "public.n" in statements[2].makes
    assert statements[3].drops == ("public.n",)


def digest(*texts: str, **changes: object) -> str:
    return plan_of(*(texts or ("SELECT 1", DEFERRED)), **changes).digest  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_the_digest_is_of_what_is_approved() -> None:
    usual = digest()
    assert len(usual) == 64
    other = [
        digest("SELECT 1 ", DEFERRED),
        digest("SELECT 1", DEFERRED, "SELECT 3"),
        digest(at=catalog(WITH_SESSIONS)),
        digest(at=catalog(facts=server(database="other"))),
        digest(at=catalog(facts=replace(server(), system_identifier="7"))),
        digest(limits=Limits(lock_timeout=3)),
        digest(limits=Limits(statement_timeout=3)),
        digest(allowed={"scan-create-index": "--allow"}),
        digest(history=history(row(migration("SELECT 1")))),
        digest(history=history(row(migration("SELECT 1"), deferred=(1,)))),
        digest(to="1"),
    ]
    assert len({usual, *other}) == len(other) + 1


def test_the_digest_does_not_move_with_sizes_or_a_history_that_is_still_empty() -> None:
    schema = "CREATE TABLE t (a int)"
    same = {digest("ALTER TABLE t ADD b int", at=catalog(schema, rows=rows)) for rows in (-1.0, 0.0, 10.0, 1e9)}
    assert len(same) == 1
    assert digest() == digest(history=history()) == digest(history=NO_HISTORY)


def test_only_the_plan_that_was_read_can_be_approved() -> None:
    plan = plan_of("SELECT 1")
    assert plan.approve(digest=plan.digest, by="ann", how="--yes").digest == plan.digest
    with pytest.raises(PlanChanged):
        plan.approve(digest="0" * 64, by="ann", how="--yes")
