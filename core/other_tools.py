"""History tables that other tools have left in a database: whose they are. Pure, by names in the catalog."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .catalog import Catalog

# Table -> a column that only this tool's has (empty: the name says enough), and the tool.
_TABLES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "flyway_schema_history": (("", "Flyway"),),
    "databasechangelog": (("", "Liquibase"),),
    "alembic_version": (("", "Alembic"),),
    "django_migrations": (("", "Django"),),
    "_prisma_migrations": (("", "Prisma"),),
    "goose_db_version": (("", "goose"),),
    "_sqlx_migrations": (("", "SQLx"),),
    "__diesel_schema_migrations": (("", "Diesel"),),
    "knex_migrations": (("", "Knex"),),
    "pgmigrations": (("", "node-pg-migrate"),),
    "__drizzle_migrations": (("", "Drizzle"),),
    "atlas_schema_revisions": (("", "Atlas"),),
    "schema_migrations": (
        ("dirty", "golang-migrate"),
        ("inserted_at", "Ecto or Supabase"),
        ("statements", "Supabase"),
        ("", "dbmate or Rails"),
    ),
    "changes": (("change_id", "Sqitch"),),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A history table that is not ours."""

    tool: str
    # qualified, as PostgreSQL would quote it
    table: str


def marks(catalog: Catalog) -> tuple[Mark, ...]:
    """Return the history tables of other tools, by name."""
    found: list[Mark] = []
    for (_, name), relation in sorted(catalog.relations.items()):
        if name not in _TABLES or "table" not in relation.kind:
            continue
        columns = {row["name"] for row in catalog.columns.get(relation.oid, ())}
        tool = next((tool for column, tool in _TABLES[name] if not column or column in columns), None)
        if tool is not None:
            found.append(Mark(tool=tool, table=relation.qualified))
    return tuple(found)
