"""Before and after of a schema as a readable list, and whether two such lists say the same. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

# Facts that begin with it mean something within one database only: whether they changed, not to what.
_INNER: Final = "~"
# What goes and comes with the object that it belongs to is not told beside it.
_PARTS: Final = frozenset({"column", "index", "constraint", "trigger", "policy", "rule"})
_ORDER: Final = ("schema", "extension", "enum", "domain", "range", "table", "column", "constraint", "index")
# In the words of people, where PostgreSQL has a letter.
_WORDS: Final = {
    ("type", "c"): "check",
    ("type", "f"): "foreign key",
    ("type", "p"): "primary key",
    ("type", "u"): "unique",
    ("type", "x"): "exclude",
    ("type", "n"): "not null",
    ("type", "t"): "trigger",
    ("persistence", "p"): "logged",
    ("persistence", "u"): "unlogged",
    ("persistence", "t"): "temporary",
    ("identity", "a"): "always",
    ("identity", "d"): "by default",
    ("generated", "s"): "stored",
    ("generated", "v"): "virtual",
    ("volatility", "i"): "immutable",
    ("volatility", "s"): "stable",
    ("volatility", "v"): "volatile",
}
# What is worth a word of something that is new: the rest is as usual.
_USUAL: Final = frozenset({"", "false", "logged", "heap", "btree", "d", "aa", "  "})
_TOLD_OF_NEW: Final = frozenset({
    "type", "not null", "default", "identity", "generated", "table", "columns", "unique", "method", "validated",
    "references", "partial", "returns", "base", "labels", "persistence", "function",
})  # fmt: skip


class Change(Struct, frozen=True, kw_only=True):
    """Something that is other afterwards; `action` is added, removed or changed.

    `details` are the facts of what is new (`type integer`), or what changed (`type integer -> bigint`).
    """

    kind: str
    object: str
    action: str
    details: tuple[str, ...] = ()


class Comparison(Struct, frozen=True, kw_only=True):
    """What a run changed against what its rehearsal said; both are empty where it went as rehearsed."""

    # rehearsed, and not so on the target
    missing: tuple[Change, ...] = ()
    # on the target, and not rehearsed
    unexpected: tuple[Change, ...] = ()

    @property
    def as_rehearsed(self) -> bool:
        """Whether the target changed as the shadow did."""
        return not (self.missing or self.unexpected)


def difference(
    before: Mapping[tuple[str, str], Sequence[str]], after: Mapping[tuple[str, str], Sequence[str]]
) -> tuple[Change, ...]:
    """Return what changed, by kind and name."""
    changes: list[Change] = []
    for kind, name in before.keys() | after.keys():
        old, new = before.get((kind, name)), after.get((kind, name))
        if old == new:
            continue
        if old is None:
            changes.append(Change(kind=kind, object=name, action="added", details=_facts(new or ())))
        elif new is None:
            changes.append(Change(kind=kind, object=name, action="removed"))
        elif details := _changed(old, new):
            changes.append(Change(kind=kind, object=name, action="changed", details=details))
    gone = {it.object for it in changes if it.action == "removed" and it.kind not in _PARTS}
    told = [it for it in changes if not (it.action == "removed" and it.kind in _PARTS and _owner(it) in gone)]
    return tuple(sorted(told, key=_place))


def compare(rehearsed: Iterable[Change], found: Iterable[Change]) -> Comparison:
    """Return where two differences differ. A NOT NULL is a constraint of its own only from PostgreSQL 18 on."""
    wanted, got = {_comparable(it): it for it in rehearsed}, {_comparable(it): it for it in found}
    missing = [it for key, it in wanted.items() if key not in got and not _is_not_null(it)]
    unexpected = [it for key, it in got.items() if key not in wanted and not _is_not_null(it)]
    return Comparison(missing=tuple(sorted(missing, key=_place)), unexpected=tuple(sorted(unexpected, key=_place)))


def words(change: Change) -> str:
    """Return a change on one line: `+ column public.item.note (type text)`."""
    sign = {"added": "+", "removed": "-", "changed": "~"}[change.action]
    details = f" ({', '.join(change.details)})" if change.details else ""
    return f"{sign} {change.kind} {change.object}{details}"


def _comparable(change: Change) -> tuple[str, str, str, tuple[str, ...]]:
    return change.kind, change.object, change.action, change.details


def _is_not_null(change: Change) -> bool:
    return change.kind == "constraint" and (
        "type not null" in change.details or (change.action == "removed" and change.object.endswith("_not_null"))
    )


def _facts(facts: Sequence[str]) -> tuple[str, ...]:
    told = []
    for fact in facts:
        name, _, value = fact.partition("=")
        value = _WORDS.get((name, value), value)
        if name in _TOLD_OF_NEW and value not in _USUAL and not (name == "validated" and value == "true"):
            told.append(name if value == "true" else f"{name} {value}")
        elif name == "validated" and value == "false":
            told.append("not valid")
    return tuple(told)


def _changed(old: Sequence[str], new: Sequence[str]) -> tuple[str, ...]:
    was = dict(fact.split("=", 1) for fact in old)
    told = []
    for fact in new:
        name, _, value = fact.partition("=")
        before = was.get(name, "")
        if before == value:
            continue
        if name.startswith(_INNER):
            told.append(name.removeprefix(_INNER))
        elif name == "source":
            told.append("source")
        elif name == "rights":
            told += _rights(before, value)
        else:
            pair = (_WORDS.get((name, it), it) or "none" for it in (before, value))
            told.append(f"{name} {' -> '.join(pair)}")
    return tuple(told)


def _rights(before: str, after: str) -> list[str]:
    """Return which entries of an access control list went and came; what nobody ever granted is written as nothing."""
    was, now = (set(text.strip("{}").split(",")) - {""} for text in (before, after))
    return [f"rights -{it}" for it in sorted(was - now)] + [f"rights +{it}" for it in sorted(now - was)]


def _owner(change: Change) -> str:
    return change.object.rpartition(".")[0]


def _place(change: Change) -> tuple[int, str, str, str]:
    order = _ORDER.index(change.kind) if change.kind in _ORDER else len(_ORDER)
    return order, change.kind, change.object, change.action
