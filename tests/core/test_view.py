"""The reducer: what a face shows is a function of the events, live or replayed."""

from __future__ import annotations

from msgspec.structs import replace

from changeover.core.errors import Fault
from changeover.core.events import (
    AttemptFailed,
    AttemptStarted,
    BlockerEndAnswered,
    BlockerEndAsked,
    Event,
    MigrationApplied,
    MigrationBrief,
    MigrationEnded,
    MigrationRolledBack,
    MigrationStarted,
    NoticeRaised,
    PlanConfirmed,
    Result,
    RunFinished,
    RunStarted,
    ServerFacts,
    StatementBrief,
    StatementFailed,
    StatementFinished,
    StatementStarted,
    StatementState,
    StopAsked,
)
from changeover.core.view import NOTICES_KEPT, RunView, Stamped, reduce, view_of

SERVER = ServerFacts(
    version="18.6", version_num=180006, database="shop", user="me", host="db", port=5432, system_identifier="1",
    timeline=1, in_recovery=False, tls=True, pooled=False, superuser=False, read_only=False,
)  # fmt: skip
FAULT = Fault(id="server", summary="canceling statement due to lock timeout", sqlstate="55P03")


def brief(version: str, numbers: list[int]) -> MigrationBrief:
    statements = tuple(
        StatementBrief(number=n, line=n, column=1, kind="SELECT", sql="SELECT 1", decision="run", reason="")
        for n in numbers
    )
    return MigrationBrief(
        version=version, name="x", file="x.sql", entry="migration", transactional=True, statements=statements
    )


def planned(*briefs: MigrationBrief) -> list[Event]:
    return [
        RunStarted(run="r", digest="d", by="me", how="--yes", pid=1, on_hangup="finish"),
        PlanConfirmed(digest="d", server=SERVER, migrations=briefs),
    ]


def done(version: str, number: int, state: StatementState = StatementState.DONE) -> list[Event]:
    return [
        StatementStarted(version=version, number=number),
        StatementFinished(version=version, number=number, state=state, tag="SELECT 1", elapsed=0.5),
    ]


def started(version: str, attempt: int = 1) -> MigrationStarted:
    return MigrationStarted(version=version, entry="migration", attempt=attempt, of=10, backend=7)


def view(events: list[Event]) -> RunView:
    return view_of([Stamped(seq=i, at=100.0 + i, event=event) for i, event in enumerate(events)])


def test_a_finished_statement_counts_and_keeps_its_tag() -> None:
    seen = view([*planned(brief("1", [1, 2])), started("1"), *done("1", 1)])
    migration = seen.current_migration
    assert migration is not None
    assert migration.progress(1).tag == "SELECT 1"
    assert migration.progress(2).state is StatementState.WAITING
    assert (seen.statements_finished, seen.statements_total) == (1, 2)


def test_an_attempt_that_gave_way_starts_again_from_nothing() -> None:
    wait = MigrationRolledBack(version="1", attempt=1, fault=FAULT, blockers=(), wait=2.0)
    waiting = view([*planned(brief("1", [1, 2])), started("1"), *done("1", 1), wait])
    assert waiting.phase == "waiting"
    assert waiting.migrations[0].retry_at == 100.0 + 5 + 2.0
    again = view([*planned(brief("1", [1, 2])), started("1"), *done("1", 1), wait, started("1", 2)])
    assert again.statements_finished == 0
    assert again.migrations[0].attempt == 2
    assert again.migrations[0].fault is None
    assert again.phase == "running"


def test_a_failed_statement_shows_its_fault_and_the_migration_its_result() -> None:
    fault = Fault(id="server", summary="no", sqlstate="42P01", file="x.sql", line=3, column=4)
    seen = view([
        *planned(brief("1", [1, 2])),
        started("1"),
        StatementStarted(version="1", number=1),
        StatementFailed(version="1", number=1, fault=fault, elapsed=0.1),
        MigrationEnded(version="1", result=Result.ROLLED_BACK, attempts=1, elapsed=1.0, fault=fault),
        RunFinished(run="r", result=Result.ROLLED_BACK, exit_code=6, applied=0, elapsed=1.0, fault=fault),
    ])  # fmt: skip
    assert seen.migrations[0].progress(1).state is StatementState.FAILED
    assert seen.migrations[0].result is Result.ROLLED_BACK
    assert (seen.phase, seen.exit_code) == ("finished", 6)


def test_the_steps_of_a_deferred_entry_keep_their_numbers() -> None:
    seen = view([*planned(brief("5", [3, 7])), started("5"), *done("5", 7)])
    assert seen.migrations[0].progress(7).state is StatementState.DONE
    assert seen.migrations[0].progress(3).state is StatementState.WAITING


