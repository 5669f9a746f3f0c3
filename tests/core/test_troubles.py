from __future__ import annotations

from changeover.core.events import NoticeRaised
from changeover.core.session_filter import matching
from changeover.core.session_log import SessionSummary
from changeover.core.troubles import first_error, is_trouble
from changeover.tui.widgets.sessions_table import outcome_words
from tests.tui.scenes import APPLIES, FAILS, GIVES_WAY, stamped

WARNING = NoticeRaised(version="0002", number=1, severity="WARNING", sqlstate="01000", message="mind this")


def test_a_run_that_went_well_has_no_trouble() -> None:
    assert first_error(stamped(APPLIES)) is None


def test_an_attempt_that_gave_way_is_trouble_even_where_it_went_well_later() -> None:
    events = stamped(GIVES_WAY)
    assert first_error(events) == len(events) - 1


def test_a_warning_is_trouble_and_no_error() -> None:
    events = stamped((*APPLIES[:12], WARNING, *FAILS[12:]))
    assert is_trouble(WARNING)
    assert first_error(events) == 13


def _session(
    number: int, target: str, *, result: str | None = None, running: bool = False, exit_code: int = 0
) -> SessionSummary:
    return SessionSummary(
        id=f"20261123T14032{number}Z-orders-7f3a",
        opened_at=0.0,
        command="changeover apply",
        target=target,
        by="ada@bastion",
        result=result,
        exit_code=exit_code,
        running=running,
        run_goes_on=running,
    )


def _kept(sessions: tuple[SessionSummary, ...], text: str) -> tuple[SessionSummary, ...]:
    return matching(sessions, text, outcome=lambda each: outcome_words(each)[0])


def test_sessions_are_kept_that_have_every_typed_word() -> None:
    sessions = (
        _session(1, "shop", result="rolled_back"),
        _session(2, "shop", running=True),
        _session(3, "orders"),
        _session(4, "orders", exit_code=3),
    )
    assert _kept(sessions, "") == sessions
    assert _kept(sessions, "SHOP rolled back") == sessions[:1]
    assert _kept(sessions, "going on") == sessions[1:2]
    assert _kept(sessions, "looked only ada") == sessions[2:3]
    assert _kept(sessions, "no CONNECTION") == sessions[3:]
