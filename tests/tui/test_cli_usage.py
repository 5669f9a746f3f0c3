"""Bad input at the command line: one clear message, the right exit code, nothing printed where a result belongs."""

from __future__ import annotations

import json
import signal
import socket
import stat
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from changeover.core.errors import ExitCode
from changeover.core.hazards.rules import RULES
from tests.tui.commandline import Done, changeover, start


def check_error(done: Done) -> Any:
    """Return the error of a JSON document that keeps the contract."""
    schema = json.loads((files("changeover.core") / "schemas" / "error.json").read_text(encoding="utf-8"))
    jsonschema.validate(done.document, schema)
    assert done.document["exit_code"] == done.code
    return done.document["error"]


def test_the_version_is_printed(tmp_path: Path) -> None:
    done = changeover("--version", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("changeover ")


@pytest.mark.parametrize(
    ("command", "url"),
    [("check", None), ("check", ""), ("status", "  "), ("plan", None), ("apply", ""), ("inspect", None)],
)
def test_a_missing_database_is_one_message_with_an_example(command: str, url: str | None, tmp_path: Path) -> None:
    environ = {} if url is None else {"DATABASE_URL": url}
    done = changeover(command, target=None, cwd=tmp_path, **environ)
    assert done.code == 2
    assert done.out == ""
    assert done.err.startswith("changeover: No database is named")
    assert "DATABASE_URL=postgresql://" in done.err


def test_a_dotenv_that_names_a_database_is_pointed_at_and_not_obeyed(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SECRET=x\nPGUSER=u\n")
    assert ".env" not in changeover("status", cwd=tmp_path).err
    (tmp_path / ".env").write_text("DATABASE_URL=postgresql://u:S3cret@h/d\n")
    done = changeover("status", cwd=tmp_path)
    assert done.code == 2
    assert f"{tmp_path / '.env'} names one, which is never taken unasked: `changeover setup` offers it" in done.err
    assert "S3cret" not in done.err


def test_setup_without_anybody_names_no_options_that_it_has_not(tmp_path: Path) -> None:
    done = changeover("setup", cwd=tmp_path)
    assert done.code == 2
    assert "Run it at a terminal." in done.err
    assert "an option" not in done.err


def test_a_number_is_called_a_number(tmp_path: Path) -> None:
    for words in (["apply", "--wait", "x"], ["apply", "--lock-timeout", "x"], ["logs", "prune", "--older-than", "x"]):
        assert "'x' is not a valid number." in changeover(*words, cwd=tmp_path).err


def test_without_a_terminal_the_bare_command_wants_a_database_too(tmp_path: Path) -> None:
    assert changeover(cwd=tmp_path).code == 2


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:S3cret/x@h/d",
        "postgres://u:S3cret",
        "postgres://u:S3cret@h/d?S3cret=1",
        "postgres://u:S3cret#@h/d",
        "postgresql+asyncpg://u:S3cret@h/d",
    ],
)
@pytest.mark.parametrize("json_too", [True, False])
def test_a_malformed_url_is_refused_without_its_password(url: str, json_too: bool, tmp_path: Path) -> None:
    words = ["check", "--json"] if json_too else ["check"]
    by_flag = changeover(*words, "--target", url, cwd=tmp_path) if json_too else None
    by_variable = changeover(*words, cwd=tmp_path, DATABASE_URL=url) if not json_too else None
    for done in filter(None, (by_flag, by_variable)):
        assert done.code == 2
        assert "S3cret" not in done.out + done.err
        if json_too:
            assert check_error(done)["id"] == "target"
            assert done.err == ""


def test_help_has_whole_summaries_and_every_exit_code(tmp_path: Path) -> None:
    text = changeover("--help", cwd=tmp_path).out
    assert "..." not in text.partition("Commands:")[2]
    assert "rolled back" in " ".join(text.split())
    codes = " ".join(text.partition("Exit codes:")[2].split())
    assert all(f"{int(code)} " in codes for code in ExitCode)


@pytest.mark.parametrize("words", [["hazards"], ["new", "x"], ["logs"], ["logs", "path"], ["demo"]], ids=" ".join)
def test_what_connects_nowhere_has_no_options_of_a_connection(words: list[str], tmp_path: Path) -> None:
    assert "--target" not in changeover(*words, "--help", cwd=tmp_path).out
    done = changeover(*words, "--target", "postgresql://h/d", cwd=tmp_path)
    assert (done.code, "No such option" in done.err) == (2, True)
    # before the command it is said once for all of them
    assert changeover("--target", "postgresql://h/d", *words, "--help", cwd=tmp_path).code == 0


@pytest.mark.parametrize(
    "words",
    [["frob"], ["check", "--frob"], ["check", "--retries", "x"], ["check", "more"], ["logs", "show"], ["logs", "frob"]],
)
def test_wrong_usage_is_exit_2_in_words_and_as_a_document(words: list[str], tmp_path: Path) -> None:
    done = changeover(*words, cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "--help" in done.err
    assert "Traceback" not in done.err
    done = changeover("--json", *words, cwd=tmp_path)
    assert check_error(done)["id"] == "usage"
    assert done.code == 2


def test_a_usage_message_cannot_act_on_the_terminal(tmp_path: Path) -> None:
    done = changeover("\x1b]0;owned\x07", cwd=tmp_path)
    assert "\x1b" not in done.err


def test_a_wrong_setting_is_said_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "changeover.toml").write_text("\nretrys = 1\n")
    done = changeover("status", cwd=tmp_path)
    assert done.code == 2
    assert done.err.startswith("changeover: changeover.toml:2:1: retrys is not a setting")
    error = check_error(changeover("--json", "status", cwd=tmp_path))
    assert (error["file"], error["line"]) == ("changeover.toml", 2)


