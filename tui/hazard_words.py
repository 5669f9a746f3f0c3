"""Hazards on the screen: severity by word, mark and colour, what happens, and the safe way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from textual.content import Content

from ..core.plan import HazardFinding
from .hazard_lines import allowed_words
from .words import beside, joined, words

# mark and tone; of what stops the plan, and of what does not
_STOPS: Final = ("× ", "bad")
_SEVERITIES: Final = {"severe": ("! ", "warn"), "warning": ("! ", "warn"), "note": ("- ", "dim")}


def hazard_words(hazard: HazardFinding, where: str) -> Iterator[Content]:
    """Yield a hazard: its name and place, what happens, who allowed it, or the safe way."""
    mark, tone = _STOPS if hazard.stops else _SEVERITIES.get(hazard.severity, ("- ", "dim"))
    yield words(f"{mark}{hazard.severity} {hazard.id} at {where}", tone, bold=hazard.severity != "note")
    yield beside(Content("  "), hazard.text)
    said = allowed_words(hazard)
    if said:
        yield words(f"  {said}", "ok")
    elif hazard.instead:
        yield words("  instead:", "dim")
        for line in hazard.instead.split("\n"):
            yield joined("    ", words(line, "head"))
