"""What the server says about itself and us, and what the console works with."""

from __future__ import annotations

from textual.content import Content

from ...core.events import ServerFacts
from ...core.formats import BY_NAME, NATIVE
from ...core.history import History
from ...core.migration import Folder
from ..format import count
from ..words import joined, stacked, words


def server_words(server: ServerFacts) -> Content:
    """Return version, role in replication, link and role, in one line."""
    link = "TLS" if server.tls else ("local socket" if server.host.startswith("/") else "no TLS")
    parts = [
        f"PostgreSQL {server.version.removeprefix('PostgreSQL ').split(' ')[0]}",
        "standby, read-only" if server.in_recovery else "primary",
        link,
        f"role {server.user}" + (", superuser" if server.superuser else ""),
    ]
    if server.pooled:
        parts.append("through a pooler")
    return joined(words(" server    ", "dim"), words(" · ".join(parts)))


def sources_words(folder: Folder, history: History) -> Content:
    """Return the migrations folder and the history table, a line each."""
    if history.exists:
        said = f"{history.table}, {count(len(history.applied), 'migration')} in force"
    else:
        said = f"{history.table}, not there yet: the first run makes it"
    what = "" if folder.format == NATIVE.name else f", {BY_NAME[folder.format].title}"
    return stacked(
        joined(
            words(" folder    ", "dim"),
            words(f"{folder.path}, {count(len(folder.migrations), 'migration')}{what}"),
        ),
        joined(words(" history   ", "dim"), words(said)),
        *(
            joined(
                words(" also      ", "dim"),
                words(f"managed by {it.tool}{f', at version {it.version}' if it.version else ''} ({it.table})", "warn"),
            )
            for it in history.others[:2]
        ),
    )


def guarantee_words(power: str | None) -> Content | None:
    """Return what keeps us from writing, and what the role could do without it; None where nothing does."""
    if power is None:
        return None
    said = (
        "the role cannot write: no right to change anything was found"
        if not power
        else f"read-only transactions; role could write: {power}"
    )
    return joined(words(" guarantee ", "dim"), words(said, "warn" if power else "ok"))


def running_words(running: str) -> Content | None:
    """Return who is migrating this database right now; None where nobody is."""
    return joined(words(" running   ", "dim"), words(running, "warn")) if running else None
