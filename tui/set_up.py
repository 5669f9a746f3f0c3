"""The guided set-up on the screen: questions until a database is connected and everything about it is said.

What is on offer, what is asked and what an answer means is decided in `core.setup`; here is which screen comes next.
"""

from __future__ import annotations

from dataclasses import replace

from ..core import saved_targets, setup
from ..core.errors import ExitCode, Fault, UsageError, fault_of
from .link import Link
from .screens.setup import LEAVE, OTHER, OffersScreen, QuestionScreen, WriteScreen

# Once these are answered, the database can be tried.
_ABOUT_THE_TARGET = frozenset(
    {
        setup.Ask.URL,
        setup.Ask.HOST,
        setup.Ask.PORT,
        setup.Ask.DATABASE,
        setup.Ask.USER,
        setup.Ask.PASSWORD,
    }
)


class SetUp:
    """The questions, and the way back through them."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._console = link.console
        self._opening = link.opening

    async def go(self, fault: Fault | None) -> bool:
        """Ask for a database until one is connected; False where the operator leaves."""
        environ = self._opening.environ
        while True:
            await self._link.close()
            self._link.target = None
            offers = setup.offers(self._link.settings, environ=environ)
            picked = await self._console.push_screen_wait(OffersScreen(offers, fault))
            if picked == LEAVE or picked is None:
                self._console.exit_code = int(ExitCode.USAGE) if fault is not None else self._console.exit_code
                return False
            start = setup.Answers()
            if isinstance(picked, setup.Offer):
                start = setup.take(start, picked)
            else:
                assert picked == OTHER
            fault = None
            arrived = await self._ask_through(start)
            if arrived is not None:
                return arrived

    async def _ask_through(self, start: setup.Answers) -> bool | None:
        """Ask what is still open, trying the database as soon as it is named.

        True once all is settled, False where the operator leaves, None for a step back to the offers.
        """
        past: list[setup.Answers] = []
        answers, tried = start, False
        while True:
            question = setup.next_question(answers, settings=self._link.settings)
            if not tried and (question is None or question.ask not in _ABOUT_THE_TARGET):
                said = await self._try_answers(answers)
                if said == "leave":
                    return False
                tried = said == "connected"
                if not tried:
                    if not past:
                        return None
                    answers = past.pop()
                continue
            if question is None:
                settled = await self._settle(answers)
                if settled:
                    return True
                changed = None
            else:
                changed = await self._ask(question, answers)
            if changed is not None:
                past.append(answers)
                answers = changed
            elif past:
                answers = past.pop()
                asked = setup.next_question(answers, settings=self._link.settings)
                tried = tried and asked is not None and asked.ask not in _ABOUT_THE_TARGET
            else:
                return None

    async def _ask(self, question: setup.Question, answers: setup.Answers) -> setup.Answers | None:
        def take(text: str) -> setup.Answers:
            taken = setup.answer(answers, question, text)
            if setup.next_question(taken, settings=self._link.settings) is None or taken.choice is not None:
                setup.target_of(taken, environ=self._opening.environ)
            return taken

        screen = QuestionScreen(self._link.standing, question, settled=_settled(answers), take=take)
        return await self._console.push_screen_wait(screen)

    async def _try_answers(self, answers: setup.Answers) -> str:
        try:
            target = setup.target_of(answers, environ=self._opening.environ)
        except UsageError as error:
            self._console.show_fault(fault_of(error))
            return "edit"
        return await self._link.reach(target)

    async def _settle(self, answers: setup.Answers) -> bool:
        """Show what would be saved, and save it where that is wanted; False for a step back."""
        assert self._link.target is not None
        named = setup.named_of(answers, self._link.target)
        targets = {**self._link.settings.targets, named.name: named}
        file = saved_targets.user_file(self._opening.environ)
        text = saved_targets.text_of({named.name: named}, default=named.name)
        said = await self._console.push_screen_wait(
            WriteScreen(self._link.standing, file=file, text=text, target=self._link.target)
        )
        if said == "back":
            return False
        if said == "save":
            saved_targets.save(named, default=True, environ=self._opening.environ)
        self._link.settings = replace(
            self._link.settings, targets=targets, migrations=named.migrations or self._link.settings.migrations
        )
        self._link.target = replace(
            self._link.target, name=named.name, environment=named.environment, protected=named.protected
        )
        return True


def _settled(answers: setup.Answers) -> tuple[tuple[str, str], ...]:
    """Return what is answered so far, without the password."""
    said: list[tuple[str, str]] = []
    if answers.choice is not None:
        said.append(("database", answers.choice.said_by))
    pairs = (
        ("host", answers.host),
        ("port", answers.port),
        ("database", answers.database),
        ("user", answers.user),
        ("migrations", str(answers.migrations) if answers.migrations else None),
        ("name", answers.name),
        ("environment", answers.environment),
    )
    said += [(name, value) for name, value in pairs if value]
    return tuple(said)
