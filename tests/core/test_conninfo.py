"""URLs and key=value strings, read as libpq reads them, and never repeated in a message."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.core import conninfo
from changeover.core.errors import TargetError


def parsed(text: str) -> dict[str, str]:
    return conninfo.parse(text, said_by="DATABASE_URL")


def refusal(text: str) -> TargetError:
    with pytest.raises(TargetError) as caught:
        parsed(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://", {}),
        ("postgres://h", {"host": "h"}),
        ("POSTGRESQL://h:5433/d", {"host": "h", "port": "5433", "dbname": "d"}),
        ("postgresql://u@h", {"user": "u", "host": "h"}),
        ("postgresql://u:p%40%2F%23@h/d", {"user": "u", "password": "p@/#", "host": "h", "dbname": "d"}),
        ("postgresql://u:a:b@h", {"user": "u", "password": "a:b", "host": "h"}),
        (
            "postgresql:///d?host=/var/run/postgresql&user=u",
            {"dbname": "d", "host": "/var/run/postgresql", "user": "u"},
        ),
        ("postgresql://%2Fvar%2Frun/d", {"host": "/var/run", "dbname": "d"}),
        ("postgresql://[::1]:5433/d", {"host": "::1", "port": "5433", "dbname": "d"}),
        ("postgresql://[fe80::1%25eth0]/d", {"host": "fe80::1%eth0", "dbname": "d"}),
        ("postgresql://h/d?ssl=true", {"host": "h", "dbname": "d", "sslmode": "require"}),
        ("postgresql://h/d?password=a+b", {"host": "h", "dbname": "d", "password": "a+b"}),
        ("  postgresql://h/d\n", {"host": "h", "dbname": "d"}),
        ("host=h dbname='a b' password='it\\'s'", {"host": "h", "dbname": "a b", "password": "it's"}),
        ("host = h port = 1", {"host": "h", "port": "1"}),
        (r"password=a\ b\\ host=h", {"password": "a b\\", "host": "h"}),
        ("host=h password=''", {"host": "h"}),
    ],
)
def test_a_good_one_is_read_as_libpq_reads_it(text: str, expected: dict[str, str]) -> None:
    assert parsed(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "postgres://user:S3cret/more@h/d",
        "postgres://user:S3cret#more@h/d",
        "postgres://user:S3cret@more@h/d",
        "postgres://user:S3cret?more@h/d",
        "postgres://user:S3cret?S3cret=S3cret@h/d",
        "postgres://user:S3cret",
        "postgres://user:S3cret/d",
        "postgres://user:S3cret@h:S3cret/d",
        "postgres://user:S3cret%zz@h/d",
        "postgres://user:S3cret%ff@h/d",
        "postgres://user:S3cret%00@h/d",
        "postgres://user:S3 cret@h/d",
        "postgres://user:S3cret@h/d?S3cret",
        "postgres://user:S3cret@h/d?S3cret=1",
        "postgres://user:S3cret@h/d?sslmod=require",
        "postgres://user:S3cret@h/d?user=a&user=b",
        "postgres://user:S3cret@h/d/S3cret",
        "postgres://user:S3cret@h1,h2/d",
        "postgres://user:S3cret@[::1/d",
        "postgresql+asyncpg://user:S3cret@h/d",
        "mysql://user:S3cret@h/d",
        "S3cret://user:S3cret@h/d",
        "postgres:/user:S3cret@h/d",
        "user:S3cret@h/d",
        "host=h password='S3cret",
        "host=h S3cret=1",
        "host=h password=S3cret password=S3cret",
        "host=h S3cret",
        "S3cret",
        "",
    ],
)
def test_a_bad_one_is_refused_with_an_example_and_without_repeating_any_of_it(text: str) -> None:
    error = refusal(text)
    said = f"{error.summary} {error.advice} {error!r}"
    assert "S3" not in said
    assert "more@" not in said
    assert conninfo.EXAMPLE in error.advice
    assert error.exit_code == 2


def test_a_driver_in_the_scheme_is_named_as_the_mistake_it_is() -> None:
    assert "drop the +driver part" in refusal("postgresql+asyncpg://u:p@h/d").summary


@pytest.mark.parametrize("key", sorted(conninfo.REFUSED))
def test_a_key_that_we_cannot_honour_is_refused_with_the_reason(key: str) -> None:
    error = refusal(f"postgresql://h/d?{key}=1")
    assert key in error.summary
    assert conninfo.REFUSED[key] in error.summary


def test_a_misspelt_key_is_answered_with_the_right_one() -> None:
    assert "Did you mean sslmode?" in refusal("postgresql://h/d?ssl_mode=require").advice


@given(password=st.text(min_size=1).filter(lambda text: "\x00" not in text and not _has_surrogate(text)))
def test_every_password_survives_its_percent_encoding(password: str) -> None:
    from urllib.parse import quote

    assert parsed(f"postgresql://u:{quote(password, safe='')}@h/d")["password"] == password


@given(password=st.text(alphabet="Zq9/#?@:%&= '\\", min_size=4, max_size=12))
def test_no_message_ever_holds_a_piece_of_an_unescaped_password(password: str) -> None:
    marked = f"zQ7k{password}zQ7k"
    for text in (f"postgresql://u:{marked}@h/d", f"host=h password={marked}"):
        with contextlib.suppress(TargetError):
            parsed(text)
            continue
        error = refusal(text)
        assert "zQ7k" not in f"{error.summary} {error.advice}"


@given(value=st.text(min_size=1).filter(lambda text: text.strip() and not _has_surrogate(text)))
def test_every_value_survives_its_quotes(value: str) -> None:
    quoted = value.replace("\\", "\\\\").replace("'", "\\'")
    assert parsed(f"host=h password='{quoted}'")["password"] == value


def _has_surrogate(text: str) -> bool:
    return any(0xD800 <= ord(letter) < 0xE000 for letter in text)


@pytest.mark.parametrize("value", ["0", "65536", "-1", "", "5432x", "٣", "1e3"])
def test_a_port_is_a_number_from_1_to_65535(value: str) -> None:
    with pytest.raises(TargetError):
        conninfo.check_port(value, where="--target")


@pytest.mark.parametrize("value", ["a,b", "@abstract", "a b", "a" * 64, "a..b", "x\x1b[2J", "u@h"])
def test_a_host_that_cannot_be_one_is_refused(value: str) -> None:
    with pytest.raises(TargetError) as caught:
        conninfo.check_host(value, where="--target")
    assert "\x1b" not in caught.value.summary


def test_a_timeout_of_one_second_is_two_and_zero_is_none_as_in_libpq() -> None:
    assert conninfo.check_timeout("1", where="x") == 2.0
    assert conninfo.check_timeout("0", where="x") is None
    assert conninfo.check_timeout("10", where="x") == 10.0
