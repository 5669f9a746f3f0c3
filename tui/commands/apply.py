"""`apply`, `revert` and `baseline`: what the command line says, as an action that is carried out."""

from __future__ import annotations

from ...core.actions import Action, Verb
from ..approval import Consent
from ..options import Options
from ..sitting import Sitting, open_sitting
from .carry_out import Leave, carry_out


def apply(options: Options, *, action: Action, leave: Leave) -> int:
    """Apply what is pending and return how that ended; see `ExitCode`."""
    with open_sitting(options, "apply") as sitting:
        sitting.exit_code = carry_out(sitting, action, leave)
    return sitting.exit_code


def apply_on(sitting: Sitting, *, to: str | None, consent: Consent) -> int:
    """Do the work of `apply` in a sitting that is open."""
    return carry_out(sitting, Action(to=to), Leave(consent=consent))


def revert(options: Options, *, to: str | None, leave: Leave) -> int:
    """Undo the last migration, or those after `to`, by their revert scripts; see `ExitCode`."""
    with open_sitting(options, "revert") as sitting:
        sitting.exit_code = carry_out(sitting, Action(verb=Verb.REVERT, to=to), leave)
    return sitting.exit_code


def baseline(options: Options, *, version: str, leave: Leave) -> int:
    """Mark everything up to a version as applied without running it; see `ExitCode`."""
    with open_sitting(options, "baseline") as sitting:
        sitting.exit_code = carry_out(sitting, Action(verb=Verb.BASELINE, to=version), leave)
    return sitting.exit_code
