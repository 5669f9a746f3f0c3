"""A statement in a list says what it is about, also where there is little room."""

from __future__ import annotations

import pytest

from changeover.core.locks import LockMode
from changeover.core.plan import LockClaim
from changeover.tui.claims import claims_line
from changeover.tui.statement_line import statement_line

STATUS = "ALTER TABLE donations\n    ADD COLUMN IF NOT EXISTS status text"


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (80, "ALTER TABLE donations ADD COLUMN IF NOT EXISTS status text"),
        (55, "ALTER TABLE donations ADD COLUMN status text"),
        (40, "ALTER TABLE donations ADD status text"),
        (30, "donations ADD status text"),
        (10, "donations ADD status text"),
    ],
)
def test_a_statement_is_shortened_only_as_far_as_it_must(width: int, line: str) -> None:
    assert statement_line(STATUS, width) == line


@pytest.mark.parametrize(
    ("sql", "line"),
    [
        (
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS by_user ON t (user_id)",
            "CREATE INDEX CONCURRENTLY by_user ON t (user_id)",
        ),
        ("create table if not exists t (id int)", "create table t (id int)"),
        ("DROP TABLE IF EXISTS t", "DROP TABLE t"),
        ("ALTER TABLE ONLY t DROP CONSTRAINT IF EXISTS c, ADD COLUMN d int", "t DROP CONSTRAINT c, ADD d int"),
    ],
)
def test_guards_are_the_first_to_go(sql: str, line: str) -> None:
    assert statement_line(sql, 1) == line


def test_where_there_is_room_for_more_the_verb_stays() -> None:
    sql = "ALTER TABLE donations ADD COLUMN note text CHECK (length(note) < 400 AND note <> '')"
    assert statement_line(sql, 60).startswith("ALTER TABLE donations ADD note text")


@pytest.mark.parametrize(
    "sql",
    [
        "DO $$ BEGIN IF EXISTS (SELECT) THEN DROP TABLE IF EXISTS t; END IF; END $$",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ DROP TABLE IF EXISTS t $$",
        "UPDATE t SET note = 'ADD COLUMN IF NOT EXISTS'",
    ],
)
def test_bodies_and_data_are_left_as_they_are(sql: str) -> None:
    assert statement_line(sql, 1) == sql


def test_each_lock_mode_is_said_once_with_all_its_relations() -> None:
    claims = [
        LockClaim(relation="public.a", mode=LockMode.ACCESS_EXCLUSIVE),
        LockClaim(relation="public.c", mode=LockMode.SHARE),
        LockClaim(relation="public.b", mode=LockMode.ACCESS_EXCLUSIVE),
    ]
    assert claims_line(claims) == "ACCESS EXCLUSIVE on public.a, public.b; SHARE on public.c"
    assert claims_line([]) == ""
