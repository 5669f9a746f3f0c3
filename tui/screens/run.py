"""The run: a function of the events, live or replayed. It decides nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import ClassVar, Final

from rich.cells import cell_len
from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget

from ...core.events import Result
from ...core.view import MigrationView, RunView
from ..format import count, duration, numbered, visible
from ..keys import bindings
from ..widgets.banner import Standing
from ..widgets.locks import LockPanel
from ..widgets.notices import Notices
from ..widgets.paper import Paper
from ..widgets.progress import Progress
from ..widgets.sql_view import sql_words
from ..widgets.steps import Steps, is_sent_along
from ..words import NOTHING, RESULT, fault_words, fit, joined, stacked, words
from .confirm import POLICIES
from .stage import ResultT, Stage

# Statements between two pictures; where more go by, one picture a second is enough.
_READABLE: Final = 10
# Phases whose own names say nothing to an operator.
_PHASES: Final = {"waiting for the run key": "making sure that no other run goes on"}
_STOPS: Final = {
    "now": "now",
    "after-statement": "after this statement",
    "after-migration": "after this migration",
    "give-up": "with this attempt",
}


# Cells for the number of a migration, with the blanks around it.
_NUMBER: Final = 12


class RunScreen(Stage[ResultT]):
    """Headline, progress, migrations and statements, the SQL in hand, locks, notices; painted from a `RunView`."""

    STAGE: ClassVar[str] = "run"
    FOLDS: ClassVar[bool] = True
    # of the terminal that the run's policy is about
    CLOSES: ClassVar[str] = "If this terminal closes"
    BINDINGS: ClassVar[list[BindingType]] = bindings("run")

    def __init__(self, standing: Standing, view: RunView) -> None:
        super().__init__(standing)
        self.view = view
        self._painted: RunView | None = None
        self._second = 0

    def body(self) -> Iterable[Widget]:
        """From what matters most to what is read when something is odd."""
        yield Paper(id="headline")
        yield Progress()
        yield Steps()
        yield Paper(id="sql", classes="panel")
        yield LockPanel(id="locks", classes="panel")
        yield Notices(id="notices", classes="panel")
        yield Paper(id="promise")

    def paint(self, now: float) -> None:
        """Show the view as it stands at `now`, seconds since the epoch; what has not changed costs nothing."""
        fresh, second = self.view is not self._painted, int(now)
        if second == self._second and (not fresh or _rushes(self._painted, self.view)):
            return
        self._painted, self._second = self.view, second
        view = self.view
        self.query_one("#headline", Paper).write(headline_words(view, now, self.size.width))
        self.query_one(Steps).follow(view, now)
        if not fresh:
            return
        self.set_class(_stumbled(view) and view.result is not None, "-failed")
        tone = "bad" if view.fault is not None or _stumbled(view) else "ok"
        self.query_one(Progress).show(view.statements_finished, view.statements_total, tone=tone)
        self._paint_sql()
        self.query_one(LockPanel).show(view)
        self.query_one(Notices).show(view.notices, view.notice_count)
        self.query_one("#promise", Paper).write(promise_words(view, self.CLOSES))

    def _paint_sql(self) -> None:
        chosen = self.query_one(Steps).chosen()
        self.query_one("#sql", Paper).write(step_words(chosen))

    def on_table_moved(self) -> None:
        """Another step: its SQL."""
        self._paint_sql()

    def on_resize(self) -> None:
        """Panels have other heights: paint all of it again."""
        self._painted = None

    def copied(self) -> str:
        """Return the chosen statement, or the migration's file."""
        chosen = self.query_one(Steps).chosen()
        if chosen is None:
            return ""
        migration, index = chosen
        return migration.brief.file if index is None else migration.brief.statements[index].sql

    def action_follow(self) -> None:
        """Choose what is going on, and stay with it."""
        self.query_one(Steps).resume()
        self._paint_sql()


