"""Table-level lock modes and which of them conflict.

See https://www.postgresql.org/docs/18/explicit-locking.html#LOCKING-TABLES.
"""

from __future__ import annotations

from enum import StrEnum


class LockMode(StrEnum):
    """The manual's words, weakest first."""

    ACCESS_SHARE = "ACCESS SHARE"
    ROW_SHARE = "ROW SHARE"
    ROW_EXCLUSIVE = "ROW EXCLUSIVE"
    SHARE_UPDATE_EXCLUSIVE = "SHARE UPDATE EXCLUSIVE"
    SHARE = "SHARE"
    SHARE_ROW_EXCLUSIVE = "SHARE ROW EXCLUSIVE"
    EXCLUSIVE = "EXCLUSIVE"
    ACCESS_EXCLUSIVE = "ACCESS EXCLUSIVE"

    @property
    def strength(self) -> int:
        """The place in the list of the manual, from 1."""
        return list(LockMode).index(self) + 1

    @property
    def blocks_writes(self) -> bool:
        """Whether INSERT, UPDATE and DELETE on the relation wait while it is held."""
        return self.strength >= LockMode.SHARE.strength

    @property
    def blocks_reads(self) -> bool:
        """Whether a plain SELECT waits while it is held."""
        return self is LockMode.ACCESS_EXCLUSIVE


def strongest(modes: list[LockMode]) -> LockMode:
    """Return the strongest of `modes`, which must not be empty."""
    return max(modes, key=lambda mode: mode.strength)
