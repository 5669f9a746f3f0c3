"""ADD CONSTRAINT, VALIDATE CONSTRAINT, and what they read.

See https://www.postgresql.org/docs/18/sql-altertable.html#SQL-ALTERTABLE-DESC-ADD-TABLE-CONSTRAINT.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from postgast import pg_query_pb2 as pb

from .. import tree
from ..default_names import free_name
from ..estimate import Tally
from ..locks import LockMode
from ..relation_state import State
from . import foreign_keys
from .family import family, is_taken, leaves, partitions, target

_KEYS: Final = {pb.CONSTR_PRIMARY: "pkey", pb.CONSTR_UNIQUE: "key", pb.CONSTR_EXCLUSION: "excl"}
_RULES: Final = {pb.CONSTR_PRIMARY: "primary key", pb.CONSTR_UNIQUE: "unique", pb.CONSTR_EXCLUSION: "exclude"}


def add(tally: Tally, state: State, node: Any, *, alone: bool, column: str | None = None, filled: bool = False) -> None:
    """Add a constraint to a table, or with a new column (`column`, `filled` by a default) to both."""
    if node.contype == pb.CONSTR_FOREIGN:
        _foreign_key(tally, state, node, alone=alone, new=column is not None, filled=filled)
        return
    if node.contype not in {*_KEYS, pb.CONSTR_CHECK, pb.CONSTR_NOTNULL}:
        return
    members = family(tally.world, state, alone=alone)
    tally.lock(state, LockMode.ACCESS_EXCLUSIVE)
    valid = not node.skip_validation
    if node.contype in _KEYS:
        _key(tally, state, node, alone=alone, column=column)
    elif node.contype == pb.CONSTR_CHECK:
        reached = [state] if node.is_no_inherit else members
        for member in reached:
            tally.lock(member, LockMode.ACCESS_EXCLUSIVE)
            if valid and node.is_enforced:
                tally.scan(member, "check", constraint=node.conname)
    elif column is None:
        _not_null(tally, members, tree.strings(node.keys), valid=valid)
    if tally.version >= 18:
        # every constraint that is added reaches the children first
        for member in members:
            tally.lock(member, LockMode.ACCESS_EXCLUSIVE)


def _not_null(tally: Tally, members: list[State], columns: tuple[str, ...], *, valid: bool) -> None:
    for member in members:
        tally.lock(member, LockMode.ACCESS_EXCLUSIVE)
        if valid and not all(is_never_null(member, column) for column in columns):
            tally.scan(member, "not null", column=columns[0] if columns else None)


def _foreign_key(tally: Tally, state: State, node: Any, *, alone: bool, new: bool, filled: bool) -> None:
    referenced = target(tally, node.pktable)
    valid = not node.skip_validation and node.is_enforced and (not new or filled)
    if referenced is not None:
        foreign_keys.add(tally, state, referenced, tree.strings(node.pk_attrs), valid=valid)
    if tally.version >= 18 and not alone:
        for member in tally.world.descendants(state):
            tally.lock(member, LockMode.SHARE_ROW_EXCLUSIVE)


def _key(tally: Tally, state: State, node: Any, *, alone: bool, column: str | None) -> None:
    """PRIMARY KEY, UNIQUE and EXCLUDE: an index is built on every partition, or one that is there is used."""
    columns = tree.strings(node.keys) or ((column,) if column is not None else ())
    if node.indexname:
        _use_index(tally, state, node)
        return
    primary = node.contype == pb.CONSTR_PRIMARY
    shown = () if primary else (*columns, *tree.strings(node.including))
    if node.contype == pb.CONSTR_EXCLUSION:
        shown = tuple(item.list.items[0].index_elem.name or "expr" for item in node.exclusions)
    if alone and state.kind == "partitioned table":
        return
    nullable = primary and column is None and not all(is_marked(state, key) for key in columns)
    for member in partitions(tally.world, state):
        # a column that is to be NOT NULL is altered in every partition
        tally.lock(member, LockMode.ACCESS_EXCLUSIVE if nullable else LockMode.SHARE)
    for leaf in leaves(tally.world, state):
        named = node.conname if leaf is state else ""
        name = named or free_name(leaf.key[1], shown, _KEYS[node.contype], is_taken(tally.world, leaf))
        tally.build(leaf, name, _RULES[node.contype])
        if primary and column is None and not all(is_never_null(leaf, key) for key in columns):
            tally.scan(leaf, "not null", column=next(key for key in columns if not is_never_null(leaf, key)))


def _use_index(tally: Tally, state: State, node: Any) -> None:
    index = state.indexes.get(node.indexname)
    found = tally.world.relation((state.key[0], node.indexname))
    if found is not None:
        renamed = node.conname and node.conname != node.indexname
        tally.lock(found, LockMode.SHARE_UPDATE_EXCLUSIVE if renamed else LockMode.ACCESS_SHARE)
    nullable = [key for key in (index.columns if index else None) or () if not is_never_null(state, key)]
    if node.contype == pb.CONSTR_PRIMARY and nullable:
        tally.scan(state, "not null", column=nullable[0], constraint=node.indexname)


def is_never_null(state: State, column: str, *, without: Collection[str] = ()) -> bool:
    """Whether a validated constraint, `without` those that are being dropped, proves that a column is never null.

    See SET NOT NULL in https://www.postgresql.org/docs/18/sql-altertable.html. From 18 on, a column may be marked by a
    NOT NULL that was not validated.
    """
    found = [c for c in state.constraints.values() if c.name not in without]
    if any(c.type == "c" and c.validated and column in c.proves for c in found):
        return True
    return is_marked(state, column)


def is_marked(state: State, column: str) -> bool:
    """Whether a column is NOT NULL already, and was found to be."""
    unproven = any(c.type == "n" and not c.validated and column in c.columns for c in state.constraints.values())
    known = state.columns.get(column)
    return known is not None and known.not_null and not unproven


def set_not_null(tally: Tally, state: State, column: str, *, alone: bool, without: Collection[str] = ()) -> None:
    """SET NOT NULL: the rows are read, unless a constraint proves it; the children only where the parent is not yet.

    `without` names constraints that the same statement drops.
    """
    tally.lock(state, LockMode.ACCESS_EXCLUSIVE)
    if is_marked(state, column):
        return
    for member in family(tally.world, state, alone=alone):
        tally.lock(member, LockMode.ACCESS_EXCLUSIVE)
        if not is_never_null(member, column, without=without):
            tally.scan(member, "not null", column=column)


def validate(tally: Tally, state: State, name: str, *, alone: bool) -> None:
    """VALIDATE CONSTRAINT: reads the rows, unless it is valid already; of a foreign key, both ends."""
    found = state.constraints.get(name)
    if found is None or found.validated:
        return
    if found.type == "f":
        referenced = tally.world.of(found.referenced)
        if referenced is not None:
            foreign_keys.check(tally, state, referenced, constraint=name, rule="validate")
        return
    for member in family(tally.world, state, alone=alone or found.no_inherit):
        inherited = member.constraints.get(name)
        if inherited is None or not inherited.validated:
            tally.lock(member, LockMode.SHARE_UPDATE_EXCLUSIVE)
            tally.scan(member, "validate", constraint=name)
