"""Short statements go together, and everything is as if they had gone one by one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from changeover.core import sending
from changeover.core.document_types import text_of
from changeover.core.documents import apply_document
from changeover.core.events import NoticeRaised, Result, StatementFailed, StatementFinished, StatementStarted
from changeover.core.groups import Groups
from changeover.core.journal import read_file
from changeover.core.limits import Limits
from changeover.core.plan import PlannedStatement
from changeover.core.requests import Assignment, RunRequest
from changeover.core.runner import Runner
from changeover.core.session_log import SessionLog
from changeover.core.target import Target
from changeover.core.view import view_of
from tests.runs import Finished, Project, follow, project, until
from tests.servers import Server, connect, psql

SCENE = """
CREATE TABLE item (id int PRIMARY KEY, n int NOT NULL DEFAULT 0 CHECK (n < 1000), said text);
CREATE TABLE part (id int REFERENCES item DEFERRABLE INITIALLY DEFERRED, at int);
CREATE SEQUENCE numbers;
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN IF NEW.said IS NOT NULL THEN RAISE NOTICE 'said %', NEW.said; END IF; RETURN NEW; END$$;
CREATE TRIGGER tell BEFORE INSERT OR UPDATE ON item FOR EACH ROW EXECUTE FUNCTION tell();
INSERT INTO item SELECT g, g FROM generate_series(1, 20) g;
"""
WHAT_IS_THERE = """
SELECT id, n, said FROM item ORDER BY 1; SELECT id, at FROM part ORDER BY 1, 2;
SELECT attname FROM pg_attribute WHERE attrelid = 'item'::regclass AND attnum > 0 ORDER BY attnum;
SELECT version, name, deferred FROM changeover.migration ORDER BY 1;
SELECT version, entry, state, sqlstate, error, steps FROM changeover.attempt ORDER BY id;
"""
OF_EACH_RUN = frozenset({
    "digest", "duration_ms", "tag", "rows", "together", "notices", "xid", "target", "server", "post_checks",
})  # fmt: skip
NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
fresh = st.integers(100, 10_000)
known = st.integers(1, 20)
fine = st.one_of(
    st.builds("INSERT INTO item VALUES ({0}, {1}) ON CONFLICT DO NOTHING".format, fresh, known),
    st.builds("INSERT INTO item (id, said) VALUES ({0}, 'it''s; {1}') ON CONFLICT DO NOTHING".format, fresh, known),
    st.builds("INSERT INTO part VALUES ({0}, {1}), ({1}, {0})".format, known, known),
    st.builds("INSERT INTO part SELECT id, {0} FROM item WHERE n = {0}".format, known),
    st.builds("UPDATE item SET n = n + {0} WHERE id = {1}".format, known, known),
    st.builds("DELETE FROM part WHERE at = {0}".format, known),
    st.builds(
        "MERGE INTO item i USING (VALUES ({0})) v (id) ON i.id = v.id WHEN MATCHED THEN UPDATE SET n = 0".format, known
    ),
    st.builds("SELECT setval('numbers', {0})".format, fresh),
    st.builds("SELECT count(*) FROM item WHERE n = {0}".format, known),
    st.builds("DO $$BEGIN RAISE NOTICE 'done {0}'; END$$".format, known),
    st.builds("SET LOCAL work_mem = '{0}MB'".format, known),
    st.builds("ALTER TABLE item ADD COLUMN IF NOT EXISTS c{0} int".format, known),
)
# each fails, in its own way: by a constraint, in its text, in a function, at the end of the statement or of the run
wrong = st.sampled_from([
    "INSERT INTO item VALUES (5, 5)",
    "INSERT INTO item (id, n, said) VALUES (50001, 5000, 'too much')",
    "INSERT INTO item\n  VALUES (50002, 'x'::int)",
    "INSERT INTO item (id) VALUES (50003), (50004 / 0)",
    "UPDATE item SET\n  n = said::int + length('x'::name::int4::text)",
    "UPDATE item SET n = (SELECT g FROM generate_series(1, 2) g) WHERE id = 1",
    "INSERT INTO item SELECT NULL, 1",
    "INSERT INTO part VALUES (99999, 1)",
    "DELETE FROM item WHERE 1 / (id - 3) = 7",
    "SELECT setval('numbers', -1)",
])  # fmt: skip


class Alone(Groups):
    """Hands out one statement at a time, as without groups."""

    def next(self) -> tuple[PlannedStatement, ...]:
        self.end()
        return super().next()


async def run_here(shop: Project) -> Finished:
    """Run what is pending in this process, through the real runner."""
    plan = (await shop.look()).plan
    assert plan.ready, plan.refusals
    approval = plan.approve(digest=plan.digest, by="test", how="--yes")
    log = SessionLog.open(command="test", target=str(shop.target))
    request = RunRequest(target=shop.target, settings=shop.settings, approval=approval)
    assignment = Assignment(request=request, folder=log.folder, session=log.id, name="run-1", operator="test")
    await Runner(assignment).serve()
    log.close(0)
    return Finished(stamped=[it for it, _ in read_file(log.folder / "run-1.jsonl")], folder=log.folder)


def told(done: Finished, target: Target) -> Any:
    """Return the receipt, without what is another each time, and without what a group does not tell."""
    view = view_of(done.stamped)
    code = int(done.end.exit_code)
    document = apply_document(view, target, session="s", outcome=done.end.result, exit_code=code, error=done.end.fault)
    text = json.loads(text_of(document))

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            left = {
                "digest",
                "duration_ms",
                "tag",
                "rows",
                "together",
                "notices",
                "xid",
                "target",
                "server",
                "post_checks",
            }
            return {key: plain(it) for key, it in value.items() if key not in left}
        return [plain(it) for it in value] if isinstance(value, list) else value

    return plain(text)


def run_script(server: Server, folder: Path, statements: Sequence[str], groups: type[Groups]) -> tuple[Any, ...]:
    with server.new_database() as target, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sending, "Groups", groups)
        psql(target, SCENE)
        shop = project(target, folder)
        shop.allow_hazards()
        shop.write(_0001_x="\n;\n".join(statements) + ";\n")
        done = asyncio.run(run_here(shop))
        notices = [it.message for it in done.of(NoticeRaised)]
        failed = [(it.number, it.fault) for it in done.of(StatementFailed)]
        return told(done, target), failed, notices, psql(target, WHAT_IS_THERE), done


@given(statements=st.lists(fine, min_size=1, max_size=60), error=st.none() | wrong, data=st.data())
@settings(
    max_examples=12,
    deadline=None,
    phases=NO_SHRINKING,
    suppress_health_check=[HealthCheck.too_slow],
)
def test_an_error_anywhere_is_the_same_with_groups_and_without(
    statements: list[str],
    error: str | None,
    data: st.DataObject,
    server: Server,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    if error is not None:
        statements.insert(data.draw(st.integers(0, len(statements))), error)
    # the same path, which is in what is compared
    folder = tmp_path_factory.mktemp("script") / "migrations"
    grouped = run_script(server, folder, statements, Groups)
    alone = run_script(server, folder, statements, Alone)
    assert grouped[:-1] == alone[:-1]
    assert all(it.last is None for it in alone[-1].of(StatementStarted))


@pytest.fixture
def shop(database: Target, tmp_path: Path) -> Project:
    psql(database, SCENE)
    shop = project(database, tmp_path / "migrations")
    shop.allow_hazards()
    return shop


def rows(first: int, last: int) -> str:
    return "".join(f"INSERT INTO item (id) VALUES ({number});\n" for number in range(first, last + 1))


async def test_rows_go_together_and_the_receipt_says_so(shop: Project) -> None:
    shop.write(_0001_x=f"{rows(101, 400)}CREATE TABLE t ();\n{rows(401, 500)}")
    done = await shop.apply()
    assert done.end.result is Result.APPLIED
    groups = [(it.number, it.last) for it in done.of(StatementFinished)]
    assert groups[0][0] == 1
    assert (301, None) in groups
    assert len(groups) < 20
    # every statement once, in order
    numbers = [number for first, last in groups for number in range(first, (last or first) + 1)]
    assert numbers == list(range(1, 402))
    assert all((it.rows, it.tag) == (None, "") for it in done.of(StatementFinished) if it.last is not None)
    migration = done.view.migrations[0]
    assert migration.finished == 401
    assert migration.progress(2).together == groups[0]
    assert migration.progress(301).together is None
    assert psql(shop.target, "SELECT count(*) FROM item WHERE id > 100") == "400"


async def test_the_history_row_is_written_outside_any_savepoint(shop: Project) -> None:
    shop.write(_0001_x=rows(101, 300))
    done = await shop.apply()
    xid = done.view.migrations[0].xid
    assert psql(shop.target, "SELECT DISTINCT xmin FROM changeover.migration") == xid
    # and the rows of the groups are not
    assert xid not in psql(shop.target, "SELECT DISTINCT xmin FROM item WHERE id > 100").split()


async def test_the_statement_of_a_group_that_waits_too_long_is_named(shop: Project) -> None:
    statements = [f"UPDATE item SET n = 0 WHERE id = {number}" for number in range(1, 19)]
    shop.write(_0001_x=";\n".join(statements))
    other = await connect(shop.target)
    await other.execute("BEGIN; UPDATE item SET n = 1 WHERE id = 17")
    try:
        done = await shop.apply()
    finally:
        await other.close()
    assert done.end.result is Result.ROLLED_BACK
    assert any(it.last is not None for it in done.of(StatementStarted))
    assert {(it.number, it.fault.sqlstate, it.fault.line) for it in done.of(StatementFailed)} == {(17, "55P03", 17)}
    # its budget is one of the attempt, and not one of each try within it
    assert all(it.elapsed < 5 for it in done.of(StatementFailed))


async def test_a_group_that_fails_once_is_done_in_the_end_with_all_that_went_before_it(shop: Project) -> None:
    # what a sequence has handed out is not rolled back, so that it fails the first time only
    once = "INSERT INTO item VALUES (900, CASE WHEN nextval('numbers') = 1 THEN 1 / (1 - currval('numbers')::int) END);"
    shop.write(_0001_x=f"{rows(101, 130)}{once.replace('END', 'ELSE 1 END')}{rows(201, 220)}")
    done = await shop.apply()
    assert done.end.result is Result.APPLIED, done.end.fault
    assert psql(shop.target, "SELECT count(*), max(id) FROM item WHERE id > 100") == "51|900"
    assert done.view.migrations[0].finished == 51
    assert not done.of(StatementFailed)
    # a group, and from its first on one by one
    started = [(it.number, it.last) for it in done.of(StatementStarted)]
    failed = max(index for index, (_, last) in enumerate(started) if last is not None)
    assert started[failed + 1 :] == [(number, None) for number in range(started[failed][0], 52)]


async def test_a_cancel_by_somebody_else_ends_a_group_as_it_ends_a_statement(shop: Project) -> None:
    shop.settings = project(shop.target, shop.folder, Limits(lock_timeout=60)).settings
    shop.allow_hazards()
    shop.write(_0001_x=rows(101, 120))
    other = await connect(shop.target)
    await other.execute("BEGIN; INSERT INTO item (id) VALUES (110)")
    try:
        run = await shop.start()
        await until(run, lambda event: isinstance(event, StatementStarted))
        for _ in range(100):
            found = await other.fetch(
                "SELECT pg_cancel_backend(pid) FROM pg_stat_activity "
                "WHERE application_name LIKE 'changeover migration%' AND wait_event_type = 'Lock'"
            )
            if found:
                break
            await asyncio.sleep(0.05)
        done = await follow(run)
    finally:
        await other.close()
    assert done.end.result is Result.ROLLED_BACK
    (failed,) = done.of(StatementFailed)
    assert failed.fault.sqlstate == "57014"
    assert "statements 1 to 16 were sent together" in failed.fault.summary
    assert psql(shop.target, "SELECT count(*) FROM item WHERE id > 100") == "0"


async def test_a_long_migration_of_small_statements_leaves_few_subtransactions(shop: Project) -> None:
    shop.write(_0001_x=rows(1001, 4000))
    done = await shop.apply()
    assert done.end.result is Result.APPLIED
    assert int(psql(shop.target, "SELECT count(DISTINCT xmin::text) FROM item WHERE id > 1000")) < 30


async def test_an_update_is_tried_alone_before_others_like_it_go_with_it(shop: Project) -> None:
    shop.write(_0001_x="".join(f"UPDATE item SET n = {number} WHERE id = {number};\n" for number in range(1, 11)))
    done = await shop.apply()
    assert [(it.number, it.last) for it in done.of(StatementStarted)][:2] == [(1, None), (2, 10)]


async def test_a_stop_after_the_statement_stops_after_the_group(shop: Project) -> None:

    shop.write(
        _0001_x=f"{rows(101, 116)}UPDATE item SET n = n + (SELECT 0 FROM pg_sleep(2)) WHERE id = 1;{rows(201, 230)}"
    )
    run = await shop.start()
    await until(run, lambda event: isinstance(event, StatementStarted) and event.number == 17)
    await run.stop("after-statement")
    done = await follow(run)
    assert done.end.result is Result.STOPPED
    assert max(it.number for it in done.of(StatementStarted)) == 17
    assert psql(shop.target, "SELECT count(*) FROM item WHERE id > 100") == "0"
