"""What the pre-check says about rights, server and settings, on real servers and under roles that may little."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from changeover.core.plan import Plan
from changeover.core.precheck import Row, Verdict
from changeover.core.target import Target
from tests.runs import Project, project
from tests.servers import Server, connect

_numbers = itertools.count(1)

SCENE = """
REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO PUBLIC;
CREATE TABLE users (id int PRIMARY KEY, name text); CREATE TABLE gifts (id int PRIMARY KEY, user_id int);
CREATE SCHEMA closed; CREATE TABLE closed.secrets (id int PRIMARY KEY);
CREATE MATERIALIZED VIEW totals AS SELECT count(*) FROM gifts; CREATE TYPE mood AS ENUM ('a');
CREATE FUNCTION tick() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
"""


@pytest.fixture
def role(any_server: Server) -> Iterator[str]:
    """Give the test a role that may nothing but log in."""
    name = f"deployer_{next(_numbers)}"
    any_server.psql(f"CREATE ROLE {name} LOGIN")
    yield name
    any_server.psql(f"DROP OWNED BY {name}; DROP ROLE {name}")


@pytest.fixture
def shop(any_database: Target, any_server: Server, role: str, tmp_path: Path) -> Iterator[Project]:
    """Give a project whose role owns nothing."""
    any_server.psql(SCENE, any_database.database)
    yield project(replace(any_database, user=role), tmp_path / "migrations")
    any_server.psql(f"DROP OWNED BY {role}", any_database.database)


async def planned(shop: Project, sql: str) -> Plan:
    shop.write(_0001_first=sql)
    return (await shop.look()).plan


def rights(plan: Plan) -> dict[tuple[str, str], Row]:
    return {(row.object, row.expected): row for row in plan.rows if row.kind == "right"}


# Statements, and the right that the server asks for: our word and the object's.
REFUSED = [
    ("ALTER TABLE users ADD COLUMN x int", "public.users", "owner"),
    ("CREATE INDEX ON users (name)", "public.users", "owner"),
    ("COMMENT ON COLUMN users.name IS 'x'", "public.users", "owner"),
    ("DROP TABLE gifts", "public.gifts", "owner of it or its schema"),
    ("ALTER TABLE users RENAME TO people", "public.users", "owner"),
    ("CREATE TRIGGER t BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION tick()", "public.users", "TRIGGER"),
    ("CREATE TABLE more (id int)", "schema public", "CREATE"),
    ("CREATE VIEW v AS SELECT 1", "schema public", "CREATE"),
    ("CREATE SEQUENCE s", "schema public", "CREATE"),
    ("CREATE TYPE t AS ENUM ('a')", "schema public", "CREATE"),
    ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "schema public", "CREATE"),
    ("CREATE SCHEMA more", "database {database}", "CREATE"),
    ("INSERT INTO users VALUES (1)", "public.users", "INSERT"),
    ("UPDATE users SET name = 'x'", "public.users", "UPDATE"),
    ("DELETE FROM users WHERE id = 1", "public.users", "DELETE"),
    ("TRUNCATE users", "public.users", "TRUNCATE"),
    ("SELECT count(*) FROM users", "public.users", "SELECT"),
    ("COPY users FROM '/nowhere/x'", "role pg_read_server_files", "member"),
    ("COPY users TO PROGRAM 'cat'", "role pg_execute_server_program", "member"),
    ("ALTER TYPE mood ADD VALUE 'b'", "type public.mood", "owner"),
    ("CREATE ROLE somebody", "role {role}", "CREATEROLE"),
    ("SET ROLE postgres", "role postgres", "member"),
    ("ALTER TABLE closed.secrets ADD COLUMN x int", "schema closed", "USAGE"),
    ("CREATE EXTENSION pg_stat_statements", "extension pg_stat_statements", "may be installed"),
    ("CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION tick()", "role {role}", "superuser"),
    ("CREATE FUNCTION f() RETURNS int LANGUAGE c AS 'x', 'y'", "language c", "USAGE"),
]


@pytest.mark.parametrize(("sql", "thing", "right"), REFUSED, ids=[sql.split(" (")[0][:40] for sql, *_ in REFUSED])
async def test_a_right_that_the_server_asks_for_is_missing_before_and_there_after_the_grant_of_the_row(
    sql: str, thing: str, right: str, shop: Project, any_server: Server
) -> None:
    plan = await planned(shop, sql)
    name = thing.format(database=shop.target.database, role=shop.target.user)
    if "pg_stat_statements" in sql and not any_server.psql(
        "SELECT 1 FROM pg_available_extensions WHERE name = 'pg_stat_statements'"
    ):
        pytest.skip("not among this server's extensions")
    row = rights(plan)[name, right]
    assert row.verdict is Verdict.MISSING, row
    assert not plan.ready
    assert any(name in fault.summary for fault in plan.refusals)
    # the server agrees
    plain = await connect(shop.target)
    try:
        with pytest.raises(Exception, match=r"permission denied|must be (owner|superuser|able)|only|denied"):
            await plain.execute(f"BEGIN; {sql}")
    finally:
        await plain.close()
    remedies = [one.remedy for one in rights(plan).values() if one.verdict is Verdict.MISSING]
    if not all(remedies) or "EXTENSION" in sql or any(" postgres TO " in remedy for remedy in remedies):
        return
    any_server.psql(";".join(remedies), shop.target.database)
    again = (await shop.look()).plan
    assert {one.verdict for one in rights(again).values()} <= {Verdict.READY, Verdict.UNKNOWABLE}, rights(again)


async def test_an_owner_of_everything_lacks_nothing_and_can_do_it(
    any_server: Server, role: str, tmp_path: Path
) -> None:
    with any_server.new_database(owner=role) as target:
        shop = project(replace(target, user=role), tmp_path / "migrations")
        any_server.psql(f"ALTER SCHEMA public OWNER TO {role}", target.database)
        shop.write(
            _0001_all="CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (a int REFERENCES a (id));"
            "CREATE TABLE c (LIKE a); CREATE VIEW v AS SELECT * FROM a; INSERT INTO a VALUES (1);",
            _0002_more="ALTER TABLE a ADD COLUMN x int; CREATE INDEX ON a (x); CREATE SCHEMA s;"
            "CREATE TEMP TABLE t (x int); COMMENT ON TABLE a IS 'x'; DROP TABLE b",
        )
        plan = (await shop.look()).plan
        assert plan.ready, plan.refusals
        assert {row.verdict for row in rights(plan).values()} == {Verdict.READY}
        assert (await shop.apply()).end.result == "applied"
        # the rights are asked about here, and not the data that goes
        shop.allow_hazards()
        shop.write(_0003_last="ALTER TABLE a DROP COLUMN x; UPDATE a SET id = 2 WHERE id = 1; TRUNCATE c")
        after = (await shop.look()).plan
        assert after.ready, after.refusals
        any_server.psql(f"DROP OWNED BY {role} CASCADE", target.database)


async def test_a_right_that_an_earlier_statement_may_grant_is_unknowable(shop: Project) -> None:
    plan = await planned(shop, "GRANT INSERT ON gifts TO PUBLIC; INSERT INTO users VALUES (1)")
    row = rights(plan)["public.users", "INSERT"]
    assert row.verdict is Verdict.UNKNOWABLE
    assert "0001_first.sql:1 may grant it" in row.found


async def test_what_is_one_object_and_right_is_one_row(shop: Project) -> None:
    plan = await planned(shop, "INSERT INTO users VALUES (1); INSERT INTO users VALUES (2); SELECT * FROM users")
    assert [key for key in rights(plan) if key[0] == "public.users"] == [
        ("public.users", "INSERT"),
        ("public.users", "SELECT"),
    ]


async def test_the_history_needs_a_place_to_be_made(shop: Project) -> None:
    plan = await planned(shop, "SELECT 1")
    row = rights(plan)[f"database {shop.target.database}", "CREATE"]
    assert row.verdict is Verdict.MISSING
    assert row.remedy == f"GRANT CREATE ON DATABASE {shop.target.database} TO {shop.target.user}"


def found(plan: Plan, kind: str) -> dict[str, Row]:
    return {row.object: row for row in plan.rows if row.kind == kind}


async def test_too_few_connections_stop_a_run_before_it_begins(shop: Project, any_server: Server) -> None:
    any_server.psql(f"ALTER ROLE {shop.target.user} CONNECTION LIMIT 3")
    row = found(await planned(shop, "SELECT 1"), "connections")["connections"]
    assert (row.verdict, row.expected, row.found) == (Verdict.MISSING, "5 free", "3 free for the role")
    any_server.psql(f"ALTER ROLE {shop.target.user} CONNECTION LIMIT -1")
    assert found((await shop.look()).plan, "connections")["connections"].verdict is Verdict.READY


async def test_a_lock_budget_in_which_no_autovacuum_gives_way_is_told(shop: Project, any_server: Server) -> None:
    row = found(await planned(shop, "SELECT 1"), "setting")["deadlock_timeout"]
    assert row.verdict is Verdict.DIFFERENT
    assert row.found == "1 s, set for the server: no autovacuum gives way to an attempt of 0.4 s"
    any_server.psql(f"ALTER DATABASE {shop.target.database} SET deadlock_timeout = '100ms'")
    assert "deadlock_timeout" not in found(await planned(shop, "SELECT 1"), "setting")


async def test_settings_that_bite_are_told_with_what_becomes_of_them(shop: Project, any_server: Server) -> None:
    role, database = shop.target.user, shop.target.database
    any_server.psql(
        f"ALTER ROLE {role} SET statement_timeout = '90s'; ALTER ROLE {role} SET default_transaction_read_only = on;"
        f"ALTER DATABASE {database} SET search_path = closed, public;"
        f"ALTER ROLE {role} IN DATABASE {database} SET session_replication_role = replica;"
        f"ALTER ROLE {role} SET synchronous_commit = off",
    )
    plan = await planned(shop, "SELECT 1")
    rows = found(plan, "setting")
    assert rows["statement_timeout"].found == f"90 s, set for role {role}; a run sets its own"
    assert rows["statement_timeout"].verdict is Verdict.DIFFERENT
    assert rows["default_transaction_read_only"].verdict is Verdict.DIFFERENT
    assert "READ WRITE" in rows["default_transaction_read_only"].found
    assert rows["search_path"].found == f"closed, public, set for database {database}"
    assert rows["synchronous_commit"].found.endswith("a run commits with on")
    stays = rows["session_replication_role"]
    assert f"set for role {role} in database {database}" in stays.found
    assert stays.remedy == f"ALTER ROLE {role} IN DATABASE {database} RESET session_replication_role"
    shop.write(_0001_first="-- changeover: transaction=off\nVACUUM users")
    plan = (await shop.look()).plan
    assert found(plan, "setting")["default_transaction_read_only"].verdict is Verdict.CONFLICT
    assert not plan.ready


async def test_a_prepared_transaction_on_a_table_of_the_plan_stops_it(
    any_database: Target, any_server: Server, tmp_path: Path
) -> None:
    any_server.psql("CREATE TABLE gifts (id int); CREATE TABLE users (id int)", any_database.database)
    shop = project(any_database, tmp_path / "migrations")
    plain = await connect(any_database)
    try:
        await plain.execute("BEGIN; INSERT INTO gifts VALUES (1); PREPARE TRANSACTION 'left behind'")
        plan = await planned(shop, "CREATE TABLE x (id int); ALTER TABLE gifts ADD COLUMN a int")
        row = found(plan, "prepared transaction")["left behind"]
        assert row.verdict is Verdict.CONFLICT
        assert "ROW EXCLUSIVE on public.gifts" in row.found
        assert row.remedy == "ROLLBACK PREPARED 'left behind'"
        assert (row.needed_by.file, row.statement) == ("0001_first.sql", 2)
        assert plan.rows[0] is row
        assert not found(await planned(shop, "ALTER TABLE users ADD COLUMN a int"), "prepared transaction")
    finally:
        await plain.execute("ROLLBACK PREPARED 'left behind'")
        await plain.close()


async def test_event_triggers_that_will_fire_and_invalid_indexes_are_told(
    any_database: Target, any_server: Server, tmp_path: Path
) -> None:
    any_server.psql(
        "CREATE TABLE gifts (id int); INSERT INTO gifts VALUES (1), (1); CREATE FUNCTION audit() RETURNS event_trigger"
        " LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER audited ON ddl_command_end WHEN TAG IN ('ALTER TABLE')"
        " EXECUTE FUNCTION audit(); CREATE EVENT TRIGGER other ON ddl_command_end WHEN TAG IN ('CREATE VIEW')"
        " EXECUTE FUNCTION audit()",
        any_database.database,
    )
    plain = await connect(any_database)
    try:
        with pytest.raises(Exception, match="could not create unique index"):
            await plain.execute("CREATE UNIQUE INDEX CONCURRENTLY broken ON gifts (id)")
    finally:
        await plain.close()
    plan = await planned(project(any_database, tmp_path / "migrations"), "ALTER TABLE gifts ADD COLUMN a int")
    assert {name: row.verdict for name, row in found(plan, "event trigger").items()} == {"audited": Verdict.UNKNOWABLE}
    broken = found(plan, "index")["public.broken"]
    assert (broken.verdict, broken.remedy) == (Verdict.DIFFERENT, "DROP INDEX CONCURRENTLY public.broken")
    assert plan.ready


SIDES = """
CREATE TABLE people (id int PRIMARY KEY, lang text NOT NULL DEFAULT 'de', joined timestamptz NOT NULL DEFAULT now(),
    score numeric(10,2) DEFAULT 0, nick text, span interval DEFAULT '24 hours', old int);
