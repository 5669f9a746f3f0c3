"""Sqitch's folder; the identities are those that sqitch 1.3.1 shows for this plan."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha1
from pathlib import Path

import pytest

from changeover.core.errors import FolderError
from changeover.core.facts import SqitchDependency, SqitchFacts
from changeover.core.migration import Folder, Migration

from .folder_files import only, places, read, refusal, sql

BY = "Marge N. O\N{RIGHT SINGLE QUOTATION MARK}Vera <m@example.com>"
PLAN = f"""%syntax-version=1.0.0
%project=flipr
%uri=https://example.com/flipr/

appschema 2026-11-24T20:55:49Z {BY} # Add schema
users [appschema !foo] 2026-11-24T20:55:50Z {BY} # Two\\nlines \\\\ here
@v1.0 2026-11-24T20:55:51Z {BY} # Tag

# a comment
users [users@v1.0] 2026-11-24T20:55:51Z {BY} # again
lists [users] 2026-11-24T21:06:10Z {BY} # x
"""
DEPLOY = "-- Deploy flipr:x to pg\n\nBEGIN;\n\nCREATE TABLE x (a int);\n\nCOMMIT;\n"


def sqitch(path: Path, files: dict[str, str | bytes], **options: object) -> Folder:
    return read(path, "sqitch", files, **options)


def flipr() -> dict[str, str | bytes]:
    names = ["appschema", "users@v1.0", "users", "lists"]
    files: dict[str, str | bytes] = {f"deploy/{name}.sql": DEPLOY.replace("x (", f'"{name}" (') for name in names}
    return {"sqitch.plan": PLAN, **files}


def one(path: Path, script: str | bytes, more: dict[str, str | bytes] | None = None, **options: object) -> Migration:
    plan = "%project=p\n\na 2026-01-01T00:00:00Z N <n@example.com>\n"
    return only(sqitch(path, {"sqitch.plan": plan, "deploy/a.sql": script, **(more or {})}, **options))


def test_changes_have_the_identities_that_sqitch_gives_them(tmp_path: Path) -> None:
    found = sqitch(tmp_path, flipr())
    assert [(m.version, m.name, m.file) for m in found.migrations] == [
        ("fa58c013b51e5298604f70413b5ac88be3b6da87", "appschema", "deploy/appschema.sql"),
        ("f8f56b558ce9e81a948328415f6da70f1a8ee267", "users", "deploy/users@v1.0.sql"),
        ("f59494e17349e42540f4e5b76655d4ea81ee1d28", "users", "deploy/users.sql"),
        ("a48a1203a4487b6ca01069c24b2c20dff084ce98", "lists", "deploy/lists.sql"),
    ]
    assert sql(found.migrations[1].script) == ['CREATE TABLE "users@v1.0" (a int)']
    content = found.migrations[2].content
    assert found.migrations[2].recorded_checksum == sha1(content).hexdigest()


def test_the_facts_are_what_the_registry_keeps(tmp_path: Path) -> None:
    first = sqitch(tmp_path, flipr()).migrations[1].facts
    assert isinstance(first, SqitchFacts)
    assert (first.project, first.uri, first.note) == ("flipr", "https://example.com/flipr/", "Two\nlines \\ here")
    assert first.planned_at == datetime(2026, 11, 24, 20, 55, 50, tzinfo=UTC)
    assert (first.planner_name, first.planner_email) == tuple(BY.removesuffix(">").split(" <"))
    assert first.requires == (
        SqitchDependency(dependency="appschema", change_id="fa58c013b51e5298604f70413b5ac88be3b6da87"),
    )
    assert first.conflicts == (SqitchDependency(dependency="foo"),)
    (tag,) = first.tags
    # sha1 of git's kind over what `sqitch show tag` prints
    shown = f"project flipr\nuri https://example.com/flipr/\ntag @v1.0\nchange {first.change_id}\nplanner {BY}\n"
    shown += "date 2026-11-24T20:55:51Z\n\nTag"
    data = shown.encode()
    assert (tag.name, tag.note, tag.tag_id) == ("@v1.0", "Tag", sha1(b"tag %d\0" % len(data) + data).hexdigest())


def test_a_bare_name_is_the_latest_change_of_that_name_above(tmp_path: Path) -> None:
    last = sqitch(tmp_path, flipr()).migrations[3].facts
    assert isinstance(last, SqitchFacts)
    assert last.requires[0].change_id == "f59494e17349e42540f4e5b76655d4ea81ee1d28"


@pytest.mark.parametrize(
    ("plan", "line"),
    [
        ("%project=p\n\na 2026-01-01T00:00:00Z\n", 3),
        ("%project=p\n\na [b] 2026-01-01T00:00:00Z N <n@e>\n", 3),
        ("%project=p\n\n@t 2026-01-01T00:00:00Z N <n@e>\n", 3),
        ("a 2026-01-01T00:00:00Z N <n@e>\n", 1),
        ("%project=p\n\na 2026-01-01T00:00:00Z N <n@e>\na 2026-01-01T00:00:00Z N <n@e>\n", 4),
    ],
)
def test_a_plan_that_sqitch_does_not_take_is_refused_with_its_line(plan: str, line: int, tmp_path: Path) -> None:
    with pytest.raises(FolderError) as caught:
        sqitch(tmp_path, {"sqitch.plan": plan, "deploy/a.sql": ""})
    assert caught.value.place is not None
    assert (caught.value.place.file, caught.value.place.line) == ("sqitch.plan", line)


def test_the_pair_of_a_script_is_our_transaction_and_a_verify_script_ends_with_rollback(tmp_path: Path) -> None:
    more: dict[str, str | bytes] = {
        "revert/a.sql": "BEGIN;\nDROP TABLE x;\nCOMMIT;",
        "verify/a.sql": "BEGIN;\nSELECT a FROM x WHERE false;\nROLLBACK;",
    }
    found = one(tmp_path, DEPLOY, more)
    assert (sql(found.script), places(found.script)) == (["CREATE TABLE x (a int)"], [(5, 1)])
    assert found.script.transactional
    assert found.revert is not None
    assert sql(found.revert.script) == ["DROP TABLE x"]
    assert found.verify is not None
    assert sql(found.verify.script) == ["SELECT a FROM x WHERE false"]


def test_a_script_that_is_not_there_is_listed_and_says_so(tmp_path: Path) -> None:
    files = flipr()
    del files["deploy/lists.sql"]
    last = sqitch(tmp_path, files).migrations[3]
    assert "not there" in refusal(last)
    assert last.recorded_checksum is None


def test_the_configuration_says_where_things_are(tmp_path: Path) -> None:
    conf = '[core]\n\tengine = pg\n\ttop_dir = db ; here\n[engine "pg"]\n\tregistry = "meta"\n'
    conf += '[core "variables"]\n\tWho = me\n'
    plan = "%project=p\n\na 2026-01-01T00:00:00Z N <n@e>\n"
    files: dict[str, str | bytes] = {
        "sqitch.conf": conf,
        "db/sqitch.plan": plan,
        "db/deploy/a.sql": "SELECT :'Who', :'registry'",
    }
    found = sqitch(tmp_path, files)
    assert sql(only(found).script) == ["SELECT 'me', 'meta'"]
    assert (only(found).file, found.history_schema) == ("db/deploy/a.sql", "meta")


# -- psql


def test_rows_after_copy_are_taken_as_they_are_and_no_variable_is_put_into_them(tmp_path: Path) -> None:
    text = "\\set t shop\nCOPY :t FROM stdin;\n:t\tit's \\x\n\\.\nSELECT :'t';\nCOPY a FROM stdin;\n:t"
    found = one(tmp_path, text).script.statements
    assert [it.sql for it in found] == ["COPY shop FROM stdin", "SELECT 'shop'", "COPY a FROM stdin"]
    assert [it.data and (it.data.rows, it.data.line) for it in found] == [(b":t\tit's \\x\n", 3), None, (b":t", 7)]


def test_variables_are_put_in_as_psql_does_and_places_stay(tmp_path: Path) -> None:
    text = (
        "\\set who 'it''s ' me\n\\echo it's fine\n\\timing off\n"
        "SELECT :'who', ':who', x::int, $$:who$$; CREATE SCHEMA :\"s p\"; -- :who\n  SELECT :n;\n"
    ).replace(':"s p"', ':"space"')
    found = one(tmp_path, text, placeholders={"space": 'a"b', "n": "1 + 1"})
    assert sql(found.script) == ["SELECT 'it''s me', ':who', x::int, $$:who$$", 'CREATE SCHEMA "a""b"', "SELECT 1 + 1"]
    assert places(found.script) == [(4, 1), (4, 42), (5, 3)]


def test_a_value_holds_from_where_it_is_set(tmp_path: Path) -> None:
    text = "\\set n 1\nSELECT :n;\n\\set n 2\nSELECT :n;\n"
    assert sql(one(tmp_path, text).script) == ["SELECT 1", "SELECT 2"]


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        ("SELECT 1;\n\\i other.sql\n", "other.sql is not there", 2),
        ("\\i /etc/passwd\n", "outside the folder", 1),
        ("\\ir ../../up.sql\n", "outside the folder", 1),
        ("\\i deploy/a.sql\n", "deploy/a.sql puts itself in", 1),
        ("SELECT\n\\i sqitch.plan\n;", "inside a statement", 2),
        ("\\connect other\n", "\\connect is", 1),
        ("SELECT 1 AS n \\gset\n", "\\gset is", 1),
        ("\nSELECT 'DROP TABLE a'\n\\gexec\n", "\\gexec is", 3),
        ("\\o x.txt\n", "\\o is", 1),
        ("\\! it's here\n", "\\! is", 1),
        ("\\if :debug\nSELECT 1;\n\\endif\n", "neither true nor false", 1),
        ("SELECT 1;\n\\if on\nSELECT 2;", "no \\endif", 2),
        ("SELECT 1;\n\\else\n", "no \\if before", 2),
        ("\\if on\n\\else\n\\else\n\\endif", "after \\else", 3),
        ("\\unset ON_ERROR_STOP\n", "changes what an error does", 1),
        ("\\set now `date`\n", "\\set from a command", 1),
        ("\\set ON_ERROR_STOP off\nSELECT 1;", "changes what an error does", 1),
        ("SELECT 1;\n\n\\copy t FROM 'x'\n", "\\copy from 'x' is not run", 3),
        ("\\copy (SELECT * FROM t) TO 'x'\n", "only FROM stdin", 1),
        ("SELECT :nowhere;", "nowhere of psql has no value", 1),
    ],
)
def test_what_psql_does_besides_is_refused_with_its_line(text: str, words: str, line: int, tmp_path: Path) -> None:
    found = one(tmp_path, text)
    assert words in refusal(found)
    assert found.script.refusals[0].line == line


def test_each_kind_of_script_has_its_variables_and_what_is_nearer_stands_before(tmp_path: Path) -> None:
    conf = '[core "variables"]\n\tn = core\n[deploy "variables"]\n\tn = deploy\n[revert "variables"]\n\tn = revert\n'
    more: dict[str, str | bytes] = {"revert/a.sql": "SELECT :'n';", "verify/a.sql": "SELECT :'n';"}
    found = one(tmp_path, "SELECT :'n';", {"sqitch.conf": conf, **more})
    assert found.revert is not None
    assert found.verify is not None
    scripts = (found.script, found.revert.script, found.verify.script)
    assert [sql(script) for script in scripts] == [["SELECT 'deploy'"], ["SELECT 'revert'"], ["SELECT 'deploy'"]]
    # those of the engine stand before these, and those of the target that is the default before all
    conf += '[engine "pg.variables"]\n\tn = engine\n'
    assert sql(one(tmp_path, "SELECT :'n';", {"sqitch.conf": conf}).script) == ["SELECT 'engine'"]
    conf += '[engine "pg"]\n\ttarget = prod\n[target "prod.variables"]\n\tn = target\n[target "x.variables"]\n\tn = x\n'
    assert sql(one(tmp_path, "SELECT :'n';", {"sqitch.conf": conf}).script) == ["SELECT 'target'"]


def test_the_configuration_of_the_user_stands_behind_that_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "own.conf").write_text('[core "variables"]\n\ta = mine\n\tb = mine\n')
    environ = {"SQITCH_USER_CONFIG": str(tmp_path / "own.conf")}
    conf: dict[str, str | bytes] = {"sqitch.conf": '[core "variables"]\n\tb = ours\n'}
    found = one(tmp_path / "project", "SELECT :'a', :'b';", conf, environ=environ)
    assert sql(found.script) == ["SELECT 'mine', 'ours'"]


def test_a_variable_without_a_value_is_named_with_its_line(tmp_path: Path) -> None:
    found = one(tmp_path, "SELECT 1;\nSELECT :'nowhere';\n")
    assert (found.script.refusals[0].line, found.script.refusals[0].column) == (2, 8)


def test_a_file_put_in_runs_where_it_is_named_and_its_places_are_its_own(tmp_path: Path) -> None:
    more: dict[str, str | bytes] = {
        "lib/roles.sql": "\ufeff-- roles\r\n\r\n  CREATE ROLE :who;\r\n\\ir more/last.sql\r\nSELECT 'caf\u00e9', 3",
        "lib/more/last.sql": "\\set later yes\nSELECT 2",
    }
    text = "\\set who me\nSELECT 1;\n\\i lib/roles.sql\nSELECT :'later'; SELECT 4;\n\\ir '../lib/more/last.sql'\n"
    found = one(tmp_path, text, more).script
    assert sql(found) == [
        "SELECT 1", "CREATE ROLE me", "SELECT 2", "SELECT 'caf\u00e9', 3", "SELECT 'yes'", "SELECT 4", "SELECT 2",
    ]  # fmt: skip
    assert [(it.place.file, it.place.line, it.place.column) for it in found.statements] == [
        ("deploy/a.sql", 2, 1), ("lib/roles.sql", 3, 3), ("lib/more/last.sql", 2, 1), ("lib/roles.sql", 5, 1),
        ("deploy/a.sql", 4, 1), ("deploy/a.sql", 4, 18), ("lib/more/last.sql", 2, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("SELECT 1;\n\\gset\n", 2),
        ("SELECT 1;\n\nSELECT 'open;\n", 3),
        ("SELECT 1;\nSELECT (;\n", 2),
        ("\n\nSELECT :'no';", 3),
        ("\n\\if on\n", 2),
    ],
)
def test_what_is_wrong_in_a_file_put_in_is_said_with_its_own_line(text: str, line: int, tmp_path: Path) -> None:
    found = one(tmp_path, "SELECT 0;\n\\i b.sql\nSELECT 'x';\n", {"b.sql": text}).script
    fault = (*found.refusals, *found.notes)[0]
    assert (fault.file, fault.line) == ("b.sql", line)


def test_files_that_put_one_another_in_are_refused(tmp_path: Path) -> None:
    found = one(tmp_path, "\\i b.sql\n", {"b.sql": "SELECT 1;\n\\i deploy/a.sql\n"}).script
    assert "deploy/a.sql puts itself in" in found.refusals[0].summary
    assert (found.refusals[0].file, found.refusals[0].line) == ("b.sql", 2)


def test_another_text_of_a_file_put_in_is_another_plan_and_the_same_checksum_for_sqitch(tmp_path: Path) -> None:
    before = one(tmp_path, "\\i b.sql\n", {"b.sql": "SELECT 1;"})
    after = one(tmp_path, "\\i b.sql\n", {"b.sql": "SELECT 1 ;"})
    assert before.recorded_checksum == after.recorded_checksum
    assert before.script.substituted != after.script.substituted


def test_a_link_out_of_the_project_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "out.sql").write_text("SELECT 1;")
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "in.sql").symlink_to(tmp_path / "out.sql")
    assert "outside the folder" in refusal(one(tmp_path / "p", "\\i in.sql\n"))


CONDITIONS = """\\if :{?debug}
SELECT 'debug \\endif';
\\elif :prod
SELECT 'prod';
  \\if yes
  SELECT 'inner';
  \\else
  \\i nowhere.sql
  \\! it's never run
  \\endif
