"""Past sessions: filtered, read as a log, played again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, Final

from textual.binding import BindingType
from textual.widget import Widget

from ...core.session_filter import matching
from ...core.session_log import SessionSummary
from ..format import count
from ..keys import bindings
from ..widgets.banner import Standing
from ..widgets.field import FilterField
from ..widgets.sessions_table import SessionsTable, outcome_words
from .stage import Stage

# How often the list is read again: a run that goes on ends while one looks at it; seconds.
_AGAIN: Final = 3.0


class SessionsScreen(Stage[tuple[str, str] | None]):
    """The list; the result is what is wanted (`open`, `log`, `replay`) and of which session; None: back."""

    STAGE: ClassVar[str] = "sessions"
    BINDINGS: ClassVar[list[BindingType]] = bindings("sessions")

    def __init__(
        self,
        standing: Standing,
        sessions: Sequence[SessionSummary],
        *,
        chosen: str = "",
        again: Callable[[], Sequence[SessionSummary]] | None = None,
    ) -> None:
        """Show `sessions`, and begin at the one that was `chosen` before; `again` lists them anew, in a thread."""
        super().__init__(standing)
        self._begin_at = chosen
        self._all = tuple(sessions)
        self._left = self._all
        self._typed = ""
        self._again = again
        self._told = ""

    def body(self) -> Iterable[Widget]:
        """Return the filter and the table."""
        yield FilterField()
        yield SessionsTable()

    def on_mount(self) -> None:
        """Newest first, or where one has come from."""
        table = self.query_one(SessionsTable)
        table.follow(self._left)
        table.choose(next((at for at, each in enumerate(self._left) if each.id == self._begin_at), 0))
        table.focus()
        self._tell()
        if self._again is not None:
            self.set_interval(_AGAIN, self._tick)

    def _tick(self) -> None:
        if self.is_current and self._again is not None:
            self.run_worker(self._read(self._again), exit_on_error=False, exclusive=True, group="read")

    async def _read(self, again: Callable[[], Sequence[SessionSummary]]) -> None:
        """List them anew; the one that is chosen stays so."""
        found = tuple(await asyncio.to_thread(again))
        if found == self._all:
            return
        chosen = self.copied()
        self._all = found
        self._filter()
        self._stay_at(chosen, self.query_one(SessionsTable).cursor)
        if (said := self._said()) != self._told:
            self._told = said
            self.say(said, "head")

    def on_table_moved(self) -> None:
        """Name the chosen session."""
        self._tell()

    def _tell(self) -> None:
        self._told = self._said()
        self.say(self._told, "head")

    def _said(self) -> str:
        if not self._left:
            return "No session has these words." if self._all else "No session yet."
        chosen = self._left[self.query_one(SessionsTable).cursor]
        going = ", goes on: enter attaches" if chosen.run_goes_on else ", still open" if chosen.running else ""
        total = count(len(self._all), "session")
        shown = total if len(self._left) == len(self._all) else f"{len(self._left):,} of {total}"
        return f"{chosen.id}, by {chosen.by}{going}; {shown}"

    def why_not(self, action: str) -> str:
        """Without a session there is nothing to open."""
        return "There is no session to open." if action in {"open", "log", "replay"} and not self._left else ""

    def copied(self) -> str:
        """Return the name of the chosen session."""
        return self._left[self.query_one(SessionsTable).cursor].id if self._left else ""

    def action_filter(self) -> None:
        """Type what sessions should have."""
        self.query_one(FilterField).begin()

    def on_input_changed(self, event: FilterField.Changed) -> None:
        """Show what is left, at every letter; the chosen session stays so while it is there."""
        chosen = self.copied()
        self._typed = event.value
        self._filter()
        self._stay_at(chosen, 0)
        self._tell()

    def _filter(self) -> None:
        self._left = matching(self._all, self._typed, outcome=lambda each: outcome_words(each)[0])
        table = self.query_one(SessionsTable)
        table.mark(self._typed.split())
        table.follow(self._left, filtered=bool(self._all))

    def _stay_at(self, session: str, otherwise: int) -> None:
        place = next((at for at, each in enumerate(self._left) if each.id == session), otherwise)
        self.query_one(SessionsTable).choose(place)

    def on_input_submitted(self, event: FilterField.Submitted) -> None:
        """Go back into the table; an empty filter goes away."""
        event.stop()
        self.query_one("#filter").display = bool(event.value.strip())
        self.query_one(SessionsTable).focus()

    def action_open(self) -> None:
        """Read the chosen one's log, or attach to it where its run goes on."""
        self._choose("open")

    def action_log(self) -> None:
        """Read the chosen one's log."""
        self._choose("log")

    def action_replay(self) -> None:
        """Play the chosen one."""
        self._choose("replay")

    def _choose(self, what: str) -> None:
        self.dismiss((what, self._left[self.query_one(SessionsTable).cursor].id))

    def action_back(self) -> None:
        """Take the filter away, or go back to where we came from."""
        if self.query_one(FilterField).clear_away():
            self.query_one(SessionsTable).focus()
            return
        self.dismiss(None)
