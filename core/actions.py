"""What a run is asked to do: a frozen value, part of the request to the runner and of the plan's digest."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Verb(StrEnum):
    """The four things that a run can do; all go through one plan, one confirmation and one runner."""

    APPLY = "apply"
    REVERT = "revert"
    BASELINE = "baseline"
    REPAIR = "repair"


class Choice(StrEnum):
    """What `repair` does with a migration that stopped half-way.

    DROP_INVALID drops what a failed build left, concurrently, and leaves the rest to the next apply. APPLIED writes
    down that the operator found it done; NOT_APPLIED that it is as if it had never begun, or was undone by hand.
    """

    DROP_INVALID = "drop-invalid"
    APPLIED = "applied"
    NOT_APPLIED = "not-applied"


class Settlement(Struct, frozen=True, kw_only=True):
    """An operator's word on one migration, with the reason that the history keeps."""

    version: str
    choice: Choice
    reason: str = ""


class Action(Struct, frozen=True, kw_only=True):
    """One request."""

    verb: Verb = Verb.APPLY
    # apply and baseline: the last version, included; revert: the version to go down to, which stays
    to: str | None = None
    # apply: an invalid index in the way of its own CREATE INDEX is dropped concurrently and built again
    rebuild_invalid: bool = False
    # repair
    settlements: tuple[Settlement, ...] = ()


APPLY = Action()
