"""The installed command after a runner was killed: it says what became of the run, and the log says it too."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from pathlib import Path

from changeover.core.session_log import list_sessions, read_session
from changeover.core.target import Target
from tests.servers import psql
from tests.tui.commandline import COMMAND, changeover, environment, start


def write(folder: Path, **files: str) -> None:
    (folder / "migrations").mkdir(exist_ok=True)
    for name, sql in files.items():
        (folder / "migrations" / f"{name.removeprefix('_')}.sql").write_text(sql)


def until(process: subprocess.Popen[str], words: str) -> None:
    assert process.stderr is not None
    assert any(words in text for text in process.stderr), f"it never said {words!r}"


def kill_runner(home: Path) -> str:
    """Kill the runner of the only run there is; return its session."""
    (file,) = (home / "log").glob("*/run-1.jsonl")
    first = json.loads(file.read_bytes().splitlines()[0])
    os.kill(first["pid"], signal.SIGKILL)
    return file.parent.name


def test_who_followed_the_run_is_told_at_once_what_became_of_it(database: Target, tmp_path: Path, home: Path) -> None:
    write(tmp_path, _0001_a="CREATE TABLE a ();", _0002_b="CREATE TABLE b (); SELECT pg_sleep(60);")
    process = start("apply", "--yes", target=database, cwd=tmp_path)
    until(process, "0002 2/2")
    session = kill_runner(home)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 6, out + err
    assert f"session {session}, left by a killed runner: 0002 was not applied" in err
    assert "RECEIPT  rolled back" in out
    assert psql(database, "SELECT to_regclass('a'), to_regclass('b')") == "a|"


def test_the_next_command_says_what_a_killed_runner_left(database: Target, tmp_path: Path, home: Path) -> None:
    write(tmp_path, _0001_a="CREATE TABLE a ();", _0002_b="CREATE TABLE b (); SELECT pg_sleep(60);")
    process = start("apply", "--yes", target=database, cwd=tmp_path)
    until(process, "0002 2/2")
    process.kill()
    process.communicate(timeout=20)
    session = kill_runner(home)
    said = changeover("status", target=database, cwd=tmp_path)
    assert said.code == 0
    assert f"session {session}, left by a killed runner: 0002 was not applied" in said.err
    shown = changeover("logs", "show", session, cwd=tmp_path).out
    assert "RECEIPT  rolled back" in shown
    assert "The runner was killed" in shown
    assert session not in changeover("status", target=database, cwd=tmp_path).err
    assert read_session(list_sessions()[1].id)


def test_a_finding_of_the_post_checks_is_in_the_receipt_and_in_the_document(database: Target, tmp_path: Path) -> None:
    psql(database, "CREATE TABLE t (n int)")
    write(tmp_path, _0001_a="ALTER TABLE t ADD CONSTRAINT c CHECK (n < 9) NOT VALID;")
    done = changeover("apply", "--yes", "--allow", "all", target=database, cwd=tmp_path)
    assert done.code == 0, done.err
    assert "Post-checks:" in done.out
    assert "constraint c on public.t is not valid: NOT VALID" in done.out
    write(tmp_path, _0002_b="ALTER TABLE t ADD CONSTRAINT d CHECK (n < 9) NOT VALID;")
    document = changeover("apply", "--yes", "--allow", "all", "--json", target=database, cwd=tmp_path).document
    assert [finding["object"] for finding in document["post_checks"]] == ["constraint d on public.t"]


def test_old_sessions_are_pruned_on_demand(database: Target, tmp_path: Path, home: Path) -> None:
    write(tmp_path, _0001_a="CREATE TABLE a ();")
    for _ in range(3):
        assert changeover("status", target=database, cwd=tmp_path).code == 0
    dry = changeover("logs", "prune", "--keep", "1", "--dry-run", "--json", cwd=tmp_path).document
    assert (dry["dry_run"], len(dry["removed"])) == (True, 2)
    assert len(list_sessions()) == 3
    done = changeover("logs", "prune", "--keep", "1", cwd=tmp_path)
    assert (done.code, "2 sessions removed" in done.out) == (0, True)
    assert len(list_sessions()) == 1
    assert changeover("logs", "prune", "--keep", "0", cwd=tmp_path).code == 2


def test_sigterm_at_a_question_closes_the_session(database: Target, tmp_path: Path) -> None:
    write(tmp_path, _0001_a="CREATE TABLE a ();")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, "apply"], cwd=tmp_path, env=environment(database), stdin=theirs, stdout=subprocess.PIPE, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    while b"[y/N]" not in shown:
        shown += os.read(ours, 4096)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    os.close(ours)
    assert process.returncode == 7
    assert [(it.exit_code, it.running) for it in list_sessions()] == [(7, False)]
    assert psql(database, "SELECT to_regclass('a')") == ""
