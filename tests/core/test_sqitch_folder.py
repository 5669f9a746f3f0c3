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
        ("SELECT 1;\n\\i other.sql\n", "\\i is a command of psql", 2),
        ("\\connect other\n", "\\connect is", 1),
        ("\\set now `date`\n", "\\set from a command", 1),
        ("\\set ON_ERROR_STOP off\nSELECT 1;", "changes what an error does", 1),
        ("SELECT 1;\n\n\\copy t FROM 'x'\n", "\\copy is", 3),
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
