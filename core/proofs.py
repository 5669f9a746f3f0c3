"""Queries that answer one row as long as something is, or is not, in the database.

The engine asks them over the simple protocol inside a migration's transaction, right before a statement that was
decided on them. Names are looked up as the server's own functions do it; they take no lock on the relation.
See https://www.postgresql.org/docs/18/functions-info.html#FUNCTIONS-INFO-CATALOG.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from .names import Parts, is_qualified, written
from .object_kinds import KEPT
from .quoting import literal
from .touches import Ref

_RELKINDS: Final = {
    "table": "'r', 'p', 'v', 'm', 'f'",
    "base table": "'r', 'p'",
    "view": "'v', 'm'",
    "materialized view": "'m'",
    "index": "'i', 'I'",
    "sequence": "'S'",
    "relation": "'r', 'p', 'v', 'm', 'f', 'i', 'I', 'S', 'c'",
}
_MEMBERS: Final = {
    "constraint": ("pg_constraint", "conrelid", "conname"),
    "trigger": ("pg_trigger", "tgrelid", "tgname"),
    "policy": ("pg_policy", "polrelid", "polname"),
    "rule": ("pg_rewrite", "ev_class", "rulename"),
}


def proof(conditions: Iterable[str]) -> str:
    """Return the query whose command tag is `SELECT 1` as long as all `conditions` hold, else `SELECT 0`."""
    return "SELECT 1 WHERE " + " AND ".join(conditions)


def negated(condition: str) -> str:
    """Return the opposite of a condition."""
    return f"NOT ({condition})"


def exists(ref: Ref, *, anywhere: bool = False, type_text: str | None = None, valid: bool = False) -> str:
    """Return the SQL condition that an object is there.

    `anywhere` looks into every schema, as a guard that names none does; `type_text` is the type that a column must
    have; `valid` asks of an index that it can be used.
    """
    if ref.kind in KEPT:
        return _kept(ref, anywhere=anywhere)
    if ref.kind == "type":
        if anywhere:
            return _some("pg_catalog.pg_type AS t", f"t.typname = {literal(ref.name[-1])}")
        return f"pg_catalog.to_regtype({_text(ref.name)}) IS NOT NULL"
    if ref.kind == "function":
        return _function(ref.name, anywhere=anywhere)
    if ref.kind == "column":
        return _column(ref, anywhere=anywhere, type_text=type_text)
    if ref.kind in _MEMBERS:
        table, owner, column = _MEMBERS[ref.kind]
        return _some(
            f"pg_catalog.{table} AS t",
            f"t.{column} = {literal(ref.member or '')}",
            _owned(f"t.{owner}", ref.name, anywhere=anywhere),
        )
    return _relation(ref, anywhere=anywhere, valid=valid)


def _some(source: str, *conditions: str) -> str:
    """Return EXISTS over a catalog; every word of it is ours, and every name in it a quoted literal."""
    return f"EXISTS (SELECT FROM {source} WHERE {' AND '.join(c for c in conditions if c)})"


def _kept(ref: Ref, *, anywhere: bool) -> str:
    kept = KEPT[ref.kind]
    named = f"t.{kept.name} = {literal(ref.name[-1])}"
    if not kept.schema or anywhere:
        return _some(f"pg_catalog.{kept.table} AS t", named)
    source = f"pg_catalog.{kept.table} AS t JOIN pg_catalog.pg_namespace AS n ON n.oid = t.{kept.schema}"
    return _some(source, named, _in_schema(ref.name))


def _in_schema(name: Parts) -> str:
    if is_qualified(name):
        return f"n.nspname = {literal(name[-2])}"
    return "n.nspname = ANY (pg_catalog.current_schemas(true))"


def _text(name: Parts) -> str:
    return literal(written(name))


def _relation(ref: Ref, *, anywhere: bool, valid: bool) -> str:
    which = f"c.relname = {literal(ref.name[-1])}" if anywhere else f"c.oid = pg_catalog.to_regclass({_text(ref.name)})"
    usable = ""
    if valid:
        usable = "EXISTS (SELECT FROM pg_catalog.pg_index AS i WHERE i.indexrelid = c.oid AND i.indisvalid)"
    return _some(
        "pg_catalog.pg_class AS c", which, f"c.relkind IN ({_RELKINDS.get(ref.kind, _RELKINDS['relation'])})", usable
    )


def _owned(column: str, name: Parts, *, anywhere: bool) -> str:
    if not name:
        return ""
    if anywhere:
        return _some("pg_catalog.pg_class AS c", f"c.oid = {column}", f"c.relname = {literal(name[-1])}")
    return f"{column} = pg_catalog.to_regclass({_text(name)})"


def _column(ref: Ref, *, anywhere: bool, type_text: str | None) -> str:
    same = f"pg_catalog.format_type(a.atttypid, a.atttypmod) = {literal(type_text)}" if type_text else ""
    return _some(
        "pg_catalog.pg_attribute AS a",
        _owned("a.attrelid", ref.name, anywhere=anywhere),
        f"a.attname = {literal(ref.member or '')}",
        "a.attnum > 0",
        "NOT a.attisdropped",
        same,
    )


def _function(name: Parts, *, anywhere: bool) -> str:
    named = f"p.proname = {literal(name[-1])}"
    where = "" if anywhere else _in_schema(name)
    source = "pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace"
    return _some(source, named, where)
