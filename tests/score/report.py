"""Counts what agrees, and says it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct, field

from changeover.core.locks import LockMode
from changeover.core.plan import PlannedStatement
from tests.score.forms import Form
from tests.score.measure import Truth

PARTS: Final = ("locks", "rewrites", "scans", "builds")


class Score(Struct, kw_only=True):
    """How well something foretold (or measured otherwise) what the server did."""

    name: str
    forms: int = 0
    long: int = 0
    missed: list[str] = field(default_factory=list)
    false: list[str] = field(default_factory=list)
    # part -> the forms in which it differs; empty for those who do not say it
    differ: dict[str, list[str]] = field(default_factory=dict)

    def count(self, form: Form, truth: Truth, *, long: bool) -> None:
        """Count whether a form was foretold to keep writers waiting while it works."""
        self.forms += 1
        self.long += truth.long
        if truth.long and not long:
            self.missed.append(form.sql)
        elif long and not truth.long:
            self.false.append(form.sql)

    def compare(self, form: Form, truth: Truth, statement: PlannedStatement) -> None:
        """Count what a plan says of a form."""
        self.count(form, truth, long=statement.long)
        locks = {claim.relation: claim.mode for claim in statement.locks}
        same = {
            "locks": _same_locks(form, locks, truth.locks),
            "rewrites": set(statement.rewrites) == set(truth.rewrites),
            "scans": set(statement.scans) == set(truth.scans),
            "builds": set(statement.builds) == set(truth.builds),
        }
        for part in PARTS:
            self.differ.setdefault(part, [])
            if not same[part]:
                self.differ[part].append(form.sql)

    @property
    def found(self) -> float:
        """The share of the long forms that was found, in percent."""
        return 100 * (1 - len(self.missed) / self.long) if self.long else 100.0

    @property
    def wrong(self) -> float:
        """False ones in percent of those that are long."""
        return 100 * len(self.false) / self.long if self.long else 0.0

    def lines(self, *, verbose: bool = False) -> Iterator[str]:
        """Yield the score in words."""
        found = f"{self.long - len(self.missed)} of {self.long} long-blocking forms found ({self.found:.1f} %)"
        yield (f"{self.name}: {found}, {len(self.false)} false ({self.wrong:.1f} %), of {self.forms} forms")
        for part, forms in self.differ.items():
            yield self._share(part, len(forms))
        if self.differ:
            yield self._share("all", len({sql for forms in self.differ.values() for sql in forms}))
        if verbose:
            for word, forms in {"missed": self.missed, "false": self.false, **self.differ}.items():
                yield from (f"    {word}: {sql}" for sql in forms)

    def _share(self, part: str, wrong: int) -> str:
        right = self.forms - wrong
        return f"    {part:<9} {right} of {self.forms} ({100 * right / self.forms:.1f} %)"


def _same_locks(form: Form, foretold: Mapping[str, LockMode], held: Mapping[str, LockMode]) -> bool:
    if not form.outside:
        return dict(foretold) == dict(held)
    # sampled: what was seen must have been foretold, in that mode or a stronger one
    return all(name in foretold and foretold[name].strength >= mode.strength for name, mode in held.items())
