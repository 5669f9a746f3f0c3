"""A statement -> what it needs, makes, changes and drops."""

from __future__ import annotations

import itertools
from pathlib import Path

import postgast
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postgast import pg_query_pb2 as pb

from changeover.core.effects import effects_of
from changeover.core.effects_routines import Routines
from changeover.core.errors import ScriptError
from changeover.core.judge import Entry, judge
from changeover.core.script import Statement, parse
from changeover.core.touches import Act, Effects
from changeover.core.type_changes import keeps_rows
from changeover.core.typenames import TypeUse
from tests.core.catalogs import catalog, plan_of


def statement(sql: str) -> Statement:
    return parse(f"-- changeover: transaction=off\n{sql}".encode(), file="0001_x.sql").statements[0]


def effects(sql: str) -> Effects:
    return effects_of(statement(sql))


def said(sql: str) -> set[str]:
    return {f"{touch.act} {touch.ref.kind} {touch.ref}" for touch in effects(sql).touches}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (
            "CREATE TABLE app.t (id int PRIMARY KEY, u uuid REFERENCES users (id), m mood)",
            {
                "needs schema app",
                "makes table app.t",
                "makes column app.t.id",
                "makes column app.t.u",
                "makes column app.t.m",
                "needs type mood",
                "needs type uuid",
                "needs table users",
                "needs column users.id",
                # the server names these
                "makes constraint app.t.t_pkey",
                "makes constraint app.t.t_u_fkey",
            },
        ),
        (
            'ALTER TABLE t ADD a int, DROP b, ALTER "C" SET NOT NULL',
            {"changes table t", "makes column t.a", "drops column t.b", 'changes column t."C"'},
        ),
        (
            "ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES p",
            {"changes table t", "needs column t.a", "needs table p", "makes constraint t.k"},
        ),
        ("ALTER TABLE t RENAME a TO b", {"changes table t", "changes column t.a"}),
        ("ALTER TABLE t RENAME TO u", {"changes table t"}),
        ("ALTER TABLE t SET SCHEMA app", {"needs schema app", "changes table t"}),
        ("ALTER TABLE t OWNER TO bob", {"changes table t", "needs role bob"}),
        (
            "CREATE INDEX i ON app.t (a, lower(b)) WHERE c > 0",
            {
                "needs table app.t",
                "needs column app.t.a",
                "needs column app.t.b",
                "needs column app.t.c",
                "makes index app.i",
            },
        ),
        ("DROP TABLE IF EXISTS a, b.c", {"drops table a", "drops table b.c"}),
        ("DROP FUNCTION f(int)", {"drops function f"}),
        ("DROP TRIGGER g ON t", {"changes table t", "drops trigger t.g"}),
        ("CREATE TYPE mood AS ENUM ('a')", {"makes type mood"}),
        ("ALTER TYPE mood ADD VALUE 'b'", {"changes type mood"}),
        ("CREATE SCHEMA app AUTHORIZATION bob", {"makes schema app", "needs role bob"}),
        (
            "CREATE SEQUENCE s OWNED BY t.a",
            {"makes sequence s", "needs table t", "needs column t.a", "changes sequence s"},
        ),
        (
            "CREATE OR REPLACE VIEW v AS SELECT * FROM t JOIN u USING (a)",
            {"makes view v", "needs table t", "needs table u"},
        ),
        ("CREATE EXTENSION pgcrypto SCHEMA app", {"makes extension pgcrypto", "needs schema app"}),
        (
            "CREATE TRIGGER g BEFORE UPDATE OF a ON t FOR EACH ROW EXECUTE FUNCTION f()",
            {"changes table t", "makes trigger t.g", "needs function f", "needs column t.a"},
        ),
        ("COMMENT ON COLUMN app.t.a IS 'x'", {"changes column app.t.a"}),
        ("GRANT SELECT ON t TO bob, PUBLIC", {"changes table t", "needs role bob"}),
        ("INSERT INTO t (a) SELECT b FROM u", {"changes table t", "needs column t.a", "needs table u"}),
        ("UPDATE t SET a = 1 WHERE b = 2", {"changes table t", "needs column t.a", "needs column t.b"}),
        ("DELETE FROM t USING u WHERE t.a = u.a", {"changes table t", "needs table u"}),
        ("DELETE FROM t WHERE ctid IS NULL AND t.a = 1", {"changes table t", "needs column t.a"}),
        ("WITH x AS (SELECT 1 FROM q) SELECT * FROM x, y.x", {"needs table q", "needs table y.x"}),
        (
            "SELECT a AS n, count(*) FROM t x WHERE x.b = 1 ORDER BY n",
            {"needs table t", "needs column t.a", "needs column t.b"},
        ),
        ("SELECT a FROM t JOIN u ON true", {"needs table t", "needs table u"}),
        ("TRUNCATE t, u", {"changes table t", "changes table u"}),
        ("CREATE TABLE n AS SELECT * FROM t", {"makes table n", "needs table t"}),
        ("REFRESH MATERIALIZED VIEW m", {"changes materialized view m"}),
        ("CREATE PUBLICATION p FOR TABLE t", {"makes publication p", "needs table t"}),
        ("SET lock_timeout = 1", set[str]()),
    ],
)
def test_objects_of_a_statement(sql: str, expected: set[str]) -> None:
    assert said(sql) == expected


