"""What the guided set-up asks, in its order, with every answer explained. Pure.

One question at a time; an answer that the surroundings give already is a default. What an answer means for the target
is decided in `setup`.
"""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Final

from msgspec import Struct

from .found_folders import FoundFolder
from .secret import Secret
from .settings import Settings
from .target import Choice, Target, our_name

# https://www.postgresql.org/docs/18/libpq-ssl.html#LIBPQ-SSL-PROTECTION
_TLS: Final = (
    ("verify-full", "encrypted, for this very host: nobody can listen or pretend"),
    ("verify-ca", "encrypted, signed by a known authority, for any host name"),
    ("require", "encrypted, but anybody could pretend to be the server"),
    ("disable", "in clear text: only where the network is yours alone"),
)
_ENVIRONMENTS: Final = (
    ("production", "a red row on top; its name is typed before each run"),
    ("staging", "a yellow row on top"),
    ("development", "a calm row on top; one key is enough to run"),
)


# Where each tool keeps its history by default, by the name of its format.
HISTORIES: Final = {
    "golang-migrate": "schema_migrations",
    "dbmate": "schema_migrations",
    "goose": "goose_db_version",
    "sqlx": "_sqlx_migrations",
    "prisma": "_prisma_migrations",
    "flyway": "flyway_schema_history",
    "tern": "public.schema_version",
    "node-pg-migrate": "pgmigrations",
    "graphile-migrate": "graphile_migrate.migrations",
    "diesel": "__diesel_schema_migrations",
    "atlas": "atlas_schema_revisions.atlas_schema_revisions",
    "sqitch": "sqitch.changes",
}


class Ask(StrEnum):
    """What the set-up asks for, in this order."""

    URL = "url"
    HOST = "host"
    PORT = "port"
    DATABASE = "database"
    USER = "user"
    SSLMODE = "sslmode"
    PASSWORD = "password"  # noqa: S105 - the name of a question
    MIGRATIONS = "migrations"
    FORMAT = "format"
    NAME = "name"
    ENVIRONMENT = "environment"
    PROTECTED = "protected"
    READ_ONLY = "read_only"


# Those that a URL or an offer answers all at once.
OF_THE_TARGET: Final = (Ask.HOST, Ask.PORT, Ask.DATABASE, Ask.USER, Ask.SSLMODE, Ask.PASSWORD)
# Once these are answered, the database can be tried.
ABOUT_THE_TARGET: Final = frozenset({Ask.URL, *OF_THE_TARGET})


class Answers(Struct, frozen=True, kw_only=True):
    """What has been answered so far; None is not asked yet, an empty text is left to the default."""

    # the target that is edited: its values are the defaults
    edits: Target | None = None
    # an offer that was taken, or a URL that was typed
    choice: Choice | None = None
    host: str | None = None
    port: str | None = None
    database: str | None = None
    user: str | None = None
    sslmode: str | None = None
    password: Secret | None = None
    migrations: Path | None = None
    # of that folder, where its files could be of several tools
    format: str | None = None
    name: str | None = None
    environment: str | None = None
    protected: bool | None = None
    read_only: bool | None = None
    asked: frozenset[Ask] = frozenset()


class Question(Struct, frozen=True, kw_only=True):
    """The next question; an empty answer takes `default`. A secret one is not echoed."""

    ask: Ask
    text: str
    default: str = ""
    secret: bool = False
    # the only answers there are, each with what it means; without a default, one of them has to be said
    words: tuple[str, ...] = ()
    meanings: tuple[str, ...] = ()
    # why this is asked, and what it changes
    about: str = ""

    @property
    def is_numbered(self) -> bool:
        """Whether the number of an answer in the list may be given for it; not for a yes or no, which a 1 may mean."""
        return bool(self.words) and not {"yes", "no"} & set(self.words)


