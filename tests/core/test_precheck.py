"""Verdicts and decisions, statement by statement.

Past 400 lines: a list of kinds of statement, each with what becomes of it.
"""

from __future__ import annotations

import pytest

from changeover.core.effects import effects_of
from changeover.core.precheck import Decision, Verdict
from changeover.core.script import parse
from changeover.core.world import World
from tests.core.catalogs import catalog, judged, row_of

USERS = (
    "CREATE TYPE mood AS ENUM ('a'); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS '';"
    "CREATE TABLE users (id int PRIMARY KEY, name varchar(40), at timestamptz, m mood);"
    "CREATE TABLE donations (id uuid PRIMARY KEY, user_id int, cents int,"
    " CONSTRAINT fk_users FOREIGN KEY (user_id) REFERENCES users (id));"
    "CREATE INDEX donations_user ON donations (user_id); CREATE VIEW v AS SELECT 1; CREATE SEQUENCE s"
)
NOW = catalog(USERS)


def verdict(sql: str, thing: str) -> Verdict:
    return row_of(sql, thing, at=NOW).verdict


def decision(sql: str) -> Decision:
    return judged(sql, at=NOW)[-1].decision


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE users ADD COLUMN IF NOT EXISTS id integer",
        "ALTER TABLE users ADD COLUMN IF NOT EXISTS id int4",
        "ALTER TABLE users ADD COLUMN IF NOT EXISTS id serial",
        "ALTER TABLE public.users ADD COLUMN IF NOT EXISTS name character varying(40)",
        "ALTER TABLE users ADD COLUMN IF NOT EXISTS at timestamp with time zone",
        "ALTER TABLE users ADD COLUMN IF NOT EXISTS m public.mood REFERENCES nowhere",
        "ALTER TABLE users ADD COLUMN IF NOT EXISTS id int, DROP COLUMN IF EXISTS gone",
        "ALTER TABLE IF EXISTS gone ADD COLUMN x int",
        "ALTER TABLE users ALTER name TYPE varchar(40)",
        "CREATE TABLE IF NOT EXISTS users (id int PRIMARY KEY, name varchar(40) REFERENCES nowhere)",
        "CREATE INDEX IF NOT EXISTS donations_user ON donations (user_id)",
        "CREATE SEQUENCE IF NOT EXISTS s",
        "CREATE SCHEMA IF NOT EXISTS public",
        "DROP TABLE IF EXISTS gone, gone_too",
        "DROP INDEX IF EXISTS gone",
        "DROP TRIGGER IF EXISTS gone ON users",
        "ALTER TABLE users DROP CONSTRAINT IF EXISTS gone",
        "ALTER TABLE IF EXISTS gone RENAME TO went",
    ],
)
def test_a_step_with_nothing_left_to_do_is_skipped_with_a_proof(sql: str) -> None:
    (one,) = judged(sql, at=NOW)
    assert one.decision is Decision.SKIP
    assert one.reason
    assert one.proof is not None
    assert one.proof.startswith("SELECT 1 WHERE ")
    assert {row.verdict for row in one.rows} <= {Verdict.SATISFIED, Verdict.OPTIONAL}
    assert not one.estimate.locks


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE users ADD COLUMN IF NOT EXISTS id int, ADD COLUMN x int",
        "ALTER TABLE users ADD COLUMN IF NOT EXISTS id int, SET (fillfactor = 70)",
        "ALTER TABLE users ADD COLUMN IF NOT EXISTS id int, ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE users ALTER name TYPE varchar(40) USING lower(name)",
        "ALTER TABLE users ADD COLUMN IF NOT EXISTS x int",
        "DROP TABLE IF EXISTS gone, users",
        "COMMENT ON TABLE users IS 'x'",
        "ALTER TABLE users SET (fillfactor = 70)",
        "GRANT SELECT ON users TO app",
        "CREATE OR REPLACE VIEW v AS SELECT 1",
        "INSERT INTO users (id) VALUES (1)",
        "SELECT 1",
        "DO $$ BEGIN ALTER TABLE users ADD COLUMN IF NOT EXISTS id int; END $$",
    ],
)
def test_a_step_with_anything_to_do_runs_without_a_proof(sql: str) -> None:
    (one,) = judged(sql, at=NOW)
    assert (one.decision, one.proof) == (Decision.RUN, None)
    assert not {row.verdict for row in one.rows} & {Verdict.MISSING, Verdict.CONFLICT}


