"""`logs`: list the sessions, print one, replay one, say where they are."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ...core.codec import event_line
from ...core.directories import log_root
from ...core.document_types import text_of
from ...core.documents import logs_document, session_document
from ...core.session_log import list_sessions, read_session
from ...core.settings import Flags, load
from ...core.view import Stamped, view_of
from ..lines import LinePrinter
from ..options import Options
from ..output import show
from ..tables import receipt_lines, sessions_lines


def list_logs(options: Options) -> int:
    """Print the sessions, newest first."""
    sessions = list_sessions()
    show([text_of(logs_document(str(log_root()), sessions))] if options.json else sessions_lines(sessions))
    return 0


def show_session(options: Options, session: str) -> int:
    """Print every event of a session, and its receipt where it had a run. Raises UsageError for an unknown one."""
    events = read_session(session)
    if options.json:
        records = [json.loads(event_line(stamped)) for stamped in events]
        show([text_of(session_document(session, records))])
        return 0
    _print_lines(events)
    return 0


def replay(options: Options, session: str) -> int:
    """Play a session on the run screen; without a terminal, print its lines."""
    read_session(session)
    if not options.wants_screen:
        return show_session(options, session)
    # the screen is imported where it is wanted: listing sessions is quick
    from ..opening import Mode
    from .console import open_screen

    settings = load(start=Path.cwd(), environ=os.environ, flags=Flags())
    return open_screen(settings, None, Mode.REPLAY, command="changeover logs replay", replay=session)


def path(options: Options, session: str | None) -> int:
    """Print the folder of a session, or of all of them."""
    folder = log_root()
    if session is not None:
        read_session(session)
        folder /= session
    show([json.dumps({"changeover": 1, "path": str(folder)}, indent=2)] if options.json else [str(folder)])
    return 0


def _print_lines(events: tuple[Stamped, ...]) -> None:
    import sys

    printer = LinePrinter(sys.stdout, whole=True)
    for stamped in events:
        printer.stamped(stamped)
    view = view_of(list(events))
    if view.result is not None:
        show(["", *receipt_lines(view)])
