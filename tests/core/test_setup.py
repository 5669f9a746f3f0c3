"""The guided set-up without a face."""

from __future__ import annotations

from pathlib import Path

import pytest

from changeover.core.errors import Fault, SettingsError, TargetError
from changeover.core.settings import Settings
from changeover.core.setup import (
    anew,
    answer,
    edited,
    named_of,
    next_question,
    steps_to,
    take,
    target_of,
    to_edit,
    url_of,
)
from changeover.core.setup_offers import offers
from changeover.core.setup_questions import Answers, Ask, question
from changeover.core.target import NamedTarget, choose, resolve


def answered(texts: dict[Ask, str], answers: Answers | None = None) -> Answers:
    answers, settings = answers or Answers(), Settings()
    while question := next_question(answers, settings=settings):
        answers = answer(answers, question, texts.get(question.ask, ""))
    return answers


def test_questions_one_by_one_end_in_a_target(tmp_path: Path) -> None:
    answers = answered(
        {
            Ask.HOST: "db.example.org",
            Ask.PORT: "5433",
            Ask.USER: "o'neil",
            Ask.DATABASE: "shop two",
            Ask.PASSWORD: "it's \\ S3cret",
            Ask.ENVIRONMENT: "staging",
        }
    )
    target = target_of(answers, environ={}, home=tmp_path)
    assert (target.host, target.port, target.user, target.database) == ("db.example.org", 5433, "o'neil", "shop two")
    assert target.password is not None
    assert target.password.reveal() == "it's \\ S3cret"
    named = named_of(answers, target)
    assert named.name == "shop-two"
    assert named.protected
    assert "S3cret" not in named.url
    again = resolve(choose(named.url, environ={}, named={}), environ={}, home=tmp_path)
    assert (again.host, again.port, again.user, again.database, again.sslmode) == (
        target.host, target.port, target.user, target.database, target.sslmode,
    )  # fmt: skip


def test_a_url_answers_everything_about_the_database(tmp_path: Path) -> None:
    answers = answered({Ask.URL: "postgresql://u:S3cret@h/d?sslmode=require", Ask.ENVIRONMENT: "development"})
    target = target_of(answers, environ={}, home=tmp_path)
    named = named_of(answers, target)
    assert named.url == "postgresql://u@h:5432/d?sslmode=require"
    assert not named.protected


def test_a_bad_answer_is_refused_and_may_be_given_again() -> None:
    question = next_question(Answers(), settings=Settings())
    assert question is not None
    with pytest.raises(TargetError) as caught:
        answer(Answers(), question, "postgres://u:S3cret/x@h")
    assert "S3cret" not in caught.value.summary
    for ask, text in {Ask.PORT: "x", Ask.HOST: "a,b", Ask.MIGRATIONS: "/nowhere/at/all", Ask.NAME: "a b"}.items():
        question = next(q for q in _questions() if q.ask is ask)
        with pytest.raises((TargetError, SettingsError)):
            answer(Answers(), question, text)


def _questions() -> list:  # type: ignore[type-arg]
    found, answers = [], Answers()
    while question := next_question(answers, settings=Settings()):
        found.append(question)
        answers = answer(answers, question, "")
    return found


@pytest.mark.parametrize("text", ["3", "development", "Development"])
def test_the_kind_of_a_database_is_one_of_the_list_by_its_word_or_its_number(text: str) -> None:
    asked = question(Ask.ENVIRONMENT, Answers(), Settings(), ())
    assert answer(Answers(), asked, text).environment == "development"


@pytest.mark.parametrize("text", ["prodution", "0", "4", "+1", "qa"])
def test_a_kind_of_database_that_is_not_in_the_list_is_refused_with_the_list(text: str) -> None:
    asked = question(Ask.ENVIRONMENT, Answers(), Settings(), ())
    with pytest.raises(SettingsError) as caught:
        answer(Answers(), asked, text)
    assert "production, staging, development, or with its number" in caught.value.advice


def test_a_yes_or_no_has_no_number() -> None:
    asked = question(Ask.READ_ONLY, Answers(), Settings(), ())
    assert not asked.is_numbered
    with pytest.raises(SettingsError):
        answer(Answers(), asked, "1")


def test_a_port_that_is_none_gets_advice_about_ports() -> None:
    asked = question(Ask.PORT, Answers(), Settings(), ())
    with pytest.raises(TargetError) as caught:
        answer(Answers(), asked, "abc")
    assert "5432" in caught.value.advice
    assert "URL" not in caught.value.advice


def test_what_is_there_already_is_offered_with_what_is_wrong_with_it(tmp_path: Path) -> None:
    (tmp_path / ".pg_service.conf").write_text("[shop]\nhost=h\n\n[bad]\nhots=h\n")
    settings = Settings(targets={"live": NamedTarget(name="live", url="postgresql://h/d", source="changeover.toml:1")})
    environ = {"DATABASE_URL": "postgres://u:S3/cret@h/d", "PGHOST": "h"}
    found = offers(settings, environ=environ, home=tmp_path)
    assert [offer.label for offer in found] == [
        "DATABASE_URL",
        "the variables PGHOST",
        "service shop",
        "service bad",
        "target live of changeover.toml:1",
    ]
    assert [offer.target is not None for offer in found] == [False, True, True, False, True]
    assert all("cret" not in f"{offer.fault}" for offer in found)


