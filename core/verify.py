"""Verify scripts: what a migration should have brought about, asked of the database that has it.

Each script runs in a READ ONLY transaction that is rolled back, statement by statement over the extended protocol:
a message of that protocol is one statement, so nothing in a file can end the transaction, and once a snapshot is taken
nothing can make it writable. See https://www.postgresql.org/docs/18/sql-set-transaction.html.

A script finds all well unless a statement fails, or answers one row with one column that is false.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from .connect import Connection
from .errors import Fault, Place, Refused, ServerError, fault_of
from .events import Emit, Verified
from .formats import NATIVE, Notion
from .history import History
from .lookup import index_of
from .migration import Folder, Migration, SideScript
from .notions import require
from .script import Statement
from .status import MigrationStatus, State

# A verify script that waits for a lock would hold up nobody, but would not answer either.
_PATIENCE: Final = "SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '300s'"


class Verification(Struct, frozen=True, kw_only=True):
    """What a verify script found."""

    version: str
    name: str
    file: str
    statements: int
    # seconds
    elapsed: float
    # None where all is well
    fault: Fault | None


def to_verify(
    folder: Folder, history: History, states: Sequence[MigrationStatus], versions: Sequence[str]
) -> tuple[tuple[Migration, SideScript], ...]:
    """Return the migrations in force with their verify scripts; all that have one where `versions` is empty.

    Raises `UsageError` for a version that the folder does not have, and where its format has no verify scripts;
    `Refused` for a version that is not in force or has none.
    """
    require(folder.format, Notion.VERIFY)
    in_force = {row.version for row in history.applied}
    if not versions:
        half = {status.version for status in states if status.state is State.PARTIAL}
        return tuple((m, m.verify) for m in folder.migrations if m.verify and m.version in in_force - half)
    chosen = [folder.migrations[index_of(folder, version)] for version in versions]
    found: list[tuple[Migration, SideScript]] = []
    for migration in chosen:
        if migration.version not in in_force:
            raise Refused(
                f"{migration.file} is not in force, so there is nothing to verify.",
                advice="`changeover status` shows what is applied.",
                place=Place(file=migration.file, line=1),
            )
        if migration.verify is None:
            file = f"{migration.stem}.verify.sql" if folder.format == NATIVE.name else f"verify/{migration.name}.sql"
            raise Refused(
                f"{migration.file} has no verify script: there is no {file}.",
                advice=f"Write queries into {file} that fail, or answer false, where something is not as it should be.",
                place=Place(file=migration.file, line=1),
            )
        found.append((migration, migration.verify))
    return tuple(found)


async def verify(
    connection: Connection, scripts: Sequence[tuple[Migration, SideScript]], emit: Emit
) -> tuple[Verification, ...]:
    """Run the scripts, each in its own transaction, and tell each result; raises `ConnectionLost`."""
    found: list[Verification] = []
    for migration, script in scripts:
        began = time.monotonic()
        fault = await _one(connection, script)
        elapsed = time.monotonic() - began
        emit(Verified(version=migration.version, file=script.file, elapsed=elapsed, fault=fault))
        found.append(
            Verification(
                version=migration.version,
                name=migration.name,
                file=script.file,
                statements=len(script.script.statements),
                elapsed=elapsed,
                fault=fault,
            )
        )
    return tuple(found)


async def _one(connection: Connection, script: SideScript) -> Fault | None:
    await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        # the first query fixes READ ONLY for the rest of the transaction
        await connection.fetch("SELECT 1")
        await connection.execute(_PATIENCE)
        for statement in script.script.statements:
            fault = await _ask(connection, statement)
            if fault is not None:
                return fault
    finally:
        if not connection.is_closed:
            # what a script SET goes with the transaction
            await connection.execute("ROLLBACK")
    return None


async def _ask(connection: Connection, statement: Statement) -> Fault | None:
    if statement.data is not None:
        return Fault(
            id="verify",
            summary="A verify script takes no rows: its transaction is read-only.",
            advice="Leave the COPY out.",
            file=statement.place.file,
            line=statement.place.line,
            column=statement.place.column,
        )
    try:
        rows = await connection.fetch(statement.sql, timeout=None)
    except ServerError as error:
        if connection.is_closed:
            raise
        error.place = _place(statement, error)
        return fault_of(error)
    if _says_no(rows):
        place = statement.place
        return Fault(
            id="verify",
            summary=f"Statement {statement.number} answers false.",
            advice="What the migration should have brought about is not so.",
            file=place.file,
            line=place.line,
            column=place.column,
        )
    return None


def _place(statement: Statement, error: ServerError) -> Place:
    place, position = statement.place, error.report.position if error.report else None
    if position is None:
        return place
    before = statement.sql[: position - 1]
    lines = before.count("\n")
    column = len(before) - before.rfind("\n") if lines else place.column + len(before)
    return Place(file=place.file, line=place.line + lines, column=column)


def _says_no(rows: Sequence[Mapping[str, Any]]) -> bool:
    return len(rows) == 1 and len(rows[0]) == 1 and next(iter(rows[0].values())) is False
