"""The command line on a real server: results, documents that keep their schemas, and exit codes."""

from __future__ import annotations

import json
import signal
import stat
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from changeover.core.target import Target
from tests.servers import Server
from tests.tui.commandline import Done, changeover, start

TABLE = "CREATE TABLE item (id int PRIMARY KEY);\n"


def write(folder: Path, **migrations: str) -> None:
    """Write migrations, by version, into the folder `migrations` of `folder`."""
    (folder / "migrations").mkdir(exist_ok=True)
    for name, sql in migrations.items():
        (folder / "migrations" / f"{name.removeprefix('m')}.sql").write_text(sql)


def checked(done: Done, name: str) -> Any:
    """Return the document, which keeps its schema."""
    schema = json.loads((files("changeover.core") / "schemas" / f"{name}.json").read_text(encoding="utf-8"))
    jsonschema.validate(done.document, schema)
    return done.document


def session_folder(home: Path, document: Any) -> Path:
    return home / "log" / str(document["session"])


def test_from_pending_to_a_receipt_to_nothing_to_do(database: Target, tmp_path: Path, home: Path) -> None:
    write(tmp_path, m0001_item=TABLE, m0002_note="ALTER TABLE item ADD COLUMN note text;\n")
    status = checked(changeover("status", "--json", target=database, cwd=tmp_path), "status")
    assert [one["state"] for one in status["migrations"]] == ["pending", "pending"]
    assert changeover("status", "--exit-code", target=database, cwd=tmp_path).code == 5
    check = checked(changeover("check", "--json", target=database, cwd=tmp_path), "check")
    assert check["ready"]
    assert check["attempts"][0]["error"] is None
    assert changeover("check", "--exit-code", target=database, cwd=tmp_path).code == 5

    plan = checked(changeover("plan", "--json", target=database, cwd=tmp_path), "plan")
    done = changeover("apply", "--json", "--approve", plan["digest"], target=database, cwd=tmp_path)
    assert done.code == 0, done.err
    document = checked(done, "apply")
    assert document["outcome"] == "applied"
    assert [one["outcome"] for one in document["migrations"]] == ["applied", "applied"]
    assert document["migrations"][0]["statements"][0]["state"] == "done"
    assert document["digest"] == plan["digest"]
    for file in session_folder(home, document).iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file

    again = changeover("apply", "--json", target=database, cwd=tmp_path)
    assert (again.code, checked(again, "apply")["outcome"]) == (0, "nothing_to_do")
    unneeded = checked(changeover("apply", "--json", "--yes", target=database, cwd=tmp_path), "apply")
    assert unneeded["outcome"] == "nothing_to_do"
    assert [it.name for it in session_folder(home, unneeded).iterdir()] == ["console.jsonl"]
    assert changeover("status", "--exit-code", target=database, cwd=tmp_path).code == 0
    assert "Nothing to do" in changeover("apply", target=database, cwd=tmp_path).out


def test_nothing_up_to_a_version_is_not_nothing_at_all(database: Target, tmp_path: Path) -> None:
    write(tmp_path, m0001_item=TABLE, m0002_note="ALTER TABLE item ADD COLUMN note text;\n")
    assert changeover("apply", "--yes", "--to", "1", target=database, cwd=tmp_path).code == 0
    done = changeover("apply", "--yes", "--to", "0001", target=database, cwd=tmp_path)
    assert done.out == "Nothing to do: all up to 0001 is applied; 1 migration after it is pending.\n"


def test_what_is_no_digest_is_wrong_usage_and_no_changed_plan(database: Target, tmp_path: Path) -> None:
    write(tmp_path, m0001_item=TABLE)
    done = changeover("apply", "--approve", "abc", target=database, cwd=tmp_path)
    assert done.code == 2
    assert "--approve takes the digest of a plan, and abc is none." in done.err
    other = changeover("apply", "--approve", "0123456789ab", target=database, cwd=tmp_path)
    assert (other.code, "The plan has changed" in other.err) == (4, True)