def test_a_column_of_another_type_is_a_conflict_unless_the_plan_converts_it() -> None:
    add = "ALTER TABLE donations ADD COLUMN IF NOT EXISTS cents bigint"
    row = row_of(add, "public.donations.cents", at=NOW)
    assert (row.verdict, row.expected, row.found) == (Verdict.CONFLICT, "bigint", "integer")
    both = f"{add};\nALTER TABLE public.donations ALTER COLUMN cents TYPE bigint"
    first, second = judged(both, at=NOW)
    assert first.decision is Decision.SKIP
    assert [row.verdict for row in first.rows] == [Verdict.DIFFERENT]
    assert "0001_step.sql:2" in first.rows[0].found
    assert second.decision is Decision.RUN
    assert Verdict.DIFFERENT in {row.verdict for row in second.rows}


def test_a_conversion_before_it_does_not_help() -> None:
    sql = "ALTER TABLE donations ALTER cents TYPE numeric; ALTER TABLE donations ADD COLUMN IF NOT EXISTS cents bigint"
    assert verdict(sql, "public.donations.cents") is Verdict.CONFLICT


def test_a_table_that_is_there_with_another_shape_is_told_column_by_column() -> None:
    sql = "CREATE TABLE IF NOT EXISTS users (id bigint, extra int)"
    assert verdict(sql, "public.users.id") is Verdict.CONFLICT
    assert verdict(sql, "public.users.extra") is Verdict.CONFLICT
    mended = f"{sql}; ALTER TABLE users ADD COLUMN extra int; ALTER TABLE users ALTER id TYPE bigint"
    first = judged(mended, at=NOW)[0]
    assert first.decision is Decision.SKIP
    assert {row.verdict for row in first.rows} == {Verdict.SATISFIED, Verdict.DIFFERENT}


@pytest.mark.parametrize(
    ("sql", "thing"),
    [
        ("ALTER TABLE users ADD COLUMN id int", "public.users.id"),
        ("CREATE TABLE users ()", "public.users"),
        ("CREATE TABLE IF NOT EXISTS v ()", "public.v"),
        ("CREATE VIEW users AS SELECT 1", "public.users"),
        ("CREATE INDEX donations_user ON donations (cents)", "public.donations_user"),
        ("CREATE INDEX IF NOT EXISTS donations_user ON donations (cents)", "public.donations_user"),
        ("CREATE UNIQUE INDEX IF NOT EXISTS donations_user ON donations (user_id)", "public.donations_user"),
        ("CREATE INDEX IF NOT EXISTS donations_user ON users (id)", "public.donations_user"),
        ("ALTER TABLE donations ADD CONSTRAINT fk_users CHECK (true)", "public.donations.fk_users"),
        ("CREATE TYPE mood AS ENUM ('b')", "public.mood"),
        ("CREATE SCHEMA public", "public"),
        ("ALTER TABLE users RENAME TO donations", "public.users"),
        ("ALTER TABLE users RENAME id TO name", "public.users.id"),
        ("DROP TABLE v", "public.v"),
        ("DROP VIEW users", "public.users"),
    ],
)
def test_what_is_in_the_way_is_a_conflict(sql: str, thing: str) -> None:
    assert verdict(sql, thing) is Verdict.CONFLICT


