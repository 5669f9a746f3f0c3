"""The whole path through Pilot, on a real server, with the run in its own process.

Past 400 lines: each test is one way through the same console.
"""

from __future__ import annotations

import asyncio
import time
import tomllib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from textual.events import Paste
from textual.pilot import Pilot

from changeover.core.connect import Connector
from changeover.core.errors import Fault
from changeover.core.session_log import SessionLog, read_session
from changeover.core.settings import Retry, Settings
from changeover.core.setup import url_of
from changeover.core.target import NamedTarget, Target
from changeover.tui.app import Console
from changeover.tui.opening import Mode, Opening
from tests.servers import Server
from tests.tui.showing import readable, text

FIRST = "CREATE TABLE people (id integer PRIMARY KEY, name text);\n"
SECOND = """ALTER TABLE people ADD COLUMN email text;
-- changeover: when table sessions
ALTER TABLE people ADD COLUMN session_id integer REFERENCES sessions (id);
"""
NAMES = (
    "slash",
    "full_stop",
    "minus",
    "underscore",
    "space",
    "colon",
    "at",
    "question_mark",
    "equals_sign",
    "ampersand",
)
KEYS = dict(zip("/.-_ :@?=&", NAMES, strict=True))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of two migrations, the second with a step that waits."""
    migrations = tmp_path / "migrations"
    migrations.mkdir()
    (migrations / "0001_people.sql").write_text(FIRST)
    (migrations / "0002_email.sql").write_text(SECOND)
    return migrations


@asynccontextmanager
async def opened(
    target: Target | None,
    migrations: Path | None,
    *,
    mode: Mode = Mode.CONSOLE,
    retry: Retry | None = None,
    targets: dict[str, NamedTarget] | None = None,
    **more: Any,
) -> AsyncIterator[Pilot[int]]:
    """Open the console as the command line does."""
    log = SessionLog.open(command="console", target=str(target or ""), label="test")
    settings = Settings(migrations=migrations, retry=retry or Retry(), targets=targets or {})
    console = Console(Opening(settings=settings, target=target, mode=mode, log=log, **more))
    try:
        async with console.run_test(size=(80, 24)) as pilot:
            yield pilot
    finally:
        log.close(0)


async def seen(pilot: Pilot[int], *said: str, within: float = 120) -> str:
    """Wait until all of `said` stands on the screen; return the screen."""
    end = time.monotonic() + within
    while True:
        await pilot.pause(0.1)
        shown = text(pilot)
        if all(each in shown for each in said):
            return shown
        assert time.monotonic() < end, f"not seen: {said}\n{shown}"


async def type_in(pilot: Pilot[int], said: str) -> None:
    """Give a line and enter it; what is long is pasted, as a person would."""
    if len(said) > 3:
        pilot.app.post_message(Paste(said))
        await pilot.pause()
    else:
        await pilot.press(*(KEYS.get(letter, letter) for letter in said))
    await pilot.press("enter")


async def to_the_confirmation(pilot: Pilot[int]) -> None:
    """Go from the overview to the confirmation, and read it for as long as it wants to be read."""
    await pilot.press("p")
    await seen(pilot, "PRE-CHECK")
    await pilot.press("c")
    await seen(pilot, "CONFIRM")
    await readable(pilot)


async def ask(target: Target, sql: str) -> list[Mapping[str, Any]]:
    """Ask the server itself."""
    connector = Connector(target, Retry(), emit=lambda _event: None)
    connection = await connector("look")
    try:
        return list(await connection.fetch(sql))
    finally:
        await connector.close()


def described(target: Target) -> Target:
    """Return the target as one that somebody has called a development database."""
    return replace(target, environment="development")


async def test_the_path_from_connect_to_receipt_applies_what_was_confirmed(database: Target, folder: Path) -> None:
    async with opened(described(database), folder) as pilot:
        await seen(pilot, "OVERVIEW", "2 pending", "DEVELOPMENT")
        console: Any = pilot.app
        console.journey._busy = "refresh"
        await pilot.press("p")
        await seen(pilot, "OVERVIEW", "One moment: the look at the database is not done yet.")
        console.journey._busy = ""
        await pilot.press("p")
        await seen(pilot, "PRE-CHECK", "2 migrations, 3 statements: ready", "deferred")
        await pilot.press("c")
        await seen(pilot, "CONFIRM", "0002 email  1 to run, 1 deferred")
        await readable(pilot)
        await pilot.press("y")
        shown = await seen(pilot, "RECEIPT")
        assert "✓ Applied: 2 migrations applied" in shown
        assert "~ deferred line 3" in shown
        assert "every lock is released" in shown
        await pilot.press("enter")
        await seen(pilot, "OVERVIEW", "nothing pending, 1 deferred")
        await pilot.press("q")
        await pilot.pause(0.3)
    assert [row["version"] for row in await ask(database, "SELECT version FROM changeover.migration ORDER BY 1")] == [
        "0001",
        "0002",
    ]


async def test_escape_before_the_confirmation_changes_nothing(database: Target, folder: Path) -> None:
    async with opened(described(database), folder) as pilot:
        await seen(pilot, "2 pending")
        await pilot.press("p")
        await seen(pilot, "PRE-CHECK")
        await pilot.press("c")
        await seen(pilot, "CONFIRM")
        await pilot.press("escape")
        await seen(pilot, "PRE-CHECK")
        await pilot.press("escape")
        await seen(pilot, "OVERVIEW")
    assert await ask(database, "SELECT 1 FROM pg_class WHERE relname IN ('people', 'migration')") == []


@pytest.mark.parametrize(("environment", "protected"), [("", False), ("staging", True)])
async def test_a_database_that_nobody_has_described_or_that_is_protected_wants_its_name_typed(
    database: Target, folder: Path, environment: str, protected: bool
) -> None:
    async with opened(replace(database, environment=environment, protected=protected), folder) as pilot:
        await seen(pilot, (environment or "unknown environment").upper(), "2 pending")
        await pilot.press("p")
        await seen(pilot, "PRE-CHECK")
        await pilot.press("c")
        await seen(pilot, "Type the name of the database")
        await readable(pilot)
        await type_in(pilot, database.database)
        await seen(pilot, "RECEIPT", "✓ Applied")


async def test_a_failed_migration_ends_in_a_receipt_with_the_fault_and_its_exit_code(
    database: Target, folder: Path
) -> None:
    (folder / "0003_wrong.sql").write_text("SELECT 1;\nSELECT 1 / 0;\n")
    async with opened(described(database), folder) as pilot:
        await seen(pilot, "3 pending")
        await to_the_confirmation(pilot)
        await pilot.press("y")
        shown = await seen(pilot, "RECEIPT")
        assert "division by zero" in shown
        assert "0003_wrong.sql:2" in shown
        await pilot.press("enter")
        await seen(pilot, "OVERVIEW", "failed")
        await pilot.press("q")
        await pilot.pause(0.3)
        assert pilot.app.return_value == 6


async def test_inspection_reads_on_a_connection_that_the_server_holds_read_only(database: Target, folder: Path) -> None:
    async with opened(described(database), folder, mode=Mode.INSPECT) as pilot:
        await seen(pilot, "READ-ONLY", "2 pending")
        states = await ask(
            database,
            "SELECT application_name FROM pg_stat_activity WHERE application_name LIKE 'changeover%look'"
            " AND pid <> pg_backend_pid()",
        )
        assert len(states) == 1
        console: Any = pilot.app
        with pytest.raises(Exception, match="read-only"):
            await console.journey._link.connection.execute("CREATE TABLE nothing ()")
        await pilot.press("v")
        await seen(pilot, "CREATE TABLE people")
        await pilot.press("escape")
        await pilot.press("p")
        await seen(pilot, "PRE-CHECK", "nothing can be run")
        await pilot.press("c", "enter", "y")
        await pilot.pause(0.3)
        assert "CONFIRM" not in text(pilot)
    assert await ask(database, "SELECT 1 FROM pg_class WHERE relname IN ('people', 'migration')") == []


async def test_a_folder_that_cannot_be_read_is_told_on_the_overview(database: Target, folder: Path) -> None:
    (folder / "0002_again.sql").write_text("SELECT 1;")
    async with opened(described(database), folder) as pilot:
        shown = await seen(pilot, "The migrations cannot be shown")
        assert "0002" in shown
        (folder / "0002_again.sql").unlink()
        await pilot.press("r")
        await seen(pilot, "2 pending")


async def test_a_server_that_is_not_there_is_tried_and_the_reason_said(database: Target, folder: Path) -> None:
    nowhere = replace(described(database), host="127.0.0.1", port=9)
    async with opened(nowhere, folder, retry=Retry(retries=1, first_wait=5)) as pilot:
        await seen(pilot, "1 of 2", "attempt 2 of 2 in")
        await pilot.press("t")
        await seen(pilot, "2 of 2", "t tries again from the start")
        await pilot.press("q")
        await pilot.pause(0.3)
        assert pilot.app.return_value == 3


async def test_a_server_without_tls_is_refused_on_the_screen_and_not_tried_again(tmp_path: Path, folder: Path) -> None:
    async def no_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(b"N")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(no_tls, "127.0.0.1")
    async with server:
        port = server.sockets[0].getsockname()[1]
        target = Target(
            host="127.0.0.1", port=port, database="d", user="u", sslmode="require", environment="development"
        )
        async with opened(target, folder) as pilot:
            shown = await seen(
                pilot, "does not speak TLS, and sslmode=require wants it", "t tries again from the start"
            )
            assert "1 of 4" in shown
            assert "2 of 4" not in shown
            assert "TLS require" in shown


async def test_giving_up_ends_the_attempts(database: Target, folder: Path) -> None:
    nowhere = replace(described(database), host="127.0.0.1", port=9)
    async with opened(nowhere, folder, retry=Retry(retries=3, first_wait=60)) as pilot:
        await seen(pilot, "attempt 2 of 4 in")
        await pilot.press("g")
        await seen(pilot, "t tries again from the start")


async def test_who_gave_up_can_try_all_over_or_name_another_database(
    database: Target, folder: Path, home: Path, tmp_path: Path
) -> None:
    environ = {"HOME": str(tmp_path), "CHANGEOVER_HOME": str(home), "DATABASE_URL": url_of(database)}
    nowhere = replace(described(database), host="127.0.0.1", port=9)
    retry = Retry(retries=3, first_wait=60)
    async with opened(nowhere, folder, retry=retry, environ=environ, start=tmp_path) as pilot:
        await seen(pilot, "attempt 2 of 4 in")
        await pilot.press("g")
        await seen(pilot, "t tries again from the start")
        await pilot.press("t")
        await seen(pilot, "attempt 2 of 4 in")
        await pilot.press("e")
        # nobody has answered: it begins at where the way leads, and a URL is one step back
        await seen(pilot, "Host name", "empty is 127.0.0.1")
        await pilot.press("escape")
        await seen(pilot, "Connection URL")
        await type_in(pilot, url_of(database))
        await seen(pilot, "OVERVIEW", "UNKNOWN ENVIRONMENT", "2 pending")
        await pilot.press("q")
        await pilot.pause(0.3)
        # what could not be reached before is forgotten
        assert pilot.app.return_value == 0


async def test_a_connection_that_was_lost_is_made_again_by_a_refresh(database: Target, folder: Path) -> None:
    async with opened(described(database), folder) as pilot:
        await seen(pilot, "2 pending")
        await ask(
            database,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'changeover%look' AND pid <> pg_backend_pid()",
        )
        await asyncio.sleep(0.2)
        await pilot.press("r")
        await pilot.pause(0.5)
        await seen(pilot, "OVERVIEW", "2 pending")
        console: Any = pilot.app
        assert not console.journey._link.connection.is_closed


async def test_a_past_session_is_listed_and_played_again(database: Target, folder: Path) -> None:
    async with opened(described(database), folder) as pilot:
        await seen(pilot, "2 pending")
        await to_the_confirmation(pilot)
        await pilot.press("y")
        await seen(pilot, "RECEIPT")
        await pilot.press("L")
        await seen(pilot, "SESSIONS", "✓ applied", "still open")
        await pilot.press("enter")
        await seen(pilot, "LOG", "lines")
        await pilot.press("R")
        await seen(pilot, "REPLAY")
        await pilot.press("f", "f", "f", "f", "f")
        await seen(pilot, "✓ applied", "The end of")
        # another sitting comes in meanwhile: it is the newest, and the list is still where it was
        console: Any = pilot.app
        other = SessionLog.open(command="changeover", target="another", label="zz")
        await pilot.press("q")
        now = await seen(pilot, "SESSIONS", "another")
        assert "another" not in next(line for line in now.splitlines() if line.startswith(">"))
        await pilot.press("g", "l")
        # open, though no run of it goes on
        await seen(pilot, "LOG", "goes on, and is followed")
        other.close(0)
        kinds = [type(each.event).__name__ for each in read_session(console.opening.log.id)]
        for kind in ("AttemptStarted", "Connected", "PreChecked", "Planned", "Approved", "RunStarted", "RunFinished"):
            assert kind in kinds


async def test_the_set_up_asks_tries_saves_and_ends_on_the_overview(
    database: Target, folder: Path, home: Path, tmp_path: Path
) -> None:
    environ = {"HOME": str(tmp_path), "CHANGEOVER_HOME": str(home)}
    fault = Fault(id="target", summary="DATABASE_URL is not set.", advice="Example: postgresql://...")
    async with opened(None, None, mode=Mode.SETUP, error=fault, environ=environ, start=tmp_path) as pilot:
        await seen(pilot, "DATABASE_URL is not set.")
        await pilot.press("o")
        await seen(pilot, "Connection URL")
        await type_in(pilot, "")
        await seen(pilot, "Host name")
        await type_in(pilot, database.host)
        await seen(pilot, "Port")
        await type_in(pilot, str(database.port))
        await seen(pilot, "Database", "empty is")
        await pilot.press("escape")
        # what was answered is the usual answer now
        await seen(pilot, "Port", f"empty is {database.port}")
        await type_in(pilot, "")
        await seen(pilot, "Database", "empty is")
        await pilot.press("escape")
        # and stays so where nothing else was said
        await seen(pilot, "Port", f"empty is {database.port}")
        await type_in(pilot, "")
        await seen(pilot, "Database", "empty is")
        await type_in(pilot, database.database)
        await seen(pilot, "User")
        await type_in(pilot, database.user)
        await seen(pilot, "Password")
        await type_in(pilot, "secret word")
        await seen(pilot, "Migrations folder")
        await pilot.press("escape")
        # but for a password: it is asked for anew
        assert "secret word" not in await seen(pilot, "Password", "What you type is not shown")
        await type_in(pilot, "secret word")
        await seen(pilot, "Migrations folder")
        await type_in(pilot, str(tmp_path / "gone"))
        await seen(pilot, "There is no such folder.")
        await pilot.press("ctrl+u")
        await type_in(pilot, str(folder))
        await seen(pilot, "Name of this target")
        await type_in(pilot, "mine")
        await seen(pilot, "What kind of database is it", "> production")
        await pilot.press("down", "j", "enter")
        await seen(pilot, "Ask for the database", "> no")
        await pilot.press("q")
        await seen(pilot, "What kind of database is it", "> development")
        await pilot.press("enter")
        await seen(pilot, "Ask for the database")
        await pilot.press("enter")
        await seen(pilot, "May this target only be looked at", "> no")
        await pilot.press("enter")
        await seen(pilot, "This goes into")
        # back to a question whose usual answer hangs on the one before: that was changed, and it is asked as usual
        await pilot.press("escape", "escape")
        await seen(pilot, "Ask for the database", "> no")
        await pilot.press("escape")
        await seen(pilot, "What kind of database is it", "> development")
        await pilot.press("g", "enter")
        await seen(pilot, "Ask for the database", "> yes")
        await pilot.press("escape")
        await seen(pilot, "What kind of database is it", "> production")
        await pilot.press("down", "j", "enter")
        await seen(pilot, "Ask for the database", "> no")
        await pilot.press("up", "enter")
        await seen(pilot, "May this target only be looked at")
        await pilot.press("escape")
        await seen(pilot, "Ask for the database", "> yes")
        await pilot.press("escape")
        await seen(pilot, "What kind of database is it", "> development")
        await pilot.press("up", "enter")
        await seen(pilot, "Ask for the database", "> yes")
        await pilot.press("escape")
        await seen(pilot, "What kind of database is it", "> staging")
        await pilot.press("down", "enter")
        await seen(pilot, "Ask for the database", "> yes")
        await pilot.press("down", "enter")
        await seen(pilot, "May this target only be looked at")
        await pilot.press("enter")
        await seen(pilot, "This goes into")
        await pilot.press("enter")
        await seen(pilot, "OVERVIEW", "DEVELOPMENT", "2 pending")
    written = (home / "config" / "targets.toml").read_text()
    assert "mine" in written
    assert "secret" not in written
    logged = "".join(file.read_text() for file in (home / "log").rglob("*.jsonl"))
    assert "secret word" not in logged


async def test_a_target_that_does_not_answer_is_edited_part_by_part_and_the_way_back_is_the_attempt(
    database: Target, folder: Path, tmp_path: Path
) -> None:
    wrong = described(replace(database, database="no such database"))
    environ = {"HOME": str(tmp_path)}
    async with opened(wrong, folder, environ=environ) as pilot:
        await seen(pilot, "CONNECT", "DEVELOPMENT", "does not exist", "e edits the target")
        for _ in range(3):
            await pilot.press("t")
            await pilot.pause(0.1)
            await seen(pilot, "CONNECT", "does not exist", "e edits the target")
        await pilot.press("e")
        # it begins at what the server has refused, and the way back leads through all that is before it
        await seen(pilot, "Database", "empty is no such database")
        for question, now in (("Port", str(database.port)), ("Host name", database.host), ("Connection URL", "")):
            await pilot.press("escape")
            await seen(pilot, question, now)
        await pilot.press("escape")
        await seen(pilot, "CONNECT", "does not exist", "e edits the target")
        await pilot.press("e")
        await seen(pilot, "Database", "empty is no such database")
        await type_in(pilot, database.database)
        await seen(pilot, "User", f"empty is {database.user}")
        await type_in(pilot, "")
        await seen(pilot, "Password")
        await type_in(pilot, "")
        # what was said of the other database does not hold for this one
        await seen(pilot, "OVERVIEW", "UNKNOWN ENVIRONMENT", database.database, "2 pending")


async def test_a_set_up_that_is_refused_goes_on_at_what_was_refused_and_forgets_nothing(
    database: Target, folder: Path, home: Path, tmp_path: Path
) -> None:
    environ = {"HOME": str(tmp_path), "CHANGEOVER_HOME": str(home)}
    async with opened(None, None, mode=Mode.SETUP, environ=environ, start=tmp_path) as pilot:
        await seen(pilot, "Which database")
        await pilot.press("o")
        await seen(pilot, "Connection URL")
        for question, said in (
            ("Connection URL", ""),
            ("Host name", database.host),
            ("Port", str(database.port)),
            ("Database", database.database),
            ("User", "nobody at all"),
            ("Password", ""),
        ):
            await seen(pilot, question)
            await type_in(pilot, said)
        await seen(pilot, "CONNECT", "Role nobody at all does not exist", "e edits the target")
        await pilot.press("e")
        await seen(pilot, "User", "empty is nobody at all")
        await type_in(pilot, database.user)
        await seen(pilot, "Password")
        await type_in(pilot, "")
        shown = await seen(pilot, "Migrations folder")
        assert f"database     {database.database}" in shown
        assert f"user         {database.user}" in shown


async def test_the_set_up_asks_whose_folder_it_is_and_the_overview_has_its_migrations(
    database: Target, home: Path, tmp_path: Path
) -> None:
    (folder := tmp_path / "theirs").mkdir()
    (folder / "000001_q.up.sql").write_text("CREATE TABLE item ();\n")
    (folder / "000001_q.down.sql").write_text("DROP TABLE item;\n")
    environ = {"HOME": str(tmp_path), "CHANGEOVER_HOME": str(home)}
    async with opened(None, None, mode=Mode.SETUP, environ=environ, start=tmp_path) as pilot:
        await seen(pilot, "Which database")
        await pilot.press("o")
        await seen(pilot, "Connection URL")
        await type_in(pilot, url_of(database))
        await seen(pilot, "Migrations folder")
        await type_in(pilot, str(folder))
        await seen(pilot, "Which tool's folder is it", "> golang-migrate", "_sqlx_migrations")
        await pilot.press("down", "enter")
        await seen(pilot, "Name of this target", "format       sqlx")
        await pilot.press("escape")
        await seen(pilot, "Which tool's folder is it", "> sqlx")
        await pilot.press("enter")
        await seen(pilot, "Name of this target")
        await type_in(pilot, "mine")
        await seen(pilot, "What kind of database is it")
        await pilot.press("G", "enter")
        await seen(pilot, "Ask for the database")
        await pilot.press("enter")
        await seen(pilot, "May this target only be looked at")
        await pilot.press("enter")
        await seen(pilot, "This goes into", 'format = "sqlx"')
        await pilot.press("enter")
        await seen(pilot, "OVERVIEW", "1 pending")
    assert tomllib.loads((home / "config" / "targets.toml").read_text())["targets"]["mine"]["format"] == "sqlx"


async def _asked_all(pilot: Pilot[int], folder: Path, *, protected: str, read_only: str) -> str:
    """Answer what the set-up asks of a database that it has reached, a development database; return what it shows."""
    await seen(pilot, "Migrations folder")
    await type_in(pilot, str(folder))
    await seen(pilot, "Name of this target")
    await type_in(pilot, "mine")
    await seen(pilot, "What kind of database is it", "> production")
    await pilot.press("G", "enter")
    for question, answer in (("Ask for the database", protected), ("May this target only be looked at", read_only)):
        await seen(pilot, question, "> no")
        # `no` is the last answer of the one, and the first of the other
        moves = {"Ask for the database": "up", "May this target only be looked at": "down"}
        await pilot.press(*([moves[question]] if answer == "yes" else []), "enter")
    return await seen(pilot, "This goes into")


async def test_the_set_up_tries_what_is_named_anew_and_writes_nothing_where_that_is_wanted(
    server: Server, database: Target, folder: Path, home: Path, tmp_path: Path
) -> None:
    environ = {"HOME": str(tmp_path), "CHANGEOVER_HOME": str(home)}
    there = {"mine": NamedTarget(name="mine", url="postgresql://u@elsewhere/d", source="the test")}
    with server.new_database() as other:
        async with opened(None, None, mode=Mode.SETUP, environ=environ, start=tmp_path, targets=there) as pilot:
            await seen(pilot, "Which database")
            await pilot.press("o")
            await seen(pilot, "Connection URL", "NO TARGET YET")
            await type_in(pilot, url_of(other))
            await seen(pilot, "Migrations folder", f"/{other.database}\n")
            await pilot.press("escape")
            # what was tried is no target any more
            await seen(pilot, "Connection URL", "NO TARGET YET")
            await type_in(pilot, url_of(database))
            await seen(pilot, "Migrations folder", f"/{database.database}\n")
            shown = await _asked_all(pilot, folder, protected="yes", read_only="no")
            assert "It takes the place of the target mine that is there." in shown
            await pilot.press("escape")
            await seen(pilot, "May this target only be looked at")
            await pilot.press("enter")
            await seen(pilot, "This goes into")
            await pilot.press("u")
            await seen(pilot, "OVERVIEW", "DEVELOPMENT", "2 pending")
            await pilot.press("p")
            await seen(pilot, "PRE-CHECK")
            await pilot.press("c")
            # as it was answered, though one key is enough for other databases of this kind
            await seen(pilot, f"Type the name of the database to run this: {database.database}")
    assert not (home / "config" / "targets.toml").exists()


async def test_the_set_up_of_a_target_to_be_looked_at_ends_in_an_inspection(
    database: Target, folder: Path, home: Path, tmp_path: Path
) -> None:
    environ = {"HOME": str(tmp_path), "CHANGEOVER_HOME": str(home)}
    async with opened(None, None, mode=Mode.SETUP, environ=environ, start=tmp_path) as pilot:
        await seen(pilot, "Which database")
        await pilot.press("o")
        await seen(pilot, "Connection URL")
        await type_in(pilot, url_of(database))
        shown = await _asked_all(pilot, folder, protected="no", read_only="yes")
        assert "takes the place" not in shown
        await pilot.press("enter")
        await seen(pilot, "OVERVIEW", "READ-ONLY TRANSACTION", "2 pending")
        await pilot.press("u")
        await seen(pilot, "Undo is not here: this console only reads")
        console: Any = pilot.app
        with pytest.raises(Exception, match="read-only"):
            await console.journey._link.connection.execute("CREATE TABLE nothing ()")
    assert tomllib.loads((home / "config" / "targets.toml").read_text()) == {
        "target": "mine",
        "targets": {
            "mine": {
                "url": url_of(database),
                "read_only": True,
                "environment": "development",
                "migrations": str(folder),
            }
        },
    }


async def test_leaving_closes_every_connection(database: Target, folder: Path) -> None:
    async with opened(described(database), folder) as pilot:
        await seen(pilot, "2 pending")
        await pilot.press("ctrl+c")
        await pilot.pause(0.5)
        assert pilot.app.return_value == 0
    left = await ask(
        database,
        "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'changeover%'"
        " AND pid <> pg_backend_pid() AND datname = current_database()",
    )
    assert left == []


@asynccontextmanager
async def running_slowly(database: Target, folder: Path) -> AsyncIterator[Pilot[int]]:
    """Open the console and begin a run whose second statement sleeps."""
    (folder / "0002_email.sql").write_text("CREATE TABLE half ();\nSELECT pg_sleep(4);\n")
    async with opened(described(database), folder) as pilot:
        await seen(pilot, "2 pending")
        await to_the_confirmation(pilot)
        await pilot.press("y")
        await seen(pilot, "RUN", "► run", "pg_sleep")
        yield pilot


@pytest.mark.parametrize(
    ("key", "over", "back"),
    [("q", "A run is going on.", ""), ("x", "Stop this run?", ""), ("question_mark", "Keys: run", "escape")],
)
async def test_a_run_that_ends_under_a_question_or_the_help_leads_to_its_receipt(
    database: Target, folder: Path, key: str, over: str, back: str
) -> None:
    async with running_slowly(database, folder) as pilot:
        await pilot.press(key)
        await seen(pilot, over)
        if back:
            # what is read is not taken away
            await seen(pilot, over, within=6)
            while await ask(database, "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE '%migration%'"):
                await pilot.pause(0.2)
            await pilot.pause(0.5)
            await seen(pilot, over)
            await pilot.press(back)
        await seen(pilot, "RECEIPT", "✓ Applied")
        await pilot.press("enter")
        await seen(pilot, "OVERVIEW", "nothing pending")


async def test_a_run_is_stopped_only_after_a_question_and_said_to_be_when_it_is(database: Target, folder: Path) -> None:
    async with running_slowly(database, folder) as pilot:
        await pilot.press("x")
        await seen(pilot, "Stop this run?", "No, let it go on")
        await pilot.press("enter")
        await readable(pilot)
        await pilot.press("n")
        await seen(pilot, "► run")
        await pilot.press("x")
        await seen(pilot, "Stop this run?")
        await readable(pilot)
        await pilot.press("x")
        shown = await seen(pilot, "RECEIPT")
        assert "Stopped by the operator; nothing is half-done" in shown
    assert await ask(database, "SELECT 1 FROM pg_class WHERE relname = 'half'") == []


@pytest.mark.parametrize("key", ["q", "escape", "ctrl+c", "ctrl+q"])
async def test_no_key_ends_the_console_abruptly_during_a_run(database: Target, folder: Path, key: str) -> None:
    async with running_slowly(database, folder) as pilot:
        await pilot.press(key)
        await seen(pilot, "A run is going on.", "the run finishes the migration in hand")
        await pilot.press("ctrl+c")
        await seen(pilot, "► run")
        await seen(pilot, "RECEIPT", "✓ Applied")


async def test_leaving_lets_the_run_go_on_under_its_policy(database: Target, folder: Path) -> None:
    async with running_slowly(database, folder) as pilot:
        await pilot.press("q")
        await seen(pilot, "Leave the console")
        await readable(pilot)
        await pilot.press("l")
        await pilot.pause(0.5)
        console: Any = pilot.app
        assert "The run goes on without this console: changeover attach 2" in console.last_words
    done: list[Mapping[str, Any]] = []
    for _ in range(100):
        done = await ask(database, "SELECT 1 FROM pg_class WHERE relname = 'half'")
        if done:
            break
        await asyncio.sleep(0.1)
    assert done
