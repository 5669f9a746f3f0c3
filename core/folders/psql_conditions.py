r"""Which parts of a script psql runs: `\if`, `\elif`, `\else`, `\endif`."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct, field

from .psql_arguments import Arguments, boolean

# What is wrong, and what to do.
Problem: TypeAlias = tuple[str, str]


class _Branches(Struct, kw_only=True):
    # byte offset of the \if
    at: int
    # whether what is read now runs
    active: bool
    # whether no later branch may: one has, or nothing around them does
    decided: bool
    last: bool = False


class Conditions(Struct, kw_only=True):
    """The conditions that are open, the outermost first."""

    _open: list[_Branches] = field(default_factory=list)

    @property
    def active(self) -> bool:
        """Whether what is read now runs."""
        return not self._open or self._open[-1].active

    @property
    def opened_at(self) -> int | None:
        r"""Byte offset of the last `\if` that is open."""
        return self._open[-1].at if self._open else None

    def take(self, name: str, said: Arguments, at: int) -> Problem | None:
        """Take one of the four commands in; return what is wrong with it."""
        if name == "\\if":
            return self._begin(said, at)
        if not self._open:
            return f"{name} has no \\if before it in this file", "Leave it out, or write the \\if."
        inner = self._open[-1]
        if name == "\\endif":
            self._open.pop()
            return None
        if inner.last:
            return f"{name} stands after \\else", "Have \\else as the last branch."
        inner.last = name == "\\else"
        if inner.decided:
            inner.active = False
            return None
        value = True if inner.last else _value(said)
        if value is None:
            return _no_boolean(name, said)
        inner.active = inner.decided = value
        return None

    def _begin(self, said: Arguments, at: int) -> Problem | None:
        value = _value(said) if self.active else False
        if value is None:
            return _no_boolean("\\if", said)
        self._open.append(_Branches(at=at, active=value, decided=value or not self.active))
        return None


def _value(said: Arguments) -> bool | None:
    return boolean(said.values[0]) if len(said.values) == 1 and not said.runs_shell else None


def _no_boolean(name: str, said: Arguments) -> Problem:
    shown = " ".join(said.values)
    return (
        f"{name} {shown}".rstrip() + " is neither true nor false",
        "Ask with :{?name} whether a variable has a value, and give the variable true, false, on, off, 1 or 0.",
    )