@pytest.mark.parametrize(
    ("sql", "thing"),
    [
        ("ALTER TABLE gone ADD x int", "public.gone"),
        ("ALTER TABLE app.gone ADD x int", "app.gone"),
        ("INSERT INTO users (gone) VALUES (1)", "public.users.gone"),
        ("UPDATE users SET gone = 1", "public.users.gone"),
        ("SELECT gone FROM users", "public.users.gone"),
        ("ALTER TABLE users ADD x gone", "gone"),
        ("ALTER TABLE users ADD FOREIGN KEY (id) REFERENCES gone", "public.gone"),
        ("CREATE INDEX ON users (gone)", "public.users.gone"),
        ("DROP TABLE gone", "public.gone"),
        ("CREATE TABLE gone.t ()", "gone"),
        ("GRANT SELECT ON users TO gone", "gone"),
        ("CREATE EXTENSION gone", "gone"),
        ("CREATE TRIGGER t BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION gone()", "gone"),
        ("COMMENT ON COLUMN users.gone IS ''", "public.users.gone"),
        ('SELECT FROM "Users"', 'public."Users"'),
    ],
)
def test_what_is_needed_and_absent_is_missing(sql: str, thing: str) -> None:
    assert verdict(sql, thing) is Verdict.MISSING


def test_a_missing_table_is_said_once_and_not_for_each_of_its_columns() -> None:
    (one,) = judged("INSERT INTO gone (a, b) VALUES (1, 2)", at=NOW)
    assert [row.object for row in one.rows] == ["public.gone"]


def test_statements_see_what_the_ones_before_them_do() -> None:
    sql = (
        "CREATE TABLE n (a int); ALTER TABLE n ADD b int; CREATE INDEX ni ON n (a, b); ALTER TABLE n RENAME TO o;"
        "INSERT INTO o (a, b) VALUES (1, 2); ALTER TABLE o RENAME b TO c; UPDATE o SET c = 1; DROP INDEX ni;"
        "CREATE TYPE size AS ENUM ('s'); ALTER TABLE o ADD s size; DROP TABLE o; CREATE TABLE o (z int);"
        "SELECT z FROM o"
    )
    rows = [row for one in judged(sql, at=NOW) for row in one.rows]
    assert {row.verdict for row in rows} == {Verdict.READY}
    again = f"{sql}; SELECT FROM n; SELECT a FROM o"
    assert verdict(again, "public.n") is Verdict.MISSING
    assert verdict(again, "public.o.a") is Verdict.MISSING


def test_search_path_of_the_file_is_followed() -> None:
    at = catalog("CREATE TABLE app.t (a int); CREATE TABLE u ()", schemas=("public", "app"))
    rows = [
        row for one in judged("SET search_path = app; SELECT a FROM t; CREATE TABLE u ()", at=at) for row in one.rows
    ]
    assert {row.object for row in rows} == {"app.t", "app.t.a", "app.u"}
    assert {row.verdict for row in rows} == {Verdict.READY}


WHEN = "-- changeover: when table sessions\nALTER TABLE donations ADD s int REFERENCES sessions"
GUARDED = (
    "DO $$ BEGIN IF {} THEN ALTER TABLE donations ADD s int REFERENCES sessions; ELSE RAISE NOTICE ''; END IF; END $$"
)
FORMS = [
    "EXISTS (SELECT 1 FROM information_schema.tables WHERE table_schema = 'public' AND table_name = 'sessions')",
    "EXISTS (SELECT FROM information_schema.tables WHERE table_name = 'sessions' AND table_schema = current_schema())",
    "EXISTS (SELECT FROM pg_tables WHERE tablename = 'sessions' AND schemaname = ANY (current_schemas(false)))",
    "EXISTS (SELECT 1 FROM pg_class WHERE relname = 'sessions' AND relkind = 'r')",
    "EXISTS (SELECT FROM pg_class AS c WHERE c.oid = pg_catalog.to_regclass('sessions') AND c.relkind IN ('r', 'p'))",
    "to_regclass('public.sessions') IS NOT NULL",
    "NOT (to_regclass('sessions') IS NULL)",
    "to_regclass('sessions') IS NOT NULL AND to_regclass('donations') IS NOT NULL",
]


def test_a_condition_that_does_not_hold_defers_and_proves_it() -> None:
    (one,) = judged(WHEN, at=NOW)
    assert (one.decision, one.cause, one.guards_itself) == (Decision.DEFER, "condition", False)
    assert one.proof is not None
    assert one.proof.startswith("SELECT 1 WHERE NOT (")
    assert [(row.object, row.verdict) for row in one.rows] == [("sessions", Verdict.DEFERRED)]
    assert "table sessions" in one.reason


