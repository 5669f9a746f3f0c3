"""One statement on a shadow: what it locks, rewrites, scans and builds, read from the server after it.

On an empty schema the counters of tuples are zero, but the locks, the files and the server's own words are those of
filled tables. Locks are read over a second connection; files and scans over the migration's own, since nobody else
sees them before the commit. The words are messages of level DEBUG1, in English.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct, field

from .connect import Connection
from .errors import ServerReport
from .locks import LockMode, strongest
from .names import written
from .plan import LockClaim
from .sql import query

# What pg_locks calls the modes of the manual.
_MODES: Final = {f"{mode.value.title().replace(' ', '')}Lock": mode for mode in LockMode}
_SCANNED: Final = re.compile(r'^verifying table "(.+)"$')
_VALIDATED: Final = re.compile(r'^validating foreign key constraint "(.+)"$')
_BUILT: Final = re.compile(
    r'^building index "(.+)" on table "(.+)" (?:serially|with request for \d+ parallel workers?)$'
)
# REINDEX CONCURRENTLY builds an index under this name before it takes the old one's
_INTERIM: Final = re.compile(r"_ccnew\d*$")
# Words of these levels are for us, and not for the operator.
_INNER: Final = re.compile(r"^DEBUG|^LOG$")


class Known(Struct, frozen=True, kw_only=True):
    """A relation as it was at the last look."""

    name: str
    bare: str
    schema: str
    # pg_class.relkind
    kind: str
    file: tuple[int, int]
    # of an index
    table: int


class Seen(Struct, frozen=True, kw_only=True):
    """A lock on a relation that is held, or asked for."""

    oid: int
    mode: LockMode
    granted: bool


class Effect(Struct, frozen=True, kw_only=True):
    """What one statement did to relations that were there before it."""

    # oid -> modes that it holds, or asked for
    modes: Mapping[int, frozenset[LockMode]]
    locks: tuple[LockClaim, ...] = ()
    rewrites: tuple[str, ...] = ()
    scans: tuple[str, ...] = ()
    builds: tuple[str, ...] = ()
    # a relation that was there is rewritten, scanned or indexed under a lock that blocks writes
    long: bool = False
    notices: tuple[str, ...] = ()


class Meter(Struct):
    """Reads what the statements of one connection do, one after the other."""

    # the migration's own, and the one that looks at it
    connection: Connection
    observer: Connection
    known: dict[int, Known] = field(default_factory=dict)
    _said: list[ServerReport] = field(default_factory=list)
    _scans: dict[int, int] = field(default_factory=dict)

    async def prepare(self) -> None:
        """Learn which relations there are."""
        self.listen()
        await self.look_anew()

    def listen(self) -> None:
        """Hear what the server says to the migration's connection."""
        self.connection.on_notice(self._said.append)

    async def look_anew(self) -> None:
        """Learn again which relations there are, as the migration's connection sees them."""
        rows = await self.connection.fetch(query("measured_relations"), None)
        self.known = {row["oid"]: _known(row) for row in rows}

    async def begin(self, *, first: bool) -> None:
        """Look before a statement; scans before the `first` one of a transaction are none of its own."""
        await self.connection.execute("SET client_min_messages = debug1")
        if first:
            rows = await self.connection.fetch(query("measured_scans"))
            self._scans = {row["oid"]: row["scans"] for row in rows}
        self._said.clear()

    async def held(self) -> dict[int, frozenset[LockMode]]:
        """Return the locks that the migration's connection holds or asks for now."""
        found: dict[int, set[LockMode]] = defaultdict(set)
        for lock in await self.look():
            found[lock.oid].add(lock.mode)
        return {oid: frozenset(modes) for oid, modes in found.items()}

    async def look(self) -> list[Seen]:
        """Return the locks on relations that the migration's connection holds or asks for, one by one."""
        rows = await self.observer.fetch(query("measured_locks"), self.connection.backend)
        return [
            Seen(oid=row["oid"], mode=_MODES[row["mode"]], granted=row["granted"])
            for row in rows
            if row["mode"] in _MODES
        ]

    async def is_waiting(self) -> bool:
        """Whether the migration's connection waits for a lock of any kind."""
        return bool(await self.observer.fetch(query("measured_wait"), self.connection.backend))

    async def inside(self, held: Mapping[int, frozenset[LockMode]], *, empties: bool = False) -> Effect:
        """Return what a statement in a transaction did; `held` are the locks that the transaction had before it.

        `empties`: it is a TRUNCATE, which puts an empty file in the place of the old one and works on no row.
        """
        said = tuple(self._said)
        now = await self.held()
        rows = await self.connection.fetch(query("measured_relations"), list(now))
        seen = {row["oid"]: row for row in rows}
        scanned = {oid for oid, row in seen.items() if row["scans"] > self._scans.get(oid, 0)}
        scanned |= await self._validated(said, set(now))
        self._scans |= {oid: row["scans"] for oid, row in seen.items()}
        taken = {oid: modes - held.get(oid, frozenset()) for oid, modes in now.items()}
        effect = self._effect({oid: m for oid, m in taken.items() if m}, seen, scanned, said, empties=empties)
        for oid in set(now) - set(seen):
            self.known.pop(oid, None)
        self.known |= {oid: _known(row) for oid, row in seen.items()}
        return effect

    async def outside(self, sampled: Mapping[int, frozenset[LockMode]]) -> Effect:
        """Return what a statement did that has committed by itself; `sampled` are the locks that were seen."""
        said = tuple(self._said)
        rows = await self.connection.fetch(query("measured_relations"), None)
        seen = {row["oid"]: row for row in rows}
        scanned = await self._validated(said, set(sampled))
        effect = self._effect(sampled, seen, scanned, said)
        self.known = {oid: _known(row) for oid, row in seen.items()}
        return effect

    async def _validated(self, said: Sequence[ServerReport], locked: set[int]) -> set[int]:
        names = [match[1] for it in said if (match := _VALIDATED.match(it.message))]
        if not names:
            return set()
        rows = await self.connection.fetch(query("measured_foreign_keys"), names)
        return {row["oid"] for row in rows} & locked

    def _effect(
        self,
        taken: Mapping[int, frozenset[LockMode]],
        seen: Mapping[int, Mapping[str, Any]],
        scanned: set[int],
        said: Sequence[ServerReport],
        *,
        empties: bool = False,
    ) -> Effect:
        before = {oid: self.known[oid] for oid in {*taken, *seen} if oid in self.known}
        moved = {
            oid
            for oid, it in before.items()
            if oid in seen
            and it.kind in "rmi"
            and not empties
            and (seen[oid]["file"], seen[oid]["tablespace"]) != it.file
        }
        rewritten = {oid for oid in moved if before[oid].kind in "rm"}
        tables = [oid for oid, it in before.items() if it.kind in "rm" and (oid in taken or oid in rewritten)]
        builds: set[str] = set()
        for report in said:
            if match := _SCANNED.match(report.message):
                scanned = scanned | set(_named(tables, before, seen, match[1]))
            elif (match := _BUILT.match(report.message)) and not empties:
                found = _named(tables, before, seen, match[2])
                builds |= {written((before[oid].schema, _INTERIM.sub("", match[1]))) for oid in found}
                scanned = scanned | set(found)
        scanned = {oid for oid in scanned if oid in before and before[oid].kind in "rm" and not empties}
        # an index that moved and was not built was copied
        rewritten |= {oid for oid in moved if before[oid].kind == "i" and before[oid].name not in builds}
        worked = rewritten | scanned
        blocked = {oid for oid, modes in taken.items() if strongest(list(modes)).blocks_writes}
        return Effect(
            modes=taken,
            locks=tuple(
                sorted(
                    (
                        LockClaim(relation=before[oid].name, mode=strongest(list(modes)))
                        for oid, modes in taken.items()
                        if oid in before
                    ),
                    key=lambda claim: claim.relation,
                )
            ),
            rewrites=_names(before, rewritten),
            scans=_names(before, scanned - rewritten),
            builds=tuple(sorted(builds)),
            long=bool(worked & blocked),
            notices=tuple(it.message for it in said if not _INNER.match(it.severity)),
        )


def _known(row: Mapping[str, Any]) -> Known:
    return Known(
        name=written((row["schema"], row["name"])),
        bare=row["name"],
        schema=row["schema"],
        kind=row["kind"],
        file=(row["file"], row["tablespace"]),
        table=row["table"],
    )


def _named(
    tables: Iterable[int], before: Mapping[int, Known], seen: Mapping[int, Mapping[str, Any]], name: str
) -> list[int]:
    """Return the tables that a message means: it has a name without its schema, as it is after the statement."""
    return [oid for oid in tables if name in {before[oid].bare, seen[oid]["name"] if oid in seen else ""}]


def _names(before: Mapping[int, Known], oids: Iterable[int]) -> tuple[str, ...]:
    return tuple(sorted(before[oid].name for oid in oids))