def test_an_offer_that_is_taken_leaves_only_what_it_does_not_say(tmp_path: Path) -> None:
    (tmp_path / ".pg_service.conf").write_text("[shop]\nhost=h\n")
    offer = offers(Settings(), environ={}, home=tmp_path)[0]
    answers = take(Answers(), offer)
    question = next_question(answers, settings=Settings())
    assert question is not None
    assert question.ask is Ask.MIGRATIONS
    answers = answered({}, answers)
    target = target_of(answers, environ={}, home=tmp_path)
    assert named_of(answers, target).url == "postgresql:///?service=shop"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u@[2001:db8::1]:5432/d",
        "postgresql://u@/d?host=/tmp/a%20b&port=6000",
        "postgresql://u%40x@h:5432/d%2Fe?sslmode=disable",
    ],
)
def test_a_url_made_from_a_target_names_the_same_target(url: str, tmp_path: Path) -> None:
    target = resolve(choose(url, environ={}, named={}), environ={}, home=tmp_path)
    again = resolve(choose(url_of(target), environ={}, named={}), environ={}, home=tmp_path)
    assert str(again) == str(target)
    assert again.sslmode == target.sslmode


@pytest.mark.parametrize(
    ("kind", "sqlstate", "asked", "before"),
    [
        ("connect", "28P01", Ask.PASSWORD, 6),
        ("connect", "28000", Ask.USER, 4),
        ("connect", "3D000", Ask.DATABASE, 3),
        ("connect", "57P03", Ask.URL, 0),
        # no answer, refused, an unknown host, TLS
        ("connect", None, Ask.HOST, 1),
        ("target", None, Ask.URL, 0),
    ],
)
def test_the_way_back_from_a_refusal_begins_at_what_was_refused(
    kind: str, sqlstate: str | None, asked: Ask, before: int, tmp_path: Path
) -> None:
    url = "postgresql://ada:S3cret@db.example.org:5433/shop?sslmode=require"
    target = resolve(choose(url, environ={}, named={}), environ={}, home=tmp_path)
    fault = Fault(id=kind, summary="no", sqlstate=sqlstate)
    settings = Settings()
    *past, answers = steps_to(fault, anew(answered({Ask.URL: url, Ask.NAME: "live"}), target), settings=settings)
    question = next_question(answers, settings=settings)
    assert question is not None
    assert (question.ask, len(past)) == (asked, before)
    assert asked is not Ask.HOST or question.default == "db.example.org"
    assert answers.name == "live"
    again = target_of(answered({Ask.PASSWORD: "other"}, answers), environ={}, home=tmp_path)
    assert (str(again), again.sslmode) == (str(target), target.sslmode)
    assert again.password is not None
    assert again.password.reveal() == "other"


@pytest.mark.parametrize(
    ("changed", "environment"),
    [
        ({Ask.USER: "root"}, "development"),
        ({Ask.SSLMODE: "require"}, "development"),
        ({Ask.HOST: "live.example.org"}, ""),
        ({Ask.PORT: "6432"}, ""),
        ({Ask.DATABASE: "orders"}, ""),
        ({Ask.URL: "postgresql://ada@live.example.org/shop"}, ""),
    ],
)
def test_what_was_said_of_a_database_does_not_go_with_another_one(
    changed: dict[Ask, str], environment: str, tmp_path: Path
) -> None:
    (ca := tmp_path / "ca.pem").touch()
    named = NamedTarget(
        name="test",
        url=f"postgresql://ada@db.example.org:5433/shop?sslmode=verify-ca&sslrootcert={ca}",
        source="changeover.toml",
        environment="development",
        protected=True,
        read_only=True,
    )
    before = resolve(choose("test", environ={}, named={"test": named}), environ={}, home=tmp_path)
    answers, settings = to_edit(before), Settings()
    while (question := next_question(answers, settings=settings)) is not None:
        assert question.ask in {Ask.URL, Ask.PASSWORD} or question.default == str(getattr(before, question.ask.value))
        answers = answer(answers, question, changed.get(question.ask, ""))
    after = edited(answers, environ={}, home=tmp_path)
    assert (after.environment, after.name) == (environment, "test" if environment else None)
    assert (after.protected, after.read_only) == (True, True)
    if Ask.URL not in changed:
        parts = (("host", Ask.HOST), ("database", Ask.DATABASE), ("user", Ask.USER), ("sslmode", Ask.SSLMODE))
        for part, ask in parts:
            assert getattr(after, part) == changed.get(ask, getattr(before, part))
        assert after.sslrootcert == str(ca)
