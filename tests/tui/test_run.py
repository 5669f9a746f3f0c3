"""The run screen, its receipt and its replay: one view of the same scenes, and so in one file, past 400 lines."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from textual.geometry import Region

from changeover.core.attach import Run
from changeover.core.documents import apply_document
from changeover.core.events import (
    AllowedHazard,
    BlockerEndAnswered,
    BlockerEndAsked,
    Event,
    LocksSeen,
    MigrationApplied,
    MigrationEnded,
    MigrationRolledBack,
    MigrationStarted,
    PlanConfirmed,
    PostCheck,
    PostChecked,
    ProgressSeen,
    Result,
    RunFinished,
    RunStarted,
    Stalled,
    StatementFinished,
    StatementStarted,
    StatementState,
    StopAsked,
)
from changeover.core.view import RunView, Stamped, reduce, view_of
from changeover.tui.screens import end_blocker
from changeover.tui.screens.end_blocker import EndBlocker
from changeover.tui.screens.live import LiveRunScreen
from changeover.tui.screens.receipt import ReceiptScreen, receipt_words
from changeover.tui.screens.replay import ReplayScreen
from changeover.tui.screens.run import RunScreen, headline_words, promise_words
from changeover.tui.tables import receipt_lines
from changeover.tui.widgets.banner import Standing
from changeover.tui.widgets.steps import Steps
from changeover.tui.words import RESULT, STATE, STATEMENT
from tests.tui.scenes import (
    APPLIES,
    BEGUN,
    BLOCKER,
    BRIEFS,
    FAILS,
    FAULT,
    FOLDER,
    GIVES_WAY,
    SERVER,
    STANDING,
    TARGET,
    WAITER,
    WAITS,
    stamped,
)
from tests.tui.showing import Shown, answers, text


def _play(screen: RunScreen[None], events: Iterable[Event], *, later: float = 0.0) -> None:
    for each in stamped(tuple(events)):
        screen.view = reduce(screen.view, each)
    screen.paint((screen.view.last_at or 0.0) + later)


@pytest.mark.parametrize(
    ("events", "said"),
    [
        (FAILS, "checked      not looked for leftovers\n"),
        ((FAILS[0], *FAILS[-2:]), "checked      not looked for leftovers: nothing was applied"),
    ],
)
def test_a_receipt_says_why_nobody_has_looked_for_leftovers(events: tuple[Event, ...], said: str) -> None:
    assert said in receipt_words(view_of(list(stamped(events))), FOLDER).plain


async def test_in_a_narrow_window_the_name_gives_way_and_not_the_clock(shown: Shown) -> None:
    screen: RunScreen[None] = RunScreen(STANDING, RunView())
    async with shown(screen, size=(60, 16)) as pilot:
        _play(screen, WAITS, later=2)
        await pilot.pause()
        (line,) = [line for line in text(pilot).splitlines() if "waiting for a lock" in line]
        assert "0002" in line
        assert "…" in line
        assert re.search(r"attempt 1 of 10  \d\d:\d\d:\d\d$", line)


async def test_before_there_is_a_plan_no_statements_are_counted(shown: Shown) -> None:
    screen: RunScreen[None] = RunScreen(STANDING, RunView())
    async with shown(screen, size=(60, 16)) as pilot:
        started = RunStarted(
            run="run-1", digest="3f9a", by="ada", how="typed", pid=4000, on_hangup="finish", end_blockers=False
        )
        _play(screen, (started,))
        await pilot.pause()
        seen = text(pilot)
        assert "making sure that no other run goes on  00:00:0" in seen
        assert "statements" not in seen


async def test_blockers_and_those_behind_us_are_shown_while_a_lock_is_waited_for(shown: Shown) -> None:
    screen: RunScreen[None] = RunScreen(STANDING, RunView())
    async with shown(screen) as pilot:
        _play(screen, WAITS, later=2)
        await pilot.pause()
        seen = text(pilot)
    assert "• waiting for a lock  0002 complete_donations" in seen
    assert "waits for ACCESS EXCLUSIVE on public.donations, 1.8 s" in seen
    assert "held by      4123 nightly report" in seen
    assert "behind us    4188 donate" in seen
    assert "and 2 more, behind us" in seen
    assert "a word from the server" in seen
    assert "2 of 4 statements" in seen
    assert "If this terminal closes, the run finishes the migration in hand, then stops." in seen


async def test_who_blocks_the_blocker_and_who_waits_for_a_waiter_stand_indented_under_them(shown: Shown) -> None:
    behind_it = replace(WAITER, pid=4190, application="mailer", blocked_by=(WAITER.pid,))
    said = await _locks_of(
        shown,
        LocksSeen(
            version="0002",
            waiting_for="ACCESS EXCLUSIVE on public.donations",
            waited=1.8,
            blockers=(replace(BLOCKER, blocked_by=(4122,)), replace(BLOCKER, pid=4122, application="psql")),
            waiters=(replace(WAITER, blocked_by=(1,)), behind_it),
        ),
        size=(120, 40),
    )
    assert "1.8 s; a chain of 2" in said
    lines = [line for line in said.splitlines() if line.startswith((" held by", " behind us"))]
    assert [line.split("  ")[0].split()[0] for line in lines] == ["held", "held", "behind", "behind"]
    # of a blocker that waits itself, what it waits for is worth more than its state
    assert "waits for 4122" in lines[0]
    assert "4122 └ psql" in lines[1]
    assert "4190 └ mailer" in lines[3]


@pytest.mark.parametrize(
    ("replies", "became"),
    [
        ((), "is being sent"),
        ((BlockerEndAnswered(how="cancel", pid=BLOCKER.pid, sent=True),), "was sent by ada"),
        (
            (BlockerEndAnswered(how="cancel", pid=BLOCKER.pid, sent=False, reason="it has ended"),),
            "was not sent: it has ended",
        ),
    ],
    ids=["asked", "sent", "refused"],
)
async def test_what_became_of_ending_a_blocker_is_told_as_long_as_it_is_in_the_way(
    shown: Shown, replies: tuple[Event, ...], became: str
) -> None:
    asked = BlockerEndAsked(how="cancel", by="ada", pid=BLOCKER.pid, blocker=BLOCKER)
    waits = LocksSeen(
        version="0002", waiting_for="ACCESS EXCLUSIVE on public.donations", waited=1.8, blockers=(BLOCKER,), waiters=()
    )
    assert f"cancel of pid {BLOCKER.pid} {became}" in await _locks_of(shown, waits, asked, *replies)
    gone = replace(waits, blockers=(replace(BLOCKER, pid=4122),))
    assert "cancel of pid" not in await _locks_of(shown, waits, asked, *replies, gone)


async def test_a_pid_ends_whom_it_names_and_not_before_the_question_could_be_read(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    # longer than any test, so that no slow machine lets it pass
    monkeypatch.setattr(end_blocker, "DEAD_TIME", 3600.0)
    endable = replace(BLOCKER, endable=True)
    kept = replace(BLOCKER, pid=4127, why_not="it keeps transaction ids from running out")
    screen = EndBlocker((endable, kept), cancelled=frozenset())
    async with shown(screen) as pilot:
        await pilot.press(*"4123", "enter")
        await pilot.pause()
        assert answers(screen) == []
        screen._arm()
        # what was typed ahead is not there to be entered
        await pilot.press("enter")
        await pilot.pause()
        assert "Nothing is typed; esc goes back." in text(pilot)
        await pilot.press(*"4127", "enter")
        await pilot.pause()
        assert "pid 4127 is not ended: it keeps transaction ids from running out." in text(pilot)
        assert answers(screen) == []
        await pilot.press("ctrl+u", *"4123")
        await pilot.pause()
        assert "pid 4127 is not ended" not in text(pilot)
        await pilot.press("enter")
        await pilot.pause()
        assert answers(screen) == [(endable, "cancel")]


async def _locks_of(shown: Shown, *events: Event, size: tuple[int, int] = (80, 24)) -> str:
    screen: RunScreen[None] = RunScreen(STANDING, RunView())
    async with shown(screen, size=size) as pilot:
        _play(screen, (*BEGUN, *events), later=1)
        await pilot.pause()
        return text(pilot)


async def test_the_lock_panel_says_what_does_not_give_way_and_what_is_hidden(shown: Shown) -> None:
    seen = LocksSeen(
        version="0002", waiting_for="ACCESS EXCLUSIVE on public.donations", waited=1.8, blockers=(), waiters=()
    )
    guardian = replace(BLOCKER, prevents_wraparound=True, application="", user=None, kind="autovacuum worker")
    said = await _locks_of(shown, replace(seen, blockers=(guardian,)))
    assert "autovacuum worker" in said
    assert "it does not give way: it keeps transaction ids from running out" in said
    said = await _locks_of(shown, replace(seen, blockers=(replace(BLOCKER, visible=False, query=None),)))
    assert "not shown to us" in said
    assert "GRANT pg_monitor" in said


async def test_while_it_works_it_says_how_far_it_is_and_who_waits_for_it(shown: Shown) -> None:
    said = await _locks_of(
        shown,
        LocksSeen(
            version="0002",
            waiting_for=None,
            waited=0.0,
            blockers=(),
            waiters=(replace(WAITER, waiting=1.2),) * 3,
            waiting=41,
        ),
        ProgressSeen(
            version="0002",
            command="CREATE INDEX",
            phase="building index: scanning table",
            share=0.45,
            counted="blocks 9 of 20",
        ),
    )
    assert "41 connections wait for what we hold, the longest for 1.2 s" in said
    assert "building index: scanning table 45% of this phase, blocks 9 of 20" in said
    assert "and 40 more, behind us" in said


async def test_giving_way_is_told_with_a_countdown_and_that_nothing_is_held(shown: Shown) -> None:
    screen: RunScreen[None] = RunScreen(STANDING, RunView())
    async with shown(screen) as pilot:
        _play(screen, GIVES_WAY, later=1)
        await pilot.pause()
        assert "gave way; attempt 2 of 10 in 3 s" in text(pilot)
        assert "Rolled back, nothing is held" in text(pilot)
        screen.paint((screen.view.last_at or 0.0) + 2)
        await pilot.pause()
        assert "attempt 2 of 10 in 2 s" in text(pilot)


async def test_a_failure_shows_place_words_of_the_server_and_what_to_do(shown: Shown) -> None:
    screen: RunScreen[None] = RunScreen(STANDING, RunView())
    async with shown(screen) as pilot:
        _play(screen, FAILS)
        await pilot.pause()
        seen = text(pilot)
    assert "× rolled back" in seen
    assert "× FAIL" in seen
    for said in (FAULT.summary, "0002_complete_donations.sql:3:13", FAULT.detail, FAULT.hint, "SQLSTATE 42P01"):
        assert str(said) in seen


async def test_the_mark_follows_the_run_until_a_key_moves_it(shown: Shown) -> None:
    screen: RunScreen[None] = RunScreen(STANDING, RunView())
    async with shown(screen) as pilot:
        _play(screen, WAITS)
        steps = screen.query_one(Steps)
        assert steps.cursor == 2
        await pilot.press("home")
        screen.view = reduce(
            screen.view,
            stamped((StatementFinished(version="0002", number=1, state=StatementState.DONE, tag="", elapsed=0.1),))[0],
        )
        screen.view = reduce(screen.view, stamped((StatementStarted(version="0002", number=2),))[0])
        screen.paint(0)
        assert steps.cursor == 0
        await pilot.press("full_stop")
        assert steps.cursor == 3


async def test_nothing_is_painted_again_within_a_second_in_which_nothing_happened(shown: Shown) -> None:
    screen: RunScreen[None] = RunScreen(STANDING, RunView())
    async with shown(screen) as pilot:
        _play(screen, WAITS, later=2)
        await pilot.pause()
        asked: list[Region] = []
        steps = screen.query_one(Steps)

        def refresh(*regions: Region, **_how: Any) -> Steps:
            asked.extend(regions)
            return steps

        steps.refresh = refresh  # type: ignore[method-assign]
        screen.paint((screen.view.last_at or 0.0) + 2.1)
        assert asked == []
        screen.paint((screen.view.last_at or 0.0) + 3.1)
        assert len(asked) == 1


async def test_a_replay_is_the_same_screen_and_can_be_stepped(shown: Shown) -> None:
    screen = ReplayScreen(Standing(replay=True), stamped(APPLIES, step=60.0))
    async with shown(screen) as pilot:
        await pilot.press("space")
        while screen._taken < 12:
            await pilot.press("n")
        await pilot.pause()
        assert "REPLAY" in text(pilot)
        assert "► run" in text(pilot)
        assert f", 12 of {len(APPLIES)}: 0002 1/2 ALTER TABLE" in text(pilot)
        while screen._taken < len(APPLIES):
            await pilot.press("n")
        await pilot.pause()
        assert "✓ applied" in text(pilot)
        assert screen.view == view_of(list(stamped(APPLIES, step=60.0)))


async def test_one_event_further_is_a_pause_too_and_from_the_start_it_plays_again(shown: Shown) -> None:
    screen = ReplayScreen(Standing(replay=True), stamped(APPLIES, step=3600.0))
    async with shown(screen) as pilot:
        await pilot.press(*"nnnnnnnnnn")
        await pilot.pause()
        assert "Paused at " in text(pilot)
        taken = screen._taken
        assert taken >= 10
        await pilot.press("b")
        await pilot.pause(0.5)
        # an hour lies between two events, of which seconds are sat through
        assert screen._taken < taken
        for state in ("Replay of ", "Paused at ", "Replay of "):
            assert state in text(pilot)
            await pilot.press("space")
            await pilot.pause()


async def test_the_first_error_is_come_to_from_behind_it_too(shown: Shown) -> None:
    events = stamped(FAILS, step=60.0)
    screen = ReplayScreen(Standing(replay=True), events)
    async with shown(screen) as pilot:
        await pilot.press("E")
        first, taken = screen.view, screen._taken
        assert 0 < taken < len(events)
        assert first == view_of(list(events[:taken]))
        while screen._taken < len(events):
            await pilot.press("n")
        await pilot.press("E")
        assert (screen.view, screen._taken) == (first, taken)


async def test_an_hour_in_which_nothing_happened_is_not_sat_through(shown: Shown) -> None:
    events = stamped(APPLIES, step=3600.0)
    screen = ReplayScreen(Standing(replay=True), events)
    async with shown(screen) as pilot:
        # stopped and let go on again
        await pilot.press(*"fffff", "space", "space")
        # sat through, each hour would take a minute
        async with asyncio.timeout(60):
            while screen._taken < len(events):
                await pilot.pause(0.1)


async def test_the_receipt_of_a_run_that_was_applied_says_everything(shown: Shown) -> None:
    screen = ReceiptScreen(STANDING, view_of(list(stamped(APPLIES))), FOLDER)
    async with shown(screen) as pilot:
        seen = text(pilot)
    for said in (
        "✓ Applied: 2 migrations applied in 600 ms.",
        "0001 complete_users                   50 ms  xid 811  1 skipped",
        "~ deferred line 9: table sessions does not exist",
        "connections  all closed (3); every lock is released",
        "by ada, typed database name",
        "20261123T140327Z-orders-7f3a",
    ):
        assert said in seen


async def test_a_transaction_of_ten_digits_leaves_no_word_of_its_line_alone(shown: Shown) -> None:
    long = [
        replace(event, xid="4294967295", attempts=10) if isinstance(event, MigrationApplied) else event
        for event in APPLIES
    ]
    screen = ReceiptScreen(STANDING, view_of(list(stamped(tuple(long)))), FOLDER)
    async with shown(screen) as pilot:
        seen = text(pilot)
    assert "0001 complete_users                   50 ms\n               xid 4294967295" in seen
    assert "1 skipped\n" in seen
    assert "\n skipped" not in seen


async def test_a_receipt_cuts_no_name_for_which_there_is_room(shown: Shown) -> None:
    step = replace(BRIEFS[1], name="link_transactions_and_donors", entry="deferred")
    named = tuple(replace(it, migrations=(BRIEFS[0], step)) if isinstance(it, PlanConfirmed) else it for it in APPLIES)
    whole = "0002 link_transactions_and_donors (deferred step)"
    screen = ReceiptScreen(STANDING, view_of(list(stamped(named))), FOLDER)
    async with shown(screen, size=(120, 40)) as pilot:
        assert f"{whole}   300 ms  xid 812\n" in text(pilot)
        # at 80 columns what stands beside it gives way first
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        seen = text(pilot).splitlines()
        (at,) = [number for number, line in enumerate(seen) if whole in line]
        assert seen[at].endswith("300 ms")
        assert seen[at + 1].strip() == "xid 812"
        # all durations end in one column
        assert len(next(line for line in seen if "0001 complete_users" in line)) == len(seen[at])
        await pilot.resize_terminal(60, 16)
        await pilot.pause()
        assert "0002 link_transac" in text(pilot)
        assert all(len(line) < 60 for line in text(pilot).splitlines() if "0002" in line)


async def test_the_receipt_of_a_failure_has_the_fault_in_full(shown: Shown) -> None:
    screen = ReceiptScreen(STANDING, view_of(list(stamped(FAILS))), FOLDER)
    async with shown(screen, size=(80, 40)) as pilot:
        seen = text(pilot)
    assert "Rolled back: the failed migration left nothing behind" in seen
    assert FAULT.advice.split(".")[0] in seen
    assert seen.index("hint") < seen.index("SQLSTATE")


async def test_the_receipt_says_what_is_left_who_was_in_the_way_and_who_stood_still(shown: Shown) -> None:
    *before, ended, closed, finished = FAILS
    stood = Stalled(sessions=3, longest=0.4)
    assert isinstance(ended, MigrationEnded)
    assert isinstance(finished, RunFinished)
    found = PostCheck(object="index orders_id", expected="valid", found="invalid")
    told = (
        *before[:-1],
        MigrationRolledBack(version="0002", attempt=1, fault=FAULT, blockers=(BLOCKER,), wait=None),
        replace(ended, stalled=stood),
        PostChecked(findings=(found, replace(found, object="index gifts_id", new=False)), elapsed=0.1),
        closed,
        replace(finished, left_behind=("index public.orders_id is invalid",)),
    )
    screen = ReceiptScreen(STANDING, view_of(list(stamped(told))), FOLDER)
    async with shown(screen, size=(120, 50)) as pilot:
        seen = text(pilot)
    assert "What is there now\n   index public.orders_id is invalid" in seen
    assert "blocked by pid 4123 nightly report as report, active 12 min" in seen
    assert "3 application sessions waited behind it, at most 400 ms" in seen
    assert "post-check: index orders_id is not valid: invalid\n" in seen
    assert "post-check: index gifts_id is not valid: invalid (there before this run)" in seen
    assert "checked      2 findings" in seen
    # nobody has seen them closed: a lock may still be held
    unknown = tuple(each for each in told if each is not closed)
    screen = ReceiptScreen(STANDING, view_of(list(stamped(unknown))), FOLDER)
    async with shown(screen) as pilot:
        assert "connections  not confirmed" in text(pilot)


@pytest.mark.parametrize(
    ("events", "when", "heading", "promise"),
    [
        (
            WAITS,
            "after-migration",
            "■ stopping after this migration  0002 …  attempt 1 of 10  00:00:02",
            "Nothing was cancelled: this migration goes on to its end, then the run stops.",
        ),
        (
            WAITS,
            "after-statement",
            "■ stopping after this statement  0002 …  attempt 1 of 10  00:00:02",
            "Nothing was cancelled: this statement goes on to its end, then the run stops.",
        ),
        (
            GIVES_WAY,
            "after-migration",
            "■ stopping after this migration; attempt 2 of 10 in 3 s  0002 …  00:00:02",
            "Rolled back, nothing is held; the run stops once this migration is done.",
        ),
        (
            GIVES_WAY,
            "after-statement",
            "■ stopping in 3 s  0002 complete_donations  attempt 1 of 10  00:00:02",
            "Rolled back, nothing is held; the run stops when the pause is over.",
        ),
        (
            WAITS,
            "now",
            "■ stopping now  0002 complete_donations  attempt 1 of 10  00:00:02",
            "Not stopped yet: waiting until the server confirms it.",
        ),
    ],
)
async def test_a_stop_that_waits_says_what_goes_on_until_then(
    shown: Shown, events: tuple[Event, ...], when: str, heading: str, promise: str
) -> None:
    screen: RunScreen[None] = RunScreen(STANDING, RunView())
    async with shown(screen) as pilot:
        _play(screen, (*events, StopAsked(when=when, by="ada")), later=1)
        await pilot.pause()
        # how much of a name there is room for is not what this is about
        seen = [re.sub(r"0002 \w*…\w*", "0002 …", line.strip()) for line in text(pilot).splitlines()]
        assert heading in seen
        assert promise in seen


@pytest.mark.parametrize("events", [WAITS, GIVES_WAY])
def test_in_a_narrow_window_a_pending_stop_leaves_room_for_migration_attempt_and_clock(
    events: tuple[Event, ...],
) -> None:
    view = view_of(list(stamped((*events, StopAsked(when="after-migration", by="ada")))))
    said = headline_words(view, (view.last_at or 0.0) + 1, 60).plain
    assert len(said) < 60
    assert re.search(r"■ stopping.* 0002 .*00:00:02$", said)
    assert re.search(r"attempt \d of 10", said)


ENDINGS = pytest.mark.parametrize(
    ("how", "replies", "name", "became", "sent"),
    [
        ("cancel", (True, ""), "ended", "its statement cancelled by ada@bastion", True),
        ("terminate", (True, ""), "ended", "terminated by ada@bastion", True),
        (
            "terminate",
            (False, "cancel comes first"),
            "not ended",
            "terminate asked by ada@bastion, not sent: cancel comes first",
            False,
        ),
        ("cancel", None, "to end", "cancel asked by ada@bastion; what came of it was not told", None),
    ],
    ids=["cancelled", "terminated", "refused", "unanswered"],
)


@ENDINGS
def test_the_receipt_says_whom_somebody_asked_to_end_and_what_came_of_it(
    how: str, replies: tuple[bool, str] | None, name: str, became: str, sent: bool | None
) -> None:
    asked = BlockerEndAsked(how=how, by="ada@bastion", pid=BLOCKER.pid, blocker=BLOCKER)
    told = () if replies is None else (BlockerEndAnswered(how=how, pid=4123, sent=replies[0], reason=replies[1]),)
    view = view_of(list(stamped((*WAITS, asked, *told, *APPLIES[len(BEGUN) :]))))
    said = receipt_words(view, FOLDER).plain
    assert f"\n{name:<13}pid 4123 nightly report as report, active 12 min, {became}\n" in said
    lines = receipt_lines(view)
    assert f"  pid 4123 (report nightly report, active, transaction 12 min old), {became}" in lines
    (end,) = apply_document(view, TARGET, session="s", outcome=Result.APPLIED, exit_code=0).ends
    assert (end.pid, end.how, end.by, end.sent) == (4123, how, "ada@bastion", sent)
    assert end.blocker is not None
    assert end.blocker.query == BLOCKER.query


def test_a_receipt_of_a_run_in_which_nobody_was_to_be_ended_says_nothing_of_it() -> None:
    view = view_of(list(stamped(APPLIES)))
    assert "ended" not in receipt_words(view, FOLDER).plain
    assert not any("to end" in line for line in receipt_lines(view))


def test_allowed_hazards_are_told_with_their_file_and_line_and_what_is_alike_once() -> None:
    hazard = AllowedHazard(id="scan-create-index", relation="app.items", by="operator", reason="it is night")
    first, second = (
        replace(it, statements=(replace(it.statements[0], line=2, allowed=(hazard, hazard)), it.statements[1]))
        for it in BRIEFS
    )
    begun = tuple(
        replace(it, migrations=(first, second)) if isinstance(it, PlanConfirmed) else it for it in APPLIES[:10]
    )
    view = view_of(list(stamped((*begun, *APPLIES[-2:]))))
    told = [
        "0001_complete_users.sql:2 scan-create-index on app.items, by ada (it is night)",
        "0002_complete_donations.sql:2 scan-create-index on app.items, by ada (it is night); not begun",
    ]
    said = receipt_words(view, FOLDER).plain.splitlines()
    assert [line for line in said if line.startswith("allowed")] == [f"{'allowed':<13}{it}" for it in told]
    assert [line for line in receipt_lines(view) if "scan-create-index" in line] == [f"  {it}" for it in told]


async def test_of_statements_that_went_in_one_message_all_are_shown_as_under_way(shown: Shown) -> None:
    screen: RunScreen[None] = RunScreen(STANDING, RunView())
    async with shown(screen) as pilot:
        _play(screen, (*BEGUN[:-1], StatementStarted(version="0002", number=1, last=2)))
        await pilot.pause()
        seen = text(pilot)
        assert seen.count("► run ") == 2
        assert "ALTER TABLE, 1 to 2 together" in seen
        _play(screen, (StatementStarted(version="0002", number=1),))
        await pilot.pause()
        seen = text(pilot)
        assert seen.count("► run ") == 1
        assert "together" not in seen


@pytest.mark.parametrize("table", [STATEMENT, STATE, RESULT])
def test_states_are_told_by_words_and_not_by_colour_alone(table: dict[object, tuple[str, str]]) -> None:
    assert len({word for word, _ in table.values()}) == len(table)


async def test_thousands_are_told_apart_in_the_steps_and_in_the_receipt(shown: Shown) -> None:
    sql = BRIEFS[0].statements[0]
    many = replace(BRIEFS[0], statements=tuple(replace(sql, number=it + 1) for it in range(5000)))
    events: tuple[Event, ...] = (
        PlanConfirmed(digest="d", server=SERVER, migrations=(many,)),
        MigrationStarted(version="0001", entry="migration", attempt=1, of=10, backend=4001),
        StatementFinished(version="0001", number=1, last=4999, state=StatementState.DONE, tag="", elapsed=0.1),
    )
    screen: RunScreen[None] = RunScreen(STANDING, RunView())
    async with shown(screen) as pilot:
        _play(screen, events)
        await pilot.press("home")
        await pilot.pause()
        assert re.search(r"► running +0001 .* 4,999 of 5,000\n", text(pilot))
    ended = replace(APPLIES[-1], applied=0)
    assert any(" 4,999 of 5,000" in line for line in receipt_lines(view_of(list(stamped((*events, ended))))))


async def test_statements_that_go_by_too_quickly_to_be_read_are_painted_once_a_second(shown: Shown) -> None:
    sql = BRIEFS[0].statements[0]
    many = replace(BRIEFS[0], statements=tuple(replace(sql, number=it + 1) for it in range(5000)))
    begun = (
        PlanConfirmed(digest="d", server=SERVER, migrations=(many,)),
        MigrationStarted(version="0001", entry="migration", attempt=1, of=10, backend=4001),
    )
    screen: RunScreen[None] = RunScreen(STANDING, view_of(list(stamped(begun))))
    async with shown(screen) as pilot:

        async def after(count: int, at: float) -> str:
            done = StatementFinished(
                version="0001", number=1, last=count, state=StatementState.DONE, tag="", elapsed=0.1
            )
            screen.view = reduce(view_of(list(stamped(begun))), stamped((done,))[0])
            screen.paint(at)
            await pilot.pause()
            return text(pilot)

        assert "3 of 5,000" in await after(3, 10.0)
        assert "9 of 5,000" in await after(9, 10.2)
        assert "9 of 5,000" in await after(2000, 10.4)
        assert "3,000 of 5,000" in await after(3000, 11.0)


def test_who_waited_behind_an_attempt_is_said_whole_in_80_columns() -> None:
    stood = Stalled(sessions=1234, longest=2.04)
    told = tuple(replace(each, stalled=stood) if isinstance(each, MigrationRolledBack) else each for each in GIVES_WAY)
    said = promise_words(view_of(list(stamped(told))), RunScreen.CLOSES).plain
    assert "nothing is held; 1,234 application sessions waited, at most 2.0 s" in said
    assert len(said) <= 80


class _Slow(Run):
    """A run whose events come when they are asked for."""

    def __init__(self, folder: Path, events: Sequence[Event]) -> None:
        super().__init__(folder, "run-1")
        self._told = stamped(tuple(events))
        self.goes_on = [asyncio.Event() for _ in self._told]

    async def events(self) -> AsyncIterator[Stamped]:
        for one, goes_on in zip(self._told, self.goes_on, strict=True):
            await goes_on.wait()
            yield one
        await asyncio.Event().wait()


async def test_why_a_key_does_nothing_is_said_only_as_long_as_it_is_true(shown: Shown, tmp_path: Path) -> None:
    allows = RunStarted(run="r", digest="d", by="ada", how="y", pid=1, on_hangup="finish", end_blockers=True)
    run = _Slow(tmp_path, (allows,))
    async with shown(LiveRunScreen(STANDING, RunView(), run)) as pilot:
        await pilot.press("K")
        await pilot.pause()
        assert "The run is only starting: nobody blocks it yet." in text(pilot)
        run.goes_on[0].set()
        async with asyncio.timeout(60):
            while "only starting" in text(pilot):
                await pilot.pause(0.1)
        await pilot.press("K")
        await pilot.pause()
        assert "Nobody blocks this run now." in text(pilot)
