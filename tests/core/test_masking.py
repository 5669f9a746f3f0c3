"""Passwords that come with foreign text: in SQL, in a connection string, by value."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.core.codec import event_of, without_passwords
from changeover.core.errors import Fault
from changeover.core.events import AttemptFailed, NoticeRaised, Result, RunFinished
from changeover.core.masking import DOT, masked, veiled
from changeover.core.secret import MASK, Secret
from changeover.core.view import Stamped


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE ROLE a PASSWORD 'hunter2'",
        "alter role a with encrypted password 'hunter2' valid until 'tomorrow'",
        "CREATE ROLE a PASSWORD 'it''s hunter2'",
        "CREATE ROLE a PASSWORD E'hunter2\\'hunter2'",
        "CREATE ROLE a PASSWORD U&'hunter2'",
        "CREATE ROLE a PASSWORD $$hunter2$$",
        "CREATE ROLE a PASSWORD $x$hunter2$$hunter2$x$",
        "CREATE ROLE a PASSWORD\n\t'hunter2'",
        "EXECUTE 'CREATE ROLE a PASSWORD ''hunter2'''",
        "SELECT E'CREATE ROLE a PASSWORD \\'hunter2\\''",
        "CREATE USER MAPPING FOR a SERVER s OPTIONS (user 'a', password 'hunter2')",
        "CREATE SUBSCRIPTION s CONNECTION 'host=h password=hunter2 dbname=d' PUBLICATION p",
        "SELECT dblink_connect('password = ''hunter2'' host=h')",
        "CREATE SUBSCRIPTION s CONNECTION 'postgresql://me:hunter2@h/d' PUBLICATION p",
        "SELECT 'postgres://me:hunter2@with@signs@h/d'",
        "CREATE ROLE a PASSWORD 'hunter2 and then the text is cut o",
        "CREATE ROLE a PASSWORD $$hunter2 and then the text is cut o",
    ],
)
def test_a_password_that_is_spelt_out_is_masked(sql: str) -> None:
    assert "hunter2" not in masked(sql)
    assert MASK in masked(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT password FROM users",
        "ALTER TABLE users ADD COLUMN password text NOT NULL DEFAULT 'x'",
        "CREATE ROLE a PASSWORD NULL",
        "UPDATE users SET password = crypt(password, gen_salt('bf'))",
        "ALTER TABLE users ADD CHECK (password = lower(password))",
        "COMMENT ON COLUMN users.password IS 'hashed'",
        "SELECT 'https://example.org/a:b@c'",
    ],
)
def test_what_only_talks_of_passwords_stays_as_it_is(sql: str) -> None:
    assert masked(sql) == sql


def said(message: str) -> NoticeRaised:
    return NoticeRaised(version="1", number=1, severity="NOTICE", sqlstate="00000", message=message)


@given(secret=st.text(min_size=3), before=st.text(), after=st.text())
def test_no_secret_is_in_the_line_nor_in_the_event_that_viewers_get(secret: str, before: str, after: str) -> None:
    stamped = Stamped(seq=1, at=1.0, event=said(f"{before}{secret}{after}"))
    kept, line = without_passwords(stamped, (Secret(secret),))
    assert isinstance(kept.event, NoticeRaised)
    left = kept.event.message.replace(MASK, "\0")
    if len(secret) >= 8 or not re.fullmatch(r"\w+", secret):
        assert secret not in left or secret in MASK
    # a short word may be part of a longer one, which is no password then
    assert not re.search(rf"(?<!\w){re.escape(secret)}(?!\w)", left) or secret in MASK
    assert event_of(line) == kept
    assert json.loads(line)["message"] == kept.event.message


def test_a_password_that_is_a_word_of_ours_leaves_the_log_readable() -> None:
    fault = Fault(id="x", summary="role applied is not there")
    event = RunFinished(run="applied", result=Result.APPLIED, exit_code=0, applied=1, elapsed=1.0, fault=fault)
    kept, line = without_passwords(Stamped(seq=1, at=1.0, event=event), (Secret("applied"),))
    assert event_of(line) == kept
    assert isinstance(kept.event, RunFinished)
    assert kept.event.result is Result.APPLIED
    assert kept.event.fault is not None
    assert kept.event.fault.summary == f"role {MASK} is not there"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("CREATE TABLE app_users (id int)", "CREATE TABLE app_users (id int)"),
        ("the happy apple", "the happy apple"),
        ("password=app host=db", f"password={MASK} host=db"),
        ("postgresql://ada:app@db/shop", f"postgresql://ada:{MASK}@db/shop"),
        ("'app'\napp", f"'{MASK}'\n{MASK}"),
    ],
)
def test_a_short_password_is_masked_where_it_stands_and_not_inside_names(text: str, seen: str) -> None:
    kept, line = without_passwords(Stamped(seq=1, at=1.0, event=said(text)), (Secret("app"),))
    assert isinstance(kept.event, NoticeRaised)
    assert kept.event.message == seen
    assert json.loads(line)["message"] == seen


def test_a_password_inside_a_fault_is_masked_in_every_field() -> None:
    text = "CREATE ROLE a PASSWORD 'hunter2'"
    fault = Fault(id="x", summary=text, detail=text, hint=text, context=text, advice=text)
    failed = AttemptFailed(number=1, of=1, fault=fault, elapsed=1.0, wait=None)
    _, line = without_passwords(Stamped(seq=1, at=1.0, event=failed), ())
    assert b"hunter2" not in line


def test_an_event_without_a_secret_is_the_same_one() -> None:
    stamped = Stamped(seq=1, at=1.0, event=said("nothing to hide"))
    assert without_passwords(stamped, (Secret("hunter2"),))[0] is stamped


@pytest.mark.parametrize(
    ("typed", "seen"),
    [
        ("postgresql://ada@db/shop", "postgresql://ada@db/shop"),
        ("postgresql://ada:*****@db:5432/shop", None),
        ("postgres://ada:**************@db/shop", "pass:wo/rd?#[]"),
        # nobody knows yet whether this is a password or a port
        ("postgresql://ada:***", "123"),
        ("postgresql://[::1]:5432/shop", "postgresql://[::1]:5432/shop"),
        ("postgresql://db/shop?user=ada&password=******&sslmode=require", None),
        ("host=db password=****** user=ada", None),
        ("host=db password = ***********", "'two words'"),
        ("host=db password=******", "'open w"),
        ("", ""),
    ],
)
def test_a_password_is_not_seen_while_it_is_typed(typed: str, seen: str | None) -> None:
    """Letter by letter, so that no moment shows what the next one hides."""
    begins, length = typed.find("*"), typed.count("*")
    password = ("x" * length if seen is None else seen)[:length].ljust(length, "y")
    whole = typed.replace("*" * length, password, 1) if length else typed
    for end in range(len(whole) + 1):
        shown = veiled(whole[:end])
        assert len(shown) == end
        if length and end > begins:
            assert set(shown[begins : begins + length]) == {DOT}
    assert veiled(whole) == typed.replace("*", DOT)
