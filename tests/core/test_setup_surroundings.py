"""What the set-up finds by itself: .env, the password file, folders of migrations, tables of other tools."""

from __future__ import annotations

from pathlib import Path

import pytest

from changeover.core import dotenv, found_folders
from changeover.core.errors import SettingsError
from changeover.core.history.registry import DIALECTS
from changeover.core.settings import Settings
from changeover.core.setup import answer, named_of, next_question, take, target_of
from changeover.core.setup_offers import Offer, offers
from changeover.core.setup_questions import HISTORIES, Answers, Ask
from changeover.core.target import Choice, NamedTarget, choose, resolve


def test_a_dotenv_is_read_as_it_is_meant_and_nothing_in_it_is_expanded(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        "# DATABASE_URL=postgresql://old/old\n"
        "export PGHOST='db.example.org'\n"
        'PGUSER="ada"  \n'
        "PGDATABASE=shop # the live one\n"
        "PGPASSWORD=$(cat secret)\n"
        "PGPORT=${PORT}\n"
        "SECRET_KEY=nobody-elses-business\n"
    )
    assert dotenv.read(file) == {"PGHOST": "db.example.org", "PGUSER": "ada", "PGDATABASE": "shop"}


def test_a_dotenv_is_looked_for_up_to_the_root_of_the_repository(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / ".git").mkdir(parents=True)
    (project / "app").mkdir()
    (tmp_path / ".env").write_text("PGHOST=elsewhere\n")
    assert dotenv.find(project / "app") is None
    (project / ".env").write_text("PGHOST=here\n")
    assert dotenv.find(project / "app") == project / ".env"


def test_what_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"PGHOST=\xff\n")
    assert dotenv.read(tmp_path / ".env") == {}
    assert dotenv.read(tmp_path / "gone") == {}


def test_a_dotenv_and_a_password_file_are_offered_and_their_passwords_are_not_shown(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PGHOST=/run/pg\nPGDATABASE=shop\nPGUSER=ada\nPGPASSWORD=S3cret\n")
    passwords = tmp_path / ".pgpass"
    passwords.write_text("db.example.org:5433:orders:bo:hunter2\n*:*:*:bo:any\n/run/pg:5432:shop:ada:other\n")
    passwords.chmod(0o600)
    found = offers(Settings(), environ={}, home=tmp_path, start=tmp_path)
    assert [offer.label for offer in found] == ["PG* in .env", ".pgpass, line 1"]
    assert "S3cret" not in repr(found) + str(found[0].target)
    assert "hunter2" not in repr(found)
    first = found[0].target
    assert first is not None
    assert first.password is not None
    assert first.password.reveal() == "S3cret"
    second = found[1].target
    assert second is not None
    assert (second.host, second.port, second.database, second.user) == ("db.example.org", 5433, "orders", "bo")


@pytest.mark.parametrize(
    ("files", "tool"),
    [
        (("migrations/0001_a.sql", "migrations/0002_b.sql"), "numbered files"),
        (("db/migrations/20240101_x.up.sql", "db/migrations/20240101_x.down.sql"), "golang-migrate or sqlx"),
        (("src/main/resources/db/migration/V1__a.sql",), "Flyway"),
        (("prisma/migrations/20240101_init/migration.sql",), "Prisma Migrate"),
        (("db/migrations/20240101000000_a.sql:-- migrate:up",), "dbmate"),
        (("alembic.ini", "alembic/versions/a_b.py:down_revision = None"), "Alembic"),
        (("deploy/users.sql", "sqitch.plan"), "Sqitch"),
    ],
)
def test_folders_of_migrations_are_found_with_the_tool_that_they_look_like(
    tmp_path: Path, files: tuple[str, ...], tool: str
) -> None:
    for name in files:
        file, _, text = name.partition(":")
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text or "SELECT 1;")
    (found,) = found_folders.find(tmp_path)
    assert found.format == tool


def test_a_folder_without_migrations_is_not_one(tmp_path: Path) -> None:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "report.sql").write_text("SELECT 1;")
    assert found_folders.find(tmp_path) == ()


