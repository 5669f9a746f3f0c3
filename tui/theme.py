"""Colours, and the few meanings that they stand for.

A colour never says anything that a word or a shape does not say too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct
from textual.theme import Theme

from ..core.target import Target

# The meanings: each is a theme variable of the same name, and a component class `tone--<name>` of our line widgets.
TONES: Final = ("text", "dim", "ok", "warn", "bad", "live", "head", "key")

DARK: Final = Theme(
    name="changeover-dark",
    primary="#7aa2c8",
    secondary="#8fb3a9",
    accent="#7fb6d9",
    success="#8fbf7f",
    warning="#e0b060",
    error="#ec7b75",
    foreground="#d4d8de",
    background="#14181d",
    surface="#14181d",
    panel="#1e242b",
    dark=True,
    variables={
        "text": "#d4d8de",
        "dim": "#919ba7",
        "ok": "#8fbf7f",
        "warn": "#e0b060",
        "bad": "#ec7b75",
        "live": "#7fb6d9",
        "head": "#aeb8c4",
        "key": "#7fb6d9",
        "rule": "#39424d",
        "cursor": "#232c36",
        "env-danger-bg": "#b3262e",
        "env-danger-fg": "#ffffff",
        "env-care-bg": "#d8a53a",
        "env-care-fg": "#14181d",
        "env-calm-bg": "#2f6f8f",
        "env-calm-fg": "#ffffff",
        "input-cursor-background": "#d4d8de",
        "input-cursor-foreground": "#14181d",
        "scrollbar": "#39424d",
        "scrollbar-background": "#14181d",
    },
)

LIGHT: Final = Theme(
    name="changeover-light",
    primary="#2a5f8a",
    secondary="#2f6b5c",
    accent="#1a6091",
    success="#2a6e26",
    warning="#7d5200",
    error="#b3262e",
    foreground="#1d2329",
    background="#fafaf7",
    surface="#fafaf7",
    panel="#eceeee",
    dark=False,
    variables={
        "text": "#1d2329",
        "dim": "#5c666f",
        "ok": "#2a6e26",
        "warn": "#7d5200",
        "bad": "#b3262e",
        "live": "#1a6091",
        "head": "#3d4750",
        "key": "#1a6091",
        "rule": "#c6ccd0",
        "cursor": "#e2eaf0",
        "env-danger-bg": "#b3262e",
        "env-danger-fg": "#ffffff",
        "env-care-bg": "#d8a53a",
        "env-care-fg": "#14181d",
        "env-calm-bg": "#2a5f8a",
        "env-calm-fg": "#ffffff",
        "scrollbar": "#c6ccd0",
        "scrollbar-background": "#fafaf7",
    },
)

# For eyes and screens that need it: every pair of colours is at least 7:1, and nothing is dim.
CONTRAST: Final = Theme(
    name="changeover-contrast",
    primary="#7fd4ff",
    secondary="#7fffd4",
    accent="#7fd4ff",
    success="#7dff7d",
    warning="#ffd75f",
    error="#ff9c94",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#1c1c1c",
    dark=True,
    variables={
        "text": "#ffffff",
        "dim": "#d0d0d0",
        "ok": "#7dff7d",
        "warn": "#ffd75f",
        "bad": "#ff9c94",
        "live": "#7fd4ff",
        "head": "#ffffff",
        "key": "#7fd4ff",
        "rule": "#b0b0b0",
        "cursor": "#002850",
        "env-danger-bg": "#8f0000",
        "env-danger-fg": "#ffffff",
        "env-care-bg": "#ffd75f",
        "env-care-fg": "#000000",
        "env-calm-bg": "#00468c",
        "env-calm-fg": "#ffffff",
        "input-cursor-background": "#ffffff",
        "input-cursor-foreground": "#000000",
        "scrollbar": "#b0b0b0",
        "scrollbar-background": "#000000",
    },
)

# The terminal's own sixteen colours, and none at all where NO_COLOR is set.
ANSI: Final = Theme(
    name="changeover-ansi",
    ansi=True,
    primary="ansi_blue",
    secondary="ansi_cyan",
    warning="ansi_yellow",
    error="ansi_red",
    success="ansi_green",
    accent="ansi_cyan",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    dark=True,
    variables={
        "text": "ansi_default",
        "dim": "ansi_default",
        "ok": "ansi_green",
        "warn": "ansi_yellow",
        "bad": "ansi_red",
        "live": "ansi_cyan",
        "head": "ansi_default",
        "key": "ansi_cyan",
        "rule": "ansi_default",
        "cursor": "ansi_default",
        "env-danger-bg": "ansi_red",
        "env-danger-fg": "ansi_bright_white",
        "env-care-bg": "ansi_yellow",
        "env-care-fg": "ansi_black",
        # blue is dark in one palette and light in the next, and neither black nor white can be read on both
        "env-calm-bg": "ansi_cyan",
        "env-calm-fg": "ansi_black",
        # Textual's own style sheets want these two of a theme like this one, and do not start without
        "ansi-background": "ansi_default",
        "ansi-foreground": "ansi_default",
        "border-blurred": "ansi_default",
        "block-cursor-foreground": "ansi_black",
        "block-cursor-background": "ansi_white",
        "input-cursor-background": "ansi_default",
        "input-cursor-foreground": "ansi_default",
        "input-cursor-text-style": "reverse",
    },
)

THEMES: Final = (DARK, LIGHT, CONTRAST, ANSI)


def theme_for(environ: Mapping[str, str]) -> str:
    """Return the name of the theme for this terminal; CHANGEOVER_THEME chooses: dark, light, contrast or ansi.

    Terminals that do not say that they have 256 colours, and people who set NO_COLOR (https://no-color.org), get the
    terminal's own palette: our colours would be approximated to the point where two of them look the same.
    """
    if environ.get("NO_COLOR"):
        return ANSI.name
    chosen = f"changeover-{environ.get('CHANGEOVER_THEME', '').strip().lower()}"
    if any(theme.name == chosen for theme in THEMES):
        return chosen
    rich = environ.get("COLORTERM", "").lower() in {"truecolor", "24bit"} or "256" in environ.get("TERM", "")
    if not rich:
        return ANSI.name
    # rxvt, konsole and others say which of the sixteen colours their background is: 7 and 15 are light
    background = environ.get("COLORFGBG", "").rpartition(";")[2]
    return LIGHT.name if background in {"7", "15"} else DARK.name


class Environment(Struct, frozen=True, kw_only=True):
    """What kind of database a target is, as the first row of every screen says it."""

    word: str
    # danger, care or calm: which colours the word stands on
    tone: str


def environment_of(target: Target) -> Environment:
    """Return the word and tone for a target."""
    return environment_named(target.environment, protected=target.protected)


def environment_named(environment: str, *, protected: bool) -> Environment:
    """Return the word and tone for an environment; one that nobody has described counts as production."""
    name = environment.strip()
    match name.lower():
        case "":
            return Environment(word="UNKNOWN ENVIRONMENT", tone="danger")
        case "production" | "prod" | "live":
            return Environment(word="PRODUCTION", tone="danger")
        case "staging" | "stage" | "preproduction" | "test" | "testing":
            return Environment(word=name.upper(), tone="care")
        case _:
            return Environment(word=name.upper(), tone="danger" if protected else "calm")
