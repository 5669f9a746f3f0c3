"""Half is applied by the tool and half by Changeover, in both orders, and both agree on what is there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from changeover.core.actions import Action, Verb
from changeover.core.new_migration import new_files, write
from changeover.core.secret import Secret
from changeover.core.target import Target
from tests.foreign import SAMPLES, shop_of
from tests.peers import tools
from tests.runs import Project, project
from tests.servers import psql

pytestmark = pytest.mark.peers


def all_by(name: str, shop: Project) -> str:
    """Let the tool apply all that is in the folder, and return what it says of it then."""
    match name:
        case "dbmate":
            tools.dbmate(shop, "up")
            return tools.dbmate(shop, "status")
        case "node-pg-migrate":
            tools.node_pg_migrate(shop, "up")
            return tools.node_pg_migrate(shop, "up")
        case _:
            tools.graphile_migrate(shop, "migrate")
            return tools.graphile_migrate(shop, "status")


AGREES: dict[str, Callable[[str], bool]] = {
    "dbmate": lambda said: "Pending: 0" in said and "Applied: 3" in said,
    "node-pg-migrate": lambda said: "No migrations to run" in said,
    "graphile-migrate": lambda said: "up to date" in said.lower(),
}


@pytest.mark.parametrize("name", AGREES)
async def test_the_tool_begins_and_changeover_goes_on(database: Target, tmp_path: Path, name: str) -> None:
    shop = shop_of(database, tmp_path / "migrations", name)
    last = [file for file in SAMPLES[name].files if "3" in Path(file).name][-1]
    text = (shop.folder / last).read_text()
    (shop.folder / last).unlink()
    all_by(name, shop)
    (shop.folder / last).write_text(text)
    survey = await shop.look()
    assert [status.state for status in survey.statuses] == ["applied", "applied", "pending"]
    assert (await shop.apply()).end.exit_code == 0
    assert psql(database, SAMPLES[name].query) == SAMPLES[name].rows
    assert AGREES[name](all_by(name, shop))


@pytest.mark.parametrize("name", AGREES)
async def test_changeover_begins_and_the_tool_goes_on(database: Target, tmp_path: Path, name: str) -> None:
    shop = shop_of(database, tmp_path / "migrations", name)
    second = (await shop.look()).folder.migrations[1].version
    assert (await shop.apply(action=Action(to=second))).end.exit_code == 0
    assert AGREES[name](all_by(name, shop))
    assert psql(database, SAMPLES[name].query) == SAMPLES[name].rows
    survey = await shop.look()
    assert [status.state for status in survey.statuses] == ["applied"] * 3
    assert not survey.plan.migrations


@pytest.mark.parametrize("name", AGREES)
async def test_the_table_is_the_one_that_the_tool_makes(database: Target, tmp_path: Path, name: str) -> None:
    """The catalog's own words for columns, defaults and indexes, of its table and of ours."""
    shop = shop_of(database, tmp_path / "migrations", name)
    assert (await shop.apply()).end.exit_code == 0
    ours = _definition(database, SAMPLES[name].table)
    psql(
        database,
        f"DROP TABLE {SAMPLES[name].table} CASCADE; DROP TABLE shop; DROP SCHEMA IF EXISTS graphile_migrate CASCADE",
    )
    all_by(name, shop)
    assert _definition(database, SAMPLES[name].table) == ours


def _definition(target: Target, table: str) -> str:
    return psql(
        target,
        "SELECT attname, format_type(atttypid, atttypmod), attnotnull, attidentity, "
        "(SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = attrelid AND adnum = attnum) "
        f"FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0 ORDER BY attnum; "
        f"SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = '{table}'::regclass ORDER BY 1; "
        f"SELECT relname FROM pg_class JOIN pg_index ON indexrelid = pg_class.oid "
        f"WHERE indrelid = '{table}'::regclass ORDER BY 1",
    )


