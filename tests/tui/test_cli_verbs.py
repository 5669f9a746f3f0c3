"""revert, verify, baseline, repair, new and apply --wait at the command line, on a real server."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest

from changeover.core.target import Target
from tests.servers import psql
from tests.tui.commandline import at_terminal, changeover, start
from tests.tui.test_cli_database import TABLE, checked, write

UNIQUE = (
    "-- changeover: transaction=off\nCREATE TABLE extra ();\n"
    "CREATE UNIQUE INDEX CONCURRENTLY item_kind ON item (kind);\n"
)
NEXT = "0001 needs you: `changeover repair 0001` shows what is there and settles it.\n"
DUPLICATES = "CREATE TABLE item (kind int); INSERT INTO item VALUES (1), (1)"


@pytest.fixture
def half(database: Target, tmp_path: Path) -> Target:
    """A database with a migration that stopped half-way and left an invalid index."""
    psql(database, DUPLICATES)
    write(tmp_path, m0001_kind=UNIQUE)
    done = changeover("apply", "--yes", target=database, cwd=tmp_path)
    assert done.code == 8
    assert NEXT in done.out
    return database


def test_revert_asks_for_an_approval_and_gives_a_receipt(database: Target, tmp_path: Path) -> None:
    write(tmp_path, m0001_item=TABLE, m0002_note="ALTER TABLE item ADD COLUMN note text;\n")
    (tmp_path / "migrations" / "0002_note.revert.sql").write_text("ALTER TABLE item DROP COLUMN note;\n")
    assert changeover("apply", "--yes", target=database, cwd=tmp_path).code == 0
    unasked = changeover("revert", target=database, cwd=tmp_path)
    assert unasked.code == 2
    assert "Ready: 1 migration to revert, 1 statement." in unasked.err
    assert "would be reverted, and nobody can be asked here" in unasked.err
    shown = checked(changeover("revert", "--dry-run", "--json", target=database, cwd=tmp_path), "plan")
    assert [(one["file"], one["entry"]) for one in shown["migrations"]] == [("0002_note.revert.sql", "revert")]
    done = changeover("revert", "--json", "--approve", shown["digest"], target=database, cwd=tmp_path)
    document = checked(done, "apply")
    assert (done.code, document["outcome"], document["migrations"][0]["outcome"]) == (0, "reverted", "reverted")
    refused = changeover("revert", "--yes", target=database, cwd=tmp_path)
    assert refused.code == 4
    assert "0001_item.revert.sql" in refused.err
    status = changeover("status", "--json", target=database, cwd=tmp_path).document
    assert [one["state"] for one in status["migrations"]] == ["applied", "pending"]


def test_a_revert_is_asked_for_at_a_terminal(database: Target, tmp_path: Path) -> None:
    write(tmp_path, m0001_item=TABLE)
    (tmp_path / "migrations" / "0001_item.revert.sql").write_text("DROP TABLE item;\n")
    assert changeover("apply", "--yes", target=database, cwd=tmp_path).code == 0
    assert at_terminal("revert", target=database, cwd=tmp_path, script=[("Revert? [y/N]", "n\n")]).code == 7
    done = at_terminal("revert", target=database, cwd=tmp_path, script=[("Revert? [y/N]", "y\n")])
    assert done.code == 0
    assert "RECEIPT  reverted" in done.out
    assert "0001 reverted in" in done.err
    # who is using it is asked by `plan` only
    assert "exposure" not in done.err
    assert "Nothing to do" in changeover("revert", "--yes", target=database, cwd=tmp_path).out


def test_a_baseline_takes_over_a_database_that_has_it_all(database: Target, tmp_path: Path) -> None:
    psql(database, "CREATE TABLE item (id int PRIMARY KEY)")
    write(tmp_path, m0001_item=TABLE, m0002_note="ALTER TABLE item ADD COLUMN note text;\n")
    assert changeover("baseline", "9", "--yes", target=database, cwd=tmp_path).code == 2
    done = changeover("baseline", "1", "--yes", "--json", target=database, cwd=tmp_path)
    document = checked(done, "apply")
    assert (done.code, document["outcome"]) == (0, "baselined")
    assert document["migrations"][0]["statements"][0]["state"] == "skipped"
    assert changeover("apply", "--yes", target=database, cwd=tmp_path).code == 0
    assert changeover("baseline", "1", "--yes", target=database, cwd=tmp_path).code == 4
    assert "Nothing to do" in changeover("baseline", "2", "--yes", target=database, cwd=tmp_path).out


def test_verify_is_exit_6_where_a_script_fails(database: Target, tmp_path: Path) -> None:
    write(tmp_path, m0001_item=TABLE)
    assert "Nothing to verify" in changeover("verify", target=database, cwd=tmp_path).out
    (tmp_path / "migrations" / "0001_item.verify.sql").write_text(
        "SELECT id FROM item;\nSELECT count(*) > 0 FROM item;\n"
    )
    assert changeover("apply", "--yes", target=database, cwd=tmp_path).code == 0
    done = changeover("verify", "--read-only", target=database, cwd=tmp_path)
    assert done.code == 6
    assert "0001_item.verify.sql:2:1: Statement 2 answers false." in done.out
    psql(database, "INSERT INTO item VALUES (1)")
    good = changeover("verify", "--json", "1", target=database, cwd=tmp_path)
    document = checked(good, "verify")
    assert (good.code, document["ok"], document["verifications"][0]["outcome"]) == (0, True, "ok")
    assert changeover("verify", "7", target=database, cwd=tmp_path).code == 2


def test_repair_shows_what_is_there_and_changes_nothing_unasked(half: Target, tmp_path: Path) -> None:
    assert NEXT in changeover("status", target=half, cwd=tmp_path).out
    done = changeover("repair", target=half, cwd=tmp_path)
    assert done.code == 8
    assert "invalid index public.item_kind" in done.out
    assert "safe: drop-invalid" in done.out
    # nothing of it runs any more
    assert "begun, no end" in done.out
    assert "running" not in done.out
    document = checked(changeover("repair", "--json", target=half, cwd=tmp_path), "repair")
    (case,) = document["cases"]
    assert [step["recorded"] for step in case["steps"]] == ["done", "running"]
    assert (case["steps"][1]["found"], case["safe"], document["open"]) == ("invalid", "drop-invalid", ["0001"])
    assert psql(half, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'item_kind'::regclass") == "f"


def test_repair_yes_settles_only_what_has_one_safe_answer(half: Target, tmp_path: Path) -> None:
    done = changeover("repair", "--yes", "--json", target=half, cwd=tmp_path)
    document = checked(done, "repair")
    assert psql(half, "SELECT to_regclass('item_kind'), to_regclass('extra')") == "|extra"
    assert [run["outcome"] for run in document["runs"]] == ["repaired"]
    # the table is there, the index is not: apply goes on
    assert (done.code, document["open"]) == (8, ["0001"])
    # the drop of the index is no step of the file
    assert "1 of 2 steps outside a transaction are done" in changeover("repair", target=half, cwd=tmp_path).out
    psql(half, "DELETE FROM item")
    assert changeover("repair", "--resume", "--yes", target=half, cwd=tmp_path).code == 0
    assert changeover("repair", target=half, cwd=tmp_path).out.endswith("Nothing to settle.\n")


def test_repair_by_hand_at_a_terminal_records_the_reason(half: Target, tmp_path: Path) -> None:
    script = [("or nothing to leave it", "applied\n"), ("Why", "built it by hand\n"), ("Repair? [y/N]", "y\n")]
    done = at_terminal("repair", target=half, cwd=tmp_path, script=script)
    assert done.code == 0, done.err
    said = "SELECT entry, state, error FROM changeover.attempt ORDER BY id DESC LIMIT 1"
    assert psql(half, said) == "repair|applied|built it by hand"


def test_repair_refuses_an_answer_that_is_not_open(half: Target, tmp_path: Path) -> None:
    done = changeover("repair", "--resume", "--yes", target=half, cwd=tmp_path)
    assert done.code == 2
    assert "--drop-invalid" in done.err
    assert changeover("repair", "--not-applied", "--yes", "--read-only", target=half, cwd=tmp_path).code == 2


def test_the_plan_of_a_repair_can_be_read_and_approved(half: Target, tmp_path: Path) -> None:
    words = ("repair", "1", "--not-applied", "--reason", "undone")
    shown = checked(changeover(*words, "--dry-run", "--json", target=half, cwd=tmp_path), "plan")
    assert shown["migrations"][0]["entry"] == "repair"
    done = changeover(*words, "--approve", shown["digest"], target=half, cwd=tmp_path)
    assert done.code == 0, done.err
    assert "Everything is settled." in done.out
    assert "Ready: 1 migration to settle, " in done.err
    assert "0001 settled in" in done.err


def test_apply_rebuilds_an_invalid_index_on_the_operators_word(half: Target, tmp_path: Path) -> None:
    psql(half, "DELETE FROM item")
    assert changeover("apply", "--yes", target=half, cwd=tmp_path).code == 4
    assert "DROP INDEX CONCURRENTLY" in changeover("plan", "--rebuild-invalid-indexes", target=half, cwd=tmp_path).out
    assert changeover("apply", "--yes", "--rebuild-invalid-indexes", target=half, cwd=tmp_path).code == 0


def test_apply_waits_for_another_run_as_long_as_it_is_told(database: Target, tmp_path: Path) -> None:
    write(tmp_path, m0001_slow="SELECT pg_sleep(6);\n")
    process = start("apply", "--yes", target=database, cwd=tmp_path)
    assert process.stderr is not None
    for text in process.stderr:
        if "1/1 SELECT" in text:
            break
    short = changeover("apply", "--yes", "--json", "--wait", "1", target=database, cwd=tmp_path)
    assert (short.code, checked(short, "apply")["error"]["id"]) == (9, "lock-held")
    long = changeover("apply", "--yes", "--wait", "60", target=database, cwd=tmp_path)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert long.code == 0, long.err
    assert "another run goes on here; waiting for its end" in long.err
    assert "Nothing to do" in long.out
    after = changeover("status", "--json", target=database, cwd=tmp_path)
    assert checked(after, "status")["running"] is None
    assert "a run is going on" not in changeover("status", target=database, cwd=tmp_path).out


def test_work_of_another_run_that_is_half_done_is_exit_9_too(database: Target, tmp_path: Path) -> None:
    write(tmp_path, m0001_slow="-- changeover: transaction=off\nSELECT pg_sleep(60);\n")
    process = start("apply", "--yes", target=database, cwd=tmp_path)
    assert process.stderr is not None
    for text in process.stderr:
        if "1/1 SELECT" in text:
            break
    assert "a run is going on: changeover guard " in changeover("status", target=database, cwd=tmp_path).out
    seen = checked(changeover("status", "--json", target=database, cwd=tmp_path), "status")
    assert seen["running"].startswith("changeover guard ")
    second = changeover("apply", "--yes", "--json", target=database, cwd=tmp_path)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert (second.code, checked(second, "apply")["error"]["id"]) == (9, "lock-held")


def test_repair_ends_what_still_works_for_a_runner_that_was_killed(database: Target, tmp_path: Path) -> None:
    # a backend that cannot notice that its client is gone until its statement ends
    psql(database, f"ALTER DATABASE {database.database} SET client_connection_check_interval = 0")
    sleep = "SET client_connection_check_interval = 0;\nSELECT pg_sleep(60);\n"
    write(tmp_path, m0001_slow=f"-- changeover: transaction=off\n{sleep}")
    process = start("apply", "--yes", target=database, cwd=tmp_path)
    assert process.stderr is not None
    runner = 0
    for text in process.stderr:
        if found := re.search(r"run \S+ started for .*, process (\d+)", text):
            runner = int(found[1])
        if "2/2 SELECT" in text:
            break
    # the line is written before the statement is sent
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'"
    for _ in range(200):
        if psql(database, sleeping) == "1":
            break
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    os.kill(runner, signal.SIGKILL)
    process.communicate(timeout=60)
    shown = changeover("repair", target=database, cwd=tmp_path)
    assert shown.code == 8
    assert "whose runner is gone" in shown.err
    assert changeover("repair", "--yes", target=database, cwd=tmp_path).code == 8
    ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'changeover %' AND query LIKE '%sleep%'"
    assert psql(database, ours) == "0"


def test_a_word_on_one_migration_has_to_name_it_where_there_are_several(half: Target, tmp_path: Path) -> None:
    psql(
        half,
        "INSERT INTO changeover.attempt (version, entry, state, run_id, operator, session, plan_digest) "
        "VALUES ('0002', 'migration', 'running', gen_random_uuid(), 'x', 'x', 'x')",
    )
    write(tmp_path, m0002_more="SELECT 1;\n")
    done = changeover("repair", "--applied", "--yes", target=half, cwd=tmp_path)
    assert done.code == 2
    assert "changeover repair 0001 --applied" in done.err
    assert changeover("repair", "2", "--not-applied", "--yes", target=half, cwd=tmp_path).code == 8
    assert changeover("repair", "1", "--not-applied", "--yes", target=half, cwd=tmp_path).code == 0


def test_new_writes_the_next_file_and_needs_no_database(tmp_path: Path) -> None:
    first = changeover("new", "Add the donor's e-mail!", cwd=tmp_path)
    assert (first.code, first.out) == (0, "migrations/0001_add_the_donor_s_e_mail.sql\n")
    second = checked(changeover("new", "index", "--revert", "--verify", "--json", cwd=tmp_path), "new")
    assert second["files"] == [
        "migrations/0002_index.sql",
        "migrations/0002_index.revert.sql",
        "migrations/0002_index.verify.sql",
    ]
    assert changeover("new", "!!!", cwd=tmp_path).code == 2


def test_what_new_writes_is_a_migration(database: Target, tmp_path: Path) -> None:
    assert changeover("new", "nothing yet", "--verify", cwd=tmp_path).code == 0
    assert changeover("status", target=database, cwd=tmp_path).code == 0
    assert changeover("apply", "--yes", target=database, cwd=tmp_path).code == 0
    assert changeover("verify", target=database, cwd=tmp_path).code == 0
