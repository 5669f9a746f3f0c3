"""The guided set-up without a face: what is on offer, the next question, what an answer means, what is saved.

Pure, but for looking at service files and folders:

    offers  ->  one of them, or questions one by one  ->  target_of  ->  (a face tries it)  ->  named_of  ->  saved
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import quote

from . import conninfo, services
from .errors import Fault, SettingsError, TargetError, UsageError, fault_of
from .secret import Secret
from .settings import Settings
from .target import Choice, NamedTarget, Target, choose, is_local_host, our_name, resolve

ENVIRONMENTS: Final = ("production", "staging", "development")
_YES: Final = frozenset({"y", "yes", "true"})
_NO: Final = frozenset({"n", "no", "false"})


class Ask(StrEnum):
    """What the set-up asks for, in this order."""

    URL = "url"
    HOST = "host"
    PORT = "port"
    DATABASE = "database"
    USER = "user"
    PASSWORD = "password"  # noqa: S105 - the name of a question
    MIGRATIONS = "migrations"
    NAME = "name"
    ENVIRONMENT = "environment"
    PROTECTED = "protected"


# Those that a URL or an offer answers all at once.
_OF_THE_TARGET: Final = (Ask.HOST, Ask.PORT, Ask.DATABASE, Ask.USER, Ask.PASSWORD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A target that the environment, a service file or the settings name; `fault` says why it cannot be used."""

    label: str
    choice: Choice
    target: Target | None
    fault: Fault | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What has been answered so far; None is not asked yet, an empty text is left to the default."""

    # an offer that was taken, or a URL that was typed
    choice: Choice | None = None
    host: str | None = None
    port: str | None = None
    database: str | None = None
    user: str | None = None
    password: Secret | None = None
    migrations: Path | None = None
    name: str | None = None
    environment: str | None = None
    protected: bool | None = None
    asked: frozenset[Ask] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The next question; an empty answer takes `default`. A secret one is not echoed."""

    ask: Ask
    text: str
    default: str = ""
    secret: bool = False
    words: tuple[str, ...] = ()


def offers(settings: Settings, *, environ: Mapping[str, str], home: Path | None = None) -> tuple[Offer, ...]:
    """Return what the environment, the service files and the settings name already, those that work or not."""
    home = home or Path(environ.get("HOME") or Path.home())
    choices: list[tuple[str, Choice]] = []
    if environ.get("DATABASE_URL", "").strip():
        choices.append(("DATABASE_URL", Choice(said_by="DATABASE_URL", text=environ["DATABASE_URL"])))
    try:
        variables = choose(None, environ=_without(environ, "DATABASE_URL", "CHANGEOVER_TARGET"), named={})
        choices.append((f"the variables {variables.said_by}", variables))
    except TargetError:
        pass
    for name in services.names(environ, home):
        text = f"service='{name}'"
        choices.append((f"service {name}", Choice(said_by=f"service {name}", text=text)))
    choices.extend(
        (f"target {named.name} of {named.source}", Choice(said_by=named.source, named=named))
        for named in settings.targets.values()
    )
    return tuple(_offer(label, choice, environ, home) for label, choice in choices)


def _offer(label: str, choice: Choice, environ: Mapping[str, str], home: Path) -> Offer:
    try:
        return Offer(label=label, choice=choice, target=resolve(choice, environ=environ, home=home))
    except UsageError as error:
        return Offer(label=label, choice=choice, target=None, fault=fault_of(error))


def _without(environ: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name not in names}


def take(answers: Answers, offer: Offer) -> Answers:
    """Return the answers with `offer` taken: nothing of the target is asked any more."""
    named = offer.choice.named
    return replace(
        answers,
        choice=offer.choice,
        name=named.name if named else None,
        environment=(named.environment or None) if named else None,
        protected=named.protected if named else None,
        migrations=named.migrations if named else None,
        asked=answers.asked | {Ask.URL, *_OF_THE_TARGET},
    )


def next_question(answers: Answers, *, settings: Settings) -> Question | None:
    """Return what to ask next, None where everything is answered."""
    for ask in Ask:
        if ask in answers.asked or _known(answers, ask):
            continue
        return _question(ask, answers, settings)
    return None


def _known(answers: Answers, ask: Ask) -> bool:
    if ask in _OF_THE_TARGET and answers.choice is not None:
        return True
    return ask is not Ask.URL and getattr(answers, ask.value) is not None


def _question(ask: Ask, answers: Answers, settings: Settings) -> Question:
    match ask:
        case Ask.URL:
            return Question(ask=ask, text="Connection URL, or nothing to answer one by one", secret=True)
        case Ask.HOST:
            return Question(ask=ask, text="Host name, address or socket folder", default="localhost")
        case Ask.PORT:
            return Question(ask=ask, text="Port", default="5432")
        case Ask.USER:
            return Question(ask=ask, text="User", default=our_name() or "postgres")
        case Ask.DATABASE:
            return Question(ask=ask, text="Database", default="postgres")
        case Ask.PASSWORD:
            return Question(ask=ask, text="Password, or nothing to use ~/.pgpass or PGPASSWORD", secret=True)
        case Ask.MIGRATIONS:
            found = settings.migrations
            return Question(ask=ask, text="Migrations folder", default=str(found) if found else "")
        case Ask.NAME:
            return Question(ask=ask, text="Name of this target", default=_free_name(answers, settings))
        case Ask.ENVIRONMENT:
            return Question(ask=ask, text="What is it", default="production", words=ENVIRONMENTS)
        case Ask.PROTECTED:
            usual = "no" if answers.environment == "development" else "yes"
            return Question(
                ask=ask, text="Ask for the database's name before each run", default=usual, words=("yes", "no")
            )


