"""What apply, revert, baseline and repair have in common: look, approve, hand over to a runner, follow, print."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import Final

from msgspec import Struct

from ...core.actions import Action, Verb
from ...core.attach import ReadyRunner, runner_at_hand, start_run
from ...core.briefs import approved
from ...core.document_types import text_of
from ...core.documents import apply_document, plan_document
from ...core.errors import (
    ChangeoverError,
    ExitCode,
    Fault,
    LockHeld,
    NeedsAttention,
    NotReady,
    Refused,
    UsageError,
    fault_of,
)
from ...core.events import Result
from ...core.recovery import refuse_in_doubt, view_of_settled
from ...core.requests import RunRequest
from ...core.status import PENDING_STATES
from ...core.survey import Survey
from ...core.view import RunView, reduce
from ..approval import Consent, approve
from ..failures import complain
from ..fault_lines import fault_lines
from ..format import count, visible
from ..output import show
from ..sitting import Sitting, look_at, recover_now
from ..status_lines import target_lines
from ..stopping import Stopping
from ..tables import plan_lines, receipt_lines

_NOTHING: Final = {
    Verb.APPLY: "Nothing to do: every migration is applied.",
    Verb.REVERT: "Nothing to do: no such migration is in force.",
    Verb.BASELINE: "Nothing to do: all of it is marked as applied.",
    Verb.REPAIR: "Nothing to settle.",
}


class Leave(Struct, frozen=True, kw_only=True):
    """What the command line says beforehand about a run."""

    consent: Consent
    # how long to wait for a run key that somebody else holds; seconds
    wait: float = 0.0
    # show the plan and its digest, and leave it at that
    dry_run: bool = False


class Ended(Struct, frozen=True, kw_only=True):
    """How a request ended."""

    outcome: Result
    exit_code: ExitCode
    view: RunView
    error: Fault | None = None
    # what is said where there was nothing to do
    nothing: str = ""


def refuse_read_only(sitting: Sitting) -> None:
    """Raise `UsageError` where nothing may be changed."""
    if sitting.settings.read_only:
        source = sitting.settings.sources.get("read_only", "the settings")
        raise UsageError(
            f"Nothing can be changed: read-only is set by {source}.",
            advice="To look is allowed: `changeover plan`. To change something, take read-only away there.",
        )


def carry_out(sitting: Sitting, action: Action, leave: Leave) -> int:
    """Do what an action says in a sitting that is open, and print the result; return how it ended, see `ExitCode`.

    Raises what stops it before a plan could be judged.
    """
    refuse_read_only(sitting)
    for text in target_lines(sitting.target):
        sitting.printer.say(text)
    # where nobody is asked, the run's process loads while the plan is made
    at_once = not leave.dry_run and leave.consent.is_given(sitting.target)
    with runner_at_hand(sitting.log) if at_once else nullcontext() as ready:
        try:
            survey = look_at(sitting, action=action, wait=leave.wait)
        except LockHeld as error:
            held = Ended(outcome=Result.REFUSED, exit_code=error.exit_code, view=sitting.view, error=fault_of(error))
            return print_end(sitting, held)
        if leave.dry_run:
            show([text_of(plan_document(survey, sitting.target))] if sitting.options.json else plan_lines(survey))
            return int(ExitCode.DONE if survey.plan.ready else ExitCode.REFUSED)
        return print_end(sitting, run_plan(sitting, survey, action, leave, ready))


def run_plan(sitting: Sitting, survey: Survey, action: Action, leave: Leave, ready: ReadyRunner | None = None) -> Ended:
    """Come to an approval of what was looked at, have it run, by the runner that is at hand; return how that ended."""
    try:
        refuse_in_doubt(sitting.recovery)
    except NeedsAttention as error:
        return Ended(outcome=Result.REFUSED, exit_code=error.exit_code, view=sitting.view, error=fault_of(error))
    if not survey.plan.ready:
        return _refused(sitting, survey)
    if not survey.plan.migrations:
        nothing = _nothing_to_do(survey, action)
        return Ended(outcome=Result.NOTHING_TO_DO, exit_code=ExitCode.DONE, view=sitting.view, nothing=nothing)
    for text in plan_lines(survey):
        sitting.printer.say(text)
    try:
        approval = approve(
            survey, sitting.target, leave.consent, can_ask=sitting.options.can_ask, verb=action.verb.value
        )
    except Refused as error:
        return Ended(outcome=Result.REFUSED, exit_code=error.exit_code, view=sitting.view, error=fault_of(error))
    sitting.emit(approved(approval))
    followed = _Followed(view=RunView(session=sitting.log.id, target=sitting.view.target))
    request = RunRequest(
        target=sitting.target, settings=sitting.settings, approval=approval, action=action, wait=leave.wait
    )
    try:
        asyncio.run(_follow(sitting, followed, request, ready))
    except NeedsAttention as error:
        # the runner died: what it said is in the view, and only the database knows the rest
        settled = _settled_at_once(sitting, followed.view)
        if settled is None:
            return Ended(outcome=Result.IN_DOUBT, exit_code=error.exit_code, view=followed.view, error=fault_of(error))
        followed.view = settled
    view = followed.view
    if view.result is None or view.exit_code is None:
        raise NeedsAttention("The run ended without a result.", advice="Look with `changeover status`.")
    return Ended(outcome=view.result, exit_code=ExitCode(view.exit_code), view=view)


def _nothing_to_do(survey: Survey, action: Action) -> str:
    """Return why a plan has nothing in it; one that was to stop at a version says what is pending after that."""
    pending = sum(status.state in PENDING_STATES for status in survey.statuses)
    if action.verb is Verb.APPLY and action.to is not None and pending:
        later = f"{count(pending, 'migration')} after it {'is' if pending == 1 else 'are'} pending"
        return f"Nothing to do: all up to {visible(action.to)} is applied; {later}."
    return _NOTHING[action.verb]


class _Followed(Struct):
    """What the run has said so far; its own connections only, ours is closed."""

    view: RunView


async def _follow(sitting: Sitting, followed: _Followed, request: RunRequest, ready: ReadyRunner | None) -> None:
    """Start the runner and follow its events to the end; SIGINT and SIGTERM mean: stop now."""
    if not await sitting.log.seal():
        raise UsageError(
            "The session log cannot be written, so nothing was started.",
            advice="Make room on its disk, or set CHANGEOVER_HOME to a folder on another one.",
        )
    with Stopping(sitting.printer) as stopping:
        run = await start_run(sitting.log, request, ready)
        stopping.reaches(run)
        async for stamped in run.events():
            followed.view = reduce(followed.view, stamped)
            sitting.printer.stamped(stamped)


def _settled_at_once(sitting: Sitting, view: RunView) -> RunView | None:
    """Ask the database what became of the run whose runner died under our eyes; None where that is not known yet."""
    sitting.printer.say("The runner ended without a word; the database is asked what became of the run.")
    try:
        recovery = recover_now(sitting)
    except ChangeoverError as error:
        sitting.printer.say(visible(f"It could not be asked: {error.summary}"))
        return None
    if all(found.session != sitting.log.id for found in recovery.settled):
        return None
    return view_of_settled(sitting.log.folder, view)


def _refused(sitting: Sitting, survey: Survey) -> Ended:
    """Say why the plan cannot run: every reason in lines, the first one in the document."""
    reasons = survey.plan.refusals
    error = (
        reasons[0]
        if reasons
        else fault_of(NotReady("The plan cannot run.", advice="`changeover plan` shows each statement's state."))
    )
    for reason in reasons[1:]:
        for text in fault_lines(reason):
            sitting.printer.say(text)
    return Ended(outcome=Result.REFUSED, exit_code=ExitCode.REFUSED, view=sitting.view, error=error)


def print_end(sitting: Sitting, ended: Ended) -> int:
    """Print how it ended, as the document or as the receipt, and return the exit code."""
    view = ended.view
    if sitting.options.json:
        document = apply_document(
            view,
            sitting.target,
            session=sitting.log.id,
            outcome=ended.outcome,
            exit_code=int(ended.exit_code),
            error=ended.error,
        )
        show([text_of(document)])
        return int(ended.exit_code)
    if ended.nothing:
        show([ended.nothing])
    elif view.result is not None:
        show(receipt_lines(view))
    if ended.error is not None:
        complain(fault_lines(ended.error))
    sitting.printer.say(f"Session {sitting.log.id}: changeover logs show {sitting.log.id}")
    return int(ended.exit_code)
