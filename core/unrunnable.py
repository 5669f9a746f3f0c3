"""Why a plan cannot run a file as it is, and what is odd about one that it can. Pure.

Files of other tools' folders are read whatever is in them: these come up when a plan would run one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from .errors import Fault
from .items import Item
from .migration import Folder, Migration
from .status import PENDING_STATES, MigrationStatus

_RUNS: Final = frozenset({"migration", "deferred", "revert"})


def of_items(items: Sequence[Item]) -> list[Fault]:
    """Return why something of the plan cannot run: a language that is not SQL, or what is in a file."""
    found: list[Fault] = []
    for number, item in enumerate(items):
        if item.kind not in _RUNS:
            continue
        if item.migration.foreign:
            found.append(_foreign(item.migration, items[number - 1].migration if number else None))
            break
        found += item.migration.script.refusals
    return found


def notes_of(items: Iterable[Item]) -> list[Fault]:
    """Return what a person should know of the files that run."""
    return [note for item in items if item.kind in _RUNS for note in item.migration.script.notes]


def _foreign(migration: Migration, before: Migration | None) -> Fault:
    first = f"Apply up to the one before it (--to {before.version}), run it" if before else "Run it"
    return Fault(
        id="not-sql",
        summary=f"{migration.file} is {migration.foreign}, which only its own tool can run.",
        advice=f"{first} with that tool, and apply again: Changeover goes on after it.",
        file=migration.file,
        line=1,
    )


def beyond(folder: Folder, states: Sequence[MigrationStatus], items: Sequence[Item]) -> list[Fault]:
    """Return that the plan ends before a migration that only its own tool can run."""
    pending = {it.version for it in states if it.state in PENDING_STATES}
    planned = {item.migration.version for item in items}
    first = next((it for it in folder.migrations if it.foreign and it.version in pending), None)
    if first is None or first.version in planned or not any(item.kind == "migration" for item in items):
        return []
    return [
        Fault(
            id="not-sql",
            summary=f"The plan ends before {first.file}: it is {first.foreign}, which only its own tool can run.",
            advice="Run it with that tool after this plan, and apply again: Changeover goes on after it.",
            file=first.file,
            line=1,
        )
    ]
