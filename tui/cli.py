"""The command line: parse, call one command, map every failure to one message and an exit code.

Nothing but click is imported here: `changeover --version` must be quick, and Textual and asyncpg come with the
commands that need them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ..core.errors import ChangeoverError, ExitCode, Fault, fault_of
from .options import Number, everywhere, of_demo, of_folders, of_plans, of_printing, of_runs, options_of
from .streams import prepare_streams

if TYPE_CHECKING:
    from .commands.carry_out import Leave

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code of the process; see `ExitCode`."""
    prepare_streams(os.environ)
    words = list(sys.argv[1:] if arguments is None else arguments)
    json = _wants_json(words)
    try:
        result = root.main(words, prog_name="changeover", standalone_mode=False)
    except ChangeoverError as error:
        from .failures import report

        return report(fault_of(error), error.exit_code, json=json)
    except click.ClickException as error:
        from .failures import report_usage

        return report_usage(error, json=json)
    except (click.Abort, KeyboardInterrupt):
        from .failures import report_interrupt

        return report_interrupt(json=json)
    except Exception as error:  # noqa: BLE001 - the last place before Python's own traceback, which would show locals' values
        from .failures import report_bug

        return report_bug(error, json=json)
    return _written(result if isinstance(result, int) else int(ExitCode.DONE))


def _written(code: int) -> int:
    """Return the exit code of a command, which is another one where what it had to say could not be written."""
    sys.stdout.flush()
    lost = getattr(sys.stdout, "lost", "")
    if not lost or code != ExitCode.DONE:
        return code
    from .failures import report

    advice = "What was done is in the session log: `changeover logs` lists them."
    fault = Fault(id="output", summary=f"Not all of the output could be written: {lost}.", advice=advice)
    # a document would go where the output could not
    return report(fault, ExitCode.USAGE, json=False)


def _wants_json(words: Sequence[str]) -> bool:
    return "--json" in (words[: words.index("--")] if "--" in words else words)


def _version(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"changeover {version('changeover')}")
        context.exit()


class _Commands(click.Group):
    """A group whose list of commands has their summaries whole."""

    group_class = type

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, a summary that is longer than its line under itself."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, it.get_short_help_str(limit=400)) for name, it in commands if it is not None])


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings=_CONTEXT,
    epilog="Exit codes: 0 done, 1 a bug, 2 usage, 3 no connection, 4 refused, 5 pending, 6 rolled back, 7 stopped, "
    "8 needs attention, 9 locked.",
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
@everywhere
@click.pass_context
def root(context: click.Context) -> int | None:
    """Migrate PostgreSQL with your eyes open. Without a command: the console, after guided set-up if need be."""
    if context.invoked_subcommand is not None:
        return None
    from .commands.console import open_console

    return open_console(options_of(context))


@root.command()
@everywhere
@click.pass_context
def setup(context: click.Context) -> int:
    """Name a database, try it, and save it as a target, step by step."""
    from .commands.setup import run_setup

    return run_setup(options_of(context))


@root.command()
@everywhere
@click.pass_context
def inspect(context: click.Context) -> int:
    """Open the console read-only: look at everything, change nothing."""
    from .commands.console import open_inspection

    return open_inspection(options_of(context))


@root.command()
@everywhere
@click.option("--exit-code", is_flag=True, help="Exit with 5 where migrations are pending.")
@click.pass_context
def check(context: click.Context, *, exit_code: bool) -> int:
    """Connect, hold what the pending migrations need against the database, and print it. Changes nothing."""
    from .commands.look import check as run_check

    return run_check(options_of(context), exit_code=exit_code)


@root.command()
@everywhere
@click.option("--exit-code", is_flag=True, help="Exit with 5 where migrations are pending.")
@click.pass_context
def status(context: click.Context, *, exit_code: bool) -> int:
    """List every migration: applied, pending, changed, deferred, failed, unknown."""
    from .commands.status import status as run_status

    return run_status(options_of(context), exit_code=exit_code)


_REBUILD = click.option(
    "--rebuild-invalid-indexes",
    is_flag=True,
    help="Drop an invalid index concurrently where a migration builds it, and build it again.",
)


