"""`changeover attach` without a screen: the installed command, beside the run that another command started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from changeover.core.attach import running_runs
from changeover.core.events import RunStarted
from changeover.core.journal import read_file
from changeover.core.target import Target
from tests.servers import psql
from tests.tui.commandline import changeover, start


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "migrations").mkdir(parents=True)
    write(folder, "0001_x", "CREATE TABLE early (); SELECT pg_sleep(60);")
    return folder


def write(project: Path, name: str, sql: str) -> None:
    (project / "migrations" / f"{name}.sql").write_text(sql)


@contextmanager
def running(project: Path, target: Target, count: int = 1) -> Iterator[subprocess.Popen[str]]:
    """Start `apply`, and wait until its run goes on; it is stopped at the end where it has not ended."""
    process = start("apply", "--yes", target=target, cwd=project)
    try:
        for _ in range(300):
            if len(running_runs()) == count and psql(target, SLEEPING) != "0":
                break
            assert process.poll() is None, process.communicate()
            time.sleep(0.1)
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


SLEEPING = (
    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND state = 'active' "
    "AND datname = current_database() AND pid <> pg_backend_pid()"
)


def test_attached_without_a_name_ctrl_c_stops_the_run(project: Path, database: Target) -> None:
    with running(project, database) as applying:
        viewer = start("attach", cwd=project)
        time.sleep(2)
        viewer.send_signal(signal.SIGINT)
        out, err = viewer.communicate(timeout=30)
        assert applying.wait(30) == 7
    assert viewer.returncode == 7
    assert "RECEIPT  stopped" in out
    for said in ("attached to session", "run key taken", "0001 started", "Stopping: what is in hand", "stop confirmed"):
        assert said in err
    assert psql(database, "SELECT to_regclass('early')") == ""


def test_two_viewers_see_the_run_to_its_end(project: Path, database: Target) -> None:
    write(project, "0001_x", "SELECT pg_sleep(4);")
    with running(project, database) as applying:
        session = running_runs()[0].session
        viewers = [start("attach", session, cwd=project), start("attach", "--json", cwd=project)]
        said = [viewer.communicate(timeout=30) for viewer in viewers]
        assert applying.wait(30) == 0
    assert [viewer.returncode for viewer in viewers] == [0, 0]
    assert "RECEIPT  applied" in said[0][0]
    assert "0001 applied" in said[0][1]
    document = json.loads(said[1][0])
    assert (document["outcome"], document["session"], document["exit_code"]) == ("applied", session, 0)
    assert document["migrations"][0]["stalled"]["sessions"] == 0


def test_of_a_run_that_is_over_the_receipt_is_shown(project: Path, database: Target) -> None:
    write(project, "0001_x", "SELECT 1/0;")
    assert changeover("apply", "--yes", target=database, cwd=project).code == 6
    session = changeover("logs", cwd=project).out.splitlines()[1].split()[0]
    done = changeover("attach", session, cwd=project)
    assert done.code == 6
    assert "this run is over" in done.err
    assert "RECEIPT  rolled back" in done.out
    assert "division by zero" in done.out


def test_without_a_run_it_says_so(project: Path, database: Target) -> None:
    done = changeover("attach", cwd=project)
    assert (done.code, "No run of yours is going on." in done.err) == (2, True)
    done = changeover("attach", "20261123T140327Z-orders-7f3a", cwd=project)
    assert (done.code, "There is no session" in done.err) == (2, True)
    changeover("status", target=database, cwd=project)
    session = changeover("logs", cwd=project).out.splitlines()[1].split()[0]
    done = changeover("attach", session, cwd=project)
    assert (done.code, "has no run" in done.err) == (2, True)


def test_of_several_runs_one_has_to_be_named(project: Path, database: Target, tmp_path: Path) -> None:
    psql(database, "CREATE DATABASE second_of_them")
    second = replace(database, database="second_of_them")
    try:
        with running(project, database), running(project, second, count=2):
            done = changeover("attach", cwd=project)
            assert (done.code, "2 runs are going on." in done.err) == (2, True)
            assert all(run.session in done.err for run in running_runs())
    finally:
        psql(database, "DROP DATABASE second_of_them WITH (FORCE)")


def test_a_killed_runner_is_told_and_needs_attention(project: Path, database: Target) -> None:
    with running(project, database) as applying:
        viewer = start("attach", cwd=project)
        time.sleep(1.5)
        os.kill(_runner_of(running_runs()[0].folder), signal.SIGKILL)
        _, err = viewer.communicate(timeout=30)
        applying.wait(30)
    assert viewer.returncode == 8
    assert "The runner ended without a word." in err


def _runner_of(folder: Path) -> int:
    events = [it.event for it, _ in read_file(folder / "run-1.jsonl")]
    return next(event.pid for event in events if isinstance(event, RunStarted))


# -- another user ----------------------------------------------------------------------------------

_NOBODY = 65534
# What a stranger who reaches the socket gets, and whether its command is taken.
_STRANGER = """
import socket, sys
link = socket.socket(socket.AF_UNIX)
link.settimeout(10)
try:
    link.connect(sys.argv[1])
    link.sendall(b'{"command":"follow","after":0}\\n{"command":"stop","when":"now","by":"mallory"}\\n')
    print(len(link.recv(65536)))
