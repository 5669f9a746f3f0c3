"""Folders of other tools, applied whole on real servers: the rows are those that the tool itself would have written.

Past 400 lines: the same is asked of one format after another.
"""

from __future__ import annotations

import subprocess
from hashlib import sha256
from pathlib import Path

import pytest
from msgspec.structs import replace

from changeover.core import formats
from changeover.core.actions import Action, Choice, Settlement, Verb
from changeover.core.errors import UsageError
from changeover.core.events import Result, Settled
from changeover.core.postgres_binaries import embedded
from changeover.core.repair import Remedy, cases_of
from changeover.core.requests import Assignment, RunRequest
from changeover.core.runner import Runner
from changeover.core.session_log import SessionLog
from changeover.core.target import Target
from changeover.core.verify import to_verify
from changeover.core.watch import Watch
from tests.faults.proxy import Way, once, proxied
from tests.foreign import SAMPLES, A, B, C, atlas_sum, java_checksum, shop_of
from tests.runs import project
from tests.servers import Servers, binaries_here, psql


@pytest.mark.parametrize("name", SAMPLES)
async def test_a_folder_of_another_tool_is_applied_and_recorded_as_the_tool_does(
    database: Target, tmp_path: Path, name: str
) -> None:
    sample = SAMPLES[name]
    shop = shop_of(database, tmp_path / "migrations", name)
    before = await shop.look()
    assert (before.history.format, before.history.exists) == (name, False)
    done = await shop.apply()
    assert (done.end.result, done.end.exit_code) == (Result.APPLIED, 0)
    assert psql(database, sample.query) == sample.rows
    assert psql(database, "SELECT to_regnamespace('changeover')") == ""
    after = await shop.look()
    assert [status.state for status in after.statuses] == ["applied"] * len(after.folder.migrations)
    assert after.plan.migrations == ()