def test_places_are_those_in_the_file_also_inside_a_block() -> None:
    sql = "DO $$\nBEGIN\n  IF to_regclass('é') IS NULL THEN\n    ALTER TABLE t\n      ADD a int;\n  END IF;\nEND\n$$"
    places = {str(touch.ref): (touch.place.line, touch.place.column) for touch in effects(sql).touches}
    # one line further down: the file begins with a directive
    assert places == {"t": (5, 17), "t.a": (6, 11)}


def test_what_a_block_does_depends_on_its_guards() -> None:
    sql = (
        "DO $$ BEGIN IF to_regclass('a') IS NULL THEN CREATE TABLE a (); ELSE DROP TABLE b; END IF;"
        " CREATE TABLE c (); END $$"
    )
    found = {str(t.ref): [(str(test.ref), test.holds) for test in t.tests] for t in effects(sql).touches}
    assert found == {"a": [("a", False)], "b": [("a", True)], "c": []}
    assert effects(sql).guard == ()


@pytest.mark.parametrize(
    "body",
    [
        "BEGIN EXECUTE 'DROP TABLE t'; END",
        "BEGIN FOR r IN SELECT 1 LOOP EXECUTE format('x %s', 1); END LOOP; END",
        "BEGIN CREATE TABLE t (); EXCEPTION WHEN duplicate_table THEN NULL; END",
        "BEGIN IF (SELECT true) THEN CREATE TABLE t (); END IF; END",
        "this is no PL/pgSQL",
    ],
)
def test_what_only_running_a_block_tells_is_unknowable(body: str) -> None:
    declare = "DECLARE r record; " if "FOR r" in body else ""
    assert effects(f"DO $${declare}{body}$$").unknowable


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("int", "integer"), ("int8", "bigint"), ("serial", "integer"), ("bigserial", "bigint"),
        ("varchar(3)", "character varying(3)"), ("char", "character(1)"), ('"char"', '"char"'),
        ("decimal(10)", "numeric(10,0)"), ("numeric(10,2)[]", "numeric(10,2)[]"), ("float", "double precision"),
        ("timestamptz", "timestamp with time zone"), ("timestamp(3)", "timestamp(3) without time zone"),
        ("time with time zone", "time with time zone"), ("bool", "boolean"), ("text[][]", "text[]"),
        ("bit varying(4)", "bit varying(4)"), ("pg_catalog.uuid", "uuid"), ('app."Odd"', 'app."Odd"'),
        ("interval(3)", "interval(3)"),
    ],
)  # fmt: skip
def test_type_names_are_those_of_format_type(written: str, shown: str) -> None:
    (use, *_) = [touch.type for touch in effects(f"ALTER TABLE t ADD c {written}").of(Act.MAKE)]
    assert isinstance(use, TypeUse)
    assert use.text() == shown


@pytest.mark.parametrize(
    ("old", "new", "keeps"),
    [
        ("character varying(10)", "character varying(20)", True),
        ("character varying(20)", "character varying(10)", False),
        ("character varying(10)", "text", True),
        ("text", "character varying", True),
        ("text", "character varying(10)", False),
        ("numeric(10,2)", "numeric(12,2)", True),
        ("numeric(10,2)", "numeric(12,3)", False),
        ("numeric(10,2)", "numeric", True),
        ("timestamp(3) without time zone", "timestamp without time zone", True),
        ("timestamp without time zone", "timestamp with time zone", False),
        ("cidr", "inet", True),
        ("inet", "cidr", False),
        ("integer", "bigint", False),
        ("character(3)", "character(5)", False),
        ("integer", "integer", True),
    ],
)
def test_which_type_changes_leave_the_rows_as_they_are(old: str, new: str, keeps: bool) -> None:
    assert keeps_rows(old, new) is keeps


