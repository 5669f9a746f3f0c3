"""ALTER COLUMN TYPE: whether the rows are written anew, and what is made anew that depends on the column.

See https://www.postgresql.org/docs/18/sql-altertable.html#SQL-ALTERTABLE-NOTES. Even where the rows stay as they are,
an index on an expression or with a predicate is built again, a CHECK that mentions the column is verified again, and a
foreign key is made again, which locks the other table.
"""

from __future__ import annotations

from typing import Any

from .. import tree
from ..catalog_objects import Column, Constraint, Index
from ..estimate import Tally
from ..locks import LockMode
from ..relation_state import State
from ..touches import Work, WorkKind
from ..type_changes import keeps_rows, same_operators
from ..typenames import TypeUse, type_of
from ..world import World
from . import foreign_keys
from .family import family, lock_all, partitions


def change(tally: Tally, state: State, command: Any, *, alone: bool) -> None:
    """ALTER COLUMN ... TYPE, on the table and all that is below it."""
    definition = getattr(command, "def").column_def
    use = type_of(definition.type_name)
    for member in family(tally.world, state, alone=alone):
        tally.lock(member, LockMode.ACCESS_EXCLUSIVE)
        column = member.columns.get(command.name)
        if column is None:
            continue
        using = definition.raw_default if definition.HasField("raw_default") else None
        rewritten = use is None or _is_rewritten(tally.world, column, use, using)
        collation = _collation(definition)
        if rewritten:
            work = Work(kind=WorkKind.REWRITE, rule="type", column=command.name, type=use)
            tally.rewrite(member, "type", work=work)
        recollated = collation != column.collation
        new = tally.world.base_text(use) if use is not None else ""
        _indexes(tally, member, column, new, rewritten=rewritten, recollated=recollated)
        _constraints(tally, member, command.name, rewritten=rewritten)
        for sequence in tally.world.sequences(member, command.name):
            mode = LockMode.SHARE_ROW_EXCLUSIVE if column.identity else LockMode.ACCESS_SHARE
            if column.identity or tally.version >= 18:
                tally.lock(sequence, mode)


def _collation(definition: Any) -> str:
    if not definition.HasField("coll_clause"):
        return ""
    name = tree.strings(definition.coll_clause.collname)
    return "" if name[-1] == "default" else name[-1]


def _is_rewritten(world: World, column: Column, use: TypeUse, using: Any) -> bool:
    """Whether an expression has to be worked out for each row, because the bytes may change."""
    same = world.type_text(use) == column.type
    if not same and world.is_constrained_domain(use):
        return True
    wanted = world.base_text(use)
    steps = [wanted]
    if using is not None:
        casts = _casts(using, column.name)
        if casts is None:
            return True
        steps = [*(world.base_text(cast) for cast in casts), wanted]
        if any(world.is_constrained_domain(cast) for cast in casts):
            return True
    utc = world.catalog.settings.get("TimeZone", "").upper() in {"UTC", "ETC/UTC", "GMT", "ETC/GMT", "UCT", "ZULU"}
    before = wanted if same else world.bytes_of(column)
    for after in steps:
        if not keeps_rows(before, after, utc=utc, binary=world.catalog.binary_casts):
            return True
        before = after
    return False


def _casts(using: Any, column: str) -> list[TypeUse] | None:
    """Return the types that USING casts the column to, one after the other; None where it does anything else."""
    casts: list[TypeUse] = []
    node = using
    while tree.kind(node) == "type_cast":
        use = type_of(node.type_cast.type_name)
        if use is None:
            return None
        casts.append(use)
        node = node.type_cast.arg
    if tree.kind(node) != "column_ref":
        return None
    name = tree.column_names(node.column_ref)
    return casts[::-1] if name is not None and name[-1] == column else None


def _indexes(tally: Tally, state: State, column: Column, new: str, *, rewritten: bool, recollated: bool) -> None:
    """Make the indexes of the column anew; without work where old and new type are ordered by the same operators."""
    for name, index in state.indexes.items():
        found = tally.world.relation((state.key[0], name))
        if column.name not in index.touched or found is None:
            continue
        tally.lock(found, LockMode.ACCESS_EXCLUSIVE)
        if not rewritten and (recollated or _is_rebuilt(tally.world, index, column, new)):
            tally.build(state, name, "rebuild")


def _is_rebuilt(world: World, index: Index, column: Column, new: str) -> bool:
    if index.mentioned or index.partial or index.columns is None:
        return True
    return not same_operators(world.bytes_of(column), new)


def _constraints(tally: Tally, state: State, column: str, *, rewritten: bool) -> None:
    for found in state.constraints.values():
        if found.type == "c" and column in found.columns and found.validated:
            tally.scan(state, "check", column=column, constraint=found.name)
        elif found.type == "f" and column in found.columns:
            _key(tally, state, found, rewritten=rewritten)
    for table, key in tally.world.referencing(state):
        if column in key.references and table is not state:
            lock_all(tally, [table, *partitions(tally.world, table)], LockMode.ACCESS_EXCLUSIVE)
            if rewritten and key.validated:
                tally.scan(table, "foreign key", constraint=key.name)


def _key(tally: Tally, state: State, key: Constraint, *, rewritten: bool) -> None:
    foreign_keys.loosen(tally, [key])
    other = tally.world.of(key.referenced)
    if other is not None:
        for one in (other, *partitions(tally.world, other)):
            foreign_keys.look_up(tally, one, key.references if one is other else ())
    if rewritten and key.validated and other is not None:
        foreign_keys.check(tally, state, other, constraint=key.name)