def _rushes(before: RunView | None, now: RunView) -> bool:
    """Whether so many statements have gone by that nobody could read them, and nothing else has happened."""
    if before is None or now.statements_finished - before.statements_finished < _READABLE:
        return False
    return (before.current, before.phase, before.stop, before.result, before.locks is None) == (
        now.current,
        now.phase,
        now.stop,
        now.result,
        now.locks is None,
    )


def _stumbled(view: RunView) -> bool:
    return any(it.fault is not None and it.retry_at is None for it in view.migrations)


def headline_words(view: RunView, now: float, room: int) -> Content:
    """Return phase, migration, attempt and elapsed time in `room` cells; while waiting, the seconds that are left."""
    since = view.started_at or view.opened_at
    spent = view.elapsed if view.elapsed is not None else (now - since if since is not None else 0.0)
    clock = words(f"  {_clock(spent)}", "head")
    if view.result is not None:
        word, tone = RESULT[view.result]
        return joined(" ", words(word, tone, bold=True), clock)
    migration = view.current_migration
    if migration is None and view.stop is not None:
        return joined(" ", words(f"■ stopping {_STOPS.get(view.stop.when, view.stop.when)}", "warn", bold=True), clock)
    if migration is None:
        return joined(" ", words(f"► {_PHASES.get(view.phase, view.phase)}", "live", bold=True), clock)
    attempt = words(f"  attempt {migration.attempt} of {migration.of}", "head") if migration.of > 1 else NOTHING
    left = None if migration.retry_at is None else max(0, math.ceil(migration.retry_at - now))
    if view.stop is not None:
        rest = clock if left is not None and view.stop.when == "after-migration" else joined(attempt, clock)
        ways = (words(said, "warn", bold=True) for said in _stopping(view.stop.when, migration, left))
        return _about(_fitting(ways, room - rest.cell_length), migration, rest, room)
    if left is not None:
        said = f"• gave way; attempt {migration.attempt + 1} of {migration.of} in {left} s"
        return _about(words(said, "warn", bold=True), migration, clock, room)
    if view.phase == "running" and view.locks is not None and view.locks.waiting_for:
        return _about(words("• waiting for a lock", "warn", bold=True), migration, joined(attempt, clock), room)
    return _about(words(f"► {view.phase}", "live", bold=True), migration, joined(attempt, clock), room)


def _stopping(when: str, migration: MigrationView, left: int | None) -> tuple[str, str]:
    """Return that a run is to stop, and what it does until then, `left` seconds before its next attempt; and shorter.

    A stop after the statement ends what begins behind the pause, before its first statement.
    """
    after = _STOPS.get(when, when)
    if left is None or when not in {"after-migration", "after-statement"}:
        return f"■ stopping {after}", "■ stopping"
    if when == "after-statement":
        return f"■ stopping in {left} s", f"■ stopping in {left} s"
    again = f"; attempt {migration.attempt + 1} of {migration.of} in {left} s"
    return f"■ stopping {after}{again}", f"■ stopping{again}"


def _fitting(ways: Iterable[Content], room: int) -> Content:
    """Return the first way to say something that leaves room for the number of a migration, else the last."""
    *longer, shortest = ways
    return next((said for said in longer if said.cell_length + _NUMBER <= room), shortest)


def _about(said: Content, migration: MigrationView, rest: Content, room: int) -> Content:
    """Return what is said of a migration; its name gives way where the window is narrow, and the clock never."""
    name = visible(f"{numbered(migration.brief.version)} {migration.brief.name}")
    # the last column is left free, as everywhere
    left = room - 4 - said.cell_length - rest.cell_length
    shown = fit(name, min(left, cell_len(name)), cut="middle")
    return joined(" ", said, words(f"  {shown}") if shown else "", rest)


