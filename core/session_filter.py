"""Which sessions a typed filter keeps. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .session_log import SessionSummary


def matching(
    sessions: Sequence[SessionSummary], text: str, *, outcome: Callable[[SessionSummary], str]
) -> tuple[SessionSummary, ...]:
    """Return the sessions that have every word of `text`, whatever the case: in name, target, command, who, outcome.

    `outcome` says how a session ended in the words of the list that is filtered: nobody looks for others.
    """
    words = text.lower().split()
    return tuple(
        session for session in sessions if not words or all(word in _shown(session, outcome(session)) for word in words)
    )


def _shown(session: SessionSummary, outcome: str) -> str:
    return " ".join((session.id, session.target, session.command, session.by, outcome)).lower()
