"""What a role needs of another tool's history is asked for before anything runs: what the record itself does there."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from msgspec.structs import replace

from changeover.core.actions import APPLY, Action, Verb
from changeover.core.target import Target
from tests.foreign import SAMPLES, shop_of
from tests.servers import psql

UNDO = Action(verb=Verb.REVERT)
INSERT = {"INSERT", "SELECT"}
CASES: dict[tuple[str, Action], dict[str, set[str]]] = {
    ("golang-migrate", APPLY): {"schema_migrations": {*INSERT, "TRUNCATE"}},
    ("dbmate", APPLY): {"schema_migrations": INSERT},
    ("dbmate", UNDO): {"schema_migrations": {"SELECT", "DELETE"}},
    ("goose", APPLY): {"goose_db_version": INSERT},
    ("node-pg-migrate", APPLY): {"pgmigrations": INSERT, "pgmigrations_id_seq": {"USAGE"}},
    ("node-pg-migrate", UNDO): {"pgmigrations": {"SELECT", "DELETE"}},
    ("prisma", APPLY): {"_prisma_migrations": {*INSERT, "UPDATE", "DELETE"}},
    ("tern", APPLY): {"schema_version": {"SELECT", "UPDATE"}},
    ("sqitch", APPLY): {"changes": INSERT, "projects": {"INSERT"}, "events": {"INSERT"}},
    ("sqitch", UNDO): {"changes": {"SELECT", "DELETE"}, "tags": {"SELECT", "DELETE"}, "events": {"INSERT"}},
}


@pytest.mark.parametrize(("name", "action"), CASES)
async def test_a_record_needs_what_its_statements_do(
    database: Target, tmp_path: Path, name: str, action: Action
) -> None:
    shop = shop_of(database, tmp_path / "migrations", name)
    # the first file is applied, the second waits, or is undone; a third one would be another story
    first = (await shop.look()).folder.migrations[0].version
    assert (await shop.apply(action=Action(to=first))).end.exit_code == 0
    role = f"r{uuid.uuid4().hex[:8]}"
    space = SAMPLES[name].table.rpartition(".")[0] or "public"
    psql(
        database,
        f"CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA {space} TO {role}; "
        f"GRANT SELECT ON {SAMPLES[name].table} TO {role}",
    )
    try:
        shop.target = replace(database, user=role)
        plan = (await shop.look(action)).plan
    finally:
        psql(database, f"DROP OWNED BY {role}; DROP ROLE {role}")
    found: dict[str, set[str]] = {}
    for right in plan.rights:
        if right.kind == "relation" and right.name not in {"shop", "shop_name"}:
            found.setdefault(right.name, set()).add(right.right)
    assert found == CASES[name, action]
    lacking = {row.object for row in plan.rows if row.verdict == "missing" and row.object.endswith(tuple(found))}
    assert lacking
