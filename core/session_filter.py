"""Which sessions a typed filter keeps. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from .session_log import SessionSummary


def matching(sessions: Sequence[SessionSummary], text: str) -> tuple[SessionSummary, ...]:
    """Return the sessions that have every word of `text`, whatever the case: in name, target, command, who, outcome."""
    words = text.lower().split()
    return tuple(session for session in sessions if all(word in _shown(session) for word in words))


def _shown(session: SessionSummary) -> str:
    outcome = "going on running" if session.running else (session.result or "looked only").replace("_", " ")
    return " ".join((session.id, session.target, session.command, session.by, outcome)).lower()
