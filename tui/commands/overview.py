"""The overview in lines, or as a document: what the console shows first, where there is no terminal for it."""

from __future__ import annotations

from ...core.document_types import text_of
from ...core.documents import status_document
from ..options import Options
from ..output import show
from ..sitting import look_at, open_sitting
from ..status_lines import status_lines, target_lines
from ..tables import verdict_lines


def overview(options: Options, command: str) -> int:
    """Print what the first screen shows; `command` is what the session log calls it."""
    with open_sitting(options, command) as sitting:
        for text in target_lines(sitting.target):
            sitting.printer.say(text)
        survey = look_at(sitting)
        if options.json:
            show([text_of(status_document(survey, sitting.target, pending=len(survey.plan.migrations)))])
        else:
            show([*status_lines(survey), "", *verdict_lines(survey)])
    return sitting.exit_code
