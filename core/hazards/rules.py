"""The rules. Facts behind them: the lock matrix that was measured on PostgreSQL 12 to 18."""

from __future__ import annotations

from typing import Any

import postgast
from postgast import pg_query_pb2 as pb

from ..estimate import Toil
from ..judge import Judged
from ..names import quote
from ..touches import WorkKind
from .rule import SEVERE, Danger, Example, Rule, size_of

_DONATIONS = "CREATE TABLE donations (id uuid PRIMARY KEY, note varchar(40), cents integer, paid date);"


def _rewrite_type_change(_judged: Judged, toil: Toil, _version: int) -> Danger | None:
    """ALTER COLUMN ... TYPE that writes every row anew."""
    if toil.work.kind is not WorkKind.REWRITE or toil.work.rule != "type":
        return None
    table, column = toil.state.qualified, quote(toil.work.column or "")
    wanted = str(toil.work.type)
    beside = quote(f"{toil.work.column}_new")
    return Danger(
        relation=table,
        text=(
            f"Writes every row of {table} ({size_of(toil)}) and its indexes anew under ACCESS EXCLUSIVE: "
            "nobody can read or write it meanwhile."
        ),
        instead=(
            f"ALTER TABLE {table} ADD COLUMN {beside} {wanted};\n"
            f"-- a trigger that keeps {beside} up to date, then in batches, each in a transaction of its own:\n"
            f"UPDATE {table} SET {beside} = {column} WHERE {beside} IS DISTINCT FROM {column} AND ...;\n"
            f"-- at last, in one transaction:\n"
            f"ALTER TABLE {table} DROP COLUMN {column};\n"
            f"ALTER TABLE {table} RENAME COLUMN {beside} TO {column};"
        ),
    )


def _scan_create_index(judged: Judged, toil: Toil, _version: int) -> Danger | None:
    """CREATE INDEX without CONCURRENTLY."""
    if toil.work.kind is not WorkKind.BUILD or toil.work.concurrent or judged.statement.kind != "CREATE INDEX":
        return None
    table = toil.state.qualified
    return Danger(
        relation=table,
        text=(
            f"Reads {table} ({size_of(toil)}) and builds the index under SHARE: "
            "everybody who writes to the table waits until it is done."
        ),
        instead=_concurrently(judged.statement.tree, toil),
    )


def _concurrently(node: Any, toil: Toil) -> str:
    if toil.state.kind == "partitioned table":
        return (
            f"-- CREATE INDEX ... ON ONLY {toil.state.qualified}, then CREATE INDEX CONCURRENTLY on each partition,\n"
            "-- and ALTER INDEX ... ATTACH PARTITION for each."
        )
    copy = pb.Node()
    copy.CopyFrom(node)
    copy.index_stmt.concurrent = True
    try:
        sql = postgast.deparse(pb.ParseResult(stmts=[pb.RawStmt(stmt=copy)]))
    except postgast.PgQueryError:
        sql = f"CREATE INDEX CONCURRENTLY ... ON {toil.state.qualified} ..."
    return f"-- changeover: transaction=off\n{sql};"


def _scan_set_not_null(_judged: Judged, toil: Toil, version: int) -> Danger | None:
    """SET NOT NULL without a validated CHECK that proves it."""
    if toil.work.kind is not WorkKind.SCAN or toil.work.rule != "not null":
        return None
    table, column = toil.state.qualified, quote(toil.work.column or "")
    name = quote(f"{toil.state.key[1]}_{toil.work.column}_not_null")
    kind = f"NOT NULL {column}" if version >= 180000 else f"CHECK ({column} IS NOT NULL)"
    first = f"ALTER TABLE {table} ADD CONSTRAINT {name} {kind} NOT VALID;"
    second = f"-- in a migration of its own:\nALTER TABLE {table} VALIDATE CONSTRAINT {name};"
    last = "" if version >= 180000 else (
        f"\nALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL;\nALTER TABLE {table} DROP CONSTRAINT {name};"
    )  # fmt: skip
    return Danger(
        relation=table,
        text=(
            f"Reads every row of {table} ({size_of(toil)}) under ACCESS EXCLUSIVE to see that {column} is never null: "
            "nobody can read or write it meanwhile."
        ),
        instead=f"{first}\n{second}{last}",
    )


