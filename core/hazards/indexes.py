"""Statements that build indexes while nobody can write to the table.

Past 400 lines, since each rule stands with the SQL examples that are its tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from postgast import pg_query_pb2 as pb

from .. import tree
from ..effects_constraints import default_name
from ..estimate import Toil
from ..estimates.constraints import is_never_null
from ..locks import LockMode
from ..names import quote, written
from ..relation_state import State
from ..touches import WorkKind
from . import safe
from .case import Case, Command
from .rates import duration, seconds_of
from .rule import SEVERE, Danger, Example, rule
from .scans import scan
from .schemas import DEPENDENTS, EMPTY, EVENTS, PLATFORM

# REINDEX, its options, and the kind of object
_WHAT: Final = re.compile(r"^(REINDEX (?:\([^)]*\) )?[A-Z]+)")


def build(
    case: Case,
    table: str,
    toils: Sequence[Toil],
    what: str,
    *,
    mode: LockMode,
    instead: str = "",
    complete: bool = False,
) -> Danger:
    """Return the danger of building an index under `mode`; `what` is built."""
    states = list({toil.state.key: toil.state for toil in toils}.values())
    seconds = seconds_of(WorkKind.BUILD, states, case.world)
    waits = "nobody can read or write it" if mode.blocks_reads else "everybody who writes to it waits"
    return Danger(
        relation=table,
        text=(
            f"Reads {table} ({case.size(*states)}) and builds {what} under {mode}: "
            f"{waits} meanwhile{duration(WorkKind.BUILD, seconds)}."
        ),
        instead=instead,
        complete=complete,
        seconds=seconds,
    )


@rule(
    id="scan-create-index",
    severity=SEVERE,
    title="Building an index without CONCURRENTLY stops all writing",
    why="The table is locked in SHARE until the index is built: reading goes on, writing waits.",
    safe="CREATE INDEX CONCURRENTLY, which cannot run inside a transaction. On a partitioned table: on the parent "
    "ONLY, "
    "then CONCURRENTLY on each partition, and ATTACH each.",
    manual="sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY",
    bad=(
        Example(schema=PLATFORM, migration="CREATE INDEX donations_state ON donations (state);"),
        Example(
            schema=PLATFORM,
            migration="CREATE UNIQUE INDEX IF NOT EXISTS odd ON donations (lower(note), id DESC) WHERE cents > 0;",
        ),
        Example(schema=DEPENDENTS, migration="CREATE INDEX totals_cents ON totals (cents);"),
        Example(schema=EVENTS, migration="CREATE INDEX events_user ON events (user_id);"),
    ),
    good=(
        Example(
            schema=PLATFORM,
            migration="-- changeover: transaction=off\nCREATE INDEX CONCURRENTLY donations_state ON donations (state);",
        ),
        Example(schema=PLATFORM, migration="CREATE INDEX IF NOT EXISTS donations_paid ON donations (paid);"),
        Example(schema=EVENTS, migration="CREATE INDEX events_user ON ONLY events (user_id);"),
        Example(schema=EMPTY, migration="CREATE INDEX donations_state ON donations (state);"),
        Example(schema="", migration="CREATE TABLE t (a int); INSERT INTO t VALUES (1); CREATE INDEX t_a ON t (a);"),
    ),
)
def scan_create_index(case: Case) -> Iterable[Danger]:
    """CREATE INDEX without CONCURRENTLY."""
    for node in case.of("index_stmt"):
        name = tree.parts(node.relation)
        state, toils = case.filled(name), case.toils_of(name, WorkKind.BUILD, "index")
        if state is None or node.concurrent or not toils:
            continue
        apart = state.kind == "partitioned table"
        flat = all(child.kind == "table" for child in case.world.children(state))
        instead = _by_partition(case, node, state) if apart else _concurrently(node)
        yield build(
            case, state.qualified, toils, "the index", mode=LockMode.SHARE, instead=instead,
            complete=not apart or flat,
        )  # fmt: skip


def _concurrently(node: Any) -> str:
    copy = safe.copy_of(node)
    copy.concurrent = True
    return safe.OUTSIDE + safe.sql_of("index_stmt", copy)


def _by_partition(case: Case, node: Any, state: State) -> str:
    """Return the three steps on a partitioned table: ONLY the parent, each partition CONCURRENTLY, ATTACH each."""
    only = safe.copy_of(node)
    only.relation.inh = False
    columns = tuple(item.index_elem.name or "expr" for item in node.index_params)
    only.idxname = node.idxname or default_name(state.key[1], columns, "idx")
    steps = [safe.sql_of("index_stmt", only)]
    for leaf in case.stored(state):
        own = safe.copy_of(node)
        own.concurrent, own.idxname = True, default_name(leaf.key[1], columns, "idx")
        own.relation.schemaname, own.relation.relname = leaf.key
        parent, child = (state.key[0], only.idxname), (leaf.key[0], own.idxname)
        steps += [
            f"{safe.APART}{safe.OUTSIDE}{safe.sql_of('index_stmt', own)}",
            f"ALTER INDEX {written(parent)} ATTACH PARTITION {written(child)};",
        ]
    return "\n".join(steps)


@rule(
    id="scan-add-unique",
    severity=SEVERE,
    title="A new UNIQUE constraint builds its index while nobody can use the table",
    why="The index is built under ACCESS EXCLUSIVE: neither reading nor writing goes on.",
    safe="Build the unique index CONCURRENTLY, then add the constraint USING INDEX, which reads nothing.",
    manual="sql-altertable.html#SQL-ALTERTABLE-DESC-ADD-TABLE-CONSTRAINT-USING-INDEX",
    bad=(
        Example(schema=PLATFORM, migration="ALTER TABLE users ADD CONSTRAINT one_email UNIQUE (email);"),
        Example(schema=PLATFORM, migration="ALTER TABLE donations ADD UNIQUE (user_id, paid);"),
        Example(schema=PLATFORM, migration="ALTER TABLE donations ADD COLUMN code text UNIQUE;"),
    ),
    good=(
        Example(
            schema=PLATFORM + "CREATE UNIQUE INDEX one_email ON users (email);",
            migration="ALTER TABLE users ADD CONSTRAINT one_email UNIQUE USING INDEX one_email;",
        ),
        Example(schema=EMPTY, migration="ALTER TABLE donations ADD UNIQUE (paid);"),
    ),
)
def scan_add_unique(case: Case) -> Iterable[Danger]:
    """ADD UNIQUE without USING INDEX, alone or with a new column."""
    return _constraint(case, pb.CONSTR_UNIQUE, "u")


@rule(
    id="scan-add-pk",
    severity=SEVERE,
    title="A new PRIMARY KEY builds its index while nobody can use the table",
    why="The index is built under ACCESS EXCLUSIVE, and every row is read once more where a column may be null.",
    safe="Make the columns NOT NULL the safe way, build the unique index CONCURRENTLY, then add the key USING INDEX.",
    manual="sql-altertable.html#SQL-ALTERTABLE-DESC-ADD-TABLE-CONSTRAINT-USING-INDEX",
    bad=(
        Example(
            schema="CREATE TABLE notes AS SELECT n AS id FROM generate_series(1, 200) AS n;",
            migration="ALTER TABLE notes ADD PRIMARY KEY (id);",
        ),
        Example(
            schema="CREATE TABLE notes (id bigint NOT NULL); INSERT INTO notes SELECT n FROM generate_series(1, "
            "200) AS n;",
            migration="ALTER TABLE notes ADD CONSTRAINT notes_key PRIMARY KEY (id);",
        ),
    ),
    good=(
        Example(
            schema="CREATE TABLE notes (id bigint NOT NULL); INSERT INTO notes SELECT n FROM generate_series(1, "
            "200) AS n;"
            "CREATE UNIQUE INDEX notes_id ON notes (id);",
            migration="ALTER TABLE notes ADD PRIMARY KEY USING INDEX notes_id;",
        ),
        Example(
            schema="CREATE TABLE notes (id bigint);", migration="ALTER TABLE notes ADD PRIMARY KEY (id);", since=14
        ),
    ),
)
def scan_add_pk(case: Case) -> Iterable[Danger]:
    """ADD PRIMARY KEY without USING INDEX."""
    return _constraint(case, pb.CONSTR_PRIMARY, "p")


def _constraint(case: Case, contype: int, kind: str) -> Iterable[Danger]:
    word = "the index of the primary key" if kind == "p" else "the index of the constraint"
    for command, constraint in case.added_constraints(contype):
        toils = case.toils_of(command.name, WorkKind.BUILD, "primary key" if kind == "p" else "unique")
        if constraint.indexname or not toils:
            continue
        inline = command.constraint is None
        columns = (str(command.column),) if inline else tree.strings(constraint.keys)
        steps = [safe.alter(command, safe.new_column(command, without=(contype,)))] if inline else []
        if kind == "p":
            steps += [
                safe.never_null(command.table, command.state.key[1], column, case.version)
                for column in columns
                if not is_never_null(command.state, column)
            ]
        steps.append(_using_index(command, constraint, columns, kind))
        yield build(
            case, command.table, toils, word, mode=LockMode.ACCESS_EXCLUSIVE, instead="\n".join(steps),
            complete=command.state.kind != "partitioned table",
        )  # fmt: skip


def _using_index(command: Command, constraint: Any, columns: tuple[str, ...], kind: str) -> str:
    """Return the two steps: the unique index, and the constraint that takes it over."""
    name = constraint.conname or default_name(command.state.key[1], columns, kind)
    index = pb.IndexStmt(
        idxname=name,
        access_method="btree",
        unique=True,
        concurrent=True,
        nulls_not_distinct=constraint.nulls_not_distinct,
    )
    index.relation.CopyFrom(command.node.relation)
    for column in columns:
        index.index_params.append(_element(column))
    for column in tree.strings(constraint.including):
        index.index_including_params.append(_element(column))
    if constraint.indexspace:
        index.table_space = constraint.indexspace
    index.options.extend(constraint.options)
    using = pb.Constraint(
        contype=constraint.contype, conname=name, indexname=name, deferrable=constraint.deferrable,
        initdeferred=constraint.initdeferred,
    )  # fmt: skip
    return (
        f"{safe.APART}{safe.OUTSIDE}{safe.sql_of('index_stmt', index)}\n"
        f"{safe.APART}{safe.alter(command, safe.add_constraint(using))}"
    )


def _element(column: str) -> pb.Node:
    plain = pb.IndexElem(name=column, ordering=pb.SORTBY_DEFAULT, nulls_ordering=pb.SORTBY_NULLS_DEFAULT)
    return pb.Node(index_elem=plain)


@rule(
    id="scan-pk-using-nullable-index",
    severity=SEVERE,
    title="A PRIMARY KEY over a column that may be null reads the whole table",
    why="USING INDEX builds nothing, but a column that is not yet NOT NULL is made so: every row is read under ACCESS "
    "EXCLUSIVE.",
    safe="Make the column NOT NULL the safe way first.",
    manual="sql-altertable.html#SQL-ALTERTABLE-DESC-ADD-TABLE-CONSTRAINT-USING-INDEX",
    bad=(
        Example(
            schema="CREATE TABLE notes AS SELECT n AS id FROM generate_series(1, 200) AS n;"
            "CREATE UNIQUE INDEX notes_id ON notes (id);",
            migration="ALTER TABLE notes ADD PRIMARY KEY USING INDEX notes_id;",
        ),
    ),
    good=(
        Example(
            schema="CREATE TABLE notes (id bigint NOT NULL); INSERT INTO notes SELECT n FROM generate_series(1, "
            "200) AS n;"
            "CREATE UNIQUE INDEX notes_id ON notes (id);",
            migration="ALTER TABLE notes ADD PRIMARY KEY USING INDEX notes_id;",
        ),
    ),
)
def scan_pk_using_nullable_index(case: Case) -> Iterable[Danger]:
    """ADD PRIMARY KEY USING INDEX with a nullable column in it."""
    for command in case.commands(pb.AT_AddConstraint):
        constraint = command.constraint
        index = command.state.indexes.get(constraint.indexname)
        if constraint.contype != pb.CONSTR_PRIMARY or index is None:
            continue
        nullable = [column for column in index.columns or () if not is_never_null(command.state, column)]
        if nullable:
            toils = case.toils_of(command.name, WorkKind.SCAN, "not null")
            first = [safe.never_null(command.table, command.state.key[1], c, case.version) for c in nullable]
            yield scan(
                case, command.table, toils,
                f"to see that {', '.join(map(quote, nullable))} is never null", mode=LockMode.ACCESS_EXCLUSIVE,
                instead="\n".join([*first, f"{safe.APART}{safe.alter(command, command.cmd)}"]), complete=True,
            )  # fmt: skip


@rule(
    id="scan-exclude",
    severity=SEVERE,
    title="An exclusion constraint builds its index while nobody can use the table",
    why="The index is built, and every row held against all others, under ACCESS EXCLUSIVE. There is no NOT VALID and "
    "no USING INDEX for it.",
    safe="There is no way online on a table with rows: a new table with the constraint, filled in batches, or a "
    "maintenance window.",
    manual="sql-createtable.html#SQL-CREATETABLE-EXCLUDE",
    bad=(
        Example(
            schema=PLATFORM, migration="ALTER TABLE donations ADD CONSTRAINT once EXCLUDE USING btree (id WITH =);"
        ),
    ),
    good=(
        Example(schema=EMPTY, migration="ALTER TABLE donations ADD CONSTRAINT once EXCLUDE USING btree (id WITH =);"),
    ),
)
def scan_exclude(case: Case) -> Iterable[Danger]:
    """ADD CONSTRAINT ... EXCLUDE."""
    for command in case.commands(pb.AT_AddConstraint):
        toils = case.toils_of(command.name, WorkKind.BUILD, "exclude")
        if command.constraint.contype == pb.CONSTR_EXCLUSION and toils:
            yield build(case, command.table, toils, "the index of the constraint", mode=LockMode.ACCESS_EXCLUSIVE)


@rule(
    id="scan-refresh-matview",
    severity=SEVERE,
    title="REFRESH MATERIALIZED VIEW keeps readers out",
    why="The view is written anew under ACCESS EXCLUSIVE. CONCURRENTLY lets readers go on; it needs a unique index "
    "over "
    "all rows of the view.",
    safe="REFRESH MATERIALIZED VIEW CONCURRENTLY.",
    manual="sql-refreshmaterializedview.html",
    bad=(Example(schema=DEPENDENTS, migration="REFRESH MATERIALIZED VIEW totals;"),),
    good=(
        Example(schema=DEPENDENTS, migration="REFRESH MATERIALIZED VIEW CONCURRENTLY totals;"),
        Example(
            schema=DEPENDENTS,
            migration="CREATE MATERIALIZED VIEW more AS SELECT id FROM prices; REFRESH MATERIALIZED VIEW more;",
        ),
    ),
)
def scan_refresh_matview(case: Case) -> Iterable[Danger]:
    """REFRESH MATERIALIZED VIEW without CONCURRENTLY."""
    for node in case.of("refresh_mat_view_stmt"):
        state = case.filled(tree.parts(node.relation))
        if state is None or node.concurrent:
            continue
        copy = safe.copy_of(node)
        copy.concurrent = True
        unique = any(i.unique and i.valid and not i.partial and i.columns is not None for i in state.indexes.values())
        first = "" if unique else f"-- first a unique index over plain columns of {state.qualified}\n"
        seconds = seconds_of(WorkKind.REWRITE, [state], case.world)
        yield Danger(
            relation=state.qualified,
            text=(
                f"Runs the query of {state.qualified} ({case.size(state)}) and writes the view anew under ACCESS "
                "EXCLUSIVE: nobody can read it until the query is done."
            ),
            instead=first + safe.sql_of("refresh_mat_view_stmt", copy),
            complete=unique and not node.skip_data,
            seconds=seconds,
        )


@rule(
    id="scan-reindex",
    severity=SEVERE,
    title="REINDEX without CONCURRENTLY stops writing, and most reading",
    why="The table is locked in SHARE and the index in ACCESS EXCLUSIVE. The planner opens every index of a table, so "
    "nearly every query on it waits.",
    safe="REINDEX CONCURRENTLY, which cannot run inside a transaction.",
    manual="sql-reindex.html#SQL-REINDEX-CONCURRENTLY",
    bad=(
        Example(schema=PLATFORM, migration="REINDEX INDEX donations_paid;"),
        Example(schema=PLATFORM, migration="REINDEX TABLE donations;"),
    ),
    good=(
        Example(
            schema=PLATFORM, migration="-- changeover: transaction=off\nREINDEX INDEX CONCURRENTLY donations_paid;"
        ),
        Example(schema=EMPTY, migration="REINDEX TABLE donations;"),
    ),
)
def scan_reindex(case: Case) -> Iterable[Danger]:
    """REINDEX INDEX and REINDEX TABLE."""
    for node in case.of("reindex_stmt"):
        toils = [toil for toil in case.toils if toil.work.rule == "reindex" and not toil.work.concurrent]
        if tree.option(node.params, "concurrently") or not toils:
            continue
        # as an option in parentheses it is not understood before 14
        instead = safe.OUTSIDE + _WHAT.sub(r"\1 CONCURRENTLY", safe.sql_of("reindex_stmt", node))
        for table in dict.fromkeys(toil.state.qualified for toil in toils):
            own = [toil for toil in toils if toil.state.qualified == table]
            yield build(
                case,
                table,
                own,
                "its index anew",
                mode=LockMode.SHARE,
                instead=instead,
                complete=bool(node.relation.relname),
            )


@rule(
    id="type-change-rebuilds-index",
    severity=SEVERE,
    title="A change of type or collation that builds indexes anew",
    why="Where the rows can stay, an index still may not: one over an expression, a partial one, and any under another "
    "collation is built anew under ACCESS EXCLUSIVE.",
    safe="Drop such an index CONCURRENTLY first, change the type, and build it again CONCURRENTLY.",
    manual="sql-altertable.html#SQL-ALTERTABLE-NOTES",
    bad=(
        Example(schema=DEPENDENTS + "DROP VIEW cheap;", migration="ALTER TABLE prices ALTER title TYPE varchar(80);"),
        Example(
            schema=PLATFORM + "CREATE INDEX donations_note ON donations (note);",
            migration='ALTER TABLE donations ALTER note TYPE varchar(40) COLLATE "C";',
        ),
    ),
    good=(
        Example(
            schema=PLATFORM + "CREATE INDEX donations_note ON donations (note);",
            migration="ALTER TABLE donations ALTER note TYPE varchar(80);",
        ),
    ),
)
def type_change_rebuilds_index(case: Case) -> Iterable[Danger]:
    """ALTER COLUMN ... TYPE that keeps the rows, but not an index."""
    for command in case.commands(pb.AT_AlterColumnType):
        column = command.state.columns.get(str(command.column))
        touched = {n for n, i in command.state.indexes.items() if column is not None and column.name in i.touched}
        toils = [t for t in case.toils_of(command.name, WorkKind.BUILD, "rebuild") if t.work.index in touched]
        if not toils:
            continue
        names = [written((command.state.key[0], toil.work.index)) for toil in toils if toil.work.index]
        drops = [f"{safe.OUTSIDE}DROP INDEX CONCURRENTLY {name};" for name in names]
        instead = "\n".join(
            [*drops, safe.APART + safe.alter(command, command.cmd), "-- and build them again, CONCURRENTLY"]
        )
        what = f"{', '.join(names) or 'an index'} anew"
        yield build(case, command.table, toils, what, mode=LockMode.ACCESS_EXCLUSIVE, instead=instead)


@rule(
    id="type-change-tests-check",
    severity=SEVERE,
    title="A change of type that tests a CHECK anew",
    why="Where the rows can stay, a validated CHECK that mentions the column is still tested for every row, under "
    "ACCESS EXCLUSIVE.",
    safe="Drop the CHECK, change the type, and add the CHECK again as NOT VALID; validate it in its own transaction.",
    manual="sql-altertable.html#SQL-ALTERTABLE-NOTES",
    bad=(
        Example(
            schema=PLATFORM + "ALTER TABLE donations ADD CONSTRAINT said CHECK (note <> '');",
            migration="ALTER TABLE donations ALTER note TYPE varchar(80);",
        ),
    ),
    good=(Example(schema=PLATFORM, migration="ALTER TABLE donations ALTER note TYPE varchar(80);"),),
)
def type_change_tests_check(case: Case) -> Iterable[Danger]:
    """ALTER COLUMN ... TYPE that keeps the rows of a column with a CHECK."""
    for command in case.commands(pb.AT_AlterColumnType):
        toils = case.toils_of(command.name, WorkKind.SCAN, "check", column=command.column)
        if toils and not case.toils_of(command.name, WorkKind.REWRITE, "type", column=command.column):
            yield scan(
                case, command.table, toils, f"to test what is demanded of {quote(str(command.column))}",
                mode=LockMode.ACCESS_EXCLUSIVE,
            )  # fmt: skip


RULES: Final = (
    scan_create_index,
    scan_add_unique,
    scan_add_pk,
    scan_pk_using_nullable_index,
    scan_exclude,
    scan_refresh_matview,
    scan_reindex,
    type_change_rebuilds_index,
    type_change_tests_check,
)
