"""The plain face with somebody at the terminal: the questions before a run, and what the answers lead to."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from changeover.core.setup import url_of
from changeover.core.target import Target
from tests.servers import Server
from tests.tui.commandline import COMMAND, at_terminal, changeover, environment, start


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "0001_item.sql").write_text("CREATE TABLE item (id int);\n")
    return tmp_path


def is_pending(target: Target, folder: Path) -> bool:
    return changeover("status", "--exit-code", target=target, cwd=folder).code == 5


def test_the_question_says_server_database_role_and_counts(database: Target, folder: Path) -> None:
    done = at_terminal("apply", target=database, cwd=folder, script=[("Server ", ""), ("Apply? [y/N]", "y\n")])
    assert done.code == 0, done.err
    assert done.out.startswith("RECEIPT  applied")


@pytest.mark.parametrize("answer", ["n\n", "\n", "maybe\n", "\x04"])
def test_anything_but_yes_is_a_no(answer: str, database: Target, folder: Path) -> None:
    done = at_terminal("apply", target=database, cwd=folder, script=[("Apply? [y/N]", answer)])
    assert done.code == (2 if answer == "\x04" else 7)
    assert is_pending(database, folder)


def test_ctrl_c_at_the_question_is_exit_7(database: Target, folder: Path) -> None:
    done = at_terminal("apply", target=database, cwd=folder, script=[("Apply? [y/N]", "\x03")])
    assert done.code == 7
    assert "Traceback" not in done.err
    assert is_pending(database, folder)


@pytest.mark.parametrize("right", [True, False])
def test_a_protected_target_wants_the_name_of_its_database(right: bool, database: Target, folder: Path) -> None:
    (folder / "changeover.toml").write_text(f'[targets.live]\nurl = "{url_of(database)}"\nprotected = true\n')
    typed = database.database if right else database.database.upper()
    script = [("Type the name of the database", f"{typed}\n")]
    done = at_terminal("apply", "--target", "live", "--yes", target=None, cwd=folder, script=script)
    assert done.code == (0 if right else 7), done.err


@pytest.fixture
def wanted(server: Server, database: Target) -> Iterator[Target]:
    """Give the test its database as a role for which the server wants the password `S3cret word`."""
    hba = Path(server.psql("SHOW hba_file"))
    before = hba.read_text()
    server.psql("CREATE ROLE asked LOGIN PASSWORD 'S3cret word'")
    try:
        hba.write_text(f"local all asked scram-sha-256\n{before}")
        server.psql("SELECT pg_reload_conf()")
        yield replace(database, user="asked", password=None)
    finally:
        hba.write_text(before)
        server.psql("SELECT pg_reload_conf()")
        server.psql("DROP ROLE asked")


def test_a_missing_password_is_asked_for_and_never_shown(wanted: Target, folder: Path) -> None:
    script = [("Password for asked: ", "S3cret word\n")]
    done = at_terminal("status", target=wanted, cwd=folder, script=script)
    assert done.code == 0, done.err
    assert "S3cret" not in done.err + done.out


def test_a_wrong_password_is_tried_once_and_is_exit_3(wanted: Target, folder: Path) -> None:
    done = at_terminal("status", target=wanted, cwd=folder, script=[("Password for asked: ", "S3cret wrong\n")])
    assert done.code == 3
    assert "was not accepted" in done.err
    assert "S3cret" not in done.err + done.out


def test_without_a_terminal_a_missing_password_is_exit_3(wanted: Target, folder: Path) -> None:
    assert changeover("status", target=wanted, cwd=folder).code == 3


def test_the_password_reaches_the_runner_and_no_file(wanted: Target, server: Server, folder: Path, home: Path) -> None:
    server.psql("GRANT ALL ON SCHEMA public TO asked", wanted.database)
    server.psql(f"GRANT CREATE ON DATABASE {wanted.database} TO asked")
    done = changeover("apply", "--yes", target=wanted, cwd=folder, PGPASSWORD="S3cret word")
    assert done.code == 0, done.err
    server.psql("DROP OWNED BY asked CASCADE", wanted.database)
    files = [file for file in home.rglob("*") if file.is_file()]
    assert files
    assert all(b"S3cret" not in file.read_bytes() for file in files)


# Python's own buffer: what does not fill it fails only when it is flushed.
BUFFERED = pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])


@BUFFERED
@pytest.mark.parametrize("words", [("hazards", "--json"), ("hazards",), ("--help",)], ids=" ".join)
def test_a_reader_that_has_enough_is_no_failure(words: tuple[str, ...], unbuffered: str, tmp_path: Path) -> None:
    process = start(*words, cwd=tmp_path, PYTHONUNBUFFERED=unbuffered)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert (process.stderr.read(), process.wait(60)) == ("", 0)
    process.stderr.close()


def test_a_run_whose_reader_has_gone_goes_on_to_its_own_end(database: Target, folder: Path) -> None:
    process = start("apply", "--yes", target=database, cwd=folder)
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        stream.close()
    assert process.wait(60) == 0
    assert not is_pending(database, folder)


ON_A_FULL_DISK = pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="this system has no disk that is always full"
)


def on_a_full_disk(*words: str, cwd: Path, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    with Path("/dev/full").open("w") as full:
        return subprocess.run([COMMAND, *words], cwd=cwd, env=environ, stdout=full, stderr=subprocess.PIPE, text=True)


@ON_A_FULL_DISK
@BUFFERED
@pytest.mark.parametrize("words", [("hazards", "--json"), ("--help",)], ids=" ".join)
def test_output_that_cannot_be_written_is_told(words: tuple[str, ...], unbuffered: str, tmp_path: Path) -> None:
    done = on_a_full_disk(*words, cwd=tmp_path, environ=environment(PYTHONUNBUFFERED=unbuffered))
    assert done.returncode == 2
    assert done.stderr.startswith("changeover: Not all of the output could be written: No space left on device.")
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@ON_A_FULL_DISK
def test_what_a_command_found_out_is_not_lost_with_its_output(database: Target, folder: Path) -> None:
    done = on_a_full_disk("status", "--exit-code", cwd=folder, environ=environment(database))
    assert done.returncode == 5
