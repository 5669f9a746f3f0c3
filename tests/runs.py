"""Runs for the tests: a project of migration files, a look at it, and the real runner with its events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from changeover.core.actions import APPLY, Action
from changeover.core.attach import Run, start_run
from changeover.core.connect import Connector
from changeover.core.events import Event, RunFinished
from changeover.core.journal import read_file
from changeover.core.limits import Limits
from changeover.core.plan import Approval
from changeover.core.requests import Assignment, RunRequest
from changeover.core.runner import Runner
from changeover.core.session_log import SessionLog
from changeover.core.settings import Retry, Settings
from changeover.core.survey import Survey, look
from changeover.core.target import Target
from changeover.core.view import RunView, Stamped, view_of

E = TypeVar("E")

# A statement that goes on until somebody puts a row into the table `gate`.
UNTIL_OPEN = "DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM gate) LOOP PERFORM pg_sleep(0.05); END LOOP; END $$"
QUICK = Retry(retries=3, timeout=5.0, first_wait=0.05, last_wait=0.2)
IMPATIENT = Limits(lock_timeout=0.4, lock_attempts=3, lock_pause=(0.1, 0.2))


class Finished(Struct, kw_only=True):
    """A run that ended, with all that it said."""

    stamped: list[Stamped]
    folder: Path

    @property
    def end(self) -> RunFinished:
        assert isinstance(self.stamped[-1].event, RunFinished)
        return self.stamped[-1].event

    @property
    def view(self) -> RunView:
        return view_of(self.stamped)

    def of(self, kind: type[E]) -> list[E]:
        return [stamped.event for stamped in self.stamped if isinstance(stamped.event, kind)]


class Project(Struct, kw_only=True):
    """A migrations folder and the database that it belongs to."""

    target: Target
    folder: Path
    settings: Settings
    seen: list[Event] = field(default_factory=list)

    def allow_hazards(self) -> None:
        """Let every hazard pass, where a test is about something else."""
        self.settings = replace(self.settings, allowed_hazards={"all": "--allow"})

    def write(self, **files: str) -> None:
        """Write `_0001_name="SQL"` as 0001_name.sql."""
        for name, sql in files.items():
            (self.folder / f"{name.removeprefix('_')}.sql").write_text(sql)

    async def look(self, action: Action = APPLY) -> Survey:
        connect = Connector(self.target, QUICK, emit=self.seen.append)
        try:
            return await look(await connect("look"), self.settings, action=action, connect=connect)
        finally:
            await connect.close()

    async def start(
        self, *, on_hangup: str = "finish", digest: str | None = None, action: Action = APPLY, wait: float = 0
    ) -> Run:
        """Approve what is there now, or `digest`, and start the runner, a process of its own."""
        approval = await self.approve(on_hangup=on_hangup, digest=digest, action=action)
        return await self.start_with(approval, action=action, wait=wait)

    async def approve(
        self, *, on_hangup: str = "finish", digest: str | None = None, action: Action = APPLY
    ) -> Approval:
        """Approve what is there now, or `digest`."""
        plan = (await self.look(action)).plan
        assert plan.ready, plan.refusals
        approval = plan.approve(digest=plan.digest, by="test", how="--yes", on_hangup=on_hangup)
        return approval if digest is None else replace(approval, digest=digest)

    async def start_with(self, approval: Approval, *, action: Action = APPLY, wait: float = 0) -> Run:
        """Start the runner with this approval, whatever it is of."""
        return await start_run(
            SessionLog.open(command="test", target=str(self.target)), self._request(approval, action, wait)
        )

    async def apply(self, *, digest: str | None = None, action: Action = APPLY, wait: float = 0) -> Finished:
        """Do what the runner's process does inside this one: a start costs half a second, and there are hundreds."""
        approval = await self.approve(digest=digest, action=action)
        log = SessionLog.open(command="test", target=str(self.target))
        request = self._request(approval, action, wait)
        await Runner(
            Assignment(request=request, folder=log.folder, session=log.id, name=log.next_run(), operator="test")
        ).serve()
        done = Finished(stamped=[stamped for stamped, _ in read_file(log.folder / "run-1.jsonl")], folder=log.folder)
        print(*done.stamped, sep="\n")
        return done

    def _request(self, approval: Approval, action: Action, wait: float) -> RunRequest:
        return RunRequest(target=self.target, settings=self.settings, approval=approval, action=action, wait=wait)


def project(target: Target, folder: Path, limits: Limits = IMPATIENT) -> Project:
    folder.mkdir(exist_ok=True)
    return Project(target=target, folder=folder, settings=Settings(migrations=folder, retry=QUICK, limits=limits))


async def follow(run: Run) -> Finished:
    """Return what a run says, to its end."""
    return Finished(stamped=[stamped async for stamped in run.events()], folder=run.folder)


async def until(run: Run, reached: Callable[[Event], bool]) -> list[Stamped]:
    """Return what a run says up to the first event that is wanted; the viewer hangs up then."""
    seen: list[Stamped] = []
    async for stamped in run.events():
        seen.append(stamped)
        if reached(stamped.event):
            return seen
    raise AssertionError(f"the run ended before: {seen[-1]}")


def kinds(stamped: Sequence[Stamped]) -> list[str]:
    return [type(it.event).__name__ for it in stamped]
