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
from contextlib import AsyncExitStack
from typing import Final

from msgspec.structs import replace

from . import orphans, postchecks, rehearsed
from .audience import Audience
from .blockers import EndWish
from .briefs import briefs_of
from .codec import MalformedLine, decode
from .connect import Connection, Connector
from .errors import ChangeoverError, ConnectionLost, ExitCode, Fault, LockHeld, ServerError, UsageError, fault_of
from .events import Event, PlanConfirmed, Result, RunFinished, RunStarted, StopAsked
from .guard import Guard, hold
from .history.ledger import Authorship
from .journal import Journal
from .keys import Keys, keys_of
from .masking import masked
from .migration import Folder
from .plan import Approval
from .recovery import done_of, endings, left_behind, recover, refuse_in_doubt, verdict_on
from .requests import Assignment, Command
from .run import EXIT_CODES, Outcome, run
from .secret import mask
from .settings import Settings
from .sources import is_native, keys_at, ledger_of, read_folder
from .survey import look
from .tasks import to_completion
from .unfinished import UnfinishedRun
from .values import named_secrets, secrets_of
from .work import Stop

log = logging.getLogger(__name__)

# How long a run that was broken off looks for its outcome; seconds.
_SETTLED_WITHIN: Final = 60.0
_FORMAT: Final = "%(asctime)s %(name)s %(levelname)s %(message)s"


