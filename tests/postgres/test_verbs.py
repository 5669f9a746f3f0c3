"""Revert, baseline, repair, verify and going on after a half-way stop, in the real runner on a real server."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from changeover.core.actions import Action, Choice, Settlement, Verb
from changeover.core.connect import Connector
from changeover.core.errors import NeedsAttention, Refused
from changeover.core.events import (
    Event,
    MigrationApplied,
    Result,
    RunKeyAwaited,
    RunKeyTaken,
    RunStarted,
    StatementFinished,
    StatementStarted,
    Verified,
)
from changeover.core.limits import Limits
from changeover.core.repair import Case, Remedy, cases_of
from changeover.core.status import State
from changeover.core.target import Target
from changeover.core.verify import Verification, to_verify, verify
from tests.runs import QUICK, Finished, Project, follow, project, until
from tests.servers import connect, psql

OFF = "-- changeover: transaction=off\n"
REVERT = Action(verb=Verb.REVERT)
REBUILD = Action(rebuild_invalid=True)
# two statements that are done, then a unique index that cannot be built
DUPLICATES = "CREATE TABLE orders (id int); INSERT INTO orders VALUES (1), (1)"
UNIQUE = f"{OFF}CREATE TABLE extra ();\nCREATE UNIQUE INDEX CONCURRENTLY orders_id ON orders (id);\nANALYZE orders;"
ATTEMPTS = "SELECT version, entry, state FROM changeover.attempt ORDER BY id"


@pytest.fixture
def shop(database: Target, tmp_path: Path) -> Project:
    return project(database, tmp_path / "migrations")


def side(shop: Project, name: str, sql: str) -> None:
    (shop.folder / f"{name}.sql").write_text(sql)


def repair(choice: Choice, *, version: str = "0001", reason: str = "looked at it") -> Action:
    return Action(verb=Verb.REPAIR, settlements=(Settlement(version=version, choice=choice, reason=reason),))


async def states(shop: Project) -> list[State]:
    return [status.state for status in (await shop.look()).statuses]


async def case_of(shop: Project) -> Case:
    survey = await shop.look()
    (case,) = cases_of(folder=survey.folder, history=survey.history, catalog=survey.catalog, states=survey.statuses)
    return case


async def half_way(shop: Project) -> Finished:
    """Leave the first statement done and an invalid index behind."""
    psql(shop.target, DUPLICATES)
    shop.write(_0001_x=UNIQUE)
    done = await shop.apply()
    assert (done.end.result, done.end.exit_code) == (Result.PARTIAL, 8)
    return done


# -- going on


async def test_a_half_done_migration_goes_on_at_the_statement_that_failed(any_database: Target, tmp_path: Path) -> None:
    shop = project(any_database, tmp_path / "m")
    await half_way(shop)
    psql(shop.target, "DELETE FROM orders")
    psql(shop.target, "DROP INDEX CONCURRENTLY orders_id")
    done = await shop.apply()
    assert (done.end.result, done.end.exit_code) == (Result.APPLIED, 0)
    assert [it.state.value for it in done.of(StatementFinished)] == ["skipped", "done", "done"]
    assert done.of(StatementFinished)[0].reason == "done by an earlier attempt"
    assert psql(shop.target, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'orders_id'::regclass") == "t"
    assert await states(shop) == [State.APPLIED]


async def test_an_invalid_index_stops_the_next_apply_until_the_operator_has_it_rebuilt(shop: Project) -> None:
    await half_way(shop)
    psql(shop.target, "DELETE FROM orders")
    plan = (await shop.look()).plan
    assert [fault.id for fault in plan.refusals] == ["conflict"]
    assert "DROP INDEX CONCURRENTLY public.orders_id" in plan.refusals[0].advice
    done = await shop.apply(action=REBUILD)
    assert done.end.result is Result.APPLIED
    assert psql(shop.target, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'orders_id'::regclass") == "t"
    steps = "SELECT s->>'state' FROM changeover.attempt, jsonb_array_elements(steps) s WHERE state = 'applied'"
    assert psql(shop.target, steps) == "done\ndropped\ndone\ndone"


async def test_a_rebuild_that_fails_again_is_named_and_can_be_tried_again(shop: Project) -> None:
    await half_way(shop)
    again = await shop.apply(action=REBUILD)
    assert (again.end.result, again.end.exit_code) == (Result.PARTIAL, 8)
    assert any("orders_id is invalid" in line for line in again.end.left_behind)
    psql(shop.target, "DELETE FROM orders")
    assert (await shop.apply(action=REBUILD)).end.exit_code == 0


async def test_an_old_invalid_index_that_if_not_exists_would_hide_is_a_conflict(shop: Project) -> None:
    other = await connect(shop.target)
    await other.execute(DUPLICATES)
    with pytest.raises(Exception, match="could not create unique index"):
        await other.execute("CREATE UNIQUE INDEX CONCURRENTLY orders_id ON orders (id)")
    await other.execute("DELETE FROM orders")
    await other.close()
    shop.write(_0001_x=f"{OFF}CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS orders_id ON orders (id)")
    plan = (await shop.look()).plan
    assert [fault.id for fault in plan.refusals] == ["conflict"]
    assert (await shop.apply(action=REBUILD)).end.exit_code == 0
    assert psql(shop.target, "SELECT count(*) FROM pg_index WHERE NOT indisvalid") == "0"


async def test_a_killed_runner_is_gone_on_with_from_what_the_catalog_shows(shop: Project) -> None:
    psql(shop.target, "CREATE TABLE orders (id int)")
    shop.write(
        _0001_x=f"{OFF}CREATE TABLE extra ();\nSELECT pg_sleep(60);\nCREATE INDEX CONCURRENTLY a ON orders (id);"
    )
    run = await shop.start()
    seen = await until(run, lambda event: isinstance(event, StatementStarted) and event.number == 2)
    await asyncio.sleep(0.3)
    os.kill(next(it.event.pid for it in seen if isinstance(it.event, RunStarted)), signal.SIGKILL)
    with pytest.raises(NeedsAttention):
        await follow(run)
    survey = await shop.look()
    assert [status.state for status in survey.statuses] == [State.PARTIAL]
    assert [fault.id for fault in survey.plan.refusals] == ["step-unknown"]
    assert (await case_of(shop)).safe is None


async def test_an_edited_statement_that_is_done_is_refused(shop: Project) -> None:
    await half_way(shop)
    shop.write(_0001_x=UNIQUE.replace("extra ()", "other ()"))
    plan = (await shop.look()).plan
    assert plan.refusals[0].id == "step-edited"


# -- repair


async def test_repair_drops_the_invalid_index_and_apply_goes_on(shop: Project) -> None:
    await half_way(shop)
    case = await case_of(shop)
    assert (case.safe, [index.name for index in case.invalid]) == (Remedy.DROP_INVALID, ["public.orders_id"])
    done = await shop.apply(action=repair(Choice.DROP_INVALID))
    assert (done.end.result, done.end.exit_code) == (Result.REPAIRED, 0)
    assert psql(shop.target, "SELECT to_regclass('orders_id'), to_regclass('extra')") == "|extra"
    assert await states(shop) == [State.PARTIAL]
    assert (await case_of(shop)).safe is Remedy.RESUME
    psql(shop.target, "DELETE FROM orders")
    assert (await shop.apply()).end.exit_code == 0
    assert psql(shop.target, ATTEMPTS).splitlines()[-1] == "0001|migration|applied"


async def test_repair_writes_down_who_settled_it_when_and_why(shop: Project) -> None:
    await half_way(shop)
    done = await shop.apply(action=repair(Choice.APPLIED, reason="built by hand"))
    assert [it.entry for it in done.of(MigrationApplied)] == ["repair"]
    row = "SELECT entry, state, error, operator <> '', recorded_at IS NOT NULL, xid IS NOT NULL FROM changeover.attempt"
    assert psql(shop.target, f"{row} ORDER BY id DESC LIMIT 1") == "repair|applied|built by hand|t|t|t"
    assert await states(shop) == [State.APPLIED]


async def test_repair_forgets_what_was_undone_by_hand(shop: Project) -> None:
    await half_way(shop)
    psql(shop.target, "DROP TABLE extra; DELETE FROM orders")
    psql(shop.target, "DROP INDEX CONCURRENTLY orders_id")
    assert (await shop.apply(action=repair(Choice.NOT_APPLIED))).end.result is Result.REPAIRED
    survey = await shop.look()
    assert survey.statuses[0].state is State.PENDING
    assert "looked at it" in survey.statuses[0].note
    assert (await shop.apply()).end.exit_code == 0


# -- revert


async def test_revert_takes_the_last_migration_and_its_row_away_together(any_database: Target, tmp_path: Path) -> None:
    shop = project(any_database, tmp_path / "m")
    shop.write(_0001_a="CREATE TABLE a ()", _0002_b="CREATE TABLE b ()")
    side(shop, "0002_b.revert", "DROP TABLE b;")
    assert (await shop.apply()).end.exit_code == 0
    done = await shop.apply(action=REVERT)
    assert (done.end.result, done.end.exit_code, done.end.applied) == (Result.REVERTED, 0, 1)
    assert psql(any_database, "SELECT to_regclass('a'), to_regclass('b')") == "a|"
    assert psql(any_database, "SELECT version FROM changeover.migration") == "0001"
    last = "SELECT entry, state, (xid = (SELECT max(xid::text::bigint)::text::xid8 FROM changeover.attempt)) "
    assert psql(any_database, f"{last} FROM changeover.attempt ORDER BY id DESC LIMIT 1") == "revert|reverted|t"
    assert await states(shop) == [State.APPLIED, State.PENDING]
    assert (await shop.apply()).end.exit_code == 0


async def test_revert_goes_down_to_a_version_newest_first(shop: Project) -> None:
    shop.write(_0001_a="CREATE TABLE a (id int PRIMARY KEY)", _0002_b="CREATE TABLE b (a int REFERENCES a)")
    side(shop, "0001_a.revert", "DROP TABLE a;")
    side(shop, "0002_b.revert", "DROP TABLE b;")
    assert (await shop.apply()).end.exit_code == 0
    done = await shop.apply(action=Action(verb=Verb.REVERT, to="0"))
    assert [it.version for it in done.of(MigrationApplied)] == ["0002", "0001"]
    assert psql(shop.target, "SELECT count(*) FROM changeover.migration") == "0"


async def test_a_revert_that_fails_changes_nothing(shop: Project) -> None:
    shop.write(_0001_a="CREATE TABLE a ()")
    side(shop, "0001_a.revert", "DROP TABLE a; SELECT 1/0;")
    assert (await shop.apply()).end.exit_code == 0
    done = await shop.apply(action=REVERT)
    assert (done.end.result, done.end.exit_code) == (Result.ROLLED_BACK, 6)
    assert done.end.fault is not None
    assert done.end.fault.file == "0001_a.revert.sql"
    assert psql(shop.target, "SELECT to_regclass('a'), (SELECT count(*) FROM changeover.migration)") == "a|1"
    assert await states(shop) == [State.APPLIED]


async def test_a_revert_outside_a_transaction_that_stops_half_way_goes_on(shop: Project) -> None:
    shop.allow_hazards()
    shop.write(_0001_a="CREATE TABLE a (id int); CREATE INDEX a_id ON a (id)")
    side(shop, "0001_a.revert", f"{OFF}DROP INDEX CONCURRENTLY a_id;\nDROP TABLE a;")
    assert (await shop.apply()).end.exit_code == 0
    psql(shop.target, "CREATE VIEW keeps AS SELECT * FROM a")
    done = await shop.apply(action=REVERT)
    assert (done.end.result, done.end.exit_code) == (Result.PARTIAL, 8)
    assert await states(shop) == [State.PARTIAL]
    psql(shop.target, "DROP VIEW keeps")
    assert (await shop.apply(action=REVERT)).end.result is Result.REVERTED
    assert psql(shop.target, "SELECT to_regclass('a'), (SELECT count(*) FROM changeover.migration)") == "|0"


# -- baseline


async def test_a_baseline_marks_without_running_and_what_follows_is_applied(shop: Project) -> None:
    psql(shop.target, "CREATE TABLE a ()")
    shop.write(_0001_a="CREATE TABLE a ()", _0002_b="CREATE TABLE b ()")
    done = await shop.apply(action=Action(verb=Verb.BASELINE, to="1"))
    assert (done.end.result, done.end.exit_code) == (Result.BASELINED, 0)
    assert psql(shop.target, ATTEMPTS) == "0001|baseline|applied"
    assert await states(shop) == [State.APPLIED, State.PENDING]
    assert (await shop.apply()).end.applied == 1


# -- verify


async def verified(shop: Project, *versions: str) -> tuple[Verification, ...]:
    said: list[Event] = []
    survey = await shop.look()
    connector = Connector(shop.target, QUICK, emit=said.append)
    try:
        scripts = to_verify(survey.folder, survey.history, survey.statuses, versions)
        found = await verify(await connector("look"), scripts, said.append)
    finally:
        await connector.close()
    assert [one.fault for one in found] == [event.fault for event in said if isinstance(event, Verified)]
    return found


async def test_verify_says_which_script_finds_what_wrong_and_where(shop: Project) -> None:
    shop.write(_0001_a="CREATE TABLE a (id int)", _0002_b="SELECT 1", _0003_c="SELECT 1", _0004_d="SELECT 1")
    side(shop, "0001_a.verify", "SELECT id FROM a WHERE false;\nSELECT count(*) = 0 FROM a;")
    side(shop, "0002_b.verify", "SELECT 1;\n  SELECT nothing FROM a;")
    side(shop, "0003_c.verify", "SELECT count(*) > 0 FROM a;")
    assert (await shop.apply()).end.exit_code == 0
    fine, broken, false = await verified(shop)
    assert fine.fault is None
    assert broken.fault is not None
    assert (broken.fault.file, broken.fault.line, broken.fault.column) == ("0002_b.verify.sql", 2, 10)
    assert false.fault is not None
    assert false.fault.id == "verify"
    assert [one.version for one in await verified(shop, "1")] == ["0001"]
    with pytest.raises(Refused, match=r"0004_d\.verify\.sql"):
        await verified(shop, "4")


@pytest.mark.parametrize(
    "sql",
    ["INSERT INTO a VALUES (1)", "SET transaction_read_only = off; INSERT INTO a VALUES (1)", "DROP TABLE a",
     "DO $$ BEGIN COMMIT; END $$"],
)  # fmt: skip
async def test_a_verify_script_cannot_change_anything(sql: str, shop: Project) -> None:
    shop.write(_0001_a="CREATE TABLE a (id int)")
    side(shop, "0001_a.verify", sql)
    assert (await shop.apply()).end.exit_code == 0
    (one,) = await verified(shop)
    assert one.fault is not None
    assert psql(shop.target, "SELECT count(*) FROM a") == "0"


# -- waiting for another run


async def test_a_run_that_waits_for_another_says_for_whom_and_finds_nothing_left(shop: Project) -> None:
    # long enough for the second to arrive on a slow machine
    shop.write(_0001_a="CREATE TABLE a (); SELECT pg_sleep(8)")
    first = await shop.start()
    await until(first, lambda event: isinstance(event, StatementStarted))
    second = await shop.apply(wait=30)
    assert (second.end.result, second.end.exit_code) == (Result.NOTHING_TO_DO, 0)
    assert first.folder.name[:20] in second.of(RunKeyAwaited)[0].holder
    assert second.of(RunKeyTaken)[0].waited > 0.5
    assert (await follow(first)).end.exit_code == 0
    assert psql(shop.target, "SELECT count(*) FROM changeover.attempt") == "1"


async def test_a_wait_that_is_over_is_exit_9(database: Target, tmp_path: Path) -> None:
    shop = project(database, tmp_path / "m", Limits())
    shop.write(_0001_a="SELECT pg_sleep(4)")
    first = await shop.start()
    await until(first, lambda event: isinstance(event, StatementStarted))
    second = await shop.apply(wait=1)
    assert (second.end.result, second.end.exit_code) == (Result.REFUSED, 9)
    await first.stop("now")
    await follow(first)


async def test_a_repair_that_fails_has_settled_nothing(shop: Project) -> None:
    await half_way(shop)
    psql(shop.target, "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$")
    psql(
        shop.target,
        "CREATE TRIGGER no BEFORE INSERT ON changeover.attempt FOR EACH ROW WHEN (new.xid IS NOT NULL) "
        "EXECUTE FUNCTION no()",
    )
    for choice in (Choice.NOT_APPLIED, Choice.APPLIED, Choice.DROP_INVALID):
        done = await shop.apply(action=repair(choice))
        assert done.end.exit_code in {6, 8}, done.end
        assert await states(shop) == [State.PARTIAL]
    psql(shop.target, "DROP TRIGGER no ON changeover.attempt")
    case = await case_of(shop)
    assert [step.recorded for step in case.steps] == ["done", "waiting", "waiting"]
    assert case.safe is Remedy.RESUME


async def test_a_history_that_somebody_changed_stops_steps_before_they_begin(shop: Project) -> None:
    psql(shop.target, "CREATE TABLE orders (id int)")
    slow, build = "SELECT pg_sleep(1)", f"{OFF}CREATE INDEX CONCURRENTLY orders_id ON orders (id)"
    shop.write(_0001_x=slow, _0002_y=build)
    run = await shop.start()
    await until(run, lambda event: isinstance(event, StatementStarted))
    values = "('0000', 'x', 'x', 'x', 'x', now(), 1, 'x', gen_random_uuid())"
    psql(shop.target, f"INSERT INTO changeover.migration VALUES {values}")
    done = await follow(run)
    assert (done.end.result, done.end.exit_code) == (Result.REFUSED, 4)
    assert psql(shop.target, "SELECT to_regclass('orders_id')") == ""
