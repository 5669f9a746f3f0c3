"""The hazards that were allowed in what ran, as the receipt tells them. Pure."""

from __future__ import annotations

from ..core.events import AllowedHazard
from ..core.view import RunView
from .format import visible


def allowed_lines(view: RunView) -> list[str]:
    """Return the hazards that were allowed in what ran, by whom and why; empty where there were none."""
    found = [f"  {said}" for said in allowed_words(view)]
    return ["", "Hazards that were allowed:", *found] if found else []


def allowed_words(view: RunView) -> list[str]:
    """Return each hazard that was allowed: where it stands, by whom and why; what is said alike once.

    It says so where its migration was not begun: the hazard was allowed, and nothing came of it.
    """
    said = {
        visible(
            f"{brief.file or one.brief.file}:{brief.line} {it.id} on {it.relation}, {by_words(it, view.by)}"
            + ("" if one.result is not None or one.attempt else "; not begun")
        ): None
        for one in view.migrations
        for brief in one.brief.statements
        for it in brief.allowed
    }
    return list(said)


def by_words(hazard: AllowedHazard, operator: str) -> str:
    """Return by whom a hazard was allowed, and why."""
    by = operator or "the operator" if hazard.by == "operator" else f"the {hazard.by}"
    return f"by {by}" + (f" ({hazard.reason})" if hazard.reason else "")
