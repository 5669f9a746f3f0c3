"""Effects x world -> which relations a statement locks, rewrites, scans and indexes; estimated, not measured.

The rules are the lock matrix that was measured on PostgreSQL 12 to 18.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .locks import LockMode, strongest
from .names import Parts, written
from .plan import LockClaim
from .touches import Act, Effects, Touch, Work, WorkKind
from .type_changes import keeps_rows
from .world import RELATION_REFS, State, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a statement does to relations that are there before it; names are qualified."""

    locks: tuple[LockClaim, ...] = ()
    rewrites: tuple[str, ...] = ()
    scans: tuple[str, ...] = ()
    builds: tuple[str, ...] = ()
    long: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Toil:
    """Work that really happens, on a relation as it is."""

    work: Work
    state: State


def toils(effects: Effects, world: World) -> tuple[Toil, ...]:
    """Return the work that the statement does on relations that are there, without what the catalog shows needless."""
    found: list[Toil] = []
    for work in effects.works:
        state = world.find(work.relation)
        if state is None or any(world.holds(test) is False for test in work.tests):
            continue
        if state.table is not None and work.rule == "reindex":
            state = world.relation(state.table) or state
        if is_needed(work, state, world):
            found.append(Toil(work=work, state=state))
    return tuple(found)


def is_needed(work: Work, state: State, world: World) -> bool:
    """Whether work has to be done on a relation as it is."""
    column = state.columns.get(work.column or "")
    match work.rule:
        case "type" if column is not None and work.type is not None:
            utc = world.catalog.settings.get("TimeZone", "").upper() in {"UTC", "ETC/UTC", "GMT"}
            new = world.type_text(work.type)
            return not keeps_rows(column.type, new, utc=utc) or (work.using and column.type != new)
        case "domain":
            return work.type is not None and world.is_constrained_domain(work.type)
        case "default":
            return any(world.is_volatile(function) for function in work.functions)
        case "not null":
            return not is_never_null(state, work.column or "")
        case "validate":
            constraint = state.constraints.get(work.constraint)
            return constraint is None or not constraint.validated
        case _:
            return True


def is_never_null(state: State, column: str) -> bool:
    """Whether a validated constraint proves that a column is never null.

    See SET NOT NULL in https://www.postgresql.org/docs/18/sql-altertable.html. From 18 on, a column may be marked by a
    NOT NULL that was not validated.
    """
    constraints = state.constraints.values()
    if any(c.type == "c" and c.validated and column in c.proves for c in constraints):
        return True
    unproven = any(c.type == "n" and not c.validated and column in c.columns for c in constraints)
    known = state.columns.get(column)
    return known is not None and known.not_null and not unproven


def estimate(effects: Effects, world: World) -> Estimate:
    """Return what a statement does; `world` is as it is before it."""
    held: dict[str, list[LockMode]] = {}
    for claim in effects.claims:
        state = world.find(claim.relation)
        if state is None or any(world.holds(test) is False for test in claim.tests):
            continue
        held.setdefault(state.qualified, []).append(claim.mode)
        if state.table is not None and (table := world.relation(state.table)) is not None:
            _index_drop(effects, claim.mode, table, held)
    for state in _partners(effects, world):
        held.setdefault(state.qualified, []).append(LockMode.ACCESS_EXCLUSIVE)
    found = toils(effects, world)
    rewrites = _unique(toil.state.qualified for toil in found if toil.work.kind is WorkKind.REWRITE)
    for toil in found:
        if toil.work.kind is WorkKind.REWRITE:
            for name in toil.state.indexes:
                held.setdefault(written((toil.state.key[0], name)), []).append(LockMode.ACCESS_EXCLUSIVE)
    scans = _unique(toil.state.qualified for toil in found if toil.work.kind is WorkKind.SCAN)
    builds = _unique(_index_name(toil) for toil in found if toil.work.kind is WorkKind.BUILD)
    blocked = {name for name, modes in held.items() if strongest(modes).blocks_writes}
    return Estimate(
        locks=tuple(LockClaim(relation=name, mode=strongest(modes)) for name, modes in sorted(held.items())),
        rewrites=rewrites,
        scans=tuple(name for name in scans if name not in rewrites),
        builds=builds,
        long=any(toil.state.relation is not None and toil.state.qualified in blocked for toil in found),
    )


def _index_drop(effects: Effects, mode: LockMode, table: State, held: dict[str, list[LockMode]]) -> None:
    """DROP INDEX locks the table as it locks the index."""
    if any(touch.act is Act.DROP for touch in effects.touches):
        held.setdefault(table.qualified, []).append(mode)


def _index_name(toil: Toil) -> str:
    return written((toil.state.key[0], toil.work.index)) if toil.work.index else toil.state.qualified


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))


def _partners(effects: Effects, world: World) -> list[State]:
    """Tables at the other end of a foreign key that goes or is made anew: they are locked as the altered table is."""
    found: list[State] = []
    for touch in effects.touches:
        state = world.find(touch.ref.name) if touch.ref.name else None
        if state is not None and not any(world.holds(test) is False for test in touch.tests):
            found.extend(
                s for oid in _referenced(touch, state) if (s := _by_oid(world, oid)) is not None and s is not state
            )
    return found


def _referenced(touch: Touch, state: State) -> list[int]:
    keys = [c for c in state.constraints.values() if c.type == "f" and c.referenced]
    kind, member = touch.ref.kind, touch.ref.member
    if touch.act is Act.DROP and kind in RELATION_REFS:
        return [c.referenced for c in keys]
    if touch.act is Act.DROP and kind == "constraint":
        return [c.referenced for c in keys if c.name == member]
    changed = touch.act is Act.DROP or (touch.act is Act.CHANGE and touch.type is not None)
    if kind == "column" and changed:
        return [c.referenced for c in keys if member in c.columns]
    return []


def _by_oid(world: World, oid: int) -> State | None:
    relation = world.catalog.by_oid.get(oid)
    return world.relation((relation.schema, relation.name)) if relation is not None else None


def qualified(world: World, name: Parts) -> str:
    """Return a relation's name with its schema, also of one that is not there."""
    return written(world.key(name))
