"""Folder, history, catalog and settings -> the plan, with its digest. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from .catalog import Catalog
from .errors import Fault, UsageError
from .hazards.find import ALL, find
from .hazards.rules import KNOWN
from .history import History
from .judge import Entry, Judged, holds_now, judge
from .migration import Folder, Migration
from .plan import HazardFinding, Limits, Plan, PlannedMigration, PlannedStatement
from .precheck import Row, Verdict
from .status import PENDING_STATES, MigrationStatus, State, statuses


def make_plan(
    *,
    folder: Folder,
    history: History,
    catalog: Catalog,
    limits: Limits,
    allowed_hazards: Mapping[str, str],
    out_of_order: bool,
    to: str | None,
) -> Plan:
    """Return what would run now: deferred steps whose condition holds, then what is pending, in the folder's order.

    `to` is the last version to apply, None for all; raises `UsageError` where the folder has none of that number.
    Everything else that is in the way is among the plan's refusals.
    """
    states = statuses(folder, history)
    work = _work(folder, history, catalog, states, to)
    judged = judge([item.entry for item in work], catalog)
    version = catalog.server.version_num
    migrations = tuple(
        _planned(item, statements, allowed_hazards, version) for item, statements in zip(work, judged, strict=True)
    )
    rows = tuple(row for statements in judged for one in statements for row in one.rows)
    refusals = (
        *_of_server(catalog),
        *_of_states(states),
        *(() if out_of_order else _of_order(folder, history, work)),
        *_of_rows(rows),
        *_of_hazards(work, migrations, allowed_hazards),
    )
    digest = _digest(
        folder=folder,
        history=history,
        catalog=catalog,
        limits=limits,
        allowed=allowed_hazards,
        work=work,
        judged=judged,
    )
    return Plan(
        digest=digest,
        database=catalog.server.database,
        system_identifier=catalog.server.system_identifier,
        limits=limits,
        history=history,
        migrations=migrations,
        rows=rows,
        refusals=refusals,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    """A migration of the plan: pending, or the deferred steps of one in force."""

    migration: Migration
    # migration or deferred
    kind: str
    entry: Entry


def _work(
    folder: Folder, history: History, catalog: Catalog, states: tuple[MigrationStatus, ...], to: str | None
) -> list[_Item]:
    state_of = {status.version: status.state for status in states}
    last = _last(folder, to)
    migrations = folder.migrations[: last + 1]
    waiting = {row.version: row.deferred for row in history.applied if row.deferred}
    deferred: list[_Item] = []
    pending: list[_Item] = []
    for migration in migrations:
        statements = migration.script.statements
        if migration.version in waiting and state_of[migration.version] is State.DEFERRED:
            numbers = waiting[migration.version]
            due = tuple(s for s in statements if s.number in numbers and holds_now(s, catalog))
            if due:
                entry = Entry(version=migration.version, statements=due)
                deferred.append(_Item(migration=migration, kind="deferred", entry=entry))
        elif state_of[migration.version] in PENDING_STATES:
            entry = Entry(version=migration.version, statements=statements)
            pending.append(_Item(migration=migration, kind="migration", entry=entry))
    return [*deferred, *pending]


def _last(folder: Folder, to: str | None) -> int:
    if to is None:
        return len(folder.migrations) - 1
    for number, migration in enumerate(folder.migrations):
        same = to.isdecimal() and migration.version.isdecimal() and int(to) == int(migration.version)
        if same or to in {migration.version, migration.file, f"{migration.version}_{migration.name}"}:
            return number
    raise UsageError(
        f"There is no migration {to} in {folder.path}.",
        advice=f"The folder goes from {folder.migrations[0].version} to {folder.migrations[-1].version}.",
    )


def _planned(item: _Item, judged: tuple[Judged, ...], allowed: Mapping[str, str], version: int) -> PlannedMigration:
    script = item.migration.script
    return PlannedMigration(
        migration=item.migration,
        entry=item.kind,
        transactional=script.transactional,
        statements=tuple(
            _statement(one, find(one, in_file=script.allows, settings=allowed, version=version)) for one in judged
        ),
    )


def _statement(judged: Judged, hazards: tuple[HazardFinding, ...]) -> PlannedStatement:
    statement, estimate = judged.statement, judged.estimate
    return PlannedStatement(
        number=statement.number,
        line=statement.place.line,
        column=statement.place.column,
        sql=statement.sql,
        kind=statement.kind,
        outside_transaction=statement.outside_transaction,
        decision=judged.decision,
        reason=judged.reason,
        condition=statement.condition,
        proof=judged.proof,
        guards_itself=judged.guards_itself,
        needs=judged.needs,
        makes=judged.makes,
        changes=judged.changes,
        drops=judged.drops,
        locks=estimate.locks,
        rewrites=estimate.rewrites,
        scans=estimate.scans,
        builds=estimate.builds,
        long=estimate.long,
        source="estimated",
        error=None,
        hazards=hazards,
    )


# -- refusals


def _of_server(catalog: Catalog) -> list[Fault]:
    if not catalog.server.in_recovery:
        return []
    return [
        Fault(
            id="standby",
            summary=f"{catalog.server.host}:{catalog.server.port} is a standby: it can be read, not changed.",
            advice="Name the primary as the target.",
        )
    ]


_STATES: Final = {
    State.CHANGED: (
        "changed",
        "{file} was edited after it was applied.",
        "Put the file back as it was, and write the change as a new migration.",
    ),
    State.MISSING_FILE: (
        "missing-file",
        "Migration {version} {name} is in force, and its file is not in the folder.",
        "Bring the file back (another branch may have it), or point --migrations at the folder that has it.",
    ),
    State.PARTIAL: (
        "partial",
        "{file} stopped half-way, outside a transaction: {note}.",
        (
            "Look at what is there, finish or undo the remaining statements by hand, and drop an invalid index if one "
            "was left; nothing else runs until the history says how this migration ended."
        ),
    ),
    State.IN_DOUBT: (
        "in-doubt",
        "{file} was begun, and how it ended is not recorded: {note}.",
        (
            "The runner of that attempt may still be at work; if it is gone, look whether its statements took effect "
            "before anything else runs."
        ),
    ),
}


def _of_states(states: tuple[MigrationStatus, ...]) -> list[Fault]:
    found: list[Fault] = []
    for status in states:
        if status.state not in _STATES:
            continue
        kind, summary, advice = _STATES[status.state]
        words = {"file": status.file or status.version, "version": status.version, "name": status.name}
        found.append(
            Fault(
                id=kind,
                summary=summary.format(**words, note=status.note),
                advice=advice,
                file=status.file,
                line=1 if status.file else None,
            )
        )
    return found


def _of_order(folder: Folder, history: History, work: list[_Item]) -> list[Fault]:
    applied = {row.version for row in history.applied}
    newest = max((n for n, m in enumerate(folder.migrations) if m.version in applied), default=-1)
    order = {migration.version: number for number, migration in enumerate(folder.migrations)}
    return [
        Fault(
            id="out-of-order",
            summary=f"{item.migration.file} is pending, and the newer {folder.migrations[newest].file} is applied.",
            advice="Give it a number after the newest, or allow it with --out-of-order.",
            file=item.migration.file,
            line=1,
        )
        for item in work
        if item.kind == "migration" and order[item.migration.version] < newest
    ]


def _of_rows(rows: tuple[Row, ...]) -> list[Fault]:
    found: list[Fault] = []
    # the first place that misses an object is enough
    said: set[tuple[Verdict, str, str]] = set()
    for row in rows:
        if (row.verdict, row.kind, row.object) in said:
            continue
        said.add((row.verdict, row.kind, row.object))
        if row.verdict is Verdict.MISSING:
            why = "" if row.found == "not there" else f": {row.found}"
            summary = f"{row.kind} {row.object} is missing{why}."
            advice = "Create it in an earlier migration, or correct the name; a step that may wait takes `when`."
        elif row.verdict is Verdict.CONFLICT:
            summary = f"{row.kind} {row.object} is in the way: expected {row.expected}, found {row.found}."
            advice = "Rename or convert what is there in a statement of the plan, or correct the migration."
        else:
            continue
        place = row.needed_by
        found.append(
            Fault(
                id=str(row.verdict),
                summary=summary[:1].upper() + summary[1:],
                advice=advice,
                file=place.file,
                line=place.line,
                column=place.column,
            )
        )
    return found


def _of_hazards(work: list[_Item], migrations: tuple[PlannedMigration, ...], allowed: Mapping[str, str]) -> list[Fault]:
    found: list[Fault] = []
    for hazard, source in allowed.items():
        if hazard not in KNOWN and hazard != ALL:
            found.append(_unknown(hazard, source, None, None))
    for item in work:
        script = item.migration.script
        found.extend(_unknown(a.hazard, "", item.migration.file, 1) for a in script.allows if a.hazard not in KNOWN)
        for statement in item.entry.statements:
            place = statement.place
            found.extend(
                _unknown(a.hazard, "", place.file, place.line) for a in statement.allows if a.hazard not in KNOWN
            )
    for planned in migrations:
        for step in planned.statements:
            found.extend(
                _dangerous(planned.migration.file, step, hazard)
                for hazard in step.hazards
                if hazard.severity == "severe" and hazard.allowed_by is None
            )
    return found


def _unknown(hazard: str, source: str, file: str | None, line: int | None) -> Fault:
    where = f" ({source})" if source else ""
    return Fault(
        id="unknown-hazard",
        summary=f"{hazard} is allowed{where}, and no hazard has that name.",
        advice=f"The hazards are {', '.join(sorted(KNOWN))}.",
        file=file,
        line=line,
    )


def _dangerous(file: str, statement: PlannedStatement, hazard: HazardFinding) -> Fault:
    return Fault(
        id="hazard",
        summary=f"{hazard.id}: {hazard.text}",
        advice=(
            f"Do it the safe way (see the plan), or allow it with --allow {hazard.id} or, above the statement, "
            f"`-- changeover: allow {hazard.id}: reason`."
        ),
        file=file,
        line=statement.line,
        column=statement.column,
    )


# -- digest


def _digest(
    *,
    folder: Folder,
    history: History,
    catalog: Catalog,
    limits: Limits,
    allowed: Mapping[str, str],
    work: list[_Item],
    judged: tuple[tuple[Judged, ...], ...],
) -> str:
    """Return the SHA-256 of what an approval is for; nothing that changes by itself (sizes, traffic) is in it."""
    facts = {
        "database": catalog.server.database,
        "system_identifier": catalog.server.system_identifier,
        "files": [[m.version, m.file, m.checksums.exact] for m in folder.migrations],
        "history": {
            "format": history.format,
            "table": history.table,
            "applied": sorted([r.version, r.checksums.exact, list(r.deferred)] for r in history.applied),
        },
        "decisions": [
            [item.migration.version, item.kind, [[j.statement.number, j.decision.value, j.cause] for j in statements]]
            for item, statements in zip(work, judged, strict=True)
        ],
        "limits": {
            # 2 and 2.0 are one limit: a number may become the other on its way through JSON
            "lock_timeout": float(limits.lock_timeout),
            "lock_attempts": limits.lock_attempts,
            "lock_pause": [float(seconds) for seconds in limits.lock_pause],
            "statement_timeout": float(limits.statement_timeout),
        },
        "allowed": sorted(allowed),
    }
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return sha256(text.encode()).hexdigest()
