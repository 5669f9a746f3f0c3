"""What one would do differently in a new table; said once, and never in the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from postgast import pg_query_pb2 as pb

from .. import tree
from ..names import Parts, quote, written
from . import safe
from .case import Case
from .rule import NOTE, WARNING, Danger, Example, rule
from .schemas import DEPENDENTS, PLATFORM

# columns of an index
_NARROW: Final = 3


def _made(case: Case) -> Iterator[tuple[str, Any]]:
    """Yield the columns that are made, in a new table or one that is there, each with its table's name."""
    for node in case.of("create_stmt"):
        for item in node.table_elts:
            if tree.kind(item) == "column_def":
                yield case.qualified(tree.parts(node.relation)), item.column_def
    for command in case.new_columns():
        yield command.table, command.definition.column_def


def _type(column: Any) -> Parts:
    return tree.strings(column.type_name.names)


def _typed(case: Case, types: set[str], text: str) -> Iterable[Danger]:
    for table, column in _made(case):
        names = _type(column)
        if names and names[-1] in types and (len(names) == 1 or names[0] == "pg_catalog"):
            yield Danger(relation=table, text=text.format(column=f"{table}.{quote(column.colname)}"))


@rule(
    id="fk-without-index",
    severity=WARNING,
    title="A foreign key whose columns have no index",
    why="Each DELETE of a referenced row, and each UPDATE of its key, reads the whole referencing table.",
    safe="An index that begins with the columns of the foreign key, built CONCURRENTLY.",
    manual="ddl-constraints.html#DDL-CONSTRAINTS-FK",
    bad=(
        Example(
            schema=PLATFORM + "ALTER TABLE donations ADD giver bigint;",
            migration="ALTER TABLE donations ADD CONSTRAINT g FOREIGN KEY (giver) REFERENCES users NOT VALID;",
        ),
    ),
    good=(
        Example(
            schema=PLATFORM,
            migration="ALTER TABLE donations ADD CONSTRAINT g FOREIGN KEY (user_id) REFERENCES users NOT VALID;",
        ),
    ),
)
def fk_without_index(case: Case) -> Iterable[Danger]:
    """ADD FOREIGN KEY on columns that no index begins with."""
    for command, constraint in case.added_constraints(pb.CONSTR_FOREIGN):
        columns = tree.strings(constraint.fk_attrs) or ((command.column,) if command.column else ())
        indexes = command.state.indexes.values()
        if not columns or any(set((i.columns or ())[: len(columns)]) == set(columns) for i in indexes if not i.partial):
            continue
        names = ", ".join(quote(str(column)) for column in columns)
        yield Danger(
            relation=command.table,
            text=f"No index of {command.table} begins with {names}: a DELETE of a referenced row reads all of it.",
            instead=f"{safe.APART}{safe.OUTSIDE}CREATE INDEX CONCURRENTLY ON {command.table} ({names});",
        )


@rule(
    id="opaque-sql",
    severity=WARNING,
    title="What a statement does is only known when it runs",
    why="SQL that a DO block or a function puts together while it runs cannot be looked into before: neither its locks "
    "nor its hazards are in the plan. A rehearsal sees them.",
    safe="Plain statements; a condition as `-- changeover: when ...` or as IF EXISTS in the block.",
    manual="plpgsql-statements.html#PLPGSQL-STATEMENTS-EXECUTING-DYN",
    bad=(
        Example(
            schema=PLATFORM,
            migration="DO $$ BEGIN EXECUTE format('ALTER TABLE %I ADD x int', 'donations'); END $$;",
        ),
    ),
    good=(Example(schema=PLATFORM, migration="DO $$ BEGIN RAISE NOTICE 'hello'; END $$;"),),
)
def opaque_sql(case: Case) -> Iterable[Danger]:
    """A statement that is unknowable before it runs."""
    if case.judged.effects.unknowable:
        yield Danger(relation=case.statement.kind, text=f"Cannot be looked into: {case.judged.effects.unknowable}.")


