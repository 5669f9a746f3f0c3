"""Table-level lock modes and which of them conflict.

See https://www.postgresql.org/docs/18/explicit-locking.html#LOCKING-TABLES.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


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

    @classmethod
    def of(cls, name: str) -> LockMode:
        """Return the mode that pg_locks calls `AccessShareLock` and the like; raises `KeyError` for a weaker kind."""
        return _BY_NAME[name]

    @property
    def strength(self) -> int:
        """The place in the list of the manual, from 1."""
        return _STRENGTH[self]

    @property
    def blocks_writes(self) -> bool:
        """Whether INSERT, UPDATE and DELETE on the relation wait while it is held."""
        return self.strength >= LockMode.SHARE.strength

    def conflicts(self, other: LockMode) -> bool:
        """Whether one of the two has to wait while somebody else holds the other."""
        return other in _CONFLICTS[self]

    @property
    def blocks_reads(self) -> bool:
        """Whether a plain SELECT waits while it is held."""
        return self is LockMode.ACCESS_EXCLUSIVE


_STRENGTH: Final = {mode: number for number, mode in enumerate(LockMode, start=1)}


def strongest(modes: list[LockMode]) -> LockMode:
    """Return the strongest of `modes`, which must not be empty."""
    return max(modes, key=lambda mode: mode.strength)


# Table 13.2 of the manual.
_CONFLICTS: Final = {
    LockMode.ACCESS_SHARE: frozenset({LockMode.ACCESS_EXCLUSIVE}),
    LockMode.ROW_SHARE: frozenset({LockMode.EXCLUSIVE, LockMode.ACCESS_EXCLUSIVE}),
    LockMode.ROW_EXCLUSIVE: frozenset(mode for mode in LockMode if mode.strength >= LockMode.SHARE.strength),
    LockMode.SHARE_UPDATE_EXCLUSIVE: frozenset(
        mode for mode in LockMode if mode.strength >= LockMode.SHARE_UPDATE_EXCLUSIVE.strength
    ),
    LockMode.SHARE: frozenset(
        mode for mode in LockMode if mode.strength >= LockMode.ROW_EXCLUSIVE.strength and mode is not LockMode.SHARE
    ),
    LockMode.SHARE_ROW_EXCLUSIVE: frozenset(
        mode for mode in LockMode if mode.strength >= LockMode.ROW_EXCLUSIVE.strength
    ),
    LockMode.EXCLUSIVE: frozenset(mode for mode in LockMode if mode is not LockMode.ACCESS_SHARE),
    LockMode.ACCESS_EXCLUSIVE: frozenset(LockMode),
}

_BY_NAME: Final = {"".join(word.capitalize() for word in mode.value.split()) + "Lock": mode for mode in LockMode}
