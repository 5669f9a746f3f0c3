"""`check` and `plan`: connect, look, print; nothing is changed."""

from __future__ import annotations

from msgspec import Struct

from ...core.actions import APPLY, Action
from ...core.document_types import Document, text_of
from ...core.documents import check_document, plan_document
from ...core.errors import ExitCode
from ...core.survey import Survey
from ..options import Options
from ..output import show
from ..rehearsing import rehearse_in
from ..sitting import Sitting, look_at, open_sitting
from ..status_lines import target_lines
from ..tables import check_lines, plan_lines


def check(options: Options, *, exit_code: bool) -> int:
    """Print the pre-check; 4 where the plan cannot run, 5 where migrations are pending and `exit_code` is set."""
    with open_sitting(options, "check") as sitting:
        survey = _survey(sitting)
        document = check_document(survey, sitting.target, sitting.view.attempts)
        _print(sitting, document, check_lines(survey))
        sitting.exit_code = _code(survey, pending=exit_code)
    return sitting.exit_code


class Rehearse(Struct, frozen=True, kw_only=True):
    """That a plan is rehearsed first; `shadow` names a database for it."""

    shadow: str | None = None


def plan(options: Options, *, action: Action, sql: bool, rehearse: Rehearse | None = None) -> int:
    """Print the plan, also where it cannot run; 4 then. A rehearsal that fails is a reason why it cannot."""
    with open_sitting(options, "plan") as sitting:
        survey = _survey(sitting, action, exposing=True)
        if rehearse is not None and survey.plan.migrations:
            survey = rehearse_in(sitting, survey, rehearse.shadow)
        _print(sitting, plan_document(survey, sitting.target), plan_lines(survey, sql=sql, exposed=True))
        sitting.exit_code = _code(survey, pending=False)
    return sitting.exit_code


def _survey(sitting: Sitting, action: Action = APPLY, *, exposing: bool = False) -> Survey:
    for text in target_lines(sitting.target):
        sitting.printer.say(text)
    return look_at(sitting, action=action, exposing=exposing)


def _print(sitting: Sitting, document: Document, lines: list[str]) -> None:
    show([text_of(document)] if sitting.options.json else lines)


def _code(survey: Survey, *, pending: bool) -> int:
    if not survey.plan.ready:
        return int(ExitCode.REFUSED)
    return int(ExitCode.PENDING if pending and survey.plan.migrations else ExitCode.DONE)