def test_timestamps_change_their_zone_for_free_only_in_utc() -> None:
    pair = ("timestamp without time zone", "timestamp with time zone")
    assert keeps_rows(*pair, utc=True)
    assert not keeps_rows(*pair)


NAMES = ["t", "app.t", '"Odd\n[b]"', "ünï", "gone", "pg_class"]
# One statement per line: {n} and {m} stand for relations, {k} for a type.
FORMS = (Path(__file__).parent / "grammar_forms.txt").read_text(encoding="utf-8").splitlines()


SCENE = catalog("CREATE TABLE t (a int, b int); CREATE TABLE app.t (a text)", schemas=("public", "app"))
KINDS = ["int", "app.odd", "varchar(3)[]", "pg_catalog.timestamptz(2)", "serial"]


@st.composite
def some_sql(draw: st.DrawFn) -> str:
    """One statement of the grammar, on one of a few names."""
    form = draw(st.sampled_from(FORMS))
    for hole, words in (("{n}", NAMES), ("{m}", NAMES), ("{k}", KINDS)):
        form = form.replace(hole, draw(st.sampled_from(words)))
    return form


def parsed(sql: str) -> Statement | None:
    try:
        return statement(sql)
    except ScriptError:
        # such as INT as a schema, which the grammar does not take
        return None


@settings(max_examples=300, deadline=None)
@given(texts=st.lists(some_sql(), min_size=1, max_size=4))
def test_no_statements_of_the_grammar_make_the_analysis_fail(texts: list[str]) -> None:
    found = [one for sql in texts if (one := parsed(sql)) is not None]
    judge([Entry(version="1", statements=(*found, *found))], SCENE)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_planned(form: str) -> None:
    sql = form.replace("{n}", "t").replace("{m}", "app.t").replace("{k}", "int")
    one = parsed(sql)
    if one is not None:
        assert isinstance(effects_of(one), Effects)
        try:
            plan = plan_of(f"-- changeover: transaction=off\n{sql};", at=SCENE)
        except ScriptError:
            return
        assert plan.migrations[0].statements


def test_the_forms_have_every_statement_of_the_grammar() -> None:
    # parts of other statements, and what only PL/pgSQL or the planner makes
    inner = {"raw_stmt", "set_operation_stmt", "return_stmt", "plassign_stmt", "replica_identity_stmt"}
    known = {field.name for field in pb.Node.DESCRIPTOR.fields if field.name.endswith("_stmt")} - inner
    seen: set[str] = set()
    for form in FORMS:
        sql = form.replace("{n}", "t").replace("{m}", "u").replace("{k}", "int")
        seen |= {raw.stmt.WhichOneof("node") or "" for raw in postgast.parse(sql).stmts}
    assert known - seen == set()


def test_functions_that_the_plan_makes_are_read_where_they_are_called() -> None:
    text = """
        CREATE FUNCTION app.fill(n int DEFAULT 1) RETURNS void LANGUAGE plpgsql AS $$
        BEGIN
            ALTER TABLE t ALTER a TYPE bigint;
            PERFORM deeper();
        END $$;
        CREATE FUNCTION deeper() RETURNS void LANGUAGE sql AS 'DROP TABLE u; SELECT app.fill()';
        CREATE PROCEDURE p() BEGIN ATOMIC INSERT INTO v VALUES (1); END;
        SELECT app.fill();
        CALL p();
        SELECT fill(1, 2);
    """
    statements = parse(text.encode(), file="x.sql").statements
    routines = Routines()
    fill, deeper, _, call, called, other = (effects_of(one, routines) for one in statements)
    assert {touch.ref.kind for touch in (*fill.touches, *deeper.touches)} == {"schema", "function", "language", "type"}
    assert [str(t.ref) for t in call.touches if t.act in {Act.CHANGE, Act.DROP}] == ["t", "t.a", "u"]
    assert {t.place.line for t in call.touches if str(t.ref) == "t"} == {4}
    assert [str(t.ref) for t in called.touches if t.act is Act.CHANGE] == ["v"]
    assert other.touches == ()
    (done,) = judge([Entry(version="1", statements=statements)], catalog("CREATE TABLE t (a int); CREATE TABLE u ()"))
    assert (done[3].estimate.rewrites, done[3].estimate.long) == (("public.t",), True)
    assert {claim.relation for claim in done[3].estimate.locks} == {"public.t", "public.u"}


