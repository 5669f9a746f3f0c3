"""What an operator can ask for beside `apply`, from where a migration stands: undoing, baseline, repair. Pure.

Whether a request can be carried out is for its plan to say, with the reason; here is only what is worth asking.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from .actions import Action, Choice, Settlement, Verb
from .history import History
from .repair import Case, Remedy
from .status import PENDING_STATES, MigrationStatus, State

# Their row says that they are in force.
_IN_FORCE: Final = frozenset({State.APPLIED, State.CHANGED, State.LINE_ENDINGS, State.DEFERRED, State.MISSING_FILE})

# Each in at most 44 letters: a row of the console.
REMEDIES: Final[dict[Remedy, str]] = {
    Remedy.RESUME: "goes on with the first step that is open",
    Remedy.DROP_INVALID: "drops the invalid index, without blocking",
    Remedy.APPLIED: "writes down: all of it is there already",
    Remedy.NOT_APPLIED: "writes down: nothing of it is there",
}


class ActionOffer(Struct, frozen=True, kw_only=True):
    """A request that can be made, in words."""

    action: Action
    label: str
    effect: str


def in_force(statuses: Sequence[MigrationStatus]) -> tuple[MigrationStatus, ...]:
    """Return the migrations that are in force, in the folder's order."""
    return tuple(status for status in statuses if status.state in _IN_FORCE)


def is_to_settle(status: MigrationStatus) -> bool:
    """Whether a repair has something to ask of a migration: its attempt has no honest end."""
    return status.state in {State.PARTIAL, State.IN_DOUBT}


def undo_offers(statuses: Sequence[MigrationStatus], history: History, chosen: str | None) -> tuple[ActionOffer, ...]:
    """Return the ways to undo: the one that was applied last; and, where `chosen` is an earlier one, all after it."""
    there = in_force(statuses)
    if not history.applied or not there:
        return ()
    last = history.applied[-1]
    offers = [
        ActionOffer(
            action=Action(verb=Verb.REVERT),
            label=f"Undo {last.version} {last.name}",
            effect="the last one, by its revert script",
        )
    ]
    versions = [status.version for status in there]
    after = len(versions) - 1 - versions.index(chosen) if chosen in versions else 0
    if chosen is not None and after > 1:
        offers.append(
            ActionOffer(
                action=Action(verb=Verb.REVERT, to=chosen),
                label=f"Undo all {after} after {chosen}",
                effect=f"newest first, each by its revert script; {chosen} stays",
            )
        )
    return tuple(offers)


def baseline_offers(statuses: Sequence[MigrationStatus], chosen: str | None) -> tuple[ActionOffer, ...]:
    """Return the way to mark everything up to `chosen` as applied, where some of it is pending."""
    versions = [status.version for status in statuses]
    if chosen not in versions:
        return ()
    marked = [it for it in statuses[: versions.index(chosen) + 1] if it.state in PENDING_STATES]
    if not marked or marked[-1].version != chosen:
        return ()
    named = marked[0].version if len(marked) == 1 else f"{len(marked)} migrations up to {chosen}"
    return (
        ActionOffer(
            action=Action(verb=Verb.BASELINE, to=chosen),
            label=f"Mark {named} as applied",
            effect="nothing of it is run: the database must have it all already",
        ),
    )


def repairs(answers: Sequence[tuple[Case, Remedy, str]]) -> list[Action]:
    """Return the runs that answers to cases come to: one for what is written down, one for each way of going on.

    An answer is the case, the remedy and the reason that the history keeps.
    """
    settlements = tuple(
        Settlement(version=case.version, choice=Choice(remedy.choice), reason=reason)
        for case, remedy, reason in answers
        if remedy.choice
    )
    actions = [Action(verb=Verb.REPAIR, settlements=settlements)] if settlements else []
    resumed = [case for case, remedy, _ in answers if remedy is Remedy.RESUME]
    if any(not case.undoing for case in resumed):
        actions.append(Action(to=[case.version for case in resumed if not case.undoing][-1]))
    if any(case.undoing for case in resumed):
        actions.append(Action(verb=Verb.REVERT))
    return actions


def reason_of(case: Case, remedy: Remedy) -> str:
    """Return the reason that the history keeps where the operator takes the answer that the catalog proves."""
    return case.why if remedy is case.safe else ""
