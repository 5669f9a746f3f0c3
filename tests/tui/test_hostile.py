"""Text that would act on a terminal, on every screen and in every line: it is shown, and does nothing."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace

from changeover.core.events import Event
from changeover.tui.format import visible
from tests.tui.scenes import FAILS, GIVES_WAY, WAITS, lines_of, recorded, stamped
from tests.tui.showing import Shown, text
from tests.tui.test_snapshots import SCENES, SURVEY, dress

# A title, a clipboard, a cleared screen, C1, a carriage return, bidi, zero width, a tag, marks without end, markup.
ACTS = (
    "\x1b]0;owned\x07\x1b]52;c;eA==\x07\x1b[2J\x9b31m\x85\r\n\x08\x7f"
    "\u202e\u2066\u200b\ufeff\U000e0041\u00ad" + "e" + "\u0301" * 40 + "[/foo][red][@click=app.quit]x[/]"
)
# What decides what a screen does, instead of being shown by it.
_OURS = frozenset(
    [
        "format",
        "entry",
        "key",
        "answer",
        "action",
        "what",
        "tone",
        "id",
        "severity",
        "decision",
        "kind",
        "source",
        "on_hangup",
        "when",
        "how",
        "sslmode",
        "read_only",
        "phase",
        "digest",
        "allowed_by",
        "sources",
        "level",
        "result",
        "sqlstate",
        "checksum",
        "exact",
        "normalised",
        "system_identifier",
        "version",
        "run",
        "session",
        "name",
        "command",
    ]
)


Poison = Callable[[str], str]


def at_length(text: str) -> str:
    return f"{text}{ACTS}"


def in_short(text: str) -> str:
    """Hide nothing of what comes behind it on the same line."""
    return f"\x9b{text}"


def poisoned(value: Any, poison: Poison = at_length, name: str = "") -> Any:
    """Return `value` with what would act in every text of it that comes from outside."""
    if isinstance(value, Enum):
        return value
    if isinstance(value, str):
        return value if name in _OURS or not value else poison(value)
    if isinstance(value, tuple) and hasattr(value, "_replace"):
        return value
    if isinstance(value, tuple):
        return tuple(poisoned(each, poison, name) for each in value)
    if isinstance(value, Struct):
        return _poisoned_fields(value, poison)
    return value


def _poisoned_fields(value: Any, poison: Poison) -> Any:
    fields = [name for name in value.__struct_fields__ if name not in _OURS]
    return replace(value, **{name: poisoned(getattr(value, name), poison, name) for name in fields})


def acting(shown: str) -> list[str]:
    """Return what in a text would act, or was only caught by the second fence."""
    return [letter for letter in shown if letter != "\n" and (visible(letter) != letter or letter == "\ufffd")]


@pytest.mark.parametrize("poison", [at_length, in_short])
@pytest.mark.parametrize("name", SCENES)
async def test_no_text_from_outside_acts_on_any_screen(name: str, poison: Poison, shown: Shown) -> None:
    screen: Any = SCENES[name]()
    for each, held in list(vars(screen).items()):
        if each in {"_standing", "view", "_plan", "_view", "_events", "_all", "_left", "_offers", "_cases", "_target"}:
            setattr(screen, each, poisoned(held, poison))
    async with shown(screen, size=(120, 40)) as pilot:
        await dress(name, screen, pilot, poisoned(SURVEY, poison))
        seen = text(pilot)
        assert acting(seen) == []
        assert "\u0301" * 5 not in seen


@pytest.mark.parametrize("events", [FAILS, WAITS, GIVES_WAY], ids=["fails", "waits", "gives way"])
def test_no_text_from_outside_acts_in_a_line_of_a_log(events: tuple[Event, ...], tmp_path: Path) -> None:
    recorded(stamped(tuple(poisoned(event) for event in events)), tmp_path)
    lines = lines_of(tmp_path)
    assert len(lines)
    for number in range(len(lines)):
        assert acting(lines[number].plain) == [], lines[number]
