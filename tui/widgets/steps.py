"""Migrations of a run, and the statements of the one in hand under it."""

from __future__ import annotations

from typing import Final

from rich.cells import cell_len

from ...core.events import StatementState
from ...core.view import ROW, MigrationView, Progress, RunView
from ..format import count, duration, numbered
from ..statement_line import statement_line
from ..words import RESULT, STATEMENT, Cell, cell, fit
from .table import Column, Table, TableRow

# A duration, or the widest count of attempts.
_AMOUNT: Final = "10 min 05 s"
# Beside a long reason the statement is cut, but not mangled for it; characters.
_LEAST: Final = 30
_SPARED: Final = frozenset({StatementState.SKIPPED, StatementState.DEFERRED})


class Steps(Table):
    """A tree of two levels, always as long as it needs to be; follows the run until a key moves it."""

    def __init__(self) -> None:
        super().__init__(
            _columns(RunView()),
            empty="no migration has begun yet",
            id="steps",
            header=False,
        )
        self.following = True
        self._view = RunView()
        self._open: int | None = None
        self._now: float | None = None

    def on_table_moved(self, event: Table.Moved) -> None:
        """Stay where a key has moved the mark, until it is back where it happens."""
        if event.by_hand:
            self.following = event.index == self._where_it_happens()

    def follow(self, view: RunView, now: float | None) -> None:
        """Show the run as it stands; `now` (seconds since the epoch) for what is still going on."""
        if len(view.migrations) != len(self._view.migrations):
            self.columns = _columns(view)
            self.refresh()
        self._view = view
        self._now = now
        self._open = _opened(view)
        opened = 0 if self._open is None else len(view.migrations[self._open].brief.statements)
        self.show_lazily(len(view.migrations) + opened, self._row)
        if self.following:
            self.choose(self._where_it_happens())

    def chosen(self) -> tuple[MigrationView, int | None] | None:
        """Return the chosen migration, with the index of the chosen statement or None for the migration itself."""
        if not self._view.migrations:
            return None
        migration, statement = self._at(self.cursor)
        return self._view.migrations[migration], statement

    def resume(self) -> None:
        """Follow the run again."""
        self.following = True
        self.choose(self._where_it_happens())

    def _at(self, index: int) -> tuple[int, int | None]:
        if self._open is None or index <= self._open:
            return index, None
        opened = len(self._view.migrations[self._open].brief.statements)
        if index <= self._open + opened:
            return self._open, index - self._open - 1
        return index - opened, None

    def _where_it_happens(self) -> int:
        if self._open is None:
            return max(0, self.row_count - 1 if self._view.result else 0)
        migration = self._view.migrations[self._open]
        if migration.current is not None:
            return self._open + 1 + migration.index(migration.current)
        failed = _failed(migration)
        if failed is not None:
            return self._open + 1 + failed
        return self._open + min(migration.finished, len(migration.brief.statements))

    def _row(self, index: int) -> TableRow:
        migration, statement = self._at(index)
        view = self._view.migrations[migration]
        if statement is None:
            return migration_row(view, current=migration == self._view.current)
        return statement_row(view, statement, now=self._now, room=self.width_of(self.columns[2]))


def _columns(view: RunView) -> tuple[Column, ...]:
    """Return the columns, as wide as the numbers of this plan are; all of its statements are gone through, once."""
    briefs = [it.brief for it in view.migrations]
    last = max((statement.line for brief in briefs for statement in brief.statements), default=0)
    places = [f"line {last}", *(numbered(brief.version) for brief in briefs)]
    sizes = [_AMOUNT, *(count(len(brief.statements), "statement") for brief in briefs)]
    return (
        Column(title="", width=13),
        Column(title="", width=min(16, max(cell_len(cell(place).text) for place in places)), cut="middle"),
        Column(title=""),
        Column(title="", width=max(len(size) for size in sizes), right=True),
    )


def _opened(view: RunView) -> int | None:
    if view.current is not None and view.migrations[view.current].result is None:
        return view.current
    return next((i for i, it in enumerate(view.migrations) if it.fault is not None), view.current)


def _failed(migration: MigrationView) -> int | None:
    if migration.fault is None:
        return None
    for index in range(len(migration.brief.statements)):
        if _progress(migration, index).fault is not None:
            return index
    return None


def _progress(migration: MigrationView, index: int) -> Progress:
    return migration.rows[index // ROW][index % ROW]


def migration_row(view: MigrationView, *, current: bool) -> TableRow:
    """Return the row of a migration."""
    name = view.brief.name + ("  deferred step" if view.brief.entry == "deferred" else "")
    total = len(view.brief.statements)
    said = count(total, "statement")
    if view.result is not None:
        word, tone = RESULT[view.result]
        return (
            Cell(word, tone),
            cell(numbered(view.brief.version), "head"),
            cell(name),
            Cell(duration(view.elapsed), "dim"),
        )
    if not current:
        return (Cell("○ to do", "dim"), cell(numbered(view.brief.version), "dim"), cell(name, "dim"), Cell(said, "dim"))
    if view.retry_at is not None:
        word, tone = "• waiting", "warn"
    elif view.committing:
        word, tone = "► commit", "live"
    else:
        word, tone = "► running", "live"
    attempt = f"try {view.attempt}/{view.of}" if view.attempt > 1 else f"{view.finished:,} of {total:,}"
    return (Cell(word, tone), cell(numbered(view.brief.version), "head"), cell(name), Cell(attempt, "head"))


def is_sent_along(view: MigrationView, number: int) -> bool:
    """Whether a statement went in one message behind the one in hand."""
    return view.current is not None and view.last is not None and view.current < number <= view.last


def statement_row(view: MigrationView, index: int, *, now: float | None, room: int) -> TableRow:
    """Return the row of a statement, with `room` cells for its text."""
    brief, progress = view.brief.statements[index], _progress(view, index)
    word, tone = STATEMENT[progress.state]
    if is_sent_along(view, brief.number):
        word, tone = STATEMENT[StatementState.RUNNING]
    if progress.fault is not None and view.retry_at is not None:
        word, tone = "• gave way", "warn"
    running = view.current == brief.number and view.current_since is not None and now is not None
    if running and view.current_since is not None and now is not None:
        took = duration(float(int(now - view.current_since))) if now - view.current_since >= 1 else ""
    else:
        # of several that went in one message, the first one says how long they took
        rest = progress.together is not None and progress.together[0] != brief.number
        took = duration(progress.elapsed) if progress.elapsed and not rest else ""
    notes = f" {count(progress.notices, 'notice')}" if progress.notices else ""
    reason = f"{progress.reason or brief.reason}: " if progress.state in _SPARED else ""
    left = max(_LEAST, room - len(reason) - len(notes))
    text = cell(reason + statement_line(brief.sql[:400], left)).text
    quiet = "dim" if tone == "dim" and not running else "text"
    return (
        Cell(f"  {word}", tone),
        Cell(f"line {brief.line}", "dim"),
        cell(fit(text, max(1, room - len(notes))).rstrip() + notes, quiet),
        Cell(took, "dim"),
    )
