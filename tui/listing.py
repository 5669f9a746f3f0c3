"""A list to look through: its columns, its lines, what a line says in full. The schema, the history, what goes on now.

Pure. Lines are cheap: what one says in full is only made when it is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Final

from msgspec import Struct, field
from rich.cells import cell_len
from textual.content import Content

from ..core.catalog import Catalog
from ..core.catalog_objects import Relation
from ..core.history import AppliedMigration, AttemptRecord, History
from ..core.inspection import Activity, Comments, Definitions
from ..core.schema_browser import Named, RelationDetails, browsable, details, whole_size
from .format import age, count, duration, number, numbered, size
from .widgets.table import Column, TableRow
from .words import NOTHING, Cell, beside, cell, joined, padded, squeezed, stacked, words


class Line(Struct, frozen=True, kw_only=True):
    """One line, and what it says in full."""

    row: TableRow
    whole: Callable[[], Content]
    # what it is of: the line is found again by it when the list was read anew
    key: str
    # of a relation: its oid, and what it says in full once its definitions were read
    oid: int = 0
    defined: Callable[[Definitions], Content] | None = None
    # what its columns have no room for; told below the list while the line is chosen
    said: str = ""
    # what a filter looks through beside the row
    more: str = ""

    def has(self, typed: Sequence[str]) -> bool:
        """Whether every typed word (lower case) is in the line."""
        text = " ".join([*(each.text for each in self.row), self.more]).lower()
        return all(word in text for word in typed)


class Listing(Struct, frozen=True, kw_only=True):
    """A list with its heading."""

    name: str
    heading: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    empty: str
    # a line under the heading; empty where there is nothing to note
    note: str = ""
    # whether it is read again by itself
    live: bool = field(default=False)

    def matching(self, typed: str) -> tuple[Line, ...]:
        """Return the lines that have every typed word."""
        sought = typed.lower().split()
        return tuple(line for line in self.lines if line.has(sought)) if sought else self.lines


# What has no rows of its own that anybody could estimate.
_ROWLESS: Final = frozenset({"view", "composite type", "sequence"})
# Longer names have no room in their column at 80 columns; letters.
_CUT: Final = 30

# -- schema


def schema_listing(catalog: Catalog, comments: Comments) -> Listing:
    """Return the relations of a database; sizes are the planner's estimates."""
    lines: list[Line] = []
    for relation in browsable(catalog):
        comment = comments.of_columns.get((relation.oid, 0), "")
        rows = "" if relation.kind in _ROWLESS else _estimated(relation.rows)
        held = whole_size(catalog, relation)
        row = (
            cell(relation.qualified, "head"),
            cell(relation.kind, "dim"),
            Cell(rows, "text"),
            Cell(size(held) if held else "", "text"),
            cell(comment, "dim"),
        )
        whole = partial(_relation, catalog, comments, relation)
        names = " ".join(column["name"] for column in catalog.columns.get(relation.oid, ()))
        said = ": ".join(
            each for each in (relation.qualified if len(relation.qualified) > _CUT else "", comment) if each
        )
        lines.append(
            Line(
                row=row,
                whole=whole,
                key=relation.qualified,
                oid=relation.oid,
                defined=whole,
                said=squeezed(said),
                more=names,
            )
        )
    return Listing(
        name="schema",
        heading=f"{count(len(lines), 'relation')}; rows and sizes are estimates of the last VACUUM or ANALYZE",
        columns=(
            Column(title="relation", width=44, fits=True, cut="middle"),
            Column(title="kind", width=17, fits=True),
            Column(title="rows", width=14, fits=True, right=True),
            Column(title="size", width=10, fits=True, right=True),
            Column(title="comment", share=2),
        ),
        lines=tuple(lines),
        empty="no table or view that is not the system's",
    )


def _relation(
    catalog: Catalog, comments: Comments, relation: Relation, definitions: Definitions | None = None
) -> Content:
    return relation_words(details(catalog, comments, relation, definitions))


def _estimated(rows: float) -> str:
    return "not known" if rows < 0 else f"~{number(round(rows))}"


