"""Where configuration, session logs and demo data live for this user, and how private files are made.

The folders are platformdirs' own; CHANGEOVER_HOME moves all three under one folder.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import platformdirs

from .errors import UsageError

_APP = "changeover"


def config_root(environ: Mapping[str, str] | None = None) -> Path:
    """Return the folder of this user's configuration; it may not exist yet."""
    return _moved("config", environ) or Path(platformdirs.user_config_dir(_APP, appauthor=False))


def log_root(environ: Mapping[str, str] | None = None) -> Path:
    """Return the folder of this user's session logs; it may not exist yet."""
    return _moved("log", environ) or Path(platformdirs.user_log_dir(_APP, appauthor=False))


def data_root(environ: Mapping[str, str] | None = None) -> Path:
    """Return the folder of the demo's data; it may not exist yet."""
    return _moved("data", environ) or Path(platformdirs.user_data_dir(_APP, appauthor=False))


def _moved(part: str, environ: Mapping[str, str] | None) -> Path | None:
    home = (os.environ if environ is None else environ).get("CHANGEOVER_HOME", "").strip()
    return Path(home).expanduser().absolute() / part if home else None


def make_private(folder: Path) -> Path:
    """Make `folder`, 0700, and what is missing above it; return it. Raises UsageError where that cannot be done.

    A folder that is there already keeps its mode: it may be shared on purpose, and our files are 0600 anyway.
    """
    missing = [part for part in (folder, *folder.parents) if not part.exists()]
    try:
        # one by one: mkdir(parents=True) gives its mode to the last folder only
        for part in reversed(missing):
            part.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"The folder {folder} cannot be made: {error.strerror}.",
            advice="Make it yourself, or set CHANGEOVER_HOME to a folder that you may write to.",
        ) from None
    return folder


def write_private(path: Path, text: str) -> None:
    """Write a 0600 file in place of `path`, whole or not at all. Raises UsageError where that cannot be done."""
    make_private(path.parent)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(
            f"The file {path} cannot be written: {error.strerror}.",
            advice="What was there before is unchanged. Look at the folder's owner, rights and room.",
        ) from None
