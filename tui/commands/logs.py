"""`logs`: list the sessions, print one, replay one, say where they are, remove old ones."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from ...core.codec import event_line
from ...core.directories import log_root
from ...core.document_types import VERSION, PathDocument, text_of
from ...core.documents import logs_document, prune_document, session_document
from ...core.retention import prune
from ...core.session_log import list_sessions, read_session
from ...core.settings import Flags, Retention, load
from ...core.view import Stamped, view_of
from ..folding import room_on
from ..format import count, visible
from ..lines import LinePrinter
from ..options import Options
from ..output import show
from ..tables import receipt_lines, sessions_lines


def list_logs(options: Options) -> int:
    """Print the sessions, newest first."""
    sessions = list_sessions()
    if options.json:
        show([text_of(logs_document(str(log_root()), sessions))])
    else:
        show(sessions_lines(sessions, room=room_on(sys.stdout)))
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


def prune_logs(
    options: Options, *, older_than: float | None, keep: int | None, max_size: float | None, dry_run: bool
) -> int:
    """Remove the sessions that are not kept, by the settings and what is said here. Raises SettingsError."""
    settings = load(start=Path.cwd(), environ=os.environ, flags=Flags())
    kept = settings.retention
    retention = Retention(
        days=kept.days if older_than is None else older_than,
        sessions=kept.sessions if keep is None else keep,
        megabytes=kept.megabytes if max_size is None else max_size,
    )
    removals = prune(retention, dry_run=dry_run)
    if options.json:
        show([text_of(prune_document(str(log_root()), removals, dry_run=dry_run))])
        return 0
    verb = "would be removed" if dry_run else "removed"
    lines = [f"{one.session.id}  {visible(one.session.target)}  {one.why}" for one in removals]
    show([*lines, f"{count(len(removals), 'session')} {verb} of {log_root()}"])
    return 0


def path(options: Options, session: str | None) -> int:
    """Print the folder of a session, or of all of them."""
    folder = log_root()
    if session is not None:
        read_session(session)
        folder /= session
    document = PathDocument(changeover=VERSION, path=str(folder))
    show([text_of(document)] if options.json else [str(folder)])
    return 0


def _print_lines(events: tuple[Stamped, ...]) -> None:
    printer = LinePrinter(sys.stdout, whole=True)
    for stamped in events:
        printer.stamped(stamped)
    view = view_of(list(events))
    if view.result is not None:
        show(["", *receipt_lines(view)])
