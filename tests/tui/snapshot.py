"""A screen as text and styles, at two sizes and in every theme, kept in a file and compared with it.

One app for each scene: it is resized and its theme is changed, which takes a fraction of the time that starting it
takes. The text must be the same in every theme. A letter stands for one style of the first theme; the legend says
what it is in each. `SNAPSHOTS=write` writes the files anew: look at the difference before it is committed.
"""

from __future__ import annotations

import os
from functools import cache
from itertools import groupby
from pathlib import Path
from string import ascii_letters
from typing import Any, Final

from rich.style import Style
from textual.pilot import Pilot

from changeover.tui.theme import THEMES

FOLDER: Final = Path(__file__).with_name("snapshots")
SIZES: Final = ((80, 24), (120, 40))

Cells = list[list[tuple[str, str]]]


@cache
def _named(style: Style | None) -> str:
    """Return a style in words."""
    if style is None:
        return "none"
    colours = [colour.name if colour is not None else "-" for colour in (style.color, style.bgcolor)]
    marks = [name for name in ("bold", "italic", "underline", "reverse", "dim", "strike") if getattr(style, name)]
    return " ".join([" on ".join(colours), *marks])


def _cells(pilot: Pilot[int]) -> Cells:
    lines: Cells = []
    for strip in pilot.app.screen._compositor.render_strips():
        lines.append([(letter, _named(each.style)) for each in strip if not each.control for letter in each.text])
    return lines


async def taken(pilot: Pilot[int]) -> str:
    """Return the screen at every size and in every theme, as the file has it."""
    parts: list[str] = []
    app: Any = pilot.app
    for width, height in SIZES:
        await pilot.resize_terminal(width, height)
        seen: dict[str, Cells] = {}
        for theme in THEMES:
            app.theme = theme.name
            await pilot.pause()
            seen[theme.name.removeprefix("changeover-")] = _cells(pilot)
        parts += _part(f"{width}x{height}", seen)
    return "\n".join(parts) + "\n"


def _part(size: str, seen: dict[str, Cells]) -> list[str]:
    first = next(iter(seen.values()))
    texts = ["".join(letter for letter, _ in line).rstrip() for line in first]
    for theme, cells in seen.items():
        shown = ["".join(letter for letter, _ in line).rstrip() for line in cells]
        assert shown == texts, f"the theme {theme} says something else at {size}"
    letters: dict[tuple[str, ...], str] = {}
    maps: list[str] = []
    for rows in zip(*seen.values(), strict=True):
        styles = [tuple(cell[1] for cell in cells) for cells in zip(*rows, strict=True)]
        for style in styles:
            letters.setdefault(style, ascii_letters[len(letters)])
        maps.append("".join(f"{len(list(run))}{letter}" for letter, run in groupby(letters[it] for it in styles)))
    legend = [
        f"{letter}  " + "  |  ".join(f"{theme} {style}" for theme, style in zip(seen, styles, strict=True))
        for styles, letter in letters.items()
    ]
    return [f"== {size}", *texts, f"-- styles of {size}", *maps, *legend]


def compare(name: str, now: str) -> None:
    """Hold a screen against its file; with SNAPSHOTS=write the file is made."""
    file = FOLDER / f"{name}.txt"
    if os.environ.get("SNAPSHOTS") == "write":
        file.write_text(now)
    assert file.exists(), f"{file.name} is not there yet: SNAPSHOTS=write makes it"
    assert now == file.read_text(), f"{file.name} has another picture of this screen"
