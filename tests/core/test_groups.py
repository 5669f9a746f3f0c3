"""Which statements share a message, and how many of them."""

from __future__ import annotations

import pytest

from changeover.core.groups import Groups
from tests.core.catalogs import catalog, plan_of

TABLES = "CREATE TABLE t (id int PRIMARY KEY, n int); CREATE TABLE u (id int PRIMARY KEY, n int);"


def groups_of(sql: str, *, work: float = 0.01) -> list[list[int]]:
    """Return the numbers of the statements in each message, where each message is so much work for the server."""
    (planned,) = plan_of(sql, at=catalog(TABLES)).migrations
    groups, found = Groups(planned), []
    while group := groups.next():
        found.append([it.number for it in group])
        groups.took(group, work)
    return found


def rows(count: int) -> str:
    return "".join(f"INSERT INTO t VALUES ({number});" for number in range(count))


def test_rows_that_stand_in_the_file_go_together_from_the_first_on() -> None:
    assert groups_of(rows(6)) == [[1, 2, 3, 4, 5, 6]]


def test_a_message_grows_while_it_is_little_work_and_no_more_once_it_is_enough() -> None:
    assert [len(it) for it in groups_of(rows(400))] == [16, 64, 256, 64]
    assert {len(it) for it in groups_of(rows(400), work=0.1)} == {16}
    assert [len(it) for it in groups_of(rows(40), work=0.4)][:3] == [16, 4, 1]


def test_a_message_is_bounded_by_its_bytes() -> None:
    wide = f"INSERT INTO t VALUES (length('{'x' * 50_000}'));"
    assert max(len(it) for it in groups_of(wide * 12)) == 5


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE t SET n = 1 WHERE id = 1;",
        "DELETE FROM t WHERE id = 1;",
        "INSERT INTO t SELECT id FROM u;",
        "MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN DO NOTHING;",
        "SELECT setval('s', 7);",
    ],
)
def test_what_may_be_long_goes_alone_until_one_like_it_was_short(sql: str) -> None:
    assert groups_of(sql * 4) == [[1], [2, 3, 4]]
    assert groups_of(sql * 4, work=2.0) == [[1], [2], [3], [4]]


def test_one_that_was_short_on_another_table_says_nothing() -> None:
    first, other = "UPDATE t SET n = 1 WHERE id = 1;", "UPDATE u SET n = 1 WHERE id = 1;"
    assert groups_of(first * 3 + other * 3) == [[1], [2, 3], [4], [5, 6]]


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE v ()",
        "SET LOCAL work_mem = '8MB'",
        "DO $$BEGIN END$$",
        "LOCK TABLE u",
        "COPY u FROM '/data'",
        "SELECT 1",
        "SELECT * FROM t FOR UPDATE",
        "SELECT set_config('work_mem', '8MB', true)",
        "SELECT setval('s', n) INTO v FROM t",
        "INSERT INTO t VALUES (extract(year FROM statement_timestamp()))",
        "TRUNCATE u",
        "ANALYZE t",
    ],
)
def test_whatever_else_goes_alone(sql: str) -> None:
    assert groups_of(f"{rows(2)}{sql};{rows(2)}{sql};") == [[1, 2], [3], [4, 5], [6]]


def test_after_a_group_that_failed_all_go_alone() -> None:
    (planned,) = plan_of(rows(40), at=catalog(TABLES)).migrations
    groups = Groups(planned)
    assert len(groups.next()) == 16
    groups.end()
    assert len(groups.next()) == 1
