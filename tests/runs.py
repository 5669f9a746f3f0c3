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
from changeover.core.limits import Limits
from changeover.core.plan import Approval
from changeover.core.requests import RunRequest
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
        """Approve what is there now, or `digest`, and start the runner."""
        plan = (await self.look(action)).plan
        assert plan.ready, plan.refusals
        approval = plan.approve(digest=plan.digest, by="test", how="--yes", on_hangup=on_hangup)
        if digest is not None:
            approval = replace(approval, digest=digest)
        return await self.start_with(approval, action=action, wait=wait)

    async def start_with(self, approval: Approval, *, action: Action = APPLY, wait: float = 0) -> Run:
        """Start the runner with this approval, whatever it is of."""
        log = SessionLog.open(command="test", target=str(self.target))
        request = RunRequest(target=self.target, settings=self.settings, approval=approval, action=action, wait=wait)
        return await start_run(log, request)

    async def apply(self, *, digest: str | None = None, action: Action = APPLY, wait: float = 0) -> Finished:
        done = await follow(await self.start(digest=digest, action=action, wait=wait))
        print(*done.stamped, sep="\n")
        return done


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
