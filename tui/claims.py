"""The locks of a statement in words: each mode once, with the relations that it is taken on. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ..core.plan import LockClaim


def claims_line(claims: Iterable[LockClaim]) -> str:
    """Return `ACCESS EXCLUSIVE on public.a, public.b; SHARE on public.c`, modes and relations in the order given."""
    relations: dict[str, list[str]] = {}
    for claim in claims:
        relations.setdefault(claim.mode.value, []).append(claim.relation)
    return "; ".join(f"{mode} on {', '.join(names)}" for mode, names in relations.items())
