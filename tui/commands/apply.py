"""`apply`: look, come to an approval, hand it to a runner, follow it, print the receipt."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass
from typing import Self

from ...core.attach import Run, start_run
from ...core.document_types import text_of
from ...core.documents import apply_document
from ...core.errors import ChangeoverError, ExitCode, Fault, NeedsAttention, NotReady, Refused, UsageError, fault_of
from ...core.events import Approved, Result
from ...core.plan import Approval
from ...core.requests import RunRequest
from ...core.survey import Survey
from ...core.view import RunView, reduce
from ..approval import Consent, approve
from ..failures import complain
from ..format import visible
from ..lines import fault_lines
from ..options import Options
from ..output import show
from ..sitting import Sitting, look_at, open_sitting
from ..tables import plan_lines, receipt_lines, target_lines


def apply(options: Options, *, to: str | None, consent: Consent) -> int:
    """Apply what is pending and return how that ended; see `ExitCode`."""
    with open_sitting(options, "apply") as sitting:
        sitting.exit_code = apply_on(sitting, to=to, consent=consent)
    return sitting.exit_code


def apply_on(sitting: Sitting, *, to: str | None, consent: Consent) -> int:
    """Do the work of `apply` in a sitting that is open. Raises what stops it before a plan could be judged."""
    if sitting.settings.read_only:
        source = sitting.settings.sources.get("read_only", "the settings")
        raise UsageError(f"Nothing can be applied: read-only is set by {source}.")
    for text in target_lines(sitting.target):
        sitting.printer.say(text)
    survey = look_at(sitting, to=to)
    if not survey.plan.ready:
        return _refused(sitting, survey)
    if not survey.plan.migrations:
        return _result(sitting, sitting.view, Result.NOTHING_TO_DO, ExitCode.DONE)
    for text in plan_lines(survey):
        sitting.printer.say(text)
    try:
        approval = approve(survey, sitting.target, consent, can_ask=sitting.options.can_ask)
    except Refused as error:
        return _result(sitting, sitting.view, Result.REFUSED, error.exit_code, error=fault_of(error))
    sitting.emit(Approved(digest=approval.digest, by=approval.by, how=approval.how))
    followed = _Followed(view=RunView(session=sitting.log.id, target=sitting.view.target))
    try:
        asyncio.run(_follow(sitting, followed, approval, to))
    except NeedsAttention as error:
        # the runner died: what it said is in the view, and only the database knows the rest
        return _result(sitting, followed.view, Result.IN_DOUBT, error.exit_code, error=fault_of(error))
    view = followed.view
    if view.result is None or view.exit_code is None:
        raise NeedsAttention("The run ended without a result.", advice="Look with `changeover status`.")
    return _result(sitting, view, view.result, ExitCode(view.exit_code))


@dataclass(slots=True)
class _Followed:
    """What the run has said so far; its own connections only, ours is closed."""

    view: RunView


async def _follow(sitting: Sitting, followed: _Followed, approval: Approval, to: str | None) -> None:
    """Start the runner and follow its events to the end; SIGINT and SIGTERM mean: stop now."""
    if not await sitting.log.seal():
        raise UsageError("The session log cannot be written, so nothing was started.")
    request = RunRequest(target=sitting.target, settings=sitting.settings, approval=approval, to=to)
    with _Stopping(sitting) as stopping:
        run = await start_run(sitting.log, request)
        stopping.reaches(run)
        async for stamped in run.events():
            followed.view = reduce(followed.view, stamped)
            sitting.printer.stamped(stamped)


class _Stopping:
    """As long as the block lasts, SIGINT and SIGTERM ask the run to stop, also one that is only just starting."""

    def __init__(self, sitting: Sitting) -> None:
        self._sitting = sitting
        self._run: Run | None = None
        self._asked = False
        self._asking: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._signalled)
        return self

    def __exit__(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    def reaches(self, run: Run) -> None:
        """Say which run there is to stop, from now on."""
        self._run = run
        if self._asked:
            self._ask(run)

    def _signalled(self) -> None:
        if self._asked:
            self._sitting.printer.say("Already stopping: waiting until the server confirms it.")
            return
        self._asked = True
        self._sitting.printer.say("Stopping: what is in hand is rolled back.")
        if self._run is not None:
            self._ask(self._run)

    def _ask(self, run: Run) -> None:
        self._asking = asyncio.get_running_loop().create_task(self._send(run))

    async def _send(self, run: Run) -> None:
        try:
            await run.stop("now")
        except (ChangeoverError, OSError) as error:
            self._sitting.printer.say(visible(f"The runner could not be asked to stop: {error}"))


def _refused(sitting: Sitting, survey: Survey) -> int:
    """Say why the plan cannot run: every reason in lines, the first one in the document."""
    reasons = survey.plan.refusals
    error = reasons[0] if reasons else fault_of(NotReady("The plan cannot run."))
    if len(reasons) > 1:
        for reason in reasons[1:]:
            for text in fault_lines(reason):
                sitting.printer.say(text)
    return _result(sitting, sitting.view, Result.REFUSED, ExitCode.REFUSED, error=error)


def _result(sitting: Sitting, view: RunView, outcome: Result, code: ExitCode, *, error: Fault | None = None) -> int:
    if sitting.options.json:
        document = apply_document(
            view, sitting.target, session=sitting.log.id, outcome=outcome, exit_code=int(code), error=error
        )
        show([text_of(document)])
        return int(code)
    if outcome is Result.NOTHING_TO_DO and not view.migrations:
        show(["Nothing to do: every migration is applied."])
    elif view.result is not None:
        show(receipt_lines(view))
    if error is not None:
        complain(fault_lines(error))
    sitting.printer.say(f"Session {sitting.log.id}: changeover logs show {sitting.log.id}")
    return int(code)
