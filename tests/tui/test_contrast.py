"""Every letter of every screen against its ground, in every theme (WCAG 2.2, 1.4.3 and 1.4.6)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct
from textual.theme import Theme

from changeover.tui.theme import ANSI, THEMES, TONES
from tests.tui.snapshot import FOLDER

# The least ratio of what is to be read; the terminal's own sixteen colours are the terminal's.
LEAST = {"dark": 4.5, "light": 4.5, "contrast": 7.0}
# Over these screens lies a shade: only what stands in the box is to be read.
BOXES = ("question", "end-blocker", "help", "commands")
RUN = re.compile(r"(\d+)([a-zA-Z])")
STYLE = re.compile(r"(\w+) (\S+) on (\S+)(.*)")


class Seen(Struct, frozen=True, kw_only=True):
    """A letter in a theme."""

    theme: str
    letter: str
    ink: str
    ground: str


def luminance(colour: str) -> float:
    """Return the relative luminance of `#rrggbb`, from 0 to 1."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Return the ratio of two colours, from 1 to 21."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def letters_of(file: Path) -> Iterator[Seen]:
    """Return the letters and digits of a snapshot, in each theme."""
    for part in file.read_text().split("== ")[1:]:
        size, _, rest = part.partition("\n")
        height = int(size.partition("x")[2])
        texts = rest.split("\n")[:height]
        below = rest.partition(f"-- styles of {size}\n")[2].split("\n")
        maps, legend = below[:height], dict(line.split("  ", 1) for line in below[height:] if "  " in line)
        for text, runs in zip(texts, maps, strict=True):
            styles = "".join(letter * int(length) for length, letter in RUN.findall(runs))
            for letter, style in set(_to_read(file.stem, text, styles)):
                yield from _in_themes(letter, legend[style])


def _to_read(name: str, text: str, styles: str) -> Iterator[tuple[str, str]]:
    inside = slice(0, len(text))
    if name in BOXES:
        inside = slice(text.find("│"), text.rfind("│"))
    for letter, style in list(zip(text, styles, strict=False))[inside]:
        if letter.isalnum():
            yield letter, style


def _in_themes(letter: str, legend: str) -> Iterator[Seen]:
    for said in legend.split("  |  "):
        found = STYLE.fullmatch(said.strip())
        assert found, said
        theme, ink, ground, marks = found.groups()
        if theme in LEAST:
            ink, ground = (ground, ink) if "reverse" in marks else (ink, ground)
            yield Seen(theme=theme, letter=letter, ink=ink, ground=ground)


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.txt")), ids=lambda file: file.stem)
def test_every_letter_can_be_read_on_its_ground(file: Path) -> None:
    seen = list(letters_of(file))
    assert len({it.theme for it in seen}) == len(LEAST)
    weak = {
        (it.theme, it.ink, it.ground, round(contrast(it.ink, it.ground), 1))
        for it in seen
        if contrast(it.ink, it.ground) < LEAST[it.theme]
    }
    assert weak == set()


@pytest.mark.parametrize("theme", [each for each in THEMES if each is not ANSI], ids=lambda theme: theme.name)
def test_every_meaning_can_be_read_on_every_ground(theme: Theme) -> None:
    """The snapshots have what happens to be on their screens; a row of any tone can be the chosen one."""
    least = LEAST[theme.name.removeprefix("changeover-")]
    said = theme.variables
    for tone in TONES:
        for ground in (theme.background, theme.panel, said["cursor"]):
            assert contrast(said[tone], str(ground)) >= least, (tone, ground)
    for tone in ("danger", "care", "calm"):
        assert contrast(said[f"env-{tone}-fg"], said[f"env-{tone}-bg"]) >= least, tone
    # what has the focus
    assert contrast(str(theme.background), said["key"]) >= least