def test_a_condition_that_holds_runs_and_keeps_asking() -> None:
    (one,) = judged(WHEN, at=catalog(f"{USERS}; CREATE TABLE sessions (id int)"))
    assert (one.decision, one.cause) == (Decision.RUN, "condition")
    assert one.proof is not None
    assert one.proof.startswith("SELECT 1 WHERE EXISTS (")


def test_a_condition_sees_what_the_plan_makes() -> None:
    assert decision(f"CREATE TABLE sessions (id int PRIMARY KEY);\n{WHEN}") is Decision.RUN
    assert decision(f"CREATE VIEW sessions AS SELECT 1;\n{WHEN}") is Decision.DEFER


@pytest.mark.parametrize("form", FORMS)
def test_a_block_with_a_guard_of_its_own_defers_itself(form: str) -> None:
    (one,) = judged(GUARDED.format(form), at=NOW)
    assert (one.decision, one.guards_itself, one.cause) == (Decision.DEFER, True, "guard")
    assert one.proof is not None
    assert [row.verdict for row in one.rows] == [Verdict.DEFERRED]
    (there,) = judged(GUARDED.format(form), at=catalog(f"{USERS}; CREATE TABLE sessions (id int)"))
    assert (there.decision, there.guards_itself) == (Decision.RUN, False)
    assert there.estimate.locks


@pytest.mark.parametrize(
    "form",
    [
        "EXISTS (SELECT 1 FROM information_schema.tables WHERE table_name = 'sessions' OR true)",
        "EXISTS (SELECT 1 FROM information_schema.columns WHERE table_name = 'sessions')",
        "EXISTS (SELECT 1 FROM information_schema.tables WHERE table_name = 'sessions' AND is_typed = 'YES')",
        "EXISTS (SELECT 1 FROM users WHERE id = 1)",
        "to_regclass('sessions') IS NOT NULL OR true",
        "(SELECT count(*) FROM users) > 3",
        "to_regclass('ses' || 'sions') IS NOT NULL",
    ],
)
def test_a_guard_that_is_not_understood_in_full_is_left_to_the_server(form: str) -> None:
    (one,) = judged(GUARDED.format(form), at=NOW)
    assert (one.decision, one.guards_itself) == (Decision.RUN, False)
    assert Verdict.UNKNOWABLE in {row.verdict for row in one.rows}


def test_a_block_that_adds_what_is_there_is_satisfied() -> None:
    sql = (
        "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM information_schema.columns WHERE table_name = 'users'"
        " AND column_name = 'name') THEN ALTER TABLE users ADD name text; END IF; END $$"
    )
    (one,) = judged(sql, at=NOW)
    assert one.decision is Decision.SKIP
    assert [row.verdict for row in one.rows] == [Verdict.SATISFIED]


def test_dynamic_sql_is_unknowable_and_so_is_what_it_may_have_made() -> None:
    sql = "DO $$ BEGIN EXECUTE 'CREATE TABLE x ()'; END $$; SELECT FROM x; INSERT INTO users (id) VALUES (1)"
    first, second, third = judged(sql, at=NOW)
    assert [row.verdict for row in first.rows] == [Verdict.UNKNOWABLE]
    assert [row.verdict for row in second.rows] == [Verdict.UNKNOWABLE]
    assert "0001_step.sql:1" in second.rows[0].found
    assert {row.verdict for row in third.rows} == {Verdict.READY}


def test_an_invalid_index_is_never_satisfied() -> None:
    at = catalog(USERS, invalid=("donations_user",))
    sql = "CREATE INDEX IF NOT EXISTS donations_user ON donations (user_id)"
    row = row_of(sql, "public.donations_user", at=at)
    assert row.verdict is Verdict.CONFLICT
    assert "invalid" in row.found
    mended = judged(f"DROP INDEX donations_user; {sql}", at=at)
    assert [one.decision for one in mended] == [Decision.RUN, Decision.RUN]


