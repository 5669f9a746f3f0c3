"""How the plain face comes to an approval: a flag that says so, or an answer at a terminal; never by silence."""

from __future__ import annotations

import re
from functools import partial
from typing import Final

from msgspec import Struct

from ..core.errors import ApprovalNeeded, Declined, UsageError
from ..core.plan import Approval
from ..core.session_log import who
from ..core.survey import Survey
from ..core.target import Target
from . import prompt
from .format import count, visible

# A prefix of the digest as short as what is shown on a screen is enough to say which plan was read.
_DIGEST_SHOWN = 12


# what would become of the migrations of a plan, by what it does
_WOULD: Final = {
    "apply": "run",
    "revert": "be reverted",
    "baseline": "be marked as applied",
    "repair": "be settled",
}


class Consent(Struct, frozen=True, kw_only=True):
    """What the command line says beforehand: --yes, --approve DIGEST, --confirm-database NAME, --on-hangup POLICY."""

    yes: bool = False
    digest: str | None = None
    database: str | None = None
    # as in an `Approval`
    on_hangup: str = "finish"
    # what the command can be told instead of being asked
    options: str = "--yes, or --approve DIGEST of the plan that you have read"

    def is_given(self, target: Target) -> bool:
        """Whether nobody has to be asked, whatever the plan."""
        return self.digest is not None or self.database is not None or (self.yes and not target.protected)


def approve(survey: Survey, target: Target, consent: Consent, *, can_ask: bool, verb: str = "apply") -> Approval:
    """Return the approval of the survey's plan; `verb` is what the plan does, as the question says it.

    Raises ApprovalNeeded where nothing was said and nobody can be asked, Declined where the answer is no, PlanChanged
    where another plan was approved, UsageError where what was approved is no plan at all.
    """
    plan = survey.plan
    leave = partial(plan.approve, by=_person(), on_hangup=consent.on_hangup)
    if consent.digest is not None:
        said = _digest(consent.digest)
        whole = plan.digest if plan.digest.startswith(said) else said
        return leave(digest=whole, how="--approve", typed=consent.digest)
    if consent.database is not None:
        if consent.database != survey.server.database:
            raise ApprovalNeeded(
                f"--confirm-database names {consent.database}, and this is {survey.server.database}.",
                advice="Nothing was run. Check the target, then name the database as the server does.",
            )
        return leave(digest=plan.digest, how="--confirm-database", typed=consent.database)
    if consent.yes and not target.protected:
        return leave(digest=plan.digest, how="--yes")
    if not can_ask:
        raise _nobody_to_ask(target, survey, consent, verb)
    how, typed = _asked(survey, target, verb)
    return leave(digest=plan.digest, how=how, typed=typed)


def _digest(text: str) -> str:
    said = text.strip().lower()
    if not re.fullmatch(rf"[0-9a-f]{{{_DIGEST_SHOWN},64}}", said):
        raise UsageError(
            f"--approve takes the digest of a plan, and {text} is none.",
            advice=f"`changeover plan` prints it after the word plan; its first {_DIGEST_SHOWN} digits are enough.",
        )
    return said


def _nobody_to_ask(target: Target, survey: Survey, consent: Consent, verb: str) -> ApprovalNeeded:
    size, would = count(len(survey.plan.migrations), "migration"), _WOULD[verb]
    summary = f"{size} on {target} would {would}, and nobody can be asked here."
    if not target.protected:
        return ApprovalNeeded(summary, advice=f"Say {consent.options}.")
    digest, database = survey.plan.digest, survey.server.database
    return ApprovalNeeded(
        f"{summary} The target is protected: --yes is not enough.",
        advice=f"Say --approve {digest} once a person has read that plan, or --confirm-database {database}.",
    )


def _asked(survey: Survey, target: Target, verb: str) -> tuple[str, str]:
    """Ask, and return how it was answered and with which words."""
    plan, server = survey.plan, survey.server
    prompt.say("")
    prompt.say(f"Server    {visible(target.address)}, PostgreSQL {visible(server.version)}")
    prompt.say(
        f"Database  {visible(server.database)}" + (f" ({visible(target.environment)})" if target.environment else "")
    )
    prompt.say(f"Role      {visible(server.user)}")
    prompt.say(f"Plan      {plan.digest[:_DIGEST_SHOWN]}: {count(len(plan.migrations), 'migration')}, "
               f"{count(plan.statement_count, 'statement')}")  # fmt: skip
    if target.protected:
        typed = prompt.ask(f"The target is protected. Type the name of the database to {verb}, or nothing to leave")
        if typed != server.database:
            raise Declined("Declined: the name of the database was not typed. Nothing was changed.", advice="")
        return "typed database name", typed
    typed = prompt.ask(f"{verb.capitalize()}? [y/N]")
    if not prompt.is_yes(typed):
        raise Declined("Declined. Nothing was changed.", advice="")
    return "answered yes", typed


def _person() -> str:
    person = who()
    return f"{person.sudo_user or person.os_user}@{person.host}"
