"""What goes to a runner: the request that starts it, through a pipe, and the commands of its viewers."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct, field

from .actions import Action
from .plan import Approval
from .settings import Settings
from .target import Target


class RunRequest(Struct, frozen=True, kw_only=True):
    """An approved run. The runner makes the plan anew from it, and runs only what has the approved digest."""

    target: Target
    settings: Settings
    approval: Approval
    action: Action = field(default_factory=Action)
    # how long to wait for a run key that somebody else holds; seconds
    wait: float = 0.0


class Assignment(Struct, frozen=True, kw_only=True):
    """A request with the place where its run is recorded."""

    request: RunRequest
    folder: Path
    session: str
    # the file of events, the socket and the diagnostics are run-1.jsonl, run-1.sock and run-1.log
    name: str
    operator: str
    # the process that starts the runner and is to be its first viewer
    starter: int | None = None


class Command(Struct, frozen=True, kw_only=True):
    """A line from a viewer.

    `follow` is the first one: events behind `after` are wanted. `stop` says `when`: now, after-statement or
    after-migration. `try-now` ends a pause between two attempts. `give-up` lets no further attempt begin. `end` ends
    the backend `pid`, which began at `started`, where it blocks the migration and the target's settings allow it.
    """

    command: str
    after: int = 0
    when: str = ""
    by: str = ""
    # of `end`: which backend, and whether to cancel or to terminate
    pid: int = 0
    started: str = ""
    how: str = ""
