from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from changeover.core.errors import Fault
from changeover.core.history.ledger import Record
from changeover.core.locks import LockMode
from changeover.core.precheck import Aspect, Verdict
from changeover.core.traffic import Exposure, RelationExposure, User
from changeover.tui.exposure_words import headline, relation_lines
from changeover.tui.screens.details import DetailsScreen
from changeover.tui.screens.precheck import PlanScreen, PrecheckScreen
from changeover.tui.widgets.precheck_table import PrecheckTable
from changeover.tui.words import VERDICT
from tests.tui.scenes import HAZARD, HOSTILE, MISSING, STANDING, plan, row
from tests.tui.showing import Shown, answers, set_off, text


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
        await pilot.press("c")
        await pilot.pause()
        assert answers(screen) == []
        assert "cannot run" in text(pilot)


async def test_a_refused_plan_begins_at_the_row_that_is_in_its_way(shown: Shown) -> None:
    fine = tuple(row(f"public.t{number}", Verdict.READY) for number in range(40))
    rows = (*fine, row("public.gone", Verdict.MISSING), row("public.taken", Verdict.CONFLICT), *fine)
    async with shown(PlanScreen(STANDING, replace(plan(MISSING), rows=rows))) as pilot:
        await pilot.pause(0.3)
        seen = text(pilot)
        assert next(line for line in seen.splitlines() if line.startswith(">")).split()[1] == "gone"
        assert "taken" in seen
        # what stops it is what is read first all the same
        assert MISSING.advice in seen


async def test_what_stops_a_plan_can_be_read_to_its_end(shown: Shown) -> None:
    faults = [replace(MISSING, summary=f"public.gone{number} is missing.") for number in range(20)]
    screen = PlanScreen(STANDING, plan(*faults))
    async with shown(screen) as pilot:
        assert "gone19" not in text(pilot)
        await pilot.press("enter")
        await pilot.pause()
        assert "public.gone0 is missing." in text(pilot)
        await pilot.press("end")
        await pilot.pause(0.3)
        assert "public.gone19 is missing." in text(pilot)
        await pilot.press("q")
        await pilot.pause()
        # of a row that was chosen it is the row
        await pilot.press("j", "enter")
        await pilot.pause()
        assert isinstance(pilot.app.screen, DetailsScreen)


async def test_a_refusal_that_a_repair_settles_names_the_key_only_where_there_is_one(shown: Shown) -> None:
    half = replace(MISSING, id="partial", advice="`changeover repair` shows what is there.")
    async with shown(PlanScreen(STANDING, plan(half))) as pilot:
        assert "In this console: esc, then e on the overview settles it." in text(pilot)
    async with shown(PlanScreen(STANDING, plan(MISSING))) as pilot:
        assert "In this console" not in text(pilot)
    async with shown(PrecheckScreen(STANDING, plan(half), reading=True)) as pilot:
        seen = text(pilot)
        assert half.advice in seen
        assert "In this console" not in seen


async def test_an_empty_plan_leads_nowhere_and_says_why(shown: Shown) -> None:
    screen = PlanScreen(STANDING, plan(empty=True))
    async with shown(screen) as pilot:
        await pilot.press("c")
        assert answers(screen) == []
        assert "Nothing is pending" in text(pilot)


async def test_what_a_repair_writes_is_told_with_its_reason(shown: Shown) -> None:
    settled = replace(
        plan().migrations[0], entry="repair", record=Record.NOT_APPLIED, reason="taken back by hand", statements=()
    )
    repair = replace(plan(), migrations=(settled,), rows=())
    async with shown(PlanScreen(STANDING, repair)) as pilot:
        seen = " ".join(text(pilot).split())
    assert "1 migration to repair, no statements: ready" in seen
    assert "0002 complete_donations is written down as not applied: it is pending again; no statement runs." in seen
    assert "Reason: taken back by hand" in seen


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
        assert "1 severe hazard, named above" in seen
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


def relation(**changes: object) -> RelationExposure:
    user = User(
        pid=4711, user="app", application="nightly-report", state="idle in transaction", xact_age=12.0,
        query="SELECT sum(amount) FROM donations", mode=LockMode.ACCESS_SHARE, visible=True,
    )  # fmt: skip
    known = RelationExposure(
        relation="public.donations", kind="table", mode=LockMode.ACCESS_EXCLUSIVE, rows=60_000, bytes=4_400_000,
        index_bytes=3_700_000, toast_bytes=0, looks=6, sessions=4, sessions_now=2, seconds=10.0,
        scans_per_second=12.3, writes_per_second=0.5, waiting=0, blocker=user, blockers=1, autovacuum=None,
    )  # fmt: skip
    return replace(known, **changes)


def exposed(*relations: RelationExposure, hidden: str = "") -> Exposure:
    return Exposure(samples=6, relations=relations or (relation(),), snapshot=None, hidden=hidden)


