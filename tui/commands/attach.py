"""`attach`: the run screen of a run that is going on, or its lines; of one that is over, the receipt."""

from __future__ import annotations

import asyncio
import sys

from msgspec import Struct

from ...core.attach import Run, last_run, opened_by, running_runs
from ...core.document_types import text_of
from ...core.documents import apply_document
from ...core.errors import ExitCode, Fault, NeedsAttention, UsageError, fault_of
from ...core.events import Result
from ...core.settings import Settings
from ...core.target import Target
from ...core.view import RunView, reduce
from ..failures import complain
from ..fault_lines import fault_lines
from ..format import visible
from ..lines import LinePrinter
from ..options import Options
from ..output import show
from ..stopping import Stopping
from ..tables import receipt_lines


def attach(options: Options, session: str | None) -> int:
    """Follow a run to its end and return its exit code; 0 where the viewer leaves before.

    Raises UsageError where there is no such run, or more than one and none is named.
    """
    run = chosen(session)
    if not options.wants_screen:
        return _in_lines(options, run)
    # the screen is imported where it is wanted
    from ..opening import Mode
    from .console import open_screen

    about = _begun(run).target
    return open_screen(Settings(), None, Mode.ATTACH, command="changeover attach", attach=run, about=about)


def chosen(session: str | None) -> Run:
    """Return the run of a session, or the one that is going on. Raises UsageError."""
    if session is not None:
        run = last_run(session)
        if run is None:
            raise UsageError(
                f"Session {session} has no run.", advice=f"`changeover logs show {session}` prints what it did."
            )
        return run
    match running_runs():
        case []:
            raise UsageError("No run of yours is going on.", advice="`changeover logs` lists the sessions.")
        case [run]:
            return run
        case several:
            complain(visible(f"{run.session}  {_begun(run).target}") for run in several)
            raise UsageError(f"{len(several)} runs are going on.", advice="Name one: changeover attach SESSION.")


class _Followed(Struct):
    view: RunView


def _in_lines(options: Options, run: Run) -> int:
    printer = LinePrinter(sys.stderr)
    followed, error = _Followed(view=_begun(run)), None
    about = f"session {run.session}, {followed.view.target}"
    printer.say(visible(f"attached to {about}" if run.is_going_on else f"this run is over: {about}"))
    try:
        asyncio.run(_follow(followed, run, printer))
    except NeedsAttention as lost:
        error = fault_of(lost)
    return _result(options, followed.view, error)


def _begun(run: Run) -> RunView:
    """Return the view before the first event of the run: whose it is, on which target."""
    opened = opened_by(run)
    return RunView(session=run.session) if opened is None else reduce(RunView(), opened)


async def _follow(followed: _Followed, run: Run, printer: LinePrinter) -> None:
    with Stopping(printer) as stopping:
        if run.is_going_on:
            stopping.reaches(run)
        async for stamped in run.events():
            followed.view = reduce(followed.view, stamped)
            printer.stamped(stamped)


def _result(options: Options, view: RunView, error: Fault | None) -> int:
    code = ExitCode.NEEDS_ATTENTION if view.exit_code is None else ExitCode(view.exit_code)
    if options.json:
        outcome = view.result or Result.IN_DOUBT
        document = apply_document(
            view, _target_of(view), session=view.session, outcome=outcome, exit_code=int(code), error=error
        )
        show([text_of(document)])
        return int(code)
    if view.result is not None:
        show(receipt_lines(view))
    if error is not None:
        complain(fault_lines(error))
    return int(code)


def _target_of(view: RunView) -> Target:
    """Return the target as the server and the session named it; how it was protected is not in the log."""
    server = view.server
    if server is None:
        return Target(host=view.target, port=0, database="", user="", sslmode="")
    return Target(host=server.host, port=server.port, database=server.database, user=server.user, sslmode="")