def test_dynamic_sql_of_a_called_function_is_unknowable() -> None:
    text = """
        CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'DROP TABLE t'; RETURN 1; END $$;
        INSERT INTO t SELECT f();
        CREATE FUNCTION g() RETURNS int LANGUAGE plperl AS 'x';
        DO $$ BEGIN PERFORM g(); END $$;
        DROP FUNCTION f();
        SELECT f();
    """
    routines = Routines()
    made, run, _, foreign, _, gone = (effects_of(s, routines) for s in parse(text.encode(), file="x.sql").statements)
    assert not made.unknowable
    assert run.unknowable.startswith("f: EXECUTE")
    assert foreign.unknowable == "g: a function in plperl is not analysed"
    assert not gone.unknowable


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("CREATE AGGREGATE s.a (int) (SFUNC = f, STYPE = app.x)",
         {"needs function f", "needs type app.x", "needs schema s", "makes function s.a"}),
        ("CREATE OPERATOR s.@@ (FUNCTION = f, LEFTARG = int, RIGHTARG = int)",
         {"needs function f", "needs schema s", 'makes operator s."@@"'}),
        ("CREATE CAST (int AS app.x) WITH FUNCTION f(int)",
         {"needs type app.x", "needs function f", 'makes cast "integer AS app.x"'}),
        ("DROP CAST (int AS text)", {'drops cast "integer AS text"'}),
        ("CREATE SERVER s FOREIGN DATA WRAPPER w", {"needs foreign-data wrapper w", "makes server s"}),
        ("CREATE USER MAPPING FOR bob SERVER s",
         {"needs role bob", "needs server s", 'makes user mapping "bob ON s"'}),
        ("CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION f()",
         {"needs function f", "makes event trigger e"}),
        ("CREATE STATISTICS app.s ON a, b FROM t",
         {"needs table t", "needs column t.a", "needs column t.b", "needs schema app", "makes statistics app.s"}),
        ("CREATE OPERATOR CLASS c FOR TYPE int USING btree AS FUNCTION 1 f(int, int)",
         {"needs access method btree", "needs function f", "makes operator class c"}),
        ("DROP OPERATOR CLASS s.c USING btree", {"drops operator class s.c"}),
        ("CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = x)",
         {"needs text search template x", "makes text search dictionary d"}),
        ("ALTER TEXT SEARCH CONFIGURATION c ADD MAPPING FOR word WITH s.d",
         {"changes text search configuration c", "needs text search dictionary s.d"}),
        ("CREATE SCHEMA s CREATE TABLE k (a int) CREATE VIEW v AS SELECT 1 FROM o",
         {"makes schema s", "needs schema s", "makes table s.k", "makes column s.k.a", "needs table o",
          "makes view s.v"}),
        ("ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT ALL ON TABLES TO bob", {"changes schema s", "needs role bob"}),
        ("GRANT a TO b", {"changes role a", "needs role b"}),
        ("ALTER SUBSCRIPTION s DISABLE", {"changes subscription s"}),
        ("CREATE PUBLICATION p FOR TABLE t (a), TABLES IN SCHEMA s",
         {"makes publication p", "needs table t", "needs column t.a", "needs schema s"}),
        ("ALTER EXTENSION e ADD TABLE t", {"changes extension e", "needs table t"}),
        ("CREATE COLLATION c FROM s.x", {"needs collation s.x", "makes collation c"}),
        ("ALTER INDEX i DEPENDS ON EXTENSION e", {"needs extension e", "changes index i"}),
        ("CREATE DATABASE d OWNER bob TABLESPACE t", {"needs role bob", "needs tablespace t", "makes database d"}),
        ("SELECT 1; ", set[str]()),
    ],
)  # fmt: skip
def test_objects_that_are_no_relations(sql: str, expected: set[str]) -> None:
    assert said(sql) == expected


def test_many_statements_are_judged_in_one_pass() -> None:
    text = "\n".join(f"INSERT INTO t (a) VALUES ({number});" for number in range(3000))
    statements = parse(text.encode(), file="x.sql").statements
    (done,) = judge([Entry(version="1", statements=statements)], catalog("CREATE TABLE t (a int)"))
    assert len(list(itertools.chain.from_iterable(one.rows for one in done))) == 2
