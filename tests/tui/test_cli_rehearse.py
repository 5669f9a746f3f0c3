"""`plan --rehearse`: what was measured, in lines and as JSON, and what a run says of it afterwards."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema

from changeover.core.target import Target
from tests.servers import Server
from tests.tui.commandline import Done, changeover

SCHEMA = "CREATE TABLE item (id int PRIMARY KEY, amount int); INSERT INTO item SELECT 1, 1"


def write(folder: Path, **migrations: str) -> None:
    (folder / "migrations").mkdir(exist_ok=True)
    for name, sql in migrations.items():
        (folder / "migrations" / f"{name.removeprefix('m')}.sql").write_text(sql)


def checked(done: Done, name: str) -> Any:
    schema = json.loads((files("changeover.core") / "schemas" / f"{name}.json").read_text(encoding="utf-8"))
    jsonschema.validate(done.document, schema)
    return done.document


def test_from_a_rehearsal_to_a_run_that_did_as_rehearsed(server: Server, database: Target, tmp_path: Path) -> None:
    server.psql(SCHEMA, database.database)
    write(
        tmp_path,
        m0001_wide="ALTER TABLE item ALTER amount TYPE bigint;\n",
        m0002_note="ALTER TABLE item ADD COLUMN note text;\n",
    )
    bare = checked(changeover("plan", "--json", "--allow", "all", target=database, cwd=tmp_path), "plan")
    assert (bare["rehearsal"], bare["difference"]) == (None, [])
    assert bare["migrations"][0]["statements"][0]["source"] == "estimated"

    done = changeover("plan", "--json", "--rehearse", "--allow", "all", target=database, cwd=tmp_path)
    plan = checked(done, "plan")
    assert done.code == 0, done.err
    assert "rehearsal: run 0001 (1 of 2)" in done.err
    assert plan["digest"] == bare["digest"]
    statement = plan["migrations"][0]["statements"][0]
    assert statement["source"] == "measured"
    assert statement["rewrites"] == ["public.item"]
    assert statement["locks"] == [
        {"relation": "public.item", "mode": "ACCESS EXCLUSIVE"},
        {"relation": "public.item_pkey", "mode": "ACCESS EXCLUSIVE"},
    ]
    assert plan["rehearsal"]["error"] is None
    assert [(it["action"], it["object"]) for it in plan["difference"]] == [
        ("changed", "public.item.amount"),
        ("added", "public.item.note"),
    ]
    # kept: the plan has it without being rehearsed again
    lines = changeover("plan", "--allow", "all", target=database, cwd=tmp_path).out
    assert "rehearsed " in lines
    assert "rewrites public.item; builds public.item_pkey; LONG: blocks writes while it works; measured" in lines
    assert "+ column public.item.note (type text)" in lines

    ran = changeover("apply", "--json", "--approve", plan["digest"], "--allow", "all", target=database, cwd=tmp_path)
    document = checked(ran, "apply")
    assert ran.code == 0, ran.err
    assert document["difference"]["as_rehearsed"] is True
    assert document["difference"]["changes"] == plan["difference"]


def test_a_target_that_changed_otherwise_than_its_shadow_is_told(
    server: Server, database: Target, tmp_path: Path
) -> None:
    server.psql(SCHEMA, database.database)
    block = "DO $$ BEGIN IF EXISTS (SELECT FROM item) THEN ALTER TABLE item ADD COLUMN here int; END IF; END $$;\n"
    write(tmp_path, m0001_block=block, m0002_note="ALTER TABLE item ADD COLUMN note text;\n")
    planned = changeover("plan", "--rehearse", target=database, cwd=tmp_path)
    assert planned.code == 0, planned.out
    ran = changeover("apply", "--yes", target=database, cwd=tmp_path)
    assert ran.code == 0, ran.err
    assert "compared with the rehearsal: DIFFERS: here, and not rehearsed: + column public.item.here" in ran.out


def test_a_migration_that_fails_in_rehearsal_is_refused_until_it_is_allowed(
    server: Server, database: Target, tmp_path: Path
) -> None:
    server.psql(SCHEMA, database.database)
    write(
        tmp_path, m0001_view="CREATE VIEW v AS SELECT amount FROM item;\nALTER TABLE item ALTER amount TYPE bigint;\n"
    )
    hazards = ("--allow", "rewrite-type-change", "--allow", "dependent-object")
    done = changeover("plan", "--rehearse", *hazards, target=database, cwd=tmp_path)
    assert done.code == 4
    assert "0001_view.sql:2:1" in done.out
    assert "cannot alter type of a column used by a view or rule" in done.out
    refused = changeover("apply", "--yes", *hazards, target=database, cwd=tmp_path)
    assert refused.code == 4
    assert "fails in the rehearsal" in refused.err
    tried = changeover("apply", "--yes", *hazards, "--allow", "rehearsal-failed", target=database, cwd=tmp_path)
    assert tried.code == 6
    document = checked(changeover("plan", "--json", *hazards, target=database, cwd=tmp_path), "plan")
    assert document["rehearsal"]["error"]["id"] == "rehearsal-failed"
    assert "used by a view" in document["migrations"][0]["statements"][1]["error"]


def test_a_shadow_that_is_none_is_a_wrong_usage(server: Server, database: Target, tmp_path: Path) -> None:
    server.psql(SCHEMA, database.database)
    write(tmp_path, m0001_note="ALTER TABLE item ADD COLUMN note text;\n")
    with server.new_database() as room:
        url = f"postgresql://{room.user}@/{room.database}?host={room.host}&port={room.port}"
        done = changeover("plan", "--shadow", url, target=database, cwd=tmp_path)
    assert done.code == 2
    assert "too powerful" in done.err
    unknown = changeover("plan", "--shadow", "nope", target=database, cwd=tmp_path)
    assert unknown.code == 2
    assert "--shadow names the target nope, which is not defined." in unknown.err