def question(
    ask: Ask,
    answers: Answers,
    settings: Settings,
    folders: tuple[FoundFolder, ...],
    formats_left: tuple[str, ...] = (),
) -> Question:
    """Return what to ask.

    `folders` are those that look like migrations, likeliest first; `formats_left` are those that the folder may be of.
    """
    match ask:
        case Ask.URL | Ask.HOST | Ask.PORT | Ask.DATABASE | Ask.USER | Ask.SSLMODE | Ask.PASSWORD:
            return _of_the_target(ask, answers.edits)
        case Ask.MIGRATIONS:
            default = str(settings.migrations or (folders[0].path if folders else ""))
            found = "; ".join(f"{it.path} ({it.format}, {it.files})" for it in folders[:3])
            about = f"found: {found}" if found else "none was found near here; leave it empty to look at the database"
            return Question(ask=ask, text="Migrations folder", default=default, about=about)
        case Ask.FORMAT:
            return _of_format(settings, formats_left)
        case Ask.NAME:
            about = "what --target takes: letters, digits, -, . and _"
            return Question(ask=ask, text="Name of this target", default=_free_name(answers, settings), about=about)
        case Ask.ENVIRONMENT:
            return _choice(ask, "What kind of database is it", _ENVIRONMENTS, "production", "if in doubt: production")
        case Ask.PROTECTED:
            usual = "no" if answers.environment == "development" else "yes"
            options = (("yes", "nobody runs on the wrong database by a slip"), ("no", "one key is enough"))
            return _choice(ask, "Ask for the database's name before each run", options, usual, "")
        case Ask.READ_ONLY:
            options = (("no", "migrations can be run, after a plan and a confirmation"),
                       ("yes", "the console can only look: no key that changes anything exists"))  # fmt: skip
            about = "a role that cannot write is a stronger guarantee; both go together"
            return _choice(ask, "May this target only be looked at", options, "no", about)


def _of_the_target(ask: Ask, edits: Target | None) -> Question:
    def default(now: object, otherwise: str) -> str:
        return otherwise if now is None else str(now)

    match ask:
        case Ask.URL:
            about = "postgresql://user@host:5432/database; every other question is asked by itself"
            return Question(ask=ask, text="Connection URL, or nothing to answer one by one", secret=True, about=about)
        case Ask.HOST:
            text = "Host name, address or socket folder"
            return Question(ask=ask, text=text, default=default(edits and edits.host, "localhost"))
        case Ask.PORT:
            port = default(edits and edits.port, "5432")
            return Question(ask=ask, text="Port", default=port, about="6432 is often a pgbouncer before it")
        case Ask.USER:
            user = default(edits and edits.user, our_name() or "postgres")
            return Question(ask=ask, text="User", default=user, about="the role to connect as")
        case Ask.SSLMODE:
            # prefer and allow are no answers here: they fall back to clear text without a word
            now = edits.sslmode if edits is not None and edits.sslmode in dict(_TLS) else "verify-full"
            return _choice(ask, "How is the connection protected (TLS)", _TLS, now, "")
        case Ask.PASSWORD:
            text = "Password, or nothing to use ~/.pgpass or PGPASSWORD"
            return Question(ask=ask, text=text, secret=True)
        case _:
            return Question(ask=ask, text="Database", default=default(edits and edits.database, "postgres"))


def _of_format(settings: Settings, names: tuple[str, ...]) -> Question:
    options = tuple((name, f"its history is in {HISTORIES[name]}") for name in names)
    # nothing is usual here: a guess would be recorded in the table of another tool
    usual = settings.format if settings.format in names else ""
    about = "the files could be of any of these; what is applied is recorded as that tool would"
    return _choice(Ask.FORMAT, "Which tool's folder is it", options, usual or "", about)


def _choice(ask: Ask, text: str, options: tuple[tuple[str, str], ...], default: str, about: str) -> Question:
    words = tuple(word for word, _ in options)
    meanings = tuple(meaning for _, meaning in options)
    return Question(ask=ask, text=text, default=default, words=words, meanings=meanings, about=about)


def _free_name(answers: Answers, settings: Settings) -> str:
    base = re.sub(r"[^\w.-]", "-", answers.database or "main") or "main"
    names = (base, *(f"{base}-{number}" for number in range(2, 1000)))
    return next(name for name in names if name not in settings.targets)
