"""What a dead runner or an unreachable primary left, settled by whoever comes next.

As a run settles its own doubts (`settle`): once the fate key is free, or the old backend is gone, nothing of the run
can commit any more; then its rows in the attempt log decide, which were written inside the migrations' transactions
and are never changed. Nothing is written to the database: the key is an advisory lock, taken for one query inside a
READ ONLY transaction that is rolled back. Where that is not wanted (a read-only target), and behind a pooler that hides
backends, it stays in doubt; a standby can only say yes.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from . import orphans
from .connect import Connection, Connector
from .errors import ChangeoverError, ExitCode, Fault, NeedsAttention
from .events import (
    RESULTS,
    Emit,
    Event,
    MigrationApplied,
    MigrationBrief,
    MigrationEnded,
    Result,
    RunFinished,
    RunRecovered,
    Settled,
)
from .history.place import Place
from .history.registry import DIALECTS
from .journal import Journal, read_file
from .keys import Keys, attempt_to_take, keys_of
from .orphans import OrphanBackend
from .quoting import identifier
from .session_log import SETTLED_FILE, who
from .sql import query
from .unfinished import UnfinishedRun, is_here, is_settled, unfinished_runs
from .view import RunView, reduce

log = logging.getLogger(__name__)

# Between two questions while the old backend is still there; seconds.
_PERIOD: Final = 0.2
_UNFORTUNATE: Final = {
    Result.ROLLED_BACK: ExitCode.ROLLED_BACK,
    Result.STOPPED: ExitCode.STOPPED,
    Result.PARTIAL: ExitCode.NEEDS_ATTENTION,
    Result.REFUSED: ExitCode.REFUSED,
}
_CAUSES: Final = {
    "killed": Fault(id="runner-killed", summary="The runner was killed, or its host went down, before the run ended."),
    "in_doubt": Fault(id="primary-lost", summary="No primary could be asked when the run ended."),
    "bug": Fault(id="bug", summary="A bug in changeover ended the run."),
}


class InDoubt(Struct, frozen=True, kw_only=True):
    """A run that could not be settled now, and why."""

    session: str
    run: str
    # what it had in hand, as far as its log tells
    versions: tuple[str, ...]
    reason: str


class Recovery(Struct, frozen=True, kw_only=True):
    """What was found of earlier runs on a database."""

    settled: tuple[RunRecovered, ...] = ()
    in_doubt: tuple[InDoubt, ...] = ()
    # backends of ours whose runner is gone, and that are still there
    backends: tuple[OrphanBackend, ...] = ()


class Verdict(Struct, frozen=True, kw_only=True):
    """What became of each migration whose end was not known; versions."""

    applied: tuple[str, ...] = ()
    not_applied: tuple[str, ...] = ()
    # -> what is there
    partial: Mapping[str, tuple[str, ...]]
    # of the whole run
    result: Result


async def recover(
    connect: Connector,
    connection: Connection,
    *,
    session: str,
    emit: Emit,
    read_only: bool = False,
    patience: float = 5.0,
    elsewhere: bool = False,
    besides: frozenset[int] = frozenset(),
    root: Path | None = None,
) -> Recovery:
    """Settle every run of this user on the database of `connection` that has no honest end, and tell it.

    `session` is the one that settles. `patience` is how long to wait for an old backend to end, in seconds. With
    `elsewhere`, runs on another address of the same cluster are settled too: for a standby that was promoted, never for
    a copy. `besides` are backends of the caller's own run, which may belong to the same session.

    Raises `ServerError` where `connection` fails; a doubt that cannot be settled is in the answer.
    """
    settled: list[RunRecovered] = []
    doubts: list[InDoubt] = []
    for run in unfinished_runs(root):
        if not is_here(run, connection.facts, elsewhere=elsewhere):
            continue
        began = time.monotonic()
        answer = await verdict_on(connect, run, read_only=read_only, patience=patience, besides=besides)
        if isinstance(answer, Verdict):
            found = _recovered(run, answer, session, time.monotonic() - began)
            await _file(run, answer, found)
            settled.append(found)
            emit(found)
        else:
            doubts.append(InDoubt(session=run.session, run=run.run, versions=run.begun, reason=answer))
    backends = await orphans.find(connection, root)
    if backends:
        emit(orphans.told(backends))
    return Recovery(settled=tuple(settled), in_doubt=tuple(doubts), backends=backends)


def refuse_in_doubt(recovery: Recovery) -> None:
    """Raise `NeedsAttention` where the end of an earlier run on this database is not known: no other may begin."""
    if not recovery.in_doubt:
        return
    doubt = recovery.in_doubt[0]
    raise NeedsAttention(
        in_doubt_words(doubt),
        advice="Nothing was run. Try again when that is over, or settle it with `changeover repair`; what the run said "
        f"is in `changeover logs show {doubt.session}`.",
    )


def in_doubt_words(doubt: InDoubt) -> str:
    """Return which run is in doubt, and why it stays so."""
    what = f"migration {', '.join(doubt.versions)}" if doubt.versions else "its last migration"
    return f"An earlier run is in doubt: session {doubt.session}, {what}. It cannot be settled yet: {doubt.reason}."


def view_of_settled(folder: Path, view: RunView) -> RunView:
    """Return the view of a run after what was found out about it later."""
    for stamped, _ in read_file(folder / SETTLED_FILE):
        view = reduce(view, stamped)
    return view


async def verdict_on(
    connect: Connector,
    run: UnfinishedRun,
    *,
    read_only: bool = False,
    patience: float = 5.0,
    besides: frozenset[int] = frozenset(),
) -> Verdict | str:
    """Return what became of a run, or why that cannot be known now; never raises."""
    if not run.open:
        return judge(run, ())
    try:
        connection = await connect("settle")
    except ChangeoverError as error:
        return f"no connection to settle it on ({error.summary.rstrip('.')})"
    deadline = time.monotonic() + patience
    try:
        while True:
            answer = await _ask(connection, run, read_only=read_only, besides=besides)
            if isinstance(answer, Verdict) or time.monotonic() > deadline:
                return answer
            await asyncio.sleep(_PERIOD)
    except ChangeoverError as error:
        return f"the server could not be asked ({error.summary.rstrip('.')})"
    finally:
        await connection.close()


def judge(run: UnfinishedRun, records: Sequence[Mapping[str, Any]]) -> Verdict:
    """Return what the attempt log's rows of a run mean, once nothing of it can commit any more. Pure."""
    applied: list[str] = []
    not_applied: list[str] = []
    partial: dict[str, tuple[str, ...]] = {}
    for brief in run.open:
        rows = [row for row in records if row["version"] == brief.version]
        if any(row["committed"] for row in rows):
            applied.append(brief.version)
        elif left := _left_of_steps(rows):
            partial[brief.version] = left
        elif rows or brief.version in run.attempts:
            not_applied.append(brief.version)
    ended = {
        *run.ended.values(),
        *([Result.PARTIAL] if partial else ()),
        *([Result.ROLLED_BACK] if not_applied else ()),
    }
    worst = next((it for it in (Result.PARTIAL, Result.ROLLED_BACK, Result.REFUSED) if it in ended), None)
    whole = bool(run.plan) and len(applied) + _known_done(run) == len(run.plan)
    result = worst or (RESULTS[run.plan[-1].entry] if whole else Result.STOPPED)
    return Verdict(applied=tuple(applied), not_applied=tuple(not_applied), partial=partial, result=result)


