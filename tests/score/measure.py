"""What a server does for one form: run in a transaction, looked at from beside, and rolled back."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
from msgspec import Struct, field

from changeover.core.locks import LockMode, strongest
from changeover.core.names import written
from changeover.core.target import Target
from tests.score.forms import Form
from tests.servers import Server, connect

SCENE: Final = Path(__file__).with_name("scene.sql")
# What the scene needs beside its database.
ROLES: Final = ("score_other", "score_owner")
# An ALTER TABLE that reads at least this many rows of a table has scanned it; every table of the scene has 1,000.
SCAN: Final = 500

_RELATIONS: Final = """
    SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind,
        c.relfilenode::bigint AS file, pg_stat_get_xact_tuples_returned(c.oid) AS read
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
"""
_LOCKS: Final = """
    SELECT relation::bigint AS relation, mode FROM pg_locks
    WHERE pid = $1 AND locktype = 'relation' AND database = (SELECT oid FROM pg_database WHERE datname = $2)
"""
_BUILDING: Final = re.compile(r'building index "(.+)" on table "(.+)" (?:serially|with request)')
_VERIFYING: Final = re.compile(r'verifying table "(.+)"')
_MODES: Final = {f"{mode.replace(' ', '').lower()}lock": mode for mode in LockMode}


class Truth(Struct, frozen=True, kw_only=True):
    """What a form did, in the words of a plan's statement; `error` where the server refused it."""

    locks: dict[str, LockMode] = field(default_factory=dict)
    rewrites: tuple[str, ...] = ()
    scans: tuple[str, ...] = ()
    builds: tuple[str, ...] = ()
    long: bool = False
    error: str = ""