def relation_words(found: RelationDetails) -> Content:
    """Return a relation in full."""
    relation = found.relation
    rows = "rows not known" if relation.rows < 0 else f"{_estimated(relation.rows)} rows"
    about = [relation.kind, f"owner {relation.owner}" if relation.owner else ""]
    about += [] if relation.kind in _ROWLESS else [rows]
    about += [size(relation.bytes) + " without indexes"] if relation.bytes else []
    lines: list[Content | None] = [
        joined(words(relation.qualified, bold=True), words("  " + ", ".join(each for each in about if each), "dim")),
        words(found.comment, lines=True) if found.comment else None,
    ]
    names = [cell(column.name).text for column in found.columns]
    kinds = [cell(column.type).text for column in found.columns]
    wide, wider = (max(map(cell_len, each), default=0) for each in (names, kinds))
    if found.columns:
        lines += [NOTHING, words("Columns", "live", bold=True)]
    for column, name, kind in zip(found.columns, names, kinds, strict=True):
        lines.append(
            beside(
                joined(
                    words(f"  {padded(name, min(wide, 30))}  "),
                    words(f"{padded(kind, min(wider, 28))}  ", "head"),
                ),
                column.notes,
                "dim",
            )
        )
        if column.comment:
            lines.append(words(f"      {column.comment}", "dim"))
    for title, others in (
        ("Indexes", found.indexes),
        ("Constraints", found.constraints),
        ("Referenced by", found.referenced_by),
        ("Partitions and children", found.partitions),
    ):
        lines += _names(title, others)
    if found.query:
        lines += [NOTHING, words("Query", "live", bold=True), words(found.query, lines=True)]
    return stacked(*lines)


def _names(title: str, names: Sequence[Named]) -> list[Content]:
    if not names:
        return []
    lines = [NOTHING, words(title, "live", bold=True)]
    for each in names:
        tone = "bad" if "INVALID" in each.what or "NOT VALID" in each.what else "dim"
        lines.append(beside(words(f"  {each.name}  "), each.what, tone))
        if each.comment:
            lines.append(words(f"      {each.comment}", "dim"))
    return lines


# -- history


def history_listing(history: History) -> Listing:
    """Return who applied what and when, newest first, and before that the attempts that have come to nothing yet."""
    lines = [_attempt_line(attempt) for attempt in history.attempts]
    lines += [_applied_line(row) for row in reversed(history.applied)]
    operators = {row.operator for row in history.applied if row.operator}
    by = f", by {count(len(operators), 'operator')}" if operators else ""
    in_force = f"{count(len(history.applied), 'migration')} in force{by}; times are UTC"
    return Listing(
        name="history",
        heading=f"{history.table}: {in_force if history.exists else 'not there yet; the first run makes it'}",
        columns=(
            Column(title="when", width=19),
            Column(title="version", width=16, fits=True, cut="middle"),
            Column(title="name"),
            Column(title="took", width=11, fits=True, right=True),
            Column(title="by", width=26, fits=True, cut="middle"),
        ),
        lines=tuple(lines),
        empty="nothing was applied yet",
    )


def _applied_line(row: AppliedMigration) -> Line:
    # other tools keep less: what is not there is not said
    when = f"{row.applied_at:%Y-%m-%d %H:%M:%S}" if row.applied_at else ""
    took = "" if row.duration_ms is None else duration(row.duration_ms / 1000)
    pairs = (
        ("version", row.version),
        ("name", row.name),
        ("state", "in force"),
        ("applied", f"{row.applied_at:%Y-%m-%d %H:%M:%S %Z}" if row.applied_at else ""),
        ("by", row.operator or ""),
        ("took", took),
        ("run", row.run),
        ("deferred", ", ".join(f"statement {each}" for each in row.deferred)),
        ("checksum", row.checksum or ""),
    )
    return Line(
        row=(
            Cell(when, "head"),
            cell(numbered(row.version), "head"),
            cell(row.name),
            Cell(took, "dim"),
            cell(row.operator or "", "dim"),
        ),
        whole=lambda: _pairs(pairs),
        key=f"{row.version} {row.run}",
        more=row.run,
    )


