"""What the file of a run tells that has no honest end, and what the rows of the attempt log make of it. No database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from changeover.core.codec import event_line
from changeover.core.errors import NeedsAttention
from changeover.core.events import (
    Event,
    MigrationApplied,
    MigrationBrief,
    MigrationEnded,
    MigrationStarted,
    PlanConfirmed,
    Result,
    RunFinished,
    RunStarted,
    ServerFacts,
)
from changeover.core.journal import Journal
from changeover.core.recovery import InDoubt, Recovery, judge, refuse_in_doubt
from changeover.core.unfinished import UnfinishedRun, is_here, is_unfinished, unfinished_runs
from changeover.core.view import Stamped

SERVER = ServerFacts(
    version="18.0", version_num=180000, database="shop", user="me", host="db", port=5432, system_identifier="77",
    timeline=1, in_recovery=False, tls=True, pooled=False, superuser=False, read_only=False,
)  # fmt: skip


def brief(version: str, *, entry: str = "migration", transactional: bool = True) -> MigrationBrief:
    return MigrationBrief(
        version=version, name="x", file=f"{version}_x.sql", entry=entry, transactional=transactional, statements=()
    )


START: list[Event] = [
    RunStarted(run="r", digest="d", by="me", how="--yes", pid=1, on_hangup="finish", schema="history"),
    PlanConfirmed(digest="d", server=SERVER, migrations=(brief("1"), brief("2"), brief("3"))),
]


def begun(version: str) -> MigrationStarted:
    return MigrationStarted(version=version, entry="migration", attempt=1, of=3, backend=9)


def applied(version: str, entry: str = "migration") -> MigrationApplied:
    return MigrationApplied(version=version, entry=entry, attempts=1, elapsed=1.0, xid="7")


def ended(version: str, result: Result) -> MigrationEnded:
    return MigrationEnded(version=version, result=result, attempts=1, elapsed=1.0, fault=None)


def finished(result: Result) -> RunFinished:
    return RunFinished(run="r", result=result, exit_code=0, applied=0, elapsed=1.0, fault=None)


def filed(root: Path, events: list[Event], name: str = "run-1.jsonl") -> Path:
    folder = root / "20200101T000000Z-shop-0001"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [event_line(Stamped(seq=n, at=float(n), event=event)) for n, event in enumerate(events, 1)]
    (folder / name).write_bytes(b"".join(lines))
    return folder


def run_of(events: list[Event]) -> UnfinishedRun:
    run = UnfinishedRun(session="s", folder=Path("x"))
    for event in events:
        run.take(event)
    return run


def row(version: str, state: str = "applied", *, committed: bool = True, steps: str = "[]") -> dict[str, Any]:
    return {"version": version, "entry": "migration", "state": state, "committed": committed, "steps": steps}


@pytest.mark.parametrize("result", [result for result in Result if result is not Result.IN_DOUBT])
def test_a_run_with_an_end_is_finished(tmp_path: Path, result: Result) -> None:
    filed(tmp_path, [*START, begun("1"), finished(result)])
    assert unfinished_runs(tmp_path) == ()


def test_a_run_without_an_end_is_found_with_what_is_open(tmp_path: Path) -> None:
    folder = filed(tmp_path, [*START, begun("1"), applied("1"), begun("2")])
    (run,) = unfinished_runs(tmp_path)
    assert (run.session, run.run, run.schema, run.cause, run.server) == (folder.name, "r", "history", "killed", SERVER)
    assert [it.version for it in run.open] == ["2", "3"]
    assert run.begun == ("2",)
    assert is_unfinished(folder)


def test_a_run_in_doubt_is_found_and_once_settled_it_is_not(tmp_path: Path) -> None:
    folder = filed(tmp_path, [*START, begun("1"), ended("1", Result.IN_DOUBT), finished(Result.IN_DOUBT)])
    (run,) = unfinished_runs(tmp_path)
    assert (run.cause, run.begun) == ("in_doubt", ("1",))
    filed(tmp_path, [finished(Result.ROLLED_BACK)], "settled.jsonl")
    assert unfinished_runs(tmp_path) == ()
    assert not is_unfinished(folder)


def test_what_was_settled_of_another_run_of_the_session_does_not_count(tmp_path: Path) -> None:
    filed(tmp_path, START)
    filed(tmp_path, [replace(finished(Result.ROLLED_BACK), run="another")], "settled.jsonl")
    assert len(unfinished_runs(tmp_path)) == 1


def test_an_end_that_something_else_was_said_after_is_an_end(tmp_path: Path) -> None:
    filed(tmp_path, [*START, finished(Result.STOPPED), begun("9")])
    assert unfinished_runs(tmp_path) == ()


def test_a_file_that_is_still_written_is_left_alone(tmp_path: Path) -> None:
    folder = filed(tmp_path, START)
    journal = Journal(folder / "run-1.jsonl", again=True)
    assert unfinished_runs(tmp_path) == ()
    journal.close()
    assert len(unfinished_runs(tmp_path)) == 1


def test_a_file_without_a_beginning_is_no_run(tmp_path: Path) -> None:
    filed(tmp_path, [])
    assert unfinished_runs(tmp_path) == ()
    assert unfinished_runs(tmp_path / "nothing here") == ()


@pytest.mark.parametrize(
    ("events", "rows", "result", "verdict"),
    [
        ([], [], Result.STOPPED, ((), (), ())),
        ([begun("1")], [], Result.ROLLED_BACK, ((), ("1",), ())),
        ([begun("1")], [row("1")], Result.STOPPED, (("1",), (), ())),
        ([begun("1"), applied("1"), begun("2")], [row("1")], Result.ROLLED_BACK, ((), ("2",), ())),
        # the host went down with the last lines of the log
        ([], [row("1"), row("2"), row("3")], Result.APPLIED, (("1", "2", "3"), (), ())),
        ([begun("1"), applied("1")], [row("1"), row("2"), row("3")], Result.APPLIED, (("2", "3"), (), ())),
        # a failure that was recorded in a transaction of its own
        ([begun("1")], [row("1", "failed", committed=False)], Result.ROLLED_BACK, ((), ("1",), ())),
        ([begun("1"), ended("1", Result.ROLLED_BACK)], [], Result.ROLLED_BACK, ((), (), ())),
        ([begun("1"), ended("1", Result.PARTIAL)], [], Result.PARTIAL, ((), (), ())),
    ],
)
def test_the_rows_decide(
    events: list[Event], rows: list[dict[str, Any]], result: Result, verdict: tuple[tuple[str, ...], ...]
) -> None:
    found = judge(run_of([*START, *events]), rows)
    assert (found.applied, found.not_applied, tuple(found.partial)) == verdict
    assert found.result is result


_STEPS = '[{"number": 1, "state": "done"}, {"number": 2, "state": "running"}, {"number": 3, "state": "waiting"}]'


def test_steps_outside_a_transaction_are_told_one_by_one() -> None:
    rows = [
        row("1", "running", committed=False, steps='[{"number": 1, "state": "running"}]'),
        row("1", "running", committed=False, steps=_STEPS),
    ]
    found = judge(run_of([*START, begun("1")]), rows)
    assert found.partial == {"1": ("statement 1 is done", "statement 2 was under way: look what it left")}
    assert found.result is Result.PARTIAL
    assert judge(run_of([*START, begun("1")]), [*rows, row("1")]).applied == ("1",)


def test_a_revert_that_was_done_is_called_reverted() -> None:
    start = [START[0], PlanConfirmed(digest="d", server=SERVER, migrations=(brief("1", entry="revert"),))]
    assert judge(run_of([*start, begun("1")]), [row("1", "reverted")]).result is Result.REVERTED


@pytest.mark.parametrize(
    ("here", "same"),
    [
        (SERVER, True),
        (replace(SERVER, database="other"), False),
        (replace(SERVER, system_identifier="78"), False),
        # a copy of the cluster at another address, where what was applied to the original is not there
        (replace(SERVER, host="copy"), False),
        (replace(SERVER, host="copy", system_identifier=""), False),
        (replace(SERVER, timeline=2), True),
        (replace(SERVER, user="another"), True),
    ],
)
def test_a_run_is_settled_where_it_was_and_not_on_a_copy(here: ServerFacts, same: bool) -> None:
    assert is_here(run_of(START), here, elsewhere=False) is same


def test_a_promoted_standby_is_asked_on_the_operators_word_only() -> None:
    promoted = replace(SERVER, host="standby", timeline=2)
    assert is_here(run_of(START), promoted, elsewhere=True)
    assert not is_here(run_of(START), replace(promoted, system_identifier="78"), elsewhere=True)


def test_two_ways_to_the_same_machine_are_one_place() -> None:
    run = run_of([START[0], PlanConfirmed(digest="d", server=replace(SERVER, host="/tmp"), migrations=(brief("1"),))])
    assert is_here(run, replace(SERVER, host="127.0.0.1", port=6432), elsewhere=False)
    run = run_of([START[0], PlanConfirmed(digest="d", server=replace(SERVER, address="10.0.0.1:5432"), migrations=())])
    assert is_here(run, replace(SERVER, host="10.0.0.1", address="10.0.0.1:5432"), elsewhere=False)


def test_a_doubt_is_exit_8_with_what_to_do() -> None:
    refuse_in_doubt(Recovery())
    doubt = InDoubt(session="s", run="r", versions=("2",), reason="its backend 9 is still connected")
    with pytest.raises(NeedsAttention, match=r"session s, migration 2.*backend 9") as caught:
        refuse_in_doubt(Recovery(in_doubt=(doubt,)))
    assert "changeover repair" in caught.value.advice
