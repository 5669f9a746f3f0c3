"""The process that a run lives in: `python -m changeover.core.runner`, started by `attach.start_run`.

It takes its assignment from standard input, holds the run key, makes the plan anew and runs it only if the digest is
the approved one. Terminals come and go; what it does depends only on the database, its assignment and what viewers
command. Its events go to a file of their own in the session's folder, and to the viewers on a socket beside it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
import traceback
import uuid
from typing import Final

from .audience import Audience
from .briefs import briefs_of
from .codec import MalformedLine, decode
from .connect import Connector
from .errors import ChangeoverError, ExitCode, Fault, LockHeld, fault_of
from .events import Event, PlanConfirmed, Result, RunFinished, RunStarted, StopAsked
from .guard import hold
from .history.native import Authorship
from .keys import keys_of
from .requests import Assignment, Command
from .run import Outcome, run
from .session_log import Journal
from .survey import look
from .work import Stop

log = logging.getLogger(__name__)

# An assignment is a line of a few kilobytes; seconds until it must be there.
_ASSIGNED_WITHIN: Final = 30


class Runner:
    """One run, from the assignment to the last event."""

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self._journal = Journal(assignment.folder / f"{assignment.name}.jsonl")
        self._audience = Audience(self._journal, obey=self._obey, left_alone=self._left_alone)
        self._stop = Stop()
        self._work: asyncio.Task[Outcome] | None = None
        self._run = str(uuid.uuid4())

    async def serve(self) -> ExitCode:
        """Run, tell, and return the exit code."""
        began = time.monotonic()
        await self._audience.open(self._assignment.folder, f"{self._assignment.name}.sock")
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._stop_now, "SIGTERM")
        connect = Connector(
            self._assignment.request.target,
            self._assignment.request.settings.retry,
            emit=self._emit,
            session=self._assignment.session,
        )
        self._work = asyncio.create_task(self._guarded(connect), name="run")
        outcome = await self._outcome_of(self._work)
        await connect.close()
        self._emit(
            RunFinished(
                run=self._run,
                result=outcome.result,
                exit_code=outcome.exit_code,
                applied=outcome.applied,
                elapsed=time.monotonic() - began,
                fault=outcome.fault,
                left_behind=outcome.left_behind,
            )
        )
        await self._journal.seal()
        await self._audience.close()
        self._journal.close()
        return outcome.exit_code

    async def _guarded(self, connect: Connector) -> Outcome:
        """Hold the run key, make the plan anew, and run it if it is the approved one."""
        request = self._assignment.request
        approval, settings = request.approval, request.settings
        by = Authorship(
            run=self._run,
            operator=self._assignment.operator,
            session=self._assignment.session,
            digest=approval.digest,
        )
        self._emit(
            RunStarted(
                run=self._run,
                digest=approval.digest,
                by=approval.by,
                how=approval.how,
                pid=os.getpid(),
                on_hangup=approval.on_hangup,
            )
        )
        keys = keys_of(settings.schema)
        async with hold(connect, keys.run, self._emit) as guard:
            connection = await connect("look")
            survey = await look(connection, settings, to=request.to)
            await connection.close()
            survey.plan.approve(digest=approval.digest, by=approval.by, how=approval.how)
            self._emit(
                PlanConfirmed(digest=survey.plan.digest, server=survey.server, migrations=briefs_of(survey.plan))
            )
            return await run(
                survey.plan,
                approval,
                schema=settings.schema,
                keys=keys,
                guard=guard,
                by=by,
                connect=connect,
                journal=self._journal,
                emit=self._emit,
                stop=self._stop,
            )

    async def _outcome_of(self, work: asyncio.Task[Outcome]) -> Outcome:
        try:
            return await work
        except LockHeld as error:
            return Outcome(result=Result.REFUSED, exit_code=error.exit_code, fault=fault_of(error))
        except ChangeoverError as error:
            return Outcome(result=Result.REFUSED, exit_code=error.exit_code, fault=fault_of(error))
        except asyncio.CancelledError:
            return Outcome(result=Result.STOPPED, exit_code=ExitCode.STOPPED)
        except Exception:
            log.exception("a bug")
            words = traceback.format_exc(limit=-1).strip().rsplit("\n", 1)[-1]
            fault = Fault(
                id="bug",
                summary=f"A bug in changeover ended the run: {words}",
                advice=f"`changeover status` shows what is applied; please report {self._assignment.name}.log.",
            )
            return Outcome(result=Result.IN_DOUBT, exit_code=ExitCode.BUG, fault=fault)

    def _emit(self, event: Event) -> None:
        self._audience.tell(self._journal.record(event))

    def _obey(self, command: Command) -> None:
        match command.command, command.when:
            case "stop", "now":
                self._stop_now(command.by)
            case "stop", "after-statement":
                self._stop.after_statement = True
                self._emit(StopAsked(when=command.when, by=command.by))
            case "stop", "after-migration":
                self._stop.after_migration = True
                self._emit(StopAsked(when=command.when, by=command.by))
            case "try-now", _:
                self._stop.pause.try_now()
            case _:
                log.warning("an unknown command of a viewer: %s %s", command.command, command.when)

    def _stop_now(self, by: str) -> None:
        self._emit(StopAsked(when="now", by=by))
        if self._work is not None and not self._work.done():
            self._work.cancel()

    def _left_alone(self) -> None:
        """Keep to what was chosen at the confirmation, now that the last viewer is gone."""
        match self._assignment.request.approval.on_hangup:
            case "rollback":
                self._stop_now("the last viewer is gone")
            case "finish":
                self._stop.after_migration = True
                self._emit(StopAsked(when="after-migration", by="the last viewer is gone"))
            case _:
                log.info("the last viewer is gone; the run goes on")


def main() -> int:
    """Take the assignment from standard input and run it."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    # A terminal that goes away is no business of ours; neither is its Ctrl-C.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.alarm(_ASSIGNED_WITHIN)
    try:
        assignment = decode(sys.stdin.buffer.readline(), Assignment)
    except MalformedLine as error:
        log.error("no assignment: %s", error)  # noqa: TRY400 - the traceback could show the request
        return ExitCode.USAGE
    signal.alarm(0)
    sys.stdin.close()
    return asyncio.run(_serve(assignment))


async def _serve(assignment: Assignment) -> ExitCode:
    return await Runner(assignment).serve()


if __name__ == "__main__":
    raise SystemExit(main())
