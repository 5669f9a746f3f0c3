from __future__ import annotations

from changeover.core.events import Backend
from changeover.core.lock_tree import Link, above, behind, depth_of


def _backend(pid: int, *blocked_by: int) -> Backend:
    return Backend(
        pid=pid,
        user="app",
        application="app",
        kind="client backend",
        state="active",
        xact_age=1.0,
        wait=None,
        query="SELECT 1",
        blocked_by=blocked_by,
    )


def _shape(links: tuple[Link, ...]) -> list[tuple[int, int]]:
    return [(link.backend.pid, link.depth) for link in links]


def test_who_blocks_a_blocker_stands_under_it() -> None:
    # 2 waits for 3, which waits for 4; 9 blocks us by itself
    blockers = (_backend(4), _backend(9), _backend(3, 4), _backend(2, 3))
    assert _shape(above(blockers)) == [(9, 0), (2, 0), (3, 1), (4, 2)]
    assert depth_of(above(blockers)) == 3


def test_who_waits_for_us_is_next_to_us_also_from_the_end_of_the_queue() -> None:
    # we are 100; the lock manager names those before a waiter in the queue, too
    waiters = (_backend(11, 100), _backend(12, 100, 11), _backend(13, 12))
    assert _shape(behind(waiters)) == [(11, 0), (12, 0), (13, 1)]


def test_every_backend_is_there_once_whatever_the_shape() -> None:
    ring = (_backend(1, 2), _backend(2, 1))
    diamond = (_backend(1, 2, 3), _backend(2, 4), _backend(3, 4), _backend(4))
    assert sorted(link.backend.pid for link in above(ring)) == [1, 2]
    assert _shape(above(diamond)) == [(1, 0), (2, 1), (4, 2), (3, 1)]
    assert above(()) == ()
    assert depth_of(()) == 0
