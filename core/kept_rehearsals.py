"""Rehearsals by the digest of their plan, in a folder of this user: confirmation, run and receipt show them."""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path
from typing import Final

from . import codec
from .directories import data_root, write_private
from .plan import Rehearsal

# A schema that was rehearsed longer ago than this may be another one by now; seconds.
KEPT_FOR: Final = 7 * 86400.0
_KEPT: Final = 50


def folder() -> Path:
    """Return where they are; it may not exist yet."""
    return data_root() / "rehearsals"


def keep(rehearsal: Rehearsal) -> Path:
    """Write a rehearsal down, 0600, and forget the oldest ones; raises `UsageError` where that cannot be done."""
    path = _file(rehearsal.digest)
    write_private(path, codec.encode(rehearsal).decode())
    known = sorted(folder().glob("*.json"), key=_age)
    for old in [*known[_KEPT:], *(it for it in known[:_KEPT] if _age(it) > KEPT_FOR)]:
        with contextlib.suppress(OSError):
            old.unlink()
    return path


def find(digest: str) -> Rehearsal | None:
    """Return the rehearsal of the plan with this digest; None where there is none, or one too old to rely on."""
    path = _file(digest)
    try:
        if _age(path) > KEPT_FOR:
            return None
        found = codec.decode(path.read_bytes(), Rehearsal)
    except (OSError, codec.MalformedLine):
        # an older version's, or half a file: it is measured anew
        return None
    return found if found.digest == digest else None


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return float("inf")


def _file(digest: str) -> Path:
    return folder() / f"{re.sub('[^0-9a-f]', '', digest)}.json"
