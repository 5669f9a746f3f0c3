"""Whether a validated CHECK proves that all rows of a table are within the bounds of a partition, or outside."""

from __future__ import annotations

from typing import Any

from ..relation_state import State
from ..world import World


def is_proven(_world: World, _parent: State, _child: State, _leaf: State, _bound: Any) -> bool:
    """Whether the constraints of a table that is attached imply the bound."""
    return False


def is_excluded(_world: World, _parent: State, _leaf: State, _bound: Any) -> bool:
    """Whether the constraints of the DEFAULT partition imply that none of its rows is within the bound."""
    return False
