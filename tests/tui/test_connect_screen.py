from __future__ import annotations

import time
from dataclasses import replace

import pytest

from changeover.core.connect import WaitCutter
from changeover.core.errors import Fault
from changeover.core.events import AttemptFailed, AttemptStarted, Event
from changeover.core.view import AttemptView, view_of
from changeover.tui.screens.connect import ConnectScreen
from changeover.tui.screens.first import source_words
from changeover.tui.widgets.attempts import reason
from changeover.tui.widgets.banner import Standing
from tests.tui.scenes import TARGET, stamped
from tests.tui.showing import Shown, answers, text

REFUSED = Fault(
    id="connect",
    summary="Nothing listens at db1.example:5432: connection refused.",
    advice="Start the server, or check host and port.",
)
TWICE: tuple[Event, ...] = (
    AttemptStarted(number=1, of=4, address="db1.example:5432", deadline=30),
    AttemptFailed(number=1, of=4, fault=REFUSED, elapsed=0.01, wait=1.0),
    AttemptStarted(number=2, of=4, address="db1.example:5432", deadline=30),
    AttemptFailed(number=2, of=4, fault=REFUSED, elapsed=0.02, wait=8.0),
)


def _screen(cut: WaitCutter | None = None) -> ConnectScreen:
    return ConnectScreen(Standing(target=TARGET), cut=cut or WaitCutter(), target=TARGET)


async def test_attempts_are_listed_with_reason_and_countdown(shown: Shown) -> None:
    screen = _screen()
    async with shown(screen) as pilot:
        screen.follow(view_of(list(stamped(TWICE, start=time.time() - 0.5))))
        await pilot.pause()
        seen = text(pilot)
        assert "1 of 4" in seen
        assert "2 of 4" in seen
        assert REFUSED.summary in seen
        assert "× Nothing listens: connection refused " in seen
        assert "attempt 3 of 4 in 8 s" in seen
        await pilot.pause(1.2)
        assert "attempt 3 of 4 in 7 s" in text(pilot)


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
    assert source_words(replace(TARGET, sslmode="disable")).plain.endswith("; no TLS")
    assert source_words(TARGET).plain.endswith("; TLS verify-full")
