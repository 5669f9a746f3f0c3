"""What reaches the screens from outside the widget tree."""

from __future__ import annotations

from textual.message import Message

from ..core.view import Stamped


class ConsoleEvent(Message):
    """A fact of this console (an attempt, a connection, a plan), as the session log has stamped it."""

    def __init__(self, stamped: Stamped) -> None:
        super().__init__()
        self.stamped = stamped
