"""The guided set-up without a face: what is on offer, the next question, what an answer means, what is saved.

Pure, but for looking at service files and folders:

    offers  ->  one of them, or questions one by one  ->  target_of  ->  (a face tries it)  ->  named_of  ->  saved
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

from msgspec.structs import replace

from . import conninfo
from .errors import ConnectError, Fault, SettingsError, TargetError
from .found_folders import FoundFolder, open_formats
from .secret import Secret
from .settings import Settings
from .setup_offers import Offer, pairs_text, without
from .setup_questions import ABOUT_THE_TARGET, OF_THE_TARGET, Answers, Ask, Question, question
from .target import Choice, NamedTarget, Target, is_local_host, resolve

# What a refusal to let us in is about; https://www.postgresql.org/docs/18/errcodes-appendix.html.
_ABOUT: Final = {"28P01": Ask.PASSWORD, "28000": Ask.USER, "3D000": Ask.DATABASE, "42501": Ask.DATABASE}
_YES: Final = frozenset({"y", "yes", "true"})
_PORT: Final = "Type the number alone; where nobody has chosen another one it is 5432."
_NO: Final = frozenset({"n", "no", "false"})


def take(answers: Answers, offer: Offer) -> Answers:
    """Return the answers with `offer` taken: nothing of the target is asked any more."""
    named = offer.choice.named
    return replace(
        answers,
        choice=offer.choice,
        name=named.name if named else None,
        environment=(named.environment or None) if named else None,
        protected=named.protected if named else None,
        read_only=named.read_only if named else None,
        migrations=named.migrations if named else None,
        format=named.format if named else None,
        asked=answers.asked | {Ask.URL, *OF_THE_TARGET},
    )


def next_question(
    answers: Answers,
    *,
    settings: Settings,
    folders: tuple[FoundFolder, ...] = (),
    histories: Collection[str] = (),
) -> Question | None:
    """Return what to ask next, None where everything is answered.

    `folders` are the migrations that were found, `histories` the formats of the history tables that the database has.
    """
    for ask in Ask:
        if ask in answers.asked or _known(answers, ask):
            continue
        if ask is not Ask.FORMAT:
            return question(ask, answers, settings, folders)
        left = open_formats(answers.migrations, histories) if answers.migrations is not None else ()
        if left:
            return question(ask, answers, settings, folders, left)
    return None


def _known(answers: Answers, ask: Ask) -> bool:
    if ask in OF_THE_TARGET and answers.choice is not None:
        return True
    if ask is Ask.SSLMODE and is_local_host(answers.host or "localhost"):
        # nobody stands between two programs of one machine
        return True
    return ask is not Ask.URL and getattr(answers, ask.value) is not None


def answer(answers: Answers, asked: Question, text: str) -> Answers:
    """Return the answers with `text` for `asked`. Raises TargetError or SettingsError where it cannot be that."""
    text = text.strip() if asked.ask is not Ask.PASSWORD else text
    text = text or ("" if asked.secret else asked.default)
    answers = replace(answers, asked=answers.asked | {asked.ask})
    match asked.ask:
        case Ask.URL:
            if not text:
                return answers
            conninfo.parse(text, said_by="The URL")
            return replace(answers, choice=Choice(said_by="the set-up", text=text))
        case Ask.HOST:
            return replace(answers, host=conninfo.check_host(text, where="The answer"))
        case Ask.PORT:
            return replace(answers, port=str(conninfo.check_port(text, where="The answer", advice=_PORT)))
        case Ask.DATABASE:
            return replace(answers, database=_plain(text, "database"))
        case Ask.USER:
            return replace(answers, user=_plain(text, "user"))
        case Ask.PASSWORD:
            return replace(answers, password=Secret(text) if text else None)
        case Ask.SSLMODE:
            return replace(answers, sslmode=_one_of(text, asked))
        case Ask.MIGRATIONS:
            return replace(answers, migrations=_folder(text))
        case Ask.FORMAT:
            return replace(answers, format=_one_of(text, asked))
        case Ask.NAME:
            if not re.fullmatch(r"[\w.-]+", text):
                raise SettingsError(
                    "A target's name is letters, digits, -, . and _.", advice="For example staging, or shop-live."
                )
            return replace(answers, name=text)
        case Ask.ENVIRONMENT:
            return replace(answers, environment=_one_of(text, asked))
        case Ask.PROTECTED:
            return replace(answers, protected=_yes_or_no(text))
        case Ask.READ_ONLY:
            return replace(answers, read_only=_yes_or_no(text))


def _yes_or_no(text: str) -> bool:
    if text.lower() not in _YES | _NO:
        raise SettingsError("That is neither yes nor no.", advice="Answer yes or no.")
    return text.lower() in _YES


def _one_of(text: str, asked: Question) -> str:
    """Return the answer of the list that was given by its word, in either case, or by its number."""
    by_number = {str(number): word for number, word in enumerate(asked.words, start=1)} if asked.is_numbered else {}
    word = by_number.get(text, text.lower())
    if word not in asked.words:
        number = ", or with its number" if by_number else ""
        raise SettingsError(
            "That is none of the answers.", advice=f"Answer with one of: {', '.join(asked.words)}{number}."
        )
    return word


def _plain(text: str, what: str) -> str:
    if not text or not text.isprintable() or "://" in text:
        raise TargetError(
            f"The {what} is a name; what was typed is empty, a URL, or has control characters.",
            advice="Type the name alone. A URL is the answer to the first question.",
        )
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
        "sslmode": answers.sslmode,
    }
    if answers.edits is not None:
        said = {**_certificates(answers.edits), **said}
    return resolve(
        Choice(said_by="the set-up", text=pairs_text(said)), environ=without(environ, "PGSERVICE"), home=home
    )


def anew(answers: Answers, target: Target) -> Answers:
    """Return the answers with those about the database open again; what `target` has are their defaults."""
    return Answers(
        edits=target,
        migrations=answers.migrations,
        format=answers.format,
        name=answers.name,
        environment=answers.environment,
        protected=answers.protected,
        read_only=answers.read_only,
        asked=answers.asked - ABOUT_THE_TARGET,
    )


def to_edit(target: Target) -> Answers:
    """Return the answers from which the questions about `target` begin, and after which nothing else is asked."""
    return replace(anew(Answers(), target), asked=frozenset(Ask) - ABOUT_THE_TARGET)


def steps_to(fault: Fault | None, answers: Answers, *, settings: Settings) -> list[Answers]:
    """Return the answers before each question up to the one that `fault` is about; those before it keep their default.

    The last ones are where to go on, and the others the way back.
    """
    steps = [answers]
    wanted = _about(fault) if fault is not None else None
    while wanted is not None and (asked := next_question(steps[-1], settings=settings)) is not None:
        if asked.ask is wanted or asked.ask not in ABOUT_THE_TARGET:
            break
        steps.append(answer(steps[-1], asked, ""))
    return steps


def _about(fault: Fault) -> Ask | None:
    """Return the question that a fault is about; None where it is about none of them."""
    if fault.id == ConnectError.id and not fault.sqlstate:
        # nobody has answered who could have said more: it failed on the way there
        return Ask.HOST
    return _ABOUT.get(fault.sqlstate or "")


def edited(answers: Answers, *, environ: Mapping[str, str], home: Path | None = None) -> Target:
    """Return the edited target. Raises TargetError.

    What was said of its environment holds for the database that it was said of, and goes with another one: nobody has
    said what that is. What may only be looked at stays so.
    """
    before, now = answers.edits, target_of(answers, environ=environ, home=home)
    assert before is not None
    if (now.host, now.port, now.database) != (before.host, before.port, before.database):
        return replace(now, protected=before.protected, read_only=before.read_only)
    return replace(
        now,
        name=before.name,
        environment=before.environment,
        protected=before.protected,
        read_only=before.read_only,
    )


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
        read_only=target.read_only if answers.read_only is None else answers.read_only,
        environment=answers.environment or "",
        migrations=answers.migrations,
        format=answers.format,
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
    keys.update(_certificates(target))
    query = "&".join(f"{key}={quote(value, safe='/')}" for key, value in keys.items())
    return f"{start}?{query}" if query else start


def _certificates(target: Target) -> dict[str, str]:
    """Return the files of certificates that somebody has named."""
    return {
        key: value
        for key in ("sslrootcert", "sslcert", "sslkey")
        if (value := getattr(target, key)) is not None and not target.sources.get(key, "default").startswith("default")
    }
