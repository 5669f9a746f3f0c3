"""What passes between the screens and the app: facts from outside the widget tree, and wishes out of it."""

from __future__ import annotations

from textual.message import Message

from ..core.view import Stamped


class ConsoleEvent(Message):
    """A fact of this console (an attempt, a connection, a plan), as the session log has stamped it."""

    def __init__(self, stamped: Stamped) -> None:
        super().__init__()
        self.stamped = stamped


class Wanted(Message):
    """The operator wants something that only the app can do; see `Journey.serve`."""

    def __init__(self, what: str, version: str | None = None) -> None:
        super().__init__()
        self.what = what
        self.version = version
