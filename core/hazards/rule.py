"""What a hazard rule is: the function that finds it, and beside it everything that is said about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from msgspec import Struct

from .case import Case

# Stops the run unless it is allowed by name: it blocks the application for long, it will fail, or it loses data.
SEVERE: Final = "severe"
# Shown, and stops nothing: a short strong lock, a change that running applications may not expect.
WARNING: Final = "warning"
# Shown last: what one would do differently in a new table.
NOTE: Final = "note"

_MANUAL: Final = "https://www.postgresql.org/docs/18/"


class Danger(Struct, frozen=True, kw_only=True):
    """What a rule found in a statement."""

    # the relation, or whatever object it is about, qualified
    relation: str
    # what happens: the lock, on what, and the rows and the size of this very table
    text: str
    # SQL for this very statement; empty where there is no other way
    instead: str = ""
    # whether `instead` can run as it is, and then has done what the statement does
    complete: bool = False
    # how long it blocks at the stated rate; None where the size is not known, or it does not work on rows
    seconds: float | None = None


class Example(Struct, frozen=True, kw_only=True):
    """A migration in which a rule finds something, or nothing; `schema` is what is there before, rows included.

    It is so on the major versions from `since` to `until`.
    """

    migration: str
    schema: str
    since: int = 13
    until: int = 18


Find: TypeAlias = Callable[[Case], Iterable[Danger]]


class Rule(Struct, frozen=True, kw_only=True):
    """A named danger."""

    id: str
    severity: str
    title: str
    # what happens and why, in general
    why: str
    # the safe way, in general
    safe: str
    # the manual's section
    manual: str
    find: Find
    bad: tuple[Example, ...]
    good: tuple[Example, ...]
    # whether a revert script is expected to do it: to take away what the migration has made is what it is for
    undoes: bool = False


def rule(
    *,
    id: str,  # noqa: A002 - the document's own word
    severity: str,
    title: str,
    why: str,
    safe: str,
    manual: str,
    bad: tuple[Example, ...],
    good: tuple[Example, ...],
    undoes: bool = False,
) -> Callable[[Find], Rule]:
    """Make a rule of the function below it; `manual` is the page, with its anchor."""

    def made(find: Find) -> Rule:
        return Rule(
            id=id, severity=severity, title=title, why=why, safe=safe, manual=_MANUAL + manual, find=find, bad=bad,
            good=good, undoes=undoes,
        )  # fmt: skip

    return made
