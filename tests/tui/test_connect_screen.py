from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from changeover.core.connect import WaitCutter
from changeover.core.errors import Fault
from changeover.core.view import AttemptView, view_of
from changeover.tui.screens import connect
from changeover.tui.screens.connect import ConnectScreen
from changeover.tui.screens.first import source_words
from changeover.tui.widgets.attempts import reason
from changeover.tui.widgets.banner import Standing
from tests.tui.scenes import REFUSED, TARGET, TWICE, stamped
from tests.tui.showing import Shown, answers, text


def _screen(cut: WaitCutter | None = None) -> ConnectScreen:
    return ConnectScreen(Standing(target=TARGET), cut=cut or WaitCutter(), target=TARGET)


async def test_attempts_are_listed_with_reason_and_countdown(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = _screen()
    attempts = stamped(TWICE)
    passed = 0.5
    monkeypatch.setattr(connect, "time", SimpleNamespace(time=lambda: attempts[-1].at + passed))
    async with shown(screen) as pilot:
        screen.follow(view_of(list(attempts)))
        await pilot.pause()
        seen = text(pilot)
        assert "1 of 4" in seen
        assert "2 of 4" in seen
        assert REFUSED.summary in seen
        assert "× Nothing listens: connection refused " in seen
        assert "attempt 3 of 4 in 8 s" in seen
        passed = 1.5
        # the screen looks at the clock by itself
        async with asyncio.timeout(60):
            while "attempt 3 of 4 in 7 s" not in text(pilot):
                await pilot.pause(0.1)


async def test_the_wait_can_be_cut(shown: Shown) -> None:
    cut = WaitCutter()
    screen = _screen(cut)
    async with shown(screen) as pilot:
        screen.follow(view_of(list(stamped(TWICE, start=time.time()))))
        await pilot.press("t")
        assert await cut.wait(0.01) is False


async def test_giving_up_ends_the_wait_and_stays_to_say_why(shown: Shown) -> None:
    cut = WaitCutter()
    screen = _screen(cut)
    async with shown(screen) as pilot:
        screen.follow(view_of(list(stamped(TWICE, start=time.time()))))
        await pilot.press("g")
        assert await cut.wait(0.01) is True
        assert screen.gave_up.is_set()
        assert answers(screen) == []


async def test_the_final_failure_says_what_to_do_and_what_can_be_chosen(shown: Shown) -> None:
    screen = _screen()
    async with shown(screen) as pilot:
        screen.follow(view_of(list(stamped(TWICE))))
        screen.fail(REFUSED)
        await pilot.pause()
        seen = text(pilot)
        assert REFUSED.advice in seen
        assert "t tries again from the start" in seen
        await pilot.press("e")
        await pilot.pause()
        assert answers(screen) == ["edit"]


@pytest.mark.parametrize(("key", "answer"), [("e", "edit"), ("q", "leave")])
async def test_who_goes_elsewhere_ends_the_wait(key: str, answer: str, shown: Shown) -> None:
    cut = WaitCutter()
    screen = _screen(cut)
    async with shown(screen) as pilot:
        screen.follow(view_of(list(stamped(TWICE, start=time.time()))))
        await pilot.press(key)
        await pilot.pause()
        assert answers(screen) == [answer]
        assert await cut.wait(0.01) is True


async def test_after_the_last_failure_t_begins_all_over_and_g_says_that_nothing_is_tried(shown: Shown) -> None:
    screen = _screen()
    async with shown(screen) as pilot:
        screen.follow(view_of(list(stamped(TWICE))))
        screen.fail(REFUSED)
        await pilot.press("g")
        await pilot.pause()
        assert "Nothing is being tried any more; t tries again." in text(pilot)
        await pilot.press("t")
        await pilot.pause()
        assert answers(screen) == ["retry"]


async def test_an_attempt_under_way_is_not_begun_anew(shown: Shown) -> None:
    cut = WaitCutter()
    screen = _screen(cut)
    async with shown(screen) as pilot:
        screen.follow(view_of(list(stamped(TWICE[:1], start=time.time()))))
        await pilot.press("t")
        await pilot.pause()
        assert "An attempt is under way already; g gives up." in text(pilot)
        # nothing has cut the wait that may come
        assert await cut.wait(0.01) is None


@pytest.mark.parametrize(
    ("summary", "said"),
    [
        ("127.0.0.1:6432 refused the connection.", "refused the connection"),
        ("No answer from 127.0.0.1:6432 within 10 s.", "No answer within 10 s"),
        ("The certificate of 127.0.0.1:6432 is not trusted: expired.", "The certificate is not trusted: expired"),
        ("Database shop does not exist on 127.0.0.1:6432.", "Database shop does not exist"),
        ("The server is not ready yet: starting up.", "The server is not ready yet: starting up"),
        ("127.0.0.1:64321 is another one.", "127.0.0.1:64321 is another one"),
    ],
)
def test_beside_its_address_a_reason_is_told_without_it(summary: str, said: str) -> None:
    fault = Fault(id="connect", summary=summary)
    assert (
        reason(AttemptView(number=1, of=4, address="127.0.0.1:6432", started_at=0.0, deadline=10.0, fault=fault))
        == said
    )


def test_a_link_without_tls_is_called_that() -> None:
    assert source_words(replace(TARGET, sslmode="disable")).plain.startswith(" no TLS; ")
    assert source_words(TARGET).plain.startswith(" TLS verify-full; ")
