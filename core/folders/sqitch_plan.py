"""sqitch.plan: which changes there are, in which order, with their tags and dependencies.

The identity of a change is a hash over what the plan says of it and over the identity of the one before it. See
https://sqitch.org/docs/manual/sqitchchanges/ and https://sqitch.org/docs/manual/sqitch-configuration/.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from hashlib import sha1
from typing import Final

from msgspec import Struct, field

from ..errors import FolderError, Place

PLAN: Final = "sqitch.plan"
_PRAGMA: Final = re.compile(r"[ \t]*%[ \t]*(?P<name>[^\s=]+)(?:[ \t]*=[ \t]*(?P<value>.+?))?[ \t]*(?:#.*)?")
_LINE: Final = re.compile(
    r"[ \t]*(?:(?P<tag>@)|(?P<operator>[+-])[ \t]*)?(?P<name>[^\s:@#\\]+)[ \t]*(?:\[(?P<needs>[^\]]+)\][ \t]*)?"
    r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)[ \t]*(?P<planner>[^<]+?)[ \t]+<(?P<email>[^>]+)>[ \t]*"
    r"(?:\#[ \t]*(?P<note>.*))?",
    re.ASCII,
)
_NEED: Final = re.compile(
    r"(?P<conflict>!?)(?:(?P<project>[^\s:@#\\]+):)?"
    r"(?:(?P<id>[0-9a-f]{40})|(?P<change>[^\s:@#\\]+)(?:@(?P<tag>[^\s:@#\\]+))?|@(?P<only>[^\s:@#\\]+))"
)
_ESCAPES: Final = {"\\n": "\n", "\\r": "\r", "\\\\": "\\"}


class Tag(Struct, kw_only=True):
    """A tag of the plan."""

    name: str
    id: str
    note: str
    planned_at: datetime
    planner: str
    email: str


class Need(Struct, kw_only=True):
    """A change that another one requires, or conflicts with."""

    conflict: bool
    # as the history has it: without the project where that is the plan's own
    text: str
    # of the change that it names, where that is in this plan
    change_id: str | None = None


class Change(Struct, kw_only=True):
    """A change of the plan; one that was reworked is there once for each time."""

    name: str
    id: str
    # line of the plan
    line: int
    note: str
    planned_at: datetime
    planner: str
    email: str
    needs: list[Need] = field(default_factory=list)
    tags: list[Tag] = field(default_factory=list)
    # tags under whose names its scripts may be kept, once it was reworked
    reworked_at: list[str] = field(default_factory=list)


class Plan(Struct, kw_only=True):
    """A plan, read."""

    project: str
    uri: str | None
    changes: list[Change]


def read(text: str, *, file: str = PLAN) -> Plan:
    """Return the plan. Raises `FolderError` with the line that sqitch would not take."""
    return _Reader(text, file).read()


class _Reader:
    def __init__(self, text: str, file: str) -> None:
        self._lines = text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}").replace("\r\n", "\n").split("\n")
        self._file = file
        self._pragmas: dict[str, str] = {}
        self._changes: list[Change] = []
        self._latest: dict[str, Change] = {}
        # name of a tag -> how many changes stand before it
        self._tags: dict[str, int] = {}
        # names since the last tag
        self._fresh: set[str] = set()

    def read(self) -> Plan:
        for number, line in enumerate(self._lines, start=1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            if line.lstrip().startswith("%"):
                self._pragma(number, line)
                continue
            if "project" not in self._pragmas:
                raise self._error(number, "it has no %project above its changes")
            match = _LINE.fullmatch(line)
            if match is None:
                raise self._error(number, "it is neither a change nor a tag with its time and planner")
            if match["tag"]:
                self._tag(number, match)
            else:
                self._change(number, match)
        if "project" not in self._pragmas:
            raise self._error(1, "it has no %project")
        return Plan(project=self._pragmas["project"], uri=self._pragmas.get("uri"), changes=self._changes)

    def _pragma(self, number: int, line: str) -> None:
        match = _PRAGMA.fullmatch(line)
        if match is None or self._changes:
            raise self._error(number, "a pragma stands above the changes and has a name")
        self._pragmas[match["name"]] = match["value"] or ""

    def _tag(self, number: int, match: re.Match[str]) -> None:
        if not self._changes:
            raise self._error(number, "a tag stands below a change")
        if match["name"] in self._tags:
            raise self._error(number, f"the tag @{match['name']} is there twice")
        change = self._changes[-1]
        note = _note(match["note"])
        lines = [*self._about(f"tag @{match['name']}"), f"change {change.id}", *_planned(match), *_noted(note)]
        change.tags.append(
            Tag(
                name=f"@{match['name']}",
                id=_identity("tag", lines),
                note=note,
                planned_at=_time(match["time"]),
                planner=match["planner"],
                email=match["email"],
            )
        )
        self._tags[match["name"]] = len(self._changes)
        self._fresh.clear()

    def _change(self, number: int, match: re.Match[str]) -> None:
        name, note = match["name"], _note(match["note"])
        if name in self._fresh:
            raise self._error(number, f"the change {name} is there twice without a tag between")
        needs = [self._need(number, word) for word in (match["needs"] or "").split()]
        parent = [f"parent {self._changes[-1].id}"] if self._changes else []
        requires = "".join(f"\n  + {it.text}" for it in needs if not it.conflict)
        conflicts = "".join(f"\n  - {it.text}" for it in needs if it.conflict)
        lines = [
            *self._about(f"change {name}"),
            *parent,
            *_planned(match),
            *([f"requires{requires}"] if requires else []),
            *([f"conflicts{conflicts}"] if conflicts else []),
            *_noted(note),
        ]
        change = Change(
            name=name,
            id=_identity("change", lines),
            line=number,
            note=note,
            planned_at=_time(match["time"]),
            planner=match["planner"],
            email=match["email"],
            needs=needs,
        )
        if name in self._latest:
            self._rework(self._latest[name])
        self._changes.append(change)
        self._latest[name] = change
        self._fresh.add(name)

    def _rework(self, before: Change) -> None:
        at = self._changes.index(before)
        after = [tag.name for change in reversed(self._changes[at + 1 :]) for tag in change.tags]
        before.reworked_at += [*after, *(tag.name for tag in before.tags)]

    def _need(self, number: int, word: str) -> Need:
        match = _NEED.fullmatch(word)
        if match is None:
            raise self._error(number, f"{word} names no change")
        tag = match["tag"] or match["only"]
        key = match["id"] or f"{match['change'] or ''}{f'@{tag}' if tag else ''}"
        conflict = bool(match["conflict"])
        if match["project"] and match["project"] != self._pragmas["project"]:
            return Need(conflict=conflict, text=f"{match['project']}:{key}")
        found = match["id"] or self._find(match["change"], tag)
        if found is None and not conflict:
            raise self._error(number, f"it requires {key}, which is not planned above")
        return Need(conflict=conflict, text=key, change_id=None if conflict else found)

    def _find(self, name: str | None, tag: str | None) -> str | None:
        upto = len(self._changes) if tag is None else self._tags.get(tag, 0)
        found = [change for change in self._changes[:upto] if name is None or change.name == name]
        return found[-1].id if found else None

    def _about(self, what: str) -> list[str]:
        uri = self._pragmas.get("uri")
        return [f"project {self._pragmas['project']}", *([f"uri {uri}"] if uri else []), what]

    def _error(self, line: int, what: str) -> FolderError:
        return FolderError(
            f"{self._file} cannot be read: {what}.",
            advice="`sqitch plan` says what it takes.",
            place=Place(file=self._file, line=line),
        )


def _note(text: str | None) -> str:
    return re.sub(r"\\[\\nr]", lambda match: _ESCAPES[match[0]], (text or "").strip())


def _planned(match: re.Match[str]) -> list[str]:
    return [f"planner {match['planner']} <{match['email']}>", f"date {match['time']}"]


def _noted(note: str) -> list[str]:
    return ["", note] if note else []


def _identity(kind: str, lines: list[str]) -> str:
    content = "\n".join(lines).encode()
    return sha1(f"{kind} {len(content)}\0".encode() + content, usedforsecurity=False).hexdigest()


def _time(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