@rule(
    id="no-primary-key",
    severity=NOTE,
    title="A table without a primary key",
    why="Its rows cannot be told apart; logical replication refuses UPDATE and DELETE, and batches have nothing to "
    "go by.",
    safe="id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    manual="ddl-constraints.html#DDL-CONSTRAINTS-PRIMARY-KEYS",
    bad=(Example(schema="", migration="CREATE TABLE gifts (kind text);"),),
    good=(
        Example(schema="", migration="CREATE TABLE gifts (id bigint PRIMARY KEY, kind text);"),
        Example(schema="", migration="CREATE TABLE gifts (kind text); ALTER TABLE gifts ADD PRIMARY KEY (kind);"),
        Example(schema="", migration="CREATE TEMP TABLE gifts (kind text);"),
    ),
)
def no_primary_key(case: Case) -> Iterable[Danger]:
    """CREATE TABLE without PRIMARY KEY, where no later statement of the plan adds one."""
    for node in case.of("create_stmt"):
        likes = any(tree.kind(item) == "table_like_clause" for item in node.table_elts)
        inherits = bool(node.inh_relations) or node.HasField("of_typename") or likes
        if node.relation.relpersistence == "t" or inherits:
            continue
        if any(isinstance(item, pb.Constraint) and item.contype == pb.CONSTR_PRIMARY for item in tree.walk(node)):
            continue
        table = case.world.new_key(tree.parts(node.relation))
        if table[1] not in case.keyed:
            yield Danger(relation=written(table), text=f"{written(table)} has no primary key.")


@rule(
    id="small-key",
    severity=NOTE,
    title="A key of four bytes ends at 2,147,483,647",
    why="integer and serial keys run out in busy tables, and making them bigint later writes the table anew.",
    safe="bigint GENERATED ALWAYS AS IDENTITY",
    manual="datatype-numeric.html#DATATYPE-INT",
    bad=(
        Example(schema="", migration="CREATE TABLE gifts (id serial PRIMARY KEY);"),
        Example(schema="", migration="CREATE TABLE gifts (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY);"),
    ),
    good=(Example(schema="", migration="CREATE TABLE gifts (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);"),),
)
def small_key(case: Case) -> Iterable[Danger]:
    """A numbered primary key that is an integer."""
    for table, column in _made(case):
        kinds = {item.constraint.contype for item in column.constraints}
        last = (_type(column) or ("",))[-1]
        small = last in {"serial", "serial4", "smallserial", "serial2"}
        small |= last in {"int4", "int2"} and pb.CONSTR_IDENTITY in kinds
        if small and pb.CONSTR_PRIMARY in kinds:
            yield Danger(relation=table, text=f"{table}.{quote(column.colname)} ends at about two thousand million.")


@rule(
    id="timestamp-without-zone",
    severity=NOTE,
    title="timestamp without time zone is not a moment",
    why="What it means depends on who reads it.",
    safe="timestamptz",
    manual="datatype-datetime.html",
    bad=(Example(schema="", migration="CREATE TABLE gifts (id bigint PRIMARY KEY, at timestamp);"),),
    good=(Example(schema="", migration="CREATE TABLE gifts (id bigint PRIMARY KEY, at timestamptz);"),),
)
def timestamp_without_zone(case: Case) -> Iterable[Danger]:
    """A new column of type timestamp."""
    return _typed(case, {"timestamp"}, "{column} has no time zone: it is no moment.")


@rule(
    id="padded-or-money-type",
    severity=NOTE,
    title="char(n), money and json have better kin",
    why="char(n) pads with blanks, money depends on a setting of the server, and json has no equality and no index.",
    safe="text with a CHECK, numeric, jsonb",
    manual="datatype.html",
    bad=(
        Example(schema="", migration="CREATE TABLE gifts (id bigint PRIMARY KEY, code char(3));"),
        Example(schema="", migration="CREATE TABLE gifts (id bigint PRIMARY KEY, price money);"),
        Example(schema="", migration="CREATE TABLE gifts (id bigint PRIMARY KEY, data json);"),
    ),
    good=(Example(schema="", migration="CREATE TABLE gifts (id bigint PRIMARY KEY, code text, data jsonb);"),),
)
def padded_or_money_type(case: Case) -> Iterable[Danger]:
    """A new column of type char(n), money or json."""
    return _typed(case, {"bpchar", "money", "json"}, "{column} has a type with a better kin.")


@rule(
    id="float-type",
    severity=NOTE,
    title="real and double precision are not exact",
    why="0.1 has no exact value in them, sums depend on the order of the rows, and equality seldom holds.",
    safe="numeric for amounts that people count; keep floats for measurements.",
    manual="datatype-numeric.html#DATATYPE-FLOAT",
    bad=(
        Example(schema="", migration="CREATE TABLE gifts (id bigint PRIMARY KEY, price real);"),
        Example(schema=PLATFORM, migration="ALTER TABLE donations ADD COLUMN share double precision;"),
    ),
    good=(Example(schema="", migration="CREATE TABLE gifts (id bigint PRIMARY KEY, price numeric(12, 2));"),),
)
def float_type(case: Case) -> Iterable[Danger]:
    """A new column of type real or double precision."""
    return _typed(case, {"float4", "float8"}, "{column} holds no exact values.")


