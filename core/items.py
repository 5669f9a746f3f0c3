"""Which migrations an action is about, and what is done with each. Pure.

An item is an entry of a plan before it is judged: the statements that are still to be held against the catalog, and
those on which something other than the catalog decides (done by an earlier attempt, or marked without running).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from . import formats, refusals
from .actions import Action, Choice, Settlement, Verb
from .catalog import Catalog
from .effects import effects_of
from .errors import Fault, UsageError
from .history import AttemptRecord, History, StepRecord
from .history.ledger import Record
from .judge import Entry, Judged, holds_now, judge
from .lookup import index_of
from .migration import Folder, Migration
from .precheck import Decision
from .rebuild import InvalidIndex, drop_step, in_the_way, invalid_indexes
from .resume import Found, StepLook, is_resumable, look_at_steps, lost_steps
from .script import Statement
from .status import PENDING_STATES, MigrationStatus, State


class Item(Struct, frozen=True, kw_only=True):
    """One entry of a plan."""

    migration: Migration
    # migration, deferred, revert, baseline or repair
    kind: str
    record: Record
    # what the catalog decides on
    entry: Entry
    transactional: bool
    # number of a statement -> what something else has decided on it
    fixed: dict[int, Judged] = field(default_factory=dict)
    # steps of ours, each before the statement with its number; those before 0 are all there is
    added: tuple[tuple[int, Judged], ...] = ()
    # invalid indexes that are gone by the time the statements are judged
    dropped: tuple[InvalidIndex, ...] = ()
    reason: str = ""
    carried: tuple[StepRecord, ...] = ()


class Scene(Struct, frozen=True, kw_only=True):
    """What an action is worked out from."""

    action: Action
    folder: Folder
    history: History
    catalog: Catalog
    states: tuple[MigrationStatus, ...]
    out_of_order: bool

    def state(self, version: str) -> State | None:
        """Return the state of a migration of the folder."""
        return next((status.state for status in self.states if status.version == version), None)

    def attempt(self, version: str) -> AttemptRecord | None:
        """Return the attempt at a migration that did not come to its end."""
        return next((attempt for attempt in self.history.attempts if attempt.version == version), None)


Items: TypeAlias = tuple[list[Item], list[Fault]]


def items_of(scene: Scene) -> Items:
    """Return what the action would do, in order, and why it cannot be done where something is in the way.

    Raises `UsageError` where it names a version that the folder does not have.
    """
    return _ACTIONS[scene.action.verb](scene)


# -- apply


def _apply(scene: Scene) -> Items:
    folder, history = scene.folder, scene.history
    last = len(folder.migrations) - 1 if scene.action.to is None else index_of(folder, scene.action.to)
    waiting = {row.version: row.deferred for row in history.applied if row.deferred}
    states = {status.version: status.state for status in scene.states}
    # an attempt at what is in force is one to revert it
    in_force = {row.version for row in history.applied}
    attempts = {attempt.version: attempt for attempt in history.attempts if attempt.version not in in_force}
    invalid = invalid_indexes(scene.catalog)
    deferred: list[Item] = []
    pending: list[Item] = []
    faults: list[Fault] = []
    resumed: set[str] = set()
    for migration in folder.migrations[: last + 1]:
        state, attempt = states[migration.version], attempts.get(migration.version)
        if migration.version in waiting and state is State.DEFERRED:
            numbers = waiting[migration.version]
            due = tuple(s for s in migration.script.statements if s.number in numbers and holds_now(s, scene.catalog))
            if due:
                deferred.append(_whole(migration, "deferred", Record.DEFERRED, due))
        elif state in {State.PARTIAL, State.IN_DOUBT} and is_resumable(attempt):
            item, found = _resumed(scene, migration, attempt, "migration", Record.APPLIED)
            resumed.add(migration.version)
            pending.append(item)
            faults += found
        elif state in PENDING_STATES:
            pending.append(_whole(migration, "migration", Record.APPLIED, migration.script.statements))
    pending = _before_foreign(pending)
    if scene.action.rebuild_invalid and invalid:
        pending = [_rebuilding(item, scene.catalog, invalid) for item in pending]
    faults = [*refusals.of_states(scene.states, but=resumed), *faults]
    if not scene.out_of_order:
        faults += refusals.of_order(folder, history, [item.migration for item in pending])
    return [*deferred, *pending], faults


def _before_foreign(pending: list[Item]) -> list[Item]:
    """Return what comes before the first migration that only its own tool can run; itself where it is the first."""
    first = next((number for number, item in enumerate(pending) if item.migration.foreign), None)
    return pending if first is None else pending[: max(first, 1)]


def _whole(migration: Migration, kind: str, record: Record, statements: tuple[Statement, ...]) -> Item:
    return Item(
        migration=migration,
        kind=kind,
        record=record,
        entry=Entry(version=migration.version, statements=statements, transactional=migration.script.transactional),
        transactional=migration.script.transactional,
    )


def _resumed(
    scene: Scene, migration: Migration, attempt: AttemptRecord | None, kind: str, record: Record
) -> tuple[Item, list[Fault]]:
    """Return the item that goes on where an attempt outside a transaction ended."""
    steps = attempt.steps if attempt else ()
    looks = look_at_steps(migration.script, steps, scene.catalog, sure=scene.history.place is None)
    item = _whole(migration, kind, record, tuple(it.statement for it in looks if not it.is_settled))
    fixed = {it.statement.number: _done(it) for it in looks if it.is_settled}
    faults = refusals.of_steps(migration, looks, lost_steps(migration.script, steps))
    return replace(item, fixed=fixed), faults


def _done(look: StepLook) -> Judged:
    how = ", and edited since" if look.is_edited else "" if look.recorded == "done" else f": {look.note}"
    return Judged(
        statement=look.statement,
        effects=effects_of(look.statement),
        decision=Decision.SKIP,
        cause="resumed",
        reason=f"done by an earlier attempt{how}",
        proof=look.proof,
        done_before=True,
    )


def _rebuilding(item: Item, catalog: Catalog, invalid: tuple[InvalidIndex, ...]) -> Item:
    """Return the item with the drop of every invalid index that stands where one of its statements builds one."""
    if item.transactional:
        return item
    last = len(item.migration.script.statements)
    found = [(statement, in_the_way(statement, catalog, invalid)) for statement in item.entry.statements]
    pairs = [(statement, index) for statement, index in found if index is not None]
    return replace(
        item,
        added=tuple(
            (statement.number, drop_step(index, catalog, before=statement, number=last + place))
            for place, (statement, index) in enumerate(pairs, start=1)
        ),
        dropped=tuple(index for _, index in pairs),
    )


# -- revert


def _revert(scene: Scene) -> Items:
    folder, history = scene.folder, scene.history
    order = {migration.version: number for number, migration in enumerate(folder.migrations)}
    newest_first = [row.version for row in reversed(history.applied)]
    if scene.action.to is None:
        wanted = newest_first[:1]
    else:
        zero = scene.action.to.isdecimal() and int(scene.action.to) == 0
        last = -1 if zero else index_of(folder, scene.action.to)
        wanted = [version for version in newest_first if order.get(version, len(order)) > last]
    items: list[Item] = []
    faults: list[Fault] = []
    for version in wanted:
        migration = folder.migrations[order[version]] if version in order else None
        if migration is None or migration.revert is None:
            faults += refusals.of_states(scene.states, only={version})
            faults += refusals.of_no_revert(migration, folder.format)
            continue
        undo = replace(
            migration,
            file=migration.revert.file,
            content=migration.revert.content,
            checksums=migration.revert.checksums,
            script=migration.revert.script,
        )
        attempt = scene.attempt(version)
        if is_resumable(attempt):
            item, found = _resumed(scene, undo, attempt, "revert", Record.REVERTED)
            items.append(item)
            faults += found
            continue
        faults += refusals.of_states(scene.states, only={version})
        items.append(_whole(undo, "revert", Record.REVERTED, undo.script.statements))
    begun = {item.migration.version for item in items} | set(wanted)
    halves = {status.version for status in scene.states if status.state in {State.PARTIAL, State.IN_DOUBT}}
    return items, [*refusals.of_states(scene.states, only=halves - begun), *faults]


# -- baseline


def _baseline(scene: Scene) -> Items:
    folder = scene.folder
    if scene.action.to is None:
        raise UsageError("Name the version up to which everything is there.", advice="changeover baseline VERSION")
    last = index_of(folder, scene.action.to)
    upto = folder.migrations[: last + 1]
    applied = {row.version for row in scene.history.applied}
    versions = {migration.version for migration in upto}
    items = [
        _marked(migration, "baseline", Record.APPLIED, scene.catalog, "marked as applied, not run")
        for migration in upto
        if migration.version not in applied
    ]
    beyond = [version for version in applied if version not in versions]
    return items, [*refusals.of_states(scene.states), *refusals.of_beyond(folder.migrations[last], beyond)]


def _marked(migration: Migration, kind: str, record: Record, catalog: Catalog, reason: str) -> Item:
    """Return the item that runs nothing: every statement is passed over, and what waits for a condition waits on."""
    fixed: dict[int, Judged] = {}
    for statement in migration.script.statements:
        (alone,) = judge([Entry(version=migration.version, statements=(statement,))], catalog)[0]
        if alone.decision is Decision.DEFER:
            fixed[statement.number] = replace(alone, guards_itself=False, rows=())
        else:
            fixed[statement.number] = Judged(
                statement=statement, effects=alone.effects, decision=Decision.SKIP, cause="marked", reason=reason
            )
    item = _whole(migration, kind, record, ())
    return replace(item, fixed=fixed, transactional=True)


# -- repair


def _repair(scene: Scene) -> Items:
    items: list[Item] = []
    faults: list[Fault] = []
    for settlement in scene.action.settlements:
        migration = scene.folder.migrations[index_of(scene.folder, settlement.version)]
        attempt = scene.attempt(migration.version)
        state = scene.state(migration.version)
        if settlement.choice is Choice.DROP_INVALID:
            item = _dropping(scene, migration, attempt, settlement)
            items += [item] if item else []
            faults += [] if item else [refusals.nothing_invalid(migration)]
        elif state is State.CHANGED and settlement.choice is Choice.APPLIED and _realigns(scene):
            item = _marked(migration, "repair", Record.APPLIED, scene.catalog, "the file counts as what was applied")
            items.append(replace(item, reason=settlement.reason or "the file was edited after it was applied"))
        elif attempt is None or state not in {State.PARTIAL, State.IN_DOUBT}:
            faults.append(refusals.nothing_open(migration, str(state) if state else "unknown"))
        else:
            items.append(_settled(scene, migration, attempt, settlement))
    return items, faults


def _realigns(scene: Scene) -> bool:
    return formats.BY_NAME[scene.folder.format].has(formats.Notion.REALIGN)


def _settled(scene: Scene, migration: Migration, attempt: AttemptRecord, settlement: Settlement) -> Item:
    in_force = any(row.version == migration.version for row in scene.history.applied)
    if settlement.choice is Choice.NOT_APPLIED:
        record = Record.REVERTED if in_force else Record.NOT_APPLIED
        item = replace(_whole(migration, "repair", record, ()), transactional=True)
    else:
        record = Record.KEPT if in_force else Record.APPLIED
        item = _marked(migration, "repair", record, scene.catalog, "settled as applied, not run")
    return replace(item, reason=settlement.reason or f"settled after {attempt.state}: {attempt.error or 'no message'}")


def _dropping(scene: Scene, migration: Migration, attempt: AttemptRecord | None, settlement: Settlement) -> Item | None:
    """Return the item that drops what failed builds of a migration left; None where there is no such index."""
    half = attempt if is_resumable(attempt) else None
    in_force = any(row.version == migration.version for row in scene.history.applied)
    script = migration.revert.script if in_force and migration.revert else migration.script
    left = left_by(script.statements, scene.catalog)
    # what is in force and whole may have lost its index since: dropping it is a migration's work, not a repair
    if not left or (in_force and half is None):
        return None
    last = len(script.statements)
    steps = [drop_step(it, scene.catalog, before=at, number=last + n) for n, (at, it) in enumerate(left, start=1)]
    return Item(
        migration=migration,
        kind="repair",
        record=Record.PARTIAL if half else Record.NOT_APPLIED,
        entry=Entry(version=migration.version, statements=()),
        transactional=False,
        added=tuple((0, step) for step in steps),
        reason=settlement.reason or f"dropped the invalid index {', '.join(it.name for _, it in left)}",
        carried=tuple(replace(s, state="waiting") if s.state == "running" else s for s in half.steps) if half else (),
    )


def left_by(statements: tuple[Statement, ...], catalog: Catalog) -> tuple[tuple[Statement, InvalidIndex], ...]:
    """Return the invalid indexes that stand where these statements would build theirs."""
    invalid = invalid_indexes(catalog)
    found = [(statement, in_the_way(statement, catalog, invalid)) for statement in statements]
    return tuple((statement, index) for statement, index in found if index is not None)


_ACTIONS: Final[dict[Verb, Callable[[Scene], Items]]] = {
    Verb.APPLY: _apply,
    Verb.REVERT: _revert,
    Verb.BASELINE: _baseline,
    Verb.REPAIR: _repair,
}

__all__ = ["Found", "Item", "Items", "Scene", "items_of", "left_by"]
