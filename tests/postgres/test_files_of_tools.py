"""What real files of other tools do, on a real server."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from changeover.core.actions import Action, Choice, Settlement, Verb
from changeover.core.events import Result
from changeover.core.target import Target
from tests.runs import Project, project
from tests.servers import psql


def shop_of(database: Target, path: Path, files: dict[str, str], form: str = "golang-migrate") -> Project:
    path.mkdir(exist_ok=True)
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    shop = project(database, path)
    shop.settings = replace(shop.settings, format=form, allowed_hazards={"all": "--allow"})
    return shop


async def test_how_its_transaction_begins_is_how_ours_begins(database: Target, tmp_path: Path) -> None:
    text = "CREATE TABLE seen AS SELECT current_setting('transaction_isolation') AS level;\n"
    shop = shop_of(
        database,
        tmp_path / "m",
        {
            "1_a.up.sql": f"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;\n{text}",
            "2_b.up.sql": f"BEGIN ISOLATION LEVEL REPEATABLE READ;\n{text.replace('seen', 'again')}COMMIT;\n",
            "3_c.up.sql": text.replace("seen", "plain"),
        },
    )
    assert (await shop.apply()).end.result is Result.APPLIED
    levels = psql(database, "SELECT (SELECT level FROM seen), (SELECT level FROM again), (SELECT level FROM plain)")
    assert levels == "serializable|repeatable read|read committed"


async def test_a_pair_around_everything_rolls_back_as_a_whole(database: Target, tmp_path: Path) -> None:
    shop = shop_of(database, tmp_path / "m", {"1_a.up.sql": "BEGIN;\nCREATE TABLE a (b int);\nSELECT 1/0;\nCOMMIT;\n"})
    done = await shop.apply()
    assert done.end.result is Result.ROLLED_BACK
    assert done.end.fault is not None
    assert (done.end.fault.file, done.end.fault.line) == ("1_a.up.sql", 3)
    assert psql(database, "SELECT to_regclass('a')") == ""


async def test_a_concurrent_build_needs_no_directive(database: Target, tmp_path: Path) -> None:
    files = {"1_a.up.sql": "CREATE TABLE a (b int);", "2_b.up.sql": "CREATE INDEX CONCURRENTLY a_b ON a (b);\n"}
    shop = shop_of(database, tmp_path / "m", files)
    plan = (await shop.look()).plan
    assert [it.transactional for it in plan.migrations] == [True, False]
    assert [note.id for note in plan.notes if note.id == "outside-transaction"] == ["outside-transaction"]
    assert (await shop.apply()).end.result is Result.APPLIED
    assert psql(database, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'a_b'::regclass") == "t"
    assert psql(database, "SELECT version, dirty FROM schema_migrations") == "2|f"


async def test_what_the_parser_does_not_know_is_sent_as_it_is(database: Target, tmp_path: Path) -> None:
    text = "CREATE TABLE a (b int);\nFROBNICATE TABLE a;\nCREATE TABLE c (d int);\n"
    shop = shop_of(database, tmp_path / "m", {"1_a.up.sql": text})
    plan = (await shop.look()).plan
    assert plan.ready
    assert [(note.id, note.line) for note in plan.notes if note.id == "not-known"] == [("not-known", 2)]
    done = await shop.apply()
    assert (done.end.result, done.end.exit_code) == (Result.ROLLED_BACK, 6)
    assert done.end.fault is not None
    assert (done.end.fault.sqlstate, done.end.fault.line) == ("42601", 2)
    assert psql(database, "SELECT to_regclass('a')") == ""


async def test_a_setting_of_one_file_does_not_reach_the_next(database: Target, tmp_path: Path) -> None:
    leak = "SELECT pg_catalog.set_config('search_path', '', false);\nSET timezone = 'Asia/Tokyo';\n"
    finds = "CREATE TABLE z AS SELECT current_setting('timezone') AS zone, current_setting('search_path') AS path;\n"
    # between the two stands one that leaks as well, outside a transaction
    files = {"1_a.up.sql": leak, "2_b.up.sql": f"{leak}VACUUM;\n", "3_c.up.sql": finds}
    done = await shop_of(database, tmp_path / "m", files).apply()
    assert done.end.result is Result.APPLIED
    assert psql(database, "SELECT zone <> 'Asia/Tokyo', path FROM public.z") == 't|"$user", public'


async def test_a_file_that_cannot_run_stops_only_a_plan_that_would_run_it(database: Target, tmp_path: Path) -> None:
    files = {"1_a.up.sql": "CREATE TABLE a (b int);", "2_b.up.sql": "SELECT 1;\n\\copy a FROM 'x'\n"}
    shop = shop_of(database, tmp_path / "m", files)
    refused = [fault for fault in (await shop.look()).plan.refusals if fault.file == "2_b.up.sql"]
    assert [(fault.id, fault.line) for fault in refused] == [("script", 2)]
    psql(database, "CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)")
    psql(database, "INSERT INTO schema_migrations VALUES (2, false)")
    found = await shop.look()
    assert found.plan.refusals == ()
    assert [status.state for status in found.statuses] == ["applied", "applied"]


SCRIPT = r"""\set what 'it''s \'here\''
\echo 'only said' \\ CREATE TABLE a (b text, c text);
\if :{?nowhere}
  DROP TABLE a;
