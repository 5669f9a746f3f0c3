"""Statements that differ in nothing but their values share what is known of them, and nothing else changes by it."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from changeover.core import effects
from changeover.core.alike import shape_of
from changeover.core.plan import Plan
from changeover.core.script import parse
from tests.core.catalogs import catalog, plan_of

SCENE = (
    "CREATE TABLE users (id int PRIMARY KEY, name text); CREATE TYPE mood AS ENUM ('ok');"
    "CREATE TABLE notes (id int PRIMARY KEY, feels mood, author int CONSTRAINT fk_users REFERENCES users);"
)
ROWS = "INSERT INTO users VALUES (1, 'ann'), (2, 'bob')"
ADDED = "ALTER TYPE mood ADD VALUE 'glad'"
GLAD = "INSERT INTO notes (id, feels) VALUES (2, 'glad')"
# Statements around which, and of which, rows are added: same shape, nearly the same, and what changes the world.
STATEMENTS = (
    ROWS,
    "INSERT INTO users VALUES (3, NULL)",
    "INSERT INTO public.users VALUES (-4, 'dan')",
    "INSERT INTO users (name, id) VALUES ('eve', 5)",
    "INSERT INTO users (id) VALUES (DEFAULT)",
    "INSERT INTO users VALUES (6, upper('fay'))",
    "INSERT INTO users VALUES (7, 'gus') ON CONFLICT DO NOTHING",
    "INSERT INTO notes (id, feels) VALUES (1, 'ok')",
    GLAD,
    "INSERT INTO notes VALUES (3, 'ok', 1)",
    "INSERT INTO missing VALUES (1)",
    "INSERT INTO fresh VALUES (1)",
    "-- changeover: when table sessions\nINSERT INTO users VALUES (8, 'hal')",
    "-- changeover: allow unbounded-delete: known\nINSERT INTO users VALUES (9, 'ida')",
    "CREATE TABLE fresh (id int)",
    "DROP TABLE users CASCADE",
    ADDED,
    "ALTER TABLE users ADD COLUMN born date NOT NULL",
    "ALTER TABLE notes RENAME TO memos",
    "CREATE UNIQUE INDEX ON users (name)",
    "SET search_path = pg_catalog",
    "UPDATE users SET name = 'x'",
)


def plan_one_by_one(monkeypatch: pytest.MonkeyPatch, *texts: str) -> Plan:
    with monkeypatch.context() as patched:
        patched.setattr(effects, "shape_of", lambda _statement: None)
        return plan_of(*texts, at=catalog(SCENE))


@settings(deadline=None)
@example([[ADDED, "INSERT INTO notes (id, feels) VALUES (1, 'ok')", GLAD, GLAD]])
@given(drawn=st.lists(st.lists(st.sampled_from(STATEMENTS), max_size=12), min_size=1, max_size=2))
def test_a_plan_is_the_same_whether_or_not_statements_that_are_alike_share_what_is_known(
    drawn: list[list[str]],
) -> None:
    texts = [";\n".join(statements) for statements in drawn]
    assert plan_of(*texts, at=catalog(SCENE)) == plan_one_by_one(pytest.MonkeyPatch(), *texts)


def test_of_rows_that_stand_in_the_file_only_the_first_is_worked_out() -> None:
    statements = plan_of(f"{ROWS};" * 3, at=catalog(SCENE)).migrations[0].statements
    assert statements[0].locks is statements[1].locks is statements[2].locks


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO users VALUES (now())",
        "INSERT INTO users SELECT 1",
        "INSERT INTO users DEFAULT VALUES",
        "INSERT INTO users AS u VALUES (1)",
        "INSERT INTO users VALUES ('1'::mood)",
        "INSERT INTO users VALUES (1) RETURNING id",
        "INSERT INTO users VALUES (1) ON CONFLICT (id) DO NOTHING",
        "WITH w AS (DELETE FROM notes) INSERT INTO users VALUES (1)",
        "INSERT INTO users (tags[1]) VALUES (1)",
        "INSERT INTO users VALUES ((SELECT 1))",
        "INSERT INTO users VALUES (1) ORDER BY 1",
        f"INSERT INTO {'long' * 16} VALUES (1)",
        "UPDATE users SET id = 1",
    ],
)
def test_what_does_more_than_add_plain_rows_is_like_no_other(sql: str) -> None:
    (statement,) = parse(sql.encode(), file="0001_m.sql").statements
    assert shape_of(statement) is None


def test_the_shape_of_rows_is_their_table_and_their_columns() -> None:
    first, second, other, third = (
        shape_of(it)
        for it in parse(f"{ROWS}; {ROWS.replace('1', '7')}; INSERT INTO users (id) VALUES (1); "
                        "INSERT INTO users VALUES (true, 2.5, $$x$$)".encode(), file="0001_m.sql").statements
    )  # fmt: skip
    assert first == second == third is not None
    assert other not in {first, None}