async def test_a_revert_by_changeover_is_one_for_the_tool(database: Target, tmp_path: Path) -> None:
    shop = shop_of(database, tmp_path / "migrations", "dbmate")
    all_by("dbmate", shop)
    assert (await shop.apply(action=Action(verb=Verb.REVERT))).end.exit_code == 0
    assert "Pending: 1" in tools.dbmate(shop, "status")


async def _others(shop: Project) -> list[tuple[str, str | None]]:
    shop.settings = replace(shop.settings, format="native")
    (shop.folder / "0001_a.sql").write_text("SELECT 1")
    return [(it.tool, it.version) for it in (await shop.look()).history.others]


async def test_alembic_is_recognised(database: Target, tmp_path: Path) -> None:
    (tmp_path / "migrations").mkdir()
    shop = shop_of(database, tmp_path / "native", "dbmate")
    for file in shop.folder.iterdir():
        file.unlink()
    (tmp_path / "migrations" / "env.py").write_text(
        "from alembic import context\nfrom sqlalchemy import create_engine\n"
        f"url = 'postgresql+psycopg2://{database.user}@/{database.database}?host={database.host}&port={database.port}'\n"
        "with create_engine(url).connect() as connection:\n"
        "    context.configure(connection=connection)\n"
        "    with context.begin_transaction():\n        context.run_migrations()\n"
    )
    (tmp_path / "migrations" / "versions").mkdir()
    (tmp_path / "migrations" / "versions" / "a1_x.py").write_text(
        "from alembic import op\nrevision = 'a1'\ndown_revision = None\n"
        "def upgrade():\n    op.execute('CREATE TABLE x ()')\n"
    )
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    tools.python("alembic", "upgrade", "head", cwd=tmp_path)
    assert await _others(shop) == [("Alembic", "a1")]


async def test_django_is_recognised(database: Target, tmp_path: Path) -> None:
    shop = shop_of(database, tmp_path / "native", "dbmate")
    for file in shop.folder.iterdir():
        file.unlink()
    (tmp_path / "config.py").write_text(
        "SECRET_KEY = 'x'\nINSTALLED_APPS = ['django.contrib.contenttypes']\nDATABASES = {'default': {"
        f"'ENGINE': 'django.db.backends.postgresql', 'NAME': {database.database!r}, 'USER': {database.user!r}, "
        f"'HOST': {database.host!r}, 'PORT': {database.port!r}}}}}\n"
    )
    tools.python("django", "migrate", cwd=tmp_path, env={"DJANGO_SETTINGS_MODULE": "config"})
    assert await _others(shop) == [("Django", "contenttypes.0002_remove_content_type_name")]


async def test_yoyo_is_recognised(database: Target, tmp_path: Path) -> None:
    shop = shop_of(database, tmp_path / "native", "dbmate")
    for file in shop.folder.iterdir():
        file.unlink()
    (tmp_path / "yoyo-files").mkdir()
    (tmp_path / "yoyo-files" / "0001_a.sql").write_text("CREATE TABLE x ()")
    url = f"postgresql://{database.user}@/{database.database}?host={database.host}&port={database.port}"
    tools.python(
        "yoyo", "apply", "--batch", "--no-config-file", "--database", url, str(tmp_path / "yoyo-files"), cwd=tmp_path
    )
    assert await _others(shop) == [("yoyo-migrations", "0001_a")]


def planned(target: Target, folder: Path) -> Project:
    """Return a Sqitch project of three changes, which the tool itself has planned."""
    shop = project(target, folder)
    tools.run(tools.sqitch(), "init", "shop", "--engine", "pg", cwd=folder)
    for name, (deploy, revert) in CHANGES.items():
        needs = ["--requires", "shop"] if name != "shop" else []
        tools.run(tools.sqitch(), "add", name, "-n", f"Adds {name}.", *needs, cwd=folder, env=WHO)
        (folder / "deploy" / f"{name}.sql").write_text(f"-- Deploy shop:{name} to pg\nBEGIN;\n{deploy}\nCOMMIT;\n")
        (folder / "revert" / f"{name}.sql").write_text(f"-- Revert\nBEGIN;\n{revert}\nCOMMIT;\n")
        verify = "-- Verify\nBEGIN;\nSELECT id FROM shop WHERE false;\nROLLBACK;\n"
        (folder / "verify" / f"{name}.sql").write_text(verify)
    tools.run(tools.sqitch(), "tag", "v1", "-n", "First.", cwd=folder, env=WHO)
    said = {name: Secret(value) for name, value in WHO.items()}
    shop.settings = replace(shop.settings, environ=said, allowed_hazards={"all": "--allow"})
    return shop


