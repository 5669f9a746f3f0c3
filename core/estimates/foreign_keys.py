"""Foreign keys lock both ends: the table that has one, and the table that it references.

See https://www.postgresql.org/docs/18/sql-altertable.html#SQL-ALTERTABLE-NOTES; measured on PostgreSQL 13 to 18.
"""

from __future__ import annotations

from typing import Final

from ..catalog_objects import Constraint
from ..estimate import Tally
from ..locks import LockMode
from ..relation_state import State
from .family import leaves, lock_all, partitions

# The minor release since which a new foreign key opens the index that its keys are looked up in, by major version.
_OPENED_SINCE: Final = {14: 25, 15: 20, 16: 16, 17: 12, 18: 6}


def reference(tally: Tally, referenced: State, columns: tuple[str, ...] = ()) -> None:
    """Lock the table that a new foreign key references (its primary key, or `columns`): its triggers are made there."""
    reached = [referenced, *partitions(tally.world, referenced)]
    lock_all(tally, reached, LockMode.SHARE_ROW_EXCLUSIVE)
    for one in reached:
        look_up(tally, one, columns)


def look_up(tally: Tally, referenced: State, columns: tuple[str, ...]) -> None:
    """Open the index in which a foreign key looks its keys up, as newer minor releases do."""
    version = tally.world.catalog.server.version_num
    if version < 140000 or version % 10000 < _OPENED_SINCE.get(version // 10000, 0):
        return
    for key in referenced.constraints.values():
        if key.type == "p" if not columns else key.type in {"p", "u"} and set(key.columns) == set(columns):
            index = tally.world.relation((referenced.key[0], key.name))
            if index is not None:
                tally.lock(index, LockMode.ACCESS_SHARE)
            return


def add(tally: Tally, state: State, referenced: State, columns: tuple[str, ...], *, valid: bool) -> None:
    """ADD FOREIGN KEY: both tables and their partitions; all rows of both are read unless it is NOT VALID."""
    lock_all(tally, [state, *partitions(tally.world, state)], LockMode.SHARE_ROW_EXCLUSIVE)
    reference(tally, referenced, columns)
    if valid:
        check(tally, state, referenced)


def check(tally: Tally, state: State, referenced: State, *, constraint: str = "", rule: str = "foreign key") -> None:
    """Read the rows of both ends, by a query that joins them."""
    tally.lock(referenced, LockMode.ROW_SHARE)
    for one in (*leaves(tally.world, state), referenced, *partitions(tally.world, referenced)):
        tally.plan(one, LockMode.ACCESS_SHARE)
    for one in (*leaves(tally.world, state), *leaves(tally.world, referenced)):
        tally.scan(one, rule, constraint=constraint)


def loosen(tally: Tally, keys: list[Constraint]) -> None:
    """Drop foreign keys, or make them anew: their triggers are on the other table, too.

    What a partition has from its partitioned table is not dropped by itself.
    """
    for key in keys:
        if key.type == "f" and key.referenced and not key.inherited:
            other = tally.world.of(key.referenced)
            if other is not None:
                lock_all(tally, [other, *partitions(tally.world, other)], LockMode.ACCESS_EXCLUSIVE)


def cut(tally: Tally, state: State, columns: frozenset[str] | None = None, *, index: int = 0) -> None:
    """Drop the foreign keys to a table, all or those to some of its columns or through one of its indexes."""
    for table, key in tally.world.referencing(state):
        named = columns is None or bool(columns.intersection(key.references))
        if table is not state and named and index in {0, key.index} and not key.inherited:
            lock_all(tally, [table, *partitions(tally.world, table)], LockMode.ACCESS_EXCLUSIVE)