async def test_500_files_leave_the_schema_that_psql_leaves(database: Target, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    for number in range(1, 501):
        table = f"t{number % 50}"
        text = f"ALTER TABLE {table} ADD COLUMN c{number} int DEFAULT {number} CHECK (c{number} > 0);\n"
        if number <= 50:
            text = f"CREATE TABLE {table} (id int PRIMARY KEY, name text);\nCREATE INDEX ON {table} (name);\n"
        (folder / f"{number}_x.sql").write_text(text)
    shop = project(database, folder)
    shop.settings = replace(shop.settings, format="sqlx", allowed_hazards={"all": "--allow"})
    assert (await shop.apply()).end.applied == 500
    psql(database, "DROP TABLE _sqlx_migrations")
    ours = schema_of(database)
    psql(database, "CREATE DATABASE by_psql")
    try:
        other = replace(database, database="by_psql")
        psql(other, "".join((folder / f"{number}_x.sql").read_text() for number in range(1, 501)))
        assert schema_of(other) == ours
    finally:
        psql(database, "DROP DATABASE by_psql")


def schema_of(target: Target) -> str:
    dumped = subprocess.run(
        [
            embedded().pg_dump,
            "--schema-only",
            "-h",
            target.host,
            "-p",
            str(target.port),
            "-U",
            target.user,
            "-d",
            target.database,
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    # a random word of the dump, in 18
    return "\n".join(line for line in dumped.splitlines() if not line.startswith(("\\restrict", "\\unrestrict")))


@pytest.mark.parametrize("name", ["goose", "prisma", "flyway", "sqitch"])
@pytest.mark.parametrize("major", [major for major in binaries_here() if major != 18])
async def test_an_older_server_gets_the_same_rows(servers: Servers, tmp_path: Path, major: int, name: str) -> None:
    sample = SAMPLES[name]
    with servers.of(major).new_database() as target:
        shop = shop_of(target, tmp_path / "migrations", name)
        assert (await shop.apply()).end.exit_code == 0
        assert psql(target, sample.query) == sample.rows
        assert (await shop.look()).plan.migrations == ()


@pytest.mark.parametrize("name", [name for name, sample in SAMPLES.items() if sample.reverted is not None])
async def test_a_revert_leaves_the_history_as_the_tool_does(database: Target, tmp_path: Path, name: str) -> None:
    sample = SAMPLES[name]
    shop = shop_of(database, tmp_path / "migrations", name)
    assert (await shop.apply()).end.exit_code == 0
    done = await shop.apply(action=Action(verb=Verb.REVERT))
    assert (done.end.result, done.end.exit_code) == (Result.REVERTED, 0)
    assert psql(database, sample.query) == sample.reverted
    assert psql(database, "SELECT to_regclass('shop_name')") == ""
    # and back to nothing, as far as the format goes
    done = await shop.apply(action=Action(verb=Verb.REVERT, to="0"))
    assert (done.end.result, done.end.exit_code) == (Result.REVERTED, 0)
    assert psql(database, "SELECT to_regclass('shop')") == ""
    assert all(status.state == "pending" for status in (await shop.look()).statuses)


@pytest.mark.parametrize("name", [name for name, sample in SAMPLES.items() if sample.reverted is None])
async def test_a_format_without_a_revert_says_so(database: Target, tmp_path: Path, name: str) -> None:
    shop = shop_of(database, tmp_path / "migrations", name)
    assert (await shop.apply()).end.exit_code == 0
    if formats.BY_NAME[name].has(formats.Notion.REVERT):
        # Flyway: this one has no U script
        assert [fault.id for fault in (await shop.look(Action(verb=Verb.REVERT))).plan.refusals] == ["no-revert"]
        return
    with pytest.raises(UsageError, match="This format has no revert"):
        await shop.look(Action(verb=Verb.REVERT))
    survey = await shop.look()
    with pytest.raises(UsageError, match="This format has no verify"):
        to_verify(survey.folder, survey.history, survey.statuses, ())


@pytest.mark.parametrize("name", SAMPLES)
async def test_a_baseline_is_a_record_without_a_run(database: Target, tmp_path: Path, name: str) -> None:
    shop = shop_of(database, tmp_path / "migrations", name)
    first = (await shop.look()).folder.migrations[0].version
    done = await shop.apply(action=Action(verb=Verb.BASELINE, to=first))
    assert (done.end.result, done.end.exit_code) == (Result.BASELINED, 0)
    assert psql(database, "SELECT to_regclass('shop')") == ""
    states = [status.state for status in (await shop.look()).statuses]
    assert states == ["applied"] + ["pending"] * (len(states) - 1)


FLYWAY_ROWS = (
    "SELECT installed_rank, version, description, type, script, checksum, installed_by, success "
    "FROM flyway_schema_history ORDER BY 1"
)


async def test_flyway_s_baseline_is_its_one_row_and_an_undo_is_a_row_more(database: Target, tmp_path: Path) -> None:
    shop = shop_of(database, tmp_path / "migrations", "flyway")
    undo = "DROP INDEX shop_name;\n"
    (shop.folder / "U2__index.sql").write_text(undo)
    assert (await shop.apply(action=Action(verb=Verb.BASELINE, to="1_1"))).end.exit_code == 0
    begins = "1|1.1|<< Flyway Baseline >>|BASELINE|<< Flyway Baseline >>||postgres|t"
    assert psql(database, FLYWAY_ROWS) == begins
    assert psql(database, "SELECT execution_time FROM flyway_schema_history") == "0"
    psql(database, A + B)
    assert (await shop.apply(action=Action(to="2"))).end.exit_code == 0
    done = await shop.apply(action=Action(verb=Verb.REVERT))
    assert done.end.exit_code == 0
    assert [it.state for it in (await shop.look()).statuses] == ["applied", "applied", "pending", "pending"]
    # a table with migrations in it: what -skipExecutingMigrations writes
    assert (await shop.apply(action=Action(verb=Verb.BASELINE, to="2"))).end.exit_code == 0
    index = f"2|index|SQL|V2__index.sql|{java_checksum(C)}|postgres|t"
    undone = f"2|index|UNDO_SQL|U2__index.sql|{java_checksum(undo)}|postgres|t"
    assert psql(database, FLYWAY_ROWS) == f"{begins}\n2|{index}\n3|{undone}\n4|{index}"


async def test_repair_takes_an_edited_file_of_flyway_for_what_was_applied(database: Target, tmp_path: Path) -> None:
    shop = shop_of(database, tmp_path / "migrations", "flyway")
    assert (await shop.apply()).end.exit_code == 0
    edited = f"-- edited\n{A}"
    (shop.folder / "V1__shop.sql").write_text(edited)
    survey = await shop.look()
    assert not survey.plan.ready
    (case,) = cases_of(folder=survey.folder, history=survey.history, catalog=survey.catalog, states=survey.statuses)
    assert (case.version, case.remedies, case.safe, case.is_open) == ("1", (Remedy.APPLIED,), None, True)
    done = await shop.apply(action=settle("1", Choice.APPLIED))
    assert (done.end.result, done.end.exit_code) == (Result.REPAIRED, 0)
    rows = SAMPLES["flyway"].rows.replace(f"|{java_checksum(A)}|", f"|{java_checksum(edited)}|")
    assert psql(database, FLYWAY_ROWS) == rows
    # what the tool's own repair says of a file that is gone: as if it had never been
    psql(
        database,
        "INSERT INTO flyway_schema_history SELECT 9, version, description, 'DELETE', script, checksum, installed_by, "
        "now(), 0, true FROM flyway_schema_history WHERE version = '2'",
    )
    assert [it.state for it in (await shop.look()).statuses] == ["applied", "applied", "pending", "applied"]


async def test_a_baseline_of_atlas_is_one_row_and_what_is_marked_later_has_its_own(
    database: Target, tmp_path: Path
) -> None:
    shop = shop_of(database, tmp_path / "migrations", "atlas")
    query = (
        "SELECT version, description, type, applied, total, hash <> '', error, partial_hashes "
        "FROM atlas_schema_revisions.atlas_schema_revisions ORDER BY 1"
    )
    assert (await shop.apply(action=Action(verb=Verb.BASELINE, to="2"))).end.exit_code == 0
    assert psql(database, query) == "2|name|1|0|0|f||null"
    psql(database, A + B)
    assert (await shop.apply()).end.exit_code == 0
    assert psql(database, query) == "2|name|1|0|0|f||null\n3|index|2|1|1|t||null"
    # a table with what was executed in it: what `migrate set` writes
    table = "atlas_schema_revisions.atlas_schema_revisions"
    psql(database, f"DELETE FROM {table} WHERE type = 2; UPDATE {table} SET type = 2, version = '1'")
    assert (await shop.apply(action=Action(verb=Verb.BASELINE, to="2"))).end.exit_code == 0
    assert psql(database, query).splitlines()[1] == "2|name|4|0|0|t||null"


TRANSACTIONAL = tuple(SAMPLES)


@pytest.mark.parametrize("name", TRANSACTIONAL)
async def test_what_was_applied_is_settled_by_the_id_of_its_transaction(
    database: Target, tmp_path: Path, name: str
) -> None:
    """The answer to COMMIT is swallowed: the row is there, and our transaction wrote it."""
    shop = shop_of(database, tmp_path / "migrations", name)
    first = shop.settings
    assert (await shop.apply(action=Action(to=(await shop.look()).folder.migrations[0].version))).end.exit_code == 0
    async with proxied(database, once(b"COMMIT", Way.MUTE)) as (_, target):
        through = project(target, shop.folder)
        through.settings = first
        done = await through.apply()
    assert [settled.applied for settled in done.of(Settled)][:1] == [True]
    assert (done.end.result, done.end.exit_code) == (Result.APPLIED, 0)
    assert psql(database, SAMPLES[name].query) == SAMPLES[name].rows


@pytest.mark.parametrize("name", TRANSACTIONAL)
async def test_what_never_reached_the_server_is_settled_as_not_applied(
    database: Target, tmp_path: Path, name: str
) -> None:
    shop = shop_of(database, tmp_path / "migrations", name)
    first = shop.settings
    assert (await shop.apply(action=Action(to=(await shop.look()).folder.migrations[0].version))).end.exit_code == 0
    before = psql(database, f"SELECT count(*) FROM {SAMPLES[name].table}")
    async with proxied(database, once(b"COMMIT", Way.DROP)) as (_, target):
        through = project(target, shop.folder)
        through.settings = first
        done = await through.apply()
    assert [settled.applied for settled in done.of(Settled)] == [False]
    assert (done.end.result, done.end.exit_code) == (Result.ROLLED_BACK, 6)
    assert psql(database, f"SELECT count(*) FROM {SAMPLES[name].table}") == before
    assert (await shop.apply()).end.exit_code == 0
    assert psql(database, SAMPLES[name].query).count("\n") == SAMPLES[name].rows.count("\n")


async def test_nothing_is_committed_whose_commit_could_not_be_proven(
    database: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unseen(watch: Watch, backend: int) -> None:
        del watch, backend

    shop = shop_of(database, tmp_path / "migrations", "dbmate")
    plan = (await shop.look()).plan
    log = SessionLog.open(command="test", target=str(database), root=tmp_path / "log")
    request = RunRequest(
        target=database,
        settings=shop.settings,
        approval=plan.approve(digest=plan.digest, by="test", how="test"),
        action=Action(),
    )
    monkeypatch.setattr(Watch, "transaction_id", unseen)
    # in this process, so that the watch sees nothing
    code = await Runner(
        Assignment(request=request, folder=log.folder, session=log.id, name="run-1", operator="test")
    ).serve()
    log.close(code)
    assert code == 6
    assert psql(database, "SELECT count(*) FROM schema_migrations") == "0"
    assert psql(database, "SELECT to_regclass('shop')") == ""


async def test_what_stops_half_way_is_dirty_for_the_tool_and_is_settled_by_repair(
    database: Target, tmp_path: Path
) -> None:
    shop = shop_of(database, tmp_path / "migrations", "golang-migrate")
    (shop.folder / "000003_index.up.sql").write_text(f"{C}CREATE UNIQUE INDEX CONCURRENTLY one ON shop ((1));\n")
    assert (await shop.apply(action=Action(to="2"))).end.exit_code == 0
    psql(database, "INSERT INTO shop VALUES (1), (2)")
    done = await shop.apply()
    assert (done.end.result, done.end.exit_code) == (Result.PARTIAL, 8)
    assert psql(database, "SELECT version, dirty FROM schema_migrations") == "3|t"
    states = {status.version: status.state for status in (await shop.look()).statuses}
    assert states == {"1": "applied", "2": "applied", "3": "in_doubt"}
    assert not (await shop.look()).plan.ready
    settled = await shop.apply(action=settle("3", Choice.NOT_APPLIED))
    assert (settled.end.result, settled.end.exit_code) == (Result.REPAIRED, 0)
    assert psql(database, "SELECT version, dirty FROM schema_migrations") == "2|f"


BROKEN = f"{C}CREATE UNIQUE INDEX CONCURRENTLY one ON shop ((1));\n"
STOPPED = {
    "prisma": (
        "20240103000000_index/migration.sql",
        BROKEN,
        "SELECT checksum, finished_at IS NULL, logs LIKE '%(23505)%', rolled_back_at IS NULL, applied_steps_count "  # noqa: ISC004
        "FROM _prisma_migrations WHERE migration_name = '20240103000000_index'",
        f"{sha256(BROKEN.encode()).hexdigest()}|t|t|t|0",
    ),
    "flyway": (
        "V2__index.sql",
        BROKEN,
        f"{FLYWAY_ROWS} OFFSET 2",
        f"3|2|index|SQL|V2__index.sql|{java_checksum(BROKEN)}|postgres|f",
    ),
    # sqlx leaves nothing: it writes its row after the last statement
    "sqlx": ("3_index.up.sql", f"-- no-transaction\n{BROKEN}", "SELECT max(version) FROM _sqlx_migrations", "2"),
    "atlas": (
        "3_index.sql",
        f"-- atlas:txmode none\n\n{BROKEN}",
        "SELECT version, type, applied, total, error LIKE '%(23505)%', error_stmt "  # noqa: ISC004
        "FROM atlas_schema_revisions.atlas_schema_revisions ORDER BY 1 OFFSET 2",
        "3|2|1|2|t|CREATE UNIQUE INDEX CONCURRENTLY one ON shop ((1))",
    ),
    "golang-migrate": ("000003_index.up.sql", BROKEN, "SELECT version, dirty FROM schema_migrations", "3|t"),
}


@pytest.mark.parametrize("name", STOPPED)
async def test_what_stops_outside_a_transaction_leaves_the_row_that_the_tool_leaves(
    database: Target, tmp_path: Path, name: str
) -> None:
    file, text, query, row = STOPPED[name]
    shop = shop_of(database, tmp_path / "migrations", name)
    (shop.folder / file).write_text(text)
    if name == "atlas":
        texts = {it.name: it.read_text() for it in sorted(shop.folder.glob("*.sql"))}
        (shop.folder / "atlas.sum").write_text(atlas_sum(texts)[0])
    second = (await shop.look()).folder.migrations[1].version
    assert (await shop.apply(action=Action(to=second))).end.exit_code == 0
    psql(database, "INSERT INTO shop VALUES (1), (2)")
    done = await shop.apply()
    assert (done.end.result, done.end.exit_code) == (Result.PARTIAL, 8)
    assert psql(database, query) == row


async def test_what_fails_in_a_transaction_is_an_event_of_sqitch_and_nothing_else(
    database: Target, tmp_path: Path
) -> None:
    shop = shop_of(database, tmp_path / "migrations", "sqitch")
    (shop.folder / "deploy/name.sql").write_text(f"{B}SELECT 1 / 0;\n")
    done = await shop.apply()
    assert (done.end.result, done.end.exit_code) == (Result.ROLLED_BACK, 6)
    assert psql(database, "SELECT event, change, note FROM sqitch.events ORDER BY committed_at") == (
        "deploy|shop|Adds shop.\nfail|name|Adds name."
    )
    assert psql(database, "SELECT change FROM sqitch.changes") == "shop"


FAILED = {
    "prisma": (
        "INSERT INTO _prisma_migrations (id, checksum, migration_name, logs) VALUES ('x', 'y', '{}', E'\\nit broke')",
        "20240103000000_index",
        "SELECT rolled_back_at IS NOT NULL, finished_at IS NOT NULL FROM _prisma_migrations "  # noqa: ISC004
        "WHERE migration_name = '{}' ORDER BY started_at",
        "t|f",
        "t|f\nf|t",
    ),
    "flyway": (
        "INSERT INTO flyway_schema_history VALUES (3, '{}', 'index', 'SQL', 'V2__index.sql', 1, 'x', now(), 5, false)",
        "2",
        "SELECT type, success FROM flyway_schema_history WHERE version = '{}'",
        "",
        "SQL|t",
    ),
    "sqlx": (
        "INSERT INTO _sqlx_migrations VALUES ({}, 'index', now(), false, '\\x00', -1)",
        "3",
        "SELECT success, execution_time FROM _sqlx_migrations WHERE version = {}",
        "",
        "t|-1",
    ),
}


@pytest.mark.parametrize("choice", [Choice.NOT_APPLIED, Choice.APPLIED])
@pytest.mark.parametrize("name", FAILED)
async def test_a_migration_that_the_tool_left_failed_stops_the_plan_until_it_is_settled(
    database: Target, tmp_path: Path, name: str, choice: Choice
) -> None:
    failed, version, query, not_applied, applied = FAILED[name]
    shop = shop_of(database, tmp_path / "migrations", name)
    second = (await shop.look()).folder.migrations[1].version
    assert (await shop.apply(action=Action(to=second))).end.exit_code == 0
    psql(database, failed.format(version))
    plan = (await shop.look()).plan
    assert {fault.id for fault in plan.refusals} <= {"partial", "in-doubt"}
    assert not plan.ready
    done = await shop.apply(action=settle(version, choice))
    assert (done.end.result, done.end.exit_code) == (Result.REPAIRED, 0)
    assert psql(database, query.format(version)) == (not_applied if choice is Choice.NOT_APPLIED else applied)
    assert (await shop.look()).plan.ready


def settle(version: str, choice: Choice) -> Action:
    return Action(verb=Verb.REPAIR, settlements=(Settlement(version=version, choice=choice),))


async def test_a_migration_may_name_the_history_table_before_there_is_one(database: Target, tmp_path: Path) -> None:
    shop = shop_of(database, tmp_path / "migrations", "dbmate")
    (shop.folder / "20231231000000_grants.sql").write_text(
        "-- migrate:up\nGRANT SELECT ON schema_migrations TO PUBLIC;\n-- migrate:down\n"
    )
    assert (await shop.look()).plan.ready
    assert (await shop.apply()).end.exit_code == 0
    assert psql(database, "SELECT has_table_privilege('pg_monitor', 'schema_migrations', 'SELECT')") == "t"


async def test_a_migration_that_is_not_sql_ends_the_plan_before_it(database: Target, tmp_path: Path) -> None:
    shop = shop_of(database, tmp_path / "migrations", "goose")
    (shop.folder / "00002_name.sql").unlink()
    (shop.folder / "00002_name.go").write_text("package migrations\n")
    plan = (await shop.look()).plan
    assert ([one.migration.version for one in plan.migrations], plan.ready) == (["1"], True)
    assert [note.id for note in plan.notes] == ["not-sql"]
    assert (await shop.apply()).end.exit_code == 0
    plan = (await shop.look()).plan
    assert [fault.id for fault in plan.refusals] == ["not-sql"]
