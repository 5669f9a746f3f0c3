"""What a format says of a migration beyond its script: one small struct per format that has more to say.

These are the columns of a tool's history row that come from the folder. A format that is not here has none.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

from msgspec import Struct


class FlywayFacts(Struct, frozen=True, kw_only=True):
    """Of `flyway_schema_history`."""

    # SQL or SQL_BASELINE
    type: str
    # underscores as spaces; the key of a repeatable migration, whose version is NULL in the table
    description: str
    # the file, relative to the location that it was found in
    script: str
    # as the table has it: 1.1 for V1_1__x.sql; None for a repeatable migration
    version: str | None
    # of the undo script, where there is one; None where there is none
    undo_script: str | None = None
    undo_checksum: str | None = None


class SqlxFacts(Struct, frozen=True, kw_only=True):
    """Of `_sqlx_migrations`."""

    description: str
    # with an .up.sql and a .down.sql
    reversible: bool


class GraphileFacts(Struct, frozen=True, kw_only=True):
    """Of `graphile_migrate.migrations`; the migration's own hash is its recorded checksum."""

    filename: str
    previous_hash: str | None


class AtlasFacts(Struct, frozen=True, kw_only=True):
    """Of `atlas_schema_revisions`; the file's hash is the migration's recorded checksum."""

    description: str
    # running hash after each statement, as the tool splits the file; None where that is not known for certain
    partial_hashes: tuple[str, ...] | None = None


class SqitchDependency(Struct, frozen=True, kw_only=True):
    """What a change requires or conflicts with, as the plan writes it."""

    dependency: str
    # of the change in this project that it names; None for another project's, and for a conflict
    change_id: str | None = None


class SqitchTag(Struct, frozen=True, kw_only=True):
    """A tag that stands on a change."""

    tag_id: str
    # with its @
    name: str
    note: str
    planned_at: datetime
    planner_name: str
    planner_email: str


class SqitchFacts(Struct, frozen=True, kw_only=True):
    """Of the registry's tables; the script's SHA-1 is the migration's recorded checksum."""

    change_id: str
    project: str
    uri: str | None
    note: str
    planned_at: datetime
    planner_name: str
    planner_email: str
    requires: tuple[SqitchDependency, ...] = ()
    conflicts: tuple[SqitchDependency, ...] = ()
    tags: tuple[SqitchTag, ...] = ()
    # who records it, as the tool's configuration has them; None where it is silent
    committer_name: str | None = None
    committer_email: str | None = None


Facts: TypeAlias = FlywayFacts | SqlxFacts | GraphileFacts | AtlasFacts | SqitchFacts