\\elif nonsense
SELECT 'never';
\\else
SELECT 'other';
\\endif
\\if off
COPY t FROM stdin;
1\t\\N
\\.
\\endif
SELECT 1 \\if :prod
 , 2 \\else
 , 3 \\endif
;
"""


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        *((it, ["SELECT 'prod'", "SELECT 'inner'", "SELECT 1 , 2"]) for it in ("1", "tRue", "y", "on")),
        *((it, ["SELECT 'other'", "SELECT 1 , 3"]) for it in ("0", "off", "F", "no")),
    ],
)
def test_conditions_choose_what_runs_and_nothing_of_the_rest_is_looked_at(
    value: str, kept: list[str], tmp_path: Path
) -> None:
    # the branch that asks for it to be neither is not asked once another was taken
    text = CONDITIONS if value in {"1", "tRue", "y", "on"} else CONDITIONS.replace("nonsense", "false")
    script = one(tmp_path, text, placeholders={"prod": value}).script
    assert [" ".join(it.split()) for it in sql(script)] == kept
    assert script.substituted


def test_what_commands_print_hides_nothing_that_follows(tmp_path: Path) -> None:
    text = (
        "\\echo it's going on\n\\qecho /* \\warn $$ \\\\ SELECT 0;\nCOPY a FROM stdin;\nit's\n\\.\n"
        "\\d+ a\n\\pset null '\\N'\n\\copy a (n) from stdin with (format csv);\n\"it's\"\n\\.\n"
        "\\copy a FROM STDIN\n\\.\nSELECT 1 \\g\nSELECT 2 \\; SELECT 3;\n"
    )
    found = one(tmp_path, text).script
    assert sql(found) == [
        "SELECT 0", "COPY a FROM stdin", "COPY a (n) from stdin with (format csv)", "COPY a FROM STDIN", "SELECT 1",
        "SELECT 2", "SELECT 3",
    ]  # fmt: skip
    rows = [(it.data.rows, it.data.line) for it in found.statements if it.data]
    assert rows == [(b"it's\n", 4), (b'"it\'s"\n', 9), (b"", 12)]


@pytest.mark.parametrize("rows", ["1\n2", "1\n2\n"])
def test_rows_without_an_end_end_with_their_file(rows: str, tmp_path: Path) -> None:
    found = one(tmp_path, "\\i rows.sql\nSELECT 1;", {"rows.sql": f"COPY a FROM stdin;\n{rows}"}).script
    assert sql(found) == ["COPY a FROM stdin", "SELECT 1"]
    assert found.statements[0].data is not None
    assert (found.statements[0].data.rows, found.statements[0].data.line) == (b"1\n2\n", 2)
    assert [it.place.file for it in found.statements] == ["rows.sql", "deploy/a.sql"]


def test_a_variable_can_be_made_of_others_and_taken_away(tmp_path: Path) -> None:
    text = "\\set a 'x\\ty' \n\\set b :a '-' :'a'\nSELECT :'b', :{?b};\n\\unset b\nSELECT :{?b};\n"
    assert sql(one(tmp_path, text).script) == ["SELECT 'x\ty-''x\ty''', TRUE", "SELECT FALSE"]