def test_rows_are_said_once_per_migration_at_the_first_place() -> None:
    rows = [row for one in judged("SELECT id FROM users;\n" * 50, at=NOW) for row in one.rows]
    assert [(row.object, row.needed_by.line) for row in rows] == [("public.users", 1), ("public.users.id", 1)]


@pytest.mark.parametrize(
    ("sql", "locks"),
    [
        ("ALTER TABLE users ADD x int", {"public.users": "ACCESS EXCLUSIVE"}),
        (
            "ALTER TABLE donations ADD CONSTRAINT fk FOREIGN KEY (user_id) REFERENCES users NOT VALID",
            {"public.donations": "SHARE ROW EXCLUSIVE", "public.users": "SHARE ROW EXCLUSIVE"},
        ),
        (
            "ALTER TABLE donations DROP CONSTRAINT fk_users",
            {"public.donations": "ACCESS EXCLUSIVE", "public.users": "ACCESS EXCLUSIVE"},
        ),
        ("CREATE TABLE n (u int REFERENCES users)", {"public.users": "SHARE ROW EXCLUSIVE"}),
        ("CREATE INDEX ON users (name)", {"public.users": "SHARE"}),
        (
            "DROP INDEX donations_user",
            {"public.donations": "ACCESS EXCLUSIVE", "public.donations_user": "ACCESS EXCLUSIVE"},
        ),
        ("ALTER TABLE users SET (fillfactor = 70)", {"public.users": "SHARE UPDATE EXCLUSIVE"}),
        ("SELECT FROM users FOR UPDATE", {"public.users": "ROW SHARE", "public.users_pkey": "ROW SHARE"}),
        ("UPDATE users SET id = 1", {"public.users": "ROW EXCLUSIVE", "public.users_pkey": "ROW EXCLUSIVE"}),
        ("TRUNCATE users", {"public.users": "ACCESS EXCLUSIVE", "public.users_pkey": "ACCESS EXCLUSIVE"}),
        ("LOCK TABLE users IN SHARE MODE", {"public.users": "SHARE"}),
        ("COMMENT ON TABLE users IS 'x'", {"public.users": "SHARE UPDATE EXCLUSIVE"}),
    ],
)
def test_locks_are_those_that_were_measured(sql: str, locks: dict[str, str]) -> None:
    (one,) = judged(sql, at=NOW)
    assert {claim.relation: str(claim.mode) for claim in one.estimate.locks} == locks


@pytest.mark.parametrize(
    ("sql", "rewrites", "scans", "builds", "long"),
    [
        ("ALTER TABLE users ALTER id TYPE bigint", ("public.users",), (), ("public.users_pkey",), True),
        ("ALTER TABLE users ALTER name TYPE text", (), (), (), False),
        ("ALTER TABLE users ADD x uuid DEFAULT gen_random_uuid()", ("public.users",), (), ("public.users_pkey",), True),
        ("ALTER TABLE users ADD x timestamptz DEFAULT now()", (), (), (), False),
        ("ALTER TABLE users ADD x int DEFAULT 1 NOT NULL", (), (), (), False),
        ("ALTER TABLE users ADD x serial", ("public.users",), (), ("public.users_pkey",), True),
        ("ALTER TABLE users ADD CHECK (id > 0)", (), ("public.users",), (), True),
        ("ALTER TABLE users ADD CHECK (id > 0) NOT VALID", (), (), (), False),
        ("ALTER TABLE users ALTER id SET NOT NULL", (), (), (), False),
        ("ALTER TABLE users ADD UNIQUE (name)", (), ("public.users",), ("public.users_name_key",), True),
        ("CREATE INDEX i ON users (name)", (), ("public.users",), ("public.i",), True),
        ("CREATE TABLE n (a int UNIQUE)", (), (), (), False),
    ],
)
def test_rewrites_scans_and_builds(
    sql: str, rewrites: tuple[str, ...], scans: tuple[str, ...], builds: tuple[str, ...], long: bool
) -> None:
    estimate = judged(sql, at=NOW)[0].estimate
    assert (estimate.rewrites, estimate.scans, estimate.builds, estimate.long) == (rewrites, scans, builds, long)


