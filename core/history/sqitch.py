"""Sqitch: a registry of six tables, with what is deployed in `changes` and everything that happened in `events`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, Final

from .. import formats
from ..facts import SqitchFacts
from ..migration import Folder, Migration
from ..quoting import identifier, literal
from ..sql import query
from . import AppliedMigration, Row
from .dialect import Change, Dialect, Reading, Standing
from .ledger import Authorship, Deed
from .place import Place

_KEY: Final = 75474063


class Sqitch(Dialect):
    """The schema `sqitch`, unless the project's configuration names another registry."""

    format = formats.SQITCH
    name = "changes"
    schema = "sqitch"
    columns: ClassVar = {
        "change_id": "text", "script_hash": "text", "change": "text", "project": "text",
        "committed_at": "timestamp with time zone", "planner_name": "text",
    }  # fmt: skip
    stable: ClassVar = {
        "change_id": "change_id", "script_hash": "script_hash", "change": "change", "project": "project",
    }  # fmt: skip
    shown: ClassVar = {"committed_at": "committed_at", "committer": "committer_name"}
    order = "committed_at, change_id"
    newest = "SELECT change FROM {table} ORDER BY committed_at DESC LIMIT 1"

    def keys(self, place: Place, database: str) -> tuple[int, ...]:
        """Return the one key that it always takes."""
        del place, database
        return (_KEY,)

    def creation(self, place: Place) -> str:
        """Return the tool's own definition of its registry."""
        return query("sqitch_registry").replace("{schema}", identifier(place.schema))

    def read(self, rows: Sequence[Row], folder: Folder) -> Reading:
        """Return what is deployed of the folder's project; other projects in the registry are none of it."""
        here = {facts.change_id: it for it in folder.migrations if (facts := _facts(it))}
        projects = {facts.project for it in folder.migrations if (facts := _facts(it))}
        return Reading(
            applied=tuple(
                AppliedMigration(
                    version=file.version if file else row["change_id"],
                    name=file.name if file else row["change"],
                    recorded=row["script_hash"],
                    applied_at=row["committed_at"],
                    operator=row["committer"],
                )
                for row in rows
                if (file := here.get(row["change_id"])) or row["project"] in projects
            )
        )

    def applied(self, at: Standing, deed: Deed, seconds: float) -> Change:
        """Return the rows of a deployed change: itself, what it depends on, its tags, and the event."""
        del seconds
        facts, migration, space = _known(deed.migration), deed.migration, identifier(at.place.schema)
        who, planned = _who(at.by, facts), _planner(facts)
        note, project = literal(facts.note), literal(facts.project)
        change = (
            f"INSERT INTO {space}.changes (change_id, script_hash, change, project, note, committer_name, "
            "committer_email, planned_at, planner_name, planner_email) VALUES "
            f"({literal(facts.change_id)}, {_or_null(migration.recorded_checksum)}, {literal(_change(migration))}, "
            f"{project}, {note}, {who}, {planned})"
        )
        statements = [_project(at, facts), change]
        for kind, ones in (("require", facts.requires), ("conflict", facts.conflicts)):
            statements += [
                f"INSERT INTO {space}.dependencies (change_id, type, dependency, dependency_id) VALUES "
                f"({literal(facts.change_id)}, '{kind}', {literal(it.dependency)}, {_or_null(it.change_id)})"
                for it in ones
            ]
        statements += [
            f"INSERT INTO {space}.tags (tag_id, tag, project, change_id, note, committer_name, committer_email, "
            f"planned_at, planner_name, planner_email) VALUES ({literal(tag.tag_id)}, {literal(tag.name)}, {project}, "
            f"{literal(facts.change_id)}, {literal(tag.note)}, {who}, {literal(tag.planned_at.isoformat())}, "
            f"{literal(tag.planner_name)}, {literal(tag.planner_email)})"
            for tag in facts.tags
        ]
        row = {
            "change_id": facts.change_id, "script_hash": migration.recorded_checksum, "change": _change(migration),
            "project": facts.project,
        }  # fmt: skip
        return Change(sql="; ".join([*statements, _event(at, deed.migration, "deploy")]), rows=(*at.rows, row))

    def reverted(self, at: Standing, deed: Deed, seconds: float) -> Change:
        """Return the end of the change's rows, and the event."""
        del seconds
        facts, space = _known(deed.migration), identifier(at.place.schema)
        mine = f"change_id OPERATOR(pg_catalog.=) {literal(facts.change_id)}"
        return Change(
            sql=f"DELETE FROM {space}.tags WHERE {mine}; DELETE FROM {at.place.sql} WHERE {mine}; "
            f"{_event(at, deed.migration, 'revert')}",
            rows=tuple(row for row in at.rows if row["change_id"] != facts.change_id),
        )

    def failed(self, at: Standing, deed: Deed, *, error: str) -> Change | None:
        """Return the event of a deployment that failed; one that was undone in vain has none."""
        del error
        if deed.entry != "migration":
            return None
        return Change(sql=f"{_project(at, _known(deed.migration))}; {_event(at, deed.migration, 'fail')}", rows=at.rows)

    def stopped(self, at: Standing, deed: Deed, *, error: str, done: int) -> Change | None:
        """Return the same: the registry knows no half of a change."""
        del done
        return self.failed(at, deed, error=error)

    def in_force(self, version: str) -> str:
        """Return the condition on its row."""
        return f"change_id OPERATOR(pg_catalog.=) {literal(version)}"


def _facts(migration: Migration) -> SqitchFacts | None:
    return migration.facts if isinstance(migration.facts, SqitchFacts) else None


def _known(migration: Migration) -> SqitchFacts:
    facts = _facts(migration)
    assert facts is not None
    return facts


def _change(migration: Migration) -> str:
    """Return the change's name, without the tag that tells a reworked one from the one before."""
    return migration.name.partition("@")[0]


def _project(at: Standing, facts: SqitchFacts) -> str:
    """Return the row of the project, which is there from its first change on."""
    values = f"{literal(facts.project)}, {_or_null(facts.uri)}, {_who(at.by, facts)}"
    columns = "project, uri, creator_name, creator_email"
    return f"INSERT INTO {identifier(at.place.schema)}.projects ({columns}) VALUES ({values}) ON CONFLICT DO NOTHING"


def _who(by: Authorship, facts: SqitchFacts) -> str:
    """Return name and address of the committer: as the tool knows the user, else the operator, and where that is."""
    name = facts.committer_name or by.operator.partition("@")[0]
    return f"{literal(name)}, {literal(facts.committer_email or by.operator)}"


def _planner(facts: SqitchFacts) -> str:
    return ", ".join(map(literal, (facts.planned_at.isoformat(), facts.planner_name, facts.planner_email)))


def _or_null(text: str | None) -> str:
    return "NULL" if text is None else literal(text)


def _array(texts: Iterable[str]) -> str:
    return f"ARRAY[{', '.join(map(literal, texts))}]::pg_catalog.text[]"


def _event(at: Standing, migration: Migration, what: str) -> str:
    facts = _known(migration)
    values = ", ".join(
        [
            *map(literal, (what, facts.change_id, _change(migration), facts.project, facts.note)),
            _array(it.dependency for it in facts.requires),
            _array(it.dependency for it in facts.conflicts),
            _array(it.name for it in facts.tags),
            _who(at.by, facts),
            _planner(facts),
        ]
    )
    return (
        f"INSERT INTO {identifier(at.place.schema)}.events (event, change_id, change, project, note, requires, "
        f"conflicts, tags, committer_name, committer_email, planned_at, planner_name, planner_email) VALUES ({values})"
    )


DIALECT: Final = Sqitch()
