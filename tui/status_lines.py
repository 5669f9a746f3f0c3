"""Which target it is, and the state of every migration on it, as text. Pure, and quick to import."""

from __future__ import annotations

from datetime import UTC

from ..core.formats import BY_NAME, NATIVE
from ..core.history import History
from ..core.status import State
from ..core.survey import Glance, Survey
from ..core.target import Target
from .columns import table
from .format import count, duration, numbered, visible
from .lines import server_words


def target_lines(target: Target) -> list[str]:
    """Return which database this is, and from where each part of its name came."""
    name = f"{visible(target.name)}: " if target.name else ""
    flags = [word for word, on in (("protected", target.protected), ("read-only", target.read_only)) if on]
    extra = (
        f" ({', '.join([*([target.environment] if target.environment else []), *flags])})"
        if flags or target.environment
        else ""
    )
    by_source: dict[str, list[str]] = {}
    for what, source in target.sources.items():
        by_source.setdefault(source, []).append(what)
    origin = "; ".join(f"{', '.join(what)} from {source}" for source, what in by_source.items())
    return [f"target {name}{visible(str(target))}, sslmode {target.sslmode}{visible(extra)}", f"  {visible(origin)}"]


def status_lines(found: Survey | Glance) -> list[str]:
    """Return every migration with its state."""
    history = found.history
    there = "" if history.exists else " (not there yet)"
    size, folder = count(len(found.statuses), "migration"), visible(str(found.folder.path))
    what = "" if history.format == NATIVE.name else f" ({BY_NAME[history.format].title})"
    head = [
        server_words(found.server),
        f"{size} in {folder}{what}, history {visible(history.table)}{there}",
        *other_lines(history),
        *guarantee_lines(found),
        *([f"a run is going on: {visible(found.running)}"] if found.running else []),
    ]
    rows = [
        (
            numbered(one.version),
            one.name,
            one.state.value.replace("_", " "),
            f"{one.applied_at.astimezone(UTC):%Y-%m-%d %H:%M}Z" if one.applied_at else "",
            one.operator or "",
            duration(one.duration_ms / 1000) if one.duration_ms is not None else "",
            one.note,
        )
        for one in found.statuses
    ]
    half = [half_way_line(one.version) for one in found.statuses if one.state in {State.PARTIAL, State.IN_DOUBT}]
    listed = table(("VERSION", "NAME", "STATE", "APPLIED", "BY", "TOOK", "NOTE"), rows)
    return [*head, "", *listed, *(["", *half] if half else [])]


def half_way_line(version: str) -> str:
    """Return the command that shows and settles a migration of which not all was done, or nobody knows."""
    return visible(f"{numbered(version)} needs you: `changeover repair {version}` shows what is there and settles it.")


def guarantee_lines(found: Survey | Glance) -> list[str]:
    """Return what keeps us from writing, a line; none where we can write, or nobody has asked."""
    power = found.power if isinstance(found, Survey) else None
    if power is None:
        return []
    if power:
        return [f"read-only transactions; the role itself could write ({visible(power)})"]
    return ["read-only role: no right to change anything was found"]


def other_lines(history: History) -> list[str]:
    """Return which other tools manage the database as well, a line each."""
    return [
        f"this database is also managed by {it.tool}"
        + (f", at version {visible(it.version)}" if it.version else "")
        + f" ({visible(it.table)})"
        for it in history.others
    ]
