"""Statements that the server will refuse, or that leave something behind which nobody wants."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import postgast
from postgast import pg_query_pb2 as pb
from postgast.pg_query_pb2 import Token

from .. import commands, tree
from ..estimates.constraints import is_never_null
from ..names import quote, written
from ..relation_state import RELATION_REFS
from ..touches import Act, WorkKind
from . import safe
from .case import Case
from .rule import NOTE, SEVERE, WARNING, Danger, Example, rule
from .schemas import DEPENDENTS, EMPTY, PLATFORM

# NAMEDATALEN - 1, in bytes: https://www.postgresql.org/docs/18/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
_LONGEST: Final = 63
# What has no such run of bytes has no such name; what has one may be a long text, and is read by the lexer.
_PERHAPS_LONG: Final = re.compile(rb'[\w$\x80-\xff]{64}|"(?:[^"]|""){64}')


@rule(
    id="conc-in-tx",
    severity=SEVERE,
    title="A statement that PostgreSQL does not run inside a transaction",
    why="CREATE, DROP and REINDEX INDEX CONCURRENTLY, DETACH ... CONCURRENTLY, VACUUM, CREATE DATABASE and the like "
    "are "
    "refused inside a transaction. A file without `transaction=off` that has one at its top level is not read at all; "
    "this rule finds those inside a DO block, which is always a transaction.",
    safe="A statement of its own in a file with `-- changeover: transaction=off`.",
    manual="sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY",
    bad=(Example(schema=PLATFORM, migration="DO $$ BEGIN CREATE INDEX CONCURRENTLY d ON donations (state); END $$;"),),
    good=(
        Example(
            schema=PLATFORM,
            migration="-- changeover: transaction=off\nCREATE INDEX CONCURRENTLY d ON donations (state);",
        ),
    ),
)
def conc_in_tx(case: Case) -> Iterable[Danger]:
    """What has to stand alone, inside a DO block."""
    if tree.kind(case.statement.tree) != "do_stmt":
        return
    for node in case.nodes:
        if commands.refused_inside(node):
            text = safe.sql_of(tree.kind(node), tree.inner(node))
            yield Danger(
                relation=case.statement.kind,
                text="Will fail: the server runs this only outside of a transaction, and a DO block is inside one.",
                instead=safe.OUTSIDE + text,
                complete=len(case.nodes) == 1,
            )


@rule(
    id="enum-use-same-tx",
    # where it is certain, the pre-check has a conflict; here the same word may stand for something else
    severity=WARNING,
    title="A new value of an enum that is used in the same transaction",
    why="The server refuses to use a value that ALTER TYPE ... ADD VALUE has added before that is committed.",
    safe="Add the value in a migration of its own.",
    manual="sql-altertype.html#SQL-ALTERTYPE-NOTES",
    bad=(
        Example(
            schema=DEPENDENTS,
            migration="ALTER TYPE mood ADD VALUE 'calm';\nUPDATE prices SET feeling = 'calm' WHERE id = 1;",
        ),
    ),
    good=(
        Example(
            schema=DEPENDENTS,
            migration="ALTER TYPE mood ADD VALUE 'calm';\nUPDATE prices SET feeling = 'sad' WHERE id = 1;",
        ),
        Example(
            schema="",
            migration="CREATE TYPE m AS ENUM ('a'); ALTER TYPE m ADD VALUE 'b'; CREATE TABLE t (m m DEFAULT 'b');",
        ),
        Example(
            schema=DEPENDENTS,
            migration="-- changeover: transaction=off\nALTER TYPE mood ADD VALUE 'calm';\n"
            "UPDATE prices SET feeling = 'calm' WHERE id = 1;",
        ),
    ),
)
def enum_use_same_tx(case: Case) -> Iterable[Danger]:
    """A constant that is a value which the transaction has added to an enum of the database."""
    added = {value: (name, past.line) for past in case.past for name, value in past.enum_values}
    if not added or not case.transactional:
        return
    said: set[str] = set()
    for node in case.nodes:
        for item in tree.walk(node):
            value = item.sval.sval if isinstance(item, pb.A_Const) and item.HasField("sval") else ""
            if value in added and value not in said:
                said.add(value)
                name, line = added[value]
                yield Danger(
                    relation=name,
                    text=f"Fails where '{value}' stands for a value of {name}: it was added at line {line} of this "
                    "transaction and is not committed.",
                    instead=f"{safe.APART}{case.statement.sql};",
                    complete=True,
                )


@rule(
    id="add-required-column",
    severity=SEVERE,
    title="A new column that is NOT NULL without a default",
    why="The rows that are there have no value for it: the server refuses it.",
    safe="With a constant default; or without NOT NULL, filled in batches, then NOT NULL the safe way.",
    manual="sql-altertable.html#SQL-ALTERTABLE-DESC-ADD-COLUMN",
    bad=(Example(schema=PLATFORM, migration="ALTER TABLE donations ADD COLUMN kind text NOT NULL;"),),
    good=(
        Example(schema=PLATFORM, migration="ALTER TABLE donations ADD COLUMN kind text NOT NULL DEFAULT 'gift';"),
        Example(schema=EMPTY, migration="ALTER TABLE donations ADD COLUMN kind text NOT NULL;"),
        Example(schema=PLATFORM, migration="ALTER TABLE donations ADD COLUMN number bigserial NOT NULL;"),
    ),
)
def add_required_column(case: Case) -> Iterable[Danger]:
    """ADD COLUMN ... NOT NULL without a default."""
    for command in case.new_columns():
        column = command.definition.column_def
        kinds = {item.constraint.contype for item in column.constraints}
        valued = {pb.CONSTR_DEFAULT, pb.CONSTR_IDENTITY, pb.CONSTR_GENERATED} & kinds
        needed = {pb.CONSTR_NOTNULL, pb.CONSTR_PRIMARY} & kinds
        serial = "serial" in (tree.strings(column.type_name.names) or ("",))[-1]
        if not needed or valued or serial:
            continue
        bare = safe.alter(command, safe.new_column(command, without=(pb.CONSTR_NOTNULL, pb.CONSTR_PRIMARY)))
        name = quote(str(command.column))
        yield Danger(
            relation=command.table,
            text=f"Will fail: the rows of {command.table} ({case.size(command.state)}) have no value for {name}.",
            instead=(
                f"{bare}\n-- then in batches, each in a transaction of its own:\n"
                f"UPDATE {command.table} SET {name} = ... WHERE {name} IS NULL AND ...;\n-- at last:\n"
                f"{safe.never_null(command.table, command.state.key[1], str(command.column), case.version)}"
            ),
        )


@rule(
    id="invalid-index-left",
    severity=WARNING,
    title="An index of the table is invalid",
    why="An earlier CREATE INDEX or REINDEX CONCURRENTLY has failed and left an index that no query uses and every "
    "write "
    "may have to maintain. IF NOT EXISTS would take it for the index that is wanted.",
    safe="Drop it CONCURRENTLY, or build it anew with REINDEX CONCURRENTLY.",
    manual="sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY",
    bad=(
        Example(
            schema=PLATFORM + "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'donations_paid'::regclass;",
            migration="ALTER TABLE donations ADD COLUMN kind text;",
        ),
    ),
    good=(Example(schema=PLATFORM, migration="ALTER TABLE donations ADD COLUMN kind text;"),),
)
def invalid_index_left(case: Case) -> Iterable[Danger]:
    """An invalid index on a table that the statement changes."""
    made = {touch.ref.name[-1] for touch in case.judged.effects.touches if touch.ref.kind == "index" and touch.ref.name}
    for touch in case.judged.effects.touches:
        if touch.act is not Act.CHANGE or touch.ref.kind not in RELATION_REFS or not touch.ref.name:
            continue
        state = case.filled(touch.ref.name)
        for index in state.indexes.values() if state is not None and state.kind == "table" else ():
            if not index.valid and index.name not in made and state is not None:
                name = written((state.key[0], index.name))
                yield Danger(
                    relation=state.qualified,
                    text=f"A failed build has left the index {name} of {state.qualified} ({case.size(state)}) invalid.",
                    instead=f"-- before it, {safe.APART[3:]}{safe.OUTSIDE}REINDEX INDEX CONCURRENTLY {name};",
                )


@rule(
    id="dependent-object",
    severity=SEVERE,
    title="Something else depends on what is changed or dropped",
    why="A column that a view, a materialized view, a rule, a generated column, a policy or a trigger's WHEN mentions "
    "cannot change its type; what others depend on cannot be dropped without CASCADE.",
    safe="Drop the dependent object, make the change, and create it again, in one transaction.",
    manual="ddl-depend.html",
    bad=(
        Example(schema=DEPENDENTS, migration="ALTER TABLE prices ALTER COLUMN title TYPE text;"),
        Example(schema=DEPENDENTS, migration="ALTER TABLE prices DROP COLUMN cents;"),
        Example(schema=PLATFORM, migration="DROP TABLE users;"),
        Example(schema=PLATFORM, migration="ALTER TABLE users DROP COLUMN id;"),
    ),
    good=(
        Example(schema=DEPENDENTS, migration="ALTER TABLE prices ALTER COLUMN other TYPE integer;"),
        Example(schema=DEPENDENTS, migration="DROP VIEW cheap;\nALTER TABLE prices ALTER COLUMN title TYPE text;"),
        Example(schema=PLATFORM, migration="DROP TABLE donations;\nDROP TABLE users;"),
        Example(schema=PLATFORM, migration="ALTER TABLE donations DROP COLUMN note;"),
    ),
)
def dependent_object(case: Case) -> Iterable[Danger]:
    """A type change or DROP without CASCADE of what others depend on."""
    for touch in case.judged.effects.touches:
        if not touch.ref.name or touch.cascade:
            continue
        typed = touch.act is Act.CHANGE and touch.ref.kind == "column" and touch.type is not None
        gone = touch.act is Act.DROP and touch.ref.kind in {*RELATION_REFS, "column"}
        state = case.there(touch.ref.name) if typed or gone else None
        if state is None:
            continue
        column = touch.ref.member
        others = [*case.dependents(state, column, typed=typed, but=_going(case))]
        if others:
            shown = written((*state.key, column)) if column else state.qualified
            verb = "change its type" if typed else "be dropped"
            yield Danger(
                relation=state.qualified,
                text=f"Will fail: {', '.join(others)} depends on {shown}, so that it cannot {verb}.",
            )


def _going(case: Case) -> frozenset[int]:
    """Return the relations that the statement drops."""
    gone = [touch.ref.name for touch in case.judged.effects.touches if touch.act is Act.DROP and not touch.ref.member]
    return frozenset(state.oid for name in gone if name and (state := case.world.find(name)) is not None)


@rule(
    id="duplicate-data",
    severity=NOTE,
    title="Rows that are there may not fit",
    why="A unique index or a constraint is refused where the rows break it, after all of them were read. For an index "
    "built CONCURRENTLY that leaves an invalid one.",
    safe="Look before: the query returns a row where there is one that does not fit.",
    manual="sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY",
    bad=(
        Example(schema=PLATFORM, migration="ALTER TABLE users ADD CONSTRAINT one_email UNIQUE (email);"),
        Example(
            schema=PLATFORM,
            migration="-- changeover: transaction=off\nCREATE UNIQUE INDEX CONCURRENTLY e ON users (email);",
        ),
        Example(schema=PLATFORM, migration="ALTER TABLE donations ALTER COLUMN state SET NOT NULL;"),
        Example(schema=PLATFORM, migration="ALTER TABLE donations ADD CONSTRAINT positive CHECK (cents > 0);"),
    ),
    good=(
        Example(schema=EMPTY, migration="ALTER TABLE donations ADD UNIQUE (paid);"),
        Example(
            schema=PLATFORM, migration="ALTER TABLE donations ADD CONSTRAINT positive CHECK (cents > 0) NOT VALID;"
        ),
    ),
)
def duplicate_data(case: Case) -> Iterable[Danger]:
    """UNIQUE, PRIMARY KEY, CHECK and NOT NULL over rows that are there."""
    found: list[tuple[str, str]] = []
    for node in case.of("index_stmt"):
        state = case.filled(tree.parts(node.relation))
        columns = [item.index_elem.name for item in node.index_params]
        if (
            state is not None
            and node.unique
            and all(columns)
            and case.toils_of(tree.parts(node.relation), WorkKind.BUILD, "index")
        ):
            where = f" WHERE {safe.expression_of(node.where_clause)}" if node.HasField("where_clause") else ""
            found.append((state.qualified, _twice(state.qualified, columns, where)))
    for command, constraint in case.added_constraints(pb.CONSTR_UNIQUE, pb.CONSTR_PRIMARY):
        if command.constraint is not None and not constraint.indexname:
            found.append((command.table, _twice(command.table, tree.strings(constraint.keys), "")))
    for command in case.commands(pb.AT_AddConstraint):
        if command.constraint.contype == pb.CONSTR_CHECK and not command.constraint.skip_validation:
            condition = safe.expression_of(command.constraint.raw_expr)
            found.append((command.table, f"SELECT FROM {command.table} WHERE NOT ({condition}) LIMIT 1;"))
    for command in case.commands(pb.AT_SetNotNull):
        if not is_never_null(command.state, str(command.column)):
            where = f"{quote(str(command.column))} IS NULL"
            found.append((command.table, f"SELECT FROM {command.table} WHERE {where} LIMIT 1;"))
    for table, query in found:
        yield Danger(
            relation=table,
            text=f"Is refused where a row of {table} does not fit, after all of them were read.",
            instead=f"-- look before, on a standby where there is one:\n{query}",
        )


def _twice(table: str, columns: Iterable[str], where: str) -> str:
    names = ", ".join(map(quote, columns))
    return f"SELECT {names} FROM {table}{where} GROUP BY {names} HAVING count(*) > 1 LIMIT 1;"


@rule(
    id="identifier-too-long",
    severity=WARNING,
    title="A name longer than 63 bytes is cut",
    why="The server cuts it without an error, and what looks for the whole name may not find it; two long names may "
    "become one.",
    safe="A shorter name.",
    manual="sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS",
    bad=(
        Example(
            schema=PLATFORM,
            migration=f"ALTER TABLE donations ADD COLUMN {'very_' * 13}long text;",
        ),
    ),
    good=(Example(schema=PLATFORM, migration="ALTER TABLE donations ADD COLUMN short text;"),),
)
def identifier_too_long(case: Case) -> Iterable[Danger]:
    """An identifier in the text of the statement that is too long; the parser has cut it already."""
    said: set[bytes] = set()
    text = case.statement.sql.encode()
    if _PERHAPS_LONG.search(text) is None:
        return
    for token in postgast.scan(case.statement.sql).tokens:
        written_as = text[token.start : token.end]
        name = written_as[1:-1].replace(b'""', b'"') if written_as.startswith(b'"') else written_as
        if token.token == Token.IDENT and len(name) > _LONGEST and name not in said:
            said.add(name)
            whole, cut = name.decode(), name[:_LONGEST].decode(errors="ignore")
            yield Danger(relation=quote(whole), text=f"{quote(whole)} has {len(name)} bytes and becomes {quote(cut)}.")


@rule(
    id="duplicate-column",
    severity=SEVERE,
    title="The same column twice in one statement",
    why="The server refuses it.",
    safe="Leave one of them out.",
    manual="sql-altertable.html#SQL-ALTERTABLE-DESC-ADD-COLUMN",
    bad=(
        Example(schema=PLATFORM, migration="ALTER TABLE donations ADD COLUMN kind text, ADD COLUMN kind integer;"),
        Example(schema="", migration="CREATE TABLE gifts (id bigint, kind text, kind text);"),
    ),
    good=(Example(schema=PLATFORM, migration="ALTER TABLE donations ADD COLUMN kind text, ADD COLUMN other text;"),),
)
def duplicate_column(case: Case) -> Iterable[Danger]:
    """Two columns of the same name in ADD COLUMN or CREATE TABLE."""
    for node in [*case.of("alter_table_stmt"), *case.of("create_stmt")]:
        if isinstance(node, pb.AlterTableStmt):
            items = [i.alter_table_cmd for i in node.cmds]
            definitions = [getattr(i, "def") for i in items if i.subtype == pb.AT_AddColumn and not i.missing_ok]
        else:
            definitions = list(node.table_elts)
        names = [item.column_def.colname for item in definitions if tree.kind(item) == "column_def"]
        for name in dict.fromkeys(name for name in names if names.count(name) > 1):
            table = case.qualified(tree.parts(node.relation))
            yield Danger(relation=table, text=f"Will fail: the column {quote(name)} of {table} is there twice.")


@rule(
    id="index-corruption-14",
    severity=SEVERE,
    title="CONCURRENTLY may corrupt the index on PostgreSQL 14.0 to 14.3",
    why="A bug of these releases: rows that are written while the index is built may be missing from it.",
    safe="Update the server to 14.4 or later first.",
    manual="release-14-4.html",
    # no such server is at hand for the example
    bad=(),
    good=(
        Example(
            schema=PLATFORM,
            migration="-- changeover: transaction=off\nCREATE INDEX CONCURRENTLY d ON donations (state);",
            since=15,
        ),
    ),
)
def index_corruption_14(case: Case) -> Iterable[Danger]:
    """CREATE INDEX or REINDEX CONCURRENTLY on 14.0 to 14.3."""
    if not 140000 <= case.version <= 140003:
        return
    for toil in case.toils:
        if toil.work.kind is WorkKind.BUILD and toil.work.concurrent:
            yield Danger(
                relation=toil.state.qualified,
                text=f"The index of {toil.state.qualified} may miss rows: this server has a bug that 14.4 mends.",
            )


RULES: Final = (
    conc_in_tx,
    enum_use_same_tx,
    add_required_column,
    invalid_index_left,
    dependent_object,
    duplicate_data,
    identifier_too_long,
    duplicate_column,
    index_corruption_14,
)