@root.command()
@everywhere
@of_plans
@click.option("--to", metavar="VERSION", help="Stop after this version.")
@_REBUILD
@click.option("--sql", is_flag=True, help="Print the SQL of each statement.")
@click.option("--rehearse", is_flag=True, help="Run it on a shadow of the schema, and say what was measured.")
@click.option("--shadow", metavar="NAME|URL", help="Rehearse in this empty database instead of the embedded server.")
@click.pass_context
def plan(
    context: click.Context,
    *,
    to: str | None,
    rebuild_invalid_indexes: bool,
    sql: bool,
    rehearse: bool,
    shadow: str | None,
) -> int:
    """Print what would run, with locks and hazards, and the digest to approve."""
    from ..core.actions import Action
    from .commands.look import Rehearse
    from .commands.look import plan as run_plan

    action = Action(to=to, rebuild_invalid=rebuild_invalid_indexes)
    wish = Rehearse(shadow=shadow) if rehearse or shadow is not None else None
    return run_plan(options_of(context), action=action, sql=sql, rehearse=wish)


@root.command()
@everywhere
@of_plans
@click.option("--to", metavar="VERSION", help="Stop after this version.")
@_REBUILD
@of_runs
@click.pass_context
def apply(context: click.Context, /, *, to: str | None, rebuild_invalid_indexes: bool, **said: Any) -> int:
    """Apply what is pending; asks first. Ctrl-C stops and rolls back what is in hand."""
    from ..core.actions import Action
    from .commands.apply import apply as run_apply

    action = Action(to=to, rebuild_invalid=rebuild_invalid_indexes)
    return run_apply(options_of(context), action=action, leave=_leave(said))


@root.command()
@everywhere
@of_plans
@click.option("--to", metavar="VERSION", help="Undo everything after this version; 0 undoes all.")
@of_runs
@click.pass_context
def revert(context: click.Context, /, *, to: str | None, **said: Any) -> int:
    """Undo the last migration, or down to a version, with the revert scripts; asks first."""
    from .commands.apply import revert as run_revert

    return run_revert(options_of(context), to=to, leave=_leave(said))


@root.command()
@click.argument("versions", nargs=-1, metavar="[VERSION]...")
@everywhere
@click.pass_context
def verify(context: click.Context, *, versions: tuple[str, ...]) -> int:
    """Run the verify scripts of what is applied, each in a read-only transaction. 6 where one fails."""
    from .commands.verify import verify_applied

    return verify_applied(options_of(context), versions)


@root.command()
@click.argument("version")
@everywhere
@of_runs
@click.pass_context
def baseline(context: click.Context, /, *, version: str, **said: Any) -> int:
    """Mark everything up to VERSION, itself included, as applied without running it; asks first."""
    from .commands.apply import baseline as run_baseline

    return run_baseline(options_of(context), version=version, leave=_leave(said))


@root.command()
@click.argument("version", required=False)
@everywhere
@click.option("--resume", "remedy", flag_value="resume", help="Go on where it ended (as apply and revert do).")
@click.option("--drop-invalid", "remedy", flag_value="drop-invalid", help="Drop what a failed index build left.")
@click.option("--applied", "remedy", flag_value="applied", help="Write down that all of it is done.")
@click.option("--not-applied", "remedy", flag_value="not-applied", help="Write down that nothing of it is there.")
@click.option("--reason", default="", metavar="TEXT", help="Why, for the history.")
@of_runs
@click.pass_context
def repair(context: click.Context, /, *, version: str | None, remedy: str | None, reason: str, **said: Any) -> int:
    """Show what failed, stopped half-way or is in doubt, and settle it.

    Without an answer: asks at a terminal, settles what has only one safe answer with --yes, else only shows.
    """
    from ..core.repair import Remedy
    from .commands.repair import Wish
    from .commands.repair import repair as run_repair

    chosen = Remedy(remedy) if remedy else None
    return run_repair(options_of(context), Wish(version=version, remedy=chosen, reason=reason, leave=_leave(said)))


