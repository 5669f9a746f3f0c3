"""Severe hazards are allowed on the way to the confirmation, each by a reason that is typed."""

from __future__ import annotations

from pathlib import Path

from changeover.core.session_log import list_sessions, read_session
from changeover.core.target import Target
from changeover.tui.screens.allow import AllowScreen
from tests.servers import Server
from tests.tui.scenes import HAZARD, STANDING, plan
from tests.tui.showing import Shown, answers, readable, text
from tests.tui.test_console import opened, seen, type_in


def _screen() -> AllowScreen:
    return AllowScreen(STANDING, plan(HAZARD, hazard=True, allowed=False))


async def test_the_hazard_is_shown_in_full_with_its_safe_way(shown: Shown) -> None:
    async with shown(_screen()) as pilot:
        said = text(pilot)
    assert "Severe hazard 1 of 1: A new foreign key reads both tables" in said
    assert "0002_complete_donations.sql:3" in said
    assert "NOT VALID" in said


async def test_a_reason_allows_it(shown: Shown) -> None:
    screen = _screen()
    async with shown(screen) as pilot:
        await readable(pilot)
        await type_in(pilot, "it is night")
        await pilot.pause()
        assert answers(screen) == [{"foreign-key-validates": "it is night"}]


async def test_without_a_reason_nothing_is_allowed_and_neither_by_what_was_typed_ahead(shown: Shown) -> None:
    screen = _screen()
    async with shown(screen) as pilot:
        await pilot.press(*"because", "enter")
        await pilot.pause()
        assert answers(screen) == []
        await readable(pilot)
        await pilot.press("x", "enter")
        await pilot.pause()
        assert answers(screen) == []
        assert "by a reason" in text(pilot)
        await pilot.press("escape")
        await pilot.pause()
        assert answers(screen) == [None]


async def test_what_the_operator_allows_runs_and_the_receipt_and_the_log_say_so(
    database: Target, server: Server, tmp_path: Path
) -> None:
    server.psql(
        "CREATE TABLE people (id integer PRIMARY KEY, name text); INSERT INTO people VALUES (1, 'ann'); ANALYZE people",
        database.database,
    )
    migrations = tmp_path / "migrations"
    migrations.mkdir()
    (migrations / "0001_index.sql").write_text("CREATE INDEX people_name ON people (name);\n")
    async with opened(database, migrations) as pilot:
        await seen(pilot, "0001")
        await pilot.press("enter")
        await seen(pilot, "scan-create-index", "1 severe hazard")
        await pilot.press("c")
        await seen(pilot, "Why is it right to run this all the same?")
        await readable(pilot)
        await type_in(pilot, "one row only")
        await seen(pilot, "Run this now?", "allowed by operator: one row only")
        await readable(pilot)
        await pilot.press("y")
        await seen(pilot, "0001_index.sql:1 scan-create-index on public.people, by", "(one")
        await pilot.press("enter")
        await seen(pilot, "0001")
    assert server.psql("SELECT count(*) FROM pg_indexes WHERE indexname = 'people_name'", database.database) == "1"
    (session,) = list_sessions()
    approvals = [it.event for it in read_session(session.id) if type(it.event).__name__ == "Approved"]
    assert [getattr(it, "allowed", None) for it in approvals] == [{"scan-create-index": "one row only"}]
