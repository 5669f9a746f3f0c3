"""How long a run waits for others, and how often it tries again."""

from __future__ import annotations

from msgspec import Struct


class Limits(Struct, frozen=True, kw_only=True):
    """How a run gives way; seconds. They are part of the digest."""

    # lock waiting of one attempt, over all its statements
    lock_timeout: float = 2.0
    lock_attempts: int = 10
    # pause before the next attempt: doubled from the first to the second number, jittered
    lock_pause: tuple[float, float] = (1.0, 30.0)
    # 0 is no limit
    statement_timeout: float = 0.0
