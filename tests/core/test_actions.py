"""Planning what is not a plain apply: going on after a half-way stop, revert, baseline, repair."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from changeover.core.actions import Action, Choice, Settlement, Verb
from changeover.core.catalog import Catalog
from changeover.core.errors import UsageError
from changeover.core.hazards.allowances import Allowances
from changeover.core.history import AppliedMigration, AttemptRecord, History, StepRecord
from changeover.core.history.ledger import Record
from changeover.core.limits import Limits
from changeover.core.migration import Folder, Migration, SideScript, checksums_of
from changeover.core.plan import Plan
from changeover.core.planning import make_plan
from changeover.core.precheck import Decision
from changeover.core.repair import Case, Remedy, cases_of
from changeover.core.resume import step_hash
from changeover.core.script import parse
from changeover.core.status import State, statuses
from tests.core.catalogs import NO_HISTORY, catalog, migration

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OFF = "-- changeover: transaction=off\n"
ANALYZE, BUILD = "ANALYZE orders", "CREATE INDEX CONCURRENTLY orders_paid ON orders (paid)"
TWO = f"{OFF}CREATE TABLE extra (id int);\n{BUILD};"
TABLE = "CREATE TABLE orders (id int, paid bool);"
BUILT = f"{TABLE} CREATE INDEX orders_paid ON orders (paid);"
APPLY = Action()


def side(kind: str, of: Migration, sql: str) -> SideScript:
    file = f"{of.stem}.{kind}.sql"
    return SideScript(
        file=file, content=sql.encode(), checksums=checksums_of(sql.encode()), script=parse(sql.encode(), file=file)
    )


def files(*texts: str, reverts: tuple[str | None, ...] = ()) -> Folder:
    made: list[Migration] = []
    for number, text in enumerate(texts, 1):
        one = migration(text, version=f"{number:04}")
        undo = reverts[number - 1] if len(reverts) >= number else None
        made.append(replace(one, revert=side("revert", one, undo)) if undo else one)
    return Folder(path=Path("migrations"), format="native", migrations=tuple(made))


def in_force(folder: Folder, *versions: str) -> History:
    rows = tuple(
        AppliedMigration(
            version=m.version,
            name=m.name,
            checksums=m.checksums,
            applied_at=NOW,
            operator="ann",
            duration_ms=5,
            run="r",
        )
        for m in folder.migrations
        if m.version in versions
    )
    return History(format="native", table="changeover.migration", exists=True, applied=rows)


def stopped(
    *steps: tuple[str, str], version: str = "0001", state: str = "partial", entry: str = "migration"
) -> History:
    """Return a history with an attempt that ended with these statements in these states."""
    records = tuple(
        StepRecord(number=number, sha256=step_hash(sql), state=how) for number, (sql, how) in enumerate(steps, 1)
    )
    attempt = AttemptRecord(
        version=version, state=state, run="r", started_at=NOW, operator="ann", steps=records, entry=entry
    )
    return replace(NO_HISTORY, exists=True, attempts=(attempt,))


def plan(folder: Folder, history: History, action: Action = APPLY, *, at: Catalog | None = None) -> Plan:
    return make_plan(
        folder=folder,
        history=history,
        catalog=at or catalog(TABLE),
        limits=Limits(),
        allowances=Allowances(),
        out_of_order=False,
        action=action,
    )


def decisions(made: Plan) -> list[tuple[int, str, str]]:
    return [(s.number, s.decision.value, s.reason) for m in made.migrations for s in m.statements]


def ids(made: Plan) -> list[str]:
    return [fault.id for fault in made.refusals]


EXTRA = "CREATE TABLE extra (id int)"
HALF = stopped((EXTRA, "done"), (BUILD, "running"))


def test_what_an_earlier_attempt_did_is_not_done_again() -> None:
    made = plan(files(TWO), HALF, at=catalog(f"{TABLE} {EXTRA};"))
    assert made.ready
    assert decisions(made) == [(1, "skip", "done by an earlier attempt"), (2, "run", "")]
    assert [s.done_before for s in made.migrations[0].statements] == [True, False]


def test_a_step_that_was_under_way_and_took_effect_is_done() -> None:
    made = plan(files(TWO), HALF, at=catalog(f"{BUILT} {EXTRA};"))
    assert made.ready
    last = made.migrations[0].statements[1]
    assert last.reason == "done by an earlier attempt: index public.orders_paid is there and valid"
    assert last.proof is not None
    assert "indisvalid" in last.proof


def test_an_invalid_index_is_refused_with_both_remedies() -> None:
    made = plan(files(TWO), HALF, at=catalog(f"{BUILT} {EXTRA};", invalid=("orders_paid",)))
    assert ids(made) == ["conflict"]
    advice = made.refusals[0].advice
    assert "changeover repair 0001 --drop-invalid" in advice
    assert "DROP INDEX CONCURRENTLY public.orders_paid" in advice


def test_on_the_operators_word_an_invalid_index_is_dropped_and_built_again() -> None:
    at = catalog(f"{BUILT} {EXTRA};", invalid=("orders_paid",))
    made = plan(files(TWO), HALF, Action(rebuild_invalid=True), at=at)
    assert made.ready
    done, drop, build = made.migrations[0].statements
    assert (done.decision, drop.decision, build.decision) == (Decision.SKIP, Decision.RUN, Decision.RUN)
    assert (drop.sql, drop.added, drop.line) == ("DROP INDEX CONCURRENTLY public.orders_paid", True, build.line)
    assert drop.proof is not None
    assert "NOT (" in drop.proof
    assert made.digest != plan(files(TWO), HALF, at=at).digest


@pytest.mark.parametrize("exists", ["", "IF NOT EXISTS "])
def test_an_old_invalid_index_of_that_name_is_a_conflict_and_can_be_rebuilt(exists: str) -> None:
    sql = f"{OFF}CREATE INDEX CONCURRENTLY {exists}orders_paid ON orders (paid);"
    at = catalog(BUILT, invalid=("orders_paid",))
    assert ids(plan(files(sql), NO_HISTORY, at=at)) == ["conflict"]
    made = plan(files(sql), NO_HISTORY, Action(rebuild_invalid=True), at=at)
    assert made.ready
    assert [s.kind for s in made.migrations[0].statements] == ["DROP INDEX CONCURRENTLY", "CREATE INDEX CONCURRENTLY"]


def test_a_valid_index_is_never_dropped() -> None:
    made = plan(files(f"{OFF}{BUILD};"), NO_HISTORY, Action(rebuild_invalid=True), at=catalog(BUILT))
    assert ids(made) == ["conflict"]
    assert [s.kind for s in made.migrations[0].statements] == ["CREATE INDEX CONCURRENTLY"]


def test_a_statement_that_is_done_and_was_edited_is_refused() -> None:
    made = plan(files(TWO.replace("extra (id int)", "extra (id bigint)")), HALF, at=catalog(f"{TABLE} {EXTRA};"))
    assert ids(made) == ["step-edited"]
    assert made.refusals[0].line == 2
    fewer = plan(files(f"{OFF}{EXTRA};"), stopped((EXTRA, "done"), (ANALYZE, "done")), at=catalog(f"{TABLE} {EXTRA};"))
    assert ids(fewer) == ["step-edited"]


def test_a_statement_that_failed_may_be_mended() -> None:
    made = plan(files(TWO.replace("(paid)", "(id)")), HALF, at=catalog(f"{TABLE} {EXTRA};"))
    assert made.ready
    assert made.migrations[0].statements[1].sql.endswith("(id)")


def test_a_step_of_which_the_catalog_shows_nothing_needs_a_person() -> None:
    update = "UPDATE orders SET paid = true"
    made = plan(files(f"{OFF}{update};"), stopped((update, "running"), state="running"))
    assert ids(made) == ["step-unknown"]
    assert "--not-applied" in made.refusals[0].advice


def test_settings_of_the_connection_are_made_again() -> None:
    text = "SET search_path = public"
    made = plan(files(f"{OFF}{text}; {BUILD};"), stopped((text, "done"), (BUILD, "running")))
    assert decisions(made) == [(1, "run", ""), (2, "run", "")]


def test_nothing_else_runs_before_what_stopped_half_way() -> None:
    made = plan(files(TWO, "SELECT 1"), HALF, at=catalog(f"{TABLE} {EXTRA};"))
    assert [m.migration.version for m in made.migrations] == ["0001", "0002"]
    only = plan(files("SELECT 1", TWO), stopped((EXTRA, "done"), (BUILD, "running"), version="0002"), Action(to="1"))
    assert ids(only) == ["partial"]


# -- revert

UNDO = ("DROP TABLE a", "DROP TABLE b", None)
THREE = ("CREATE TABLE a ()", "CREATE TABLE b ()", "CREATE TABLE c ()")
ALL = "CREATE TABLE a (); CREATE TABLE b (); CREATE TABLE c ();"


def undo(to: str | None = None) -> Action:
    return Action(verb=Verb.REVERT, to=to)


def test_revert_undoes_the_last_migration_by_its_script() -> None:
    folder = files(*THREE, reverts=UNDO)
    made = plan(folder, in_force(folder, "0001", "0002"), undo(), at=catalog(ALL))
    assert made.ready
    (one,) = made.migrations
    assert (one.entry, one.record, one.migration.file) == ("revert", Record.REVERTED, "0002_step.revert.sql")
    assert one.statements[0].drops == ("public.b",)


@pytest.mark.parametrize(("to", "undone"), [("1", ["0002"]), ("0001_step.sql", ["0002"]), ("0", ["0002", "0001"])])
def test_revert_goes_down_to_a_version_that_stays(to: str, undone: list[str]) -> None:
    folder = files(*THREE, reverts=UNDO)
    made = plan(folder, in_force(folder, "0001", "0002"), undo(to), at=catalog(ALL))
    assert [m.migration.version for m in made.migrations] == undone


def test_a_migration_without_a_revert_script_is_refused_with_the_file_that_is_missing() -> None:
    folder = files(*THREE, reverts=UNDO)
    made = plan(folder, in_force(folder, "0001", "0002", "0003"), undo("1"), at=catalog(ALL))
    assert ids(made) == ["no-revert"]
    assert "0003_step.revert.sql" in made.refusals[0].summary


def test_what_was_edited_is_not_reverted() -> None:
    folder = files(*THREE, reverts=UNDO)
    edited = files("CREATE TABLE a ()", "CREATE TABLE b (id int)", reverts=UNDO)
    assert ids(plan(edited, in_force(folder, "0001", "0002"), undo(), at=catalog(ALL))) == ["changed"]


def test_the_revert_script_is_held_against_the_catalog_and_is_in_the_digest() -> None:
    folder = files(*THREE, reverts=UNDO)
    history = in_force(folder, "0001", "0002")
    assert ids(plan(folder, history, undo(), at=catalog("CREATE TABLE a ();"))) == ["missing"]
    other = files(*THREE, reverts=("DROP TABLE a", "DROP TABLE b  ", None))
    assert plan(folder, history, undo(), at=catalog(ALL)).digest != plan(other, history, undo(), at=catalog(ALL)).digest


def test_nothing_in_force_is_nothing_to_revert() -> None:
    made = plan(files(*THREE), NO_HISTORY, undo())
    assert made.ready
    assert made.migrations == ()
    with pytest.raises(UsageError, match="no migration 9"):
        plan(files(*THREE), NO_HISTORY, undo("9"))


def test_a_revert_that_stopped_half_way_goes_on_and_keeps_apply_away() -> None:
    script = f"{OFF}DROP INDEX CONCURRENTLY orders_paid; DROP TABLE extra;"
    folder = files(TWO, reverts=(script,))
    steps = (("DROP INDEX CONCURRENTLY orders_paid", "done"), ("DROP TABLE extra", "running"))
    attempts = stopped(*steps, entry="revert").attempts
    history = replace(in_force(folder, "0001"), attempts=attempts)
    at = catalog(f"{TABLE} {EXTRA};")
    assert ids(plan(folder, history, at=at)) == ["partial"]
    made = plan(folder, history, undo(), at=at)
    assert made.ready
    assert decisions(made) == [(1, "skip", "done by an earlier attempt"), (2, "run", "")]


# -- baseline


def mark(version: str) -> Action:
    return Action(verb=Verb.BASELINE, to=version)


def test_a_baseline_runs_nothing_and_marks_up_to_its_version() -> None:
    made = plan(files(*THREE), NO_HISTORY, mark("2"), at=catalog(ALL))
    assert made.ready
    assert [(m.migration.version, m.entry, m.record) for m in made.migrations] == [
        ("0001", "baseline", Record.APPLIED),
        ("0002", "baseline", Record.APPLIED),
    ]
    assert {s.decision for m in made.migrations for s in m.statements} == {Decision.SKIP}
    assert made.digest != plan(files(*THREE), NO_HISTORY, Action(to="2"), at=catalog()).digest


def test_a_baseline_leaves_a_step_that_waits_for_its_condition_deferred() -> None:
    text = "CREATE TABLE a ();\n-- changeover: when table sessions\nDELETE FROM sessions"
    made = plan(files(text), NO_HISTORY, mark("1"), at=catalog("CREATE TABLE a ();"))
    assert [s.decision for s in made.migrations[0].statements] == [Decision.SKIP, Decision.DEFER]


def test_a_baseline_is_refused_where_the_history_goes_beyond_or_differs() -> None:
    folder = files(*THREE)
    assert ids(plan(folder, in_force(folder, "0001", "0003"), mark("2"))) == ["beyond"]
    assert ids(plan(files("SELECT 1", *THREE[1:]), in_force(folder, "0001"), mark("2"))) == ["changed"]


def test_a_baseline_keeps_what_is_in_force() -> None:
    folder = files(*THREE)
    made = plan(folder, in_force(folder, "0001"), mark("2"))
    assert [m.migration.version for m in made.migrations] == ["0002"]


# -- repair


def settle(choice: Choice, reason: str = "looked") -> Action:
    return Action(verb=Verb.REPAIR, settlements=(Settlement(version="1", choice=choice, reason=reason),))


def cases(folder: Folder, history: History, at: Catalog) -> tuple[Case, ...]:
    return cases_of(folder=folder, history=history, catalog=at, states=statuses(folder, history))


def test_a_repair_writes_down_the_operators_word_and_runs_nothing() -> None:
    applied = plan(files(TWO), HALF, settle(Choice.APPLIED))
    assert [(m.entry, m.record, m.reason) for m in applied.migrations] == [("repair", Record.APPLIED, "looked")]
    assert {s.decision for s in applied.migrations[0].statements} == {Decision.SKIP}
    forgotten = plan(files(TWO), HALF, settle(Choice.NOT_APPLIED))
    assert [(m.record, m.statements) for m in forgotten.migrations] == [(Record.NOT_APPLIED, ())]
    assert len({applied.digest, forgotten.digest, plan(files(TWO), HALF, settle(Choice.APPLIED, "other")).digest}) == 3


def test_a_repair_drops_the_invalid_index_and_keeps_what_is_known_of_the_steps() -> None:
    at = catalog(f"{BUILT} {EXTRA};", invalid=("orders_paid",))
    (one,) = plan(files(TWO), HALF, settle(Choice.DROP_INVALID), at=at).migrations
    assert (one.record, one.transactional) == (Record.PARTIAL, False)
    assert [s.sql for s in one.statements] == ["DROP INDEX CONCURRENTLY public.orders_paid"]
    assert [step.state for step in one.carried] == ["done", "waiting"]


@pytest.mark.parametrize("choice", [Choice.APPLIED, Choice.NOT_APPLIED, Choice.DROP_INVALID])
def test_there_is_nothing_to_settle_where_nothing_stopped(choice: Choice) -> None:
    made = plan(files(TWO), NO_HISTORY, settle(choice))
    assert ids(made) in (["nothing-open"], ["nothing-invalid"])


def test_the_only_safe_answer_is_known() -> None:
    folder = files(TWO)
    done = catalog(f"{BUILT} {EXTRA};")
    invalid = catalog(f"{BUILT} {EXTRA};", invalid=("orders_paid",))
    assert [case.safe for case in cases(folder, HALF, done)] == [Remedy.APPLIED]
    assert [case.safe for case in cases(folder, HALF, invalid)] == [Remedy.DROP_INVALID]
    assert [case.safe for case in cases(folder, HALF, catalog(f"{TABLE} {EXTRA};"))] == [Remedy.RESUME]
    nothing = stopped((EXTRA, "running"), (BUILD, "waiting"), state="running")
    assert [case.safe for case in cases(folder, nothing, catalog(TABLE))] == [Remedy.NOT_APPLIED]
    update = "UPDATE orders SET paid = true"
    (unknown,) = cases(files(f"{OFF}{update};"), stopped((update, "running")), catalog(TABLE))
    assert (unknown.safe, unknown.status.state) == (None, State.PARTIAL)
    assert unknown.remedies == (Remedy.APPLIED, Remedy.NOT_APPLIED)


def test_a_rolled_back_attempt_is_shown_and_needs_nothing() -> None:
    (case,) = cases(files("SELECT 1"), stopped(state="failed"), catalog())
    assert (case.is_open, case.safe, case.remedies) == (False, None, ())


def test_settled_as_not_applied_is_pending_with_who_and_why() -> None:
    history = stopped(state="failed", entry="repair")
    settled = replace(history, attempts=(replace(history.attempts[0], error="undone by hand"),))
    (status,) = statuses(files("SELECT 1"), settled)
    assert (status.state, status.note) == (State.PENDING, "settled as not applied by ann: undone by hand")


def test_what_a_revert_takes_away_is_a_warning_and_what_blocks_the_application_stops_it() -> None:
    folder = files("CREATE TABLE extra (a int)", reverts=("DROP TABLE extra; CREATE INDEX i ON orders (paid)",))
    made = plan(folder, in_force(folder, "0001"), undo(), at=catalog(f"{TABLE} {EXTRA};"))
    severities = {hazard.id: hazard.severity for _, _, hazard in made.hazards}
    assert severities["drop-table"] == "warning"
    assert severities["scan-create-index"] == "severe"
    assert not made.ready
