"""What a statement does to relations that are there before it: locks, rewrites, scans, builds. Estimated, not measured.

`estimates` works it out, kind of statement by kind of statement; this is what it fills in.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from .locks import LockMode, strongest
from .names import written
from .plan import LockClaim
from .relation_state import State
from .touches import Work, WorkKind
from .world import World

_STORED: Final = frozenset({"table", "materialized view"})


class Estimate(Struct, frozen=True, kw_only=True):
    """What a statement does to relations that are there before it; names are qualified."""

    locks: tuple[LockClaim, ...] = ()
    rewrites: tuple[str, ...] = ()
    scans: tuple[str, ...] = ()
    builds: tuple[str, ...] = ()
    # a relation of the database is rewritten, scanned or indexed while nobody can write to it
    long: bool = False


class Toil(Struct, frozen=True, kw_only=True):
    """Work on the rows of a relation as it is."""

    work: Work
    state: State
    # the lock on the relation while it is done; a lock that is taken later does not count
    under: LockMode = LockMode.ACCESS_SHARE


class Tally(Struct, kw_only=True):
    """Collects what one statement does, in the world as it is before it."""

    world: World
    # by oid: the relation, and the strongest lock on it
    held: dict[int, tuple[State, LockMode]] = field(default_factory=dict)
    toils: list[Toil] = field(default_factory=list)
    # indexes that are built, also those of a table that is written anew
    built: set[str] = field(default_factory=set)
    # oids of what is dropped
    gone: set[int] = field(default_factory=set)
    # how many of the toils know their lock
    settled: int = 0

    @property
    def version(self) -> int:
        """The server's major version."""
        return self.world.catalog.server.version_num // 10000

    def lock(self, state: State, mode: LockMode) -> None:
        """Claim a lock on a relation."""
        known = self.held.get(state.oid)
        self.held[state.oid] = (state, mode if known is None else strongest([mode, known[1]]))

    def plan(self, state: State, mode: LockMode) -> None:
        """Claim the locks of a planned query on a table: the planner opens its indexes, too, in the same mode.

        Those of a partitioned table it opens from 16 on.
        """
        self.lock(state, mode)
        if state.kind == "partitioned table" and self.version < 16:
            return
        for index in self.world.indexes(state):
            self.lock(index, mode)

    def rewrite(self, state: State, rule: str, *, column: str | None = None, work: Work | None = None) -> None:
        """Write a table anew, and with it all its indexes; a partitioned table has no rows of its own."""
        if state.kind not in _STORED:
            return
        self.toils.append(Toil(work=work or Work(kind=WorkKind.REWRITE, rule=rule, column=column), state=state))
        for index in self.world.indexes(state):
            self.lock(index, LockMode.ACCESS_EXCLUSIVE)
            self.built.add(index.qualified)

    def move(self, state: State) -> None:
        """Copy the file of a table or index to another tablespace: its indexes stay as they are."""
        if state.kind in {*_STORED, "index"}:
            self.toils.append(Toil(work=Work(kind=WorkKind.REWRITE, rule="storage"), state=state))

    def scan(self, state: State, rule: str, *, column: str | None = None, constraint: str = "") -> None:
        """Read all rows of a table."""
        if state.kind in _STORED:
            work = Work(kind=WorkKind.SCAN, rule=rule, column=column, constraint=constraint)
            self.toils.append(Toil(work=work, state=state))

    def build(self, state: State, index: str, rule: str, *, concurrent: bool = False) -> None:
        """Build an index over the rows of a table, which reads them all."""
        if state.kind not in _STORED:
            return
        work = Work(kind=WorkKind.BUILD, rule=rule, index=index, concurrent=concurrent)
        self.toils.append(Toil(work=work, state=state))
        self.built.add(written((state.key[0], index)))

    def settle(self) -> None:
        """Note under which locks the work was done that was added since the last call."""
        for number in range(self.settled, len(self.toils)):
            toil = self.toils[number]
            _, mode = self.held.get(toil.state.oid, (None, toil.under))
            self.toils[number] = replace(toil, under=mode)
        self.settled = len(self.toils)

    def done(self) -> Estimate:
        """Return what was collected."""
        self.settle()
        rewrites = _names(self.toils, WorkKind.REWRITE)
        scans = _names(self.toils, WorkKind.SCAN) | _names(self.toils, WorkKind.BUILD)
        claims = [LockClaim(relation=state.qualified, mode=mode) for state, mode in self.held.values()]
        return Estimate(
            locks=tuple(sorted(claims, key=lambda claim: claim.relation)),
            rewrites=tuple(sorted(rewrites)),
            scans=tuple(sorted(scans - rewrites)),
            builds=tuple(sorted(self.built)),
            long=any(_blocks_writers(toil) for toil in self.toils),
        )


def _blocks_writers(toil: Toil) -> bool:
    """Whether work is done on a relation of the database while nobody can write to it."""
    there = toil.state.relation is not None or toil.state.table is not None
    return there and toil.under.blocks_writes


def _names(toils: Iterable[Toil], kind: WorkKind) -> set[str]:
    return {toil.state.qualified for toil in toils if toil.work.kind is kind}
