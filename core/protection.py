"""What is said of a database under a target's name holds however the database is named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from .errors import TargetError
from .target import Choice, NamedTarget, Target, resolve


def as_described(
    target: Target, named: Mapping[str, NamedTarget], *, environ: Mapping[str, str], home: Path | None = None
) -> Target:
    """Return a target without a name with the environment and the protection that a named one of its database has.

    What one may do there belongs to the name: a target that is only looked at says nothing of another.
    """
    if target.name is not None:
        return target
    for each in named.values():
        try:
            known = resolve(Choice(said_by=each.source, named=each), environ=environ, home=home)
        except TargetError:
            continue
        if _is_same_database(target, known) and (known.protected or known.environment) and not target.protected:
            target = replace(
                target,
                environment=known.environment or target.environment,
                protected=known.protected,
                sources={**target.sources, "protection": f"the target {each.name}"},
            )
    return target


def _is_same_database(one: Target, other: Target) -> bool:
    host = one.host.lower() == other.host.lower() or (one.is_local and other.is_local)
    return host and (one.port, one.database) == (other.port, other.database)
