"""The severe hazards that nobody has allowed, one after the other: each is allowed by a reason that is typed.

The plan is made anew with what is allowed here, and has another digest; the confirmation comes after that.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Final

from textual import on
from textual.binding import BindingType
from textual.content import Content
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input

from ...core.plan import HazardFinding, Plan
from ..format import count
from ..hazard_words import hazard_words
from ..keys import bindings
from ..widgets.banner import Standing
from ..widgets.field import ReasonField
from ..widgets.paper import Paper
from ..widgets.text_scroll import AboveQuestion
from ..words import joined, stacked, words
from .stage import Asking

# Keys that were typed before the hazard could be read allow nothing; seconds.
DEAD_TIME: Final = 0.4
# Too short to be a reason.
_LEAST: Final = 3


class AllowScreen(Asking[dict[str, str] | None]):
    """Ends in the reason for each hazard, or in None: then nothing is allowed."""

    STAGE: ClassVar[str] = "confirm"
    AUTO_FOCUS: ClassVar[str | None] = None
    FOLDS: ClassVar[bool] = True
    BINDINGS: ClassVar[list[BindingType]] = bindings("allow", "above a question")

    def __init__(self, standing: Standing, plan: Plan) -> None:
        super().__init__(standing)
        self._plan = plan
        self._open = list(dict.fromkeys(hazard.id for _, _, hazard in plan.hazards if hazard.stops))
        self._of = len(self._open)
        self._reasons: dict[str, str] = {}
        self._quiet: Timer | None = None

    def body(self) -> Iterable[Widget]:
        """Return the hazard, then the question."""
        with AboveQuestion(id="summary"):
            yield Paper(self._shown(), id="what")
        yield Paper(self._question(), id="ask")
        yield ReasonField(name="reason", disabled=True)

    def on_mount(self) -> None:
        """Listen only once it could be read."""
        self.call_after_refresh(self._wait_for_quiet)

    def on_key(self) -> None:
        """Begin the dead time anew: what comes in one rush was typed before this could be read."""
        if self.query_one("#reason", Input).disabled:
            self._wait_for_quiet()

    def _wait_for_quiet(self) -> None:
        if self._quiet is not None:
            self._quiet.stop()
        self._quiet = self.set_timer(DEAD_TIME, self._arm)

    def _arm(self) -> None:
        field = self.query_one("#reason", Input)
        field.disabled = False
        field.focus()

    @on(Input.Submitted, "#reason")
    def _reasoned(self, event: Input.Submitted) -> None:
        event.stop()
        reason = " ".join(event.value.split())
        if len(reason) < _LEAST:
            self.say("A hazard is allowed by a reason, for those who ask tomorrow. esc goes back.")
            return
        self._reasons[self._open.pop(0)] = reason
        if not self._open:
            self.dismiss(self._reasons)
            return
        self.say("")
        field = self.query_one("#reason", Input)
        field.value, field.disabled = "", True
        self.query_one("#what", Paper).write(self._shown())
        self.query_one("#ask", Paper).write(self._question())
        self._wait_for_quiet()

    def action_back(self) -> None:
        """Back to the plan; nothing is allowed."""
        self.dismiss(None)

    def _shown(self) -> Content:
        found = [
            (hazard, f"{statement.file}:{statement.line}")
            for planned, statement, hazard in self._plan.hazards
            if hazard.id == self._open[0] and hazard.stops
        ]
        return stacked(*allowing_words(found, len(self._reasons) + 1, self._of))

    def _question(self) -> Content:
        return joined(
            words(" Why is it right to run this all the same? ", "head"), words(self._open[0], "warn", bold=True)
        )


def allowing_words(found: list[tuple[HazardFinding, str]], number: int, of: int) -> list[Content]:
    """Return one hazard in full, at every place where the plan has it."""
    head = f" Severe hazard {number} of {of}: {found[0][0].title}"
    lines = [words(head, "bad", bold=True)]
    if len(found) > 1:
        lines.append(words(f" in {count(len(found), 'statement')}; the reason is for all of them", "dim"))
    for hazard, where in found:
        lines += [Content(""), *(joined(" ", line) for line in hazard_words(hazard, where))]
    return lines
