"""Hazards in the documents of `--json`: those of a plan, and the catalogue."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from .plan import HazardFinding, Plan


class HazardPart(Struct, frozen=True, kw_only=True):
    """A named danger in a statement. `severe` and not allowed stops the plan."""

    id: str
    severity: str
    title: str
    relation: str
    text: str
    # SQL for the safe way, empty where there is none; `complete` where it can run as it is
    instead: str
    complete: bool
    # how long it blocks at the rate that `text` says; null where that is not known
    seconds: float | None
    manual: str
    # file, settings, flag or operator; null where nobody allowed it
    allowed_by: str | None
    reason: str


class PlacedHazardPart(Struct, frozen=True, kw_only=True):
    """A hazard with the statement that it is in."""

    version: str
    file: str
    line: int
    column: int
    hazard: HazardPart


class ExamplePart(Struct, frozen=True, kw_only=True):
    """A migration, with the schema before it, on the major versions `since` to `until`."""

    schema: str
    migration: str
    since: int
    until: int


class RulePart(Struct, frozen=True, kw_only=True):
    """A rule: `bad` are examples in which it finds something, in those of `good` it does not."""

    id: str
    family: str
    severity: str
    title: str
    why: str
    safe: str
    manual: str
    bad: tuple[ExamplePart, ...]
    good: tuple[ExamplePart, ...]


class HazardsDocument(Struct, frozen=True, kw_only=True):
    """`changeover hazards --json`: every rule, or the one that was asked for."""

    changeover: Literal[1]
    hazards: tuple[RulePart, ...]


def hazard_part(hazard: HazardFinding) -> HazardPart:
    """Return a hazard of a plan."""
    return HazardPart(
        id=hazard.id,
        severity=hazard.severity,
        title=hazard.title,
        relation=hazard.relation,
        text=hazard.text,
        instead=hazard.instead,
        complete=hazard.complete,
        seconds=None if hazard.seconds is None else round(hazard.seconds, 3),
        manual=hazard.manual,
        allowed_by=hazard.allowed_by,
        reason=hazard.reason,
    )


def hazard_parts(plan: Plan) -> tuple[PlacedHazardPart, ...]:
    """Return the hazards of a plan, those that stop it first."""
    return tuple(
        PlacedHazardPart(
            version=planned.migration.version,
            file=statement.file,
            line=statement.line,
            column=statement.column,
            hazard=hazard_part(hazard),
        )
        for planned, statement, hazard in plan.hazards
    )
