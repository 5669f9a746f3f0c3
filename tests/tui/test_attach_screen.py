"""Attaching with a screen, in a real terminal: the same run screen, the same keys; and terminals that stall."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from changeover.core.attach import running_runs
from changeover.core.setup import url_of
from changeover.core.target import Target
from tests.servers import Server, psql
from tests.tui.commandline import COMMAND, environment, start
from tests.tui.pty_terminal import Terminal


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "migrations").mkdir(parents=True)
    return folder


def write(project: Path, sql: str) -> None:
    (project / "migrations" / "0001_x.sql").write_text(sql)


@contextmanager
def running(project: Path, target: Target | None, *words: str) -> Iterator[subprocess.Popen[str]]:
    process = start("apply", *(words or ("--yes",)), target=target, cwd=project)
    try:
        for _ in range(300):
            if running_runs():
                break
            assert process.poll() is None, process.communicate()
            time.sleep(0.1)
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def screen(project: Path, *words: str, target: Target | None = None, columns: int = 80, rows: int = 24) -> Terminal:
    return Terminal([str(COMMAND), *words], environ=environment(target), cwd=project, columns=columns, rows=rows)


def answer(terminal: Terminal, keys: str, *wanted: str) -> None:
    """Press keys until they are taken: what comes before a question could be read does not count."""
    for _ in range(10):
        time.sleep(0.8)
        terminal.type(keys)
        with contextlib.suppress(AssertionError):
            terminal.shows(*wanted, within=2.0)
            return
    terminal.shows(*wanted)


def enter(terminal: Terminal, text: str) -> None:
    """Put a text into the line in place of what is there, at the pace of a person."""
    for keys in ("\x15", text, "\r"):
        time.sleep(0.8)
        terminal.type(keys)


def test_the_run_screen_of_another_terminal_has_the_same_keys(project: Path, database: Target) -> None:
    write(project, "CREATE TABLE early (); SELECT pg_sleep(60);")
    with running(project, database) as applying, screen(project, "attach") as terminal:
        # commanded from here like any other, and nobody has said what kind of database it is
        terminal.shows("UNKNOWN ENVIRONMENT", database.database, "ATTACHED", "0001 x", "pg_sleep", "CREATE TABLE")
        terminal.type("x")
        terminal.shows("Stop this run?")
        answer(terminal, "x", "RECEIPT", "Stopped by the operator")
        assert applying.wait(30) == 7
        terminal.type("q")
        assert terminal.ended() == 7


def test_leaving_an_attached_screen_leaves_the_run_alone(project: Path, database: Target) -> None:
    write(project, "SELECT pg_sleep(6);")
    with running(project, database) as applying:
        with screen(project, "attach") as terminal:
            terminal.shows("pg_sleep")
            terminal.type("q")
            terminal.shows("A run is going on.")
            for _ in range(10):
                time.sleep(0.8)
                terminal.type("l")
                with contextlib.suppress(AssertionError):
                    assert terminal.ended(within=1.0) == 0
                    break
            assert terminal.exit_code == 0
        # the command can be copied: it is not cut at the edge of the terminal
        assert re.search(rb"The run goes on:\s+changeover attach [0-9TZ]+-\S+-[0-9a-f]{4}\r\n", terminal.written)
        assert applying.wait(30) == 0


def test_enter_on_a_running_session_attaches_to_its_run(project: Path, database: Target) -> None:
    write(project, "SELECT pg_sleep(60);")
    with running(project, database) as applying, screen(project, target=database) as terminal:
        terminal.shows("OVERVIEW")
        terminal.type("L")
        terminal.shows("going on", "SESSIONS")
        # the newest session is this console's own
        terminal.type("\x1b[B")
        terminal.shows("enter attaches", "apply")
        terminal.type("\r")
        terminal.shows("ATTACHED", "pg_sleep")
        applying.send_signal(signal.SIGINT)
        terminal.shows("RECEIPT", "Stopped by the operator", "enter Back")
        terminal.type("q")
        terminal.shows("SESSIONS")


def test_of_a_run_that_is_over_the_receipt_is_shown(project: Path, database: Target) -> None:
    write(project, "SELECT 1;")
    with running(project, database) as applying:
        session = running_runs()[0].session
        assert applying.wait(30) == 0
    with screen(project, "attach", session) as terminal:
        # there is no overview behind it
        terminal.shows("RECEIPT", "Applied: 1 migration applied", "enter Done")
        terminal.type("q")
        assert terminal.ended() == 0


@pytest.mark.parametrize("plain", [True, False], ids=["lines", "screen"])
def test_a_terminal_that_is_not_read_delays_nobody_and_catches_up(project: Path, database: Target, plain: bool) -> None:
    """Far more notices than pty, socket and the runner's queue hold: the viewer is dropped, the engine is not held."""
    write(
        project,
        "CREATE TABLE early (); DO $$ BEGIN FOR n IN 1..15000 LOOP RAISE NOTICE 'notice % %', n, repeat('x', 80); "
        "END LOOP; END $$;",
    )
    began = time.monotonic()
    words = ["attach", "--plain"] if plain else ["attach"]
    applying = start("apply", "--yes", "--json", target=database, cwd=project)
    while not running_runs():
        time.sleep(0.02)
    with screen(project, *words) as terminal:
        # the terminal is not read; the other viewer follows to the end
        out, _ = applying.communicate(timeout=120)
        took = time.monotonic() - began
        assert json.loads(out)["outcome"] == "applied"
        print(f"the run took {took:.1f} s beside a terminal that was not read")
        time.sleep(3)
        terminal.shows("applied", within=120)
        if not plain:
            terminal.type("q")
        assert terminal.ended(within=60) == 0
    # lines are folded between words
    said = b" ".join(terminal.written.split())
    if plain:
        assert b"notice 15000 " in said
        assert all(f"notice {n} ".encode() in said for n in range(1, 15001, 1111))


