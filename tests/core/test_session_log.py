"""The session log: private, whole, readable while it is written and after its writer was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from changeover.core.codec import MalformedLine, event_line, event_of
from changeover.core.errors import Fault, UsageError
from changeover.core.events import Approved, AttemptFailed, Connected, NoticeRaised, Result, RunFinished, SessionOpened
from changeover.core.journal import Journal, is_written, read_file
from changeover.core.secret import Secret
from changeover.core.session_log import SessionLog, files_of, is_open, list_sessions, newest_first, read_session
from changeover.core.view import Stamped
from tests.core.test_view import SERVER


def opened(root: Path) -> SessionLog:
    return SessionLog.open(command="changeover check", target="me@db:5432/shop", label="Shop / main", root=root)


async def test_a_session_is_read_back_as_it_was_recorded(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.record(Approved(digest="d", by="me", how="--yes"))
    assert await log.seal()
    log.close(0)
    events = [stamped.event for stamped in read_session(log.id, tmp_path)]
    assert isinstance(events[0], SessionOpened)
    assert events[0].target == "me@db:5432/shop"
    assert events[1] == Approved(digest="d", by="me", how="--yes")
    assert len(events) == 3


async def test_folder_and_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        log = opened(tmp_path / "made" / "here")
    finally:
        os.umask(before)
    log.close(0)
    assert log.folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in log.folder.iterdir()} == {0o600}


async def test_files_of_one_session_are_merged_by_time(tmp_path: Path) -> None:
    log = opened(tmp_path)
    run = Journal(log.folder / f"{log.next_run()}.jsonl")
    run.record(NoticeRaised(version="1", number=1, severity="NOTICE", sqlstate="00000", message="from the run"))
    await run.flush()
    log.record(Approved(digest="d", by="me", how="--yes"))
    run.record(RunFinished(run="r", result=Result.APPLIED, exit_code=0, applied=1, elapsed=1.0, fault=None))
    run.close()
    log.close(0)
    kinds = [type(stamped.event).__name__ for stamped in read_session(log.id, tmp_path)]
    assert kinds == ["SessionOpened", "NoticeRaised", "Approved", "RunFinished", "SessionClosed"]
    assert list_sessions(tmp_path)[0].result == "applied"


async def test_the_list_tells_who_ended_and_who_still_runs(tmp_path: Path) -> None:
    first, second = opened(tmp_path), opened(tmp_path)
    first.close(4, "refused")
    summaries = {summary.id: summary for summary in list_sessions(tmp_path)}
    assert (summaries[first.id].exit_code, summaries[first.id].running) == (4, False)
    assert (summaries[second.id].exit_code, summaries[second.id].running) == (None, True)
    second.close(0)


async def test_the_list_tells_a_run_that_goes_on_from_a_console_that_is_open(tmp_path: Path) -> None:
    log = opened(tmp_path)
    assert await log.seal()
    assert [(it.running, it.run_goes_on) for it in list_sessions(tmp_path)] == [(True, False)]
    assert is_open(log.id, tmp_path)
    run = Journal(log.folder / f"{log.next_run()}.jsonl")
    assert [(it.running, it.run_goes_on) for it in list_sessions(tmp_path)] == [(True, True)]
    run.close()
    log.close(0)
    assert not is_open(log.id, tmp_path)


async def test_the_list_reads_a_long_log_only_at_its_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = opened(tmp_path)
    run = Journal(log.folder / f"{log.next_run()}.jsonl")
    for number in range(5000):
        run.record(NoticeRaised(version="1", number=number, severity="NOTICE", sqlstate="00000", message="x"))
    run.record(RunFinished(run="r", result=Result.APPLIED, exit_code=0, applied=1, elapsed=1.0, fault=None))
    run.close()
    log.close(0)
    parsed: list[bytes] = []

    def counted(line: bytes) -> Stamped:
        parsed.append(line)
        return event_of(line)

    monkeypatch.setattr("changeover.core.journal.event_of", counted)
    (summary,) = list_sessions(tmp_path)
    assert (summary.result, summary.exit_code, summary.running) == ("applied", 0, False)
    assert len(parsed) < 10


async def test_of_many_sessions_only_the_newest_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for day in range(1, 6):
        log = opened(tmp_path)
        log.close(0)
        log.folder.rename(tmp_path / f"202601{day:02}T000000Z-shop-0000")
    read: list[str] = []

    def seen(folder: Path) -> list[Path]:
        read.append(folder.name)
        return files_of(folder)

    monkeypatch.setattr("changeover.core.session_log.files_of", seen)
    assert [it.id[:8] for it in list_sessions(tmp_path, newest=2)] == ["20260105", "20260104"]
    assert len(read) == 2


async def test_of_sessions_of_one_second_the_one_that_was_written_last_is_the_newest(tmp_path: Path) -> None:
    """Their names differ in letters that mean nothing; and of a long list only the newest are read."""
    for name, written in (("0000-shop-ffff", 1), ("0000-shop-0000", 3), ("0000-apply-7777", 2), ("0001-a-0000", 0)):
        log = opened(tmp_path)
        log.close(0)
        folder = log.folder.rename(tmp_path / f"20260101T00{name.replace('-', 'Z-', 1)}")
        os.utime(folder / "console.jsonl", (written, written))
    told = [it.id[11:] for it in list_sessions(tmp_path)]
    assert told == ["0001Z-a-0000", "0000Z-shop-0000", "0000Z-apply-7777", "0000Z-shop-ffff"]
    assert [it.id[11:] for it in list_sessions(tmp_path, newest=2)] == told[:2]
    assert [it.parent.name[11:] for it in newest_first(tmp_path.glob("*/*.jsonl"))] == told


async def test_the_end_that_came_last_counts(tmp_path: Path) -> None:
    log = opened(tmp_path)
    for name, result, code in (("run-1", Result.IN_DOUBT, 8), ("settled", Result.APPLIED, 0)):
        file = Journal(log.folder / f"{name}.jsonl")
        file.record(RunFinished(run="r", result=result, exit_code=code, applied=1, elapsed=1.0, fault=None))
        file.close()
    log.close(8)
    (summary,) = list_sessions(tmp_path)
    assert (summary.result, summary.exit_code) == ("applied", 0)


async def test_a_sitting_that_leaves_a_case_open_says_so_whatever_its_run_came_to(tmp_path: Path) -> None:
    log = opened(tmp_path)
    file = Journal(log.folder / "run-1.jsonl")
    file.record(RunFinished(run="r", result=Result.REPAIRED, exit_code=0, applied=0, elapsed=1.0, fault=None))
    file.close()
    log.close(8)
    (summary,) = list_sessions(tmp_path)
    assert (summary.result, summary.exit_code) == ("repaired", 8)


async def test_the_target_of_a_sitting_is_the_database_that_it_came_to(tmp_path: Path) -> None:
    log = SessionLog.open(command="changeover", target="no target yet", root=tmp_path)
    assert await log.seal()
    assert [it.target for it in list_sessions(tmp_path)] == ["no target yet"]
    for number, host in enumerate(("db.example.org", "::1"), start=1):
        server = replace(SERVER, user="ada", host=host, port=5433, database="shop")
        log.record(Connected(purpose="look", attempts=number, elapsed=0.1, server=server))
    log.close(0)
    assert [it.target for it in list_sessions(tmp_path)] == ["ada@[::1]:5433/shop"]


async def test_a_line_cut_off_by_a_kill_loses_only_itself(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.close(0)
    file = log.folder / "console.jsonl"
    file.write_bytes(file.read_bytes() + b'{"seq":3,"at":1.0,"event":"Appro')
    assert len(list(read_file(file))) == 2


async def test_a_foreign_line_is_passed_over(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.close(0)
    file = log.folder / "console.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0] + b'["not an event"]\n' + b'{"event":"Unheard","seq":1,"at":1}\n' + lines[1])
    assert len(list(read_file(file))) == 2


def test_a_killed_writer_is_seen_to_be_gone(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from changeover.core.journal import Journal\n"
        "Journal(Path(sys.argv[1])); print('here', flush=True); time.sleep(60)"
    )
    path = tmp_path / "run-1.jsonl"
    writer = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    writer.stdout.readline()
    assert is_written(path)
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    assert not is_written(path)


async def test_recording_goes_on_when_the_disk_is_full(tmp_path: Path) -> None:
    program = (
        "import asyncio, resource, sys; from pathlib import Path\n"
        "from changeover.core.journal import Journal; from changeover.core.events import Approved\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
        "async def main():\n"
        "    journal = Journal(Path(sys.argv[1]))\n"
        "    for n in range(100): journal.record(Approved(digest='x' * 100, by='me', how='--yes'))\n"
        "    print(await journal.seal(), journal.failure.strerror)\n"
        "    journal.close()\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "run-1.jsonl")], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("False File too large")
    assert len(list(read_file(tmp_path / "run-1.jsonl"))) > 5


def test_a_log_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError) as caught:
        opened(tmp_path / "file" / "log")
    assert "CHANGEOVER_HOME" in caught.value.advice


@pytest.mark.parametrize("name", ["../etc", "20260101T000000Z-x-0000", "", "/", "20260101T000000Z-../x-0000"])
def test_a_session_that_is_not_there_is_one_clear_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="no session"):
        read_session(name, tmp_path)


def test_a_secret_cannot_be_written_into_a_line() -> None:
    with pytest.raises(TypeError):
        event_line(Stamped(seq=1, at=1.0, event=Approved(digest=Secret("hunter2"), by="me", how="x")))  # type: ignore[arg-type]


def test_a_line_is_ascii_whatever_the_server_says() -> None:
    fault = Fault(id="x", summary="ünïcode \x1b[2J \u202e \n \ud800 end")
    stamped = Stamped(seq=1, at=1.0, event=AttemptFailed(number=1, of=1, fault=fault, elapsed=1.0, wait=None))
    line = event_line(stamped)
    assert line.count(b"\n") == 1
    assert all(32 <= byte < 127 for byte in line[:-1])
    assert event_of(line) == stamped


@pytest.mark.parametrize("line", [b"", b"x", b"[]", b"{}", b'{"event":"Approved","seq":"a","at":0}', b"\xff\xfe"])
def test_what_is_not_an_event_is_malformed(line: bytes) -> None:
    with pytest.raises(MalformedLine):
        event_of(line)


async def test_a_journal_goes_on_behind_a_line_that_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "settled.jsonl"
    first = Journal(path)
    first.record(Approved(digest="1", by="me", how="--yes"))
    first.close()
    path.write_bytes(path.read_bytes() + b'{"seq":2,"at":1.0,"event":"Appro')
    again = Journal(path, again=True)
    with pytest.raises(BlockingIOError):
        Journal(path, again=True)
    again.record(Approved(digest="2", by="me", how="--yes"))
    again.close()
    assert [(it.seq, it.event.digest) for it, _ in read_file(path) if isinstance(it.event, Approved)] == [
        (1, "1"),
        (2, "2"),
    ]


async def test_a_clock_that_is_set_back_does_not_mix_up_what_one_process_said(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.close(0)
    for name, times in (("run-1", (100.0, 200.0, 50.0, 60.0)), ("run-2", (150.0, 250.0))):
        lines = [
            event_line(Stamped(seq=seq, at=at, event=Approved(digest=f"{name} {seq}", by="me", how="x")))
            for seq, at in enumerate(times, 1)
        ]
        (log.folder / f"{name}.jsonl").write_bytes(b"".join(lines))
    said = [it.event.digest for it in read_session(log.id, tmp_path) if isinstance(it.event, Approved)]
    assert said == ["run-1 1", "run-2 1", "run-1 2", "run-1 3", "run-1 4", "run-2 2"]


async def test_an_event_that_cannot_be_written_fails_the_log_and_not_the_caller(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "run-1.jsonl")
    journal.record(Approved(digest=Secret("hunter2"), by="me", how="x"))  # type: ignore[arg-type]
    journal.record(Approved(digest="d", by="me", how="x"))
    assert not await journal.seal()
    journal.close()
    assert journal.failure is not None
    assert len(list(read_file(journal.path))) == 1
    assert b"hunter2" not in journal.path.read_bytes()
