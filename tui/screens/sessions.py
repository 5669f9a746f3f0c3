"""Past sessions; each can be played again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.binding import BindingType
from textual.widget import Widget

from ...core.session_log import SessionSummary
from ..format import count
from ..keys import bindings
from ..widgets.banner import Standing
from ..widgets.sessions_table import SessionsTable
from .stage import Stage


class SessionsScreen(Stage[str]):
    """The list; the result is the name of a session to replay or to attach to, or an empty text."""

    STAGE: ClassVar[str] = "sessions"
    BINDINGS: ClassVar[list[BindingType]] = bindings("sessions")

    def __init__(self, standing: Standing, sessions: Sequence[SessionSummary]) -> None:
        super().__init__(standing)
        self._sessions = sessions

    def body(self) -> Iterable[Widget]:
        """Return the table."""
        yield SessionsTable()

    def on_mount(self) -> None:
        """Newest first."""
        table = self.query_one(SessionsTable)
        table.follow(self._sessions)
        table.focus()
        self._tell()

    def on_table_moved(self) -> None:
        """Name the chosen session."""
        self._tell()

    def _tell(self) -> None:
        if not self._sessions:
            self.say("No session yet.", "head")
            return
        chosen = self._sessions[self.query_one(SessionsTable).cursor]
        going = "; enter attaches" if chosen.running else ""
        self.say(f"{chosen.id}, by {chosen.by}; {count(len(self._sessions), 'session')}{going}", "head")

    def action_replay(self) -> None:
        """Play the chosen one."""
        if self._sessions:
            self.dismiss(self._sessions[self.query_one(SessionsTable).cursor].id)

    def action_back(self) -> None:
        """Back to where we came from."""
        self.dismiss("")