@asynccontextmanager
async def scene(server: Server) -> AsyncIterator[Target]:
    """Give a database with the scene in it."""
    for role in ROLES:
        server.psql(f"DO $$ BEGIN CREATE ROLE {role}; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    if server.psql("SELECT 1 FROM pg_tablespace WHERE spcname = 'score_space'") != "1":
        server.psql("SET allow_in_place_tablespaces = on; CREATE TABLESPACE score_space LOCATION ''")
    with server.new_database() as target:
        name = target.database
        server.psql(f"ALTER DATABASE {name} SET search_path = shop, public", name)
        server.psql(f"ALTER DATABASE {name} SET timezone = 'Europe/Berlin'", name)
        server.psql("CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler", name)
        server.psql(SCENE.read_text(encoding="utf-8"), name)
        yield target


async def truths(server: Server, target: Target, forms: tuple[Form, ...]) -> list[Truth]:
    """Run every form alone and return what each did."""
    runner, observer = await connect(target), await connect(target)
    notices: list[str] = []
    runner.add_log_listener(lambda _, message: notices.append(str(message.message)))
    backend = int(await runner.fetchval("SELECT pg_backend_pid()") or 0)
    found: list[Truth] = []
    try:
        for form in forms:
            if form.outside:
                found.append(Truth())
                continue
            found.append(await _inside(runner, observer, notices, backend, form.sql, target.database))
    finally:
        await runner.close()
        await observer.close()
    for number, form in enumerate(forms):
        if form.outside:
            found[number] = await _outside(server, target, form.sql)
    return found


async def _inside(runner: Any, observer: Any, notices: list[str], backend: int, sql: str, database: str) -> Truth:
    await runner.execute("BEGIN")
    try:
        before = {row["oid"]: row for row in await runner.fetch(_RELATIONS)}
        notices.clear()
        await runner.execute("SET LOCAL client_min_messages = debug1")
        await runner.execute("SAVEPOINT form")
        await runner.execute(sql)
        lines = list(notices)
        held = await observer.fetch(_LOCKS, backend, database)
        after = {row["oid"]: row for row in await runner.fetch(_RELATIONS)}
    except asyncpg.PostgresError as error:
        return Truth(error=str(error))
    finally:
        await runner.execute("ROLLBACK")
        notices.clear()
    return _truth(sql, before, after, held, lines)


def _truth(sql: str, before: dict[int, Any], after: dict[int, Any], held: list[Any], lines: list[str]) -> Truth:
    modes: dict[int, list[LockMode]] = {}
    for row in held:
        if row["relation"] in before:
            modes.setdefault(row["relation"], []).append(_MODES[row["mode"].lower()])
    names = {oid: written((row["schema"], row["name"])) for oid, row in before.items()}
    by_name = {row["name"]: oid for oid, row in before.items() if row["kind"] not in "iI"}
    emptied = sql.lstrip().upper().startswith("TRUNCATE")
    built: list[tuple[str, int]] = []
    for line in lines:
        match = _BUILDING.match(line)
        if match and not emptied and match[2] in by_name:
            table = by_name[match[2]]
            name = match[1].removesuffix("_ccnew")
            built.append((written((before[table]["schema"], name)), table))
    moved = {oid for oid, row in after.items() if oid in before and row["file"] != before[oid]["file"]}
    written_anew = {oid for oid in moved if before[oid]["kind"] in "rm" and not emptied}
    # an index that moved and was not built was copied
    copied = {oid for oid in moved if before[oid]["kind"] == "i" and not emptied} - {
        oid for oid, name in names.items() if name in {index for index, _ in built}
    }
    read = {
        oid for oid, row in after.items()
        if oid in before and before[oid]["kind"] in "rm" and row["read"] - before[oid]["read"] >= SCAN
    }  # fmt: skip
    read |= {by_name[match[1]] for line in lines if (match := _VERIFYING.match(line)) and match[1] in by_name}
    # a build reads every row, whether there are any or not
    read |= {table for _, table in built if before[table]["kind"] in "rm"}
    worked = written_anew | copied | read | {table for _, table in built}
    blocked = {oid for oid, found in modes.items() if strongest(found).blocks_writes}
    return Truth(
        locks={names[oid]: strongest(found) for oid, found in modes.items()},
        rewrites=tuple(sorted(names[oid] for oid in written_anew | copied)),
        scans=tuple(sorted(names[oid] for oid in read - written_anew)),
        builds=tuple(sorted({index for index, _ in built})),
        long=bool(worked & blocked),
    )


async def _outside(server: Server, target: Target, sql: str) -> Truth:
    """Run a form on a copy; a writer stands in its way for a moment, so that its locks can be read."""
    copy = f"{target.database}_copy"
    server.psql(f"CREATE DATABASE {copy} TEMPLATE {target.database}")
    for setting in ("search_path = shop, public", "timezone = 'Europe/Berlin'"):
        server.psql(f"ALTER DATABASE {copy} SET {setting}")
    place = server.target(copy)
    runner, observer, writer = await connect(place), await connect(place), await connect(place)
    lines: list[str] = []
    runner.add_log_listener(lambda _, message: lines.append(str(message.message)))
    try:
        backend = await runner.fetchval("SELECT pg_backend_pid()")
        before = {row["oid"]: row for row in await observer.fetch(_RELATIONS)}
        await runner.execute("SET client_min_messages = debug1")
        table = next(name for name in ("sales_1", "solo", "made", "orders") if name in sql)
        await writer.execute(f"BEGIN; LOCK TABLE {table} IN ROW EXCLUSIVE MODE")
        running = asyncio.ensure_future(runner.execute(sql))
        held: list[Any] = []
        for turn in range(400):
            held.extend(await observer.fetch(_LOCKS, backend, copy))
            if turn == 100:
                await writer.execute("COMMIT")
            if running.done():
                break
            await asyncio.sleep(0.002)
        await running
        after = {row["oid"]: row for row in await observer.fetch(_RELATIONS)}
        after = {oid: {**dict(row), "read": before[oid]["read"] if oid in before else 0} for oid, row in after.items()}
        return _truth(sql, before, after, held, lines)
    except asyncpg.PostgresError as error:
        return Truth(error=str(error))
    finally:
        for connection in (runner, observer, writer):
            await connection.close()
        server.psql(f"DROP DATABASE {copy} WITH (FORCE)")
