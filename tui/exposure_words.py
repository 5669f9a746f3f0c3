"""Who uses what a plan locks, in words. Pure.

Every count says what was counted: connections seen holding or awaiting a lock, and the server's own counters.
"""

from __future__ import annotations

from ..core.locks import LockMode
from ..core.traffic import Exposure, RelationExposure, User
from .format import age, bounded, count, number, size, visible


def size_words(one: RelationExposure) -> str:
    """Return `about 60,000 rows, 5.2 MB, indexes 8.1 MB`; a table that was never analysed has unknown rows."""
    rows = "rows unknown (never analysed)" if one.rows is None else f"about {number(one.rows)} rows"
    parts = [rows, size(one.bytes)]
    if one.index_bytes:
        parts.append(f"indexes {size(one.index_bytes)}")
    if one.toast_bytes:
        parts.append(f"TOAST {size(one.toast_bytes)}")
    return ", ".join(parts)


def seen_words(one: RelationExposure) -> str:
    """Return how many connections were seen with a lock on it: `4 connections in 6 looks`, `nobody in 1 look`."""
    return (count(one.sessions, "connection") if one.sessions else "nobody") + f" in {count(one.looks, 'look')}"


def rate_words(one: RelationExposure) -> str:
    """Return what the server counted, or nothing after one sample."""
    if one.scans_per_second is None or one.writes_per_second is None:
        return ""
    return f"{_rate(one.scans_per_second)} scans/s, {_rate(one.writes_per_second)} writes/s"


def _rate(value: float) -> str:
    return number(round(value)) if value >= 10 or value == 0 else f"{value:.1f}"


def user_words(user: User, *, query: int = 60) -> str:
    """Return who somebody is and what they do, with at most `query` characters of their query."""
    if user.wraparound:
        who = "autovacuum against wraparound, which gives way to nobody"
    elif user.autovacuum:
        who = "autovacuum, which gives way after a second"
    else:
        who = " ".join(part for part in (user.application or "", f"({user.user})" if user.user else "") if part)
    said = [f"pid {user.pid} {who}".strip()]
    if user.mode is not None:
        said[0] += f" holds {user.mode.value}"
    if user.visible:
        said += [part for part in (user.state or "",) if part]
        if user.xact_age is not None:
            said.append(f"transaction {age(user.xact_age)} old")
    else:
        said.append("what it does is hidden from this role")
    line = visible(", ".join(said))
    if user.query and query and not user.autovacuum:
        line += f": {bounded(' '.join(user.query.split()), query)}"
    return line


def relation_lines(one: RelationExposure) -> list[str]:
    """Return everything about one relation, a line each; the first has its name."""
    lines = [
        visible(f"{one.relation}: {one.mode.value}, {size_words(one)}"),
        f"seen with a lock on it: {seen_words(one)} over {one.seconds:.0f} s"
        + (f"; {rate_words(one)}" if rate_words(one) else ""),
    ]
    if one.waiting:
        lines.append(f"{count(one.waiting, 'connection')} wait for a lock on it already")
    if one.blocker is not None:
        more = f" (and {one.blockers - 1} more)" if one.blockers > 1 else ""
        lines.append(f"in the way{more}: {user_words(one.blocker)}")
    if one.autovacuum is not None and (one.blocker is None or one.autovacuum.pid != one.blocker.pid):
        lines.append(f"on it: {user_words(one.autovacuum)}")
    return lines


def exposure_lines(exposure: Exposure | None) -> list[str]:
    """Return the exposure of a plan, which was asked for, as plain lines."""
    if exposure is None:
        return ["exposure: the server did not say who is using what the plan locks"]
    if not exposure.relations:
        return []
    lines = ["exposure: who is using what the plan locks"]
    for one in exposure.relations:
        first, *others = relation_lines(one)
        lines += [f"  {first}", *(f"      {other}" for other in others)]
    if exposure.snapshot is not None:
        lines.append(f"  a CONCURRENTLY step would wait for {user_words(exposure.snapshot)}")
    if exposure.hidden:
        lines.append(f"  {exposure.hidden}")
    return lines


_SHORT_MODES = {
    LockMode.ACCESS_EXCLUSIVE: "blocks all",
    LockMode.EXCLUSIVE: "blocks writes",
    LockMode.SHARE_ROW_EXCLUSIVE: "blocks writes",
    LockMode.SHARE: "blocks writes",
}


def headline(one: RelationExposure, width: int) -> str:
    """Return one relation's exposure in `width` cells: whole pieces, as many as fit, the most telling first."""
    pieces = [seen_words(one)]
    if one.blocker is not None:
        who = one.blocker.application or one.blocker.user or "autovacuum"
        known = f" {age(one.blocker.xact_age)}" if one.blocker.xact_age is not None else ""
        pieces.append(f"in the way: {bounded(who, 24)}{known}")
    if rates := rate_words(one):
        pieces += rates.split(", ")
    rows = "" if one.rows is None else f", {number(one.rows)} rows"
    pieces.append(size(one.bytes + one.index_bytes + one.toast_bytes) + rows)
    if word := _SHORT_MODES.get(one.mode):
        pieces.append(word)
    line = visible(one.relation.removeprefix("public."))
    for position, piece in enumerate(pieces):
        longer = f"{line}{'; ' if position else ': '}{piece}"
        if len(longer) <= width:
            line = longer
    return line