class Runner:
    """One run, from the assignment to the last event."""

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment
        secrets = [secret for secret in (assignment.request.target.password,) if secret is not None]
        self._journal = Journal(assignment.folder / f"{assignment.name}.jsonl", secrets=tuple(secrets))
        self._audience = Audience(
            self._journal,
            obey=self._obey,
            watched=self._watched,
            left_alone=self._left_alone,
            starter=assignment.starter,
        )
        self._stop = Stop()
        self._work: asyncio.Task[Outcome] | None = None
        self._run = str(uuid.uuid4())
        # the run as its own log tells it: what is in doubt where a bug ends it
        self._told = UnfinishedRun(session=assignment.session, folder=assignment.folder)
        self._ending: set[asyncio.Task[None]] = set()
        self._over = False

    async def serve(self) -> ExitCode:
        """Run, tell, and return the exit code."""
        began = time.monotonic()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._stop_now, "SIGTERM")
        connect = Connector(
            self._assignment.request.target,
            self._assignment.request.settings.retry,
            emit=self._emit,
            session=self._assignment.session,
        )
        self._work = asyncio.create_task(self._heard(connect), name="run")
        outcome = await self._outcome_of(self._work, connect)
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

    async def _heard(self, connect: Connector) -> Outcome:
        """Open the socket for the viewers, and run; without it nobody could stop the run."""
        name = f"{self._assignment.name}.sock"
        try:
            await self._audience.open(self._assignment.folder, name)
        except OSError as error:
            raise UsageError(
                f"The socket {name} cannot be made in the session's folder: {error.strerror}.",
                advice=f"Nothing was run. Look at the disk of {self._assignment.folder}.",
            ) from None
        return await self._guarded(connect)

    async def _guarded(self, connect: Connector) -> Outcome:
        """Hold the run key, make the plan anew, and run it if it is the approved one."""
        request = self._assignment.request
        approval, settings = request.approval, request.settings
        by = self._started(approval, settings)
        folder = read_folder(settings)
        keys = await _keys(connect, settings, folder)
        async with AsyncExitStack() as held:
            guard = await self._hold(held, connect, keys)
            connection = await connect("look")
            await self._settle_earlier(connect, connection, guard)
            # the folder is read anew; what did not change since is not parsed again as long as it is held here
            survey = await look(connection, settings, action=request.action, connect=connect)
            del folder
            self._journal.hide(*secrets_of(settings, survey.folder))
            before = await postchecks.read(connection)
            comparing = await rehearsed.begin(connection, survey.plan, settings.schema)
            await connection.close()
            if request.wait and survey.plan.ready and not survey.plan.migrations:
                # whoever we waited for has done it all
                return Outcome(result=Result.NOTHING_TO_DO, exit_code=ExitCode.DONE)
            survey.plan.approve(digest=approval.digest, by=approval.by, how=approval.how)
            self._emit(
                PlanConfirmed(
                    digest=survey.plan.digest,
                    server=survey.server,
                    migrations=briefs_of(survey.plan),
                    format=survey.history.format,
                    table=(place.schema, place.name) if (place := survey.history.place) else ("", ""),
                )
            )
            outcome = await run(
                survey.plan,
                approval,
                ledger=ledger_of(settings, survey.history, survey.folder, by),
                keys=keys,
                guard=guard,
                connect=connect,
                journal=self._journal,
                emit=self._emit,
                stop=self._stop,
                end_blockers=settings.end_blockers,
            )
            if outcome.applied or outcome.result is Result.PARTIAL:
                looking = postchecks.look_after(connect, before, survey.plan, survey.server.user, settings.schema)
                self._emit(await to_completion(looking))
                if comparing is not None and outcome.result is Result.APPLIED:
                    self._emit(await to_completion(comparing.end(connect)))
            return outcome

    def _started(self, approval: Approval, settings: Settings) -> Authorship:
        """Say that the run begins; return in whose name it writes."""
        target = self._assignment.request.target
        self._emit(
            RunStarted(
                run=self._run,
                digest=approval.digest,
                by=approval.by,
                how=approval.how,
                pid=os.getpid(),
                on_hangup=approval.on_hangup,
                schema=settings.schema,
                end_blockers=settings.end_blockers,
                target=str(target),
                environment=target.environment,
                protected=target.protected,
            )
        )
        return Authorship(
            run=self._run,
            operator=self._assignment.operator,
            session=self._assignment.session,
            digest=approval.digest,
        )

    async def _hold(self, held: AsyncExitStack, connect: Connector, keys: Keys) -> Guard:
        """Take the run key; what holds it for a runner of ours that is gone is ended, and its place taken."""
        wait = self._assignment.request.wait
        try:
            return await held.enter_async_context(hold(connect, keys, self._emit, wait=wait))
        except LockHeld:
            connection = await connect("look")
            guards = await orphans.end_guards(connection)
            await connection.close()
            if not guards:
                raise
        self._emit(orphans.told(guards, ()))
        return await held.enter_async_context(hold(connect, keys, self._emit, wait=wait))

    async def _settle_earlier(self, connect: Connector, connection: Connection, guard: Guard) -> None:
        """End what still works for a runner that is gone, settle its run, and go no further while one is in doubt."""
        found = await orphans.find(connection)
        if found:
            self._emit(orphans.told(found, await orphans.end(connection, found)))
        session = self._assignment.session
        refuse_in_doubt(
            await recover(connect, connection, session=session, emit=self._emit, besides=frozenset({guard.backend}))
        )

    async def _outcome_of(self, work: asyncio.Task[Outcome], connect: Connector) -> Outcome:
        try:
            return await work
        except ChangeoverError as error:
            refused = Outcome(result=Result.REFUSED, exit_code=_refusal(error), fault=fault_of(error))
            return await self._honest(refused, connect) if self._told.attempts else refused
        except asyncio.CancelledError:
            stopped = Outcome(result=Result.STOPPED, exit_code=ExitCode.STOPPED)
            return await self._honest(stopped, connect) if self._told.attempts else stopped
        except Exception:
            log.exception("a bug")
            words = traceback.format_exc(limit=-1).strip().rsplit("\n", 1)[-1]
            fault = Fault(
                id="bug",
                summary=f"A bug in changeover ended the run: {words}",
                advice=f"`changeover status` shows what is applied; please report {self._assignment.name}.log.",
            )
            return await self._honest(Outcome(result=Result.STOPPED, exit_code=ExitCode.BUG, fault=fault), connect)

    async def _honest(self, ended: Outcome, connect: Connector) -> Outcome:
        """Return how a run ended that something unforeseen broke off: the server is asked, nothing is assumed."""
        self._told.cause = "bug"
        began = time.monotonic()
        # nothing of ours may still be under way when the history is read
        await connect.close()
        verdict = await verdict_on(connect, self._told, patience=_SETTLED_WITHIN)
        if isinstance(verdict, str):
            log.error("what became of the run is not known: %s", verdict)
            return replace(ended, result=Result.IN_DOUBT, exit_code=ExitCode.NEEDS_ATTENTION)
        for event in endings(self._told, verdict, time.monotonic() - began):
            self._emit(event)
        return replace(
            ended,
            result=verdict.result,
            exit_code=ended.exit_code if ended.exit_code is ExitCode.BUG else EXIT_CODES[verdict.result],
            applied=done_of(self._told, verdict),
            left_behind=left_behind(verdict),
        )

    def _emit(self, event: Event) -> None:
        if self._over:
            # who asks something of a run that has ended has its end to read
            return
        self._over = isinstance(event, RunFinished)
        self._told.take(event)
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
            case "give-up", _:
                self._stop.pause.give_up()
                self._emit(StopAsked(when="give-up", by=command.by))
            case "end", _:
                self._end(EndWish(pid=command.pid, started=command.started, how=command.how, by=command.by))
            case _:
                log.warning("an unknown command of a viewer: %s %s", command.command, command.when)

    def _end(self, wish: EndWish) -> None:
        if self._stop.end_blocker is None:
            log.warning("a viewer wants to end backend %d before there is a migration", wish.pid)
            return
        task = asyncio.create_task(self._stop.end_blocker(wish), name="end a blocker")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def _stop_now(self, by: str) -> None:
        self._emit(StopAsked(when="now", by=by))
        if self._work is not None and not self._work.done():
            self._work.cancel()

    def _watched(self, watched: bool) -> None:
        """Begin no further migration while it is open whether anybody comes back, where that would end the run."""
        if watched or self._assignment.request.approval.on_hangup != "finish":
            self._stop.may_begin.set()
        else:
            self._stop.may_begin.clear()

    def _left_alone(self) -> None:
        """Keep to what was chosen at the confirmation, now that the last viewer is gone."""
        match self._assignment.request.approval.on_hangup:
            case "rollback":
                self._stop_now("the last viewer is gone")
            case "finish":
                self._stop.after_migration = True
                self._emit(StopAsked(when="after-migration", by="the last viewer is gone"))
                self._stop.may_begin.set()
            case _:
                log.info("the last viewer is gone; the run goes on")


