"""A run over a real SSH connection that is lost: it keeps to its policy, and a new login sees all of it."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from changeover.core.setup import url_of
from changeover.core.target import Target
from tests.servers import psql
from tests.tui.commandline import COMMAND

_PLACES = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin"
SSHD, SSH, KEYGEN = (shutil.which(name, path=_PLACES) for name in ("sshd", "ssh", "ssh-keygen"))

pytestmark = pytest.mark.skipif(not (SSHD and SSH and KEYGEN), reason="OpenSSH's server is not installed")

SLEEPS = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE state = 'active' AND query LIKE '%pg_sleep(_)%' AND pid <> pg_backend_pid()"
)


class Host:
    """An SSH server of our own on the loopback interface, that lets in only us."""

    def __init__(self, folder: Path) -> None:
        assert SSHD
        assert KEYGEN
        self._folder = folder
        folder.mkdir(mode=0o700)
        for name in ("host", "user"):
            subprocess.run([KEYGEN, "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
        shutil.copy(folder / "user.pub", folder / "authorized")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        (folder / "config").write_text(
            f"ListenAddress 127.0.0.1:{self.port}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
            f"PidFile {folder}/pid\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin yes\n"
        )
        if os.geteuid() == 0:
            # Debian makes it when its own service starts
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self._process = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", folder / "config"], stderr=(folder / "log").open("wb"), stdin=subprocess.DEVNULL
        )
        _until(self._answers, "the SSH server answers")

    def login(
        self, words: list[str], environ: Mapping[str, str], *, cwd: Path, terminal: bool = False
    ) -> subprocess.Popen[str]:
        """Log in and run a command there, with this environment."""
        assert SSH
        settings = ["BatchMode=yes", "StrictHostKeyChecking=no", f"UserKnownHostsFile={self._folder}/known"]
        given = [f"{name}={value}" for name, value in environ.items()]
        command = f"cd {shlex.quote(str(cwd))} && exec env {shlex.join([*given, *words])}"
        return subprocess.Popen(
            [
                *(SSH, "-F", "none", "-i", str(self._folder / "user"), "-p", str(self.port)),
                *(word for setting in settings for word in ("-o", setting)),
                *(["-tt"] if terminal else ["-T"]),
                *(f"{getpass.getuser()}@127.0.0.1", command),
            ],
            stdin=subprocess.PIPE if terminal else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def stop(self) -> None:
        """End the server; what was started through it goes on."""
        self._process.terminate()
        self._process.wait(10)

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self._folder / "log").read_text()
        with socket.socket() as link:
            return link.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    server = Host(tmp_path / "ssh")
    try:
        yield server
    finally:
        server.stop()


def _until(condition: Callable[[], bool], what: str, *, within: float = 30.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"not within {within:g} s: {what}"
        time.sleep(0.05)


def test_a_run_outlives_its_ssh_connection_and_a_new_login_sees_all_of_it(
    host: Host, database: Target, tmp_path: Path, home: Path
) -> None:
    files = tmp_path / "migrations"
    files.mkdir()
    (files / "0001_long.sql").write_text("CREATE TABLE long ();\nSELECT pg_sleep(3);")
    (files / "0002_later.sql").write_text("CREATE TABLE later ();")
    environ = {"CHANGEOVER_HOME": str(home), "DATABASE_URL": url_of(database), "TERM": "dumb"}
    words = [str(COMMAND), "apply", "--migrations", str(files), "--yes"]
    first = host.login(words, environ, cwd=tmp_path, terminal=True)
    _until(lambda: psql(database, SLEEPS) == "1", "the first migration sleeps")
    first.send_signal(signal.SIGKILL)
    first.communicate()
    # nobody comes back, and meanwhile nothing further begins: the run is left alone, and keeps to what was chosen
    _until(lambda: psql(database, "SELECT to_regclass('long') IS NOT NULL") == "t", "the first migration is applied")
    _until(
        lambda: (
            psql(database, "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'changeover %'") == "0"
        ),
        "no backend of ours is left",
    )
    assert psql(database, "SELECT to_regclass('later') IS NULL") == "t"
    assert psql(database, "SELECT version FROM changeover.migration") == "0001"
    [session] = [path.name for path in (home / "log").iterdir() if path.is_dir()]
    shown, _ = host.login([str(COMMAND), "logs", "show", session], environ, cwd=tmp_path).communicate(timeout=60)
    assert "0001" in shown
    assert "the last viewer is gone" in shown
    assert "stopped" in shown.lower()


def test_a_new_login_attaches_to_the_run_that_the_lost_one_began(
    host: Host, database: Target, tmp_path: Path, home: Path
) -> None:
    files = tmp_path / "migrations"
    files.mkdir()
    (files / "0001_long.sql").write_text("CREATE TABLE long ();\nSELECT pg_sleep(9);")
    (files / "0002_later.sql").write_text("CREATE TABLE later ();")
    environ = {"CHANGEOVER_HOME": str(home), "DATABASE_URL": url_of(database), "TERM": "dumb"}
    words = [str(COMMAND), "apply", "--migrations", str(files), "--yes"]
    first = host.login(words, environ, cwd=tmp_path, terminal=True)
    _until(lambda: psql(database, SLEEPS) == "1", "the first migration sleeps")
    first.send_signal(signal.SIGKILL)
    first.communicate()
    second = host.login([str(COMMAND), "attach"], environ, cwd=tmp_path)
    shown, _ = second.communicate(timeout=60)
    assert second.returncode == 0, shown
    assert "0001" in shown
    assert "0002" in shown
    assert psql(database, "SELECT string_agg(version, ',' ORDER BY version) FROM changeover.migration") == "0001,0002"
