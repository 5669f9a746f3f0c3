"""A server of our own for one rehearsal: foreign SQL runs in it, and must reach nothing outside of it.

The SQL of the schema and of the migrations runs as a role without any power: no superuser, no CREATEROLE, CREATEDB,
REPLICATION or BYPASSRLS, and a member of no pg_... role. Every connection needs a password that the SQL does not know,
so that it cannot come back as somebody else; where the machine lets us, the server has no network at all. What reaches
outside by design (dblink, foreign servers, untrusted languages) is not installed. See
https://www.postgresql.org/docs/18/role-attributes.html and https://www.postgresql.org/docs/18/predefined-roles.html.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from . import postmaster
from .connect import Connection, Connector
from .directories import data_root
from .errors import ConnectionLost, SandboxError, ServerError
from .postgres_binaries import Binaries, embedded, on_this_machine
from .quoting import identifier, literal
from .sandbox import Sandbox
from .secret import Secret
from .settings import Retry
from .shadow_needs import ShadowNeeds
from .target import Target
from .tasks import to_completion

# Extensions that only a superuser may create and that reach nothing outside. Those that are marked as trusted are
# PostgreSQL's own judgement; all others are left out.
HARMLESS: Final = frozenset({
    "address_standardizer", "amcheck", "autoinc", "bloom", "earthdistance", "hypopg", "insert_username", "intagg",
    "moddatetime", "pg_buffercache", "pg_freespacemap", "pg_hint_plan", "pg_stat_statements", "pg_visibility",
    "pgrowlocks", "pgstattuple", "postgis", "postgis_raster", "postgis_sfcgal", "postgis_topology", "refint",
    "tsm_system_rows", "tsm_system_time", "uuid-ossp", "vector", "xml2",
})  # fmt: skip
_SETTINGS: Final = {
    "shared_buffers": "64MB",
    "autovacuum": "off",
    "temp_file_limit": "1GB",
    "max_locks_per_transaction": "1024",
    "max_worker_processes": "2",
    "max_parallel_workers": "0",
    "max_wal_senders": "0",
    "wal_level": "minimal",
    "log_min_messages": "fatal",
}
# The settings of a role or database that a run sets itself, or that would hide what is measured.
_NOT_TAKEN: Final = frozenset({
    "client_min_messages", "default_transaction_isolation", "default_transaction_read_only", "lock_timeout",
    "idle_in_transaction_session_timeout", "idle_session_timeout", "statement_timeout", "transaction_timeout",
    "session_authorization", "application_name",
})  # fmt: skip
# One statement may not keep a rehearsal longer; seconds.
STATEMENT_WITHIN: Final = 60


class Shadow(Struct, kw_only=True):
    """A shadow that can be connected to; `database` is the one that the schema goes into, named as the target's.

    `owner` is the role that foreign SQL runs as, `observer` the one that looks. `boss` is our superuser, None in a
    database that somebody else has lent.
    """

    reach: Callable[[str, str], Target]
    version: str
    version_num: int
    database: str
    owner: str
    observer: str
    boss: Connection | None = None
    opened: list[Connector] = field(default_factory=list)
    # extensions that the target has and the shadow lacks
    lacking: tuple[str, ...] = ()
    available: frozenset[str] = frozenset()
    roles: set[str] = field(default_factory=set)
    # roles of the target that are not known on a server that somebody has lent
    missing_roles: frozenset[str] = frozenset()
    remarks: list[str] = field(default_factory=list)

    async def connect(self, database: str) -> Connection:
        """Open a connection that foreign SQL may run in."""
        connection = await self._open(database, self.owner)
        await connection.execute(f"SET statement_timeout = '{STATEMENT_WITHIN}s'")
        return connection

    async def look(self, database: str) -> Connection:
        """Open a connection that looks: foreign SQL never runs in it, and names mean the system's in it."""
        connection = await self._open(database, self.observer)
        await connection.execute("SET search_path = pg_catalog, pg_temp")
        return connection

    async def _open(self, database: str, role: str) -> Connection:
        connector = Connector(self.reach(database, role), Retry(retries=0), emit=lambda _: None, session="rehearsal")
        connection = await connector("look")
        connection.patience = STATEMENT_WITHIN * 2.0
        self.opened.append(connector)
        return connection

    async def set_up_by_us(self, database: str) -> Connection:
        """Open a connection of the superuser; only to a database that no foreign SQL has run in."""
        connection = await self._open(database, "")
        await connection.execute("SET search_path = pg_catalog, pg_temp")
        return connection

    async def close(self) -> None:
        """Close every connection to it."""
        for connector in self.opened:
            await connector.close()
        self.opened.clear()

    async def stand_in_role(self, name: str) -> None:
        """Make a role as a name only, for the statements after it; without effect where it is there."""
        if self.boss is None or name in self.roles or name.startswith("pg_"):
            return
        with contextlib.suppress(ServerError):
            await self.boss.execute(f"CREATE ROLE {identifier(name)}")
            await self.boss.execute(f"GRANT {identifier(name)} TO {identifier(self.owner)} WITH ADMIN OPTION")
        self.roles.add(name)