async def _keys(connect: Connector, settings: Settings, folder: Folder | None) -> Keys:
    """Return the keys of the run; another tool's depend on where its history is."""
    if is_native(settings, folder):
        return keys_of(settings.schema)
    connection = await connect("look")
    try:
        return await keys_at(connection, settings, folder)
    finally:
        await connection.close()


def _refusal(error: ChangeoverError) -> ExitCode:
    """Return the exit code of a run that ended before anything ran: there was nothing to roll back."""
    match error:
        case ConnectionLost():
            return ExitCode.NO_CONNECTION
        case ServerError():
            return ExitCode.REFUSED
        case _:
            return error.exit_code


def main() -> int:
    """Take the assignment from standard input and run it."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=_FORMAT)
    # A terminal that goes away is no business of ours; neither is its Ctrl-C.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    line = sys.stdin.buffer.readline()
    if not line:
        # whoever started us is gone, and has approved nothing
        return ExitCode.USAGE
    try:
        assignment = decode(line, Assignment)
    except MalformedLine as error:
        log.error("no assignment: %s", error)  # noqa: TRY400 - the traceback could show the request
        return ExitCode.USAGE
    sys.stdin.close()
    _mask_diagnostics(assignment)
    try:
        runner = Runner(assignment)
    except OSError as error:
        # The viewer has no other sign of it than the exit code: there is no file, and no socket.
        log.error("the session log cannot be written, so the run does not start: %s", error.strerror)  # noqa: TRY400
        return ExitCode.USAGE
    return asyncio.run(runner.serve())


def _mask_diagnostics(assignment: Assignment) -> None:
    """Keep the target's password out of what libraries and tracebacks say."""
    secrets = [assignment.request.target.password, *named_secrets(assignment.request.settings)]

    class Masking(logging.Formatter):
        """Masks by value, behind everything that formats."""

        def format(self, record: logging.LogRecord) -> str:
            return mask(masked(super().format(record)), secrets)

    for handler in logging.getLogger().handlers:
        handler.setFormatter(Masking(_FORMAT))


if __name__ == "__main__":
    raise SystemExit(main())
