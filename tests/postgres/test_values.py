"""Values of placeholders: what was approved is what runs, whatever the runner's own surroundings are."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from changeover.core.secret import Secret
from changeover.core.target import Target
from tests.runs import Project, project
from tests.servers import psql

NOW = datetime(2026, 11, 24, 8, 9, 10, tzinfo=UTC)


def shop_of(target: Target, folder: Path, name: str, text: str, **environ: str) -> Project:
    shop = project(target, folder)
    (folder / name).write_text(text)
    said = {key: Secret(value) for key, value in environ.items()}
    shop.settings = replace(shop.settings, environ=said, loaded_at=NOW, allowed_hazards={"all": "--allow"})
    return shop


async def test_the_runner_has_the_values_of_the_plan_and_no_log_has_a_secret(database: Target, tmp_path: Path) -> None:
    """The runner is a process of its own, whose environment has none of these variables."""
    text = "CREATE TABLE said AS SELECT '${who}' AS who, '${api_token}' AS token, '${flyway:database}' AS database,\n"
    text += "'${flyway:user}' AS usr, '${flyway:defaultSchema}' AS space, '${flyway:timestamp}' AS at;\n"
    text += "DO $$ BEGIN RAISE NOTICE 'the token is ${api_token}'; END $$;\n"
    environ = {"FLYWAY_PLACEHOLDERS_WHO": "ann", "FLYWAY_PLACEHOLDERS_API_TOKEN": "s3cr3t-word"}
    shop = shop_of(database, tmp_path / "migrations", "V1__x.sql", text, **environ)
    digest = (await shop.look()).plan.digest
    done = await shop.apply(digest=digest)
    assert done.end.exit_code == 0
    assert psql(database, "SELECT * FROM said") == (
        f"ann|s3cr3t-word|{database.database}|{database.user}|public|2026-11-24 08:09:10"
    )
    written = b"".join(file.read_bytes() for file in done.folder.iterdir() if file.is_file())
    assert b"the token is" in written
    assert b"s3cr3t-word" not in written


async def test_another_value_is_another_plan(database: Target, tmp_path: Path) -> None:
    text = "-- +goose Up\n-- +goose ENVSUB ON\nCREATE TABLE ${NAME:-shop} (n int);\n"
    shop = shop_of(database, tmp_path / "migrations", "00001_x.sql", text)
    digest = (await shop.look()).plan.digest
    shop.settings = replace(shop.settings, environ={"NAME": Secret("other")})
    assert (await shop.look()).plan.digest != digest
    done = await shop.apply()
    assert done.end.exit_code == 0
    assert psql(database, "SELECT to_regclass('shop'), to_regclass('other')") == "|other"
