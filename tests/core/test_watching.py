"""What the watch makes of what it sees: progress, stalls, and who may be ended. No server."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from changeover.core.blockers import EndPolicy, EndWish, how_to_end, why_not
from changeover.core.events import Backend, Stalled
from changeover.core.progress import read
from changeover.core.stalls import Stalls


@pytest.mark.parametrize(
    ("view", "row", "phase", "share", "counted"),
    [
        (
            "create_index",
            {"command": "CREATE INDEX", "phase": "building index: scanning table", "blocks_done": 1, "blocks_total": 4},
            "building index: scanning table",
            0.25,
            "blocks 1 of 4",
        ),
        (
            "create_index",
            {
                "command": "CREATE INDEX",
                "phase": "building index: loading tuples in tree",
                "blocks_done": 4,
                "blocks_total": 4,
                "tuples_done": 1500,
                "tuples_total": 3000,
                "partitions_total": 3,
                "partitions_done": 1,
            },
            "building index: loading tuples in tree",
            0.5,
            "rows 1,500 of 3,000, partitions 1 of 3",
        ),
        (
            "create_index",
            {"phase": "waiting for old snapshots", "lockers_done": 1, "lockers_total": 2, "current_locker_pid": 77},
            "waiting for old snapshots",
            0.5,
            "lockers 1 of 2, now for pid 77",
        ),
        ("create_index", {"phase": "initializing", "blocks_done": 0, "blocks_total": 0}, "initializing", None, ""),
        (
            "cluster",
            {"command": "VACUUM FULL", "phase": "seq scanning heap", "heap_blks_scanned": 1, "heap_blks_total": 2},
            "seq scanning heap",
            0.5,
            "blocks 1 of 2",
        ),
        (
            "cluster",
            {"phase": "rebuilding index", "index_rebuild_count": 2},
            "rebuilding index",
            None,
            "2 indexes rebuilt",
        ),
        ("vacuum", {"phase": "vacuuming indexes"}, "vacuuming indexes", None, ""),
        (
            "vacuum",
            {"phase": "vacuuming indexes", "indexes_processed": 1, "indexes_total": 4},
            "vacuuming indexes",
            0.25,
            "indexes 1 of 4",
        ),
        (
            "analyze",
            {"phase": "acquiring sample rows", "sample_blks_scanned": 9, "sample_blks_total": 3},
            "acquiring sample rows",
            1.0,
            "blocks 9 of 3",
        ),
        ("copy", {"bytes_processed": 5, "bytes_total": 0, "tuples_processed": 12}, "copying", None, "12 rows"),
        ("copy", {"command": "COPY FROM", "bytes_processed": 5, "bytes_total": 10}, "copying", 0.5, "bytes 5 of 10"),
    ],
)
def test_a_share_is_given_only_where_the_server_counts(
    view: str, row: dict[str, Any], phase: str, share: float | None, counted: str
) -> None:
    seen = read(view, row)
    assert (seen.phase, seen.share, seen.counted) == (phase, share, counted)


def waiter(pid: int, *, start: str | None, waiting: float | None, client: bool = True) -> dict[str, Any]:
    return {"pid": pid, "wait_start": start, "waiting": waiting, "is_client": client}


def test_a_wait_is_as_long_as_the_server_says_and_goes_on_to_our_end() -> None:
    stalls = Stalls()
    stalls.look([waiter(1, start="a", waiting=0.5), waiter(2, start="b", waiting=0.25)], 10.0)
    stalls.look([waiter(1, start="a", waiting=1.0)], 10.5)
    stalls.end(10.75)
    assert stalls.told == Stalled(sessions=2, longest=1.25, total=1.5)


def test_a_session_that_waits_twice_is_one_session_with_two_waits() -> None:
    stalls = Stalls()
    stalls.look([waiter(1, start="a", waiting=1.0)], 10.0)
    stalls.look([], 10.5)
    stalls.look([waiter(1, start="b", waiting=2.0)], 20.0)
    stalls.end(20.0)
    assert stalls.told == Stalled(sessions=1, longest=2.0, total=3.0)


def test_before_postgresql_14_a_wait_is_measured_from_look_to_look() -> None:
    stalls = Stalls()
    stalls.look([waiter(1, start=None, waiting=None)], 10.0)
    stalls.look([waiter(1, start=None, waiting=None)], 11.0)
    stalls.end(11.5)
    assert stalls.told == Stalled(sessions=1, longest=1.5, total=1.5)


def test_workers_of_the_server_are_no_application_sessions() -> None:
    stalls = Stalls()
    stalls.look([waiter(1, start="a", waiting=9.0, client=False)], 10.0)
    stalls.end(11.0)
    assert stalls.told == Stalled()


def test_the_waits_of_all_attempts_come_together() -> None:
    whole = Stalls()
    for n in (1, 2):
        attempt = Stalls()
        attempt.look([waiter(7, start=str(n), waiting=float(n))], 10.0)
        attempt.end(10.0)
        whole.add(attempt)
    assert whole.told == Stalled(sessions=1, longest=2.0, total=3.0)


ORDINARY = {
    "pid": 7,
    "application": "shop-web",
    "kind": "client backend",
    "superuser": False,
    "visible": True,
    "may_signal": True,
    "prevents_wraparound": False,
}


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({}, ""),
        ({"pid": 0}, "prepared transaction"),
        ({"prevents_wraparound": True, "kind": "autovacuum worker"}, "never ended"),
        ({"application": "changeover migration 20261123T140327Z-x-7f3a"}, "a connection of changeover"),
        ({"superuser": True}, "superuser"),
        ({"visible": False, "kind": None}, "GRANT pg_monitor"),
        ({"kind": "walsender"}, "replication is never ended"),
        ({"kind": "autovacuum worker"}, "no application's connection"),
        ({"may_signal": False}, "GRANT pg_signal_backend"),
    ],
)
def test_only_an_ordinary_connection_may_be_ended(other: dict[str, Any], words: str) -> None:
    reason = why_not({**ORDINARY, **other})
    assert words in reason
    assert bool(reason) is bool(words)


BLOCKER = Backend(
    pid=7,
    user="app",
    application="shop-web",
    kind="client backend",
    state="active",
    xact_age=1.0,
    wait=None,
    query="SELECT 1",
    blocked_by=(),
    started="2026-11-23T14:03:27+00:00",
    endable=True,
)


def test_cancel_comes_before_terminate() -> None:
    policy = EndPolicy(allowed=True)
    started = BLOCKER.started or ""
    terminate = EndWish(pid=7, started=started, how="terminate", by="ada")
    assert policy.refusal(terminate, BLOCKER) == "cancel comes first, while it runs a statement"
    assert not policy.refusal(EndWish(pid=7, started=started, how="cancel", by="ada"), BLOCKER)
    policy.cancelled.add((7, started))
    assert not policy.refusal(terminate, BLOCKER)
    assert policy.refusal(EndWish(pid=7, started=started, how="kill", by="ada"), BLOCKER)


@pytest.mark.parametrize(
    ("state", "cancelled", "how"),
    [
        ("active", (), "cancel"),
        ("active", (7,), "terminate"),
        ("idle in transaction", (), "terminate"),
        ("idle in transaction (aborted)", (), "terminate"),
        (None, (), "cancel"),
    ],
)
def test_who_runs_nothing_that_a_cancel_would_end_is_terminated_at_once(
    state: str | None, cancelled: tuple[int, ...], how: str
) -> None:
    blocker = replace(BLOCKER, state=state)
    assert how_to_end(blocker, cancelled) == how
    wish = EndWish(pid=7, started=blocker.started or "", how=how, by="ada")
    policy = EndPolicy(allowed=True, cancelled={(pid, wish.started) for pid in cancelled})
    assert not policy.refusal(wish, blocker)


def test_another_backend_with_the_same_pid_is_left_alone() -> None:
    wish = EndWish(pid=7, started="2026-11-23T09:00:00+00:00", how="cancel", by="ada")
    assert EndPolicy(allowed=True).refusal(wish, BLOCKER) == "another backend has its pid now"
