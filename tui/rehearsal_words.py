"""Rehearsals in words: how far one is, what it found, and whether the run did as it said. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..core.events import RehearsalCompared, RehearsalStep, Rehearsed
from ..core.schema_difference import words
from .format import bounded, count, duration, numbered, visible

if TYPE_CHECKING:
    from ..core.plan import Plan, Rehearsal

# Longer lists are cut in lines and on the screen; the JSON documents have them whole.
_TOLD: Final = 40
_TEXT: Final = 300


def rehearsal_lines(event: RehearsalStep | Rehearsed | RehearsalCompared) -> list[str]:
    """Return what an event of a rehearsal says, in one line or more."""
    match event:
        case RehearsalStep():
            return [step_words(event)]
        case Rehearsed():
            return [rehearsed_words(event)]
        case RehearsalCompared():
            return [compared_words(event)]


def step_words(event: RehearsalStep) -> str:
    """Return how far a rehearsal is."""
    where = f" {numbered(event.version)} ({event.done + 1} of {event.of})" if event.of else ""
    return visible(f"rehearsal: {event.part}{where}")


def rehearsed_words(event: Rehearsed) -> str:
    """Return what a rehearsal came to."""
    unknown = f", {event.unknowable} not to be known" if event.unknowable else ""
    found = f"{count(event.measured, 'statement')} measured{unknown}, {count(event.changes, 'change')} of the schema"
    failed = f"; FAILED: {event.fault.summary}" if event.fault else ""
    return bounded(f"rehearsed on {event.shadow} in {duration(event.elapsed)}: {found}{failed}", _TEXT)


def compared_words(event: RehearsalCompared) -> str:
    """Return whether the run changed what the rehearsal had said."""
    if event.fault is not None:
        return bounded(f"compared with the rehearsal: nobody could tell: {event.fault.summary}", _TEXT)
    if event.as_rehearsed:
        return f"compared with the rehearsal: as rehearsed, {count(len(event.changes), 'change')} of the schema"
    parts = [f"rehearsed, and not so here: {words(it)}" for it in event.missing]
    parts += [f"here, and not rehearsed: {words(it)}" for it in event.unexpected]
    return bounded(f"compared with the rehearsal: DIFFERS: {'; '.join(parts)}", 1000)


def standing_words(rehearsal: Rehearsal, now: float) -> str:
    """Return which rehearsal a plan shows, how old it is, and on what."""
    since = now - rehearsal.at
    when = f"{duration(since)} ago" if since >= 1 else "just now"
    return visible(f"rehearsed {when} on {rehearsal.shadow}, in {duration(rehearsal.elapsed)}")


def remark_lines(rehearsal: Rehearsal) -> list[str]:
    """Return what is not on the shadow as on the target."""
    return [bounded(remark, _TEXT) for remark in rehearsal.remarks]


def unknown_lines(plan: Plan, rehearsal: Rehearsal) -> list[str]:
    """Return the statements that could not be measured, each with its place and why."""
    lines = []
    for it in rehearsal.statements:
        if it.unknowable and it.entry < len(plan.migrations):
            planned = plan.migrations[it.entry]
            one = next((one for one in planned.statements if one.number == it.number), None)
            where = f"{one.file}:{one.line}" if one else planned.migration.file
            lines.append(bounded(f"{where} is not to be known: {it.unknowable}", _TEXT))
    return lines


def difference_lines(rehearsal: Rehearsal) -> list[str]:
    """Return what the plan changes in the schema, as far as a screen has room for it."""
    lines = [bounded(words(it), _TEXT) for it in rehearsal.difference[:_TOLD]]
    more = len(rehearsal.difference) - len(lines)
    return [*lines, f"... and {count(more, 'more change')}"] if more else lines
