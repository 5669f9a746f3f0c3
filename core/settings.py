"""changeover.toml + environment + flags -> one frozen `Settings`; every value knows its source.

A flag stands before a variable (CHANGEOVER_RETRIES and the like), a variable before the chosen target's own values,
those before the file. The file is `changeover.toml` in the working directory or the nearest folder above it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from . import settings_file
from .directories import config_root
from .errors import Place, SettingsError
from .limits import Limits
from .secret import Secret
from .settings_file import FORMATS, Values
from .target import NamedTarget, Target

FILE_NAME: Final = "changeover.toml"
USER_FILE_NAME: Final = "targets.toml"


class Retry(Struct, frozen=True, kw_only=True):
    """How a connection is tried: `retries` more times, each at most `timeout` seconds, DNS to authentication."""

    retries: int = 3
    timeout: float = 30.0
    # first wait in seconds; doubled each time, jittered by a fifth
    first_wait: float = 1.0
    # longest wait
    last_wait: float = 30.0


class Retention(Struct, frozen=True, kw_only=True):
    """Which session logs are kept: younger than `days`, at most `sessions` of them, of `megabytes` together."""

    days: float = 180.0
    sessions: int = 200
    megabytes: float = 512.0


class Settings(Struct, frozen=True, kw_only=True):
    """Everything that a face needs to call the engine, but for the target."""

    # changeover.toml, where there is one
    file: Path | None = None
    migrations: Path | None = None
    format: str | None = None
    # of the native history tables
    schema: str = "changeover"
    # of another tool's history, with its schema or without; None where the tool's own default holds
    history_table: str | None = None
    # name -> value, for the formats that substitute placeholders
    placeholders: dict[str, str] = field(default_factory=dict)
    # variables of the environment: some formats read their placeholders' values from it
    environ: dict[str, Secret] = field(default_factory=dict)
    # when the settings were read, for the format that has a placeholder for the time; with a time zone
    loaded_at: datetime | None = None
    retry: Retry = field(default_factory=Retry)
    limits: Limits = field(default_factory=Limits)
    retention: Retention = field(default_factory=Retention)
    # hazard id -> reason
    allowed_hazards: dict[str, str] = field(default_factory=dict)
    # where the file says it
    allowed_places: dict[str, Place] = field(default_factory=dict)
    # what the operator has allowed while looking at the plan, with the reason that was typed
    operator_allows: dict[str, str] = field(default_factory=dict)
    out_of_order: bool = False
    read_only: bool = False
    # of the chosen target: whether a person may end who blocks a run, from the lock panel
    end_blockers: bool = False
    # by name: the project's, then those that the set-up saved for this user
    targets: dict[str, NamedTarget] = field(default_factory=dict)
    # name of the target that applies where nothing else says one
    default_target: str | None = None
    # value name -> "changeover.toml:4", "CHANGEOVER_...", "--flag" or "default"
    sources: dict[str, str] = field(default_factory=dict)


class Flags(Struct, frozen=True, kw_only=True):
    """What the command line says; None and empty where it is silent."""

    migrations: Path | None = None
    format: str | None = None
    schema: str | None = None
    history_table: str | None = None
    retries: int | None = None
    connect_timeout: float | None = None
    lock_timeout: float | None = None
    allow: tuple[str, ...] = ()
    out_of_order: bool = False
    read_only: bool = False


def load(*, start: Path, environ: Mapping[str, str], flags: Flags) -> Settings:
    """Return the settings in force in the folder `start`. Raises SettingsError with file and line."""
    file = find_file(start)
    project = settings_file.read(file, shown=_shown(file, start)) if file else Values()
    user_file = config_root(environ) / USER_FILE_NAME
    user = settings_file.read(user_file, shown=str(user_file)) if user_file.is_file() else Values()
    values, sources = _layered(project, _from_environment(environ), _from_flags(flags))
    migrations = _migrations(values, sources, start, file)
    allowed = {**project.allow, **_allowed_by(environ, flags)}
    default = project.values.get("target") or user.values.get("target")
    targets = {**user.targets, **project.targets}
    _check_default(default, targets, project, user)
    retry, limits, retention = Retry(), Limits(), Retention()
    return Settings(
        file=file,
        migrations=migrations,
        format=values.get("format"),
        schema=values.get("schema", "changeover"),
        history_table=values.get("history_table"),
        placeholders=project.placeholders,
        environ={name: Secret(value) for name, value in environ.items()},
        loaded_at=datetime.now().astimezone(),
        retry=replace(
            retry,
            retries=values.get("retries", retry.retries),
            timeout=values.get("connect_timeout", retry.timeout),
        ),
        limits=replace(
            limits,
            lock_timeout=values.get("lock_timeout", limits.lock_timeout),
            lock_attempts=values.get("lock_attempts", limits.lock_attempts),
            lock_pause=values.get("lock_pause", limits.lock_pause),
            statement_timeout=values.get("statement_timeout", limits.statement_timeout),
        ),
        retention=Retention(
            days=values.get("log_days", retention.days),
            sessions=values.get("log_sessions", retention.sessions),
            megabytes=values.get("log_megabytes", retention.megabytes),
        ),
        allowed_hazards=allowed,
        allowed_places=project.allow_places,
        out_of_order=values.get("out_of_order", False),
        read_only=values.get("read_only", False),
        targets=targets,
        default_target=default,
        sources=sources,
    )


def for_target(settings: Settings, target: Target) -> Settings:
    """Return the settings as the chosen target has them: migrations, format, read-only, connect_timeout, end_blockers.

    A flag or a CHANGEOVER_ variable stands before the target's own value; with another folder than the target's, the
    target's format does not apply.
    """
    sources = dict(settings.sources)
    named = settings.targets.get(target.name) if target.name else None
    migrations, format_, retry = settings.migrations, settings.format, settings.retry
    read_only = settings.read_only
    if named and named.migrations and not _said_outside(sources.get("migrations")):
        migrations, sources["migrations"] = named.migrations, named.source
    if named and named.format and named.migrations in {None, migrations} and not _said_outside(sources.get("format")):
        format_, sources["format"] = named.format, named.source
    if target.connect_timeout and not _said_outside(sources.get("connect_timeout")):
        retry = replace(retry, timeout=target.connect_timeout)
        sources["connect_timeout"] = target.sources["connect_timeout"]
    if target.read_only and not read_only:
        read_only, sources["read_only"] = True, named.source if named else "target"
    end_blockers = named is not None and named.end_blockers
    if named and end_blockers:
        sources["end_blockers"] = named.source
    return replace(
        settings,
        migrations=migrations,
        format=format_,
        retry=retry,
        read_only=read_only,
        end_blockers=end_blockers,
        sources=sources,
    )


def find_file(start: Path) -> Path | None:
    """Return changeover.toml in `start` or the nearest folder above it."""
    start = start.absolute()
    return next((folder / FILE_NAME for folder in (start, *start.parents) if (folder / FILE_NAME).is_file()), None)


def _said_outside(source: str | None) -> bool:
    return source is not None and source.startswith(("--", "CHANGEOVER_"))


def _shown(file: Path, start: Path) -> str:
    """Return the file's name as it is reached from the working directory."""
    try:
        return os.path.relpath(file, start)
    except ValueError:
        return str(file)


