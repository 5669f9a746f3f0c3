"""The second row: the path from connect to receipt, and where we are on it."""

from __future__ import annotations

from typing import Final

from textual.content import Content

from ..words import joined
from .paper import Paper

PATH: Final = ("connect", "overview", "pre-check", "confirm", "run", "receipt")
READING_PATH: Final = ("connect", "overview", "pre-check")


class Trail(Paper):
    """`connect → overview → PRE-CHECK → confirm → run → receipt`; a stage off the path stands alone."""

    def __init__(self, stage: str, *, path: tuple[str, ...] = PATH) -> None:
        super().__init__(trail(stage, path), id="trail")


def trail(stage: str, path: tuple[str, ...]) -> Content:
    """Return the path with the stage we are at in capitals."""
    if stage not in path:
        return joined(" ", Content.styled(stage.upper(), "$live bold"))
    parts: list[Content | str] = [" "]
    passed = True
    for each in path:
        if len(parts) > 1:
            parts.append(Content.styled(" → ", "$rule"))
        if each == stage:
            passed = False
            parts.append(Content.styled(each.upper(), "$live bold"))
        else:
            parts.append(Content.styled(each, "$head" if passed else "$dim"))
    return joined(*parts)
