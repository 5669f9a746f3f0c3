from __future__ import annotations

import pytest
from msgspec.structs import replace

from changeover.core.plan import Approval
from changeover.tui.screens import confirm
from changeover.tui.screens.confirm import ConfirmScreen, allowed_hazards_words
from tests.tui.scenes import SERVER, STANDING, plan, planned, planned_statement
from tests.tui.showing import Shown, answers, readable, text


def _screen(*, typed: bool) -> ConfirmScreen:
    return ConfirmScreen(STANDING, plan(), SERVER, by="ada", typed=typed)


async def test_what_will_run_and_where_and_with_which_limits_is_said(shown: Shown) -> None:
    async with shown(_screen(typed=True)) as pilot:
        seen = text(pilot)
    for said in (
        "PRODUCTION",
        "deployer@db1.example:5432/donations",
        "3f9a1c0b77e2: 1 migration, 2 statements",
        "0002 complete_donations  1 to run, 1 deferred",
        "ACCESS EXCLUSIVE on public.donations",
        "at most 2.0 s per attempt",
        "if it closes, the run finishes the migration in hand, then stops",
    ):
        assert said in seen


@pytest.mark.parametrize("keys", [["enter", "enter"], ["y", "enter"], ["enter"] * 10, [*"donations", "enter"]])
@pytest.mark.parametrize("typed", [True, False])
async def test_keys_that_were_typed_ahead_confirm_nothing(shown: Shown, keys: list[str], typed: bool) -> None:
    screen = _screen(typed=typed)
    async with shown(screen) as pilot:
        await pilot.press(*keys)
        await pilot.pause()
        assert not any(isinstance(answer, Approval) for answer in answers(screen))


async def test_each_key_that_comes_too_early_begins_the_dead_time_anew(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    # longer than any test, so that no slow machine lets it pass
    monkeypatch.setattr(confirm, "DEAD_TIME", 3600.0)
    screen = _screen(typed=False)
    async with shown(screen) as pilot:
        # the dead time begins once the first frame could be read
        while screen._quiet is None:
            await pilot.pause()
        for _ in range(2):
            begun = screen._quiet
            await pilot.press("y")
            assert screen._quiet is not begun
        assert answers(screen) == []


async def test_the_name_of_the_database_approves_exactly_the_plan_that_was_shown(shown: Shown) -> None:
    screen = _screen(typed=True)
    async with shown(screen) as pilot:
        await readable(pilot)
        await pilot.press(*"donations", "enter")
        await pilot.pause()
        assert answers(screen) == [
            Approval(digest=plan().digest, by="ada", how="typed database name", on_hangup="finish", typed="donations")
        ]


@pytest.mark.parametrize("name", ["", "donation", "Donations", "donations ", "y"])
async def test_another_name_approves_nothing(shown: Shown, name: str) -> None:
    screen = _screen(typed=True)
    async with shown(screen) as pilot:
        await readable(pilot)
        await pilot.press(*("space" if letter == " " else letter for letter in name), "enter")
        await pilot.pause()
        assert answers(screen) == []
        assert "not the name" in text(pilot) or "Nothing is typed" in text(pilot)


async def test_enter_takes_cancel_where_no_name_is_asked_for(shown: Shown) -> None:
    screen = _screen(typed=False)
    async with shown(screen) as pilot:
        await readable(pilot)
        await pilot.press("enter")
        await pilot.pause()
        assert answers(screen) == [None]


@pytest.mark.parametrize(("keys", "how"), [(["y"], "pressed y"), (["right", "enter"], "pressed Run it")])
async def test_a_letter_or_the_other_button_approves(shown: Shown, keys: list[str], how: str) -> None:
    screen = _screen(typed=False)
    async with shown(screen) as pilot:
        await readable(pilot)
        await pilot.press(*keys)
        await pilot.pause()
        assert [approval.how for approval in answers(screen)] == [how]


async def test_what_a_lost_terminal_does_can_be_chosen(shown: Shown) -> None:
    screen = _screen(typed=True)
    async with shown(screen) as pilot:
        await readable(pilot)
        await pilot.press("f3", "f3")
        await pilot.pause()
        assert "rolls this migration back" in text(pilot)
        await pilot.press(*"donations", "enter")
        await pilot.pause()
        assert answers(screen)[0].on_hangup == "rollback"


@pytest.mark.parametrize("typed", [True, False])
async def test_in_a_small_window_all_that_is_asked_about_can_be_read_and_the_policy_is_said(
    shown: Shown, typed: bool
) -> None:
    async with shown(_screen(typed=typed), size=(60, 16)) as pilot:
        await readable(pilot)
        assert "terminal   " not in text(pilot)
        await pilot.press("pagedown", "pagedown")
        await pilot.pause()
        assert "terminal   " in text(pilot)
        await pilot.press("pageup", "pageup", "down", "up")
        await pilot.pause()
        assert "terminal   " not in text(pilot)
        await pilot.press("f3")
        await pilot.pause()
        assert "If this terminal closes, the run goes on to its end." in text(pilot)


@pytest.mark.parametrize("typed", [True, False])
async def test_escape_goes_back_and_approves_nothing(shown: Shown, typed: bool) -> None:
    screen = _screen(typed=typed)
    async with shown(screen) as pilot:
        await pilot.press("escape")
        await pilot.pause()
        assert answers(screen) == [None]


async def test_that_keys_do_not_count_yet_is_said_only_as_long_as_it_is_so(shown: Shown) -> None:
    async with shown(_screen(typed=False)) as pilot:
        await pilot.press("y")
        assert "Read it first; keys count in a moment." in text(pilot)
        await readable(pilot)
        await pilot.pause()
        assert "Read it first" not in text(pilot)


@pytest.mark.parametrize(
    ("findings", "said"),
    [
        (1, None),
        (2, "and 1 more severe hazard that was allowed"),
        (3, "and 2 more severe hazards that were allowed"),
    ],
)
def test_every_severe_finding_that_was_allowed_is_counted_also_of_one_rule(findings: int, said: str | None) -> None:
    statements = tuple(planned_statement(number, hazard=True) for number in range(1, findings + 1))
    found = replace(plan(), migrations=(replace(planned(), statements=statements),))
    first, *others = (line.plain for line in allowed_hazards_words(found))
    assert "foreign-key-validates allowed by file: we looked" in first
    assert [line.strip() for line in others] == ([] if said is None else [said])
