from __future__ import annotations

from changeover.core.precheck import Verdict
from changeover.tui.screens.precheck import PlanScreen, PrecheckScreen
from changeover.tui.words import VERDICT
from tests.tui.scenes import HAZARD, MISSING, STANDING, plan
from tests.tui.showing import Shown, answers, text


async def test_the_table_says_object_place_expectation_finding_and_verdict(shown: Shown) -> None:
    async with shown(PlanScreen(STANDING, plan()), size=(120, 40)) as pilot:
        seen = text(pilot)
    assert "0002_complete_donations.sql:3" in seen
    line = next(line for line in seen.splitlines() if "donations.amount" in line)
    assert "public." not in line
    assert [word in line for word in ("numeric", "integer", "≠ different")] == [True] * 3


async def test_the_chosen_row_shows_its_statement_with_locks(shown: Shown) -> None:
    async with shown(PlanScreen(STANDING, plan()), size=(120, 40)) as pilot:
        await pilot.press("j")
        seen = text(pilot)
    assert "ADD COLUMN session_id uuid" in seen
    assert "ACCESS EXCLUSIVE on public.donations (estimated)" in seen


async def test_a_plan_that_is_ready_leads_to_the_confirmation(shown: Shown) -> None:
    screen = PlanScreen(STANDING, plan())
    async with shown(screen) as pilot:
        await pilot.press("c")
        await pilot.pause()
        assert answers(screen) == [True]


async def test_a_refused_plan_leads_nowhere_and_says_why(shown: Shown) -> None:
    screen = PlanScreen(STANDING, plan(MISSING))
    async with shown(screen) as pilot:
        assert "NOT READY" in text(pilot)
        assert MISSING.summary in text(pilot)
        assert MISSING.advice in text(pilot)
        await pilot.press("c", "enter")
        await pilot.pause()
        assert answers(screen) == []
        assert "cannot run" in text(pilot)


async def test_an_empty_plan_leads_nowhere_and_says_why(shown: Shown) -> None:
    screen = PlanScreen(STANDING, plan(empty=True))
    async with shown(screen) as pilot:
        await pilot.press("enter")
        assert answers(screen) == []
        assert "Nothing is pending" in text(pilot)


async def test_hazards_are_told_with_the_safe_way(shown: Shown) -> None:
    async with shown(PlanScreen(STANDING, plan(hazard=True)), size=(120, 40)) as pilot:
        seen = text(pilot)
    assert "! severe foreign-key-validates at 0002_complete_donations.sql:3" in seen
    assert "allowed by file: we looked" in seen
    # what was allowed needs no other way
    assert "instead" not in seen


async def test_a_plan_that_only_hazards_stop_leads_on_and_shows_the_safe_way(shown: Shown) -> None:
    screen = PlanScreen(STANDING, plan(HAZARD, hazard=True, allowed=False))
    async with shown(screen, size=(120, 40)) as pilot:
        seen = text(pilot)
        assert "1 severe hazard, see below" in seen
        assert "× severe foreign-key-validates" in seen
        assert "NOT VALID" in seen
        await pilot.press("c")
        await pilot.pause()
        assert answers(screen) == [True]


async def test_in_inspection_no_key_leads_to_the_confirmation(shown: Shown) -> None:
    screen = PrecheckScreen(STANDING, plan(), reading=True)
    async with shown(screen) as pilot:
        await pilot.press("c", "enter", "y")
        await pilot.pause()
        assert answers(screen) == []
        assert not any(active.binding.action == "confirm" for active in screen.active_bindings.values())
        assert not hasattr(screen, "action_confirm")


def test_every_verdict_has_a_word_and_a_shape_of_its_own() -> None:
    assert set(VERDICT) == set(Verdict)
    assert len({word for word, _ in VERDICT.values()}) == len(Verdict)
