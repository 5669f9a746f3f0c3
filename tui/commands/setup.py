"""`setup`: the guided set-up, on the screen or as questions and answers."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from msgspec.structs import replace

from ...core import found_folders
from ...core.connect import Connector
from ...core.detected import formats_there
from ...core.errors import ApprovalNeeded, ConnectError, UsageError, fault_of
from ...core.saved_targets import save, text_of, user_file
from ...core.settings import Settings
from ...core.setup import anew, answer, named_of, next_question, take, target_of
from ...core.setup_offers import Offer, offers
from ...core.setup_questions import ABOUT_THE_TARGET, Answers, Question
from ...core.target import NamedTarget, Target
from .. import prompt
from ..beginning import settings_of
from ..fault_lines import fault_words
from ..format import visible
from ..opening import Mode
from ..options import Options
from ..output import show
from ..sitting import Sitting, look_at, open_sitting, run_with_password
from ..status_lines import status_lines, target_lines
from .console import open_screen


def run_setup(options: Options) -> int:
    """Guide to a working target, save it, and end on the overview."""
    settings = settings_of(options)
    if options.wants_screen:
        return open_screen(settings, None, Mode.SETUP, command="changeover setup")
    if options.json:
        raise UsageError("setup asks questions; it has no JSON.", advice="Use it at a terminal, or with --plain.")
    try:
        return _questions(options, settings)
    except ApprovalNeeded as error:
        # no option answers these questions
        advice = "Run it at a terminal. Without set-up a database is named by --target or DATABASE_URL."
        raise ApprovalNeeded(error.summary, advice=advice) from None


def _questions(options: Options, settings: Settings) -> int:
    prompt.say(
        "This names a database, tries it, and saves it as a target. Ctrl-C leaves; nothing is saved before the end."
    )
    answers, target = _target(_begin(settings), settings)
    with open_sitting(options, "setup", settings=settings, target=target) as sitting:
        while (histories := _formats_once_reached(sitting)) is None:
            answers, sitting.target = _target(anew(answers, sitting.target), settings)
            sitting.log.hide(sitting.target.password)
        answers = _ask_until(answers, settings, of_target=False, histories=histories)
        named = named_of(answers, sitting.target)
        sitting.settings = replace(
            sitting.settings,
            migrations=named.migrations or sitting.settings.migrations,
            format=named.format or sitting.settings.format,
            read_only=named.read_only or sitting.settings.read_only,
        )
        _save(named, settings)
        show(status_lines(look_at(sitting)))
    return sitting.exit_code


def _target(answers: Answers, settings: Settings) -> tuple[Answers, Target]:
    """Ask what names the database, and say which one that is."""
    answers = _ask_until(answers, settings, of_target=True)
    target = target_of(answers, environ=os.environ)
    for text in target_lines(target):
        prompt.say(text)
    return answers, target


def _formats_once_reached(sitting: Sitting) -> tuple[str, ...] | None:
    """Try the database, with every attempt said, and return the formats of the histories that it has.

    None where the questions are to be asked again.
    """

    async def once() -> tuple[str, ...]:
        connector = Connector(
            sitting.target, sitting.settings.retry, emit=sitting.emit, session=sitting.log.id, read_only=True
        )
        try:
            return await formats_there(await connector("look"), sitting.settings)
        finally:
            await connector.close()

    try:
        histories = run_with_password(sitting, once)
    except ConnectError as error:
        prompt.say(f"{fault_words(fault_of(error))} {visible(error.advice)}".rstrip())
        with contextlib.suppress(ApprovalNeeded):
            if prompt.confirm("Answer the questions about the database again"):
                return None
        raise
    prompt.say("The connection works.")
    return histories


def _save(named: NamedTarget, settings: Settings) -> None:
    """Show what would be written and where, and write it on a yes."""
    prompt.say(f"This goes into {visible(str(user_file()))}, without the password:")
    for text in text_of({named.name: named}, default=named.name).splitlines():
        prompt.say(f"  {visible(text)}")
    if named.name in settings.targets:
        prompt.say(f"It takes the place of the target {visible(named.name)} that is there.")
    if prompt.is_yes(prompt.ask("Write it (yes, no)", default="yes")):
        prompt.say(f"Saved as target {visible(named.name)} in {visible(str(save(named, default=True)))}")
    else:
        prompt.say("Nothing was written.")


def _begin(settings: Settings) -> Answers:
    """Return the first answers: one of what is on offer, or nothing."""
    found = offers(settings, environ=os.environ, start=Path.cwd())
    if not found:
        return Answers()
    prompt.say("Found already:")
    for number, offer in enumerate(found, start=1):
        prompt.say(f"  {number}  {_offer_words(offer)}")
    while True:
        said = prompt.ask("Take which one, or 0 for another database", default="1" if found[0].target else "0")
        if said == "0":
            return Answers()
        if said.isascii() and said.isdigit() and int(said) <= len(found):
            offer = found[int(said) - 1]
            if offer.target is not None:
                return take(Answers(), offer)
            prompt.say("That one cannot be used as it is.")
        else:
            prompt.say(f"Answer with a number from 0 to {len(found)}.")


def _offer_words(offer: Offer) -> str:
    label = visible(offer.label)
    if offer.target is not None:
        return f"{label}: {visible(str(offer.target))}"
    return f"{label}: {fault_words(offer.fault)}" if offer.fault else label


def _ask_until(answers: Answers, settings: Settings, *, of_target: bool, histories: tuple[str, ...] = ()) -> Answers:
    """Ask what is open; with `of_target`, only up to the questions that name the database."""
    folders = found_folders.find(Path.cwd())
    while True:
        question = next_question(answers, settings=settings, folders=folders, histories=histories)
        if question is None:
            break
        if of_target and question.ask not in ABOUT_THE_TARGET:
            break
        answers = _answered(answers, question)
    return answers


def _answered(answers: Answers, question: Question) -> Answers:
    if question.about:
        prompt.say(visible(question.about))
    width = max(12, *map(len, question.words)) if question.words else 0
    for number, (word, meaning) in enumerate(zip(question.words, question.meanings, strict=True), start=1):
        prompt.say(f"  {number}  {word:<{width}} {meaning}" if question.is_numbered else f"  {word:<{width}} {meaning}")
    words = f"{question.text} ({', '.join(question.words)})" if question.words else question.text
    while True:
        text = prompt.secret(words) if question.secret else prompt.ask(words, default=question.default)
        try:
            return answer(answers, question, text)
        except ApprovalNeeded:
            raise
        except UsageError as error:
            prompt.say(f"{fault_words(fault_of(error))} {visible(error.advice)}".rstrip())
