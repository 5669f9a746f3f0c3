"""All rules, by family, in the order in which they are told."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from . import compatibility, failures, hygiene, indexes, locks, losses, partitions, remainder, rewrites, scans
from .rule import Rule


class Family(Struct, frozen=True, kw_only=True):
    """Rules of one kind."""

    name: str
    about: str
    rules: tuple[Rule, ...]


FAMILIES: Final = (
    Family(
        name="rewrites", about="The whole table is written anew, and nobody can use it meanwhile.", rules=rewrites.RULES
    ),
    Family(
        name="scans",
        about="Every row is read, or an index is built, under a lock that others wait for.",
        rules=(*scans.RULES, *indexes.RULES, *partitions.RULES, *remainder.RULES),
    ),
    Family(
        name="locks",
        about="A short, strong lock: dangerous through those who queue behind it while it waits.",
        rules=(*locks.RULES, *partitions.LOCKS),
    ),
    Family(
        name="failures",
        about="The server will refuse it, or something is left behind.",
        rules=(*failures.RULES, *partitions.FAILURES),
    ),
    Family(
        name="compatibility",
        about="Data that is lost, and changes that a running application does not expect.",
        rules=(*losses.RULES, *compatibility.RULES),
    ),
    Family(name="hygiene", about="What one would do differently.", rules=hygiene.RULES),
)
RULES: Final = tuple(rule for family in FAMILIES for rule in family.rules)
KNOWN: Final = frozenset(rule.id for rule in RULES)
