"""A paragraph that is only repainted when its words have changed, and of a line only where they have."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Final, Self

from rich.cells import cell_len
from textual.content import Content
from textual.geometry import Region
from textual.strip import Strip
from textual.visual import Visual
from textual.widgets import Static

from ..hanging import hung
from ..words import NOTHING

if TYPE_CHECKING:
    from textual.css.styles import RulesMap
    from textual.style import Style
    from textual.visual import RenderOptions

_NOWHERE: Final = Region(0, 0, 0, 0)


class Hanging(Visual):
    """Content whose lines go on under their text where they are too long."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._hung = (-1, content)

    def _in(self, width: int, rules: RulesMap) -> Content:
        if rules.get("text_wrap") == "nowrap":
            return self._content
        if self._hung[0] != width:
            self._hung = (width, hung(self._content, width))
        return self._hung[1]

    def render_strips(self, width: int, height: int | None, style: Style, options: RenderOptions) -> list[Strip]:
        """Return the lines as they are painted."""
        return self._in(width, options.rules).render_strips(width, height, style, options)

    def get_optimal_width(self, rules: RulesMap, container_width: int) -> int:
        """Return the width in which no line goes on."""
        return self._content.get_optimal_width(rules, container_width)

    def get_height(self, rules: RulesMap, width: int) -> int:
        """Return how many lines it has in `width` cells."""
        return self._in(width, rules).get_height(rules, width)


class Paper(Static):
    """Static text, given as `Content`. Its place on screen does not move when the words change."""

    # what a change of words repaints; None: all of it
    _changed: Region | None = None

    def __init__(
        self,
        content: Content = NOTHING,
        *,
        id: str | None = None,  # noqa: A002 - the name that Textual gives it
        classes: str | None = None,
    ) -> None:
        super().__init__(Hanging(content), markup=False, id=id, classes=classes)
        self._written = content

    @property
    def written(self) -> Content:
        """What stands on it."""
        return self._written

    def write(self, content: Content, *, layout: bool = False) -> None:
        """Show other words; `layout` where its height may change with them."""
        before = self._written
        if content != before or content.spans != before.spans:
            self._written = content
            if not layout:
                self._changed = changed_cells(before, content, self.content_size.width)
            self.update(Hanging(content), layout=layout)

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        """Repaint, of a line that was written anew only the cells that are others."""
        changed, self._changed = self._changed, None
        if changed is not None and not regions and not layout:
            regions = (changed,)
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)


def changed_cells(before: Content, now: Content, width: int) -> Region | None:
    """Return the cells between the first and the last that differ; None where the text is not one line of `width`."""
    for content in (before, now):
        if "\n" in content.plain or content.cell_length > width:
            return None
    pairs = list(zip_longest(_letters(before), _letters(now)))
    differing = [index for index, (one, other) in enumerate(pairs) if one != other]
    if not differing:
        return _NOWHERE
    first = cell_len(now.plain[: differing[0]])
    old, new = (cell_len(each.plain[: differing[-1] + 1]) for each in (before, now))
    # where a wide letter stands for a narrow one, what follows it has moved
    last = new if old == new else max(before.cell_length, now.cell_length)
    return Region(first, 0, last - first, 1)


def _letters(content: Content) -> list[tuple[str, tuple[object, ...]]]:
    """Return the letters, each with its styles."""
    styles: list[tuple[object, ...]] = [()] * len(content.plain)
    for span in content.spans:
        for index in range(max(0, span.start), min(span.end, len(styles))):
            styles[index] = (*styles[index], span.style)
    return list(zip(content.plain, styles, strict=True))
