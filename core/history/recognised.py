"""Histories that are only recognised: which tool, and where it stands. None of their migrations is applied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from .. import formats
from ..formats import Format


class Recognised(Struct, frozen=True, kw_only=True):
    """What a tool's table looks like, and the query for where it stands; `{table}` is its name."""

    format: Format
    # a table of that name with those columns (name -> words that its type begins with), and none of `without`
    names: tuple[str, ...]
    columns: Mapping[str, str]
    without: frozenset[str] = frozenset()
    # another table that is beside it
    beside: str = ""
    version: str


_HEADS: Final = "SELECT pg_catalog.string_agg(version_num::text, ', ' ORDER BY version_num) FROM {table}"
_NEWEST: Final = "SELECT pg_catalog.max(version::text) FROM {table}"

RECOGNISED: Final = (
    Recognised(
        format=formats.ALEMBIC, names=("alembic_version",), columns={"version_num": "character varying"}, version=_HEADS
    ),
    Recognised(
        format=formats.DJANGO,
        names=("django_migrations",),
        columns={"app": "character varying", "name": "character varying", "applied": "timestamp"},
        version=(
            "SELECT pg_catalog.string_agg(newest.app || '.' || newest.name, ', ' ORDER BY newest.app) FROM "
            "(SELECT DISTINCT ON (app) app, name FROM {table} ORDER BY app, id DESC) AS newest"
        ),
    ),
    Recognised(
        format=formats.RAILS,
        names=("schema_migrations",),
        columns={"version": "character varying"},
        beside="ar_internal_metadata",
        version=_NEWEST,
    ),
    Recognised(
        format=formats.ECTO,
        names=("schema_migrations",),
        columns={"version": "bigint", "inserted_at": "timestamp"},
        version="SELECT pg_catalog.max(version)::text FROM {table}",
    ),
    Recognised(
        format=formats.LIQUIBASE,
        names=("databasechangelog",),
        columns={"id": "character varying", "author": "character varying", "orderexecuted": "integer"},
        version="SELECT id::text || ' by ' || author FROM {table} ORDER BY orderexecuted DESC LIMIT 1",
    ),
    Recognised(
        format=formats.YOYO,
        names=("_yoyo_migration", "_yoyo_migrations"),
        columns={"migration_hash": "character varying", "migration_id": "character varying"},
        version="SELECT migration_id::text FROM {table} ORDER BY applied_at_utc DESC, migration_id DESC LIMIT 1",
    ),
    Recognised(
        format=formats.REFINERY,
        names=("refinery_schema_history",),
        columns={"version": "", "name": "character varying", "applied_on": "character varying"},
        version="SELECT pg_catalog.max(version)::text FROM {table}",
    ),
    Recognised(
        format=formats.PGROLL,
        names=("migrations",),
        columns={"schema": "", "name": "text", "migration": "jsonb", "parent": "text", "done": "boolean"},
        version="SELECT name::text FROM {table} WHERE done ORDER BY created_at DESC LIMIT 1",
    ),
    # a registry of any project: its plan is another folder's
    Recognised(
        format=formats.SQITCH,
        names=("changes",),
        columns={"change_id": "text", "script_hash": "text", "change": "text", "planner_name": "text"},
        version="SELECT change FROM {table} ORDER BY committed_at DESC LIMIT 1",
    ),
)