def test_progress_goes_to_stderr_and_the_receipt_to_stdout(database: Target, tmp_path: Path) -> None:
    write(tmp_path, m0001_item=TABLE)
    done = changeover("apply", "--yes", target=database, cwd=tmp_path)
    assert done.code == 0
    assert done.out.startswith("RECEIPT  applied")
    assert "0001 1/1 CREATE TABLE item" in done.err
    assert "connections closed" in done.err


def test_to_stops_after_a_version(database: Target, tmp_path: Path) -> None:
    write(tmp_path, m0001_item=TABLE, m0002_note="ALTER TABLE item ADD COLUMN note text;\n")
    assert changeover("apply", "--yes", "--to", "0001", target=database, cwd=tmp_path).code == 0
    status = changeover("status", "--json", target=database, cwd=tmp_path).document
    assert [one["state"] for one in status["migrations"]] == ["applied", "pending"]


def test_no_run_without_an_approval(database: Target, tmp_path: Path) -> None:
    write(tmp_path, m0001_item=TABLE)
    done = changeover("apply", target=database, cwd=tmp_path)
    assert done.code == 2
    assert "--yes" in done.err
    document = checked(changeover("apply", "--json", target=database, cwd=tmp_path), "error")
    assert document["error"]["id"] == "approval-needed"
    assert changeover("status", "--exit-code", target=database, cwd=tmp_path).code == 5


def test_an_approval_of_another_plan_is_refused(database: Target, tmp_path: Path) -> None:
    write(tmp_path, m0001_item=TABLE)
    done = changeover("apply", "--json", "--approve", "0" * 64, target=database, cwd=tmp_path)
    assert done.code == 4
    document = checked(done, "apply")
    assert (document["outcome"], document["error"]["id"]) == ("refused", "plan-changed")


def test_a_protected_target_wants_more_than_yes(database: Target, tmp_path: Path) -> None:
    from changeover.core.setup import url_of

    write(tmp_path, m0001_item=TABLE)
    (tmp_path / "changeover.toml").write_text(f'[targets.live]\nurl = "{url_of(database)}"\nprotected = true\n')
    words = ("apply", "--target", "live")
    refused = changeover(*words, "--yes", cwd=tmp_path)
    assert refused.code == 2
    assert "--yes is not enough" in refused.err
    # nor is the same database under another name
    nameless = changeover("apply", "--yes", target=database, cwd=tmp_path)
    assert nameless.code == 2
    assert "--yes is not enough" in nameless.err
    assert "protection from the target live" in changeover("status", target=database, cwd=tmp_path).err
    assert changeover(*words, "--confirm-database", "other", cwd=tmp_path).code == 2
    assert changeover(*words, "--confirm-database", database.database, cwd=tmp_path).code == 0


def test_a_failing_migration_is_rolled_back_and_shown_in_full(database: Target, tmp_path: Path) -> None:
    write(tmp_path, m0001_item=TABLE, m0002_bad="INSERT INTO item VALUES (1);\nSELECT 1 / (id - 1)\n  FROM item;\n")
    done = changeover("apply", "--yes", target=database, cwd=tmp_path)
    assert done.code == 6
    assert "0002_bad.sql:2" in done.out
    assert "SQLSTATE 22012" in done.out
    document = checked(changeover("apply", "--yes", "--json", target=database, cwd=tmp_path), "apply")
    assert (document["outcome"], document["exit_code"]) == ("rolled_back", 6)
    assert document["migrations"][0]["error"]["sqlstate"] == "22012"
    assert document["error"]["file"] == "0002_bad.sql"


def test_what_is_missing_stops_the_run_before_it_starts(database: Target, tmp_path: Path) -> None:
    write(tmp_path, m0001_bad="ALTER TABLE nowhere ADD COLUMN note text;\n")
    check = changeover("check", target=database, cwd=tmp_path)
    assert check.code == 4
    assert "MISSING" in check.out
    assert changeover("plan", target=database, cwd=tmp_path).code == 4
    plan = checked(changeover("plan", "--json", target=database, cwd=tmp_path), "plan")
    assert not plan["ready"]
    done = changeover("apply", "--yes", "--json", target=database, cwd=tmp_path)
    assert done.code == 4
    assert checked(done, "apply")["outcome"] == "refused"
    assert "changeover: " in changeover("apply", "--yes", target=database, cwd=tmp_path).err


