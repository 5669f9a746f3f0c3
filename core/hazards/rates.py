"""How large a table is and how long work on it takes, in words.

The rates are those of a plain cloud volume that moves 125 MB/s, with nothing in memory. A scan reads every byte once.
A rewrite reads it, writes it and writes it again to the log. An index build reads the table, sorts, and writes less.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..relation_state import State
from ..touches import WorkKind
from ..world import World

MEGABYTE: Final = 1_000_000
# bytes in a second
RATES: Final = {WorkKind.SCAN: 125 * MEGABYTE, WorkKind.REWRITE: 40 * MEGABYTE, WorkKind.BUILD: 60 * MEGABYTE}


def size_of(*states: State) -> str:
    """Return rows and size of one or more tables by the planner's figures."""
    relations = [state.relation for state in states if state.relation is not None]
    if not relations:
        return "new"
    if any(relation.rows < 0 for relation in relations):
        rows = "an unknown number of rows"
    else:
        rows = f"about {sum(relation.rows for relation in relations):,.0f} rows"
    size = float(sum(max(relation.bytes, 0) for relation in relations))
    return f"{rows}, {_amount(size)}" if size else rows


def _amount(size: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if size < 1024 or unit == "TB":
            return f"{size:,.0f} {unit}"
        size /= 1024
    raise AssertionError(size)


def seconds_of(kind: WorkKind, states: Sequence[State], world: World) -> float | None:
    """Return how long the work takes at the stated rate, None where a size is not known."""
    relations = [state.relation for state in states if state.relation is not None]
    if not relations or any(relation.rows < 0 or relation.bytes <= 0 for relation in relations):
        return None
    size = sum(relation.bytes for relation in relations)
    if kind is WorkKind.REWRITE:
        size += sum(_indexes(state, world) for state in states)
    return size / RATES[kind]


def _indexes(state: State, world: World) -> int:
    found = [world.relation((state.key[0], name)) for name in state.indexes]
    return sum(max(it.relation.bytes, 0) for it in found if it is not None and it.relation is not None)


def duration(kind: WorkKind, seconds: float | None) -> str:
    """Return the estimate as a sentence's end; empty where there is none."""
    if seconds is None:
        return ""
    rate = f"at {RATES[kind] // MEGABYTE} MB/s"
    if seconds < 1:
        return f", less than a second {rate}"
    if seconds < 100:
        return f", about {seconds:.0f} s {rate}"
    if seconds < 6000:
        return f", about {seconds / 60:.0f} min {rate}"
    return f", about {seconds / 3600:.1f} h {rate}"
