"""Which migration the overview begins at: the one that matters, and in view, until somebody has chosen another."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from changeover.core.status import MigrationStatus, State
from changeover.core.survey import Survey
from changeover.tui.screens.overview import OverviewScreen, WorkScreen
from changeover.tui.screens.precheck import PlanScreen
from changeover.tui.widgets.banner import Standing
from changeover.tui.widgets.precheck_table import PrecheckTable
from tests.tui.scenes import FAULT, STANDING, plan
from tests.tui.showing import Shown, text
from tests.tui.test_snapshots import STATUSES, SURVEY


def survey(states: Sequence[State]) -> Survey:
    statuses: list[MigrationStatus] = [
        replace(STATUSES[1], version=f"{number:04}", state=state) for number, state in enumerate(states, start=1)
    ]
    # who only reads gets one row more, which takes one from the table
    return replace(SURVEY, statuses=tuple(statuses), power="CREATE on this database")


def chosen_line(pilot: Pilot[int]) -> str:
    return next((line for line in text(pilot).splitlines() if line.startswith(">")), "")


APPLIED = [State.APPLIED] * 20


@pytest.mark.parametrize(
    ("states", "version", "last_in_view"),
    [
        ([*APPLIED, State.PENDING, State.PENDING, State.PENDING], "0021", "0023"),
        ([State.APPLIED, State.PENDING, *APPLIED, State.PARTIAL, State.PENDING], "0023", "0024"),
        (APPLIED, "0020", "0020"),
        ([], "", ""),
    ],
    ids=["pending", "partial before pending", "nothing to do: the newest", "none at all"],
)
async def test_it_begins_at_what_matters(
    shown: Shown, states: Sequence[State], version: str, last_in_view: str
) -> None:
    screen = OverviewScreen(STANDING, reading=True)
    async with shown(screen) as pilot:
        screen.show(survey(states))
        await pilot.pause(0.3)
        assert version in chosen_line(pilot)
        assert last_in_view in text(pilot)


async def test_who_is_migrating_the_database_right_now_is_named(shown: Shown) -> None:
    screen = OverviewScreen(STANDING, reading=True)
    async with shown(screen) as pilot:
        found = survey([State.APPLIED, State.PENDING])
        screen.show(replace(found, running="changeover guard 20261123T140327Z-apply-7f3a as app from 10.0.0.3"))
        await pilot.pause()
        assert "running   changeover guard 20261123T140327Z-apply-7f3a as app" in text(pilot)
        screen.show(found)
        await pilot.pause()
        assert "running" not in text(pilot)


async def test_the_migrations_are_here_already(shown: Shown) -> None:
    screen = OverviewScreen(STANDING, reading=True)
    async with shown(screen) as pilot:
        screen.show(survey([State.APPLIED, State.PENDING]))
        await pilot.press("1")
        await pilot.pause()
        assert "You are there already." in text(pilot)


async def test_a_choice_by_hand_outlives_another_look(shown: Shown) -> None:
    screen = OverviewScreen(STANDING, reading=True)
    async with shown(screen) as pilot:
        screen.show(survey([State.APPLIED, State.APPLIED, State.PENDING]))
        await pilot.pause(0.3)
        await pilot.press("up")
        screen.show(survey([State.APPLIED, State.APPLIED, State.PENDING]))
        await pilot.pause(0.3)
        assert "0002" in chosen_line(pilot)


@pytest.mark.parametrize(("screen_of", "said"), [(WorkScreen, "; e settles it"), (OverviewScreen, "are done")])
async def test_what_stopped_half_way_names_the_key_that_settles_it_where_there_is_one(
    shown: Shown, screen_of: type[OverviewScreen], said: str
) -> None:
    screen = screen_of(STANDING)
    found = survey([State.APPLIED, State.PARTIAL])
    half = replace(found.statuses[1], note="1 of 3 steps are done")
    async with shown(screen) as pilot:
        screen.show(replace(found, statuses=(found.statuses[0], half)))
        await pilot.pause(0.3)
        told = next(line for line in text(pilot).splitlines() if "0002: " in line)
        assert told.endswith(f"1 of 3 steps are done{said}" if "settles" in said else said)


async def test_what_cannot_be_shown_stands_apart_from_the_sessions(shown: Shown) -> None:
    screen = OverviewScreen(STANDING)
    async with shown(screen) as pilot:
        screen.fail(FAULT, None)
        await pilot.pause(0.3)
        lines = text(pilot).splitlines()
        assert lines[lines.index(" Last sessions") - 1] == ""


async def test_a_long_address_of_a_replay_is_cut_with_a_sign(shown: Shown) -> None:
    said = f"deployer@db1.{'very.' * 20}example:5432/donations"
    async with shown(OverviewScreen(Standing(replay=True, said=said))) as pilot:
        assert text(pilot).splitlines()[0].endswith("…")
    async with shown(OverviewScreen(Standing(replay=True, said="deployer@/run/postgresql:5432/donations"))) as pilot:
        assert "REPLAY  deployer@[local]:5432/donations" in text(pilot)


async def test_an_answer_is_read_to_its_end_and_takes_its_rows_back(shown: Shown) -> None:
    screen = OverviewScreen(STANDING, reading=True)
    long = "Ending blockers is not allowed here: end_blockers = true in the target's settings would allow it."
    async with shown(screen) as pilot:
        screen.show(survey([State.APPLIED, State.PENDING]))
        await pilot.pause(0.2)
        screen.say(long)
        await pilot.pause(0.2)
        first, second, _keys = text(pilot).splitlines()[-3:]
        assert f"{first} {second.strip()}" == f" {long}"
        screen.say("Short.")
        await pilot.pause(0.2)
        above, answer, _keys = text(pilot).splitlines()[-3:]
        assert (answer.strip(), "Ending" in above) == ("Short.", False)


async def test_a_window_that_was_too_small_leaves_the_choice_where_it_was_on_every_screen(shown: Shown) -> None:
    below, above = OverviewScreen(STANDING, reading=True), PlanScreen(STANDING, plan())
    async with shown(below) as pilot:
        below.show(survey([State.APPLIED, State.PENDING]))
        await pilot.app.push_screen(above)
        await pilot.pause(0.2)
        for size in ((50, 12), (1, 1), (80, 24)):
            await pilot.resize_terminal(*size)
            await pilot.pause(0.1)
        await pilot.press("j")
        await pilot.pause(0.1)
        assert above.query_one(PrecheckTable).cursor == 1
        above.dismiss(False)
        await pilot.pause(0.1)
        await pilot.press("k")
        await pilot.pause(0.1)
        assert "0001" in chosen_line(pilot)
