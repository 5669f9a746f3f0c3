"""`status`: the state of every migration, from folder and history. Imports no more than that needs."""

from __future__ import annotations

from ...core.errors import ExitCode
from ...core.status import pending_at_a_glance
from ..options import Options
from ..output import show
from ..sitting import Sitting, glance_at, look_at, open_sitting
from ..status_lines import status_lines, target_lines


def status(options: Options, *, exit_code: bool) -> int:
    """Print every migration and its state; 5 where migrations are pending and `exit_code` is set."""
    with open_sitting(options, "status") as sitting:
        for text in target_lines(sitting.target):
            sitting.printer.say(text)
        found = glance_at(sitting)
        counts = exit_code or options.json
        pending = _pending(sitting, pending_at_a_glance(found.statuses)) if counts else 0
        if options.json:
            from ...core.document_types import text_of
            from ...core.documents import status_document

            show([text_of(status_document(found, sitting.target, pending=pending))])
        else:
            show(status_lines(found))
        sitting.exit_code = int(ExitCode.PENDING if exit_code and pending else ExitCode.DONE)
    return sitting.exit_code


def _pending(sitting: Sitting, known: int | None) -> int:
    """Return how many migrations would run: where the catalog has a say in it, a plan is made to know."""
    return len(look_at(sitting).plan.migrations) if known is None else known