def test_options_are_taken_before_and_after_the_command(tmp_path: Path) -> None:
    for words in (["--retries", "-1", "check"], ["check", "--retries", "-1"], ["logs", "--json", "show", "nope"]):
        assert changeover(*words, cwd=tmp_path, DATABASE_URL="postgresql://h/d").code == 2
    assert check_error(changeover("logs", "--json", "show", "nope", cwd=tmp_path))["id"] == "usage"


def test_a_server_that_is_down_is_tried_again_aloud_and_is_exit_3(tmp_path: Path) -> None:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "0001_a.sql").write_text("SELECT 1;\n")
    url = "postgresql://u:S3cret@127.0.0.1:1/d"
    done = changeover("check", "--retries", "1", cwd=tmp_path, DATABASE_URL=url)
    assert done.code == 3
    assert done.out == ""
    assert "attempt 2 of 2, next in " in done.err
    assert "S3cret" not in done.err
    assert (
        check_error(changeover("check", "--retries", "0", "--json", cwd=tmp_path, DATABASE_URL=url))["id"] == "connect"
    )


@pytest.fixture
def silent() -> Iterator[int]:
    """Give a test the port of a server that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_server_that_never_answers_is_left_after_the_deadline(silent: int, tmp_path: Path) -> None:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "0001_a.sql").write_text("SELECT 1;\n")
    url = f"postgresql://u@127.0.0.1:{silent}/d"
    done = changeover("check", "--retries", "1", "--connect-timeout", "0.3", cwd=tmp_path, DATABASE_URL=url)
    assert done.code == 3
    assert done.err.count("No answer from 127.0.0.1") >= 2
    assert "attempt 2 of 2" in done.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_connecting_is_exit_7_and_says_so(number: signal.Signals, silent: int, tmp_path: Path) -> None:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "0001_a.sql").write_text("SELECT 1;\n")
    process = start("check", cwd=tmp_path, DATABASE_URL=f"postgresql://u@127.0.0.1:{silent}/d")
    assert process.stderr is not None
    for text in process.stderr:
        if text.startswith("connecting to"):
            break
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 7
    assert "Stopped. Nothing was changed." in err
    assert "Traceback" not in err
    sessions = changeover("logs", "--json", cwd=tmp_path).document["sessions"]
    assert sessions[0]["exit_code"] == 7


def test_no_session_yet_is_no_error(tmp_path: Path) -> None:
    assert changeover("logs", cwd=tmp_path).code == 0
    assert changeover("logs", "list", "--json", cwd=tmp_path).document["sessions"] == []


def test_where_the_logs_are_is_a_document_too(home: Path, tmp_path: Path) -> None:
    document = changeover("logs", "path", "--json", cwd=tmp_path).document
    schema = json.loads((files("changeover.core") / "schemas" / "path.json").read_text(encoding="utf-8"))
    jsonschema.validate(document, schema)
    assert document["path"] == str(home / "log")


@pytest.mark.parametrize("words", [["show", "nope"], ["replay", "../../etc"], ["path", "nope"]])
def test_an_unknown_session_is_exit_2(words: list[str], tmp_path: Path) -> None:
    assert changeover("logs", *words, cwd=tmp_path).code == 2


def test_a_home_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = changeover(
        "check", cwd=tmp_path, DATABASE_URL="postgresql://h/d", CHANGEOVER_HOME=str(tmp_path / "file" / "home")
    )
    assert done.code == 2
    assert "CHANGEOVER_HOME" in done.err


def test_a_bug_leaves_its_traceback_in_a_private_file_and_one_line_on_screen(home: Path) -> None:
    from changeover.core.secret import Secret
    from changeover.tui.failures import write_traceback

    def buggy() -> None:
        password = "S3cret"
        raise ValueError(f"invalid literal: {password}")

    with pytest.raises(ValueError) as caught:
        buggy()
    file = write_traceback(caught.value, None, [Secret("S3cret")])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.is_relative_to(home)
    text = file.read_text()
    assert "ValueError: invalid literal: ********" in text
    assert "buggy" in text


def test_the_hazards_are_listed_and_one_is_explained_without_a_database(tmp_path: Path) -> None:
    listed = changeover("hazards", target=None, cwd=tmp_path)
    assert listed.code == 0
    assert all(rule.id in listed.out for rule in RULES)
    one = changeover("hazards", "scan-set-not-null", target=None, cwd=tmp_path)
    assert "ALTER COLUMN state SET NOT NULL" in one.out
    assert "Bad (PostgreSQL 18 and later)" in one.out
    assert "Good:\n    -- the table is empty\n    ALTER TABLE" in one.out


def test_the_hazards_are_a_document_too(tmp_path: Path) -> None:
    done = changeover("hazards", "--json", target=None, cwd=tmp_path)
    schema = json.loads((files("changeover.core") / "schemas" / "hazards.json").read_text(encoding="utf-8"))
    jsonschema.validate(done.document, schema)
    assert [part["id"] for part in done.document["hazards"]] == [rule.id for rule in RULES]


def test_a_hazard_that_there_is_not_is_wrong_usage_with_the_nearest_name(tmp_path: Path) -> None:
    done = changeover("hazards", "scan-set-not-nul", "--json", target=None, cwd=tmp_path)
    assert done.code == 2
    assert "scan-set-not-null" in check_error(done)["advice"]
