"""What no other rule has told: any other work on the rows of a table under a lock that keeps writers out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..touches import WorkKind
from . import indexes, partitions, rewrites, scans
from .case import Case
from .rates import duration, seconds_of
from .rule import SEVERE, Danger, Example, Rule, rule
from .schemas import DEPENDENTS, PLATFORM

_TOLD: Final[tuple[Rule, ...]] = (*rewrites.RULES, *scans.RULES, *indexes.RULES, *partitions.RULES)
_VERBS: Final = {
    WorkKind.REWRITE: "Writes every row of",
    WorkKind.SCAN: "Reads every row of",
    WorkKind.BUILD: "Indexes",
}


@rule(
    id="blocking-work",
    severity=SEVERE,
    title="Work on every row under a lock that others wait for",
    why="Some statements go through a whole table under a strong lock in ways that have no name of their own here.",
    safe="Look whether the statement can be split: the short change here, the long work in a migration of its own.",
    manual="explicit-locking.html#LOCKING-TABLES",
    bad=(
        Example(
            schema=PLATFORM,
            migration="DO $$ BEGIN ALTER TABLE donations ADD x int; UPDATE donations SET x = cents; END $$;",
        ),
        Example(
            schema=PLATFORM,
            migration="DO $$ BEGIN FOR n IN 1..2 LOOP PERFORM max(cents) FROM donations; "
            "ALTER TABLE donations ALTER cents SET DEFAULT 0; END LOOP; END $$;",
        ),
    ),
    good=(
        Example(
            schema=PLATFORM,
            migration="DO $$ BEGIN PERFORM max(cents) FROM donations; ALTER TABLE donations ADD x int; END $$;",
        ),
        Example(schema=PLATFORM, migration="ALTER TABLE donations ALTER COLUMN cents TYPE bigint;"),
        Example(schema=DEPENDENTS, migration="REFRESH MATERIALIZED VIEW totals;"),
        Example(schema=DEPENDENTS, migration="REFRESH MATERIALIZED VIEW CONCURRENTLY totals;"),
    ),
)
def blocking_work(case: Case) -> Iterable[Danger]:
    """A rewrite, scan or build that no other rule has found."""
    if not case.judged.estimate.long:
        return
    told = {danger.relation for one in _TOLD for danger in one.find(case)}
    if told:
        return
    for toil in case.toils:
        mode = toil.under
        # a view that is refreshed CONCURRENTLY has no writers
        if not mode.blocks_writes or toil.work.concurrent or toil.work.rule == "refresh":
            continue
        seconds = seconds_of(toil.work.kind, [toil.state], case.world)
        yield Danger(
            relation=toil.state.qualified,
            text=(
                f"{_VERBS[toil.work.kind]} {toil.state.qualified} ({case.size(toil.state)}) under {mode}"
                f"{duration(toil.work.kind, seconds)}."
            ),
            seconds=seconds,
        )


RULES: Final = (blocking_work,)
