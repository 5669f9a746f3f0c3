"""One clear message for every failure: what happened, where, what to do, SQLSTATE last. With `--json`, one document."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import traceback
from collections.abc import Iterable
from pathlib import Path

import click

from ..core.directories import log_root, write_private
from ..core.errors import ChangeoverError, ExitCode, Fault
from ..core.secret import Secret, mask
from .fault_lines import fault_lines
from .folding import laid_out
from .format import visible

TRACEBACK_FILE = "traceback.txt"


class Crashed(Exception):
    """A bug, whose traceback is in `file` already."""

    def __init__(self, file: Path) -> None:
        super().__init__(str(file))
        self.file = file


def report(fault: Fault, code: ExitCode, *, json: bool) -> int:
    """Print an expected failure, to stderr or as a document to stdout, and return its exit code."""
    if json:
        from ..core.document_types import error_document, text_of

        print(text_of(error_document(fault, code)), flush=True)
    else:
        complain(fault_lines(fault))
    return int(code)


def complain(lines: Iterable[str]) -> None:
    """Print a message to stderr; the first line says who speaks."""
    first, *rest = lines
    text = "\n".join(laid_out([f"changeover: {first}", *rest], sys.stderr))
    with contextlib.suppress(BrokenPipeError, ValueError):
        print(text, file=sys.stderr, flush=True)


def report_usage(error: click.ClickException, *, json: bool) -> int:
    """Print what the command line got wrong."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = context.command_path if context else "changeover"
    summary = visible(error.format_message())
    return report(Fault(id="usage", summary=summary, advice=f"See {command} --help."), ExitCode.USAGE, json=json)


def report_interrupt(*, json: bool) -> int:
    """Print that the operator stopped it; nothing was under way in the database."""
    return report(Fault(id="declined", summary="Stopped. Nothing was changed."), ExitCode.STOPPED, json=json)


def report_bug(error: Exception, *, json: bool) -> int:
    """Print one line that says where the traceback of a bug is."""
    if isinstance(error, Crashed):
        where = f"The traceback is in {error.file}"
    else:
        try:
            where = f"The traceback is in {write_traceback(error, None)}"
        except ChangeoverError:
            where = "Its traceback could not be written"
    fault = Fault(id="bug", summary="This is a bug in changeover.", advice=f"{where}; please report it with that file.")
    return report(fault, ExitCode.BUG, json=json)


def write_traceback(error: BaseException, folder: Path | None, secrets: Iterable[Secret | None] = ()) -> Path:
    """Write the traceback of a bug, without values of variables, into a 0600 file and return it.

    `folder` is the session's; without one the file goes beside the sessions. Raises UsageError.
    """
    name = TRACEBACK_FILE if folder else f"traceback-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}.txt"
    file = (folder or log_root()) / name
    text = "".join(traceback.format_exception(error))
    write_private(file, visible(mask(text, secrets), lines=True))
    return file