@pytest.fixture
def crowded(server: Server, project: Path, database: Target) -> Iterator[tuple[Target, Target]]:
    """The target as an ordinary role that may end the app's connections, in changeover.toml; and as the app."""
    server.psql("CREATE ROLE ender LOGIN; CREATE ROLE shop_app LOGIN; GRANT pg_monitor, pg_signal_backend TO ender")
    server.psql(
        "GRANT ALL ON SCHEMA public TO ender; CREATE TABLE orders (id int); ALTER TABLE orders OWNER TO ender; "
        "GRANT ALL ON orders TO shop_app;",
        database.database,
    )
    server.psql(f"GRANT ALL ON DATABASE {database.database} TO ender")
    ender = server.target(database.database, "ender")
    (project / "changeover.toml").write_text(
        f'target = "shop"\n[targets.shop]\nurl = "{url_of(ender)}"\nenvironment = "development"\nend_blockers = true\n'
    )
    write(project, "ALTER TABLE orders ADD COLUMN note text;")
    try:
        yield ender, server.target(database.database, "shop_app")
    finally:
        server.psql("DROP OWNED BY ender, shop_app CASCADE", database.database)
        server.psql(f"REVOKE ALL ON DATABASE {database.database} FROM ender")
        server.psql("DROP ROLE ender; DROP ROLE shop_app")


@contextmanager
def blocking(app: Target, binaries: Path, then: str = "") -> Iterator[subprocess.Popen[str]]:
    """An application that holds the table in a transaction and does nothing, or something that takes its time."""
    where = ["-h", app.host, "-p", str(app.port), "-U", app.user, "-d", app.database]
    process = subprocess.Popen(
        [str(binaries / "psql"), "-X", *where],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        env={"PGAPPNAME": "shop-web", "PATH": os.defpath},
    )
    assert process.stdin is not None
    process.stdin.write(f"BEGIN; SELECT * FROM orders;\n{then}\n")
    process.stdin.flush()
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("then", "offered"),
    [("", "runs nothing: its pid TERMINATES"), ("SELECT pg_sleep(600);", "its pid cancels the statement")],
    ids=["idle", "at work"],
)
def test_a_blocker_is_ended_by_its_typed_pid(
    project: Path, server: Server, crowded: tuple[Target, Target], then: str, offered: str
) -> None:
    _, app = crowded
    with (
        blocking(app, server.sandbox.binaries.folder, then),
        running(project, None, "--yes", "--lock-timeout", "120") as applying,
        screen(project, "attach") as terminal,
    ):
        terminal.shows("waits for ACCESS EXCLUSIVE on public.orders", "held by", "shop-web", "End blocker")
        terminal.shows("DEVELOPMENT", "ATTACHED", within=1)
        pid = psql(app, "SELECT pid FROM pg_stat_activity WHERE application_name = 'shop-web'")
        terminal.type("K")
        terminal.shows("End who blocks this run?", offered)
        enter(terminal, "1")
        terminal.shows("That is not the pid of one of them.")
        enter(terminal, pid)
        terminal.shows("Applied: 1 migration")
        assert applying.wait(30) == 0
        terminal.type("q")
        assert terminal.ended() == 0
    assert psql(crowded[0], "SELECT count(*) FROM pg_attribute WHERE attname = 'note'") == "1"


def test_giving_up_is_a_key_while_a_lock_is_waited_for(
    project: Path, server: Server, crowded: tuple[Target, Target]
) -> None:
    _, app = crowded
    with (
        blocking(app, server.sandbox.binaries.folder),
        running(project, None, "--yes", "--lock-timeout", "2") as applying,
        screen(project, "attach") as terminal,
    ):
        terminal.shows("held by", "shop-web")
        terminal.type("g")
        terminal.shows("RECEIPT", "Stopped by the operator", "blocked by pid")
        assert applying.wait(30) == 7


def test_the_screen_of_a_run_follows_the_size_of_its_window_and_the_run_does_not_care(
    project: Path, server: Server, crowded: tuple[Target, Target]
) -> None:
    _, app = crowded
    with (
        blocking(app, server.sandbox.binaries.folder) as blocker,
        running(project, None, "--yes", "--lock-timeout", "120") as applying,
        screen(project, "attach") as terminal,
    ):
        terminal.shows("held by", "shop-web", "? Help")
        terminal.resize(200, 50)
        wide = terminal.shows("(shop_app)", "? Help").splitlines()
        assert "? Help" in wide[49]
        terminal.resize(50, 12)
        terminal.shows("Enlarge to 60x16 (now 50x12); all goes on.")
        assert [line for line in terminal.text.splitlines() if line] == ["Enlarge to 60x16 (now 50x12); all goes on."]
        # a key that nobody can see the question of does nothing
        terminal.type("x")
        blocker.kill()
        assert applying.wait(60) == 0
        terminal.resize(80, 24)
        terminal.shows("RECEIPT", "Applied: 1 migration")
        terminal.type("q")
        assert terminal.ended() == 0