def test_an_index_of_a_new_table_keeps_nobody_waiting() -> None:
    first, second = judged("CREATE TABLE n (a int); CREATE INDEX i ON n (a)", at=NOW)
    assert not first.estimate.long
    assert (second.estimate.builds, second.estimate.long) == (("public.i",), False)


def test_a_change_of_collation_alone_is_something_to_do() -> None:
    at = catalog("CREATE TABLE t (note varchar(40))")
    (one,) = judged('ALTER TABLE t ALTER note TYPE varchar(40) COLLATE "C"', at=at)
    assert one.decision is Decision.RUN
    (same,) = judged("ALTER TABLE t ALTER note TYPE varchar(40)", at=at)
    assert same.decision is Decision.SKIP


@pytest.mark.parametrize(
    "sql",
    [
        # what goes with a column, a view or a schema is not in the way afterwards
        (
            "ALTER TABLE donations DROP COLUMN user_id; ALTER TABLE donations ADD COLUMN user_id uuid;"
            "CREATE INDEX donations_user ON donations (user_id)"
        ),
        (
            "CREATE VIEW a AS SELECT cents FROM donations; CREATE VIEW b AS SELECT cents FROM a; DROP VIEW a CASCADE;"
            "CREATE VIEW a AS SELECT 1; CREATE VIEW b AS SELECT 2"
        ),
        # names that the server gives
        (
            "CREATE TABLE n (id serial PRIMARY KEY, u int REFERENCES users, c int UNIQUE CHECK (c > 0));"
            "ALTER TABLE n DROP CONSTRAINT n_u_fkey, DROP CONSTRAINT n_c_key, DROP CONSTRAINT n_c_check;"
            "ALTER SEQUENCE n_id_seq RESTART WITH 100; ALTER INDEX n_pkey RENAME TO n_key"
        ),
        "CREATE TABLE n (LIKE users INCLUDING ALL); ALTER TABLE n DROP CONSTRAINT n_pkey",
        # what fails inside is taken by the block
        "DO $$ BEGIN ALTER TABLE users ADD COLUMN name text; EXCEPTION WHEN duplicate_column THEN NULL; END $$",
        "DO $$ BEGIN CREATE TYPE mood AS ENUM ('b'); EXCEPTION WHEN duplicate_object THEN null; END $$",
        # one of both runs
        (
            "DO $$ BEGIN IF current_setting('x', true) = '1' THEN CREATE INDEX n ON users (at); ELSE CREATE INDEX n"
            " ON users (name); END IF; END $$"
        ),
        # dynamic SQL may have dropped what is in the way
        "DO $$ BEGIN EXECUTE 'DROP VIEW v'; END $$; CREATE VIEW v AS SELECT 2",
        # a temporary table hides another, and is gone
        (
            "CREATE TEMPORARY TABLE users (x int); INSERT INTO users (x) VALUES (1); DROP TABLE users;"
            "INSERT INTO users (id) VALUES (1)"
        ),
    ],
)
def test_nothing_stands_in_the_way_of_what_would_run(sql: str) -> None:
    rows = [row for one in judged(sql, at=NOW) for row in one.rows]
    assert {row.verdict for row in rows} <= {Verdict.READY, Verdict.UNKNOWABLE, Verdict.DIFFERENT}, rows


def test_a_temporary_table_does_not_outlive_its_migration() -> None:
    world = World(NOW)
    for _ in range(2):
        world.begin()
        (made,) = parse(b"CREATE TEMP TABLE t (a int)", file="x.sql").statements
        assert world.find(("t",)) is None
        for touch in effects_of(made).touches:
            world.apply(touch)
        assert world.find(("t",)) is not None


def test_the_rows_of_a_table_are_told_as_everywhere_else() -> None:
    row = row_of(
        "ALTER TABLE users ADD COLUMN IF NOT EXISTS note text", "public.users", at=catalog(USERS, rows=200_000)
    )
    assert row.found == "table, about 200,000 rows"