def _clock(seconds: float) -> str:
    whole = max(0, int(seconds))
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def step_words(chosen: tuple[MigrationView, int | None] | None) -> Content:
    """Return the chosen step: a failure in full, else its SQL; for a migration, why it was rolled back."""
    if chosen is None:
        return words("sql       nothing is being sent", "dim")
    migration, index = chosen
    if index is None:
        if migration.fault is not None:
            return fault_words(migration.fault)
        said = f"{migration.brief.file}, {count(len(migration.brief.statements), 'statement')}"
        kind = "in one transaction" if migration.brief.transactional else "outside a transaction"
        return words(f"{said}, {kind}", "dim")
    brief = migration.brief.statements[index]
    progress = migration.progress(brief.number)
    if progress.fault is not None and migration.retry_at is None:
        return fault_words(progress.fault)
    group = ""
    if migration.current == brief.number or is_sent_along(migration, brief.number):
        # the server says only when all of a message is done
        group = f", {migration.current:,} to {migration.last:,} together" if migration.last is not None else ""
    place = words(f"{brief.file or migration.brief.file}:{brief.line}:{brief.column}  {brief.kind}{group}", "dim")
    return stacked(place, sql_words(brief.sql, limit=2000))


def promise_words(view: RunView, closes: str) -> Content:
    """Return what is certain: what stopping has come to, and what it does to it that the terminal `closes`."""
    if view.result is not None:
        closed = view.connections_closed
        said = f"{count(closed, 'connection')} closed" if closed is not None else "connections are being closed"
        return words(f" {said}; session {view.session}", "dim")
    if view.stop is not None and view.stop.when == "give-up":
        return words(" No further attempt begins; where this one gives way, the run ends rolled back.", "warn")
    if view.stop is not None:
        if view.stop_confirmed:
            return words(" The server has confirmed it: nothing of this migration runs and no lock is held.", "ok")
        if view.stop.when == "now":
            return words(" Not stopped yet: waiting until the server confirms it.", "warn")
        return words(pending_words(view.stop.when, view.current_migration), "warn")
    migration = view.current_migration
    if migration is not None and migration.retry_at is not None:
        why = f": {migration.fault.summary}" if migration.fault is not None else ""
        if migration.stalled.sessions:
            behind = migration.stalled
            # in 80 columns
            why = f"; {count(behind.sessions, 'application session')} waited, at most {duration(behind.longest)}"
        return words(f" Rolled back, nothing is held{why}", "warn")
    policy = POLICIES.get(view.on_hangup)
    return words(f" {closes}, {policy}." if policy else "", "dim")


def pending_words(when: str, migration: MigrationView | None) -> str:
    """Return what goes on until a stop that waits for the end of the statement or of the migration comes true."""
    if migration is not None and migration.retry_at is not None:
        then = "when the pause is over" if when == "after-statement" else "once this migration is done"
        return f" Rolled back, nothing is held; the run stops {then}."
    what = "statement" if when == "after-statement" else "migration"
    return f" Nothing was cancelled: this {what} goes on to its end, then the run stops."


def outcome_words(view: RunView) -> Content:
    """Return the outcome in a sentence."""
    applied = sum(migration.result is Result.APPLIED for migration in view.migrations)
    done = f"{count(applied, 'migration')} applied in {duration(view.elapsed or 0.0)}"
    match view.result:
        case Result.APPLIED:
            return words(f"✓ Applied: {done}.", "ok", bold=True)
        case Result.REVERTED | Result.BASELINED | Result.REPAIRED:
            entries = count(len(view.migrations), "migration")
            took = duration(view.elapsed or 0.0)
            return words(f"✓ {view.result.value.capitalize()}: {entries} in {took}.", "ok", bold=True)
        case Result.NOTHING_TO_DO:
            return words("✓ Nothing to do: every migration is in force.", "ok", bold=True)
        case Result.ROLLED_BACK:
            return words(f"× Rolled back: the failed migration left nothing behind; {done}.", "bad", bold=True)
        case Result.STOPPED:
            return words(f"■ Stopped by the operator; nothing is half-done; {done}.", "warn", bold=True)
        case Result.PARTIAL:
            return words(f"! Needs you: partly applied, and what is there is listed below; {done}.", "bad", bold=True)
        case Result.IN_DOUBT:
            return words("? Needs you: the outcome could not be settled yet.", "bad", bold=True)
        case Result.REFUSED:
            return words("× Refused before anything ran.", "bad", bold=True)
        case None:
            return words("? The runner ended without saying how. `changeover repair` settles it.", "bad", bold=True)
