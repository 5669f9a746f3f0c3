"""Placeholders between a prefix and a suffix, wherever they stand: in statements, strings and comments alike."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import Fault
from ..text import Edit, Text


def filled_in(text: Text, values: Mapping[str, str], *, prefix: str, suffix: str) -> Text | Fault:
    """Return the text with every placeholder's value in its place, or the first that has none.

    Names are compared without regard to case.
    """
    known = {name.lower(): value for name, value in values.items()}
    begin, end = prefix.encode(), suffix.encode()
    edits: list[Edit] = []
    at = text.bytes.find(begin)
    while at >= 0:
        close = text.bytes.find(end, at + len(begin))
        name = text.bytes[at + len(begin) : close if close >= 0 else len(text.bytes)].decode("utf-8", "replace")
        value = known.get(name.lower()) if close >= 0 else None
        if value is None:
            return _missing(text, at, name if close >= 0 else "")
        edits.append(Edit(start=at + text.shift, end=close + len(end) + text.shift, value=value))
        at = text.bytes.find(begin, close + len(end))
    return text.edited(edits) if edits else text


def _missing(text: Text, at: int, name: str) -> Fault:
    place = text.place(at + text.shift)
    what = f"The placeholder {name} has no value" if name else "A placeholder is not closed"
    return Fault(
        id="placeholder",
        summary=f"{what}.",
        advice="Give it one in changeover.toml under [placeholders], or in the tool's own configuration.",
        file=place.file,
        line=place.line,
        column=place.column,
    )
