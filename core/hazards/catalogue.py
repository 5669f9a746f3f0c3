"""The catalogue of the rules: as a document, and as the page beside this module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..errors import UsageError
from ..hazard_documents import ExamplePart, HazardsDocument, RulePart
from .allowances import nearest
from .rates import MEGABYTE, RATES
from .rule import NOTE, SEVERE, WARNING, Example, Rule
from .rules import FAMILIES, RULES, Family
from .schemas import DEPENDENTS, EMPTY, EVENTS, PLATFORM, YEARS

_HEAD: Final = """\
# Hazards

<!-- Written by `python -m changeover.core.hazards` from the rules. Do not edit. -->

A *hazard* is a named danger in a statement of a plan. Changeover finds it with the schema and the figures of the very
database that the plan is for: a table that the plan itself makes, or that is known to be empty, is exempt, and what the
catalog shows to be harmless is not told.

| severity | means |
| --- | --- |
| `severe` | blocks the application for long, will fail, or loses data: does not run (exit code 4) unless allowed |
| `warning` | shown, and stops nothing: a short strong lock, or a change that running applications may not expect |
| `note` | what one would do differently |

In a revert script, to lose what the migration has made is what it is for: there such a hazard is a warning.

## Allowing one

By its name and with a reason, above the statement, or at the top of the file for all of it:

```sql
-- changeover: allow rewrite-type-change: the table is small, and its rewrite takes less than a second
ALTER TABLE donations ALTER COLUMN amount_cents TYPE bigint;
```

For the whole project in `changeover.toml`:

```toml
[allow]
drop-column = "the application has not read these since May"
```

For one run with `--allow ID` (repeatable; `--allow all` is every one), or on the confirmation screen, where the reason
is typed. What is allowed is part of what is approved: the plan has another digest with it. The receipt and the session
log say which hazards were allowed, by whom and why. A name that no hazard has is an error; an allowance that allows
nothing is told.

## The tables of the examples

```sql
%s```

In those with partitions, `events` is partitioned by a date, with or without a default partition; in those with types,
`prices` has a column of a domain, a view, a materialized view, and indexes over an expression and with a condition.

## What needs no rule

What other tools warn of and the run does by itself: it waits for locks at most for its budget, then rolls back, gives
way and tries again, so that a missing `lock_timeout` is no hazard; time limits of statements are a setting; `BEGIN` and
`COMMIT` inside a file, `CONCURRENTLY` inside a transaction and `COPY FROM STDIN` are refused when the file is read; an
invalid index in the way of one that is wanted stops the plan; a step that is satisfied already is skipped, so that its
lock is never taken; who uses a table right now is on the plan's screen.
"""


def chosen(hazard: str | None) -> tuple[Rule, ...]:
    """Return all rules, or the one with this id. Raises UsageError where there is none."""
    if hazard is None:
        return RULES
    found = tuple(rule for rule in RULES if rule.id == hazard.strip().lower())
    if not found:
        raise UsageError(f"No hazard is called {hazard}.", advice=nearest(hazard))
    return found


def family_of(rule: Rule) -> Family:
    """Return the family of a rule."""
    return next(family for family in FAMILIES if rule in family.rules)


def document(rules: Sequence[Rule]) -> HazardsDocument:
    """Return the document of `hazards --json`."""
    return HazardsDocument(
        changeover=1,
        hazards=tuple(
            RulePart(
                id=rule.id,
                family=family_of(rule).name,
                severity=rule.severity,
                title=rule.title,
                why=rule.why,
                safe=rule.safe,
                manual=rule.manual,
                bad=tuple(map(_example, rule.bad)),
                good=tuple(map(_example, rule.good)),
            )
            for rule in rules
        ),
    )


def _example(example: Example) -> ExamplePart:
    return ExamplePart(schema=example.schema, migration=example.migration, since=example.since, until=example.until)


def versions(example: Example) -> str:
    """Return on which servers an example holds, empty where on all."""
    if example.until < 18:
        return f"PostgreSQL {example.until} and before"
    return f"PostgreSQL {example.since} and later" if example.since > 13 else ""


def page() -> str:
    """Return the page: the rules as a table, then one by one with their examples."""
    counts = {severity: sum(rule.severity == severity for rule in RULES) for severity in (SEVERE, WARNING, NOTE)}
    said = ", ".join(f"{number} {severity}" for severity, number in counts.items())
    rates = ", ".join(f"{kind} {rate // MEGABYTE} MB/s" for kind, rate in RATES.items())
    parts = [
        _HEAD % PLATFORM,
        "## How long is long\n",
        f"Durations are estimated from the planner's figures at stated rates ({rates}),",
        "those of a plain cloud volume of 125 MB/s with nothing in memory. A table that was never analysed has none.\n",
        f"## The catalogue: {len(RULES)} rules ({said})\n",
    ]
    for family in FAMILIES:
        parts += [f"### {family.name}\n", f"{family.about}\n", "| id | severity | |", "| --- | --- | --- |"]
        parts += [f"| [`{rule.id}`](#{rule.id}) | {rule.severity} | {_cell(rule.title)} |" for rule in family.rules]
        parts.append("")
    for family in FAMILIES:
        for rule in family.rules:
            parts += _section(rule)
    return "\n".join(parts).rstrip("\n") + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _section(rule: Rule) -> list[str]:
    lines = [f"## {rule.id}\n", f"**{rule.title}** ({rule.severity})\n", f"{rule.why}\n", f"Instead: {rule.safe}\n"]
    for word, examples in (("Bad", rule.bad), ("Good", rule.good)):
        for example in examples:
            said = ", ".join(filter(None, [before(example), versions(example)]))
            head = f"{word} ({said})" if said else word
            lines += [f"{head}:\n", "```sql", example.migration, "```\n"]
    return [*lines, f"[The manual]({rule.manual})\n"]


# What the tables of an example are that are not those of the page's head.
_SPECIAL: Final = {
    EMPTY: "the table is empty",
    YEARS: "without a default partition, and with a check on what is to become a partition",
}


def before(example: Example) -> str:
    """Return what is special about what was there before the example: by it alone a good one may differ from a bad."""
    said = [words for known, words in _SPECIAL.items() if example.schema.startswith(known)]
    more = example.schema
    for known in (PLATFORM, EMPTY, EVENTS, YEARS, DEPENDENTS):
        more = more.removeprefix(known)
    if more:
        said.append(f"after `{' '.join(more.split())}`")
    return ", ".join(said)
