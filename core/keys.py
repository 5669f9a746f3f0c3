"""The two advisory keys of a database: the run key and the fate key.

Both are taken at transaction level and polled, never waited for inside the server: a waiter holds a snapshot, and
CREATE INDEX CONCURRENTLY waits for it; a session-level key leaks through a pooler.
See https://www.postgresql.org/docs/18/explicit-locking.html#ADVISORY-LOCKS.
"""

from __future__ import annotations

from hashlib import sha256

from msgspec import Struct


class Keys(Struct, frozen=True, kw_only=True):
    """Signed 64-bit keys, derived from the schema of the history: two histories in one database do not meet."""

    # held by the guard connection from before the digest check to the end of the run
    run: int
    # held by each migration's transaction; who settles a doubt takes only this one
    fate: int
    # those that another tool locks while it migrates: the guard holds them as well. One at transaction level keeps out
    # who asks for it at session level, and the other way round
    theirs: tuple[int, ...] = ()
    # what the other tool calls itself
    tool: str = ""


def keys_of(history: str, *, theirs: tuple[int, ...] = (), tool: str = "") -> Keys:
    """Return the keys that guard a history: the native one is known by its schema, another by format and table."""
    return Keys(
        run=_key(f"changeover run {history}"), fate=_key(f"changeover fate {history}"), theirs=theirs, tool=tool
    )


def attempt_to_take(key: int) -> str:
    """Return a query with one row, and the key held to the end of the transaction, where it was free."""
    return f"SELECT 1 WHERE pg_catalog.pg_try_advisory_xact_lock({key})"


def _key(text: str) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big", signed=True)