def _attempt_line(row: AttemptRecord) -> Line:
    pairs = (
        ("version", row.version),
        ("attempt to", row.entry),
        ("state", row.state),
        ("at", f"{row.started_at:%Y-%m-%d %H:%M:%S %Z}"),
        ("by", row.operator),
        ("run", row.run),
        ("error", row.error or ""),
        ("SQLSTATE", row.sqlstate or ""),
        *((f"step {step.number}", step.state) for step in row.steps),
    )
    return Line(
        row=(
            Cell(f"{row.started_at:%Y-%m-%d %H:%M:%S}", "head"),
            cell(numbered(row.version), "head"),
            cell(f"× {row.entry} {row.state}: {row.error or 'no error was recorded'}", "bad"),
            Cell(""),
            cell(row.operator, "dim"),
        ),
        whole=lambda: _pairs(pairs),
        key=f"{row.version} {row.entry} {row.run}",
        said=squeezed(row.error or ""),
        more=row.run,
    )


def _pairs(pairs: Sequence[tuple[str, str]]) -> Content:
    return stacked(*(beside(words(f"{name:<13}", "dim"), value) for name, value in pairs if value))


# -- activity


def activity_listing(backends: Sequence[Activity], at: datetime) -> Listing:
    """Return who had a transaction open or waited for a lock `at` a time, the oldest transaction first."""
    seen = f"{at:%H:%M:%S}"
    waiting = sum(bool(it.blocked_by) for it in backends)
    hidden = sum(not it.visible for it in backends)
    open_ = count(len(backends), "connection")
    heading = f"{seen}  {open_} with a transaction open, {waiting or 'none'} waiting for a lock"
    note = f"{hidden} of them hidden from this role: GRANT pg_monitor shows what they do" if hidden else ""
    return Listing(
        name="activity",
        heading=heading,
        note=note,
        columns=(
            Column(title="pid", width=7, fits=True, right=True),
            Column(title="who", width=17, fits=True, cut="middle"),
            Column(title="state", width=12, fits=True),
            Column(title="tx age", width=9, fits=True, right=True),
            Column(title="waits for", width=14, fits=True),
            Column(title="query"),
        ),
        lines=tuple(_activity_line(it, seen) for it in backends),
        empty="nobody has a transaction open",
        live=True,
    )


# The longest would take the room of the query, which is what a row is read for; in full it has the manual's word.
_SHORT_STATES: Final = {
    "idle in transaction": "idle in tx",
    "idle in transaction (aborted)": "idle, failed",
    "fastpath function call": "fastpath",
}


def _activity_line(it: Activity, seen: str) -> Line:
    blocked = ", ".join(map(str, it.blocked_by[:3])) + ("…" if len(it.blocked_by) > 3 else "")
    who = it.application or it.user or it.kind or "?"
    return Line(
        row=(
            Cell(str(it.pid), "head"),
            cell(who),
            cell(_SHORT_STATES.get(it.state or "", it.state) or ("?" if it.visible else "hidden"), "dim"),
            Cell(age(it.xact_age), "warn" if (it.xact_age or 0) >= 60 else "text"),
            Cell(f"pid {blocked}" if blocked else "", "bad"),
            cell(squeezed(it.query[:400]), "dim"),
        ),
        whole=lambda: activity_words(it, seen),
        key=str(it.pid),
        said=squeezed(it.query[:400]),
        more=" ".join((it.user or "", it.state or "", *it.locks)),
    )


def activity_words(it: Activity, seen: str) -> Content:
    """Return a backend in full, as it was at a time: this does not go on."""
    pairs = (
        ("seen", f"at {seen} UTC; the list goes on, this does not"),
        ("pid", str(it.pid)),
        ("role", it.user or "?"),
        ("application", it.application),
        ("kind", it.kind or "hidden from this role"),
        ("state", it.state or "?"),
        ("transaction", f"{age(it.xact_age)} old"),
        ("wait", it.wait or ""),
        ("blocked by", ", ".join(f"pid {each}" for each in it.blocked_by)),
    )
    locks = [words(f"  {lock}", "warn" if lock.startswith("waits") else "text") for lock in it.locks]
    return stacked(
        _pairs(pairs),
        *([NOTHING, words("Locks on relations", "live", bold=True), *locks] if locks else []),
        NOTHING,
        words("Query", "live", bold=True),
        words(it.query or "not shown to this role", lines=True),
    )