\elif f
  \! never 'run
\else
  \i lib/rows.sql
  INSERT INTO a VALUES (:'what', :'later');
\endif
\copy a (b) from stdin with (format csv)
"it's, here"
\.
\unset later
INSERT INTO a VALUES (':what', :{?later}) \g
INSERT INTO a SELECT 'x' \if true
  , 'y' \else
  , 'z' \endif
;
\ir ../lib/more/last.sql
"""
ROWS = "COPY a FROM stdin;\nit's\t\\N\n\\.\n\\set later 'on the way'\n\\ir more/last.sql\n"


async def test_a_script_of_sqitch_does_what_psql_does_with_it(database: Target, tmp_path: Path) -> None:
    files = {
        "sqitch.plan": "%project=p\n\na 2026-01-01T00:00:00Z N <n@example.com>\n",
        "deploy/a.sql": SCRIPT,
        "lib/rows.sql": ROWS,
        "lib/more/last.sql": "INSERT INTO a VALUES ('last', 'one')",
    }
    shop = shop_of(database, tmp_path / "m", files, "sqitch")
    seen = "SELECT array_to_json(array_agg(a)) FROM a"
    psql(database, f"\\cd {shop.folder}\n\\i deploy/a.sql\n")
    told = psql(database, seen)
    assert "on the way" in told
    psql(database, "DROP TABLE a")
    assert (await shop.apply()).end.result is Result.APPLIED
    assert psql(database, seen) == told


async def test_an_error_in_a_file_put_in_is_named_by_its_place_there(database: Target, tmp_path: Path) -> None:
    files = {
        "sqitch.plan": "%project=p\n\na 2026-01-01T00:00:00Z N <n@example.com>\n",
        "deploy/a.sql": "CREATE TABLE a (b int);\n\\i lib/rows.sql\n",
        "lib/rows.sql": "\n\nCOPY a FROM stdin;\n1\nx\n\\.\n",
    }
    shop = shop_of(database, tmp_path / "m", files, "sqitch")
    digest = (await shop.look()).plan.digest
    fault = (await shop.apply()).end.fault
    assert fault is not None
    assert (fault.file, fault.line) == ("lib/rows.sql", 5)
    (shop.folder / "lib" / "rows.sql").write_text("\n\nCOPY a FROM stdin;\n1\n\\.\n")
    # the file that is approved is not only the one that sqitch knows
    assert (await shop.look()).plan.digest != digest


async def test_the_tool_s_history_is_there_before_the_first_migration_that_names_it(
    database: Target, tmp_path: Path
) -> None:
    files = {
        "1_a.up.sql": (
            "CREATE TABLE seen (version bigint);\n"
            "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN\n"
            "  INSERT INTO public.seen VALUES (NEW.version); RETURN NULL; END $$;\n"
            "CREATE TRIGGER see AFTER INSERT ON schema_migrations FOR EACH ROW EXECUTE FUNCTION see();\n"
        ),
        "2_b.up.sql": "DELETE FROM schema_migrations WHERE version < 1;\nCREATE TABLE b ();\n",
        "3_c.up.sql": "DELETE FROM schema_migrations;\nGRANT SELECT ON schema_migrations TO PUBLIC;\n",
    }
    shop = shop_of(database, tmp_path / "m", files)
    assert (await shop.look()).plan.refusals == ()
    assert psql(database, "SELECT to_regclass('schema_migrations')") == ""
    assert (await shop.apply()).end.result is Result.APPLIED
    assert psql(database, "SELECT version, dirty FROM schema_migrations") == "3|f"
    assert "3" in psql(database, "SELECT version FROM seen").split("\n")


async def test_a_migration_that_stopped_half_way_is_dirty_until_it_is_repaired(
    database: Target, tmp_path: Path
) -> None:
    files = {"1_a.up.sql": "CREATE TABLE a (b int);\nCREATE INDEX CONCURRENTLY a_b ON a (b);\nSELECT 1/0;\n"}
    shop = shop_of(database, tmp_path / "m", files)
    assert (await shop.apply()).end.result is Result.PARTIAL
    assert psql(database, "SELECT version, dirty FROM schema_migrations") == "1|t"
    # not even a file that would run now is gone on with: the tool itself refuses as well
    (shop.folder / "1_a.up.sql").write_text(files["1_a.up.sql"].replace("1/0", "1"))
    found = await shop.look()
    assert found.plan.refusals
    settled = Action(verb=Verb.REPAIR, settlements=(Settlement(version="1", choice=Choice.APPLIED, reason="looked"),))
    assert (await shop.apply(action=settled)).end.exit_code == 0
    assert psql(database, "SELECT version, dirty FROM schema_migrations") == "1|f"
    assert (await shop.look()).plan.refusals == ()