"""
COLUMNS = [
    ("lang text NOT NULL DEFAULT 'de'", Verdict.SATISFIED, {"type": True, "nullable": True, "default": True}),
    ("lang text NOT NULL DEFAULT 'en'", Verdict.CONFLICT, {"type": True, "nullable": True, "default": False}),
    ("joined timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP", Verdict.SATISFIED, {"default": True}),
    ("score numeric(10,2) DEFAULT 0.0", Verdict.SATISFIED, {"default": True, "nullable": True}),
    ("nick text NOT NULL", Verdict.CONFLICT, {"nullable": False, "default": True}),
    ("nick text DEFAULT 'x'", Verdict.CONFLICT, {"default": False}),
    ("nick text", Verdict.SATISFIED, {"type": True, "nullable": True, "default": True}),
    ("span interval DEFAULT '1 day'", Verdict.UNKNOWABLE, {"default": None}),
    ("old int GENERATED ALWAYS AS IDENTITY", Verdict.CONFLICT, {"definition": False}),
    ("nick bigint", Verdict.CONFLICT, {"type": False}),
]


@pytest.mark.parametrize(("column", "verdict", "same"), COLUMNS, ids=[column for column, *_ in COLUMNS])
async def test_a_column_that_is_there_is_held_side_by_side_with_what_the_file_says(
    column: str,
    verdict: Verdict,
    same: dict[str, bool | None],
    any_database: Target,
    any_server: Server,
    tmp_path: Path,
) -> None:
    any_server.psql(SIDES, any_database.database)
    shop = project(any_database, tmp_path / "migrations")
    plan = await planned(shop, f"ALTER TABLE people ADD COLUMN IF NOT EXISTS {column}")
    (row,) = found(plan, "column").values()
    assert row.verdict is verdict, row
    sides = {side.name: side.same for side in row.aspects}
    assert {name: sides[name] for name in same} == same
    assert plan.ready is (verdict is not Verdict.CONFLICT)


async def test_what_a_later_statement_converts_is_different_and_runs(
    any_database: Target, any_server: Server, tmp_path: Path
) -> None:
    any_server.psql(SIDES, any_database.database)
    shop = project(any_database, tmp_path / "migrations")
    shop.write(
        _0001_a="ALTER TABLE people ADD COLUMN IF NOT EXISTS lang text NOT NULL DEFAULT 'en'",
        _0002_b="ALTER TABLE people ALTER lang SET DEFAULT 'en'",
    )
    plan = (await shop.look()).plan
    row = next(row for row in plan.rows if row.kind == "column")
    assert (row.verdict, row.expected) == (Verdict.DIFFERENT, "text default 'en'")
    assert row.found == "text default 'de'::text, converted by a later statement"
    assert plan.ready


async def test_reading_defaults_does_not_wait_behind_a_migration_that_waits(
    any_database: Target, any_server: Server, tmp_path: Path
) -> None:
    any_server.psql(SIDES, any_database.database)
    holder = await connect(any_database)
    try:
        await holder.execute("BEGIN; LOCK TABLE people IN ACCESS EXCLUSIVE MODE")
        shop = project(any_database, tmp_path / "migrations")
        plan = await planned(shop, "ALTER TABLE people ADD COLUMN IF NOT EXISTS lang text NOT NULL DEFAULT 'de'")
    finally:
        await holder.close()
    assert found(plan, "column")["public.people.lang"].verdict is Verdict.SATISFIED
