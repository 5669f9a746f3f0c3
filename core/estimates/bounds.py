"""Whether a validated CHECK proves that all rows of a table are within the bounds of a partition, or outside.

As the server proves it, for a key of one column of an integer, date, timestamp or text type: from comparisons with
constants, joined by AND and OR. See
https://www.postgresql.org/docs/18/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .. import tree
from ..node_trees import Comparison, Interval, allowed
from ..relation_state import State
from ..world import World
from .constraints import is_never_null

_LEAST: Final = float("-inf")
_MOST: Final = float("inf")
_EPOCH: Final = date(2000, 1, 1)


def is_proven(world: World, parent: State, leaf: State, bound: Any) -> bool:
    """Whether the constraints of a table that is attached imply the bound."""
    column = _key(parent)
    wanted = _intervals(world, parent, column, bound) if column is not None else None
    if column is None or wanted is None or not (_takes_null(bound) or is_never_null(leaf, column)):
        return False
    found = _allowed(leaf, column)
    return found is not None and all(any(_within(one, limit) for limit in wanted) for one in found)


def is_excluded(world: World, parent: State, leaf: State, bound: Any) -> bool:
    """Whether the constraints of the DEFAULT partition imply that none of its rows is within the bound."""
    column = _key(parent)
    wanted = _intervals(world, parent, column, bound) if column is not None else None
    found = _allowed(leaf, column) if column is not None else None
    if wanted is None or found is None:
        return False
    return not any(_meet(one, limit) for one in found for limit in wanted)


def _takes_null(bound: Any) -> bool:
    return any(_is_null(node) for node in bound.listdatums)


def _is_null(node: Any) -> bool:
    return tree.kind(node) == "a_const" and bool(node.a_const.isnull)


def _key(parent: State) -> str | None:
    keys = parent.relation.partition_keys if parent.relation is not None else ()
    return next((c.name for c in parent.columns.values() if keys == (c.number,)), None)


def _allowed(leaf: State, column: str) -> list[Interval] | None:
    """Return where the values of a column may be by the table's CHECKs, None where nothing is said."""
    known = leaf.columns.get(column)
    checks = [c.tree for c in leaf.constraints.values() if c.type == "c" and c.validated and c.tree]
    if known is None or not checks:
        return None
    return allowed(checks, known.number)


def _within(one: Interval, limit: Interval) -> bool:
    return _kind(one) == _kind(limit) and limit[0] <= one[0] and one[1] <= limit[1]


def _meet(one: Interval, limit: Interval) -> bool:
    return _kind(one) != _kind(limit) or (one[0] < limit[1] and limit[0] < one[1])


def _kind(interval: Interval) -> bool:
    return any(isinstance(end[0], str) for end in interval)


def _intervals(world: World, parent: State, column: str, bound: Any) -> list[Interval] | None:
    """Return the values that a bound takes; None where they are not understood."""
    if bound is None or bound.is_default or bound.strategy not in {"r", "l"}:
        return None
    kind = parent.columns[column].type
    if bound.strategy == "r":
        ends = [_value(world, kind, node) for node in (*bound.lowerdatums, *bound.upperdatums)]
        if len(ends) != 2 or ends[0] is None or ends[1] is None:
            return None
        return [((ends[0], 0), (ends[1], 0))]
    values = [_value(world, kind, node) for node in bound.listdatums if not _is_null(node)]
    known = [value for value in values if value is not None]
    return [((value, 0), (value, 1)) for value in known] if len(known) == len(values) else None


def _value(world: World, kind: str, node: Any) -> Comparison | None:
    """Return a constant as the server stores it: of dates the days, of times the microseconds since 2000."""
    while tree.kind(node) == "type_cast":
        node = node.type_cast.arg
    if tree.kind(node) == "column_ref":
        name = tree.column_names(node.column_ref)
        return {"minvalue": _LEAST, "maxvalue": _MOST}.get(name[0]) if name else None
    if tree.kind(node) != "a_const":
        return None
    constant = node.a_const
    text = constant.sval.sval if constant.HasField("sval") else constant.fval.fval if constant.HasField("fval") else ""
    if constant.HasField("ival"):
        text = str(constant.ival.ival)
    try:
        return _stored(world, kind, text)
    except (ValueError, ZoneInfoNotFoundError, OverflowError):
        return None


def _stored(world: World, kind: str, text: str) -> Comparison | None:
    if kind in {"integer", "bigint", "smallint"}:
        return int(text)
    if kind == "text" or kind.startswith("character varying"):
        return text
    if kind == "date":
        return (date.fromisoformat(text) - _EPOCH).days
    if not kind.startswith("timestamp"):
        return None
    moment = datetime.fromisoformat(text)
    if kind.endswith("without time zone"):
        moment = moment.replace(tzinfo=UTC)
    elif moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(world.catalog.settings.get("TimeZone", "UTC")))
    return (moment - datetime(2000, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