@pytest.mark.parametrize(
    ("sql", "words"),
    [("CREATE TABEL x ();\n", ":1:8"), ("\\d item\n", "psql"), ("SELECT '\udcff';\n", "UTF-8")],
)
def test_a_file_that_cannot_run_is_said_with_its_place(sql: str, words: str, database: Target, tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "migrations" / "0001_bad.sql").write_bytes(sql.encode("utf-8", "surrogateescape"))
    for command in ("status", "check", "plan", "apply"):
        done = changeover(command, target=database, cwd=tmp_path)
        assert done.code == 4
        assert words in done.err
        assert "0001_bad.sql" in done.err


@pytest.mark.parametrize("empty", [True, False])
def test_no_folder_and_an_empty_one_are_exit_2(empty: bool, database: Target, tmp_path: Path) -> None:
    if empty:
        write(tmp_path)
    done = changeover("status", target=database, cwd=tmp_path)
    assert done.code == 2
    assert done.err.count("\nchangeover: ") + done.err.startswith("changeover: ") == 1


def test_a_wrong_database_is_exit_3_and_is_not_tried_again(database: Target, tmp_path: Path) -> None:
    from msgspec.structs import replace

    write(tmp_path, m0001_item=TABLE)
    done = changeover("check", "--json", target=replace(database, database="nowhere"), cwd=tmp_path)
    assert done.code == 3
    assert checked(done, "error")["error"]["sqlstate"] == "3D000"
    assert "attempt 2" not in done.err


def test_read_only_refuses_to_apply(database: Target, tmp_path: Path) -> None:
    write(tmp_path, m0001_item=TABLE)
    done = changeover("apply", "--yes", "--read-only", target=database, cwd=tmp_path)
    assert done.code == 2
    assert "read-only" in done.err


def test_inspect_without_a_terminal_prints_the_overview(database: Target, tmp_path: Path) -> None:
    write(tmp_path, m0001_item=TABLE)
    done = changeover("inspect", target=database, cwd=tmp_path)
    assert done.code == 0
    assert "read-only" in done.out
    assert "pending" in done.out