def test_the_second_run_of_a_sitting_begins_with_nothing_of_the_first() -> None:
    first = [
        *planned(brief("1", [1]), brief("2", [1]), brief("3", [1])),
        *(it for version in "123" for it in (started(version), *done(version, 1))),
        StopAsked(when="now", by="me"),
        RunFinished(run="r", result=Result.STOPPED, exit_code=7, applied=2, elapsed=1.0, fault=FAULT),
    ]
    second = view([*first, *planned(brief("3", [2])), started("3"), *done("3", 2)])
    alone = view([*planned(brief("3", [2])), started("3"), *done("3", 2)])
    moments = {"started_at": 0.0, "last_at": 0.0}
    assert replace(second, **moments, migrations=()) == replace(alone, **moments, migrations=())
    assert second.migrations[0].progress(2).state is StatementState.DONE
    # as long as the second has not begun, its first events find the place of the first
    assert view([*first, RunStarted(run="r", digest="d", by="me", how="y", pid=1, on_hangup="finish")]).current is None


def test_stopping_stays_on_the_screen_until_the_end() -> None:
    stop = StopAsked(when="now", by="me")
    wait = MigrationRolledBack(version="1", attempt=1, fault=FAULT, blockers=(), wait=2.0)
    assert view([*planned(brief("1", [1])), started("1"), stop, wait]).phase == "stopping"


def test_a_stop_at_once_is_not_taken_back_by_a_later_one() -> None:
    now = StopAsked(when="now", by="ada")
    seen = view([*planned(brief("1", [1])), started("1"), now, StopAsked(when="after-migration", by="bob")])
    assert seen.stop == now
    sooner = view([*planned(brief("1", [1])), started("1"), StopAsked(when="after-migration", by="bob"), now])
    assert sooner.stop == now


def test_every_wish_to_end_a_blocker_is_kept_with_its_own_answer() -> None:
    wishes = [("cancel", 7, "ada"), ("cancel", 7, "bob"), ("cancel", 8, "ada"), ("terminate", 7, "ada")]
    asked = [BlockerEndAsked(how=how, by=by, pid=pid, blocker=None) for how, pid, by in wishes]
    answers = [
        BlockerEndAnswered(how="cancel", pid=8, sent=False, reason="it is gone"),
        BlockerEndAnswered(how="cancel", pid=7, sent=True),
        BlockerEndAnswered(how="terminate", pid=7, sent=True),
    ]
    seen = view([*planned(brief("1", [1])), started("1"), *asked, *answers])
    assert [end.asked for end in seen.ends] == asked
    assert [end.answered for end in seen.ends] == [answers[1], None, answers[0], answers[2]]
    assert seen.cancelled == {7}


def test_notices_are_counted_and_the_newest_kept() -> None:
    notices: list[Event] = [
        NoticeRaised(version="1", number=1, severity="NOTICE", sqlstate="00000", message=str(n))
        for n in range(NOTICES_KEPT + 5)
    ]
    seen = view([*planned(brief("1", [1])), started("1"), *notices])
    assert len(seen.notices) == NOTICES_KEPT
    assert seen.notices[-1].message == str(NOTICES_KEPT + 4)
    assert seen.notice_count == NOTICES_KEPT + 5


def test_connection_attempts_carry_the_time_of_the_next_one() -> None:
    start = AttemptStarted(number=1, of=4, address="db:5432", deadline=30.0)
    failed = AttemptFailed(number=1, of=4, fault=FAULT, elapsed=0.1, wait=1.5)
    seen = view([start, failed])
    assert seen.attempts[0].next_at == 101.0 + 1.5


def test_a_second_connection_begins_its_own_list_of_attempts() -> None:
    start = AttemptStarted(number=1, of=4, address="db:5432", deadline=30.0)
    failed = AttemptFailed(number=1, of=4, fault=FAULT, elapsed=0.1, wait=1.5)
    assert len(view([start, failed, start]).attempts) == 1


def test_events_of_a_migration_that_is_not_in_the_view_change_nothing() -> None:
    assert view([started("9"), *done("9", 1)]).migrations == ()


def test_applied_migrations_keep_xid_and_deferred_steps() -> None:
    applied = MigrationApplied(version="1", entry="migration", attempts=2, elapsed=3.0, xid="77", deferred=(2,))
    seen = view([*planned(brief("1", [1, 2])), started("1"), applied])
    assert seen.migrations[0].result is Result.APPLIED
    assert (seen.migrations[0].xid, seen.migrations[0].deferred) == ("77", (2,))


def test_one_event_of_a_huge_migration_does_not_copy_the_migration() -> None:
    seen = before = view([*planned(brief("1", list(range(1, 100_001)))), started("1")])
    for number in range(1, 201):
        for event in done("1", number):
            seen = reduce(seen, Stamped(seq=1, at=1.0, event=event))
    shared = [new is old for new, old in zip(seen.migrations[0].rows, before.migrations[0].rows, strict=True)]
    assert shared.count(False) == 2