@rule(
    id="wide-index",
    severity=NOTE,
    title="An index over more than three columns",
    why="It is large, each write keeps it up to date, and few queries use the columns past the third.",
    safe="The columns that queries ask for, in the order in which they narrow; others with INCLUDE, where that helps.",
    manual="indexes-multicolumn.html",
    bad=(
        Example(
            schema="CREATE TABLE gifts (a int, b int, c int, d int);", migration="CREATE INDEX ON gifts (a, b, c, d);"
        ),
    ),
    good=(
        Example(
            schema="CREATE TABLE gifts (a int, b int, c int, d int);",
            migration="CREATE INDEX ON gifts (a, b, c) INCLUDE (d);",
        ),
        Example(
            schema="CREATE TABLE gifts (a int, b int, c int, d int);",
            migration="CREATE UNIQUE INDEX ON gifts (a, b, c, d);",
        ),
    ),
)
def wide_index(case: Case) -> Iterable[Danger]:
    """CREATE INDEX over four columns or more that is not there to keep them unique."""
    for node in case.of("index_stmt"):
        if len(node.index_params) > _NARROW and not node.unique:
            table = case.qualified(tree.parts(node.relation))
            yield Danger(relation=table, text=f"The index of {table} has {len(node.index_params)} columns.")


@rule(
    id="unqualified-name",
    severity=NOTE,
    title="A table whose schema depends on who runs the migration",
    why="Without its schema a new table goes into the first schema of search_path that is there, and that is a setting "
    "of the role, the database or the connection.",
    safe="CREATE TABLE schema.name, or SET LOCAL search_path at the top of the file.",
    manual="ddl-schemas.html#DDL-SCHEMAS-PATH",
    bad=(
        Example(
            schema="CREATE SCHEMA shop; SET search_path = shop, public;",
            migration="CREATE TABLE gifts (id bigint PRIMARY KEY);",
        ),
    ),
    good=(
        Example(schema="", migration="CREATE TABLE public.gifts (id bigint PRIMARY KEY);"),
        # nothing was set: everybody gets public
        Example(schema="", migration="CREATE TABLE gifts (id bigint PRIMARY KEY);"),
        Example(
            schema="CREATE SCHEMA shop;",
            migration="SET LOCAL search_path = shop; CREATE TABLE gifts (id bigint PRIMARY KEY);",
        ),
    ),
)
def unqualified_name(case: Case) -> Iterable[Danger]:
    """CREATE TABLE with a bare name, where the target's own search_path has several schemas and the plan sets none."""
    path = case.world.catalog.search_path
    several = sum(not name.startswith("pg_") for name in path) > 1
    if not several or case.world.search_path != path:
        return
    for node in case.of("create_stmt"):
        name = tree.parts(node.relation)
        if len(name) == 1 and node.relation.relpersistence != "t":
            table = case.qualified(name)
            yield Danger(relation=table, text=f"Here it becomes {table}, by the search_path of this role and database.")


@rule(
    id="enum-value-at-the-end",
    severity=NOTE,
    title="A value of an enum without a place goes to the end",
    why="The order of an enum is that of its values, and it cannot be changed later.",
    safe="ADD VALUE ... BEFORE or AFTER, where the order means something.",
    manual="sql-altertype.html",
    bad=(Example(schema=DEPENDENTS, migration="ALTER TYPE mood ADD VALUE 'calm';"),),
    good=(Example(schema=DEPENDENTS, migration="ALTER TYPE mood ADD VALUE 'calm' BEFORE 'sad';"),),
)
def enum_value_at_the_end(case: Case) -> Iterable[Danger]:
    """ALTER TYPE ... ADD VALUE without BEFORE or AFTER."""
    for node in case.of("alter_enum_stmt"):
        if node.new_val and not node.old_val and not node.new_val_neighbor:
            name = written(tree.strings(node.type_name))
            yield Danger(relation=name, text=f"'{node.new_val}' becomes the last value of {name}.")


RULES: Final = (
    fk_without_index,
    opaque_sql,
    no_primary_key,
    small_key,
    timestamp_without_zone,
    padded_or_money_type,
    float_type,
    wide_index,
    unqualified_name,
    enum_value_at_the_end,
)
