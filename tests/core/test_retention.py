"""Which session logs are removed, and which never are."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from changeover.core.codec import event_line
from changeover.core.events import Event, Result, RunFinished, RunStarted, SessionOpened
from changeover.core.journal import Journal
from changeover.core.retention import KeptSession, prune, prune_now_and_then, superfluous
from changeover.core.session_log import SessionLog, who
from changeover.core.settings import Retention
from changeover.core.view import Stamped

DAY = 86400.0
NOW = 1_000_000_000.0
ALL = Retention(days=100_000, sessions=1000, megabytes=1000)


def kept(number: int, *, days: float = 0, target: str = "one", size: int = 10, ran: bool = False) -> KeptSession:
    """A session; the numbers of a list go from the newest to the oldest."""
    return KeptSession(id=f"s{number}", folder=Path("x"), opened_at=NOW - days * DAY, target=target, size=size, ran=ran)


def removed(sessions: list[KeptSession], retention: Retention) -> list[str]:
    return [removal.session.id for removal in superfluous(sessions, retention, now=NOW)]


def test_what_is_too_old_goes_oldest_first() -> None:
    sessions = [kept(1), kept(2, days=179), kept(3, days=181), kept(4, days=400)]
    assert removed(sessions, Retention(days=180)) == ["s4", "s3"]


def test_what_is_too_many_goes() -> None:
    assert removed([kept(n) for n in range(1, 6)], Retention(sessions=3)) == ["s5", "s4"]


def test_who_only_looks_pushes_out_no_record_of_a_run() -> None:
    looked = [kept(n) for n in range(1, 6)]
    ran = [kept(n, ran=True) for n in range(6, 9)]
    assert removed([*looked, *ran], Retention(sessions=3)) == ["s5", "s4", "s3", "s2", "s1"]
    assert removed([*looked, *ran], Retention(sessions=2)) == ["s8", "s5", "s4", "s3", "s2", "s1"]


def test_what_is_too_large_together_goes() -> None:
    sessions = [kept(n, size=400_000) for n in range(1, 6)]
    assert removed(sessions, Retention(megabytes=1)) == ["s5", "s4", "s3"]


def test_the_last_session_of_a_database_stays_however_old() -> None:
    sessions = [kept(1), kept(2, days=500, target="two"), kept(3, days=600, target="two")]
    assert removed(sessions, Retention(days=1, sessions=1, megabytes=0)) == ["s3"]


def test_the_last_session_with_a_run_stays_rather_than_the_last_look() -> None:
    sessions = [kept(1, days=200), kept(2, days=300, ran=True), kept(3, days=400, ran=True)]
    assert removed(sessions, Retention(days=180)) == ["s3", "s1"]


def a_session(root: Path, *, days: float, run: list[Event] | None = None, target: str = "me@db:5432/shop") -> Path:
    """Write a session of some days ago; what ran in it are these events."""
    number = sum(1 for _ in root.iterdir()) if root.exists() else 0
    folder = root / f"20200101T000000Z-shop-{number:04x}"
    folder.mkdir(parents=True)
    opened = SessionOpened(session=folder.name, who=who(), changeover="0", command="test", target=target)
    files: dict[str, list[Event]] = {"console.jsonl": [opened]}
    if run is not None:
        files["run-1.jsonl"] = run
    for name, events in files.items():
        lines = [event_line(Stamped(seq=n, at=time.time() - days * DAY, event=it)) for n, it in enumerate(events, 1)]
        (folder / name).write_bytes(b"".join(lines))
    return folder


STARTED = RunStarted(run="r", digest="d", by="me", how="--yes", pid=1, on_hangup="finish")


def finished(result: Result) -> RunFinished:
    return RunFinished(run="r", result=result, exit_code=0, applied=0, elapsed=1.0, fault=None)


def test_folders_are_removed_and_a_dry_run_removes_none(tmp_path: Path) -> None:
    old, new = a_session(tmp_path, days=200), a_session(tmp_path, days=1)
    assert [it.session.folder for it in prune(Retention(), root=tmp_path, dry_run=True)] == [old]
    assert old.is_dir()
    assert [it.session.folder for it in prune(Retention(), root=tmp_path)] == [old]
    assert (old.exists(), new.is_dir()) == (False, True)


@pytest.mark.parametrize("run", [[STARTED], [STARTED, finished(Result.IN_DOUBT)]])
def test_a_session_in_doubt_is_never_removed(tmp_path: Path, run: list[Event]) -> None:
    doubtful = a_session(tmp_path, days=500, run=run)
    a_session(tmp_path, days=1, run=[STARTED, finished(Result.APPLIED)])
    assert prune(Retention(), root=tmp_path) == ()
    settled = [event_line(Stamped(seq=1, at=time.time(), event=finished(Result.ROLLED_BACK)))]
    (doubtful / "settled.jsonl").write_bytes(b"".join(settled))
    assert [it.session.folder for it in prune(Retention(), root=tmp_path)] == [doubtful]


def test_a_session_that_somebody_writes_is_never_removed(tmp_path: Path) -> None:
    running = a_session(tmp_path, days=500)
    a_session(tmp_path, days=1)
    journal = Journal(running / "console.jsonl", again=True)
    assert prune(Retention(), root=tmp_path) == ()
    journal.close()
    assert [it.session.folder for it in prune(Retention(), root=tmp_path)] == [running]


def test_what_is_no_session_is_not_touched(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    root = tmp_path / "log"
    a_session(root, days=1)
    (root / "notes").mkdir()
    (root / "20200101T000000Z-shop-ffff").symlink_to(elsewhere)
    assert prune(Retention(days=0, sessions=1, megabytes=0), root=root) == ()
    assert elsewhere.is_dir()
    assert (root / "notes").is_dir()


def test_pruning_by_itself_happens_now_and_then(tmp_path: Path) -> None:
    a_session(tmp_path, days=1)
    first = a_session(tmp_path, days=200)
    prune_now_and_then(Retention(), root=tmp_path)
    second = a_session(tmp_path, days=200)
    prune_now_and_then(Retention(), root=tmp_path)
    assert (first.exists(), second.exists()) == (False, True)
    os.utime(tmp_path / ".pruned", (0, 0))
    prune_now_and_then(Retention(), root=tmp_path)
    assert not second.exists()


def test_the_name_of_a_session_fits_into_the_name_of_its_connections(tmp_path: Path) -> None:
    label = "a-label-that-is-much-longer-than-it-should-be"
    log = SessionLog.open(command="test", target="t", label=label, root=tmp_path)
    log.close(0)
    assert len(f"changeover migration {log.id}") <= 63
