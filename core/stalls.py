"""How many application sessions stood still behind us, and for how long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from .events import Stalled


class _Wait(Struct):
    """One wait of one session; seconds."""

    # how long at the last look: by the server's clock, or before PostgreSQL 14 from look to look
    waited: float
    # of our clock: when it was first seen, and the last look that saw it
    since: float
    seen: float


class Stalls(Struct):
    """The waits behind one attempt, from look to look of the watch."""

    _over: list[tuple[int, float]] = field(default_factory=list)
    _waits: dict[tuple[int, str], _Wait] = field(default_factory=dict)

    def look(self, rows: Sequence[Mapping[str, Any]], now: float) -> None:
        """Take in who waits behind us at `now`, of a clock in seconds that only goes forward."""
        there: set[tuple[int, str]] = set()
        for row in rows:
            if not row["is_client"]:
                continue
            key = (row["pid"], row["wait_start"] or "")
            there.add(key)
            wait = self._waits.setdefault(key, _Wait(waited=0.0, since=now, seen=now))
            wait.waited = now - wait.since if row["waiting"] is None else row["waiting"]
            wait.seen = now
        for key in self._waits.keys() - there:
            self._over.append((key[0], self._waits.pop(key).waited))

    def end(self, now: float) -> None:
        """We hold and want nothing any more: who waited at the last look waited until now, at most."""
        for (pid, _), wait in self._waits.items():
            self._over.append((pid, wait.waited + now - wait.seen))
        self._waits.clear()

    def add(self, other: Stalls) -> None:
        """Take in the waits of another attempt."""
        self._over += other._over

    @property
    def told(self) -> Stalled:
        """All of it, as events tell it."""
        spans = [span for _, span in self._over]
        return Stalled(sessions=len({pid for pid, _ in self._over}), longest=max(spans, default=0.0), total=sum(spans))
