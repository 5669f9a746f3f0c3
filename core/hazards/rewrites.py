"""Statements that write every row of a table anew, and all its indexes, while nobody can use it.

Past 400 lines, since each rule stands with the SQL examples that are its tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from postgast import pg_query_pb2 as pb

from .. import tree
from ..estimate import Toil
from ..names import quote
from ..touches import WorkKind
from . import safe
from .case import Case, Command
from .rates import duration, seconds_of
from .rule import SEVERE, Danger, Example, rule
from .schemas import DEPENDENTS, EMPTY, PLATFORM

_ALTER: Final = "sql-altertable.html#SQL-ALTERTABLE-NOTES"


def _rewrite(case: Case, table: str, toils: Sequence[Toil], instead: str = "", *, complete: bool = False) -> Danger:
    states = [toil.state for toil in toils]
    seconds = seconds_of(WorkKind.REWRITE, states, case.world)
    return Danger(
        relation=table,
        text=(
            f"Writes every row of {table} ({case.size(*states)}) and its indexes anew under ACCESS EXCLUSIVE: "
            f"nobody can read or write it meanwhile{duration(WorkKind.REWRITE, seconds)}."
        ),
        instead=instead,
        complete=complete,
        seconds=seconds,
    )


def _columns(case: Case, rules: set[str]) -> Iterator[tuple[Command, list[Toil]]]:
    """Yield the new columns because of which the table is rewritten, by what decides it."""
    for command in case.new_columns():
        found = case.toils_of(command.name, WorkKind.REWRITE, *rules, column=command.column)
        if found:
            yield command, found


def _kinds(command: Command) -> dict[int, object]:
    return {item.constraint.contype: item.constraint for item in command.definition.column_def.constraints}


def _fill(command: Command, value: str) -> str:
    column = quote(command.column or "")
    return (
        "-- then in batches, each in a transaction of its own:\n"
        f"UPDATE {command.table} SET {column} = {value} WHERE {column} IS NULL AND ...;"
    )


@rule(
    id="rewrite-volatile-default",
    severity=SEVERE,
    title="A new column with a volatile default writes the whole table anew",
    why="A constant, and a stable function such as now(), is stored once for all rows that are there. A volatile one "
    "(random(), clock_timestamp(), gen_random_uuid(), nextval()) has another value in each row, so each is written.",
    safe="Add the column without the default, set the default for new rows, and fill the old ones in batches.",
    manual=_ALTER,
    bad=(
        Example(schema=PLATFORM, migration="ALTER TABLE donations ADD COLUMN token uuid DEFAULT gen_random_uuid();"),
        Example(
            schema=PLATFORM,
            migration="ALTER TABLE donations ADD seen timestamptz NOT NULL DEFAULT clock_timestamp();",
        ),
    ),
    good=(
        Example(schema=PLATFORM, migration="ALTER TABLE donations ADD COLUMN seen timestamptz NOT NULL DEFAULT now();"),
        Example(schema=PLATFORM, migration="ALTER TABLE donations ADD COLUMN tries integer NOT NULL DEFAULT 1 + 1;"),
        Example(schema=EMPTY, migration="ALTER TABLE donations ADD COLUMN token uuid DEFAULT gen_random_uuid();"),
        Example(
            schema="",
            migration="CREATE TABLE gifts (id bigint); ALTER TABLE gifts ADD token uuid DEFAULT gen_random_uuid();",
        ),
    ),
)
def rewrite_volatile_default(case: Case) -> Iterable[Danger]:
    """ADD COLUMN ... DEFAULT of a volatile expression."""
    for command, found in _columns(case, {"default"}):
        default = next(
            (
                i.constraint
                for i in command.definition.column_def.constraints
                if i.constraint.contype == pb.CONSTR_DEFAULT
            ),
            None,
        )
        if default is None or not command.column:
            continue
        bare = safe.new_column(command, without=(pb.CONSTR_DEFAULT, pb.CONSTR_NOTNULL))
        steps = [
            safe.alter(command, bare),
            safe.alter(command, safe.set_default(command.column, default.raw_expr)),
            _fill(command, "DEFAULT"),
        ]
        if pb.CONSTR_NOTNULL in _kinds(command):
            steps.append(
                "-- at last:\n" + safe.never_null(command.table, command.state.key[1], command.column, case.version)
            )
        yield _rewrite(case, command.table, found, "\n".join(steps))


@rule(
    id="rewrite-serial-identity",
    severity=SEVERE,
    title="A new serial or identity column writes the whole table anew",
    why="Every row that is there gets a number from the sequence, so each is written.",
    safe="Add a plain column and a sequence, number the rows in batches, and make the sequence the default.",
    manual=_ALTER,
    bad=(
        Example(schema=PLATFORM, migration="ALTER TABLE donations ADD COLUMN number bigserial;"),
        Example(
            schema=PLATFORM, migration="ALTER TABLE donations ADD number integer GENERATED BY DEFAULT AS IDENTITY;"
        ),
    ),
    good=(
        Example(schema=PLATFORM, migration="ALTER TABLE donations ADD COLUMN number bigint;"),
        Example(schema=EMPTY, migration="ALTER TABLE donations ADD COLUMN number bigserial;"),
    ),
)
def rewrite_serial_identity(case: Case) -> Iterable[Danger]:
    """ADD COLUMN of a serial type or AS IDENTITY."""
    for command, found in _columns(case, {"generated"}):
        column = command.definition.column_def
        serial = "serial" in tree.strings(column.type_name.names)[-1]
        if not (serial or pb.CONSTR_IDENTITY in _kinds(command)):
            continue
        table, name = command.table, quote(str(command.column))
        sequence = f"{quote(command.state.key[0])}.{quote(f'{command.state.key[1]}_{command.column}_seq')}"
        text = tree.strings(column.type_name.names)[-1]
        integer = {"serial": "integer", "serial4": "integer", "smallserial": "smallint", "serial2": "smallint"}
        kind = integer.get(text, "bigint") if serial else {"int4": "integer", "int2": "smallint"}.get(text, "bigint")
        instead = (
            f"ALTER TABLE {table} ADD COLUMN {name} {kind};\n"
            f"CREATE SEQUENCE {sequence} AS {kind} OWNED BY {table}.{name};\n"
            f"ALTER TABLE {table} ALTER COLUMN {name} SET DEFAULT "
            f"nextval('{sequence.replace(chr(39), chr(39) * 2)}');\n"
            + _fill(command, "DEFAULT")
            + "\n-- at last:\n"
            + safe.never_null(table, command.state.key[1], str(command.column), case.version)
        )
        yield _rewrite(case, table, found, instead)


@rule(
    id="rewrite-generated-stored",
    severity=SEVERE,
    title="A new stored generated column writes the whole table anew",
    why="The value is computed for every row that is there, so each is written. From PostgreSQL 18 on a VIRTUAL column "
    "is computed when it is read, and adding it changes nothing but the catalog.",
    safe="A VIRTUAL column on PostgreSQL 18; else a plain column that a trigger keeps up to date, filled in batches.",
    manual="ddl-generated-columns.html",
    bad=(
        Example(
            schema=PLATFORM,
            migration="ALTER TABLE donations ADD euros numeric GENERATED ALWAYS AS (cents / 100.0) STORED;",
        ),
    ),
    good=(
        Example(
            schema=PLATFORM,
            migration="ALTER TABLE donations ADD euros numeric GENERATED ALWAYS AS (cents / 100.0) VIRTUAL;",
            since=18,
        ),
        Example(
            schema=EMPTY,
            migration="ALTER TABLE donations ADD euros numeric GENERATED ALWAYS AS (cents / 100.0) STORED;",
        ),
    ),
)
def rewrite_generated_stored(case: Case) -> Iterable[Danger]:
    """ADD COLUMN ... GENERATED ALWAYS AS ... STORED."""
    for command, found in _columns(case, {"generated"}):
        if pb.CONSTR_GENERATED not in _kinds(command):
            continue
        if case.version >= 180000:
            virtual = safe.copy_of(command.cmd)
            for item in getattr(virtual, "def").column_def.constraints:
                if item.constraint.contype == pb.CONSTR_GENERATED:
                    item.constraint.generated_kind = "v"
            instead = safe.alter(command, virtual)
        else:
            plain = safe.alter(command, safe.new_column(command, without=(pb.CONSTR_GENERATED,)))
            instead = f"{plain}\n-- a trigger that computes it for new and changed rows; " + _fill(command, "...")[3:]
        yield _rewrite(case, command.table, found, instead)


@rule(
    id="set-expression",
    severity=SEVERE,
    title="SET EXPRESSION writes the whole table anew",
    why="The stored value of every row is computed again (PostgreSQL 17 and later).",
    safe="A new generated column beside it in a maintenance window, or a VIRTUAL one on PostgreSQL 18.",
    manual="sql-altertable.html#SQL-ALTERTABLE-DESC-SET-EXPRESSION",
    bad=(
        Example(
            schema=PLATFORM + "ALTER TABLE donations ADD euros numeric GENERATED ALWAYS AS (cents / 100.0) STORED;",
            migration="ALTER TABLE donations ALTER COLUMN euros SET EXPRESSION AS (cents * 0.01);",
            since=17,
        ),
    ),
    good=(
        Example(
            schema=PLATFORM + "ALTER TABLE donations ADD euros numeric GENERATED ALWAYS AS (cents / 100.0) STORED;",
            migration="ALTER TABLE donations ALTER COLUMN euros DROP EXPRESSION;",
        ),
    ),
)
def set_expression(case: Case) -> Iterable[Danger]:
    """ALTER COLUMN ... SET EXPRESSION."""
    for command in case.commands(pb.AT_SetExpression):
        found = case.toils_of(command.name, WorkKind.REWRITE, "generated", column=command.column)
        if found:
            yield _rewrite(case, command.table, found)


@rule(
    id="rewrite-domain-column",
    severity=SEVERE,
    title="A column of a domain with constraints writes the whole table anew",
    why="The domain's CHECK or NOT NULL is tested for every row, also where the new column is null and has no default; "
    "the server does it by writing the table anew. A domain without constraints costs nothing.",
    safe="Add the column with the base type, and the domain's condition as a CHECK that is NOT VALID at first.",
    manual="sql-createdomain.html",
    bad=(
        Example(schema=DEPENDENTS, migration="ALTER TABLE prices ADD COLUMN discount amount;"),
        Example(schema=DEPENDENTS, migration="ALTER TABLE prices ALTER COLUMN other TYPE amount;"),
    ),
    good=(
        Example(schema=DEPENDENTS, migration="ALTER TABLE prices ADD COLUMN tag label;"),
        Example(schema=DEPENDENTS, migration="ALTER TABLE prices ADD COLUMN discount integer;"),
    ),
)
def rewrite_domain_column(case: Case) -> Iterable[Danger]:
    """ADD COLUMN of a constrained domain, and ALTER COLUMN TYPE to one."""
    for command, found in _columns(case, {"domain"}):
        name = quote(str(command.column))
        instead = (
            f"-- {name} with the domain's base type; then its condition as a CHECK of the table, NOT VALID at first:\n"
            f"-- ALTER TABLE {command.table} ADD CONSTRAINT {quote(f'{command.state.key[1]}_{command.column}_check')} "
            f"CHECK (...) NOT VALID;\n-- and in a migration of its own: VALIDATE CONSTRAINT"
        )
        yield _rewrite(case, command.table, found, instead)
    for command, found in _types(case):
        if _to_domain(case, found):
            yield _rewrite(case, command.table, found)


def _types(case: Case) -> Iterator[tuple[Command, list[Toil]]]:
    for command in case.commands(pb.AT_AlterColumnType):
        found = case.toils_of(command.name, WorkKind.REWRITE, "type", column=command.column)
        if found:
            yield command, found


def _to_domain(case: Case, found: Sequence[Toil]) -> bool:
    return any(toil.work.type is not None and case.world.is_constrained_domain(toil.work.type) for toil in found)


@rule(
    id="rewrite-type-change",
    severity=SEVERE,
    title="Changing a column's type writes the whole table anew",
    why="Unless the old values can stay as they are (varchar to a longer varchar or to text, numeric to more digits "
    "before the point, timestamp to a higher precision), every row and every index is written. integer to bigint is "
    "no exception.",
    safe="Expand and contract: a second column that a trigger keeps up to date, filled in batches; then swap the "
    "names.",
    manual=_ALTER,
    bad=(
        Example(schema=PLATFORM, migration="ALTER TABLE donations ALTER COLUMN cents TYPE bigint;"),
        Example(schema=PLATFORM, migration="ALTER TABLE donations ALTER note TYPE varchar(20);"),
        Example(schema=PLATFORM, migration="ALTER TABLE donations ALTER fee TYPE numeric(12, 3);"),
        Example(schema=PLATFORM, migration="ALTER TABLE donations ALTER paid TYPE date USING paid::date;"),
        Example(schema=PLATFORM, migration="ALTER TABLE users ALTER country TYPE text;"),
    ),
    good=(
        Example(schema=PLATFORM, migration="ALTER TABLE donations ALTER note TYPE varchar(80);"),
        Example(schema=PLATFORM, migration="ALTER TABLE donations ALTER note TYPE text;"),
        Example(schema=PLATFORM, migration="ALTER TABLE donations ALTER fee TYPE numeric(12, 2);"),
        Example(schema=EMPTY, migration="ALTER TABLE donations ALTER COLUMN cents TYPE bigint;"),
    ),
)
def rewrite_type_change(case: Case) -> Iterable[Danger]:
    """ALTER COLUMN ... TYPE that does not keep the values as they are stored."""
    for command, found in _types(case):
        if _to_domain(case, found) or not command.column:
            continue
        table, column = command.table, quote(command.column)
        beside = f"{command.column}_new"
        typed = safe.copy_of(command.cmd)
        typed.subtype = pb.AT_AddColumn
        typed.name = ""
        definition = getattr(typed, "def").column_def
        definition.colname, definition.is_local = beside, True
        using = definition.HasField("raw_default")
        value = safe.expression_of(definition.raw_default) if using else column
        definition.ClearField("raw_default")
        instead = (
            f"{safe.alter(command, typed)}\n"
            f"-- a trigger that keeps {quote(beside)} up to date, then in batches, each in a transaction of its own:\n"
            f"UPDATE {table} SET {quote(beside)} = {value} WHERE {quote(beside)} IS DISTINCT FROM {value} AND ...;\n"
            "-- at last, in one transaction:\n"
            f"ALTER TABLE {table} DROP COLUMN {column};\n"
            f"ALTER TABLE {table} RENAME COLUMN {quote(beside)} TO {column};"
        )
        yield _rewrite(case, table, found, instead)


def _whole(case: Case, *subtypes: int) -> Iterable[Danger]:
    for command in case.commands(*subtypes):
        found = case.toils_of(command.name, WorkKind.REWRITE, "storage")
        if found:
            yield _rewrite(case, command.table, found)


@rule(
    id="rewrite-tablespace",
    severity=SEVERE,
    title="SET TABLESPACE copies the whole table",
    why="The table's file is copied to the other tablespace under ACCESS EXCLUSIVE. To the one where it is already, "
    "nothing is copied.",
    safe="A maintenance window; indexes can be built anew in the other tablespace with CREATE INDEX CONCURRENTLY.",
    manual="sql-altertable.html#SQL-ALTERTABLE-DESC-SET-TABLESPACE",
    # a tablespace is a folder on the server's machine: the examples would need one
    bad=(),
    good=(Example(schema=PLATFORM, migration="ALTER TABLE donations SET TABLESPACE pg_default;"),),
)
def rewrite_tablespace(case: Case) -> Iterable[Danger]:
    """ALTER TABLE ... SET TABLESPACE."""
    return _whole(case, pb.AT_SetTableSpace)


@rule(
    id="rewrite-persistence",
    severity=SEVERE,
    title="SET LOGGED and SET UNLOGGED write the whole table anew",
    why="The table goes to a new file, under ACCESS EXCLUSIVE. An unlogged table is empty after a crash of the server, "
    "and is not on a standby.",
    safe="Decide it when the table is made.",
    manual="sql-altertable.html#SQL-ALTERTABLE-DESC-SET-LOGGED-UNLOGGED",
    bad=(
        Example(
            schema=PLATFORM + "CREATE UNLOGGED TABLE visits AS SELECT * FROM generate_series(1, 200) AS n;",
            migration="ALTER TABLE visits SET LOGGED;",
        ),
    ),
    good=(
        Example(schema="", migration="CREATE UNLOGGED TABLE visits (n int); ALTER TABLE visits SET LOGGED;"),
        Example(schema=PLATFORM, migration="ALTER TABLE donations SET (fillfactor = 80);"),
    ),
)
def rewrite_persistence(case: Case) -> Iterable[Danger]:
    """ALTER TABLE ... SET LOGGED or UNLOGGED."""
    return _whole(case, pb.AT_SetLogged, pb.AT_SetUnLogged)


@rule(
    id="rewrite-access-method",
    severity=SEVERE,
    title="SET ACCESS METHOD writes the whole table anew",
    why="Every row is written in the other method's format, under ACCESS EXCLUSIVE (PostgreSQL 15 and later).",
    safe="A new table with the other method, filled in batches, and the names swapped.",
    manual="sql-altertable.html#SQL-ALTERTABLE-DESC-SET-ACCESS-METHOD",
    # the server comes with one method only: the example needs a second name for it
    bad=(
        Example(
            schema=PLATFORM + "CREATE ACCESS METHOD heap_too TYPE TABLE HANDLER heap_tableam_handler;",
            migration="ALTER TABLE donations SET ACCESS METHOD heap_too;",
            since=15,
        ),
    ),
    good=(Example(schema=EMPTY, migration="ALTER TABLE donations SET ACCESS METHOD heap;", since=15),),
)
def rewrite_access_method(case: Case) -> Iterable[Danger]:
    """ALTER TABLE ... SET ACCESS METHOD."""
    return _whole(case, pb.AT_SetAccessMethod)


@rule(
    id="rewrite-cluster-vacuum-full",
    severity=SEVERE,
    title="CLUSTER and VACUUM FULL write the whole table anew",
    why="The table and its indexes go to new files under ACCESS EXCLUSIVE.",
    safe="Plain VACUUM frees space for new rows without stopping anybody; pg_repack or pg_squeeze shrink a table "
    "online.",
    manual="routine-vacuuming.html#VACUUM-FOR-SPACE-RECOVERY",
    bad=(
        Example(schema=PLATFORM, migration="CLUSTER donations USING donations_paid;"),
        Example(schema=PLATFORM, migration="-- changeover: transaction=off\nVACUUM FULL donations;"),
    ),
    good=(
        Example(schema=PLATFORM, migration="-- changeover: transaction=off\nVACUUM (ANALYZE) donations;"),
        Example(schema=PLATFORM, migration="ALTER TABLE donations CLUSTER ON donations_paid;"),
    ),
)
def rewrite_cluster_vacuum_full(case: Case) -> Iterable[Danger]:
    """CLUSTER and VACUUM (FULL)."""
    for toil in case.toils:
        table = toil.state.qualified
        if toil.work.rule == "cluster":
            yield _rewrite(case, table, [toil], f"-- pg_repack --table={table}")
        elif toil.work.rule == "vacuum":
            yield _rewrite(case, table, [toil], f"{safe.OUTSIDE}VACUUM (ANALYZE) {table};")


RULES: Final = (
    rewrite_volatile_default,
    rewrite_serial_identity,
    rewrite_generated_stored,
    set_expression,
    rewrite_domain_column,
    rewrite_type_change,
    rewrite_tablespace,
    rewrite_persistence,
    rewrite_access_method,
    rewrite_cluster_vacuum_full,
)
