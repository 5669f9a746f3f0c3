"""The rehearsal on the plan screen: begun and stopped with a key, and what it measured."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from changeover.core.errors import Fault, SandboxError
from changeover.core.events import RehearsalStep
from changeover.core.locks import LockMode
from changeover.core.plan import LockClaim, Measurement, Plan, Rehearsal
from changeover.core.rehearsal import with_rehearsal
from changeover.core.schema_difference import Change
from changeover.tui.screens.confirm import ConfirmScreen
from changeover.tui.screens.precheck import PlanScreen
from tests.tui.scenes import SERVER, STANDING, plan
from tests.tui.showing import Shown, text


def rehearsal(shown: Plan, *found: Measurement) -> Rehearsal:
    return Rehearsal(
        digest=shown.digest,
        at=0.0,
        shadow="PostgreSQL 18.6",
        version_num=180006,
        statements=found,
        difference=(Change(kind="column", object="public.donations.note", action="added", details=("type text",)),),
        remarks=("2 roles are there as names only.",),
        phases={"load": 1.0},
    )


async def test_the_key_rehearses_in_the_background_and_shows_what_was_measured(shown: Shown) -> None:
    bare = plan()
    first = bare.migrations[0].statements[0]
    claim = LockClaim(relation="public.donations", mode=LockMode.SHARE_ROW_EXCLUSIVE)
    found = Measurement(entry=0, number=first.number, locks=(claim,), rewrites=("public.donations",))
    go = asyncio.Event()

    async def rehearse(tell: Callable[[RehearsalStep], object]) -> Plan:
        tell(RehearsalStep(part="run", version="0002", done=0, of=1))
        await go.wait()
        return with_rehearsal(bare, rehearsal(bare, found))

    async with shown(PlanScreen(STANDING, bare, rehearse=rehearse), size=(120, 40)) as pilot:
        await pilot.press("R")
        await pilot.pause()
        assert "rehearsal: run 0002 (1 of 1)" in text(pilot)
        go.set()
        await pilot.pause()
        await pilot.pause()
        seen = text(pilot)
    assert "measured: SHARE ROW EXCLUSIVE on public.donations" in seen
    assert "rewrites public.donations" in seen
    assert "+ column public.donations.note (type text)" in seen
    assert "2 roles are there as names only." in seen


async def test_the_key_stops_a_rehearsal_that_is_going_on(shown: Shown) -> None:
    ended: list[str] = []

    async def rehearse(tell: Callable[[RehearsalStep], object]) -> Plan:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cleaned up")
        raise AssertionError("unreachable")

    async with shown(PlanScreen(STANDING, plan(), rehearse=rehearse)) as pilot:
        await pilot.press("R")
        await pilot.pause()
        await pilot.press("R")
        await pilot.pause()
        assert ended == ["cleaned up"]
        assert "was stopped" in text(pilot)


async def test_where_there_can_be_no_shadow_the_screen_says_why(shown: Shown) -> None:
    async def rehearse(tell: Callable[[RehearsalStep], object]) -> Plan:
        raise SandboxError("The embedded PostgreSQL is not installed.", advice="Install it.")

    async with shown(PlanScreen(STANDING, plan(), rehearse=rehearse), size=(120, 40)) as pilot:
        await pilot.press("R")
        await pilot.pause()
        assert "is not installed. Install it." in text(pilot)


async def test_a_plan_whose_rehearsal_failed_leads_nowhere(shown: Shown) -> None:
    bare = plan()
    first = bare.migrations[0].statements[0]
    failed = Measurement(entry=0, number=first.number, error=Fault(id="server", summary="no such thing"))

    async def rehearse(tell: Callable[[RehearsalStep], object]) -> Plan:
        return with_rehearsal(bare, rehearsal(bare, failed))

    screen = PlanScreen(STANDING, bare, rehearse=rehearse)
    async with shown(screen, size=(120, 40)) as pilot:
        await pilot.press("R")
        await pilot.pause()
        await pilot.press("c")
        await pilot.pause()
        seen = text(pilot)
        assert "fails in the rehearsal: no such thing" in seen
        assert "NOT READY" in seen


async def test_the_confirmation_says_that_its_lock_was_measured(shown: Shown) -> None:
    bare = plan()
    first = bare.migrations[0].statements[0]
    rehearsed = with_rehearsal(bare, rehearsal(bare, Measurement(entry=0, number=first.number)))
    async with shown(ConfirmScreen(STANDING, rehearsed, SERVER, by="anna", typed=False)) as pilot:
        await pilot.pause()
        assert "ago on PostgreSQL 18.6" in text(pilot)