REWRITE_TYPE_CHANGE = Rule(
    id="rewrite-type-change",
    severity=SEVERE,
    title="Changing a column's type writes the whole table anew",
    manual="https://www.postgresql.org/docs/18/sql-altertable.html#SQL-ALTERTABLE-NOTES",
    find=_rewrite_type_change,
    bad=(
        Example(schema=_DONATIONS, migration="ALTER TABLE donations ALTER COLUMN cents TYPE bigint;"),
        Example(schema=_DONATIONS, migration="ALTER TABLE donations ALTER note TYPE varchar(20);"),
        Example(
            schema=_DONATIONS, migration="ALTER TABLE donations ALTER paid TYPE timestamptz USING paid::timestamptz;"
        ),
    ),
    good=(
        Example(schema=_DONATIONS, migration="ALTER TABLE donations ALTER note TYPE varchar(80);"),
        Example(schema=_DONATIONS, migration="ALTER TABLE donations ALTER note TYPE text;"),
        Example(schema="", migration=f"{_DONATIONS} ALTER TABLE donations ALTER cents TYPE bigint;"),
    ),
)
SCAN_CREATE_INDEX = Rule(
    id="scan-create-index",
    severity=SEVERE,
    title="Building an index without CONCURRENTLY stops all writing",
    manual="https://www.postgresql.org/docs/18/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY",
    find=_scan_create_index,
    bad=(
        Example(schema=_DONATIONS, migration="CREATE INDEX donations_paid ON donations (paid);"),
        Example(
            schema=_DONATIONS,
            migration="CREATE UNIQUE INDEX IF NOT EXISTS u ON donations (lower(note)) WHERE cents > 0;",
        ),
    ),
    good=(
        Example(
            schema=_DONATIONS,
            migration="-- changeover: transaction=off\nCREATE INDEX CONCURRENTLY donations_paid ON donations (paid);",
        ),
        Example(schema="", migration=f"{_DONATIONS} CREATE INDEX donations_paid ON donations (paid);"),
        Example(
            schema=f"{_DONATIONS} CREATE INDEX donations_paid ON donations (paid);",
            migration="CREATE INDEX IF NOT EXISTS donations_paid ON donations (paid);",
        ),
    ),
)
SCAN_SET_NOT_NULL = Rule(
    id="scan-set-not-null",
    severity=SEVERE,
    title="SET NOT NULL reads the whole table while nobody can use it",
    manual="https://www.postgresql.org/docs/18/sql-altertable.html#SQL-ALTERTABLE-DESC-SET-DROP-NOT-NULL",
    find=_scan_set_not_null,
    bad=(
        Example(schema=_DONATIONS, migration="ALTER TABLE donations ALTER COLUMN cents SET NOT NULL;"),
        Example(
            schema=f"{_DONATIONS} ALTER TABLE donations ADD CONSTRAINT c CHECK (cents IS NOT NULL) NOT VALID;",
            migration="ALTER TABLE donations ALTER cents SET NOT NULL;",
        ),
    ),
    good=(
        Example(
            schema=f"{_DONATIONS} ALTER TABLE donations ADD CONSTRAINT c CHECK (cents IS NOT NULL);",
            migration="ALTER TABLE donations ALTER cents SET NOT NULL;",
        ),
        Example(schema=_DONATIONS, migration="ALTER TABLE donations ALTER id SET NOT NULL;"),
        Example(schema="", migration=f"{_DONATIONS} ALTER TABLE donations ALTER cents SET NOT NULL;"),
    ),
)

RULES = (REWRITE_TYPE_CHANGE, SCAN_CREATE_INDEX, SCAN_SET_NOT_NULL)
KNOWN = frozenset(rule.id for rule in RULES)
