"""Who uses the relations of a plan: what `exposure` measures, and screens and documents show."""

from __future__ import annotations

from msgspec import Struct

from .locks import LockMode


class User(Struct, frozen=True, kw_only=True):
    """A connection that is in the way; what our role may not see is None."""

    pid: int
    user: str | None
    application: str | None
    state: str | None
    # how old its transaction is; seconds
    xact_age: float | None
    query: str | None
    # the lock that it holds, None for a snapshot
    mode: LockMode | None
    # whether our role may see what it does
    visible: bool
    autovacuum: bool = False
    # an autovacuum that gives way to nobody
    wraparound: bool = False


class RelationExposure(Struct, frozen=True, kw_only=True):
    """One relation under its traffic."""

    relation: str
    kind: str
    mode: LockMode
    # by the planner's figures; None where it was never analysed
    rows: int | None
    bytes: int
    index_bytes: int
    toast_bytes: int
    # connections that held or awaited a lock on it at the last `looks`, over `seconds`; and now
    looks: int
    sessions: int
    sessions_now: int
    seconds: float
    # per second, from the server's counters; None before there are two samples
    scans_per_second: float | None
    writes_per_second: float | None
    # who waits for a lock on it now
    waiting: int
    # the oldest transaction that our lock would wait for, None where there is none now
    blocker: User | None
    # how many such connections there are
    blockers: int
    # an autovacuum on it, None where there is none
    autovacuum: User | None


class Exposure(Struct, frozen=True, kw_only=True):
    """All relations of a plan, the strongest lock and the biggest first."""

    samples: int
    relations: tuple[RelationExposure, ...]
    # the oldest transaction that a CONCURRENTLY step of the plan would wait for
    snapshot: User | None
    # what is hidden from us, in words; empty where all is seen
    hidden: str
