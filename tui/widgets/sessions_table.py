"""Past sittings: when, on what, which command, how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from ...core.events import Result
from ...core.session_log import SessionSummary
from ..format import at_local
from ..words import RESULT, Cell, cell
from .table import Column, Table, TableRow

# How a sitting without a run ended, by its exit code; those of signals are 128 and the signal's number.
ENDED: Final[dict[int, tuple[str, str]]] = {
    1: ("× a bug", "bad"),
    2: ("× not begun", "warn"),
    3: ("× no connection", "bad"),
    4: ("× refused", "bad"),
    5: ("○ pending", "live"),
    6: ("× rolled back", "bad"),
    7: ("■ stopped", "warn"),
    8: ("! needs you", "bad"),
    9: ("× locked", "bad"),
    129: ("× terminal gone", "warn"),
    143: ("× was ended", "warn"),
}

_NONE: Final = "no session yet"


class SessionsTable(Table):
    """Sessions, newest first; times are UTC, as in the files."""

    def __init__(self, *, id: str = "sessions") -> None:  # noqa: A002 - the name that Textual gives it
        super().__init__(
            [
                Column(title="opened (UTC)", width=16),
                Column(title="target", cut="middle"),
                Column(title="command", width=16, fits=True),
                Column(title="outcome", width=16, fits=True),
                Column(title="by", width=30, fits=True, cut="middle", from_width=110),
                Column(title="session", width=36, fits=True, cut="middle", from_width=150),
            ],
            empty=_NONE,
            id=id,
        )

    def follow(self, sessions: Sequence[SessionSummary], *, filtered: bool = False) -> None:
        """Show these sessions; `filtered` where there are others."""
        self.say_where_empty("no session has these words" if filtered else _NONE)
        self.show([session_row(session) for session in sessions])


def session_row(session: SessionSummary) -> TableRow:
    """Return the row of one session."""
    word, tone = outcome_words(session)
    return (
        Cell(f"{datetime.fromtimestamp(session.opened_at, UTC):%Y-%m-%d %H:%M}", "head"),
        cell(at_local(session.target)),
        cell(command_of(session)),
        Cell(word, tone),
        cell(session.by, "dim"),
        cell(session.id, "dim"),
    )


def command_of(session: SessionSummary) -> str:
    """Return the command without the name of the program, which they all begin with; alone it is the console."""
    return session.command.removeprefix("changeover").strip() or "console"


def outcome_words(session: SessionSummary) -> tuple[str, str]:
    """Return how a session ended, with its tone."""
    if session.run_goes_on:
        return ("► going on", "live")
    if session.result is not None:
        return _result_words(session.result)
    if session.running:
        return ("► open", "live")
    if session.exit_code in (0, None):
        return ("✓ looked only", "dim")
    return ENDED.get(session.exit_code, (f"× exit {session.exit_code}", "bad"))


def _result_words(result: str) -> tuple[str, str]:
    try:
        return RESULT[Result(result)]
    except ValueError:
        return (cell(result).text, "text")
