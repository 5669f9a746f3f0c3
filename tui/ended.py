"""The connections that somebody asked to end because they blocked the run, as the receipt tells them. Pure."""

from __future__ import annotations

from typing import Final

from ..core.view import EndView, RunView
from .format import visible
from .lines import backend_words

_DONE: Final = {"cancel": "its statement cancelled", "terminate": "terminated"}


def ended_lines(view: RunView) -> list[str]:
    """Return whom the run was asked to end, by whom, and what came of it; empty where there was nobody."""
    found = []
    for end in view.ends:
        blocker = end.asked.blocker
        whom = f"pid {end.asked.pid}" if blocker is None else backend_words(blocker)
        found.append(visible(f"  {whom}, {became_words(end)}"))
    return ["", "Asked to end, for being in the way:", *found] if found else []


def became_words(end: EndView) -> str:
    """Return what came of a wish to end a blocker, and whose it was; that it was done only where it was."""
    asked, answered = end.asked, end.answered
    if answered is not None and answered.sent:
        return f"{_DONE.get(asked.how, asked.how)} by {asked.by}"
    wish = f"{asked.how} asked by {asked.by}"
    if answered is None:
        return f"{wish}; what came of it was not told"
    return f"{wish}, not sent: {answered.reason or 'the server did not take it'}"
