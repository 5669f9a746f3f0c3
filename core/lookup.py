"""Which migration of a folder a person means by what was typed. Pure."""

from __future__ import annotations

import re
from typing import Final

from .errors import UsageError
from .flyway import order_of, version_of
from .migration import Folder, Migration

# The beginning of an identity of Sqitch, and how long one is.
_IDENTITY: Final = re.compile(r"[0-9a-f]{7,40}")
_WHOLE: Final = 40


def index_of(folder: Folder, typed: str) -> int:
    """Return where in the folder the migration is that `typed` names.

    That is its version (007 is 7, and 1_1 or 1.1.0 is 1.1), its file with or without the folder before it and `.sql`
    behind it, the beginning of an identity, or what the folder's own tool calls it besides (a change of Sqitch, or the
    tag on it).
    Raises `UsageError` where the folder has none of that name, or several.
    """
    exact = [n for n, it in enumerate(folder.migrations) if typed in {it.version, it.file, it.stem}]
    if exact:
        return exact[0]
    found = [n for n, it in enumerate(folder.migrations) if _is_meant(it, typed)]
    if len(found) == 1:
        return found[0]
    if found:
        names = [folder.migrations[n].also_called[:1] or (folder.migrations[n].file,) for n in found]
        raise UsageError(
            f"{typed} is the name of {len(found)} migrations in {folder.path}.",
            advice=f"Say which one: {', '.join(name for (name,) in names)}.",
        )
    raise UsageError(f"There is no migration {typed} in {folder.path}.", advice=_range(folder))


def _is_meant(migration: Migration, typed: str) -> bool:
    base = migration.file.rpartition("/")[2]
    if typed in {base, base.rpartition(".")[0], *migration.also_called}:
        return True
    if _IDENTITY.fullmatch(typed) and len(migration.version) == _WHOLE:
        return migration.version.startswith(typed)
    wanted, here = version_of(typed), version_of(migration.version)
    return wanted is not None and here is not None and order_of(wanted) == order_of(here)


def _range(folder: Folder) -> str:
    first, last = folder.migrations[0], folder.migrations[-1]
    return f"The folder goes from {_shown(first)} to {_shown(last)}."


def _shown(migration: Migration) -> str:
    return migration.also_called[0] if migration.also_called else migration.version
