"""The schema of a target as SQL: one pg_dump, which waits for no lock and holds none stronger than ACCESS SHARE.

See https://www.postgresql.org/docs/18/app-pgdump.html.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

from .directories import write_private
from .errors import ConnectError, SandboxError
from .events import ServerFacts
from .forwarder import forwarding
from .postgres_binaries import Binaries, on_this_machine
from .target import Target
from .tasks import to_completion
from .tls import tls_of

# How long pg_dump waits for the locks of somebody else, and how long it may take: while it runs, it holds ACCESS SHARE.
_LOCK_WAIT: Final = "2s"
_WITHIN: Final = 300.0
_OPTIONS: Final = (
    "--schema-only",
    f"--lock-wait-timeout={_LOCK_WAIT}",
    "--no-subscriptions",
    "--no-security-labels",
    "--quote-all-identifiers",
    "--encoding=UTF8",
    "--no-password",
)
_ERROR: Final = "pg_dump: error: "
# newer versions of pg_dump fence the text for psql, against names that would act on it; see its --restrict-key
_FENCE: Final = re.compile(r"^\\(un)?restrict \S+$", re.MULTILINE)


def program_for(major: int) -> Binaries:
    """Return the pg_dump that fits a server of this major version best: the same one, or the next newer one.

    Raises `SandboxError` where there is none.
    """
    known = on_this_machine()
    fitting = [number for number in known if number >= major]
    if not fitting:
        newest = max(known, default=0)
        raise SandboxError(
            f"The target is PostgreSQL {major}, and the newest pg_dump here is {newest or 'none'}.",
            advice=f"Install the client programs of PostgreSQL {major}, or the extra `sandbox` in a newer version.",
        )
    return known[min(fitting)]


async def dump(target: Target, server: ServerFacts, *, without: Sequence[str] = ()) -> str:
    """Return the schema as pg_dump writes it; `without` are qualified and quoted names of tables that are left out.

    The password goes through a private file, never through arguments. Cancelled, it ends pg_dump. Raises
    `ConnectError` with pg_dump's words where it fails, and `SandboxError` where there is no pg_dump for the server.
    """
    program = program_for(server.version_num // 10000)
    async with _way(target, server) as (host, port):
        with tempfile.TemporaryDirectory(prefix="changeover-") as folder:
            environment = _environment(target, Path(folder), host, port)
            command = [str(program.pg_dump), *_OPTIONS, *(f"--exclude-table={it}" for it in without)]
            return await _written(command, environment)


async def _written(command: list[str], environment: dict[str, str]) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(_WITHIN):
            text, words = await process.communicate()
    except TimeoutError:
        raise ConnectError(
            f"pg_dump took longer than {_WITHIN:.0f} s; it was ended.",
            advice="Somebody may hold a lock on a table that it waits for: the console's activity screen "
            "names who. Then rehearse anew.",
        ) from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await to_completion(process.wait())
    if process.returncode:
        said = words.decode("utf-8", "replace").strip().splitlines() or ["it gave no reason"]
        error = next((line for line in said if line.startswith(_ERROR)), said[0])
        raise ConnectError(
            f"The schema could not be read: {error.removeprefix(_ERROR)}",
            advice="pg_dump needs SELECT on every table (GRANT pg_read_all_data), and no lock of others on them.",
        )
    return _FENCE.sub("", text.decode("utf-8"))


@contextlib.asynccontextmanager
async def _way(target: Target, server: ServerFacts) -> AsyncIterator[tuple[str, int]]:
    """Give host and port that pg_dump goes to: the target's own, or where it does TLS a socket of ours before it."""
    if not server.tls:
        yield target.host, target.port
        return
    async with forwarding(target, tls_of(target)) as folder:
        yield str(folder), 5432


def _environment(target: Target, folder: Path, host: str, port: int) -> dict[str, str]:
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C",
        "PGHOST": host,
        "PGPORT": str(port),
        "PGUSER": target.user,
        "PGDATABASE": target.database,
        "PGSSLMODE": "disable",
        "PGGSSENCMODE": "disable",
        "PGAPPNAME": "changeover rehearsal",
        # no such file: the password comes from the target, or there is none
        "PGPASSFILE": str(folder / "none"),
        "HOME": str(folder),
    }
    if target.password is not None:
        passfile = folder / "passfile"
        escaped = target.password.reveal().replace("\\", "\\\\").replace(":", "\\:")
        write_private(passfile, f"*:*:*:*:{escaped}\n")
        environment["PGPASSFILE"] = str(passfile)
    return environment
