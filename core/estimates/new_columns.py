"""ADD COLUMN: whether every row is written anew, read, or left as it is.

A constant or stable default is kept in the catalog, one that is volatile is not. See
https://www.postgresql.org/docs/18/sql-altertable.html#SQL-ALTERTABLE-NOTES.
"""

from __future__ import annotations

from typing import Any

from postgast import pg_query_pb2 as pb

from .. import tree
from ..estimate import Tally
from ..locks import LockMode
from ..names import Parts
from ..relation_state import State
from ..typenames import type_of
from ..world import World
from . import constraints, sequences
from .family import family


def add(tally: Tally, state: State, command: Any, *, alone: bool) -> None:
    """ADD COLUMN, on the table and on its partitions and inheriting tables."""
    column = getattr(command, "def").column_def
    members = family(tally.world, state, alone=alone)
    for member in members:
        tally.lock(member, LockMode.ACCESS_EXCLUSIVE)
    if column.colname in state.columns:
        return
    parts = [item.constraint for item in column.constraints]
    kinds = {part.contype for part in parts}
    default = next((part.raw_expr for part in parts if part.contype == pb.CONSTR_DEFAULT), None)
    sequences.asked(tally, default)
    rule = _rewrite(tally.world, column, kinds, default, parts)
    use = type_of(column.type_name) if column.HasField("type_name") else None
    filled = default is not None or bool(use and use.serial) or pb.CONSTR_IDENTITY in kinds
    for member in members:
        if rule:
            tally.rewrite(member, rule, column=column.colname)
        elif kinds & {pb.CONSTR_NOTNULL, pb.CONSTR_PRIMARY} and not filled:
            tally.scan(member, "not null", column=column.colname)
    enforced = pb.CONSTR_ATTR_NOT_ENFORCED not in kinds
    for part in parts:
        if not enforced:
            part.is_enforced = False
        constraints.add(tally, state, part, alone=alone, column=column.colname, filled=filled)


def _rewrite(world: World, column: Any, kinds: set[Any], default: Any, parts: list[Any]) -> str:
    """Return why the rows are written anew, empty where they are not."""
    use = type_of(column.type_name) if column.HasField("type_name") else None
    stored = any(part.contype == pb.CONSTR_GENERATED and part.generated_kind != "v" for part in parts)
    if (use is not None and use.serial) or pb.CONSTR_IDENTITY in kinds or stored:
        return "generated"
    if default is not None and is_volatile(world, default):
        return "default"
    if use is not None and world.is_constrained_domain(use):
        return "domain"
    return ""


def is_volatile(world: World, expression: Any) -> bool:
    """Whether an expression calls a function that may answer something else for each row."""
    return any(world.is_volatile(function) for function in functions_in(expression))


def functions_in(expression: Any) -> tuple[Parts, ...]:
    """Return the functions that an expression calls."""
    return tuple(tree.strings(found.funcname) for found in tree.walk(expression) if isinstance(found, pb.FuncCall))
