"""A PostgreSQL server of our own, in a private folder: behind the demo, and behind the tests.

It listens on a Unix socket in a folder that only its owner can enter, so whoever reaches it is its owner, and no
password is needed, unless foreign SQL runs in it: that runs as the owner too. `initdb` and `postgres` are started with
argument lists: pg_ctl would put paths through a shell.

    folder/           0700
        lock          held as long as somebody uses the sandbox; holds the user's process number
        data/         the data directory
        socket/       the socket, where the path is short enough for one
        annex         the path of a folder for what cannot be here (see `_Annex`)
        server.log    what initdb and the server said
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from . import postgres_binaries as programs
from . import postmaster
from .directories import make_private, write_private
from .errors import SandboxError
from .postgres_binaries import Account, Binaries
from .secret import Secret
from .target import Target

# The address of a Unix socket has 108 bytes on Linux and 104 on macOS, with a closing zero (`man 7 unix`).
_LONGEST_SOCKET: Final = 103
_SOCKET: Final = ".s.PGSQL.5432"
_LOG_LIMIT: Final = 5_000_000
# The settings that every sandbox has; `fast` is for data that may be lost with the machine.
_SETTINGS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": "5432",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
    "jit": "off",
}
# How a line of the log is marked that says why something ended; initdb says no more than its name.
_REASON: Final = re.compile(r"\b(FATAL|PANIC|ERROR|error)\b|^initdb: (?!removing|warning|hint|detail)")
_FAST: Final = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Sandbox:
    """A server on a private folder; one user at a time.

    `fast` gives up durability for speed. `settings` are further server settings. `account` is chosen by itself:
    our own, or as root a substitute. `what` names the thing in messages: "demo", "shadow". With a `password` every
    connection needs one, and this one is the superuser's, whose name is `superuser`. `isolated` keeps the server off
    every network where the machine lets us.
    """

    def __init__(
        self,
        folder: Path,
        *,
        binaries: Binaries | None = None,
        fast: bool = False,
        settings: Mapping[str, str] | None = None,
        account: Account | None = None,
        what: str = "sandbox",
        superuser: str = "postgres",
        password: Secret | None = None,
        isolated: bool = False,
    ) -> None:
        self.folder = folder.absolute()
        self.binaries = binaries or programs.embedded()
        self.what = what
        # whether `start` had to make the data directory
        self.created = False
        self._settings = {**_SETTINGS, **(_FAST if fast else {}), **(settings or {})}
        self._wanted_account = account
        self._superuser = superuser
        self._password = password
        self._isolated = isolated
        self._lock: int | None = None
        self._server: subprocess.Popen[bytes] | None = None
        # how long the log was when this start began
        self._said_before = 0
        self._data = self.folder / "data"
        self._socket = self.folder / "socket"
        self._annex = _Annex(self.folder / "annex")

    @property
    def log(self) -> Path:
        """The file with what initdb and the server said."""
        return self.folder / "server.log"

    @property
    def pid(self) -> int | None:
        """The server's process number, None when it is not running."""
        return self._server.pid if self._server else None

    def start(self, *, fresh: bool = False) -> None:
        """Start the server, with an empty data directory if `fresh` or if there is none of its major version.

        What a crashed user left (a running server, orphaned backends, a stale postmaster.pid) is cleaned up first.
        Raises `SandboxError`; then nothing is left running.
        """
        try:
            self._start(fresh)
        except OSError as error:
            self.stop()
            raise SandboxError(
                f"The {self.what} cannot be kept in {self.folder}: {error.strerror or error}.",
                advice="Make room or give yourself the folder, or choose another one with CHANGEOVER_HOME.",
            ) from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server, politely first, and let the next user in. Does nothing when it is not running."""
        if self._server is not None:
            postmaster.end_all(self._data)
            try:
                self._server.wait(5)
            except subprocess.TimeoutExpired:
                # Without /proc a server that had not yet written its number was not found above.
                self._server.kill()
                self._server.wait()
            self._server = None
        if self._lock is not None:
            self._annex.remove_if_empty()
            os.close(self._lock)
            self._lock = None

    def target(self, database: str = "postgres", user: str = "", password: Secret | None = None) -> Target:
        """Return how a database of this server is reached, by default as its superuser; it need not be running."""
        source = f"the {self.what}"
        return Target(
            host=str(self._socket),
            port=int(self._settings["port"]),
            database=database,
            user=user or self._superuser,
            password=password if user else self._password,
            sslmode="disable",
            environment=self.what,
            sources=dict.fromkeys(("host", "port", "database", "user", "sslmode"), source),
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self, fresh: bool) -> None:
        _make_ours(self.folder)
        self._take_lock()
        account, binaries = self._settle_account()
        postmaster.end_all(self._data)
        if fresh or programs.major_of(self._data) != programs.version_of(binaries):
            shutil.rmtree(self._data, ignore_errors=True)
        self._prepare_socket(account)
        with self._open_log() as log:
            self.created = not self._data.exists()
            if self.created:
                self._initdb(account, binaries, log)
            postmaster.forget_stale(self._data)
            command = [str(binaries.postgres), "-D", str(self._data)]
            for name, value in {**self._settings, "unix_socket_directories": str(self._socket)}.items():
                command += ["-c", f"{name}={value}"]
            self._server = account.popen(command, stdout=log.fileno())
        self._await_ready(self._server)

    def _take_lock(self) -> None:
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            # Of the open file, not of the process: the kernel lets go of it when the last holder dies, however it dies.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(lock)
            raise SandboxError(
                f"A {self.what} is already running in {self.folder} (process {holder}).",
                advice="Leave that one first, or give this one a folder of its own with CHANGEOVER_HOME.",
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode("ascii"), 0)
        self._lock = lock

    def _settle_account(self) -> tuple[Account, Binaries]:
        """Choose the account, and put data and programs where it can reach them."""
        account = self._wanted_account
        if account is None:
            account = self._usual_account()
            if self._isolated and (apart := programs.apart(account)).can_run(self.binaries):
                account = apart
        if account.owns_files:
            return account, self.binaries
        # A folder under root's home can be entered by root alone, and opening it up is not ours to do.
        annex = self._annex.make(0o711)
        self._data = annex / "data"
        binaries = self.binaries
        if not account.can_run(binaries):
            binaries = binaries.copy_to(annex / "install")
        if not account.can_run(binaries):
            raise SandboxError(
                "The embedded PostgreSQL cannot run as root here: user namespaces are forbidden, and another account "
                f"cannot start a copy in {annex}.",
                advice="Run this as an ordinary user.",
            )
        return account, binaries

    def _usual_account(self) -> Account:
        """Return the account that PostgreSQL runs under here: ours, unless it is root's or has no name."""
        if os.geteuid() == 0:
            account = programs.namespaced()
            return account if account.can_run(self.binaries) else programs.unprivileged()
        if not programs.is_nameless():
            return programs.direct()
        account = programs.namespaced()
        if not account.can_run(self.binaries):
            raise SandboxError(
                f"The embedded PostgreSQL cannot run here: this machine has no name for user number {os.geteuid()}, "
                "which initdb asks for, and user namespaces, which could lend it one, are forbidden.",
                advice="Run this as a user that is in /etc/passwd, or add this one there.",
            )
        return account

    def _prepare_socket(self, account: Account) -> None:
        self._socket = self.folder / "socket"
        if not account.owns_files:
            self._socket = self._annex.make(0o711) / "socket"
        elif not _fits_a_socket(self._socket):
            self._socket = self._annex.make(0o700) / "socket"
        # Nothing runs here: a socket and its lock file are left-overs.
        shutil.rmtree(self._socket, ignore_errors=True)
        self._socket.mkdir(mode=0o700)
        if account.uid is not None:
            os.chown(self._socket, account.uid, account.gid or 0)

    def _initdb(self, account: Account, binaries: Binaries, log: _Log) -> None:
        # Under another name first: a data directory is there whole, or not at all.
        unfinished = self._data.with_name("data.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if account.uid is not None:
            os.chown(unfinished, account.uid, account.gid or 0)
        options = [f"--username={self._superuser}", "--encoding=UTF8", "--locale=C", "--no-sync"]
        note = self._data.with_name("data.password")
        if self._password is None:
            options.append("--auth=trust")
        else:
            write_private(note, self._password.reveal())
            if account.uid is not None:
                os.chown(note, account.uid, account.gid or 0)
            options += ["--auth=scram-sha-256", f"--pwfile={note}"]
        if programs.version_of(binaries) >= 14:
            options.append("--no-instructions")
        making = account.popen([str(binaries.initdb), f"--pgdata={unfinished}", *options], stdout=log.fileno())
        try:
            failed = making.wait(120) != 0
        except BaseException:
            making.kill()
            making.wait()
            raise
        finally:
            note.unlink(missing_ok=True)
        if failed:
            raise self._failure("Its data directory could not be made")
        unfinished.rename(self._data)

    def _await_ready(self, server: subprocess.Popen[bytes]) -> None:
        # A minute: after a crash the server first replays what it had logged.
        postmaster.wait_until(
            lambda: server.poll() is not None or postmaster.is_ready(self._data, server.pid), within=60
        )
        if server.poll() is not None or not postmaster.is_ready(self._data, server.pid):
            raise self._failure("The server did not start")

    def _failure(self, what: str) -> SandboxError:
        words = self.log.read_bytes()[self._said_before :].decode("utf-8", "replace").splitlines()
        reason = next((line for line in reversed(words) if _REASON.search(line)), "")
        return SandboxError(
            f"The {self.what} cannot start. {what}" + (f": {reason.strip()}" if reason else "."),
            advice=f"The server's own words are in {self.log}.",
        )

    def _open_log(self) -> _Log:
        size = _size(self.log)
        self._said_before, keep = (size, os.O_APPEND) if size < _LOG_LIMIT else (0, os.O_APPEND | os.O_TRUNC)
        return _Log(os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | keep, 0o600))


