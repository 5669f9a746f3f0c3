"""changeover.toml, variables and flags: precedence, sources, and one clear message with the line."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from changeover.core.errors import SettingsError
from changeover.core.saved_targets import save, text_of
from changeover.core.settings import Flags, Settings, for_target, load
from changeover.core.settings_file import line_of
from changeover.core.target import NamedTarget, choose, resolve


def loaded(folder: Path, text: str | None = None, flags: Flags | None = None, **environ: str) -> Settings:
    if text is not None:
        (folder / "changeover.toml").write_text(text)
    return load(start=folder, environ={"CHANGEOVER_HOME": str(folder / "home"), **environ}, flags=flags or Flags())


def refusal(folder: Path, text: str | None = None, **environ: str) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        loaded(folder, text, None, **environ)
    return caught.value


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    settings = loaded(tmp_path)
    assert settings.migrations is None
    assert (settings.retry.retries, settings.retry.timeout, settings.limits.lock_timeout) == (3, 30.0, 2.0)


def test_the_file_is_found_upward_and_its_paths_are_beside_it(tmp_path: Path) -> None:
    (tmp_path / "changeover.toml").write_text('migrations = "db/migrations"\nretries = 7\n')
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    settings = loaded(inner)
    assert settings.migrations == tmp_path / "db" / "migrations"
    assert settings.retry.retries == 7
    assert settings.sources["retries"] == "../../changeover.toml:2:1"


def test_a_flag_stands_before_a_variable_before_the_file(tmp_path: Path) -> None:
    text = "lock_timeout = 1\nretries = 1\nconnect_timeout = 1\n"
    flags = Flags(lock_timeout=3.0)
    settings = loaded(tmp_path, text, flags, CHANGEOVER_LOCK_TIMEOUT="2", CHANGEOVER_RETRIES="2")
    assert (settings.limits.lock_timeout, settings.retry.retries, settings.retry.timeout) == (3.0, 2, 1.0)
    assert settings.sources["lock_timeout"] == "--lock-timeout"
    assert settings.sources["retries"] == "CHANGEOVER_RETRIES"
    assert settings.sources["connect_timeout"].startswith("changeover.toml:3")


def test_a_folder_called_migrations_is_found_without_a_word(tmp_path: Path) -> None:
    (tmp_path / "migrations").mkdir()
    settings = loaded(tmp_path)
    assert (settings.migrations, settings.sources["migrations"]) == (tmp_path / "migrations", "default")


def test_a_project_of_sqitch_is_where_its_plan_is(tmp_path: Path) -> None:
    (tmp_path / "sqitch.plan").write_text("%project=p\n")
    assert loaded(tmp_path).migrations == tmp_path


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("retries = 3\nretrys = 4\n", 2, "retrys is not a setting"),
        ("\n\nretries = -1\n", 3, "retries must be a whole number"),
        ("retries = true\n", 1, "whole number"),
        ('lock_timeout = "2"\n', 1, "number of seconds"),
        ("lock_timeout = nan\n", 1, "number of seconds"),
        ("lock_pause = [5, 1]\n", 1, "lock_pause must be"),
        ("read_only = 1\n", 1, "true or false"),
        ('format = "alembic"\n', 1, "one of"),
        ('history_table = "a.b.c"\n', 1, "the name of a table"),
        ("[placeholders]\nowner = 1\n", 2, "must be a text"),
        ('migrations = ""\n', 1, "migrations must be"),
        ("allow = 1\n", 1, "allow must be a table"),
        ('[allow]\na = "b"\ndrop-column = ""\n', 3, "the reason"),
        ("[targets.a]\nprotected = true\n", 1, "targets.a has no url"),
        ('[targets.a]\nurl = "postgresql://h/d"\nprotectd = true\n', 3, "targets.a.protectd is not a setting"),
        ('[targets.a]\nurl = "postgresql://h/d"\nprotected = "yes"\n', 3, "true or false"),
        ('[targets.a]\n\nurl = "mysql://h/d"\n', 3, "targets.a"),
        ('target = "b"\n[targets.a]\nurl = "postgresql://h/d"\n', 1, "target names b"),
        ("retries = \n", 1, "This is not TOML"),
        ("a = 1\na = 2\n", 2, "This is not TOML"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(text: str, line: int, words: str, tmp_path: Path) -> None:
    error = refusal(tmp_path, text)
    assert words in error.summary
    assert error.place is not None
    assert (error.place.file, error.place.line) == ("changeover.toml", line)
    assert error.exit_code == 2


def test_a_file_that_is_not_utf_8_is_said_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "changeover.toml").write_bytes(b"retries = 1\n# \xff\n")
    error = refusal(tmp_path)
    assert error.place is not None
    assert error.place.line == 2


def test_a_password_in_the_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    error = refusal(tmp_path, '[targets.a]\nurl = "postgresql://u:S3cret@h/d"\n')
    assert "never kept" in error.summary
    assert "S3cret" not in f"{error} {error.advice}"


@pytest.mark.parametrize(
    ("variable", "value"),
    [("CHANGEOVER_RETRIES", "many"), ("CHANGEOVER_LOCK_TIMEOUT", "-1"), ("CHANGEOVER_READ_ONLY", "maybe")],
)
def test_a_wrong_variable_is_said_by_its_name(variable: str, value: str, tmp_path: Path) -> None:
    assert variable in refusal(tmp_path, **{variable: value}).summary


def test_a_wrong_flag_is_said_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--lock-timeout must be"):
        loaded(tmp_path, flags=Flags(lock_timeout=0.0))


def test_hazards_are_allowed_by_file_variable_and_flag(tmp_path: Path) -> None:
    text = '[allow]\ndrop-column = "unused since May"\n'
    settings = loaded(tmp_path, text, Flags(allow=("x",)), CHANGEOVER_ALLOW="y, z")
    assert settings.allowed_hazards == {
        "drop-column": "unused since May",
        "y": "CHANGEOVER_ALLOW",
        "z": "CHANGEOVER_ALLOW",
        "x": "--allow",
    }


def test_the_chosen_target_brings_its_own_folder_and_mode_unless_a_flag_says_otherwise(tmp_path: Path) -> None:
    text = '[targets.a]\nurl = "postgresql://h/d?connect_timeout=5"\nmigrations = "m"\nread_only = true\n'
    settings = loaded(tmp_path, text)
    target = resolve(choose("a", environ={}, named=settings.targets), environ={}, home=tmp_path)
    ours = for_target(settings, target)
    assert (ours.migrations, ours.read_only, ours.retry.timeout) == (tmp_path / "m", True, 5.0)
    flagged = loaded(tmp_path, text, Flags(migrations=tmp_path / "x", connect_timeout=9.0))
    ours = for_target(flagged, target)
    assert (ours.migrations, ours.retry.timeout) == (tmp_path / "x", 9.0)


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        (Flags(), "sqlx"),
        (Flags(format="golang-migrate"), "golang-migrate"),
        (Flags(migrations=Path("m")), "sqlx"),
        # whose folder the target's own one is says nothing of another one
        (Flags(migrations=Path("x")), "flyway"),
    ],
)
def test_the_chosen_target_says_whose_folder_its_own_one_is(flags: Flags, wanted: str, tmp_path: Path) -> None:
    text = 'format = "flyway"\n[targets.a]\nurl = "postgresql://h/d"\nmigrations = "m"\nformat = "sqlx"\n'
    settings = loaded(tmp_path, text, flags)
    target = resolve(choose("a", environ={}, named=settings.targets), environ={}, home=tmp_path)
    ours = for_target(settings, target)
    assert ours.format == wanted
    if wanted == "sqlx":
        assert ours.sources["format"] == settings.targets["a"].source
    again = text_of(settings.targets, default=None)
    (tmp_path / "changeover.toml").write_text(again)
    assert loaded(tmp_path).targets["a"].format == "sqlx"


def test_a_saved_target_is_private_whole_and_without_a_password(tmp_path: Path) -> None:
    environ = {"CHANGEOVER_HOME": str(tmp_path / "home")}
    named = NamedTarget(
        name="shop", url='postgresql://u@h/d"\\\x7f', source="x", protected=True, environment="production"
    )
    with pytest.raises(SettingsError):
        save(NamedTarget(name="x", url="postgresql://u:pw@h/d", source="x"), default=True, environ=environ)
    named = NamedTarget(name="shop", url="postgresql://u@h/d", source="x", protected=True, environment="production")
    save(NamedTarget(name="first", url="postgresql://u@g/d", source="x"), default=True, environ=environ)
    file = save(named, default=True, environ=environ)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    settings = load(start=tmp_path, environ=environ, flags=Flags())
    assert list(settings.targets) == ["first", "shop"]
    assert settings.default_target == "shop"
    assert settings.targets["shop"].protected
    assert [path.name for path in file.parent.iterdir()] == ["targets.toml"]


def test_odd_characters_in_a_saved_target_survive(tmp_path: Path) -> None:
    import tomllib

    url = 'postgresql://u@h/d"\\\x7f☃'
    text = text_of({"a": NamedTarget(name="a", url=url, source="x")}, default=None)
    assert tomllib.loads(text)["targets"]["a"]["url"] == url
    assert text.isascii()


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ("a = 1\n[t]\na = 2\n", ("a",), 1),
        ("a = 1\n[t]\na = 2\n", ("t", "a"), 3),
        ('[targets."x.y"]\nurl = 1\n', ("targets", "x.y", "url"), 2),
        ("targets.x.url = 1\n", ("targets", "x", "url"), 1),
        ("# only\n[targets]\nx = { url = 1 }\n", ("targets", "x", "url"), 3),
        ("[ t ] # here\n  a=1\n", ("t", "a"), 2),
    ],
)
def test_the_line_of_a_key_is_found(text: str, path: tuple[str, ...], line: int) -> None:
    assert line_of(text, path) == line


def test_blockers_may_be_ended_only_on_a_target_that_says_so(tmp_path: Path) -> None:
    url = "postgresql://deployer@127.0.0.1/shop"
    text = f'[targets.open]\nurl = "{url}"\nend_blockers = true\n[targets.closed]\nurl = "{url}"\n'
    settings = loaded(tmp_path, text)
    assert not settings.end_blockers
    for name, allowed in (("open", True), ("closed", False)):
        target = resolve(choose(name, environ={}, named=settings.targets, default=None), environ={})
        assert for_target(settings, target).end_blockers is allowed
    assert "end_blockers = true" in text_of({"open": settings.targets["open"]}, default=None)
    assert "end_blockers" in refusal(tmp_path, "end_blockers = true\n").summary
