"""Who blocks the migration, and who is stuck behind it: a tree in both directions."""

from __future__ import annotations

from itertools import zip_longest
from typing import Final

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from ...core import lock_tree
from ...core.events import Backend, LocksSeen
from ...core.lock_tree import Link
from ...core.view import RunView
from ..format import age, count, duration
from ..words import NOTHING, cell, fit, joined, squeezed, words
from .paper import Paper

_WIDE: Final = 110
_LINES: Final = 12
# The words of pg_stat_activity that are too long for a column.
_STATES: Final = {"idle in transaction": "idle in tx", "idle in transaction (aborted)": "aborted tx"}


class LockPanel(Vertical):
    """Blockers above, waiters below. Each line is painted by itself: ages change every second, most names do not."""

    _view: RunView | None = None

    def compose(self) -> ComposeResult:
        """Hold as many lines as the panel can ever show."""
        for _ in range(_LINES):
            yield Paper()

    def show(self, view: RunView) -> None:
        """Show one look of the watch, or whom the last attempt gave way to, in the lines that there are."""
        self._view = view
        size = self.content_size
        rows = max(1, min(size.height, _LINES) - 1)
        lines = lock_lines(view, width=size.width, rows=rows)
        for paper, line in zip_longest(self.query(Paper), lines[:_LINES], fillvalue=NOTHING):
            if isinstance(paper, Paper) and isinstance(line, Content):
                paper.write(line)

    def on_resize(self) -> None:
        """Fill the lines that there are now: the screen hears of its own new size before the panel has one."""
        if self._view is not None:
            self.show(self._view)


def lock_lines(view: RunView, *, width: int, rows: int) -> list[Content]:
    """Return the panel: what is waited for and how long, then the backends, blockers first; `rows` under the head."""
    seen, migration = view.locks, view.current_migration
    gave_way_to = migration.blockers if migration is not None and migration.retry_at is not None else ()
    notes = [*_progress(view), *_ending(view)]
    if seen is None and gave_way_to:
        head = joined(words("locks     ", "dim"), words("none held; the last attempt gave way to", "warn"))
        shown = [("held by", it) for it in lock_tree.above(gave_way_to)]
        return [head, *notes, *_backends(shown, len(shown), width, rows - len(notes))]
    if seen is None:
        return notes or [words("locks     nothing is waited for", "dim")]
    if seen.waiting_for is None and not seen.blockers:
        longest = max((it.waiting or 0.0 for it in seen.waiters), default=0.0)
        waited = f", the longest for {duration(longest)}" if longest else ""
        said = f"{count(seen.behind, 'connection')} wait for what we hold{waited}"
    else:
        said = f"waits for {seen.waiting_for or 'a lock'}, {duration(seen.waited)}"
    up, down = lock_tree.above(seen.blockers), lock_tree.behind(seen.waiters)
    deep = max(lock_tree.depth_of(up), lock_tree.depth_of(down))
    said += f"; a chain of {deep}" if deep > 1 else ""
    lines = [joined(words("locks     ", "dim"), words(said, "warn", bold=True)), *notes]
    shown = [*(("held by", it) for it in up), *(("behind us", it) for it in down)]
    total = len(seen.blockers) + seen.behind
    hint = _hint(seen)
    if hint and rows > len(lines):
        return [*lines, *_backends(shown, total, width, rows - len(lines)), words(f"          {hint}", "warn")]
    return [*lines, *_backends(shown, total, width, rows + 1 - len(lines))]


def _hint(seen: LocksSeen) -> str:
    """Return what has to be known of those who block us."""
    if any(it.prevents_wraparound for it in seen.blockers):
        return "it does not give way: it keeps transaction ids from running out"
    if any(not it.visible for it in seen.blockers):
        return "what they do is hidden from this role: GRANT pg_monitor to it"
    return ""


def _backends(shown: list[tuple[str, Link]], total: int, width: int, rows: int) -> list[Content]:
    """Return as many backends as there are rows, and in the last row how many there are beside them."""
    room = rows if total <= rows else rows - 1
    seen = shown[: max(0, room)]
    widest = max((cell_len(link_name(link, width)) for _, link in seen), default=0)
    # in steps: who waits changes with every look, and the columns should not move each time
    names = min(40 if width >= _WIDE else 20, -(-widest // 4) * 4)
    lines = [backend_words(role, link, width, names=names) for role, link in seen]
    if total > len(lines) and rows > 0:
        held = sum(role == "held by" for role, _ in shown[len(lines) :])
        behind = total - len(lines) - held
        said = "behind us" if not held else f"of which {behind:,} behind us"
        lines.append(words(f"          and {total - len(lines):,} more, {said}", "dim"))
    return lines


def _progress(view: RunView) -> list[Content]:
    """Return how far the server says the statement in hand is."""
    seen = view.progress
    if seen is None:
        return []
    share = f" {seen.share:.0%} of this phase" if seen.share is not None else ""
    counted = f", {seen.counted}" if seen.counted else ""
    return [joined(words("progress  ", "dim"), words(f"{seen.phase}{share}", "live"), words(counted, "dim"))]


def _ending(view: RunView) -> list[Content]:
    """Return what became of the last wish to end a blocker that is still in the way."""
    last = view.ends[-1] if view.ends else None
    seen = view.locks.blockers if view.locks else ()
    migration = view.current_migration
    there = {it.pid for it in (*seen, *(migration.blockers if migration else ()))}
    if last is None or last.asked.pid not in there:
        return []
    asked, answered = last.asked, last.answered
    if answered is None:
        became = "is being sent"
    elif answered.sent:
        became = f"was sent by {asked.by}"
    else:
        became = f"was not sent: {answered.reason}"
    tone = "bad" if answered is not None and not answered.sent else "warn"
    return [joined(words("ending    ", "dim"), words(f"{asked.how} of pid {asked.pid} {became}", tone))]


def backend_name(backend: Backend, width: int) -> str:
    """Return who a backend is, visible: its application, in a wide panel with its role."""
    names = [backend.application or backend.user or backend.kind or "?"]
    if width >= _WIDE and backend.application and backend.user:
        names.append(f"({backend.user})")
    return cell(" ".join(names)).text


def link_name(link: Link, width: int) -> str:
    """Return who a backend is, under the one that stands between it and the migration."""
    branch = "  " * (link.depth - 1) + "└ " if link.depth else ""
    return branch + backend_name(link.backend, width)


def backend_words(role: str, link: Link, width: int, *, names: int) -> Content:
    """Return a backend in one line: process, application in `names` cells, what it does and how long, its query."""
    backend = link.backend
    head = f"{backend.pid:>7} {fit(link_name(link, width), names)} "
    state = _STATES.get(backend.state or "", backend.state or "?")
    doing = f"{state} {age(backend.xact_age)}" if backend.visible else "not shown to us"
    if backend.waiting is not None:
        doing = f"waits {duration(backend.waiting)}"
    elif backend.blocked_by and role == "held by":
        doing = f"waits for {backend.blocked_by[0]}"
    query = squeezed(backend.query or "")
    left = max(0, width - 10 - len(head) - 18)
    return joined(
        words(f"{role:<10}", "bad" if role == "held by" else "warn"),
        words(head),
        words(fit(cell(doing).text, 17) + " ", "head"),
        words(fit(cell(query[:400]).text, left), "dim"),
    )