def _known_done(run: UnfinishedRun) -> int:
    return sum(result in RESULTS.values() for result in run.ended.values())


async def _ask(
    connection: Connection, run: UnfinishedRun, *, read_only: bool, besides: frozenset[int]
) -> Verdict | str:
    """Ask once; the old backend must be seen to be gone before the rows are read."""
    assert run.server is not None
    hidden = connection.facts.pooled or run.server.pooled
    backends = sorted(set(await orphans.backends_of(connection, run.session)) - besides)
    if connection.facts.in_recovery:
        verdict = await _read(connection, run)
        sure = set(verdict.applied) >= set(run.begun)
        return verdict if sure else "this is a standby, and only the primary knows what was not applied"
    if backends:
        return f"its backend {', '.join(map(str, backends))} is still connected"
    if read_only:
        return (
            "behind a pooler, settling needs a lock, and this is read-only" if hidden else await _read(connection, run)
        )
    await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY")
    try:
        if await connection.execute(attempt_to_take(_keys(run).fate)) == "SELECT 1":
            return await _read(connection, run)
    finally:
        if connection.in_transaction:
            await connection.execute("ROLLBACK")
    # The key is held, and not by this run: it has ended, or never had the key, and without it nothing of it was done.
    return "an attempt still holds the fate key" if hidden else await _read(connection, run)


async def _read(connection: Connection, run: UnfinishedRun) -> Verdict:
    """Read what the run has written, in a snapshot that begins now; a history that is not there has nothing of it."""
    if run.format != "native":
        return judge(run, await _read_theirs(connection, run))
    there = await connection.fetch("SELECT pg_catalog.to_regclass($1) AS there", f"{identifier(run.schema)}.attempt")
    if there[0]["there"] is None:
        return judge(run, ())
    statement = query("history_of_run").replace("{schema}", identifier(run.schema))
    return judge(run, await connection.fetch(statement, run.run))


def _keys(run: UnfinishedRun) -> Keys:
    if run.format == "native":
        return keys_of(run.schema)
    place = Place(schema=run.table[0], name=run.table[1], exists=True)
    return keys_of(f"{run.format} {place.shown}")


