"""What the surroundings name already: variables, `.env`, service files, the password file, saved targets.

Reads files and connects to nothing. A value from a `.env` becomes an offer and nothing else: it is never obeyed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from . import dotenv, pgpass, services
from .errors import Fault, TargetError, UsageError, fault_of
from .settings import Settings
from .target import Choice, Target, choose, resolve

# libpq's variables and the connection keys that they stand for.
_KEYS: Final = {
    "PGHOST": "host",
    "PGHOSTADDR": "hostaddr",
    "PGPORT": "port",
    "PGDATABASE": "dbname",
    "PGUSER": "user",
    "PGPASSWORD": "password",
    "PGSSLMODE": "sslmode",
    "PGSERVICE": "service",
    "PGPASSFILE": "passfile",
}


class Offer(Struct, frozen=True, kw_only=True):
    """A target that the environment, a service file or the settings name; `fault` says why it cannot be used."""

    label: str
    choice: Choice
    target: Target | None
    fault: Fault | None = None


def offers(
    settings: Settings, *, environ: Mapping[str, str], home: Path | None = None, start: Path | None = None
) -> tuple[Offer, ...]:
    """Return what is named already, that which works or not; `start` is where a `.env` is looked for."""
    home = home or Path(environ.get("HOME") or Path.home())
    choices: list[tuple[str, Choice]] = []
    if environ.get("DATABASE_URL", "").strip():
        choices.append(("DATABASE_URL", Choice(said_by="DATABASE_URL", text=environ["DATABASE_URL"])))
    try:
        variables = choose(None, environ=without(environ, "DATABASE_URL", "CHANGEOVER_TARGET"), named={})
        choices.append((f"the variables {variables.said_by}", variables))
    except TargetError:
        pass
    choices += _of_dotenv(start)
    for name in services.names(environ, home):
        choices.append((f"service {name}", Choice(said_by=f"service {name}", text=f"service='{name}'")))
    choices.extend(
        (f"target {named.name} of {named.source}", Choice(said_by=named.source, named=named))
        for named in settings.targets.values()
    )
    choices += _of_pgpass(environ, home)
    return _once(tuple(_offer(label, choice, environ, home) for label, choice in choices))


def _of_dotenv(start: Path | None) -> list[tuple[str, Choice]]:
    file = dotenv.find(start) if start is not None else None
    if file is None:
        return []
    said = dotenv.read(file)
    choices: list[tuple[str, Choice]] = []
    if said.get("DATABASE_URL"):
        choices.append(("DATABASE_URL in .env", Choice(said_by=str(file), text=said["DATABASE_URL"])))
    pairs = {_KEYS[name]: value for name, value in said.items() if name in _KEYS}
    if pairs.keys() & {"host", "hostaddr", "dbname", "service"}:
        choices.append(("PG* in .env", Choice(said_by=str(file), text=pairs_text(pairs))))
    return choices


def _of_pgpass(environ: Mapping[str, str], home: Path) -> list[tuple[str, Choice]]:
    """Return the lines of the password file that name host, database and user; the password is looked up later."""
    file = Path(environ.get("PGPASSFILE") or home / ".pgpass")
    return [
        (
            f"{file.name}, line {each.line}",
            Choice(
                said_by=str(file),
                text=pairs_text({"host": each.host, "port": each.port, "dbname": each.database, "user": each.user}),
            ),
        )
        for each in pgpass.named(file)
    ]


def _once(found: tuple[Offer, ...]) -> tuple[Offer, ...]:
    """Return the lines of a password file only where nothing else names their database."""
    seen: set[str] = set()
    kept: list[Offer] = []
    for offer in found:
        key = str(offer.target)
        if offer.target is None or key not in seen or ", line " not in offer.label:
            kept.append(offer)
        seen.add(key)
    return tuple(kept)


def _offer(label: str, choice: Choice, environ: Mapping[str, str], home: Path) -> Offer:
    try:
        return Offer(label=label, choice=choice, target=resolve(choice, environ=environ, home=home))
    except UsageError as error:
        return Offer(label=label, choice=choice, target=None, fault=fault_of(error))


def pairs_text(pairs: Mapping[str, str | None]) -> str:
    """Return connection keys with their values in libpq's own notation; None and empty values are left out."""
    return " ".join(f"{key}={_quoted(value)}" for key, value in pairs.items() if value)


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def without(environ: Mapping[str, str], *names: str) -> dict[str, str]:
    """Return the environment without these variables."""
    return {name: value for name, value in environ.items() if name not in names}
