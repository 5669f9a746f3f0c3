"""Data that is lost: quick to do, and not to be taken back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from postgast import pg_query_pb2 as pb

from .. import tree
from ..names import quote
from ..relation_state import State
from . import safe
from .case import Case
from .locks import bounded
from .rule import SEVERE, WARNING, Danger, Example, rule
from .schemas import DEPENDENTS, EMPTY, PLATFORM

_ALTER: Final = "sql-altertable.html"


@rule(
    id="drop-column",
    severity=SEVERE,
    undoes=True,
    title="Dropping a column loses its values",
    why="They cannot be had back, not by a revert script either. An application that still names the column fails, and "
    "so do prepared SELECT * statements.",
    safe="First a release of the application that does not name it, then the migration. Where in doubt, rename it "
    "first.",
    manual="sql-altertable.html#SQL-ALTERTABLE-DESC-DROP-COLUMN",
    bad=(Example(schema=PLATFORM, migration="ALTER TABLE donations DROP COLUMN note;"),),
    good=(
        Example(schema=EMPTY, migration="ALTER TABLE donations DROP COLUMN note;"),
        Example(schema=PLATFORM, migration="ALTER TABLE donations DROP COLUMN IF EXISTS no_such_column;"),
        Example(
            schema=PLATFORM, migration="ALTER TABLE donations ADD COLUMN x int;\nALTER TABLE donations DROP COLUMN x;"
        ),
    ),
)
def drop_column(case: Case) -> Iterable[Danger]:
    """ALTER TABLE ... DROP COLUMN."""
    for command in case.commands(pb.AT_DropColumn):
        relation = command.state.relation
        if relation is None or str(command.column) not in case.world.catalog.columns_of(relation.oid):
            continue
        name = quote(str(command.column))
        yield Danger(
            relation=command.table,
            text=f"Loses the values of {name} in {command.table} ({case.size(command.state)}).",
        )


@rule(
    id="drop-column-takes-constraint",
    severity=WARNING,
    title="Dropping a column takes constraints and indexes along",
    why="Without a word, DROP COLUMN drops the unique, primary and foreign keys and the indexes that the column is "
    "part "
    "of, those over several columns too.",
    safe="Drop them in statements of their own, so that everybody sees it, and make what replaces them first.",
    manual="sql-altertable.html#SQL-ALTERTABLE-DESC-DROP-COLUMN",
    bad=(Example(schema=PLATFORM, migration="ALTER TABLE donations DROP COLUMN user_id;"),),
    good=(Example(schema=PLATFORM, migration="ALTER TABLE donations DROP COLUMN note;"),),
)
def drop_column_takes_constraint(case: Case) -> Iterable[Danger]:
    """DROP COLUMN of a column that is part of a key or an index."""
    for command in case.commands(pb.AT_DropColumn):
        keys = [c.name for c in command.state.constraints.values() if c.type in "pufx" and command.column in c.columns]
        indexes = [i.name for i in command.state.indexes.values() if command.column in (i.columns or ())]
        names = list(dict.fromkeys([*keys, *indexes]))
        if names:
            yield Danger(
                relation=command.table,
                text=f"Drops {', '.join(map(quote, names))} of {command.table} ({case.size(command.state)}) as well.",
            )


@rule(
    id="drop-table",
    severity=SEVERE,
    undoes=True,
    title="Dropping a table loses its rows",
    why="They cannot be had back, not by a revert script either, and an application that still names it fails.",
    safe="Rename it first, and drop it once nobody has missed it; a dump before that.",
    manual="sql-droptable.html",
    bad=(Example(schema=PLATFORM, migration="DROP TABLE donations;"),),
    good=(
        Example(schema=EMPTY, migration="DROP TABLE donations;"),
        Example(schema=PLATFORM, migration="CREATE TABLE draft (a int); DROP TABLE draft;"),
        Example(schema=DEPENDENTS, migration="DROP MATERIALIZED VIEW totals;"),
    ),
)
def drop_table(case: Case) -> Iterable[Danger]:
    """DROP TABLE."""
    for name, _ in case.dropped(pb.OBJECT_TABLE):
        state = case.filled(name)
        if state is not None:
            gone = quote(f"{state.key[1]}_gone")
            yield Danger(
                relation=state.qualified,
                text=f"Loses the rows of {state.qualified} ({case.size(state)}).",
                instead=f"ALTER TABLE {state.qualified} RENAME TO {gone};\n-- and drop it in a later migration",
            )


@rule(
    id="truncate",
    severity=SEVERE,
    undoes=True,
    title="TRUNCATE loses all rows",
    why="Under ACCESS EXCLUSIVE, and with CASCADE those of every table that references it. Triggers on DELETE do "
    "not fire.",
    safe="DELETE in batches, where it is not meant to be everything at once.",
    manual="sql-truncate.html",
    bad=(Example(schema=PLATFORM, migration="TRUNCATE donations;"),),
    good=(
        Example(schema=EMPTY, migration="TRUNCATE donations;"),
        Example(schema="", migration="CREATE TABLE t (a int); INSERT INTO t VALUES (1); TRUNCATE t;"),
    ),
)
def truncate(case: Case) -> Iterable[Danger]:
    """TRUNCATE of a table with rows."""
    for node in case.of("truncate_stmt"):
        for item in node.relations:
            state = case.filled(tree.parts(item.range_var))
            if state is not None:
                more = ", and those of every table that references it" if node.behavior == pb.DROP_CASCADE else ""
                yield Danger(
                    relation=state.qualified,
                    text=f"Loses the rows of {state.qualified} ({case.size(state)}){more}, under ACCESS EXCLUSIVE.",
                )


@rule(
    id="drop-schema",
    severity=SEVERE,
    undoes=True,
    title="DROP SCHEMA ... CASCADE loses everything in it",
    why="Every table, view, type and function of the schema is dropped, and what depends on them elsewhere.",
    safe="Drop the objects one by one; DROP SCHEMA without CASCADE then shows that nothing was forgotten.",
    manual="sql-dropschema.html",
    bad=(
        Example(
            schema="CREATE SCHEMA old; CREATE TABLE old.notes AS SELECT 1 AS a;", migration="DROP SCHEMA old CASCADE;"
        ),
    ),
    good=(
        Example(schema="CREATE SCHEMA old;", migration="DROP SCHEMA old;"),
        Example(schema="CREATE SCHEMA old;", migration="DROP SCHEMA old CASCADE;"),
    ),
)
def drop_schema(case: Case) -> Iterable[Danger]:
    """DROP SCHEMA ... CASCADE of one that is not empty."""
    for name, node in case.dropped(pb.OBJECT_SCHEMA):
        inside = [r for (schema, _), r in case.world.catalog.relations.items() if schema == name[-1]]
        tables = [r for r in inside if r.kind in {"table", "partitioned table", "materialized view", "view"}]
        if tables and node.behavior == pb.DROP_CASCADE:
            yield Danger(
                relation=quote(name[-1]),
                text=f"Drops {len(tables)} tables and views of the schema {quote(name[-1])}, with all rows.",
            )


@rule(
    id="drop-database",
    severity=SEVERE,
    title="DROP DATABASE loses a database",
    why="It cannot be had back but from a backup.",
    safe="Not in a migration.",
    manual="sql-dropdatabase.html",
    bad=(Example(schema="", migration="-- changeover: transaction=off\nDROP DATABASE other;"),),
    good=(Example(schema="", migration="SELECT 1;"),),
)
def drop_database(case: Case) -> Iterable[Danger]:
    """DROP DATABASE."""
    for node in case.of("dropdb_stmt"):
        yield Danger(relation=quote(node.dbname), text=f"Loses the database {quote(node.dbname)}.")


@rule(
    id="drop-owned",
    severity=SEVERE,
    title="DROP OWNED drops everything of a role",
    why="Tables with their rows, views, functions: whatever the role owns in this database, and its rights.",
    safe="REASSIGN OWNED first, then DROP OWNED for what is left: the rights.",
    manual="sql-drop-owned.html",
    bad=(Example(schema=PLATFORM, migration="DROP OWNED BY CURRENT_USER;"),),
    good=(Example(schema=PLATFORM, migration="REASSIGN OWNED BY CURRENT_USER TO CURRENT_USER;"),),
)
def drop_owned(case: Case) -> Iterable[Danger]:
    """DROP OWNED BY."""
    for node in case.of("drop_owned_stmt"):
        names = [quote(i.role_spec.rolename) if i.role_spec.rolename else "the current role" for i in node.roles]
        yield Danger(relation=", ".join(names), text=f"Drops everything that {', '.join(names)} owns in this database.")


@rule(
    id="drop-cascade",
    severity=SEVERE,
    undoes=True,
    title="CASCADE drops what the statement does not name",
    why="Views, foreign keys, triggers, columns: whatever depends on the object goes with it, and is only told by a "
    "notice while it happens.",
    safe="Drop what depends on it in statements of their own; without CASCADE the server refuses what was forgotten.",
    manual="ddl-depend.html",
    bad=(
        Example(schema=PLATFORM, migration="DROP TABLE users CASCADE;"),
        Example(schema=DEPENDENTS, migration="ALTER TABLE prices DROP COLUMN title CASCADE;"),
        Example(schema=PLATFORM, migration="ALTER TABLE users DROP CONSTRAINT users_pkey CASCADE;"),
    ),
    good=(
        Example(schema=PLATFORM, migration="DROP TABLE donations CASCADE;"),
        Example(schema=DEPENDENTS, migration="DROP VIEW cheap CASCADE;"),
    ),
)
def drop_cascade(case: Case) -> Iterable[Danger]:
    """DROP ... CASCADE of a relation, column or constraint that something depends on."""
    found: list[tuple[State, str | None]] = []
    for name, node in case.dropped(pb.OBJECT_TABLE, pb.OBJECT_VIEW, pb.OBJECT_MATVIEW, pb.OBJECT_FOREIGN_TABLE):
        state = case.there(name)
        if node.behavior == pb.DROP_CASCADE and state is not None:
            found.append((state, None))
    found.extend(
        (command.state, str(command.column))
        for command in case.commands(pb.AT_DropColumn)
        if command.cmd.behavior == pb.DROP_CASCADE
    )
    for command in case.commands(pb.AT_DropConstraint):
        constraint = command.state.constraints.get(command.cmd.name)
        if command.cmd.behavior == pb.DROP_CASCADE and constraint is not None and constraint.type in "pu":
            found.append((command.state, constraint.columns[0] if len(constraint.columns) == 1 else None))
    for state, column in found:
        others = [*case.dependents(state, column, typed=False)]
        if others:
            yield Danger(relation=state.qualified, text=f"Drops {', '.join(others)} as well.")


@rule(
    id="unbounded-delete",
    severity=SEVERE,
    undoes=True,
    title="DELETE without WHERE loses all rows",
    why="Every row is deleted in one transaction, and its locks are held until the end.",
    safe="A WHERE; or batches, each in a transaction of its own.",
    manual="sql-delete.html",
    bad=(Example(schema=PLATFORM, migration="DELETE FROM donations;"),),
    good=(
        Example(schema=PLATFORM, migration="DELETE FROM donations WHERE id < 100;"),
        Example(schema=EMPTY, migration="DELETE FROM donations;"),
    ),
)
def unbounded_delete(case: Case) -> Iterable[Danger]:
    """DELETE without WHERE."""
    for node in case.of("delete_stmt"):
        state = case.filled(tree.parts(node.relation))
        if state is not None and not node.HasField("where_clause") and not node.using_clause:
            yield Danger(
                relation=state.qualified,
                text=f"Loses every row of {state.qualified} ({case.size(state)}), in one transaction.",
            )


@rule(
    id="unbounded-update",
    severity=WARNING,
    title="UPDATE or DELETE of many rows in one transaction",
    why="Every row that it changes stays locked until the transaction ends: who writes to one of them waits. The "
    "old row "
    "versions stay too, and the table grows by as much.",
    safe="Batches by key, each in a transaction of its own.",
    manual="mvcc.html",
    bad=(
        Example(schema=PLATFORM, migration="UPDATE donations SET state = 'settled';"),
        Example(schema=PLATFORM, migration="UPDATE donations SET state = 'settled' WHERE state = 'received';"),
        Example(schema=PLATFORM, migration="DELETE FROM donations WHERE cents < 5;"),
    ),
    good=(
        Example(schema=PLATFORM, migration="UPDATE donations SET state = 'settled' WHERE id = 7;"),
        Example(schema=PLATFORM, migration="UPDATE donations SET state = 'settled' WHERE id BETWEEN 1 AND 5000;"),
        Example(
            schema=PLATFORM,
            migration="DELETE FROM donations WHERE id IN (SELECT id FROM donations WHERE cents < 5 LIMIT 1000);",
        ),
    ),
)
def unbounded_update(case: Case) -> Iterable[Danger]:
    """UPDATE or DELETE that no key and no LIMIT holds down."""
    for kind in ("update_stmt", "delete_stmt"):
        for node in case.of(kind):
            state = case.filled(tree.parts(node.relation))
            whole = kind == "delete_stmt" and not node.HasField("where_clause") and not node.using_clause
            if state is not None and not whole and not bounded(case, node):
                yield Danger(
                    relation=state.qualified,
                    text=(
                        f"May change every row of {state.qualified} ({case.size(state)}), and keeps those that it "
                        f"changes "
                        "locked until the transaction ends."
                    ),
                    instead=_batch(state, node, kind),
                )


def _batch(state: State, node: Any, kind: str) -> str:
    """Return the statement with a bound on the primary key."""
    key = next((c.columns[0] for c in state.constraints.values() if c.type == "p" and len(c.columns) == 1), None)
    text = safe.sql_of(kind, node).removesuffix(";")
    if key is None or not text:
        return ""
    joint = " AND" if node.HasField("where_clause") else " WHERE"
    tail = "" if not node.returning_clause.ByteSize() else "-- "
    return f"-- in batches, each in a transaction of its own:\n{tail}{text}{joint} {quote(key)} BETWEEN 1 AND 5000;"


RULES: Final = (
    drop_column,
    drop_column_takes_constraint,
    drop_table,
    truncate,
    drop_schema,
    drop_database,
    drop_owned,
    drop_cascade,
    unbounded_delete,
    unbounded_update,
)
