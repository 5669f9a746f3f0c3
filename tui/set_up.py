"""The guided set-up on the screen: questions until a database is connected and everything about it is said.

What is on offer, what is asked and what an answer means is decided in `core.setup`; here is which screen comes next.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from ..core import found_folders, saved_targets, setup
from ..core.detected import formats_there
from ..core.errors import ExitCode, Fault, UsageError, fault_of
from ..core.setup_offers import Offer, offers
from ..core.setup_questions import ABOUT_THE_TARGET, Answers, Ask, Question
from ..core.target import Target
from .format import at_local
from .link import Link
from .screens.setup import LEAVE, OTHER, ChoiceScreen, OffersScreen, QuestionScreen, WriteScreen


class Walk:
    """The way through the questions; an answer that was given is the usual one when one comes back to its question."""

    def __init__(self, steps: Sequence[Answers]) -> None:
        """Begin at the last of `steps`; the others are the way back."""
        # by question and its usual answer: where that is another now, what was given before may not hold any more
        self._given: dict[tuple[Ask, str], str] = {}
        self.begin(steps)

    def begin(self, steps: Sequence[Answers]) -> None:
        """Begin anew, at the last of `steps`."""
        *self._past, self.answers = steps

    def go_on(self, answers: Answers) -> None:
        """Go a step on."""
        self._past.append(self.answers)
        self.answers = answers

    def go_back(self) -> bool:
        """Go a step back; False where there is none."""
        if not self._past:
            return False
        self.answers = self._past.pop()
        return True

    def keep(self, question: Question, text: str) -> None:
        """Keep what was given as an answer; never what may hold a password."""
        if text.strip() and not question.secret:
            self._given[question.ask, question.default] = text.strip()

    def as_given(self, question: Question) -> Question:
        """Return the question with what was given before as its usual answer."""
        given = self._given.get((question.ask, question.default), question.default)
        fits = not question.words or given in question.words
        return replace(question, default=given) if fits else question


class SetUp:
    """The questions, and the way back through them."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._console = link.console
        self._opening = link.opening
        self._folders = found_folders.find(link.opening.start)
        # formats of the history tables of the database that was reached
        self._histories: tuple[str, ...] = ()

    def _next(self, answers: Answers) -> Question | None:
        return setup.next_question(
            answers, settings=self._link.settings, folders=self._folders, histories=self._histories
        )

    async def go(self, fault: Fault | None) -> bool:
        """Ask for a database until one is connected; False where the operator leaves."""
        environ = self._opening.environ
        while True:
            await self._link.close()
            self._link.target = None
            found = offers(self._link.settings, environ=environ, start=self._opening.start)
            picked = await self._console.push_screen_wait(OffersScreen(found, fault))
            if picked == LEAVE or picked is None:
                self._console.exit_code = int(ExitCode.USAGE) if fault is not None else self._console.exit_code
                return False
            start = Answers()
            if isinstance(picked, Offer):
                start = setup.take(start, picked)
            else:
                assert picked == OTHER
            fault = None
            arrived = await self._ask_through(start)
            if arrived is not None:
                return arrived

    async def edit(self, target: Target, fault: Fault | None) -> Target | None:
        """Ask for each part of `target` anew, what it is now as the default; None for a step back from the first.

        Begins at what `fault`, which kept us from it, is about.
        """
        walk = Walk(setup.steps_to(fault, setup.to_edit(target), settings=self._link.settings))
        while (question := self._next(walk.answers)) is not None:
            if not await self._step(walk, question):
                return None
        return setup.edited(walk.answers, environ=self._opening.environ)

    async def _ask_through(self, start: Answers) -> bool | None:
        """Ask what is still open, trying the database as soon as it is named.

        True once all is settled, False where the operator leaves, None for a step back to the offers.
        """
        walk, tried = Walk([start]), False
        while True:
            question = self._next(walk.answers)
            if not tried and (question is None or question.ask not in ABOUT_THE_TARGET):
                said = await self._try_answers(walk.answers)
                if said == "leave":
                    return False
                tried = said == "connected"
                moved = tried or self._to_what_was_refused(walk) or walk.go_back()
            elif question is None:
                if await self._settle(walk.answers):
                    return True
                moved = walk.go_back()
            else:
                moved = await self._step(walk, question)
            if not moved:
                return None
            asked = self._next(walk.answers)
            tried = tried and (asked is None or asked.ask not in ABOUT_THE_TARGET)

    def _to_what_was_refused(self, walk: Walk) -> bool:
        """Go to the question that the refusal is about; False where there is no target that was refused."""
        if self._link.target is None:
            return False
        begin = setup.anew(walk.answers, self._link.target)
        walk.begin(setup.steps_to(self._link.fault, begin, settings=self._link.settings))
        return True

    async def _step(self, walk: Walk, question: Question) -> bool:
        """Ask, and go a step on or back; False for a step back from the first question."""
        answers, asked = walk.answers, walk.as_given(question)

        def take(text: str) -> Answers:
            taken = setup.answer(answers, asked, text)
            if self._next(taken) is None or taken.choice is not None:
                setup.target_of(taken, environ=self._opening.environ)
            walk.keep(question, text)
            return taken

        screen_of = ChoiceScreen if question.words else QuestionScreen
        if question.ask in ABOUT_THE_TARGET:
            # what was tried before is no target any more
            await self._link.close()
            self._link.target = None
        screen = screen_of(self._link.standing, asked, settled=_settled(answers, self._link.target), take=take)
        taken = await self._console.push_screen_wait(screen)
        if taken is None:
            return walk.go_back()
        walk.go_on(taken)
        return True

    async def _try_answers(self, answers: Answers) -> str:
        try:
            target = setup.target_of(answers, environ=self._opening.environ)
        except UsageError as error:
            self._console.show_fault(fault_of(error))
            return "edit"
        said = await self._link.reach(target)
        if said == "connected":
            assert self._link.connection is not None
            self._histories = await formats_there(self._link.connection, self._link.settings)
        return said

    async def _settle(self, answers: Answers) -> bool:
        """Show what would be saved, and save it where that is wanted; False for a step back."""
        assert self._link.target is not None
        named = setup.named_of(answers, self._link.target)
        targets = {**self._link.settings.targets, named.name: named}
        file = saved_targets.user_file(self._opening.environ)
        text = saved_targets.text_of({named.name: named}, default=named.name)
        said = await self._console.push_screen_wait(
            WriteScreen(
                self._link.standing,
                file=file,
                text=text,
                target=self._link.target,
                replaces=named.name if named.name in self._link.settings.targets else "",
            )
        )
        if said == "back":
            return False
        if said == "save":
            saved_targets.save(named, default=True, environ=self._opening.environ)
        self._link.settings = replace(
            self._link.settings,
            targets=targets,
            migrations=named.migrations or self._link.settings.migrations,
            format=named.format or self._link.settings.format,
        )
        self._link.target = replace(
            self._link.target, name=named.name, environment=named.environment, protected=named.protected
        )
        if named.read_only and not self._link.target.read_only:
            # what was open could write; from here on the server itself refuses
            return await self._link.reach(replace(self._link.target, read_only=True)) == "connected"
        return True


def _settled(answers: Answers, target: Target | None) -> tuple[tuple[str, str], ...]:
    """Return what is answered so far, without the password."""
    said: list[tuple[str, str]] = []
    if answers.choice is not None:
        said.append(("database", answers.choice.said_by if target is None else at_local(str(target))))
    pairs = (
        ("host", answers.host),
        ("port", answers.port),
        ("database", answers.database),
        ("user", answers.user),
        ("TLS", answers.sslmode),
        ("migrations", str(answers.migrations) if answers.migrations else None),
        ("format", answers.format),
        ("name", answers.name),
        ("environment", answers.environment),
        ("protected", None if answers.protected is None else "yes" if answers.protected else "no"),
    )
    said += [(name, value) for name, value in pairs if value]
    return tuple(said)