@root.command()
@click.argument("hazard", required=False, metavar="[ID]")
@of_printing
@click.pass_context
def hazards(context: click.Context, *, hazard: str | None) -> int:
    """List the hazards that a plan is searched for, or explain one, with examples and the safe way."""
    from .commands.hazards import hazards as list_hazards

    return list_hazards(options_of(context), hazard)


@root.command()
@click.argument("name")
@of_folders
@click.option("--revert", is_flag=True, help="Write a revert script beside it.")
@click.option("--verify", is_flag=True, help="Write a verify script beside it.")
@click.pass_context
def new(context: click.Context, *, name: str, revert: bool, verify: bool) -> int:
    """Write a new migration file called NAME, with the next number."""
    from .commands.new import new as run_new

    return run_new(options_of(context), name, revert=revert, verify=verify)


def _leave(said: dict[str, Any]) -> Leave:
    from .approval import Consent
    from .commands.carry_out import Leave

    consent = Consent(
        yes=said["yes"], digest=said["approve"], database=said["confirm_database"], on_hangup=said["on_hangup"]
    )
    return Leave(consent=consent, wait=said["wait"], dry_run=said["dry_run"])


@root.command()
@of_demo
@click.option("--reset", is_flag=True, help="Begin again with a fresh database.")
@click.option("--sessions", is_flag=True, help="Create the table that the deferred step waits for.")
@click.option("--yes", is_flag=True, help="Apply without asking, where there is no terminal.")
@click.pass_context
def demo(context: click.Context, *, reset: bool, sessions: bool, yes: bool) -> int:
    """Open the console on an embedded PostgreSQL with a donation platform under live traffic."""
    from .commands.demo import run_demo

    return run_demo(options_of(context), reset=reset, sessions=sessions, yes=yes)


@root.command()
@click.argument("session", required=False)
@everywhere
@click.pass_context
def attach(context: click.Context, *, session: str | None) -> int:
    """Follow a run that is going on, from its first event; without SESSION the one that there is.

    Ctrl-C without a screen stops the run, as it does where the run was started.
    """
    from .commands.attach import attach as run_attach

    return run_attach(options_of(context), session)


@root.group(invoke_without_command=True)
@of_printing
@click.pass_context
def logs(context: click.Context) -> int | None:
    """List the sessions of this user, newest first."""
    if context.invoked_subcommand is not None:
        return None
    from .commands.logs import list_logs

    return list_logs(options_of(context))


@logs.command("list")
@of_printing
@click.pass_context
def logs_list(context: click.Context) -> int:
    """List the sessions of this user, newest first."""
    from .commands.logs import list_logs

    return list_logs(options_of(context))


@logs.command("show")
@click.argument("session")
@of_printing
@click.pass_context
def logs_show(context: click.Context, session: str) -> int:
    """Print every event of a session."""
    from .commands.logs import show_session

    return show_session(options_of(context), session)


@logs.command("replay")
@click.argument("session")
@of_printing
@click.pass_context
def logs_replay(context: click.Context, session: str) -> int:
    """Play a session on the run screen; without a terminal, print its lines."""
    from .commands.logs import replay

    return replay(options_of(context), session)


@logs.command("prune")
@click.option("--older-than", type=Number(min=0), metavar="DAYS", help="Remove what is older (180).")
@click.option("--keep", type=click.IntRange(min=1), metavar="N", help="Keep at most this many sessions (200).")
@click.option("--max-size", type=Number(min=0), metavar="MB", help="Keep at most this much (512).")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@of_printing
@click.pass_context
def logs_prune(
    context: click.Context, *, older_than: float | None, keep: int | None, max_size: float | None, dry_run: bool
) -> int:
    """Remove old sessions; never one that runs or is in doubt, nor the last one of a database."""
    from .commands.logs import prune_logs

    return prune_logs(options_of(context), older_than=older_than, keep=keep, max_size=max_size, dry_run=dry_run)


@logs.command("path")
@click.argument("session", required=False)
@of_printing
@click.pass_context
def logs_path(context: click.Context, session: str | None) -> int:
    """Print the folder of a session, or of all of them."""
    from .commands.logs import path

    return path(options_of(context), session)