@contextlib.asynccontextmanager
async def shadow(needs: ShadowNeeds, *, binaries: Binaries | None = None) -> AsyncIterator[Shadow]:
    """Give a server with roles, tablespaces and extensions as the target has them, and an empty database.

    It is stopped and removed at the end, also by the next rehearsal where this process dies. Raises `SandboxError`.
    """
    await asyncio.to_thread(_sweep)
    folder = _root() / secrets.token_hex(6)
    boss = f"changeover_{secrets.token_hex(6)}"
    sandbox = Sandbox(
        folder,
        binaries=binaries or nearest(needs.server.version_num // 10000),
        fast=True,
        settings=_SETTINGS,
        what="shadow",
        superuser=boss,
        password=Secret(secrets.token_hex(32)),
        isolated=True,
    )
    running: Shadow | None = None
    try:
        await to_completion(asyncio.to_thread(sandbox.start))
        running = await _furnished(sandbox, needs, boss)
        yield running
    finally:
        await to_completion(_end(sandbox, running))


def nearest(major: int) -> Binaries:
    """Return the installed server for a target of this major version: the same, else the next newer, else the newest.

    An older one would refuse what is new in the target's version.
    """
    known = on_this_machine()
    if not known:
        return embedded()
    newer = [number for number in known if number >= major]
    return known[min(newer) if newer else max(known)]


async def _end(sandbox: Sandbox, running: Shadow | None) -> None:
    if running is not None:
        await running.close()
    await asyncio.to_thread(sandbox.stop)
    await asyncio.to_thread(_remove, sandbox.folder)


def _root() -> Path:
    return data_root() / "shadows"


def _sweep() -> None:
    """Remove what rehearsals left whose process is gone: the lock of a live one is held."""
    for folder in _root().glob("*"):
        try:
            lock = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            postmaster.end_all(_data(folder))
            _remove(folder)
        except BlockingIOError:
            continue
        finally:
            os.close(lock)


def _data(folder: Path) -> Path:
    """Return the data directory: in the folder, or in the annex that it names."""
    annex = _annex(folder)
    return annex / "data" if annex is not None and (annex / "data").is_dir() else folder / "data"


def _annex(folder: Path) -> Path | None:
    try:
        found = Path((folder / "annex").read_text(encoding="utf-8"))
        return found if found.name.startswith("changeover-") and found.lstat().st_uid == os.geteuid() else None
    except (OSError, UnicodeDecodeError):
        return None


def _remove(folder: Path) -> None:
    annex = _annex(folder)
    if annex is not None:
        shutil.rmtree(annex, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


async def _furnished(sandbox: Sandbox, needs: ShadowNeeds, superuser: str) -> Shadow:
    owner, observer = needs.server.user, f"{superuser}_observer"
    passwords = {role: Secret(secrets.token_hex(32)) for role in (owner, observer)}
    made = Shadow(
        reach=lambda database, role: sandbox.target(database, role, passwords.get(role)),
        version="",
        version_num=0,
        database=needs.server.database,
        owner=owner,
        observer=observer,
    )
    try:
        made.boss = await made.set_up_by_us("template1")
        made.version, made.version_num = made.boss.facts.version, made.boss.facts.version_num
        for role, password in passwords.items():
            await made.boss.execute(f"CREATE ROLE {identifier(role)} LOGIN PASSWORD {literal(password.reveal())}")
        here, there = made.version_num // 10000, needs.server.version_num // 10000
        if here != there:
            made.remarks.append(f"The shadow is PostgreSQL {here}, the target {there}: what differs is not seen.")
        await _roles(made, made.boss, needs)
        await _tablespaces(made, made.boss, needs)
        await made.boss.execute("DROP DATABASE IF EXISTS postgres")
        await make_database(made, made.database, template="template0")
        await _installed(made, made.boss, needs)
        await settings(made, needs)
    except BaseException:
        await to_completion(made.close())
        raise
    return made


async def make_database(made: Shadow, name: str, *, template: str) -> None:
    """Make a database that the owner owns."""
    assert made.boss is not None
    await made.boss.execute(
        f"CREATE DATABASE {identifier(name)} OWNER {identifier(made.owner)} TEMPLATE {identifier(template)}"
        + (" STRATEGY file_copy" if made.version_num >= 150000 else "")
    )


async def _roles(made: Shadow, boss: Connection, needs: ShadowNeeds) -> None:
    others = [role for role in needs.roles if role != made.owner]
    for role in others:
        await boss.execute(f"CREATE ROLE {identifier(role)}")
    made.roles = {*others, made.owner}
    # what may act as any role here has no more power by it: none of them has any
    wanted = [(role, made.owner, " WITH ADMIN OPTION") for role in others]
    wanted += [(role, member, "") for role, member in needs.members if member != made.owner]
    for role, member, option in wanted:
        # the second of two that would be members of each other is left out
        with contextlib.suppress(ServerError):
            await boss.execute(f"GRANT {identifier(role)} TO {identifier(member)}{option}")
    if others:
        made.remarks.append(f"{len(others)} roles are there as names only, without any power.")


async def _tablespaces(made: Shadow, boss: Connection, needs: ShadowNeeds) -> None:
    if not needs.tablespaces:
        return
    if made.version_num < 150000:
        made.remarks.append("Tablespaces are left out: everything is in the default one.")
        return
    await boss.execute("SET allow_in_place_tablespaces = on")
    for name in needs.tablespaces:
        await boss.execute(f"CREATE TABLESPACE {identifier(name)} LOCATION ''")
        await boss.execute(f"GRANT CREATE ON TABLESPACE {identifier(name)} TO {identifier(made.owner)}")
    made.remarks.append(f"Tablespaces {_listed(needs.tablespaces)} are stand-ins inside the shadow.")


async def _installed(made: Shadow, boss: Connection, needs: ShadowNeeds) -> None:
    rows = await boss.fetch(
        "SELECT v.name::text AS name, pg_catalog.bool_or(v.trusted) AS trusted "
        "FROM pg_catalog.pg_available_extension_versions AS v GROUP BY v.name"
    )
    known = {row["name"] for row in rows}
    made.available = frozenset(row["name"] for row in rows if row["trusted"] or row["name"] in HARMLESS)
    connection = await made.set_up_by_us(made.database)
    lacking: list[str] = []
    for name, schema in sorted(needs.extensions.items()):
        try:
            if name in made.available:
                await create_extension(connection, name, schema)
            else:
                lacking.append(name)
        except ServerError:
            lacking.append(name)
    for name, handler in needs.access_methods.items():
        kind = "TABLE" if handler[0] == "t" else "INDEX"
        await connection.execute(f"CREATE ACCESS METHOD {identifier(name)} TYPE {kind} HANDLER {handler[1:]}")
    await connection.close()
    made.lacking = tuple(lacking)
    if unsafe := [name for name in lacking if name in known]:
        made.remarks.append(f"Extension {_listed(unsafe)} reaches outside the server, and is not installed.")
    if missing := [name for name in lacking if name not in known]:
        made.remarks.append(f"Extension {_listed(missing)} is not to be had here: name a database with --shadow.")


async def create_extension(connection: Connection, name: str, schema: str) -> None:
    """Create an extension, and what it depends on, in a schema that is made for it where there is none."""
    if schema and schema != "pg_catalog":
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(schema)}")
    where = f" SCHEMA {identifier(schema)}" if schema else ""
    await connection.execute(f"CREATE EXTENSION IF NOT EXISTS {identifier(name)}{where} CASCADE")


async def settings(made: Shadow, needs: ShadowNeeds) -> None:
    """Give the role the settings of its connections to the target, with the rights of the role itself."""
    connection = await made.connect(made.database)
    where = f"{identifier(made.owner)} IN DATABASE {identifier(made.database)}"
    for name, value in needs.settings.items():
        if name in _NOT_TAKEN or name.startswith("log_"):
            continue
        try:
            # from its current value: a list keeps its parts that way
            value_set = f"pg_catalog.set_config({literal(name)}, {literal(value)}, false)"
            parameter = ".".join(identifier(part) for part in name.split("."))
            await connection.execute(f"SELECT {value_set}; ALTER ROLE {where} SET {parameter} FROM CURRENT")  # noqa: S608
        except ServerError as error:
            made.remarks.append(f"The setting {name} = {value} could not be taken over: {error.summary}.")
    await connection.close()


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def shadow_ended(when: str, error: ConnectionLost) -> SandboxError:
    """Return the error of a shadow that is gone in the middle of the work on it."""
    return SandboxError(
        f"The shadow ended {when}: {error.summary}",
        advice="Nothing of it touched the target. Look at the room on this machine's disk and at its memory, and "
        "rehearse anew.",
    )