def test_the_sessions_can_be_listed_shown_and_replayed(database: Target, tmp_path: Path, home: Path) -> None:
    write(tmp_path, m0001_item=TABLE)
    assert changeover("apply", "--yes", target=database, cwd=tmp_path).code == 0
    listed = checked(changeover("logs", "--json", cwd=tmp_path), "logs")
    newest = listed["sessions"][0]
    assert (newest["command"], newest["result"], newest["exit_code"]) == ("changeover apply", "applied", 0)
    assert newest["id"] in changeover("logs", cwd=tmp_path).out
    shown = changeover("logs", "show", newest["id"], cwd=tmp_path).out
    assert "RECEIPT  applied" in shown
    assert changeover("logs", "replay", newest["id"], cwd=tmp_path).out == shown
    events = checked(changeover("logs", "show", newest["id"], "--json", cwd=tmp_path), "session")["events"]
    assert {"SessionOpened", "Connected", "Approved", "RunFinished"} <= {event["event"] for event in events}
    path = changeover("logs", "path", newest["id"], cwd=tmp_path).out.strip()
    assert Path(path) == home / "log" / newest["id"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_run_now_and_a_second_one_does_no_harm(
    number: signal.Signals, database: Target, server: Server, tmp_path: Path
) -> None:
    write(tmp_path, m0001_slow="CREATE TABLE item (id int);\nSELECT pg_sleep(60);\n")
    process = start("apply", "--yes", target=database, cwd=tmp_path)
    assert process.stderr is not None
    for text in process.stderr:
        if "2/2 SELECT" in text:
            break
    process.send_signal(number)
    time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 7, out + err
    assert "RECEIPT  stopped" in out
    assert server.psql("SELECT count(*) FROM pg_tables WHERE tablename = 'item'", database.database).strip() == "0"
    assert "sleep" not in server.psql(
        "SELECT query FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()"
    )


def test_a_held_run_key_is_exit_9(database: Target, server: Server, tmp_path: Path) -> None:
    write(tmp_path, m0001_slow="SELECT pg_sleep(60);\n")
    process = start("apply", "--yes", target=database, cwd=tmp_path)
    assert process.stderr is not None
    for text in process.stderr:
        if "1/1 SELECT" in text:
            break
    second = changeover("apply", "--yes", "--json", target=database, cwd=tmp_path)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert second.code == 9, second.err
    assert checked(second, "apply")["error"]["id"] == "lock-held"


def test_the_set_up_in_questions_ends_in_a_saved_target(database: Target, tmp_path: Path, home: Path) -> None:
    write(tmp_path, m0001_item=TABLE)
    answers = "\n".join(
        [database.host, str(database.port), database.database, database.user, "", "", "shop", "staging", "no", "no", ""]
    )
    # the first, empty line: no URL, but one question after the other
    done = changeover("setup", "--plain", cwd=tmp_path, stdin=f"\n{answers}\n")
    assert done.code == 0, done.err
    saved = home / "config" / "targets.toml"
    assert '[targets."shop"]' in saved.read_text()
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    # said before it was written
    assert done.err.index(f"This goes into {saved}") < done.err.index('[targets."shop"]') < done.err.index("Saved as")
    assert changeover("status", cwd=tmp_path).code == 0
    assert changeover("status", "--target", "shop", cwd=tmp_path).code == 0


def test_the_set_up_in_questions_takes_no_kind_of_database_that_there_is_not(
    database: Target, tmp_path: Path, home: Path
) -> None:
    write(tmp_path, m0001_item=TABLE)
    place = ["", database.host, str(database.port), database.database, database.user, "", "", "shop"]
    done = changeover("setup", "--plain", cwd=tmp_path, stdin="\n".join([*place, "prodution", "3", "", "", "", ""]))
    assert done.code == 0, done.err
    assert "  3  development" in done.err
    assert "Answer with one of: production, staging, development, or with its number." in done.err
    assert 'environment = "development"' in (home / "config" / "targets.toml").read_text()


def test_the_set_up_in_questions_asks_whose_folder_it_is_and_the_answer_is_in_force(
    database: Target, tmp_path: Path, home: Path
) -> None:
    write(tmp_path, **{"000001_q.up": TABLE, "000001_q.down": "DROP TABLE item;\n"})
    place = ["", database.host, str(database.port), database.database, database.user, "", ""]
    done = changeover("setup", "--plain", cwd=tmp_path, stdin="\n".join([*place, "", "2", "shop", "3", "", "", "", ""]))
    assert done.code == 0, done.err
    assert "That is none of the answers." in done.err
    assert "  2  sqlx" in done.err
    assert "public._sqlx_migrations (not there yet)" in done.out
    assert 'format = "sqlx"' in (home / "config" / "targets.toml").read_text()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert changeover("status", cwd=elsewhere).code == 0
    # a history that is there says it
    assert changeover("apply", "--yes", cwd=elsewhere).code == 0
    again = changeover("setup", "--plain", cwd=tmp_path, stdin="\n".join(["0", *place, "again", "3", "", "", "", ""]))
    assert again.code == 0, again.err
    assert "Which tool's folder" not in again.err


def test_a_database_that_is_not_reached_is_asked_for_again_and_nothing_is_written_on_a_no(
    database: Target, tmp_path: Path, home: Path
) -> None:
    write(tmp_path, m0001_item=TABLE)
    place = [database.host, str(database.port)]
    wrong = ["", *place, "nowhere", database.user, "", "yes"]
    right = ["", *place, database.database, database.user, "", "", "shop", "staging", "no", "yes", "no"]
    done = changeover("setup", "--plain", cwd=tmp_path, stdin="\n".join([*wrong, *right, ""]))
    assert done.code == 0, done.err
    assert "CREATE DATABASE nowhere" in done.err
    assert "The connection works." in done.err
    assert "Nothing was written." in done.err
    assert not (home / "config" / "targets.toml").exists()


def test_the_set_up_without_anybody_is_exit_2(tmp_path: Path) -> None:
    assert changeover("setup", "--plain", cwd=tmp_path).code == 2