WHO = {"SQITCH_FULLNAME": "Ann", "SQITCH_EMAIL": "ann@example.org"}
CHANGES = {
    "shop": ("CREATE TABLE shop (id int PRIMARY KEY);", "DROP TABLE shop;"),
    "name": ("ALTER TABLE shop ADD COLUMN name text;", "ALTER TABLE shop DROP COLUMN name;"),
    "index": ("CREATE INDEX shop_name ON shop (name);", "DROP INDEX shop_name;"),
}


def by_sqitch(shop: Project, *words: str, codes: tuple[int, ...] = (0,)) -> str:
    target = shop.target
    where = {"PGHOST": target.host, "PGPORT": str(target.port), "PGUSER": target.user, **WHO}
    command = (tools.sqitch(), words[0], f"db:pg:{target.database}", *words[1:])
    return tools.run(*command, cwd=shop.folder, env=where, codes=codes)


REGISTRY = (
    "SELECT change_id, script_hash, change, project, note, committer_name, committer_email, planned_at, planner_name, "
    "planner_email FROM sqitch.changes ORDER BY change_id; "
    "SELECT tag_id, tag, change_id, note, committer_name FROM sqitch.tags; "
    "SELECT * FROM sqitch.dependencies ORDER BY 1; "
    "SELECT event, change_id, change, note, requires, conflicts, tags, committer_email FROM sqitch.events ORDER BY 2; "
    "SELECT project, uri, creator_name FROM sqitch.projects; SELECT version FROM sqitch.releases"
)


async def test_sqitch_begins_and_changeover_goes_on(database: Target, tmp_path: Path) -> None:
    shop = planned(database, tmp_path / "project")
    by_sqitch(shop, "deploy", "--to", "name")
    survey = await shop.look()
    assert (survey.history.format, [it.state for it in survey.statuses]) == (
        "sqitch",
        ["applied", "applied", "pending"],
    )
    assert (await shop.apply()).end.exit_code == 0
    assert "Nothing to deploy" in by_sqitch(shop, "status")
    by_sqitch(shop, "verify")
    # and what the tool does alone is the same, row by row
    ours = psql(database, REGISTRY)
    by_sqitch(shop, "revert", "-y")
    psql(database, "DROP SCHEMA sqitch CASCADE")
    by_sqitch(shop, "deploy")
    assert psql(database, REGISTRY) == ours


async def test_changeover_begins_and_sqitch_goes_on(database: Target, tmp_path: Path) -> None:
    shop = planned(database, tmp_path / "project")
    second = (await shop.look()).folder.migrations[1].version
    assert (await shop.apply(action=Action(to=second))).end.exit_code == 0
    by_sqitch(shop, "deploy")
    assert [it.state for it in (await shop.look()).statuses] == ["applied"] * 3
    assert (await shop.apply(action=Action(verb=Verb.REVERT))).end.exit_code == 0
    assert "Undeployed change" in by_sqitch(shop, "status")
    by_sqitch(shop, "deploy")
    by_sqitch(shop, "revert", "-y")
    assert [it.state for it in (await shop.look()).statuses] == ["pending"] * 3


async def test_a_change_that_changeover_plans_is_one_of_sqitch(database: Target, tmp_path: Path) -> None:
    shop = planned(database, tmp_path / "project")
    files = new_files(shop.folder, "later", now=datetime.now(UTC), environ=WHO)[1]
    write(shop.folder, files)
    by_sqitch(shop, "deploy")
    last = (await shop.look()).statuses[-1]
    assert (last.name, last.state) == ("later", "applied")
    by_sqitch(shop, "revert", "-y")
