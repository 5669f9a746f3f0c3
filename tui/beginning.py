"""What a command and the console begin with: the settings, the target, and a log that is closed however it ends."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from ..core import dotenv
from ..core.errors import ChangeoverError, ExitCode, TargetMissing
from ..core.protection import as_described
from ..core.secret import Secret
from ..core.session_log import SessionLog
from ..core.settings import Flags, Settings, load
from ..core.target import Target, choose, resolve
from . import prompt
from .failures import Crashed, write_traceback
from .options import Options


def settings_of(options: Options) -> Settings:
    """Return the settings in force here. Raises SettingsError."""
    flags = Flags(
        migrations=options.migrations,
        format=options.format,
        retries=options.retries,
        connect_timeout=options.connect_timeout,
        lock_timeout=options.lock_timeout,
        allow=options.allow,
        out_of_order=options.out_of_order,
        read_only=options.read_only,
    )
    return load(start=Path.cwd(), environ=os.environ, flags=flags)


def target_of(options: Options, settings: Settings) -> Target:
    """Return the target that was named. Raises TargetError."""
    try:
        choice = choose(options.target, environ=os.environ, named=settings.targets, default=settings.default_target)
    except TargetMissing as error:
        raise TargetMissing(error.summary, advice=f"{_of_dotenv(Path.cwd())}{error.advice}") from None
    return as_described(resolve(choice, environ=os.environ), settings.targets, environ=os.environ)


def _of_dotenv(start: Path) -> str:
    """Return the advice where a `.env` would have named a database: it is not obeyed, and nobody should wonder why."""
    file = dotenv.find(start)
    if file is None or not dotenv.names_a_database(file):
        return ""
    return (
        f"{file} names one, which is never taken unasked: `changeover setup` offers it, or export what it says "
        "(`set -a; . ./.env`). "
    )


class Ended(Struct):
    """How a session ended, for its last line."""

    exit_code: int = 0


@contextmanager
def closing_log(log: SessionLog, secrets: Callable[[], list[Secret | None]]) -> Iterator[Ended]:
    """Close a session log with the exit code that the block leaves, or that its failure means."""
    ended = Ended()
    try:
        # between the loops, which have handlers of their own
        with prompt.interruptible():
            yield ended
    except ChangeoverError as error:
        log.close(int(error.exit_code), error.summary)
        raise
    except (KeyboardInterrupt, asyncio.CancelledError):
        log.close(int(ExitCode.STOPPED), "stopped by the operator")
        raise
    except Exception as error:  # noqa: BLE001 - whatever the bug is, its traceback is kept and shows no values
        file = write_traceback(error, log.folder, secrets())
        log.close(int(ExitCode.BUG), f"a bug; see {file.name}")
        raise Crashed(file) from None
    except BaseException:
        log.close(int(ExitCode.BUG), "ended by force")
        raise
    log.close(ended.exit_code)
