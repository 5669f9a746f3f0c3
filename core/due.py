"""Which migrations of a folder are meant for a database with this history, where a format has more than one way. Pure.

A baseline (Flyway's `B`, a checkpoint of Atlas) stands for everything up to its version, on a database that has no
history yet. On any other one it is passed over.
"""

from __future__ import annotations

from collections.abc import Collection

from msgspec.structs import replace

from .migration import Folder, Kind


def meant_for(folder: Folder, begun_with: Collection[str], applied: Collection[str]) -> Folder:
    """Return the folder without what a database with these versions in force never gets.

    `begun_with` are the versions whose rows say that they are baselines. Of a database without a history: without what
    its newest baseline stands for, and without the older baselines. Of any other one: without the baselines but for
    the one that it began with, and without what that one stands for.
    """
    baselines = [n for n, it in enumerate(folder.migrations) if it.kind is Kind.BASELINE]
    if not baselines:
        return folder
    here = [n for n in baselines if folder.migrations[n].version in begun_with] if applied else baselines
    start = here[-1] if here else -1
    # a file of the baseline's own version is among what it stands for
    own = folder.migrations[start].version if start >= 0 else None
    return replace(
        folder,
        migrations=tuple(
            it
            for n, it in enumerate(folder.migrations)
            if n == start or (it.kind is not Kind.BASELINE and n > start and it.version != own)
        ),
    )