async def test_a_filter_keeps_the_rows_that_have_every_word(shown: Shown) -> None:
    async with shown(PlanScreen(STANDING, plan())) as pilot:
        await pilot.press("slash", *"amount")
        seen = text(pilot)
        assert "1 of 4 rows" in seen
        assert "donations.amount" in seen
        assert "sessions  " not in seen
        await pilot.press("enter", "escape")
        assert "sessions" in text(pilot)
        assert answers(pilot.app.screen) == []


async def test_a_row_stays_chosen_while_the_filter_leaves_it_and_what_it_asks_for_is_set_off(shown: Shown) -> None:
    screen = PlanScreen(STANDING, plan())
    async with shown(screen) as pilot:
        table = screen.query_one(PrecheckTable)
        await pilot.press("G")
        last = table.row(table.cursor)
        await pilot.press("slash", *last[0].text.upper()[-4:])
        assert table.row(table.cursor) == last
        y = table.region.y + 1 + table.cursor
        assert set_off(pilot, y).lower().startswith(last[0].text.lower()[-4:])
        await pilot.press("escape")
        assert table.row(table.cursor) == last
        assert table.cursor == 3
        assert not set_off(pilot, y)
        await pilot.press("slash", *"amount")
        assert table.row(table.cursor) != last


async def test_a_filter_that_fits_nothing_leaves_an_empty_table_and_no_detail(shown: Shown) -> None:
    async with shown(PlanScreen(STANDING, plan())) as pilot:
        await pilot.press("slash", *"nowhere", "enter", "enter")
        assert "0 of 4 rows" in text(pilot) or "There is no row." in text(pilot)
        assert "no row has these words" in text(pilot)
        assert "runs no statement" not in text(pilot)


async def test_enter_opens_a_row_in_full_and_enter_closes_it(shown: Shown) -> None:
    row = replace(
        plan().rows[2],
        remedy="ALTER TABLE x",
        aspects=(
            Aspect(name="type", expected="numeric", found="integer", same=False),
            Aspect(name="default", expected="now()", found="now()", same=True),
            Aspect(name="nullable", expected="null", found="not null", same=None),
        ),
    )
    async with shown(PlanScreen(STANDING, replace(plan(hazard=True), rows=(row,)))) as pilot:
        await pilot.press("tab", "enter")
        await pilot.pause()
        seen = text(pilot)
        assert isinstance(pilot.app.screen, DetailsScreen)
        lines = [line.split() for line in seen.splitlines()]
        assert ["type", "numeric", "integer", "≠"] in lines
        assert ["default", "now()", "now()", "same"] in lines
        assert ["nullable", "null", "not", "null", "not", "comparable"] in lines
        assert all(word in seen for word in ("ALTER TABLE x", "foreign-key-validates", "0002_complete_donations.sql"))
        assert "ACCESS EXCLUSIVE on public.donations" in seen
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(pilot.app.screen, PlanScreen)


async def test_the_traffic_is_shown_as_it_is_sampled_and_what_is_hidden_is_said(shown: Shown) -> None:
    tell: list[Callable[[Exposure | Fault], object]] = []

    async def follow(told: Callable[[Exposure | Fault], object]) -> None:
        tell.append(told)
        await asyncio.Event().wait()

    async with shown(PlanScreen(STANDING, plan(), follow=follow)) as pilot:
        await pilot.pause()
        tell[0](exposed())
        await pilot.pause()
        assert "donations: 4 connections in 6 looks; in the way: nightly-report 12 s" in text(pilot)
        await pilot.press("enter")
        await pilot.pause()
        tell[0](exposed(relation(sessions=7), hidden="GRANT pg_monitor"))
        await pilot.pause()
        seen = text(pilot)
        assert "7 connections in 6 looks over 10 s" in seen
        assert "pid 4711 nightly-report (app) holds ACCESS SHARE" in seen
        assert "GRANT pg_monitor" in seen
        await pilot.press("escape")
        tell[0](Fault(id="x", summary="The connection was lost."))
        await pilot.pause()
        assert "Who uses it is not known: The connection was lost." in text(pilot)


@pytest.mark.parametrize("width", [20, 40, 60, 78, 100, 200])
def test_a_headline_is_made_of_whole_pieces(width: int) -> None:
    line = headline(relation(), width)
    assert len(line) <= width or line == "donations"
    full = headline(relation(), 500)
    assert all(piece in full for piece in line.replace("donations: ", "").split("; "))
    assert "…" not in line


def test_names_of_others_cannot_act_on_the_terminal() -> None:
    user = replace(relation().blocker or User.__new__(User), application=HOSTILE, query=HOSTILE, user=HOSTILE)
    shown = "".join((*relation_lines(relation(blocker=user)), headline(relation(blocker=user), 200)))
    assert shown.isprintable()
