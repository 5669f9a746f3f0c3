"""Reading never writes: as a role that can only read, and on a standby, with the server compared before and after."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from changeover.core.document_types import DOCUMENTS
from changeover.core.sandbox import Sandbox
from changeover.core.target import Target
from tests.rehearsals import rehearse_on
from tests.servers import Server, Servers, binaries_here, psql
from tests.tui.pty_terminal import Terminal

COMMAND = Path(sys.executable).with_name("changeover")
SCENE = """
CREATE TABLE people (id int PRIMARY KEY, name text DEFAULT 'x'); INSERT INTO people VALUES (1, 'a');
CREATE TABLE gifts (id int PRIMARY KEY, person int REFERENCES people (id)); CREATE VIEW v AS SELECT * FROM people;
"""
MIGRATIONS = {
    "0001_more.sql": "ALTER TABLE people ADD COLUMN IF NOT EXISTS name text DEFAULT 'x';\n"
    "ALTER TABLE people ADD COLUMN mail text;\nCREATE INDEX ON gifts (person);\nUPDATE people SET name = 'b';\n",
    "0002_later.sql": "-- changeover: when table sessions\nALTER TABLE gifts ADD COLUMN s int REFERENCES sessions;\n",
}
# Everything that a writing reader would leave: rows of the catalogs by their xmin, numbers of transactions, written
# rows, sequences, locks.
STATE = """
SELECT 'class', md5(string_agg(oid || ':' || xmin::text || ':' || relname || relfilenode, ',' ORDER BY oid))
    FROM pg_class;
SELECT 'attribute', md5(string_agg(attrelid || ':' || attnum || ':' || xmin::text, ',' ORDER BY attrelid, attnum))
    FROM pg_attribute;
SELECT 'constraint', md5(string_agg(oid || ':' || xmin::text, ',' ORDER BY oid)) FROM pg_constraint;
SELECT 'namespace', md5(string_agg(oid || ':' || xmin::text, ',' ORDER BY oid)) FROM pg_namespace;
SELECT 'setting', md5(string_agg(setdatabase || ':' || setrole || ':' || xmin::text, ',' ORDER BY setdatabase, setrole))
    FROM pg_db_role_setting;
SELECT 'next xid', pg_snapshot_xmax(pg_current_snapshot());
SELECT 'written', sum(n_tup_ins), sum(n_tup_upd), sum(n_tup_del) FROM pg_stat_all_tables;
SELECT 'prepared', count(*) FROM pg_prepared_xacts;
SELECT 'advisory', count(*) FROM pg_locks WHERE locktype = 'advisory';
SELECT 'locks', count(*) FROM pg_locks
    WHERE pid <> pg_backend_pid() AND mode NOT IN ('AccessShareLock', 'ExclusiveLock');
"""


def folder_of(path: Path) -> Path:
    folder = path / "migrations"
    folder.mkdir()
    for name, text in MIGRATIONS.items():
        (folder / name).write_text(text)
    return folder


def environment(target: Target, home: Path) -> dict[str, str]:
    url = f"postgresql://{target.user}@/{target.database}?host={target.host}&port={target.port}"
    return {**os.environ, "DATABASE_URL": url, "CHANGEOVER_HOME": str(home), "TERM": "xterm-256color"}


def look_with_everything(target: Target, tmp_path: Path, *, stages: str) -> dict[str, tuple[int, str]]:
    """Run every command that reads, and the inspection in a terminal; return exit codes and what was printed."""
    folder_of(tmp_path)
    environ = environment(target, tmp_path / "home")
    said: dict[str, tuple[int, str]] = {}
    running = {
        command: subprocess.Popen(
            [str(COMMAND), command, "--json"], env=environ, cwd=tmp_path, stdout=subprocess.PIPE, text=True
        )
        for command in ("check", "plan", "status")
    }
    with Terminal([str(COMMAND), "inspect"], environ=environ, cwd=tmp_path) as terminal:
        terminal.shows("READ-ONLY", "0001", within=30)
        terminal.type("p")
        terminal.shows("PRE-CHECK", stages, within=30)
        terminal.type("\r")
        terminal.shows("expected")
        terminal.type("q")
        terminal.type("q")
        terminal.type("q")
        terminal.ended()
    for command, process in running.items():
        printed, _ = process.communicate()
        said[command] = (process.returncode, printed)
    return said


@pytest.fixture
def shop(any_server: Server, any_database: Target) -> Iterator[Target]:
    """Give a database to a role that may connect and read, and no more."""
    any_server.psql("DROP ROLE IF EXISTS spectator; CREATE ROLE spectator LOGIN")
    any_server.psql(
        f"{SCENE} REVOKE ALL ON DATABASE {any_database.database} FROM PUBLIC;"
        f"GRANT CONNECT ON DATABASE {any_database.database} TO spectator;"
        "REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO spectator;"
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO spectator",
        any_database.database,
    )
    yield replace(any_database, user="spectator")
    any_server.psql("DROP OWNED BY spectator", any_database.database)
    any_server.psql(f"REVOKE ALL ON DATABASE {any_database.database} FROM spectator; DROP ROLE spectator")


def test_a_role_that_can_only_read_sees_everything_and_leaves_nothing(
    shop: Target, any_server: Server, tmp_path: Path
) -> None:
    before = any_server.psql(STATE, shop.database)
    said = look_with_everything(shop, tmp_path, stages="MISSING")
    assert any_server.psql(STATE, shop.database) == before
    assert {command: code for command, (code, _) in said.items()} == {"check": 4, "plan": 4, "status": 0}
    assert "GRANT postgres TO spectator" in said["check"][1]
    assert '"mode": "ACCESS EXCLUSIVE"' in said["plan"][1]
    assert set(said) <= set(DOCUMENTS)


@pytest.fixture
def standby(servers: Servers, server: Server, tmp_path: Path) -> Iterator[Target]:
    """Give a standby in recovery: a cold copy of a server whose primary nobody can reach."""
    del servers
    source = Sandbox(tmp_path / "primary", binaries=binaries_here()[server.major], fast=True)
    source.start()
    psql(source.target(), SCENE)
    source.stop()
    copy = Sandbox(tmp_path / "standby", binaries=binaries_here()[server.major], fast=True)
    shutil.copytree(tmp_path / "primary", tmp_path / "standby", symlinks=True)
    (tmp_path / "standby" / "data" / "standby.signal").touch()
    copy.start()
    try:
        yield copy.target()
    finally:
        copy.stop()


async def test_a_plan_for_a_standby_is_rehearsed_and_the_standby_is_as_it_was(standby: Target, tmp_path: Path) -> None:
    before = psql(standby, STATE)
    migrations = {"0001_a": "ALTER TABLE people ADD COLUMN z float DEFAULT random();\n"}
    done = await rehearse_on(standby, tmp_path / "m", migrations)
    assert psql(standby, STATE) == before
    assert done.statements[0].rewrites == ("public.people",)
    assert done.statements[0].source == "measured"


def test_on_a_standby_everything_can_be_read_and_nothing_is_ready(standby: Target, tmp_path: Path) -> None:
    assert psql(standby, "SELECT pg_is_in_recovery()") == "t"
    before = psql(standby, STATE)
    said = look_with_everything(standby, tmp_path, stages="CONFLICT")
    assert psql(standby, STATE) == before
    assert {command: code for command, (code, _) in said.items()} == {"check": 4, "plan": 4, "status": 0}
    assert "a standby in recovery" in said["check"][1]