def _layered(file: Values, *others: tuple[dict[str, Any], dict[str, str]]) -> tuple[dict[str, Any], dict[str, str]]:
    values, sources = dict(file.values), {key: str(source) for key, source in file.sources.items()}
    for more, origins in others:
        values.update(more)
        sources.update(origins)
    return values, sources


def _from_environment(environ: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for key, kind in settings_file.KINDS.items():
        variable = f"CHANGEOVER_{key.upper()}"
        text = environ.get(variable, "").strip()
        if not text or key == "target":
            continue
        try:
            values[key] = kind.from_text(text)
        except ValueError as error:
            raise SettingsError(
                f"{variable} must be {error}.", advice=f"Set it to that, or leave the default: unset {variable}."
            ) from None
        sources[key] = variable
    return values, sources


def _from_flags(flags: Flags) -> tuple[dict[str, Any], dict[str, str]]:
    said: dict[str, Any] = {
        "migrations": str(flags.migrations) if flags.migrations is not None else None,
        "format": flags.format,
        "schema": flags.schema,
        "history_table": flags.history_table,
        "retries": flags.retries,
        "connect_timeout": flags.connect_timeout,
        "lock_timeout": flags.lock_timeout,
        "out_of_order": flags.out_of_order or None,
        "read_only": flags.read_only or None,
    }
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for key, value in said.items():
        if value is None:
            continue
        flag = f"--{key.replace('_', '-')}"
        try:
            values[key] = settings_file.KINDS[key].check(value)
        except ValueError as error:
            raise SettingsError(
                f"{flag} must be {error}.", advice=f"Say {flag} with that, or leave it out for the default."
            ) from None
        sources[key] = flag
    return values, sources


def _migrations(values: Mapping[str, Any], sources: dict[str, str], start: Path, file: Path | None) -> Path | None:
    said = values.get("migrations")
    if said is not None:
        base = start if _said_outside(sources["migrations"]) or file is None else file.parent
        return Path(os.path.normpath(base.absolute() / Path(said).expanduser()))
    for folder in (start, *([file.parent] if file else [])):
        if (folder / "migrations").is_dir():
            sources["migrations"] = "default"
            return folder.absolute() / "migrations"
        if (folder / "sqitch.plan").is_file():
            # a project of Sqitch is its plan, with the scripts in folders beside it
            sources["migrations"] = "default"
            return folder.absolute()
    return None


def _allowed_by(environ: Mapping[str, str], flags: Flags) -> dict[str, str]:
    variable = [hazard.strip() for hazard in environ.get("CHANGEOVER_ALLOW", "").split(",") if hazard.strip()]
    return {**dict.fromkeys(variable, "CHANGEOVER_ALLOW"), **dict.fromkeys(flags.allow, "--allow")}


def _check_default(default: str | None, targets: Mapping[str, NamedTarget], project: Values, user: Values) -> None:
    if default is None or default in targets:
        return
    place: Place = (project if "target" in project.values else user).sources["target"]
    raise SettingsError(
        f"target names {default}, which is not defined.",
        advice=f"Defined are: {', '.join(targets) or 'none'}.",
        place=place,
    )


__all__ = [
    "FILE_NAME",
    "FORMATS",
    "USER_FILE_NAME",
    "Flags",
    "Retention",
    "Retry",
    "Settings",
    "find_file",
    "for_target",
    "load",
]
