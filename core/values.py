"""Where the values of a folder's placeholders come from, and which of those that were filled in nobody may read.

Settings and environment are taken when the settings are loaded and go to the runner as they were then, and what the
server says is said by the same database: what a person approves and what runs is filled in alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from .folders.reader import Options
from .history.find import Tables
from .migration import Folder
from .script import Script
from .secret import Secret
from .settings import Settings

# Words of a name that say that its value is for nobody to see.
_TELLING: Final = frozenset({
    "PASSWORD", "PASSWD", "PASSPHRASE", "PASS", "PWD", "SECRET", "SECRETS", "TOKEN", "KEY", "APIKEY", "CREDENTIAL",
    "CREDENTIALS", "SALT", "DSN", "URL",
})  # fmt: skip


def options_of(settings: Settings, tables: Tables | None = None) -> Options:
    """Return what a folder is read with; without a connection, what the server would say has no value."""
    return Options(
        placeholders=settings.placeholders,
        environ={name: value.reveal() for name, value in settings.environ.items()},
        now=settings.loaded_at,
        database=tables.database if tables else None,
        user=tables.user if tables else None,
        schema=tables.current_schema if tables else None,
    )


def secrets_of(settings: Settings, folder: Folder) -> tuple[Secret, ...]:
    """Return the values that were filled in and whose names tell that they are secret: to be masked in every log."""
    scripts = [script for script in _scripts(folder) if script.substituted]
    texts = [one.sql for script in scripts for one in script.statements]
    return tuple(secret for secret in named_secrets(settings) if any(secret.reveal() in text for text in texts))


def named_secrets(settings: Settings) -> frozenset[Secret]:
    """Return all values that placeholders could have, and whose names tell that they are secret."""
    said = {name: Secret(value) for name, value in settings.placeholders.items()} | settings.environ
    return frozenset(it for name, it in said.items() if _TELLING & set(re.split(r"[^A-Z0-9]+", name.upper())))


def _scripts(folder: Folder) -> Iterator[Script]:
    for migration in folder.migrations:
        sides = (migration.revert, migration.verify)
        yield from (migration.script, *(side.script for side in sides if side is not None))
