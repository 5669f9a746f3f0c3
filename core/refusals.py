"""Why a plan cannot run: the standby, the state of a migration, the order, the pre-check, the hazards. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from . import formats
from .catalog import Catalog
from .errors import Fault
from .history import History
from .migration import Folder, Kind, Migration
from .plan import HazardFinding, PlannedMigration, PlannedStatement
from .precheck import Row, Verdict
from .resume import Found, StepLook
from .status import MigrationStatus, State


def of_server(catalog: Catalog) -> list[Fault]:
    """Return that the server cannot be changed."""
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
            "`changeover repair` shows what is there. `changeover apply` goes on with a migration that was being "
            "applied, `changeover revert` with one that was being undone; nothing else runs before."
        ),
    ),
    State.IN_DOUBT: (
        "in-doubt",
        "{file} was begun, and how it ended is not recorded: {note}.",
        (
            "The runner of that attempt may still be at work; if it is gone, `changeover repair` shows what is there "
            "and settles it."
        ),
    ),
}


def of_states(
    states: tuple[MigrationStatus, ...], *, but: Collection[str] = (), only: Collection[str] | None = None
) -> list[Fault]:
    """Return what the history and the files say against a run; `but` are the versions that it goes on with."""
    found: list[Fault] = []
    for status in states:
        if status.state not in _STATES or status.version in but or (only is not None and status.version not in only):
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


def of_order(folder: Folder, history: History, pending: Sequence[Migration]) -> list[Fault]:
    """Return the migrations that are older than the newest one in force."""
    applied = {row.version for row in history.applied}
    versioned = [(n, m) for n, m in enumerate(folder.migrations) if m.kind is not Kind.REPEATABLE]
    newest = max((n for n, m in versioned if m.version in applied), default=-1)
    order = {migration.version: number for number, migration in enumerate(folder.migrations)}
    return [
        Fault(
            id="out-of-order",
            summary=f"{migration.file} is pending, and the newer {folder.migrations[newest].file} is applied.",
            advice="Give it a number after the newest, or allow it with --out-of-order.",
            file=migration.file,
            line=1,
        )
        for migration in pending
        if order[migration.version] < newest and migration.kind is Kind.VERSIONED
    ]


def of_no_revert(migration: Migration | None, format_name: str) -> list[Fault]:
    """Return that a migration cannot be undone because nothing says how."""
    if migration is None:
        return []
    native = format_name == formats.NATIVE.name
    file = f"{migration.stem}.revert.sql" if native else "revert script of it"
    where = f"into {file} beside it" if native else f"where {formats.BY_NAME[format_name].title} has them"
    return [
        Fault(
            id="no-revert",
            summary=f"{migration.file} cannot be undone: there is no {file}.",
            advice=f"Write the statements that undo it {where}, or undo it with a new migration.",
            file=migration.file,
            line=1,
        )
    ]


def of_beyond(last: Migration, beyond: Sequence[str]) -> list[Fault]:
    """Return that the history is further than a baseline would say."""
    if not beyond:
        return []
    return [
        Fault(
            id="beyond",
            summary=f"The history has {', '.join(sorted(beyond))} in force, which a baseline of {last.version} "
            "does not include.",
            advice="A baseline is for a database whose history is empty or older. Name a later version, or none.",
            file=last.file,
            line=1,
        )
    ]


def of_steps(migration: Migration, looks: Sequence[StepLook], lost: Sequence[int]) -> list[Fault]:
    """Return what keeps a migration that stopped half-way from going on."""
    gone = "Statement {}, which is done, is not in {} any more."
    found = [_edited(migration, gone.format(number, migration.file), 1) for number in lost]
    for look in looks:
        place = look.statement.place
        if look.is_edited:
            summary = f"Statement {look.statement.number} of {migration.file} was edited after it was done."
            found.append(_edited(migration, summary, place.line))
        elif look.recorded == "running" and look.found is Found.UNKNOWN:
            found.append(
                Fault(
                    id="step-unknown",
                    summary=f"Statement {look.statement.number} of {migration.file} was under way when the attempt "
                    f"ended, and {look.note}.",
                    advice="Look at it yourself and settle it: `changeover repair --applied` once everything of it is "
                    "done, `--not-applied` once everything of it is undone.",
                    file=place.file,
                    line=place.line,
                    column=place.column,
                )
            )
    return found


def _edited(migration: Migration, summary: str, line: int) -> Fault:
    return Fault(
        id="step-edited",
        summary=summary,
        advice="Put the file back as it was and go on, or settle it: `changeover repair --applied` or `--not-applied`.",
        file=migration.file,
        line=line,
    )


def nothing_open(migration: Migration, state: str) -> Fault:
    """Return that there is nothing to settle."""
    return Fault(
        id="nothing-open",
        summary=f"{migration.file} did not stop half-way: it is {state.replace('_', ' ')}.",
        advice="`changeover repair` lists what there is to settle.",
        file=migration.file,
        line=1,
    )


def nothing_invalid(migration: Migration) -> Fault:
    """Return that there is no invalid index to drop."""
    return Fault(
        id="nothing-invalid",
        summary=f"No invalid index stands where {migration.file} builds one.",
        advice="`changeover repair` lists what there is to settle.",
        file=migration.file,
        line=1,
    )


_INVALID: Final = (
    "It is of no use. Drop it and build it again: `changeover apply --rebuild-invalid-indexes`. Or only drop it: "
    "`changeover repair {version} --drop-invalid`, which is DROP INDEX CONCURRENTLY {index}."
)


def of_rows(rows: tuple[Row, ...]) -> list[Fault]:
    """Return what the pre-check found missing or in the way."""
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
            if row.kind == "index" and "invalid" in row.found:
                advice = _INVALID.format(version=row.version, index=row.object)
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


def of_surroundings(rows: Sequence[Row]) -> list[Fault]:
    """Return what around the plan keeps it from running; that the server is a standby is said by `of_server`."""
    return [
        Fault(
            id=str(row.verdict),
            summary=f"{_subject(row)}: {'' if row.kind == 'right' else f'expected {row.expected}, found '}{row.found}.",
            advice=f"{row.remedy};" if row.remedy else _ADVICE.get(row.kind, "Change it, and look again."),
            file=row.needed_by.file,
            line=row.needed_by.line,
            column=row.needed_by.column,
        )
        for row in rows
        if row.object != "server"
    ]


_ADVICE: Final = {
    "right": "Run it as a role that has this right.",
    "connections": "Close connections, or raise the limit that is reached.",
    "replication": "Bring a synchronous standby back, or change synchronous_standby_names.",
}


def _subject(row: Row) -> str:
    if row.kind == "right":
        return f"The role lacks {row.expected} on {row.object}"
    return f"{row.kind} {row.object}"[:1].upper() + f"{row.kind} {row.object}"[1:]


def of_hazards(migrations: tuple[PlannedMigration, ...]) -> list[Fault]:
    """Return severe hazards that nobody allowed."""
    return [
        _dangerous(planned.migration.file, step, hazard)
        for planned in migrations
        for step in planned.statements
        for hazard in step.hazards
        if hazard.stops
    ]


def _dangerous(file: str, statement: PlannedStatement, hazard: HazardFinding) -> Fault:
    way = "Do it the safe way, which `changeover plan` shows" if hazard.instead else "Leave it out"
    return Fault(
        id="hazard",
        summary=f"{hazard.id}: {hazard.text}",
        advice=(
            f"{way}, or allow it: above the statement with `-- changeover: allow {hazard.id}: reason`, "
            f"or with --allow {hazard.id}."
        ),
        file=file,
        line=statement.line,
        column=statement.column,
    )
