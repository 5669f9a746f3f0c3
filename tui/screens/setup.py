"""Guided set-up: one question a screen; what the answers mean is decided in `core.setup`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ClassVar

from msgspec.structs import replace
from textual import on
from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input

from ...core.errors import ChangeoverError, Fault, fault_of
from ...core.setup_offers import Offer
from ...core.setup_questions import Answers, Ask, Question
from ...core.target import TO_SET_UP, Target
from ..format import at_local
from ..keys import bindings
from ..widgets.banner import Standing
from ..widgets.field import Field, UrlField
from ..widgets.paper import Paper
from ..widgets.table import Column, Table, TableRow
from ..widgets.text_scroll import TextScroll
from ..words import Cell, cell, fault_words, joined, stacked, words
from .stage import Stage

OTHER = "other"
LEAVE = "leave"


class OffersScreen(Stage[Offer | str]):
    """What the surroundings name already; the result is an offer, `other` or `leave`."""

    STAGE: ClassVar[str] = "set-up"
    BINDINGS: ClassVar[list[BindingType]] = bindings("set-up offers")

    def __init__(self, offers: tuple[Offer, ...], fault: Fault | None) -> None:
        super().__init__(Standing())
        self._offers = offers
        self._fault = fault

    def body(self) -> Iterable[Widget]:
        """Return a welcome, what went wrong, what is on offer."""
        yield Paper(
            stacked(
                words(" Which database shall changeover work on?", "head", bold=True),
                words(" Nothing is changed until you have seen the plan and approved it.", "dim"),
            ),
            classes="facts",
        )
        yield Paper(fault_words(here(self._fault)) if self._fault else Content(""), id="fault")
        yield Table(
            [Column(title="found in", width=38, fits=True, cut="middle"), Column(title="database", cut="middle")],
            id="offers",
        )

    def on_mount(self) -> None:
        """Offers first, then the way without them."""
        table = self.query_one(Table)
        table.show(
            [*(offer_row(offer) for offer in self._offers), (Cell("another one", "key"), Cell("asks, or takes a URL"))]
        )
        table.focus()

    def action_take(self) -> None:
        """Take the chosen offer."""
        index = self.query_one(Table).cursor
        if index >= len(self._offers):
            self.dismiss(OTHER)
            return
        offer = self._offers[index]
        if offer.target is None:
            self.query_one("#fault", Paper).write(
                fault_words(offer.fault) if offer.fault else words("This cannot be used.", "bad"), layout=True
            )
            return
        self.dismiss(offer)

    def action_other(self) -> None:
        """Name a database that is not on offer."""
        self.dismiss(OTHER)

    def action_leave(self) -> None:
        """End the console."""
        self.dismiss(LEAVE)


def here(fault: Fault) -> Fault:
    """Return a fault with the advice that helps inside the set-up: not the one to come here."""
    if TO_SET_UP not in fault.advice:
        return fault
    advice = "Choose one here. Another time, --target or DATABASE_URL can name it; the password comes from ~/.pgpass."
    return replace(fault, advice=advice)


def offer_row(offer: Offer) -> TableRow:
    """Return the row of one offer."""
    if offer.target is not None:
        return (cell(offer.label, "head"), cell(at_local(str(offer.target))))
    summary = offer.fault.summary if offer.fault else "cannot be used"
    return (cell(offer.label, "dim"), cell(f"× {summary}", "bad"))


class QuestionScreen(Stage[Answers | None]):
    """One question; the result is the answers with this one in them, or None for a step back."""

    STAGE: ClassVar[str] = "set-up"
    BINDINGS: ClassVar[list[BindingType]] = bindings("set-up question")

    def __init__(
        self,
        standing: Standing,
        question: Question,
        *,
        settled: tuple[tuple[str, str], ...],
        take: Callable[[str], Answers],
    ) -> None:
        super().__init__(standing)
        self._question = question
        self._settled = settled
        self._take = take

    def body(self) -> Iterable[Widget]:
        """Return what is settled so far, then the question."""
        lines = [joined(words(f" {name:<13}", "dim"), words(value)) for name, value in self._settled]
        if lines:
            yield Paper(stacked(*lines), classes="facts")
        yield Paper(words(f" {self._question.text}", "head", bold=True), id="ask")
        yield from self.answering()
        yield Paper(question_words(self._question), id="about")
        yield Paper(id="fault")

    def answering(self) -> Iterable[Widget]:
        """Return the line to type into."""
        is_url = self._question.ask is Ask.URL
        yield UrlField(name="field") if is_url else Field(name="field", secret=self._question.secret)

    def on_mount(self) -> None:
        """Begin at the answer."""
        self.begin()

    def begin(self) -> None:
        """Be ready to type."""
        self.query_one(Field).focus()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._answer(event.value)

    def _answer(self, text: str) -> None:
        try:
            answers = self._take(text)
        except ChangeoverError as error:
            self.query_one("#fault", Paper).write(fault_words(fault_of(error)), layout=True)
            return
        self.dismiss(answers)

    def action_back(self) -> None:
        """One step back."""
        self.dismiss(None)


class ChoiceScreen(QuestionScreen):
    """A question with a few answers, each with what it means; the usual one is marked."""

    AUTO_FOCUS: ClassVar[str | None] = None
    BINDINGS: ClassVar[list[BindingType]] = bindings("set-up choice")

    def answering(self) -> Iterable[Widget]:
        """Return the list of answers."""
        yield Table([Column(title="", width=14, fits=True), Column(title="")], header=False, id="choices")

    def begin(self) -> None:
        """Mark the usual answer, else the first."""
        table = self.query_one(Table)
        pairs = zip(self._question.words, self._question.meanings, strict=True)
        table.show([(cell(word, "key"), cell(meaning)) for word, meaning in pairs])
        if self._question.default:
            table.choose(self._question.words.index(self._question.default))
        table.focus()

    def action_take(self) -> None:
        """Take the marked answer."""
        self._answer(self._question.words[self.query_one(Table).cursor])


def question_words(question: Question) -> Content:
    """Return why it is asked, what an empty answer means, and which answers there are."""
    lines: list[Content] = []
    if question.about:
        lines.append(words(f" {question.about}", "dim"))
    if question.default and not question.words:
        lines.append(joined(words(" empty is ", "dim"), words(question.default)))
    if question.secret:
        hidden = "A password in it is not shown" if question.ask is Ask.URL else "What you type is not shown"
        lines.append(words(f" {hidden}, and a password is never stored.", "dim"))
    return stacked(*lines)


class WriteScreen(Stage[str]):
    """What would be saved, and where; the result is `save`, `use` or `back`."""

    STAGE: ClassVar[str] = "set-up"
    BINDINGS: ClassVar[list[BindingType]] = bindings("set-up end")

    def __init__(self, standing: Standing, *, file: Path, text: str, target: Target, replaces: str = "") -> None:
        """Show `text` for `file`; `replaces` is the name of a target that is there and gives way."""
        super().__init__(standing)
        self._file = file
        self._text = text
        self._target = target
        self._replaces = replaces

    def body(self) -> Iterable[Widget]:
        """Return the file's name, its text, and what is not in it."""
        yield Paper(
            stacked(
                joined(words(" The connection works. ", "ok", bold=True), words(str(self._target))),
                joined(words(" This goes into ", "head"), words(str(self._file), bold=True)),
                words(" The password does not: put it into ~/.pgpass, or set PGPASSWORD.", "dim"),
                words(f" It takes the place of the target {self._replaces} that is there.", "warn")
                if self._replaces
                else None,
            ),
            classes="facts",
        )
        with TextScroll(id="written"):
            yield Paper(words(self._text, lines=True))

    def action_save(self) -> None:
        """Write it."""
        self.dismiss("save")

    def action_use(self) -> None:
        """Go on without writing anything."""
        self.dismiss("use")

    def action_back(self) -> None:
        """One step back."""
        self.dismiss("back")
