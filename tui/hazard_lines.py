"""Hazards in plain lines: those of a plan, and the catalogue. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Final

from ..core.hazards.catalogue import before, family_of, versions
from ..core.hazards.rule import Rule
from ..core.hazards.rules import FAMILIES, RULES
from ..core.plan import HazardFinding, Plan
from .columns import Row, table
from .format import count, visible

_WIDTH: Final = 100
_MARKS: Final = {"severe": "!!", "warning": "! ", "note": "- "}


def allowed_words(hazard: HazardFinding) -> str:
    """Return who allowed a hazard and why; empty where nobody did."""
    if hazard.allowed_by is None:
        return ""
    return f"allowed by {hazard.allowed_by}" + (f": {hazard.reason}" if hazard.reason else "")


def hazard_lines(hazard: HazardFinding, *, indent: str = "        ") -> Iterator[str]:
    """Yield a hazard below its statement: what happens, and the safe way where nobody has allowed it."""
    said = allowed_words(hazard)
    yield visible(f"{indent}{_MARKS.get(hazard.severity, '- ')} {hazard.severity} {hazard.id}: {hazard.text}")
    if said:
        yield visible(f"{indent}   {said}")
    elif hazard.instead:
        yield f"{indent}   instead:"
        yield from (Row(f"{indent}     {line}") for line in visible(hazard.instead, lines=True).split("\n"))


def hazard_table(plan: Plan) -> list[str]:
    """Return the hazards of a plan as a table, those that stop it first; empty where there are none."""
    rows = [
        (
            hazard.severity.upper() if hazard.stops else hazard.severity,
            hazard.id,
            f"{statement.file}:{statement.line}",
            hazard.relation,
            allowed_words(hazard),
        )
        for planned, statement, hazard in plan.hazards
    ]
    return table(("HAZARD", "ID", "WHERE", "ON", "ALLOWED"), rows) if rows else []


def catalogue_lines() -> list[str]:
    """Return every rule in a line, by family."""
    lines: list[str] = []
    for family in FAMILIES:
        rows = [Row(f"  {rule.severity:<7}  {rule.id:<40}  {rule.title}") for rule in family.rules]
        lines += [f"{family.name}: {family.about}", *rows, ""]
    return [*lines, f"{count(len(RULES), 'rule')}; `changeover hazards ID` explains one."]


def rule_lines(rule: Rule, *, room: int | None = None) -> list[str]:
    """Return one rule in full, with its examples; `room` is the width of the terminal, None where there is none."""
    width = min(room or _WIDTH, _WIDTH)
    title, why, safe = (_wrapped(text, width) for text in (rule.title, rule.why, f"Instead: {rule.safe}"))
    lines = [f"{rule.id} ({rule.severity}, {family_of(rule).name})", "", *title, "", *why, "", *safe, "", rule.manual]
    for word, examples in (("Bad", rule.bad), ("Good", rule.good)):
        for example in examples:
            said = versions(example)
            lines += ["", f"{word}{f' ({said})' if said else ''}:"]
            if what := before(example):
                # often this alone makes the difference: the statement is the same
                lines += [f"    -- {part}" for part in _wrapped(what, width - 7)]
            lines += [Row(f"    {line}") for line in example.migration.split("\n")]
    return [*lines, "", f"Allow it: -- changeover: allow {rule.id}: reason"]


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False)
