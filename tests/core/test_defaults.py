"""Which defaults are the same: as a file writes them, against how the server gives them back."""

from __future__ import annotations

import pytest

from changeover.core.defaults import same_default

# as written, as pg_get_expr gives it back, the column's type
SAME = [
    ("-1", "'-1'::integer", "integer"),
    ("'x'", "'x'::character varying", "character varying(10)"),
    ("'EUR'", "'EUR'::bpchar", "character(3)"),
    ("true", "true", "boolean"),
    ("'t'", "true", "boolean"),
    ("0", "0.0", "numeric(10,2)"),
    ("now()", "now()", "timestamp with time zone"),
    ("current_timestamp", "now()", "timestamp with time zone"),
    ("CURRENT_TIMESTAMP", "CURRENT_TIMESTAMP", "timestamp with time zone"),
    ("gen_random_uuid()", "gen_random_uuid()", "uuid"),
    ("'{}'", "'{}'::jsonb", "jsonb"),
    ("1 + 1", "(1 + 1)", "integer"),
    ("'a' || 'b'", "('a'::text || 'b'::text)", "text"),
    ("NULL", None, "text"),
    ("'a'", "'a'::mood", "mood"),
]
OTHER = [
    ("'en'", "'de'::text", "text"),
    ("1", "2", "integer"),
    ("true", "false", "boolean"),
    ("'x'", None, "text"),
    ("now()", None, "timestamp with time zone"),
    ("NULL", "'x'::text", "text"),
    ("'x'", "'X'::text", "text"),
]
UNTOLD = [
    ("'1 day'", "'24:00:00'::interval", "interval"),
    ("upper('x')", "'X'::text", "text"),
    ("now()", "clock_timestamp()", "timestamp with time zone"),
    ("now()", "(now())::date", "date"),
    ("'2020-1-1'", "'2020-01-01'::date", "date"),
]


@pytest.mark.parametrize(("written", "stored", "column"), SAME)
def test_a_default_is_the_stored_one_however_it_comes_back(written: str, stored: str | None, column: str) -> None:
    assert same_default(written, stored, column) is True


@pytest.mark.parametrize(("written", "stored", "column"), OTHER)
def test_another_constant_or_none_is_another_default(written: str, stored: str | None, column: str) -> None:
    assert same_default(written, stored, column) is False


@pytest.mark.parametrize(("written", "stored", "column"), UNTOLD)
def test_what_may_mean_the_same_is_not_guessed_at(written: str, stored: str, column: str) -> None:
    assert same_default(written, stored, column) is None


@pytest.mark.parametrize("nonsense", ["", ")", "a b c (", "((((" * 3000 + "1" + "))))" * 3000])
def test_what_cannot_be_read_is_not_compared(nonsense: str) -> None:
    assert same_default(nonsense, "1", "integer") is None
