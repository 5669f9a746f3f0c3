"""Who allowed which hazard: the file, the settings, a flag, or the operator on the confirmation screen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from msgspec import Struct, field

from ..directives import Allowance
from ..errors import Fault, Place
from ..plan import HazardFinding
from ..script import Script, Statement
from .rules import KNOWN

# Allows every hazard, where a setting or flag says so; a file names what it allows.
ALL: Final = "all"
# The name by which a plan whose rehearsal failed can be allowed all the same; no hazard, and no file can say it.
OVERRIDE: Final = "rehearsal-failed"
# What the settings put down for a hazard that was allowed on the command line or in the environment.
FLAGS: Final = frozenset({"--allow", "CHANGEOVER_ALLOW"})


class Allowances(Struct, frozen=True, kw_only=True):
    """What is allowed besides what the files say; both map a hazard to the reason, or to the flag."""

    settings: Mapping[str, str] = field(default_factory=dict)
    # on the confirmation screen, with the reason that was typed
    operator: Mapping[str, str] = field(default_factory=dict)
    # where the settings say it
    places: Mapping[str, Place] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that is allowed here, for the digest."""
        return tuple(sorted({*self.settings, *self.operator}))

    def of(self, hazard: str, statement: Statement, script: Script) -> tuple[str | None, str]:
        """Return who allowed a hazard in a statement and the reason; None where nobody did."""
        stated = next((it for it in (*statement.allows, *script.allows) if it.hazard == hazard), None)
        if stated is not None:
            return "file", stated.reason
        if hazard in self.operator:
            return "operator", self.operator[hazard]
        name = hazard if hazard in self.settings else ALL
        reason = self.settings.get(name)
        if reason is None:
            return None, ""
        return (
            ("flag", f"{reason} {name}" if reason == "--allow" else reason) if reason in FLAGS else ("settings", reason)
        )

    def unknown(self, scripts: Iterable[tuple[str, Script]]) -> Iterator[Fault]:
        """Yield the names that are allowed and that no hazard has; `scripts` by file."""
        for hazard in (*self.settings, *self.operator):
            if hazard not in KNOWN and hazard not in {ALL, OVERRIDE}:
                source = self.settings.get(hazard, "")
                yield _unknown(hazard, source if source in FLAGS else "", self.places.get(hazard))
        for file, script in scripts:
            for allowance, statement in _stated(script):
                if allowance.hazard not in KNOWN:
                    yield _unknown(allowance.hazard, "", _place(allowance, statement, file))

    def idle(self, statements: Iterable[tuple[str, Script, Statement, tuple[HazardFinding, ...]]]) -> Iterator[Fault]:
        """Yield what is allowed and was not found: by a flag in the plan, or by a file in what runs of it."""
        found: set[tuple[str, int, str]] = set()
        scripts: dict[str, Script] = {}
        running: set[tuple[str, int]] = set()
        for file, script, one, hazards in statements:
            scripts[file] = script
            running.add((file, one.number))
            found.update((file, one.number, hazard.id) for hazard in hazards)
        ids = {hazard for *_, hazard in found}
        for hazard, source in self.settings.items():
            if source in FLAGS and hazard in KNOWN and hazard not in ids:
                yield _idle(hazard, f" ({source})", None)
        for file, script in scripts.items():
            for allowance, statement in _stated(script):
                numbers = [it.number for it in (script.statements if statement is None else (statement,))]
                runs = any((file, number) in running for number in numbers)
                known = allowance.hazard in KNOWN
                if runs and known and all((file, number, allowance.hazard) not in found for number in numbers):
                    yield _idle(allowance.hazard, "", _place(allowance, statement, file))


def nearest(hazard: str) -> str:
    """Return advice that names the hazards that are spelled like this."""
    close = get_close_matches(hazard, sorted(KNOWN), n=2, cutoff=0.5)
    return (
        f"Did you mean {' or '.join(close)}? `changeover hazards` lists them all."
        if close
        else ("`changeover hazards` lists them all.")
    )


def _stated(script: Script) -> Iterator[tuple[Allowance, Statement | None]]:
    yield from ((allowance, None) for allowance in script.allows)
    yield from ((allowance, statement) for statement in script.statements for allowance in statement.allows)


def _place(allowance: Allowance, statement: Statement | None, file: str) -> Place:
    return allowance.place or (statement.place if statement is not None else Place(file=file, line=1, column=1))


def _unknown(hazard: str, source: str, place: Place | None) -> Fault:
    where = f" ({source})" if source else ""
    return _fault("unknown-hazard", f"{hazard} is allowed{where}, and no hazard has that name.", nearest(hazard), place)


def _idle(hazard: str, source: str, place: Place | None) -> Fault:
    advice = "Nothing is wrong with that; on a database with more rows it may be needed."
    return _fault("idle-allowance", f"{hazard} is allowed{source}, and nothing here is that.", advice, place)


def _fault(kind: str, summary: str, advice: str, place: Place | None) -> Fault:
    if place is None:
        return Fault(id=kind, summary=summary, advice=advice)
    return Fault(id=kind, summary=summary, advice=advice, file=place.file, line=place.line, column=place.column)
