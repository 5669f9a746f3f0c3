"""The options of the commands, which are taken before the name of a command or after it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click
from msgspec import Struct
from msgspec.structs import replace


class Number(click.FloatRange):
    """A number in a range; click calls it a float range."""

    name = "number"


class _AnyNumber(click.types.FloatParamType):
    name = "number"


C = TypeVar("C", bound=Callable[..., Any])


class Options(Struct, frozen=True, kw_only=True):
    """What was said; None and empty where nothing was."""

    target: str | None = None
    migrations: Path | None = None
    format: str | None = None
    json: bool = False
    plain: bool = False
    retries: int | None = None
    connect_timeout: float | None = None
    lock_timeout: float | None = None
    read_only: bool = False
    # of plan and apply
    allow: tuple[str, ...] = ()
    out_of_order: bool = False

    @property
    def can_ask(self) -> bool:
        """Whether a person can be asked: a terminal to read from and to write to, and no program that reads along."""
        return not self.json and sys.stdin.isatty() and sys.stderr.isatty()

    @property
    def wants_screen(self) -> bool:
        """Whether the full screen opens, for the commands that have one."""
        if self.json or self.plain or os.environ.get("TERM", "") in {"", "dumb", "unknown"}:
            return False
        return sys.stdin.isatty() and sys.stdout.isatty()


def options_of(context: click.Context) -> Options:
    """Return what has been said so far, on this command and those above it."""
    context.ensure_object(Options)
    options: Options = context.obj
    return options


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Put a value that was really said into the options; a default of one level must not undo what another said."""
    source = context.get_parameter_source(parameter.name or "")
    if source is click.core.ParameterSource.COMMANDLINE and parameter.name:
        context.obj = replace(options_of(context), **{parameter.name: value})
    return value


def _option(*names: str, **attributes: Any) -> Callable[[C], C]:
    return click.option(*names, expose_value=False, callback=_keep, **attributes)


_TARGET = (
    _option("--target", metavar="NAME|URL", help="The database: a named target, or its URL. Else DATABASE_URL, PG*."),
)
_FOLDER = (
    _option("--migrations", type=click.Path(path_type=Path), metavar="DIR", help="The folder with the migrations."),
    _option("--format", metavar="NAME", help="The folder's format, where it is not found out: sqlx, flyway, ..."),
)
_PRINTING = (
    _option("--json", is_flag=True, help="Print one JSON document."),
    _option("--plain", is_flag=True, help="Print lines; never open the screen."),
)
_CONNECTING = (
    _option("--retries", type=int, metavar="N", help="Connection attempts after the first one (3)."),
    _option("--connect-timeout", type=_AnyNumber(), metavar="S", help="Seconds for each connection attempt (30)."),
    _option("--lock-timeout", type=_AnyNumber(), metavar="S", help="Seconds of waiting for locks in each attempt (2)."),
    _option("--read-only", is_flag=True, help="Look only; nothing can be changed."),
)
_OF_PLANS = (
    _option(
        "--allow", multiple=True, metavar="HAZARD", help="Accept this hazard; may be repeated; `all` is every one."
    ),
    _option("--out-of-order", is_flag=True, help="Apply what is older than the newest that is applied, too."),
)


def _all(options: Iterable[Callable[[C], C]], command: C) -> C:
    for option in reversed(tuple(options)):
        command = option(command)
    return command


def everywhere(command: C) -> C:
    """Add the options of every command that connects."""
    return _all((*_TARGET, *_FOLDER, *_PRINTING, *_CONNECTING), command)


def of_printing(command: C) -> C:
    """Add the options of what only prints: it connects nowhere, and an option that does nothing would mislead."""
    return _all(_PRINTING, command)


def of_folders(command: C) -> C:
    """Add the options of what works on the files alone."""
    return _all((*_FOLDER, *_PRINTING), command)


def of_demo(command: C) -> C:
    """Add the options of what brings its own database and migrations."""
    return _all((*_PRINTING, *_CONNECTING), command)


def of_plans(command: C) -> C:
    """Add the options of `plan` and `apply`."""
    return _all(_OF_PLANS, command)


_OF_RUNS = (
    click.option("--yes", is_flag=True, help="Approve the plan, where nobody can answer. Not on a protected target."),
    click.option("--approve", metavar="DIGEST", help="Approve the plan with this digest, and no other."),
    click.option("--confirm-database", metavar="NAME", help="Approve by the name of the database."),
    click.option("--wait", type=Number(min=0), default=0.0, metavar="S", help="Seconds to wait for another run (0)."),
    click.option(
        "--on-hangup",
        type=click.Choice(["finish", "continue", "rollback"]),
        default="finish",
        help="When the last viewer is gone: finish the migration in hand and stop (finish), go on, or roll back.",
    ),
    click.option("--dry-run", is_flag=True, help="Show the plan and its digest, and run nothing."),
)


def of_runs(command: C) -> C:
    """Add the options of what asks for an approval and runs; `leave_of` reads them."""
    return _all(_OF_RUNS, command)