class _Log(contextlib.AbstractContextManager["_Log"]):
    """An open log file, for as long as children inherit it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


class _Annex:
    """A short, private folder among the machine's temporary files, remembered in a file of the sandbox.

    For a socket whose path would be too long, and, as root without namespaces, for all that the other account has to
    reach. Remembered, so that a user who crashed leaves one folder and not one more each time.
    """

    def __init__(self, note: Path) -> None:
        self._note = note

    def make(self, mode: int) -> Path:
        """Return the folder, made if it is not there or is not ours any more."""
        known = self._known()
        if known is not None:
            return known
        folder = Path(tempfile.mkdtemp(prefix="changeover-"))
        if not _fits_a_socket(folder / "socket"):
            folder.rmdir()
            folder = Path(tempfile.mkdtemp(prefix="changeover-", dir="/tmp"))
        folder.chmod(mode)
        write_private(self._note, str(folder))
        return folder

    def remove_if_empty(self) -> None:
        """Remove the folder unless it holds data."""
        known = self._known()
        if known is not None and not (known / "data").exists():
            shutil.rmtree(known, ignore_errors=True)
            self._note.unlink(missing_ok=True)

    def _known(self) -> Path | None:
        try:
            folder = Path(self._note.read_text(encoding="utf-8"))
            found = folder.lstat()
        except (OSError, UnicodeDecodeError):
            return None
        # Whoever else may write among the temporary files could have put something in its place.
        ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o066
        return folder if ours and folder.name.startswith("changeover-") else None


def _make_ours(folder: Path) -> None:
    found = make_private(folder).stat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise SandboxError(
            f"{folder} belongs to, or can be changed by, somebody else.",
            advice="Remove it, or choose another place with CHANGEOVER_HOME.",
        )


def _fits_a_socket(folder: Path) -> bool:
    # unix_socket_directories is a list: a comma or a quote in it means something.
    path = str(folder)
    return len(os.fsencode(path)) + 1 + len(_SOCKET) <= _LONGEST_SOCKET and not re.search(r"[,\"'\\\n]", path)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
