"""What the design asks for, beside what was found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from tests.benchmarks.timing import Row


class Goal(Struct, frozen=True, kw_only=True):
    """At most `limit`, of a figure of ours as it is or, with `peer`, divided by theirs."""

    # how the row's `what` begins
    what: str
    limit: float
    who: str = "changeover"
    peer: str = ""

    def found(self, rows: Sequence[Row]) -> float | None:
        """Return the figure, None where it was not measured."""
        here = {row.who: row for row in rows if row.what.startswith(self.what)}
        ours, theirs = here.get(self.who), here.get(self.peer)
        if ours is None or (self.peer and (theirs is None or not theirs.median)):
            return None
        return ours.median / theirs.median if theirs is not None else ours.median

    def line(self, rows: Sequence[Row]) -> str:
        """Return the goal as a line of the table."""
        value = self.found(rows)
        unit = next((row.unit for row in rows if row.what.startswith(self.what)), "")
        against = f" / {self.peer}" if self.peer else ""
        shown, goal = ("x", f"{self.limit:g}x") if self.peer else (f" {unit}", f"{self.limit:g} {unit}")
        if value is None:
            return f"| {self.what} | {self.who}{against} | {goal} | not measured | |\n"
        verdict = "met" if value <= self.limit else "**missed**"
        return f"| {self.what} | {self.who}{against} | {goal} | {value:,.3g}{shown} | {verdict} |\n"


_ALONE: Final = "changeover, the run alone"
GOALS: Final = (
    Goal(what="5,000 small statements, loopback", peer="psql", limit=0.2),
    Goal(what="5,000 small statements, loopback", who=_ALONE, peer="psql", limit=0.2),
    Goal(what="5,000 small statements, 10 ms", peer="psql", limit=0.03),
    Goal(what="5,000 small statements, 10 ms", who=_ALONE, peer="psql", limit=0.03),
    Goal(what="500 migrations of 5 statements, loopback", peer="psql", limit=1.5),
    Goal(what="500 migrations of 5 statements, loopback", peer="psql for each file", limit=0.4),
    Goal(what="longest wait of a query", limit=2.1),
    Goal(what="check and plan of 10,000", who="changeover check", peer="psql, bare catalog queries", limit=2),
    Goal(what="memory at its widest", limit=300),
    Goal(what="status", who="changeover status", peer="alembic current", limit=0.5),
    Goal(what="--version", who="changeover --version", limit=0.15),
    Goal(what="first full frame", who="changeover console", peer="empty Textual app", limit=1.3),
    Goal(what="idle overview", limit=0),
    Goal(what="a run with its lock panel", limit=1024),
    Goal(what="stop key to its question", limit=1),
    Goal(what="memory from the first tenth of 1,000,000", limit=5),
)


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the goals, met and missed."""
    yield "| what | who | goal, at most | found | |\n| --- | --- | ---: | ---: | --- |\n"
    for goal in GOALS:
        yield goal.line(rows)
