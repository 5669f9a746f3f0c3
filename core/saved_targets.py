"""The targets that the guided set-up saves for this user: `targets.toml` in the configuration folder, 0600."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from . import conninfo, settings_file
from .directories import config_root, write_private
from .errors import SettingsError
from .settings import USER_FILE_NAME
from .target import NamedTarget


def user_file(environ: Mapping[str, str] | None = None) -> Path:
    """Return the file in which targets are saved; it may not exist yet."""
    return config_root(environ) / USER_FILE_NAME


def save(target: NamedTarget, *, default: bool, environ: Mapping[str, str] | None = None) -> Path:
    """Add `target` to the saved ones, or put it in place of the one with its name; return the file.

    Raises SettingsError where its URL holds a password or the file that is there is broken, UsageError where it
    cannot be written. The file is whole at every moment.
    """
    if "password" in conninfo.parse(target.url, said_by="The url"):
        raise SettingsError(
            "A target is never saved with its password.",
            advice="Put it into ~/.pgpass (0600), and save the URL without it.",
        )
    file = user_file(environ)
    before = settings_file.read(file, shown=str(file)) if file.is_file() else settings_file.Values()
    chosen = target.name if default else before.values.get("target")
    write_private(file, text_of({**before.targets, target.name: target}, default=chosen))
    return file


def text_of(targets: Mapping[str, NamedTarget], *, default: str | None) -> str:
    """Return the text of a file with these targets."""
    lines = ["# Written by `changeover setup`. Passwords are not kept here: use ~/.pgpass or PGPASSWORD."]
    if default:
        lines.append(f"target = {_quoted(default)}")
    for name, target in targets.items():
        lines += ["", f"[targets.{_quoted(name)}]", f"url = {_quoted(target.url)}"]
        if target.protected:
            lines.append("protected = true")
        if target.read_only:
            lines.append("read_only = true")
        if target.end_blockers:
            lines.append("end_blockers = true")
        if target.environment:
            lines.append(f"environment = {_quoted(target.environment)}")
        if target.migrations:
            lines.append(f"migrations = {_quoted(str(target.migrations))}")
        if target.format:
            lines.append(f"format = {_quoted(target.format)}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Return a TOML basic string; JSON's escapes are TOML's, but for DEL, which TOML wants escaped."""
    return json.dumps(text, ensure_ascii=True).replace("\x7f", "\\u007f")
