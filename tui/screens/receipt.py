"""The receipt: how the run ended, and everything that somebody may ask about it tomorrow."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar, Final

from rich.cells import cell_len
from textual.binding import BindingType
from textual.content import Content
from textual.events import Resize
from textual.widget import Widget

from ...core.events import Backend, Result, StatementState
from ...core.view import EndView, MigrationView, RunView
from ..aftermath import post_check_words
from ..allowed import allowed_words
from ..ended import became_words
from ..format import age, count, duration, numbered, stalled
from ..keys import bindings
from ..rehearsal_words import compared_words
from ..widgets.banner import Standing
from ..widgets.paper import Paper
from ..widgets.text_scroll import TextScroll
from ..words import RESULT, beside, cell, fault_words, fit, joined, stacked, words
from .run import outcome_words
from .stage import Stage

# Cells of a line: of the outcome, the least that a name has, and of the duration.
_OUTCOME: Final = 14
_NAME: Final = 35
_TOOK: Final = 8
# Cells at the edges of the screen, and of the bar beside a long receipt.
_EDGES: Final = 3
# What is left of a line of 80 columns.
ROOM: Final = 80 - _EDGES
# Of a migration that has left the database as it was.
_NOTHING_DONE: Final = frozenset({None, Result.ROLLED_BACK, Result.STOPPED, Result.REFUSED, Result.NOTHING_TO_DO})


class ReceiptScreen(Stage[None]):
    """Outcome, migrations, fault, what is left, connections, where the log is."""

    STAGE: ClassVar[str] = "receipt"
    BINDINGS: ClassVar[list[BindingType]] = bindings("receipt")

    def __init__(self, standing: Standing, view: RunView, folder: Path) -> None:
        super().__init__(standing)
        self._view = view
        self._folder = folder

    def body(self) -> Iterable[Widget]:
        """All of it, scrolling where it is long."""
        with TextScroll(id="receipt"):
            yield Paper(self._words(self.app.size.width))

    def on_resize(self, event: Resize) -> None:
        """Names have another room."""
        self.query_one("#receipt Paper", Paper).write(self._words(event.size.width), layout=True)

    def copied(self) -> str:
        """Return the receipt as text."""
        return self._words(self.app.size.width).plain

    def _words(self, width: int) -> Content:
        return receipt_words(self._view, self._folder, width - _EDGES)

    def action_back(self) -> None:
        """Back to where the run was shown."""
        self.dismiss(None)


class FollowedReceiptScreen(ReceiptScreen):
    """The same of a run that was chosen from the sessions."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("receipt, followed")


