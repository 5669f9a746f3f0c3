"""The last row: the keys that one is likely to want now, from the bindings of the screen."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import App
from textual.binding import ActiveBinding, Binding
from textual.content import Content

from ..keys import key_name
from ..words import joined
from .paper import Paper


def shown_bindings(bindings: dict[str, ActiveBinding], *, hidden: bool = False) -> list[ActiveBinding]:
    """Return the bindings that the last row shows: the screen's before the app's, each action once.

    With `hidden` also those that it leaves out.
    """
    seen: set[str] = set()
    shown: list[tuple[int, ActiveBinding]] = []
    for active in bindings.values():
        depth = depth_of(active)
        if (active.binding.show or hidden) and depth is not None and active.binding.action not in seen:
            seen.add(active.binding.action)
            shown.append((depth, active))
    return [active for _, active in sorted(shown, key=lambda each: each[0])]


def depth_of(active: ActiveBinding) -> int | None:
    """Return how far up the class tree a binding was written, None where it is one of Textual's own."""
    ours = [each for each in type(active.node).__mro__ if each.__module__.startswith("changeover.")]
    for depth, each in enumerate(ours):
        written: list[Binding] = [it for it in each.__dict__.get("BINDINGS", ()) if isinstance(it, Binding)]
        if any(it.action == active.binding.action for it in written):
            return depth + (100 if isinstance(active.node, App) else 0)
    return None


class Hints(Paper):
    """Keys and what they do, as many as fit; a key that does nothing now is dim."""

    def __init__(self) -> None:
        super().__init__(id="hints")

    def on_mount(self) -> None:
        """Follow the screen's bindings."""
        self.screen.bindings_updated_signal.subscribe(self, lambda _screen: self.paint())
        self.call_after_refresh(self.paint)

    def on_resize(self) -> None:
        """Show as many as fit."""
        self.paint()

    def paint(self) -> None:
        """Show the keys of now."""
        shown = [(hint_words(it), is_kept(it)) for it in shown_bindings(self.screen.active_bindings)]
        self.write(joined(" ", *fitting(shown, self.size.width - 1)))


def hint_words(active: ActiveBinding) -> Content:
    """Return a key and what it does."""
    key = active.binding.key_display or key_name(active.binding.key)
    live = active.enabled
    return joined(
        Content.styled(key, "$key bold" if live else "$dim"),
        " ",
        Content.styled(active.binding.description, "$text" if live else "$dim"),
        "  ",
    )


def is_kept(active: ActiveBinding) -> bool:
    """Whether a hint stays however narrow it gets: the way out, and the help, which has all the others."""
    return active.binding.action == "help" or active.binding.key in {"q", "escape"}


def fitting(hints: Sequence[tuple[Content, bool]], room: int) -> list[Content]:
    """Return as many hints as fit, in their order; of those that are not kept, the first ones."""
    left = room + 2 - sum(hint.cell_length for hint, kept in hints if kept)
    fits: list[Content] = []
    full = False
    for hint, kept in hints:
        full = full or (not kept and hint.cell_length > left)
        if kept or not full:
            fits.append(hint)
        if not kept and not full:
            left -= hint.cell_length
    return fits
