"""The rules over the statements of a plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..directives import Allowance
from ..judge import Judged
from ..plan import HazardFinding
from ..precheck import Decision
from .rules import RULES

# Allows every hazard, where a setting or flag says so; a file names what it allows.
ALL = "all"
# What the settings put down for a hazard that was allowed on the command line.
_FLAG = "--allow"


def find(
    judged: Judged, *, in_file: Iterable[Allowance], settings: Mapping[str, str], version: int
) -> tuple[HazardFinding, ...]:
    """Return the hazards of a statement, each with who allowed it; none where it is skipped or deferred.

    A table that the plan itself makes, or that is known to be empty, is exempt: there are no rows and nobody waits.
    `settings` maps hazards to the reason or the flag that allows them; `version` is server_version_num.
    """
    if judged.decision is not Decision.RUN:
        return ()
    stated = {item.hazard for item in (*in_file, *judged.statement.allows)}
    found: dict[tuple[str, str], HazardFinding] = {}
    for toil in judged.toils:
        relation = toil.state.relation
        if relation is None or relation.is_empty:
            continue
        for rule in RULES:
            danger = rule.find(judged, toil, version)
            if danger is not None and (rule.id, danger.relation) not in found:
                found[rule.id, danger.relation] = HazardFinding(
                    id=rule.id,
                    severity=rule.severity,
                    relation=danger.relation,
                    text=danger.text,
                    instead=danger.instead,
                    allowed_by=_allowed(rule.id, stated, settings),
                )
    return tuple(found.values())


def _allowed(hazard: str, stated: set[str], settings: Mapping[str, str]) -> str | None:
    if hazard in stated:
        return "file"
    reason = settings.get(hazard, settings.get(ALL))
    if reason is None:
        return None
    return "flag" if reason == _FLAG else "settings"
