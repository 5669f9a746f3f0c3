"""Folder, history, catalog, settings and an action -> the plan, with its digest. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from . import refusals, unrunnable
from .actions import APPLY, Action, Verb
from .catalog import Catalog
from .column_wishes import column_wishes
from .digest import digest_of
from .formats import Notion
from .hazards.allowances import Allowances
from .hazards.find import Findings, Passage, find
from .history import History
from .items import Item, Scene, items_of
from .judge import Entry, Judged, judge
from .limits import Limits
from .migration import Folder
from .notions import require
from .plan import Plan, PlannedMigration, PlannedStatement
from .precheck import Decision
from .rebuild import without
from .record_writes import Write, record_writes
from .right_needs import needed_rights
from .script import Script, Statement, parse
from .status import statuses


def make_plan(
    *,
    folder: Folder,
    history: History,
    catalog: Catalog,
    limits: Limits,
    allowances: Allowances,
    out_of_order: bool,
    action: Action = APPLY,
) -> Plan:
    """Return what the action would do now.

    Apply: deferred steps whose condition holds, what stopped half-way, what is pending, in the folder's order. Revert:
    what is undone, the newest first. Baseline and repair: what is marked. Raises `UsageError` where the action names a
    version that the folder does not have, and where the folder's format has no such action. Everything else that is in
    the way is among the plan's refusals.
    """
    states = statuses(folder, history)
    scene = Scene(
        action=action, folder=folder, history=history, catalog=catalog, states=states, out_of_order=out_of_order
    )
    _refuse_lacking(action, folder, history)
    items, faults = items_of(scene)
    work = _judged(items, catalog, history)
    entries = [[(item.migration.version, one) for one in statements] for item, statements in work]
    hazards = _hazards(work, catalog, allowances)
    migrations = tuple(_planned(item, judged, found) for (item, judged), found in zip(work, hazards, strict=True))
    rows = tuple(row for _, statements in work for one in statements for row in one.rows)
    return Plan(
        digest=digest_of(
            action=action,
            folder=folder,
            history=history,
            catalog=catalog,
            limits=limits,
            allowed=allowances.names,
            work=work,
        ),
        database=catalog.server.database,
        system_identifier=catalog.server.system_identifier,
        limits=limits,
        history=history,
        migrations=migrations,
        rows=rows,
        refusals=(
            *refusals.of_server(catalog),
            *folder.refusals,
            *faults,
            *unrunnable.of_items(items),
            *refusals.of_rows(rows),
            *allowances.unknown([(it.migration.file, it.migration.script) for it in items if it.entry.statements]),
            *refusals.of_hazards(migrations),
        ),
        rights=needed_rights(
            entries, catalog=catalog, history=history, writes=record_writes(history, folder, map(_write, items))
        ),
        columns=column_wishes(entries, catalog),
        notes=(
            *unrunnable.notes_of(items),
            *unrunnable.beyond(folder, states, items),
            *allowances.idle(_running(work, hazards)),
        ),
    )


def _write(item: Item) -> Write:
    return Write(migration=item.migration, kind=item.kind, record=item.record, transactional=item.transactional)


_NOTIONS: Final = {Verb.REVERT: Notion.REVERT, Verb.BASELINE: Notion.BASELINE, Verb.REPAIR: Notion.REPAIR}


def _refuse_lacking(action: Action, folder: Folder, history: History) -> None:
    """Refuse what the folder's format has no notion of; what a session log knows can be settled in any."""
    notion = _NOTIONS.get(action.verb)
    if notion is Notion.REPAIR and any(it.steps for it in history.attempts):
        return
    if notion is not None:
        require(folder.format, notion)


def _judged(items: Sequence[Item], catalog: Catalog, history: History) -> list[tuple[Item, tuple[Judged, ...]]]:
    """Return each item with all its statements in order, those that something else decided on among them."""
    catalog = without(catalog, [index for item in items for index in item.dropped])
    # a migration may name the history table, which is made before the first one
    made = [Entry(version="", statements=parse(history.creation.encode(), file="").statements)]
    first = [] if history.exists or not history.creation else made
    judged = judge([*first, *(item.entry for item in items)], catalog)[len(first) :]
    return [(item, _in_order(item, statements)) for item, statements in zip(items, judged, strict=True)]


def _in_order(item: Item, judged: Sequence[Judged]) -> tuple[Judged, ...]:
    by_number = {**item.fixed, **{one.statement.number: one for one in judged}}
    ours = [(before, -1, one) for before, one in item.added]
    theirs = [(number, 0, one) for number, one in by_number.items()]
    return tuple(one for *_, one in sorted([*ours, *theirs], key=lambda entry: entry[:2]))


def _hazards(
    work: Sequence[tuple[Item, tuple[Judged, ...]]], catalog: Catalog, allowances: Allowances
) -> list[tuple[Findings, ...]]:
    passages = [
        Passage(
            statements=judged,
            transactional=item.transactional,
            script=item.migration.script,
            reverts=item.kind == "revert",
        )
        for item, judged in work
    ]
    return find(passages, without(catalog, [index for item, _ in work for index in item.dropped]), allowances)


def _running(
    work: Sequence[tuple[Item, tuple[Judged, ...]]], hazards: Sequence[tuple[Findings, ...]]
) -> Iterator[tuple[str, Script, Statement, Findings]]:
    """Yield what runs of the files, each with its hazards."""
    for (item, judged), found in zip(work, hazards, strict=True):
        for one, findings in zip(judged, found, strict=True):
            if one.decision is Decision.RUN and not one.added:
                yield item.migration.file, item.migration.script, one.statement, findings


def _planned(item: Item, judged: Sequence[Judged], hazards: Sequence[Findings]) -> PlannedMigration:
    return PlannedMigration(
        migration=item.migration,
        entry=item.kind,
        transactional=item.transactional,
        statements=tuple(_statement(one, found) for one, found in zip(judged, hazards, strict=True)),
        record=item.record,
        reason=item.reason,
        carried=item.carried,
    )


def _statement(judged: Judged, hazards: Findings) -> PlannedStatement:
    statement, estimate = judged.statement, judged.estimate
    return PlannedStatement(
        number=statement.number,
        file=statement.place.file,
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
        done_before=judged.done_before,
        added=judged.added,
        data=statement.data,
        segment=statement.segment,
    )
