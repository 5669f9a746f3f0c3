"""Plain tables and the receipt, as text: what `check`, `status`, `plan` and `apply` print without a screen. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from ..core.errors import Fault
from ..core.events import Result
from ..core.masking import masked
from ..core.migration import Migration
from ..core.plan import Plan, PlannedMigration, PlannedStatement
from ..core.precheck import Decision, Verdict
from ..core.session_log import SessionSummary
from ..core.survey import Survey
from ..core.view import MigrationView, RunView
from .aftermath import post_check_words
from .allowed import allowed_lines
from .claims import claims_line
from .columns import CELL, Row, shortened, table, width
from .ended import ended_lines
from .exposure_words import exposure_lines
from .fault_lines import fault_lines
from .format import bounded, count, duration, numbered, stalled, visible
from .hazard_lines import hazard_lines, hazard_table
from .lines import backend_words, result_words, server_words
from .rehearsal_words import compared_words, difference_lines, remark_lines, standing_words, unknown_lines
from .status_lines import half_way_line, other_lines


def check_lines(survey: Survey) -> list[str]:
    """Return the pre-check table, and whether the plan may run."""
    plan = survey.plan
    rows = [
        (
            _loud(row.verdict),
            f"{row.kind} {row.object}",
            f"{row.needed_by.file}:{row.needed_by.line}",
            row.expected,
            row.found,
        )
        for row in plan.rows
    ]
    lines = [server_words(survey.server), *other_lines(survey.history), ""]
    lines += table(("VERDICT", "OBJECT", "NEEDED BY", "EXPECTED", "FOUND"), rows) if rows else ["Nothing to check."]
    hazards = hazard_table(plan)
    return [*lines, "", *hazards, *([""] if hazards else []), *verdict_lines(survey)]


# What a plan that applies nothing is to do with its migrations.
_TO_DO: Final = {"revert": "to revert", "baseline": "to mark as applied", "repair": "to settle"}


def verdict_lines(survey: Survey) -> list[str]:
    """Return whether the plan may run, with every reason where it may not."""
    plan = survey.plan
    entry = plan.migrations[0].entry if plan.migrations else ""
    pending = f"{count(len(plan.migrations), 'migration')} {_TO_DO.get(entry, 'pending')}"
    notes = [f"note: {fault_words(note)}" for note in plan.notes]
    if plan.ready:
        return [*notes, f"Ready: {pending}, {count(plan.statement_count, 'statement')}."]
    return [
        *notes,
        f"NOT READY: {pending}, and nothing will run.",
        *(line for it in plan.refusals for line in fault_lines(it)),
    ]


def fault_words(fault: Fault) -> str:
    """Return a fault in one line, with its place."""
    where = f" ({fault.file}:{fault.line})" if fault.file else ""
    return visible(f"{fault.summary}{where}")


def _loud(verdict: Verdict) -> str:
    return verdict.value.upper() if verdict in {Verdict.MISSING, Verdict.CONFLICT} else verdict.value


def plan_lines(survey: Survey, *, sql: bool = False, exposed: bool = False) -> list[str]:
    """Return what would run, with locks and hazards; with the whole text of each statement where `sql` is true.

    `exposed` is whether the server was asked who is using what the plan locks.
    """
    plan = survey.plan
    lines = [server_words(survey.server), f"plan {plan.digest}", ""]
    for planned in plan.migrations:
        lines += [*_migration_lines(planned, sql=sql), ""]
    limits = plan.limits
    budget, attempts = duration(limits.lock_timeout), count(limits.lock_attempts, "attempt")
    lines += _rehearsed(plan)
    lines.append(f"limits: {budget} of waiting for locks per attempt, {attempts}")
    traffic = exposure_lines(survey.exposure) if exposed else []
    return [*lines, *([*traffic, ""] if traffic else []), *verdict_lines(survey)]


def _rehearsed(plan: Plan) -> list[str]:
    """Return what a rehearsal adds to the plan: what the schema becomes, and what it could not tell."""
    rehearsal = plan.rehearsal
    if rehearsal is None:
        return []
    lines = [standing_words(rehearsal, time.time()), *(f"  {it}" for it in remark_lines(rehearsal))]
    lines += [f"  {it}" for it in unknown_lines(plan, rehearsal)]
    if rehearsal.difference:
        lines += ["difference of the schema:", *(f"  {it}" for it in difference_lines(rehearsal))]
    return [*lines, ""]


def _migration_lines(planned: PlannedMigration, *, sql: bool) -> Iterator[str]:
    yield f"{_title(planned.migration)}{_kind_of(planned)}"
    for one in planned.statements:
        yield f"  {one.line:>4}  {_decision(one)}{visible(one.kind)}{_effects(one)}"
        if one.data is not None:
            last = one.data.line + max(one.data.lines - 1, 0)
            yield f"        {count(one.data.lines, 'line')} of data, {one.data.line} to {last} of the file"
        if one.reason:
            yield f"        {bounded(one.reason, 200)}"
        if sql:
            yield from (Row(f"        {text}") for text in visible(masked(one.sql), lines=True).split("\n"))
        for hazard in one.hazards:
            yield from hazard_lines(hazard)
        if one.error:
            yield f"        fails: {bounded(one.error, 200)}"


def _title(migration: Migration) -> str:
    return visible(f"{numbered(migration.version)} {migration.name} ({migration.file})")


_ENTRIES: Final = {
    "deferred": ", deferred steps", "revert": ", REVERT", "baseline": ", BASELINE", "repair": ", REPAIR",
}  # fmt: skip


def _kind_of(planned: PlannedMigration) -> str:
    entry = _ENTRIES.get(planned.entry, "")
    reason = f" ({visible(planned.reason)})" if planned.reason else ""
    if all(it.decision is not Decision.RUN for it in planned.statements) and planned.entry in {"baseline", "repair"}:
        return f"{entry}: {planned.record.value}, nothing of it runs{reason}"
    if planned.migration.script.segments:
        return f"{entry}{reason}, NOT ATOMIC: {count(len(planned.migration.script.segments), 'transaction')} of its own"
    return f"{entry}{reason}, {'in one transaction' if planned.transactional else 'OUTSIDE a transaction'}"


def _decision(one: PlannedStatement) -> str:
    return "" if one.decision is Decision.RUN else f"{one.decision.value.upper()} "


def _effects(one: PlannedStatement) -> str:
    if one.decision is not Decision.RUN:
        return ""
    words = [claims_line(one.locks)] if one.locks else []
    words += [f"{verb} {', '.join(names)}" for verb, names in
              (("rewrites", one.rewrites), ("scans", one.scans), ("builds", one.builds)) if names]  # fmt: skip
    if one.long:
        words.append("LONG: blocks writes while it works")
    if words and one.source == "measured":
        words.append("measured")
    return f"  {visible('; '.join(words))}" if words else ""


def receipt_lines(view: RunView) -> list[str]:
    """Return the receipt: how the run ended, what became of each migration, what is left behind."""
    if view.result is None:
        return ["The run has no end yet."]
    took = f" in {duration(view.elapsed)}" if view.elapsed is not None else ""
    lines = [f"RECEIPT  {result_words(view.result)}{took}"]
    if view.server:
        lines.append(server_words(view.server))
    lines += [visible(f"plan {view.digest[:12]} approved by {view.by} ({view.how})"), ""] if view.digest else [""]
    rows = [_receipt_row(one) for one in view.migrations]
    lines += table(("VERSION", "NAME", "OUTCOME", "TOOK", "ATTEMPTS", "STATEMENTS", "DEFERRED"), rows) if rows else []
    lines += allowed_lines(view)
    lines += ended_lines(view)
    for one in view.migrations:
        if one.fault and one.result and one.result.value != "applied":
            lines += ["", *fault_lines(one.fault), *(f"  blocked by {backend_words(it)}" for it in one.blockers)]
    half = [one.brief.version for one in view.migrations if one.result in {Result.PARTIAL, Result.IN_DOUBT}]
    lines += ["", *map(half_way_line, half)] if half else []
    if view.fault and all(one.fault != view.fault for one in view.migrations):
        lines += ["", *fault_lines(view.fault)]
    waits = [one for one in view.migrations if one.stalled.sessions]
    lines += [""] * bool(waits)
    lines += [
        visible(f"{numbered(one.brief.version)}: {stalled(one.stalled.sessions, one.stalled.longest)}.")
        for one in waits
    ]
    if view.left_behind:
        lines += ["", "Left behind:", *(f"  {visible(what)}" for what in view.left_behind)]
    if view.post_checks is not None:
        found = [f"  {post_check_words(finding)}" for finding in view.post_checks]
        lines += ["", *(["Post-checks:", *found] if found else ["Post-checks: nothing left behind."])]
    if view.compared is not None:
        lines += ["", compared_words(view.compared)]
    if view.connections_closed is not None:
        lines += ["", f"{count(view.connections_closed, 'connection')} closed, nothing is held."]
    return lines


def _receipt_row(one: MigrationView) -> tuple[str, ...]:
    done = f"{one.finished:,} of {len(one.brief.statements):,}"
    outcome = result_words(one.result) if one.result else "not run"
    took = duration(one.elapsed) if one.result else ""
    deferred = ", ".join(f"statement {number}" for number in one.deferred)
    return (numbered(one.brief.version), one.brief.name, outcome, took, str(one.attempt), done, deferred)


def _state_of(one: SessionSummary) -> str:
    if one.run_goes_on:
        return "running"
    result = (one.result or "").replace("_", " ")
    return ", ".join(word for word in (result, "open" if one.running else "") if word)


_SESSIONS: Final = ("SESSION", "OPENED", "COMMAND", "TARGET", "RESULT", "EXIT", "BY")
# A target is not shortened to less: nobody could tell it.
_LEAST: Final = 12


def sessions_lines(sessions: Sequence[SessionSummary], *, room: int | None = None) -> list[str]:
    """Return the list of sessions, newest first; in `room` columns with less of each where it is wider."""
    if not sessions:
        return ["There is no session yet."]
    rows = [
        (
            one.id,
            f"{datetime.fromtimestamp(one.opened_at, UTC):%Y-%m-%d %H:%M}Z",
            one.command,
            one.target,
            _state_of(one),
            "" if one.exit_code is None else str(one.exit_code),
            one.by,
        )
        for one in sessions
    ]
    lines = table(_SESSIONS, rows)
    if room is None or max(map(width, lines)) <= room:
        return lines
    # the name of a session begins with when it was opened, and every command with the same word
    header = (_SESSIONS[0], *_SESSIONS[2:])
    short = [(name, command.removeprefix("changeover "), *others) for name, _, command, *others in rows]
    over = max(map(width, table(header, short))) - room
    left = max(_LEAST, min(CELL, max(len(one.target) for one in sessions)) - max(over, 0))
    return table(header, [(*row[:2], shortened(row[2], left), *row[3:]) for row in short])
