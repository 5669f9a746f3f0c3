"""Which database, as whom: precedence, defaults, and where each value came from."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace

from changeover.core.errors import TargetError
from changeover.core.protection import as_described
from changeover.core.target import Choice, NamedTarget, Target, choose, resolve
from tests.nameless import NUMBER, as_nameless, as_root


def target(
    said: str | None = None,
    *,
    home: Path,
    named: Mapping[str, NamedTarget] | None = None,
    variables: Mapping[str, str] | None = None,
    **more: str,
) -> Target:
    environ = {**(variables or {}), **more}
    choice = choose(said, environ=environ, named=named or {})
    return resolve(choice, environ=environ, home=home)


def refusal(said: str | None = None, *, home: Path, **variables: str) -> TargetError:
    with pytest.raises(TargetError) as caught:
        target(said, home=home, variables=variables)
    return caught.value


def test_a_flag_stands_before_the_variables(tmp_path: Path) -> None:
    found = target("postgresql://a/x", home=tmp_path, DATABASE_URL="postgresql://b/y", PGHOST="c")
    assert (found.host, found.database, found.sources["host"]) == ("a", "x", "--target")


def test_database_url_stands_before_the_pg_variables_which_fill_what_it_leaves_out(tmp_path: Path) -> None:
    found = target(home=tmp_path, DATABASE_URL="postgresql://b/y", PGHOST="c", PGUSER="u", PGPASSWORD="pw", PGPORT="7")
    assert (found.host, found.port, found.user, found.database) == ("b", 7, "u", "y")
    assert found.password is not None
    assert found.password.reveal() == "pw"
    assert found.sources == {
        "host": "DATABASE_URL",
        "database": "DATABASE_URL",
        "user": "PGUSER",
        "password": "PGPASSWORD",
        "port": "PGPORT",
        "sslmode": "default for another host",
        "sslrootcert": "default",
    }


def test_what_the_target_says_stands_before_the_variables(tmp_path: Path) -> None:
    found = target("postgresql://u:own@h/d", home=tmp_path, PGPASSWORD="other", PGUSER="other")
    assert found.user == "u"
    assert found.password is not None
    assert found.password.reveal() == "own"


@pytest.mark.parametrize("url", [None, "", "   ", "\n"])
def test_no_database_named_is_one_message_with_an_example(url: str | None, tmp_path: Path) -> None:
    environ = {} if url is None else {"DATABASE_URL": url}
    error = refusal(home=tmp_path, **environ)
    assert "No database is named" in error.summary
    assert "DATABASE_URL=postgresql://" in error.advice
    assert error.exit_code == 2


def test_a_user_or_a_port_alone_names_no_database(tmp_path: Path) -> None:
    assert "No database is named" in refusal(home=tmp_path, PGUSER="u", PGPORT="1", PGPASSWORD="p").summary


def test_libpq_defaults_hold_for_what_nobody_said(tmp_path: Path) -> None:
    found = target("postgresql://h", home=tmp_path)
    me = getpass.getuser()
    assert (found.port, found.user, found.database) == (5432, me, me)
    assert target("postgresql://u@h", home=tmp_path).database == "u"


@pytest.mark.parametrize(
    ("url", "mode", "root"),
    [
        ("postgresql://db.example.org/d", "verify-full", "system"),
        ("postgresql://192.0.2.1/d", "verify-full", "system"),
        ("postgresql://localhost/d", "prefer", None),
        ("postgresql://127.0.0.7/d", "prefer", None),
        ("postgresql://[::1]/d", "prefer", None),
        ("postgresql:///d?host=/tmp", "prefer", None),
        ("postgresql://db.example.org/d?sslmode=prefer", "prefer", None),
        ("postgresql://db.example.org/d?sslmode=require", "require", None),
        ("postgresql://db.example.org/d?sslmode=disable", "disable", None),
    ],
)
def test_no_password_goes_over_an_unverified_link_unless_the_target_says_so(
    url: str, mode: str, root: str | None, tmp_path: Path
) -> None:
    found = target(url, home=tmp_path)
    assert (found.sslmode, found.sslrootcert) == (mode, root)


def test_pgsslmode_counts_as_said(tmp_path: Path) -> None:
    found = target("postgresql://db.example.org/d", home=tmp_path, PGSSLMODE="require")
    assert (found.sslmode, found.sources["sslmode"]) == ("require", "PGSSLMODE")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://h/d?sslmode=S3cret",
        "postgresql://h/d?sslmode=require&sslrootcert=system",
        "postgresql://h/d?sslmode=verify-ca",
        "postgresql://h/d?sslrootcert=/nowhere/root.crt",
        "postgresql://h/d?sslkey=/nowhere/key",
    ],
)
def test_tls_values_that_cannot_be_meant_are_refused(url: str, tmp_path: Path) -> None:
    assert "S3cret" not in refusal(url, home=tmp_path).summary


def test_a_private_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("x")
    key.chmod(0o644)
    assert "can be read by others" in refusal(f"postgresql://h/d?sslkey={key}", home=tmp_path).summary
    key.chmod(0o600)
    assert target(f"postgresql://h/d?sslkey={key}", home=tmp_path).sslkey == str(key)


@pytest.mark.parametrize(
    "variable", ["PGHOSTADDR", "PGOPTIONS", "PGTARGETSESSIONATTRS", "PGREQUIREAUTH", "PGCHANNELBINDING", "PGSSLCRL"]
)
def test_a_variable_that_we_cannot_follow_is_refused_not_ignored(variable: str, tmp_path: Path) -> None:
    assert variable in refusal("postgresql://h/d", home=tmp_path, **{variable: "require"}).summary


def test_a_url_in_pgdatabase_is_refused_before_it_is_shown_anywhere(tmp_path: Path) -> None:
    error = refusal(home=tmp_path, PGDATABASE="postgresql://u:S3cret@h/d")
    assert "S3cret" not in f"{error.summary}{error.advice}"


def test_a_named_target_brings_its_protection(tmp_path: Path) -> None:
    named = NamedTarget(
        name="live", url="postgresql://h/d", source="changeover.toml:3", protected=True, environment="production"
    )
    found = target("live", home=tmp_path, named={"live": named})
    assert (found.name, found.protected, found.environment) == ("live", True, "production")
    assert found.sources["host"] == "changeover.toml:3"


def test_an_unknown_name_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    named = {"live": NamedTarget(name="live", url="postgresql://h/d", source="x")}
    with pytest.raises(TargetError) as caught:
        target("lvie", home=tmp_path, named=named)
    assert "live" in caught.value.advice


def test_a_password_is_in_no_text_of_a_target(tmp_path: Path) -> None:
    found = target("postgresql://u:S3cret@h/d", home=tmp_path)
    assert "S3cret" not in f"{found} {found!r} {found.address} {found.sources}"


def test_an_ipv6_address_is_shown_in_brackets(tmp_path: Path) -> None:
    assert target("postgresql://[2001:db8::1]:5433/d?sslmode=disable", home=tmp_path).address == "[2001:db8::1]:5433"


# the password file


def pgpass(home: Path, text: str, mode: int = 0o600) -> None:
    file = home / ".pgpass"
    file.write_text(text)
    file.chmod(mode)


def test_the_password_file_is_read_with_its_escapes(tmp_path: Path) -> None:
    pgpass(tmp_path, "# a comment\nother:*:*:*:no\nh:5432:d:u\\:x:a\\:b\\\\c:rest\n")
    found = target("postgresql://u%3Ax@h/d", home=tmp_path)
    assert found.password is not None
    assert found.password.reveal() == "a:b\\c"
    assert found.sources["password"] == f"{tmp_path / '.pgpass'}:3"


def test_the_first_line_that_matches_wins(tmp_path: Path) -> None:
    pgpass(tmp_path, "*:*:*:u:first\nh:5432:d:u:second\n")
    found = target("postgresql://u@h/d", home=tmp_path)
    assert found.password is not None
    assert found.password.reveal() == "first"


def test_an_escaped_star_is_a_name_and_not_a_wildcard(tmp_path: Path) -> None:
    pgpass(tmp_path, "\\*:*:*:*:no\n")
    assert target("postgresql://u@h/d", home=tmp_path).password is None


def test_a_password_file_that_others_can_read_is_passed_over_aloud(tmp_path: Path) -> None:
    pgpass(tmp_path, "*:*:*:*:S3cret\n", mode=0o644)
    found = target("postgresql://u@h/d", home=tmp_path)
    assert found.password is None
    assert "chmod 0600" in found.warnings[0]


def test_a_default_socket_matches_as_localhost_in_the_password_file(tmp_path: Path) -> None:
    pgpass(tmp_path, "localhost:*:*:*:pw\n")
    found = target("postgresql:///d?host=/var/run/postgresql&user=u", home=tmp_path)
    assert found.password is not None


def test_pgpassfile_names_another_file(tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    other.write_text("*:*:*:*:pw\n")
    other.chmod(0o600)
    assert target("postgresql://u@h/d", home=tmp_path, PGPASSFILE=str(other)).password is not None


# the service file


def test_a_service_stands_between_the_target_and_the_variables(tmp_path: Path) -> None:
    (tmp_path / ".pg_service.conf").write_text("[other]\nhost=wrong\n\n[shop]\n# here\nhost=h\nport=6000\nuser=svc\n")
    found = target("postgresql:///d?service=shop&user=me", home=tmp_path, PGHOST="env", PGPORT="1", PGSSLMODE="disable")
    assert (found.host, found.port, found.user, found.database) == ("h", 6000, "me", "d")
    assert "service shop" in found.sources["host"]
    assert found.sources["sslmode"] == "PGSSLMODE"


def test_an_unknown_service_is_an_error_and_not_another_server(tmp_path: Path) -> None:
    (tmp_path / ".pg_service.conf").write_text("[shop]\nhost=h\n")
    error = refusal(home=tmp_path, PGSERVICE="shpo", PGHOST="h")
    assert error.summary == "PGSERVICE names a service shpo, which is in no service file."
    assert "shop" in error.advice
    # what stands in a URL may be part of a password
    unnamed = refusal("postgresql:///d?service=shpo", home=tmp_path)
    assert unnamed.summary == "--target names a service that is in no service file."


def test_a_port_that_stands_by_itself_gets_no_advice_about_urls(tmp_path: Path) -> None:
    error = refusal(home=tmp_path, PGHOST="h", PGPORT="abc")
    assert error.summary == "PGPORT has a port that is not a number from 1 to 65535."
    assert "URL" not in error.advice
    assert "in a password" in refusal("postgres://u:S3cret", home=tmp_path).advice


def test_pgservicefile_and_pgsysconfdir_are_looked_through(tmp_path: Path) -> None:
    system = tmp_path / "etc"
    system.mkdir()
    (system / "pg_service.conf").write_text("[far]\nhost=far\n")
    own = tmp_path / "own.conf"
    own.write_text("[near]\nhost=near\n")
    environ = {"PGSERVICEFILE": str(own), "PGSYSCONFDIR": str(system)}
    assert target("service=near", home=tmp_path, variables=environ).host == "near"
    assert target("service=far", home=tmp_path, variables=environ).host == "far"


@pytest.mark.parametrize("line", ["hots=h", "host = h", "host", "service=other", "ldap://x", "hostaddr=1.2.3.4"])
def test_a_line_of_a_service_that_cannot_be_followed_is_refused_with_its_number(line: str, tmp_path: Path) -> None:
    (tmp_path / ".pg_service.conf").write_text(f"[shop]\n\n{line}\n")
    assert "line 3" in refusal("service=shop", home=tmp_path).summary


def test_a_harmless_key_of_a_shared_service_is_passed_over_aloud(tmp_path: Path) -> None:
    (tmp_path / ".pg_service.conf").write_text("[shop]\nhost=h\napplication_name=psql\n")
    found = target("service=shop", home=tmp_path)
    assert found.host == "h"
    assert "application_name" in found.warnings[0]


def test_connect_timeout_is_kept_for_the_retry(tmp_path: Path) -> None:
    assert target("postgresql://h/d?connect_timeout=5", home=tmp_path).connect_timeout == 5.0
    assert target("postgresql://h/d", home=tmp_path, PGCONNECT_TIMEOUT="7").connect_timeout == 7.0


@as_root
def test_a_user_without_a_name_has_to_be_named(tmp_path: Path) -> None:
    def resolved() -> str:
        return str(resolve(Choice(said_by="--target", text="postgresql://localhost/shop"), environ={}, home=tmp_path))

    said = as_nameless(resolved)
    assert said.startswith("TargetError: No user is named")
    assert str(NUMBER) in said


LIVE = NamedTarget(
    name="live", url="postgresql://app@db1.example/shop", source="x", protected=True, environment="production"
)


@pytest.mark.parametrize(
    ("said", "protected", "environment"),
    [
        # whoever comes, and however the host is written
        ("postgresql://somebody@DB1.example:5432/shop", True, "production"),
        ("postgresql://db1.example/other", False, ""),
        ("postgresql://db1.example:6432/shop", False, ""),
        ("postgresql://db2.example/shop", False, ""),
    ],
)
def test_what_is_said_of_a_database_under_a_name_holds_without_the_name(
    tmp_path: Path, said: str, protected: bool, environment: str
) -> None:
    found = as_described(target(said, home=tmp_path), {"live": LIVE}, environ={}, home=tmp_path)
    assert (found.name, found.protected, found.environment) == (None, protected, environment)


def test_the_strictest_of_two_names_holds_and_one_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    named = {
        "broken": NamedTarget(name="broken", url="postgresql:///?service=gone", source="x"),
        "calm": replace(LIVE, name="calm", protected=False, environment="development", read_only=True),
        "live": LIVE,
        "again": replace(LIVE, name="again", protected=False, environment="development"),
    }
    found = as_described(target("postgresql://db1.example/shop", home=tmp_path), named, environ={}, home=tmp_path)
    assert (found.protected, found.environment, found.read_only) == (True, "production", False)
    assert found.sources["protection"] == "the target live"


def test_all_ways_to_this_machine_are_the_same_server_and_a_name_says_enough_of_itself(tmp_path: Path) -> None:
    live = replace(LIVE, url="postgresql:///shop?host=/run/postgresql")
    found = as_described(target("postgresql://127.0.0.1/shop", home=tmp_path), {"live": live}, environ={})
    assert found.protected
    calm = replace(live, name="calm", protected=False, environment="development")
    both = {"live": live, "calm": calm}
    said = target("calm", home=tmp_path, named=both)
    assert as_described(said, both, environ={}, home=tmp_path) == said