def test_the_folder_that_was_found_is_the_default_answer(tmp_path: Path) -> None:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "0001_a.sql").write_text("SELECT 1;")
    asked = frozenset({Ask.URL})
    answers = Answers(host="/run", port="1", database="d", user="u", asked=asked | {Ask.PASSWORD})
    question = next_question(answers, settings=Settings(), folders=found_folders.find(tmp_path))
    assert question is not None
    assert question.default == str(tmp_path / "migrations")
    assert "numbered files, 1)" in question.about


def test_a_folder_that_could_be_of_several_tools_is_asked_for_and_the_target_keeps_the_answer(tmp_path: Path) -> None:
    (tmp_path / "000001_q.up.sql").write_text("SELECT 1;")
    (tmp_path / "000001_q.down.sql").write_text("SELECT 1;")
    answers = Answers(migrations=tmp_path, asked=frozenset(Ask) - {Ask.FORMAT})
    question = next_question(answers, settings=Settings())
    assert question is not None
    assert dict(zip(question.words, question.meanings, strict=True)) == {
        "golang-migrate": "its history is in schema_migrations",
        "sqlx": "its history is in _sqlx_migrations",
    }
    for text in ("", "flyway", "3"):
        with pytest.raises(SettingsError, match="none of the answers"):
            answer(answers, question, text)
    target = resolve(choose("postgresql://ada@db.example.org/shop", environ={}, named={}), environ={}, home=tmp_path)
    assert [named_of(answer(answers, question, text), target).format for text in ("sqlx", "2")] == ["sqlx", "sqlx"]
    # what the settings say is the usual answer
    usual = next_question(answers, settings=Settings(format="sqlx"))
    assert usual is not None
    assert usual.default == "sqlx"
    named = NamedTarget(name="main", url="postgresql://h/d", source="it", migrations=tmp_path, format="sqlx")
    offer = Offer(label="main", choice=Choice(said_by="it", named=named), target=target)
    taken = take(Answers(asked=frozenset(Ask) - {Ask.FORMAT}), offer)
    assert taken.format == "sqlx"
    assert next_question(taken, settings=Settings()) is None


@pytest.mark.parametrize(
    ("file", "histories"),
    [("0001_a.sql", ()), ("V1__a.sql", ()), ("notes.txt", ()), ("1_a.up.sql", ("sqlx",)), ("gone/1_a.up.sql", ())],
)
def test_whose_folder_it_is_is_not_asked_where_files_or_database_say_it(
    tmp_path: Path, file: str, histories: tuple[str, ...]
) -> None:
    (tmp_path / Path(file).name).write_text("SELECT 1;")
    folder = (tmp_path / file).parent
    answers = Answers(migrations=folder, asked=frozenset(Ask) - {Ask.FORMAT})
    assert next_question(answers, settings=Settings(), histories=histories) is None


def test_where_each_tool_keeps_its_history_is_said_as_its_table_is_called() -> None:
    tables = {name: f"{it.schema}.{it.name}" if it.schema else it.name for name, it in DIALECTS.items()}
    assert tables == HISTORIES


def test_how_the_link_is_protected_is_only_asked_of_another_host() -> None:
    for host, wanted in (("localhost", Ask.PASSWORD), ("/run/pg", Ask.PASSWORD), ("db.example.org", Ask.SSLMODE)):
        answers = Answers(host=host, port="1", database="d", user="u", asked=frozenset({Ask.URL}))
        question = next_question(answers, settings=Settings())
        assert question is not None
        assert question.ask is wanted
        assert len(question.words) == len(question.meanings)


def test_the_protection_and_the_wish_to_read_only_are_in_the_saved_target(tmp_path: Path) -> None:
    answers = Answers()
    said = {Ask.HOST: "db.example.org", Ask.SSLMODE: "require", Ask.READ_ONLY: "yes", Ask.ENVIRONMENT: "staging"}
    while question := next_question(answers, settings=Settings()):
        answers = answer(answers, question, said.get(question.ask, ""))
    target = target_of(answers, environ={}, home=tmp_path)
    assert target.sslmode == "require"
    named = named_of(answers, target)
    assert named.read_only
    assert "sslmode=require" in named.url


def test_an_offer_keeps_the_questions_about_what_kind_of_database_it_is(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DATABASE_URL=postgresql://ada@/shop?host=/run/pg\n")
    (offer,) = offers(Settings(), environ={}, home=tmp_path, start=tmp_path)
    question = next_question(take(Answers(), offer), settings=Settings())
    assert question is not None
    assert question.ask is Ask.MIGRATIONS