class AttachedReceiptScreen(ReceiptScreen):
    """The same in a console that shows one run and nothing else."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("receipt, attached")


def receipt_words(view: RunView, folder: Path, room: int = ROOM) -> Content:
    """Return the receipt, in whose lines of migrations there are `room` cells."""
    closed = view.connections_closed
    said = "not confirmed" if closed is None else f"all closed ({closed}); every lock is released"
    # first of all that nothing is held any more: a long list may follow
    held = _named("connections", words(said, "ok" if closed is not None else "warn"))
    lines: list[Content] = [outcome_words(view), held, Content("")]
    # all names end in one column, and none is cut where there is room for it
    longest = max((cell_len(_name(migration)) + 1 for migration in view.migrations), default=0)
    names = max(min(longest, room - _OUTCOME - _TOOK), _NAME)
    lines += [migration_words(migration, names, room) for migration in view.migrations]
    if view.migrations:
        lines.append(Content(""))
    if view.fault is not None:
        lines += [fault_words(view.fault), Content("")]
    if view.left_behind:
        lines.append(words("What is there now", "bad", bold=True))
        lines += [beside(Content("  "), thing) for thing in view.left_behind]
        lines.append(Content(""))
    if allowed := allowed_words(view):
        lines += [*(_named("allowed", words(said)) for said in allowed), Content("")]
    if view.ends:
        lines += [*map(ended_words, view.ends), Content("")]
    for finding in view.post_checks or ():
        lines.append(words(post_check_words(finding), "warn"))
    compared = [] if view.compared is None else [view.compared]
    exit_code = "" if view.exit_code is None else f"exit code {view.exit_code}"
    lines += [
        _named("approved", words(f"by {view.by}, {view.how}; plan {view.digest[:12]}")),
        _named("notices", words(count(view.notice_count, "notice"))),
        _named("checked", checked_words(view)),
        *(_named("rehearsal", words(compared_words(it), "ok" if it.as_rehearsed else "warn")) for it in compared),
        _named("session", words(f"{view.session}  {exit_code}")),
        _named("log", words(str(folder))),
    ]
    return stacked(*lines)


def ended_words(end: EndView) -> Content:
    """Return whom somebody asked to end because it blocked the run, who that was, and what came of it."""
    blocker, answered = end.asked.blocker, end.answered
    whom = f"pid {end.asked.pid}" if blocker is None else blocker_words(blocker)
    name = "ended" if answered is not None and answered.sent else "not ended" if answered is not None else "to end"
    return _named(name, words(f"{whom}, {became_words(end)}", "warn"))


def checked_words(view: RunView) -> Content:
    """Return whether anybody has looked for what the run should not leave behind, and how much was found."""
    if view.post_checks is not None:
        return words(count(len(view.post_checks), "finding"), "warn" if view.post_checks else "ok")
    if all(migration.result in _NOTHING_DONE for migration in view.migrations):
        return words("not looked for leftovers: nothing was applied", "dim")
    return words("not looked for leftovers", "warn")


def _named(name: str, value: Content) -> Content:
    return joined(words(f"{name:<13}", "dim"), value)


def _name(view: MigrationView) -> str:
    step = " (deferred step)" if view.brief.entry == "deferred" else ""
    return cell(f"{numbered(view.brief.version)} {view.brief.name}{step}").text


def migration_words(view: MigrationView, names: int, room: int) -> Content:
    """Return a migration: result, duration, attempts, transaction; under it what was deferred.

    Its name has `names` cells, and the first line `room`.
    """
    word, tone = RESULT[view.result] if view.result is not None else ("○ not begun", "dim")
    # a blank before a duration of more cells than most
    name = fit(_name(view), names - 1, cut="middle") + " "
    more = _details(view)
    took = f"{duration(view.elapsed):>{_TOOK}}" if view.result is not None else ""
    # beside the name where there is room for it: an xid has up to ten digits
    left = room - _OUTCOME - names - _TOOK
    beside = "  ".join(["", *more]) if sum(len(it) + 2 for it in more) <= left else ""
    lines = [joined(words(fit(word, _OUTCOME), tone), words(name), words(took + beside, "dim"))]
    if more and not beside:
        lines.append(joined(" " * _OUTCOME, words("  ".join(more), "dim")))
    for number in view.deferred:
        brief = view.brief.statements[view.index(number)]
        reason = view.progress(number).reason or brief.reason
        said = f"line {brief.line}: {reason or brief.kind}"
        lines.append(joined(" " * 14, words("~ deferred ", "warn"), words(said)))
    if view.stalled.sessions:
        lines.append(joined(" " * 14, words(stalled(view.stalled.sessions, view.stalled.longest), "warn")))
    if view.result is not None and view.result is not Result.APPLIED:
        lines += [joined(" " * 14, words("blocked by ", "warn"), words(blocker_words(it))) for it in view.blockers]
    return stacked(*lines)


def _details(view: MigrationView) -> list[str]:
    if view.result is None:
        return []
    skipped = sum(progress.state is StatementState.SKIPPED for row in view.rows for progress in row)
    return [
        *([f"xid {view.xid}"] if view.xid else []),
        *([f"{view.attempt} tries"] if view.attempt > 1 else []),
        *([f"{skipped} skipped"] if skipped else []),
    ]


def blocker_words(backend: Backend) -> str:
    """Return who was in the way: process, application, role, what it did and for how long."""
    who = backend.application or backend.kind or "?"
    role = f" as {backend.user}" if backend.user else ""
    doing = f", {backend.state} {age(backend.xact_age)}" if backend.state else ""
    return f"pid {backend.pid} {who}{role}{doing}"
