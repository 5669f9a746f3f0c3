"""What was found after a run, in words: by its post-checks, or later, where it had no honest end. Pure."""

from __future__ import annotations

from typing import Final

from ..core.events import BackendsFound, PostCheck, PostChecked, RunRecovered
from ..core.recovery import Recovery, in_doubt_words
from .format import numbered, numbered_in, visible

_LEFT_BY: Final = {
    "killed": "left by a killed runner",
    "in_doubt": "left in doubt",
    "bug": "broken off by a bug",
}


def aftermath_lines(event: PostChecked | RunRecovered | BackendsFound) -> list[str]:
    """Return what an event says, in one line or more."""
    match event:
        case PostChecked():
            if event.fault is not None:
                return [visible(f"post-checks could not be made: {event.fault.summary}")]
            return [post_check_words(finding) for finding in event.findings] or ["post-checks: nothing left behind"]
        case RunRecovered():
            return [recovered_words(event)]
        case BackendsFound():
            pids = ", ".join(map(str, event.pids))
            ended = f"; ended: {', '.join(map(str, event.ended))}" if event.ended else ""
            whose = visible(", ".join(event.sessions))
            return [f"backend {pids} still works for a runner that is gone (session {whose}){ended}"]


def recovered_words(event: RunRecovered) -> str:
    """Return what became of a run of another sitting that had no honest end."""
    parts = [f"{numbered(version)} was applied" for version in event.applied]
    parts += [f"{numbered(version)} was not applied" for version in event.not_applied]
    parts += [f"{numbered(version)} is half-done: changeover status" for version in event.partial]
    how = _LEFT_BY.get(event.cause, "left unfinished")
    return visible(f"session {event.session}, {how}: {', '.join(parts) or 'it had nothing in hand'}")


def post_check_words(finding: PostCheck) -> str:
    """Return something that a run left behind, or that was there before on a table that it touched."""
    old = "" if finding.new else " (there before this run)"
    return visible(f"post-check: {finding.object} is not {finding.expected}: {finding.found}{old}")


def recovery_words(recovery: Recovery) -> tuple[str, str]:
    """Return the most important of what earlier runs left, and its tone; empty where they left nothing."""
    if recovery.in_doubt:
        return numbered_in(in_doubt_words(recovery.in_doubt[0])), "bad"
    if recovery.settled:
        return "; ".join(recovered_words(event) for event in recovery.settled), "warn"
    if recovery.backends:
        pids = ", ".join(str(backend.pid) for backend in recovery.backends)
        return f"Backend {pids} still works for a runner that is gone; a run ends it before it begins.", "warn"
    return "", "warn"
