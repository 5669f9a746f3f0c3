"""Directives of a migration file: comments on their own line that begin with `-- changeover:`."""

from __future__ import annotations

import dataclasses
import re
from typing import Final, TypeAlias

from msgspec import Struct

from . import names
from .errors import Place, ScriptError

# What `when` can ask for.
CONDITIONS: Final = (
    "table", "view", "column", "type", "function", "extension", "role", "schema", "index", "sequence", "constraint",
)  # fmt: skip

_OURS: Final = re.compile(r"--+\s*changeover\s*:(.*)", re.IGNORECASE | re.DOTALL)
_NEARLY: Final = re.compile(r"--+\s*changeover\s+(transaction\s*=|when\s|allow\s)", re.IGNORECASE)
_HAZARD: Final = re.compile(r"[a-z][a-z0-9-]*")
_FORMS: Final = (
    "The forms are `-- changeover: transaction=off`, `-- changeover: when table NAME` "
    "and `-- changeover: allow HAZARD: reason`."
)


class Condition(Struct, frozen=True, kw_only=True):
    """`-- changeover: when table sessions`: what must exist for the statement below to run."""

    # one of CONDITIONS
    kind: str
    # as written, possibly qualified
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """`-- changeover: allow <hazard>: reason`."""

    hazard: str
    reason: str
    place: Place | None = dataclasses.field(default=None, compare=False)


class NoTransaction(Struct, frozen=True, kw_only=True):
    """`-- changeover: transaction=off`."""


Directive: TypeAlias = Condition | Allowance | NoTransaction


def directive_of(comment: str, *, place: Place) -> Directive | None:
    """Return the directive in a `--` comment, None for an ordinary comment.

    Raises `ScriptError` at `place` for one that is meant for us and cannot be read: a slip there must not
    silently run what was meant to be conditional.
    """
    match = _OURS.fullmatch(comment)
    if match is None:
        if _NEARLY.match(comment):
            raise _error("A directive has a colon after `changeover`.", place)
        return None
    text = match.group(1).strip()
    word, _, rest = text.partition(" ")
    if re.fullmatch(r"transaction\s*=\s*off", text):
        return NoTransaction()
    if text.startswith("transaction"):
        raise _error(f"`{text}` is not known; the only setting is transaction=off.", place)
    if word == "when":
        return _condition(rest.strip(), place)
    if word == "allow":
        return _allowance(rest.strip(), place)
    raise _error(f"`{word or 'nothing'}` is not a directive.", place)


def _condition(text: str, place: Place) -> Condition:
    kind, _, name = text.partition(" ")
    name = name.strip()
    if kind not in CONDITIONS:
        raise _error(f"`when {kind}` is not known; it asks for one of {', '.join(CONDITIONS)}.", place)
    signature = name.split("(", 1)[0] if kind == "function" else name
    try:
        parts = names.read(signature)
    except ValueError as problem:
        raise _error(f"`when {kind}` needs a name: {problem}.", place) from problem
    least = 2 if kind in {"column", "constraint"} else 1
    most = 1 if kind in {"extension", "role", "schema"} else least + 1
    if not least <= len(parts) <= most:
        form = "table.column" if kind == "column" else "table.constraint" if least == 2 else "name"
        raise _error(f"`when {kind} {name}`: the name has the form {form}.", place)
    return Condition(kind=kind, name=signature.strip())


def _allowance(text: str, place: Place) -> Allowance:
    hazard, colon, reason = text.partition(":")
    hazard, reason = hazard.strip(), reason.strip()
    if not _HAZARD.fullmatch(hazard):
        raise _error(f"`allow {hazard}` does not name a hazard.", place)
    if not colon or not reason:
        raise _error(f"`allow {hazard}` needs a reason after a colon.", place)
    return Allowance(hazard=hazard, reason=reason, place=place)


def _error(summary: str, place: Place) -> ScriptError:
    return ScriptError(summary, advice=_FORMS, place=place)