except OSError as error:
    print(type(error).__name__)
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def as_nobody(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd="/",
        env={"PATH": os.defpath, "HOME": "/nonexistent", "CHANGEOVER_HOME": os.environ["CHANGEOVER_HOME"]},
    )


@contextmanager
def reachable(folder: Path) -> Iterator[Path]:
    """A short way to a folder: the path of a socket may have about 100 bytes."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="co-") as short:
        Path(short).chmod(0o755)
        (Path(short) / "s").symlink_to(folder)
        yield Path(short) / "s"


@needs_root
def test_another_user_cannot_reach_a_run(project: Path, database: Target) -> None:
    with running(project, database) as applying:
        run = running_runs()[0]
        assert run.folder.stat().st_mode & 0o777 == 0o700
        assert (run.folder / "run-1.sock").stat().st_mode & 0o777 == 0o600
        with reachable(run.folder) as way:
            reached = as_nobody(sys.executable, "-c", _STRANGER, str(way / "run-1.sock"))
        assert reached.stdout.strip() == "PermissionError", reached
        assert applying.poll() is None


@needs_root
def test_another_user_who_gets_to_the_socket_is_turned_away(project: Path, database: Target) -> None:
    """The peer's credentials stand behind the modes: here every door is opened, and the command is still not taken."""
    with running(project, database) as applying:
        run = running_runs()[0]
        opened = [run.folder, *run.folder.parents]
        before = {folder: folder.stat().st_mode & 0o7777 for folder in opened}
        try:
            for folder in opened:
                folder.chmod(before[folder] | 0o055)
            (run.folder / "run-1.sock").chmod(0o777)
            with reachable(run.folder) as way:
                reached = as_nobody(sys.executable, "-c", _STRANGER, str(way / "run-1.sock"))
        finally:
            for folder in opened:
                folder.chmod(before[folder])
        assert reached.stdout.strip() in {"0", "ConnectionResetError", "BrokenPipeError"}, reached
        time.sleep(0.5)
        assert applying.poll() is None
        assert "mallory" not in (run.folder / "run-1.jsonl").read_text()


@needs_root
def test_attaching_as_another_user_ends_in_a_message(project: Path, database: Target) -> None:
    command = Path(sys.executable).with_name("changeover")
    with running(project, database):
        session = running_runs()[0].session
        done = as_nobody(str(command), "attach", session)
        assert done.returncode == 2, done.stderr
        assert "There is no session" in done.stderr
        assert as_nobody(str(command), "attach").returncode == 2
