"""Lines that are too long go on under their text, not at the left edge. Pure."""

from __future__ import annotations

from rich.cells import cell_len
from textual.content import Content

from .folding import lead_of, loose, tied


def hung(content: Content, width: int) -> Content:
    """Return the content in lines of at most `width` cells, each that goes on under where its text began."""
    if width <= 0 or all(cell_len(line) <= width for line in content.plain.split("\n")):
        return content
    return Content("\n").join(part for line in content.split(allow_blank=True) for part in _parts(line, width))


def _parts(line: Content, width: int) -> list[Content]:
    if line.cell_length <= width:
        return [line]
    end = lead_of(line.plain)
    if 2 * cell_len(line.plain[:end]) > width:
        # under a lead of half the line there is no room to go on
        end = min(len(line.plain) - len(line.plain.lstrip(" ")), width // 2)
    indent = cell_len(line.plain[:end])
    first, *others = _wrapped(line[end:], width - indent)
    return [line[:end] + first, *(Content(" " * indent) + other for other in others)]


def _wrapped(text: Content, room: int) -> list[Content]:
    """Return text in lines of at most `room` cells, each command and each number with its unit in one of them."""
    whole = tied(text.plain, room)
    if whole == text.plain:
        return text.wrap(room)
    return [Content(loose(line.plain), list(line.spans)) for line in Content(whole, list(text.spans)).wrap(room)]
