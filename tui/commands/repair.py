"""`repair`: what failed, stopped half-way or is in doubt, what is there of it, and the operator's word on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from ...core import orphans
from ...core.action_offers import repairs
from ...core.connect import Connection, Connector
from ...core.document_types import ApplyDocument, text_of
from ...core.documents import apply_document, plan_document, repair_document
from ...core.errors import ExitCode, UsageError
from ...core.events import Result
from ...core.guard import hold
from ...core.lookup import index_of
from ...core.orphans import OrphanBackend
from ...core.recovery import Recovery, recover
from ...core.repair import Case, Remedy, cases_of
from ...core.sources import keys_at, read_folder
from ...core.survey import Survey, look
from .. import prompt
from ..cases import backend_lines, case_lines, in_doubt_lines
from ..failures import complain
from ..fault_lines import fault_lines
from ..lines import server_words
from ..options import Options
from ..output import show
from ..sitting import Sitting, look_at, open_sitting, run_with_password
from ..status_lines import target_lines
from ..tables import plan_lines, receipt_lines
from .carry_out import Ended, Leave, refuse_read_only, run_plan

# A repair may open the way to another one: an index is dropped, then it is clear that nothing is left.
_ROUNDS: Final = 3
# A guard that was ended gives the run key back at once; seconds.
_KEY_FREE_WITHIN: Final = 10.0


class Wish(Struct, frozen=True, kw_only=True):
    """What the command line says of the cases."""

    # None: every case
    version: str | None
    remedy: Remedy | None
    reason: str
    leave: Leave


class _Found(Struct, kw_only=True):
    """What was looked at, and what was done about it."""

    survey: Survey
    recovery: Recovery
    cases: tuple[Case, ...]
    runs: list[Ended] = field(default_factory=list)


def repair(options: Options, wish: Wish) -> int:
    """Show what there is to settle, and settle what is said, asked, or safe with --yes; 8 where some stays open."""
    with open_sitting(options, "repair") as sitting:
        for text in target_lines(sitting.target):
            sitting.printer.say(text)
        ending = wish.leave.consent.yes and not wish.leave.dry_run
        found = run_with_password(sitting, lambda: _look(sitting, yes=ending))
        wanted = _of_version(found.cases, wish.version, found.survey)
        if not options.json:
            show(_shown(found, wanted))
        sitting.exit_code = (
            _dry_run(sitting, wanted, wish) if wish.leave.dry_run else _settle(sitting, found, wanted, wish)
        )
    return sitting.exit_code


async def _look(sitting: Sitting, *, yes: bool) -> _Found:
    """Look at the database, and first settle what runs of dead runners left in doubt."""
    folder = read_folder(sitting.settings)
    read_only = sitting.settings.read_only
    connector = Connector(
        sitting.target, sitting.settings.retry, emit=sitting.emit, session=sitting.log.id, read_only=read_only
    )
    try:
        connection = await connector("look")
        recovery = await recover(connector, connection, session=sitting.log.id, emit=sitting.emit, read_only=read_only)
        if recovery.backends and not read_only and _may_end(sitting, recovery.backends, yes=yes):
            await _end_backends(sitting, connector, connection, recovery.backends)
            recovery = await recover(connector, connection, session=sitting.log.id, emit=sitting.emit)
        survey = await look(connection, sitting.settings, folder=folder)
    finally:
        await connector.close()
    return _Found(survey=survey, recovery=recovery, cases=_cases(survey))


def _may_end(sitting: Sitting, backends: Sequence[OrphanBackend], *, yes: bool) -> bool:
    """Whether what still works for a runner that is gone may be ended: by --yes, or asked at a terminal."""
    for text in backend_lines(backends):
        sitting.printer.say(text)
    if yes and not sitting.target.protected:
        return True
    return sitting.options.can_ask and prompt.confirm("Their runner is gone. End them?")


async def _end_backends(
    sitting: Sitting, connector: Connector, connection: Connection, backends: Sequence[OrphanBackend]
) -> None:
    """End them under the run key, which one of them may be holding."""
    await orphans.end_guards(connection)
    keys = await keys_at(connection, sitting.settings, read_folder(sitting.settings))
    async with hold(connector, keys, sitting.emit, wait=_KEY_FREE_WITHIN):
        sitting.emit(orphans.told(backends, await orphans.end(connection, backends)))


def _cases(survey: Survey) -> tuple[Case, ...]:
    return cases_of(folder=survey.folder, history=survey.history, catalog=survey.catalog, states=survey.statuses)


def _of_version(cases: Sequence[Case], version: str | None, survey: Survey) -> tuple[Case, ...]:
    if version is None:
        return tuple(cases)
    wanted = survey.folder.migrations[index_of(survey.folder, version)].version
    return tuple(case for case in cases if case.version == wanted)


def _settle(sitting: Sitting, found: _Found, wanted: tuple[Case, ...], wish: Wish) -> int:
    """Settle round by round, then print what is still open, and return the exit code."""
    if wish.remedy is not None:
        _refuse_impossible(wanted, wish.remedy)
    asked = False
    for _ in range(_ROUNDS):
        answers = _answers(sitting, wanted, wish, asked=asked)
        asked = True
        if not answers:
            break
        refuse_read_only(sitting)
        ended = _run(sitting, answers, wish)
        found.runs.append(ended)
        found.survey = look_at(sitting)
        wanted = _of_version(_cases(found.survey), wish.version, found.survey)
        if ended.exit_code is not ExitCode.DONE or not (wish.leave.consent.yes and wish.remedy is None):
            break
    return _end(sitting, found)


def _answers(sitting: Sitting, wanted: Sequence[Case], wish: Wish, *, asked: bool) -> list[tuple[Case, Remedy, str]]:
    """Return the answer to each case that has one: the one that was said, the safe one with --yes, or the asked one."""
    if wish.remedy is not None:
        return [] if asked else [(case, wish.remedy, wish.reason) for case in wanted if wish.remedy in case.remedies]
    if wish.leave.consent.yes:
        safe = [(case, case.safe, wish.reason) for case in wanted if case.is_open]
        return [(case, remedy, reason or case.why) for case, remedy, reason in safe if remedy and remedy.choice]
    if asked or not sitting.options.can_ask:
        return []
    return [answer for case in wanted if case.remedies and (answer := _ask(case, wish.reason))]


def _ask(case: Case, reason: str) -> tuple[Case, Remedy, str] | None:
    words = ", ".join(remedy.value for remedy in case.remedies)
    while True:
        said = prompt.ask(f"{case.version}: {words}, or nothing to leave it").lower()
        if not said:
            return None
        chosen = [remedy for remedy in case.remedies if remedy.value.startswith(said)]
        if said in case.remedies:
            chosen = [Remedy(said)]
        if len(chosen) == 1:
            break
        prompt.say("Type one of the words.")
    wants_reason = chosen[0] in {Remedy.APPLIED, Remedy.NOT_APPLIED} and not reason
    return case, chosen[0], prompt.ask("Why (for the history)") if wants_reason else reason


def _refuse_impossible(wanted: Sequence[Case], remedy: Remedy) -> None:
    fitting = [case.version for case in wanted if remedy in case.remedies]
    if len(fitting) == 1 or (fitting and remedy in {Remedy.RESUME, Remedy.DROP_INVALID}):
        return
    if fitting:
        raise UsageError(
            f"--{remedy.value} is a word on one migration, and {', '.join(fitting)} are open.",
            advice=f"Name it: changeover repair {fitting[0]} --{remedy.value}",
        )
    open_to = {word.value for case in wanted for word in case.remedies}
    raise UsageError(
        f"Nothing here can be settled by --{remedy.value}.",
        advice=f"Open are: {', '.join(f'--{word}' for word in sorted(open_to)) or 'none'}.",
    )


def _run(sitting: Sitting, answers: Sequence[tuple[Case, Remedy, str]], wish: Wish) -> Ended:
    """Have it run, and return how the last run ended; one that did not end well is the last."""
    ended = Ended(outcome=Result.NOTHING_TO_DO, exit_code=ExitCode.DONE, view=sitting.view)
    for action in repairs(answers):
        ended = run_plan(sitting, look_at(sitting, action=action, wait=wish.leave.wait), action, wish.leave)
        if not sitting.options.json:
            show(receipt_lines(ended.view) if ended.view.result is not None else [])
        if ended.error is not None and not sitting.options.json:
            complain(fault_lines(ended.error))
        if ended.exit_code is not ExitCode.DONE:
            break
    return ended


def _dry_run(sitting: Sitting, wanted: Sequence[Case], wish: Wish) -> int:
    """Show the plan of what would be settled, with the digest that --approve takes."""
    answers = _answers(sitting, wanted, replace(wish, leave=replace(wish.leave, dry_run=False)), asked=False)
    actions = repairs(answers)
    if not actions:
        return int(ExitCode.NEEDS_ATTENTION if any(case.is_open for case in wanted) else ExitCode.DONE)
    survey = look_at(sitting, action=actions[0])
    show([text_of(plan_document(survey, sitting.target))] if sitting.options.json else plan_lines(survey))
    return int(ExitCode.DONE if survey.plan.ready else ExitCode.REFUSED)


def _end(sitting: Sitting, found: _Found) -> int:
    remaining = [case.version for case in _cases(found.survey) if case.is_open]
    doubts = found.recovery.in_doubt
    code = ExitCode.NEEDS_ATTENTION if remaining or doubts else ExitCode.DONE
    last = found.runs[-1] if found.runs else None
    if last is not None and last.exit_code is not ExitCode.DONE:
        code = last.exit_code
    if sitting.options.json:
        document = repair_document(
            found.cases,
            sitting.target,
            found.survey.server,
            session=sitting.log.id,
            runs=[_document(sitting, ended) for ended in found.runs],
            still_open=remaining,
            recovered=[run.session for run in found.recovery.settled],
            backends=[backend.pid for backend in found.recovery.backends],
            exit_code=int(code),
        )
        show([text_of(document)])
    elif remaining:
        show([f"Still open: {', '.join(remaining)}."])
    elif found.runs:
        show(["Everything is settled."])
    return int(code)


def _document(sitting: Sitting, ended: Ended) -> ApplyDocument:
    return apply_document(
        ended.view,
        sitting.target,
        session=sitting.log.id,
        outcome=ended.outcome,
        exit_code=int(ended.exit_code),
        error=ended.error,
    )


def _shown(found: _Found, wanted: Sequence[Case]) -> list[str]:
    lines = [server_words(found.survey.server), *in_doubt_lines(found.recovery.in_doubt)]
    for case in wanted:
        lines += ["", *case_lines(case)]
    return lines if wanted or found.recovery.in_doubt else [*lines, "Nothing to settle."]