def _free_name(answers: Answers, settings: Settings) -> str:
    base = re.sub(r"[^\w.-]", "-", answers.database or "main") or "main"
    names = (base, *(f"{base}-{number}" for number in range(2, 1000)))
    return next(name for name in names if name not in settings.targets)


def answer(answers: Answers, question: Question, text: str) -> Answers:
    """Return the answers with `text` for `question`. Raises TargetError or SettingsError where it cannot be that."""
    text = text.strip() if question.ask is not Ask.PASSWORD else text
    text = text or ("" if question.secret else question.default)
    answers = replace(answers, asked=answers.asked | {question.ask})
    match question.ask:
        case Ask.URL:
            if not text:
                return answers
            conninfo.parse(text, said_by="The URL")
            return replace(answers, choice=Choice(said_by="the set-up", text=text))
        case Ask.HOST:
            return replace(answers, host=conninfo.check_host(text, where="The answer"))
        case Ask.PORT:
            return replace(answers, port=str(conninfo.check_port(text, where="The answer")))
        case Ask.DATABASE:
            return replace(answers, database=_plain(text, "database"))
        case Ask.USER:
            return replace(answers, user=_plain(text, "user"))
        case Ask.PASSWORD:
            return replace(answers, password=Secret(text) if text else None)
        case Ask.MIGRATIONS:
            return replace(answers, migrations=_folder(text))
        case Ask.NAME:
            if not re.fullmatch(r"[\w.-]+", text):
                raise SettingsError("A target's name is letters, digits, -, . and _.")
            return replace(answers, name=text)
        case Ask.ENVIRONMENT:
            return replace(answers, environment=_plain(text, "answer"))
        case Ask.PROTECTED:
            if text.lower() not in _YES | _NO:
                raise SettingsError("Answer yes or no.")
            return replace(answers, protected=text.lower() in _YES)


def _plain(text: str, what: str) -> str:
    if not text or not text.isprintable() or "://" in text:
        raise TargetError(f"The {what} must be a name, without control characters.")
    return text


def _folder(text: str) -> Path | None:
    if not text:
        return None
    folder = Path(text).expanduser().absolute()
    if not folder.is_dir():
        raise SettingsError(
            "There is no such folder.", advice="Make it first, or give the one that has the .sql files."
        )
    return folder


def target_of(answers: Answers, *, environ: Mapping[str, str], home: Path | None = None) -> Target:
    """Return the target that the answers name. Raises TargetError."""
    if answers.choice is not None:
        return resolve(answers.choice, environ=environ, home=home)
    said = {
        "host": answers.host,
        "port": answers.port,
        "dbname": answers.database,
        "user": answers.user,
        "password": answers.password.reveal() if answers.password else None,
    }
    pairs = " ".join(f"{key}={_pair_quoted(value)}" for key, value in said.items() if value)
    return resolve(Choice(said_by="the set-up", text=pairs), environ=_without(environ, "PGSERVICE"), home=home)


def _pair_quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def named_of(answers: Answers, target: Target, *, source: str = "set-up") -> NamedTarget:
    """Return the named target to save: never with a password; a service stays a service."""
    parsed: dict[str, str] = {}
    if answers.choice is not None:
        text = answers.choice.named.url if answers.choice.named else answers.choice.text
        parsed = conninfo.parse(text, said_by="the set-up") if text else {}
    return NamedTarget(
        name=answers.name or "main",
        url=f"postgresql:///?service={quote(parsed['service'], safe='')}"
        if set(parsed) == {"service"}
        else url_of(target),
        source=source,
        protected=bool(answers.protected),
        read_only=target.read_only,
        environment=answers.environment or "",
        migrations=answers.migrations,
    )


def url_of(target: Target) -> str:
    """Return a URL that names `target` wholly, without its password."""
    user, database = quote(target.user, safe=""), quote(target.database, safe="")
    keys: dict[str, str] = {}
    if target.host.startswith("/"):
        start = f"postgresql://{user}@/{database}"
        keys["host"], keys["port"] = target.host, str(target.port)
    else:
        host = f"[{target.host.replace('%', '%25')}]" if ":" in target.host else quote(target.host, safe="")
        start = f"postgresql://{user}@{host}:{target.port}/{database}"
    if target.sslmode != ("prefer" if is_local_host(target.host) else "verify-full"):
        keys["sslmode"] = target.sslmode
    for key in ("sslrootcert", "sslcert", "sslkey"):
        value: str | None = getattr(target, key)
        if value is not None and not target.sources.get(key, "default").startswith("default"):
            keys[key] = value
    query = "&".join(f"{key}={quote(value, safe='/')}" for key, value in keys.items())
    return f"{start}?{query}" if query else start
