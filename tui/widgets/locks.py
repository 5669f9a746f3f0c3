"""Who blocks the migration, and who is stuck behind it."""

from __future__ import annotations

from itertools import zip_longest
from typing import Final

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from ...core.events import Backend, LocksSeen
from ..format import age, duration
from ..words import NOTHING, cell, fit, joined, squeezed, words
from .paper import Paper

_WIDE: Final = 110
_LINES: Final = 12
# The words of pg_stat_activity that are too long for a column.
_STATES: Final = {"idle in transaction": "idle in tx", "idle in transaction (aborted)": "aborted tx"}


class LockPanel(Vertical):
    """Blockers above, waiters below. Each line is painted by itself: ages change every second, most names do not."""

    def compose(self) -> ComposeResult:
        """Hold as many lines as the panel can ever show."""
        for _ in range(_LINES):
            yield Paper()

    def show(self, seen: LocksSeen | None, *, gave_way_to: tuple[Backend, ...] = ()) -> None:
        """Show one look of the watch, or whom the last attempt gave way to, in the lines that there are."""
        size = self.content_size
        rows = max(1, min(size.height, _LINES) - 1)
        lines = lock_lines(seen, gave_way_to=gave_way_to, width=size.width, rows=rows)
        for paper, line in zip_longest(self.query(Paper), lines[:_LINES], fillvalue=NOTHING):
            if isinstance(paper, Paper) and isinstance(line, Content):
                paper.write(line)


def lock_lines(
    seen: LocksSeen | None, *, gave_way_to: tuple[Backend, ...] = (), width: int, rows: int
) -> list[Content]:
    """Return the panel: what is waited for and how long, then the backends, blockers first."""
    if seen is None and gave_way_to:
        return [
            joined(words("locks     ", "dim"), words("none held; the last attempt gave way to", "warn")),
            *(backend_words("held by", backend, width) for backend in gave_way_to[:rows]),
        ]
    if seen is None:
        return [words("locks     nothing is waited for", "dim")]
    if seen.waiting_for is None and not seen.blockers and not seen.waiters:
        share = "" if seen.share is None else f" {seen.share:.0%}"
        return [words(f"locks     not waiting{'; ' + seen.progress + share if seen.progress else ''}", "dim")]
    lines = [
        joined(
            words("locks     ", "dim"),
            words(f"waits for {seen.waiting_for or 'a lock'}, {duration(seen.waited)}", "warn", bold=True),
        )
    ]
    shown = [*(("held by", it) for it in seen.blockers), *(("behind us", it) for it in seen.waiters)]
    room = rows if len(shown) <= rows else rows - 1
    lines += [backend_words(role, backend, width) for role, backend in shown[:room]]
    if len(shown) > room:
        hidden = shown[room:]
        behind = sum(role == "behind us" for role, _ in hidden)
        said = "behind us" if behind == len(hidden) else f"of which {behind} behind us"
        lines.append(words(f"          and {len(hidden)} more, {said}", "dim"))
    return lines


def backend_words(role: str, backend: Backend, width: int) -> Content:
    """Return a backend in one line: process, application, what it is doing and for how long, its query."""
    names = [backend.application or backend.user or "?"]
    if width >= _WIDE and backend.application and backend.user:
        names.append(f"({backend.user})")
    head = f"{backend.pid:>7} {fit(cell(' '.join(names)).text, 40 if width >= _WIDE else 20)} "
    state = _STATES.get(backend.state or "", backend.state or "?")
    doing = f"{state} {age(backend.xact_age)}"
    query = squeezed(backend.query or ("wraparound vacuum" if backend.prevents_wraparound else ""))
    left = max(0, width - 10 - len(head) - 18)
    return joined(
        words(f"{role:<10}", "bad" if role == "held by" else "warn"),
        words(head),
        words(fit(cell(doing).text, 17) + " ", "head"),
        words(fit(cell(query[:400]).text, left), "dim"),
    )
