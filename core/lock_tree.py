"""Who waits for whom around a migration: the chains above it, and those behind it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from .events import Backend


class Link(Struct, frozen=True, kw_only=True):
    """A backend in a chain; `depth` 0 is next to the migration."""

    backend: Backend
    depth: int


def above(blockers: Sequence[Backend]) -> tuple[Link, ...]:
    """Return who blocks the migration, each followed by who blocks that one in turn."""
    there = {it.pid: it for it in blockers}
    waited_for = {pid for it in blockers for pid in it.blocked_by}
    # Who blocks nobody else of them blocks the migration; in a ring all do, and the first is as good as any.
    nearest = [it.pid for it in blockers if it.pid not in waited_for]
    return _chains(there, nearest, lambda pid: there[pid].blocked_by)


def behind(waiters: Sequence[Backend]) -> tuple[Link, ...]:
    """Return who waits for the migration, each followed by who waits only for that one."""
    there = {it.pid: it for it in waiters}
    # The queue counts, too: who waits for us and for those before it is still next to us.
    nearest = [it.pid for it in waiters if not it.blocked_by or any(pid not in there for pid in it.blocked_by)]
    return _chains(there, nearest, lambda pid: [it.pid for it in waiters if pid in it.blocked_by])


def depth_of(links: Sequence[Link]) -> int:
    """Return how many stand in the longest chain."""
    return max((link.depth + 1 for link in links), default=0)


def _chains(
    there: Mapping[int, Backend], nearest: Sequence[int], beyond: Callable[[int], Sequence[int]]
) -> tuple[Link, ...]:
    """Return every backend once: under the nearest one that leads to it, and else as a nearest one itself."""
    left = {pid: there[pid] for pid in there if pid not in nearest}
    found: list[Link] = []

    def follow(pid: int, depth: int) -> None:
        found.append(Link(backend=there[pid], depth=depth))
        # taken all at once: a chain is as short as it can be
        after = [left.pop(each).pid for each in beyond(pid) if each in left]
        for each in after:
            follow(each, depth + 1)

    for pid in nearest:
        follow(pid, 0)
    while left:
        follow(left.pop(next(iter(left))).pid, 0)
    return tuple(found)