async def _read_theirs(connection: Connection, run: UnfinishedRun) -> list[dict[str, Any]]:
    """Return the same of another tool's history: its rows know no run, but which transaction wrote them.

    Where the run's file does not have the transaction's id, its last lines were lost with the host, and a table of one
    row may have gone on since: then what is in force decides, whoever has recorded it.
    """
    dialect = DIALECTS[run.format]
    place = Place(schema=run.table[0], name=run.table[1], exists=True)
    there = await connection.fetch("SELECT pg_catalog.to_regclass($1) AS there", place.sql)
    if there[0]["there"] is None:
        return []
    records: list[dict[str, Any]] = []
    for brief in run.open:
        undone = brief.entry == "revert"
        proof = dialect.proof(place, version=brief.version, undone=undone, xid=run.xids.get(brief.version))
        if proof is None or not dialect.rows_for_each:
            proof = dialect.stands(place, version=brief.version, undone=undone)
        committed = bool(await connection.fetch(proof))
        steps = [] if brief.transactional else sorted(run.steps.get(brief.version, {}).items())
        if committed or steps:
            told = json.dumps([{"number": number, "state": state} for number, state in steps])
            state = "applied" if committed else "partial"
            records.append({"version": brief.version, "state": state, "committed": committed, "steps": told})
    return records


def _left_of_steps(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return what the steps outside a transaction left, by the newest row that has steps."""
    stepwise = [json.loads(row["steps"]) for row in rows if row["state"] in {"running", "partial"}]
    words = {"done": "statement {} is done", "running": "statement {} was under way: look what it left"}
    steps = stepwise[-1] if stepwise else []
    return tuple(words[step["state"]].format(step["number"]) for step in steps if step["state"] in words)


def _recovered(run: UnfinishedRun, verdict: Verdict, session: str, elapsed: float) -> RunRecovered:
    person = who()
    return RunRecovered(
        session=run.session,
        run=run.run,
        cause=run.cause,
        result=verdict.result,
        applied=verdict.applied,
        not_applied=verdict.not_applied,
        partial=tuple(verdict.partial),
        elapsed=elapsed,
        by=f"{person.sudo_user or person.os_user}@{person.host}",
        settled_in=session,
    )


async def _file(run: UnfinishedRun, verdict: Verdict, found: RunRecovered) -> None:
    """Append the outcome to the session that the run belongs to, unless somebody else was quicker."""
    try:
        journal = Journal(run.folder / SETTLED_FILE, again=True)
    except BlockingIOError:
        return
    except OSError as error:
        log.warning("what became of session %s cannot be filed: %s", run.session, error.strerror)
        return
    try:
        if not is_settled(run.folder, run.run):
            for event in (*endings(run, verdict, found.elapsed), found, _finished(run, verdict)):
                journal.record(event)
            await journal.seal()
    finally:
        journal.close()


def endings(run: UnfinishedRun, verdict: Verdict, elapsed: float) -> list[Event]:
    """Return what a run's log lacks about its migrations. Pure."""
    briefs = {brief.version: brief for brief in run.plan}
    events: list[Event] = []
    for version in (*verdict.applied, *verdict.not_applied, *verdict.partial):
        events += _ending(run, briefs[version], verdict, elapsed)
    return events


def left_behind(verdict: Verdict) -> tuple[str, ...]:
    """Return what is there of migrations that are half-done."""
    return tuple(f"{version}: {what}" for version, things in verdict.partial.items() for what in things)


def done_of(run: UnfinishedRun, verdict: Verdict) -> int:
    """Return how many entries of its plan a run has done."""
    return len(verdict.applied) + _known_done(run)


def _finished(run: UnfinishedRun, verdict: Verdict) -> RunFinished:
    return RunFinished(
        run=run.run,
        result=verdict.result,
        exit_code=_UNFORTUNATE.get(verdict.result, ExitCode.DONE),
        applied=done_of(run, verdict),
        elapsed=max(run.last_at - run.first_at, 0.0),
        fault=_CAUSES[run.cause] if verdict.result in _UNFORTUNATE else None,
        left_behind=left_behind(verdict),
    )


def _ending(run: UnfinishedRun, brief: MigrationBrief, verdict: Verdict, elapsed: float) -> list[Event]:
    version, attempts = brief.version, run.attempts.get(brief.version, 1)
    if version in verdict.applied:
        settled = Settled(version=version, applied=True, elapsed=elapsed)
        return [
            settled,
            MigrationApplied(version=version, entry=brief.entry, attempts=attempts, elapsed=elapsed, xid=None),
        ]
    result = Result.PARTIAL if version in verdict.partial else Result.ROLLED_BACK
    return [
        Settled(version=version, applied=False, elapsed=elapsed),
        MigrationEnded(
            version=version,
            result=result,
            attempts=attempts,
            elapsed=elapsed,
            fault=_CAUSES[run.cause],
            left_behind=verdict.partial.get(version, ()),
        ),
    ]
